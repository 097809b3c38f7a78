"""Errors become statuses with typed details, without the details of internal errors."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from exchange.loopback import broken_rules, details, serving

from crucible_ir.errors import Violation
from crucible_ir.exchange import v1
from crucible_ir.exchange.server.rpc import errors
from crucible_ir.exchange.server.services.registration import method_names, service_names
from crucible_ir.exchange.store import open_store
from crucible_ir.exchange.store.errors import (
    ResultTooLargeError,
    StoreFailure,
    StoreFullError,
    StoreReadOnlyError,
    StoreUnavailableError,
)
from crucible_ir.schema.rules import rules_of

CODES = [
    (StoreUnavailableError("psycopg: host db7"), "UNAVAILABLE", "STORE_UNAVAILABLE"),
    (StoreFullError("/var/lib/x"), "RESOURCE_EXHAUSTED", None),
    (StoreReadOnlyError("/var/lib/x"), "FAILED_PRECONDITION", "STORE_READ_ONLY"),
    (StoreFailure("/var/lib/x is damaged"), "INTERNAL", "STORE"),
    (ResultTooLargeError("too much"), "OUT_OF_RANGE", "TOO_MUCH"),
    (ZeroDivisionError("secret 7"), "INTERNAL", "INTERNAL"),
]


class _Failing:
    """A store whose every method fails."""

    def __init__(self, store: Any, error: Exception) -> None:
        self._store = store
        self._error = error

    def __getattr__(self, name: str) -> Any:
        if name == "get":
            raise self._error
        return getattr(self._store, name)


@pytest.mark.parametrize(("error", "code", "reason"), CODES, ids=lambda value: type(value).__name__)
async def test_store_failure_has_a_status_and_no_internal_details(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    code: str,
    reason: str | None,
) -> None:
    caplog.set_level(logging.CRITICAL)
    failing: Any = _Failing(await open_store(tmp_path / "x.db"), error)
    async with serving(failing) as server:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await server.exchange.Get(v1.GetRequest(type="ModelRef", id="m"))
    assert caught.value.code().name == code
    found = details(caught.value)
    if reason is not None:
        assert (found["ErrorInfo"].reason, found["ErrorInfo"].domain) == (reason, "crucible-ir")
    else:
        assert found["QuotaFailure"].violations[0].subject == "store"
    for word in ("db7", "/var", "secret"):
        assert word not in (caught.value.details() or "")


@pytest.mark.parametrize("name", [m for m in v1.__all__ if m.endswith("Request")])
def test_every_request_has_rules(name: str) -> None:
    assert rules_of(getattr(v1, name).DESCRIPTOR)


@pytest.mark.parametrize(
    ("method", "request_", "rules"),
    [
        ("Get", v1.GetRequest(type="model", id="x"), {("type", "string.pattern")}),
        ("Get", v1.GetRequest(type="M", id="x", revision=0), {("revision", "int32.gte")}),
        ("Get", v1.GetRequest(type="M", id="é" * 257), {("id", "string.max_bytes")}),
        ("List", v1.ListRequest(type="M", page_size=1001), {("page_size", "int32.gte_lte")}),
        ("List", v1.ListRequest(type="M", page_size=0), {("page_size", "int32.gte_lte")}),
        (
            "List",
            v1.ListRequest(type="M", filters=[v1.Filter(field="id")]),
            {("filters[0].condition", "required")},
        ),
        ("Delete", v1.DeleteRequest(type="M", id="x", etag=""), {("etag", "string.min_len")}),
        (
            "Publish",
            v1.PublishRequest(request_id="x" * 129),
            {("document", "required"), ("request_id", "string.max_bytes")},
        ),
        (
            "TraceLineage",
            v1.TraceLineageRequest(type="M", id="x", max_depth=101),
            {("max_depth", "int32.gte_lte")},
        ),
    ],
)
async def test_request_out_of_range_is_rejected_by_rule(
    tmp_path: Path, method: str, request_: Any, rules: set[tuple[str, str]]
) -> None:
    async with serving(await open_store(tmp_path / "x.db")) as server:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await getattr(server.exchange, method)(request_)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert broken_rules(caught.value) == rules


async def test_watch_request_is_validated_before_the_stream_begins(tmp_path: Path) -> None:
    async with serving(await open_store(tmp_path / "x.db")) as server:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            async for _ in server.exchange.Watch(v1.WatchRequest(after_sequence=-1)):
                pass
        assert broken_rules(caught.value) == {("after_sequence", "int64.gte")}


def test_error_with_many_violations_fits_in_a_trailer() -> None:
    many = [Violation(f"field_{n}", "rule", "x" * 100) for n in range(10_000)]
    status = errors.status_of(errors.invalid_argument("invalid request", many))
    assert status.ByteSize() < 8192
    assert "9999 more" in status.message


def test_method_names_are_those_on_the_wire() -> None:
    assert service_names() == [
        "crucible_ir.exchange.v1.AuditService",
        "crucible_ir.exchange.v1.ExchangeService",
        "crucible_ir.exchange.v1.FeedbackService",
        "crucible_ir.exchange.v1.ValidationService",
    ]
    assert len(method_names()) == 22
    assert "/crucible_ir.exchange.v1.FeedbackService/Ingest" in method_names()
