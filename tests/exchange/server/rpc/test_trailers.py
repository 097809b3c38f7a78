"""Errors fit in the trailers that every client accepts: 8 KiB, encoded and with overheads."""

from __future__ import annotations

import base64
import json
import logging
import urllib.parse
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from exchange.loopback import items, publish_request, stubs
from exchange.servers import LOOPBACK, channel_to, failure, serving
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2, status_pb2
from hypothesis import given
from hypothesis import strategies as st

import crucible_ir as ir
from crucible_ir import v1 as ir_v1
from crucible_ir.errors import Violation
from crucible_ir.exchange import v1
from crucible_ir.exchange.server.options import ServerOptions
from crucible_ir.exchange.server.rpc import errors
from crucible_ir.exchange.server.rpc.interceptor import InterceptorChain
from crucible_ir.exchange.server.rpc.request_validation import ValidationInterceptor
from crucible_ir.exchange.server.security.limits import CallLimits

#: The limit of Java's clients, and of gRPC's core by default.
MAX_TRAILERS = 8192

#: A client that rejects what Java rejects; by default gRPC's core rejects some of it at random.
STRICT = {"grpc.max_metadata_size": MAX_TRAILERS, "grpc.absolute_max_metadata_size": MAX_TRAILERS}

KEY = "漢" * 500


def size_of_trailers(code: grpc.StatusCode, message: str, details: bytes, request_id: str) -> int:
    """Return the size of trailers as RFC 7541 counts a list of headers, in gRPC's encodings."""
    trailers = {
        ":status": "200",
        "content-type": "application/grpc",
        "grpc-status": str(code.value[0]),
        # Every byte but printable ASCII without "%".
        "grpc-message": urllib.parse.quote(
            message, safe="".join(set(map(chr, range(0x20, 0x7F))) - {"%"})
        ),
        "grpc-status-details-bin": base64.b64encode(details).decode(),
        "x-request-id": request_id,
    }
    return sum(len(name) + len(value) + 32 for name, value in trailers.items())


def size_of(error: errors.RpcError) -> int:
    status = errors.status_of(error).SerializeToString()
    return size_of_trailers(error.code, error.message, status, "x" * 128)


def bad_request(error: errors.RpcError) -> error_details_pb2.BadRequest:
    message = error_details_pb2.BadRequest()
    [packed] = errors.status_of(error).details
    assert packed.Unpack(message)
    return message


texts = st.one_of(
    st.text(max_size=20),
    st.builds(lambda text, n: text * n, st.text(min_size=1, max_size=3), st.integers(1, 8000)),
)
violations = st.builds(Violation, texts, st.sampled_from(["required", "double.gte"]), texts)


@given(st.lists(violations, max_size=30), texts)
def test_violations_fit_and_the_first_are_whole(broken: list[Violation], message: str) -> None:
    error = errors.invalid_argument(message[:40], broken)
    assert size_of(error) <= MAX_TRAILERS
    listed = [
        (each.field, each.reason, each.description) for each in bad_request(error).field_violations
    ]
    whole = [(each.path, each.rule_id, each.message) for each in broken[: len(listed)]]
    assert listed == whole or len(listed) == 1
    assert bool(listed) == bool(broken)
    omitted = len(broken) - len(listed)
    assert (f"({omitted} not listed)" in error.message) == bool(omitted)


@given(texts, texts, st.dictionaries(st.text(max_size=9), texts, max_size=4))
def test_every_kind_of_error_fits(text: str, subject: str, metadata: dict[str, str]) -> None:
    for error in (
        errors.field_violation(subject, "rule", text),
        errors.failed_precondition("ETAG", subject, text, metadata),
        errors.not_found("ModelVersion", subject, text),
        errors.quota(subject, text),
        errors.permission_denied(text),
        errors.unavailable("DRAINING", text),
    ):
        assert size_of(error) <= MAX_TRAILERS
        assert errors.status_of(error).message == error.message


def test_error_that_fits_is_not_changed() -> None:
    broken = [
        Violation(f'weights["{"k" * 60}{n}"]', "double.gte", "must be 0 or more") for n in range(20)
    ]
    error = errors.invalid_argument("invalid request", broken)
    assert error.message == f"invalid request: {broken[0]}, and 19 more"
    assert [each.field for each in bad_request(error).field_violations] == [b.path for b in broken]


def many_violations() -> ir_v1.Experiment:
    """Return an experiment that breaks 20 rules, at paths of more than 500 bytes."""
    experiment = ir_v1.Experiment(id="e", pipeline=[ir_v1.StageDef(name="s")])
    backend = experiment.backend
    for depth in range(80):
        if depth < 60:
            backend.id = "b"
        backend = backend.fallback
    backend.id = "b"
    assert len(ir.violations(experiment)) == 20
    return experiment


def convert(key: str) -> v1.ConvertRequest:
    content = json.dumps({"id": "m", "metrics": {key: "x"}}, ensure_ascii=False).encode()
    return v1.ConvertRequest(
        type="ModelVersion",
        source_form=v1.Form.FORM_JSON,
        target_form=v1.Form.FORM_BINARY,
        content=content,
    )


METADATA = (("x-request-id", "x" * 128),)

Call = Callable[[Any, Any], Awaitable[object]]

LONG_ID = KEY[:170]

CALLS: dict[str, tuple[Call, str]] = {
    "violations": (
        lambda e, _: e.Publish(publish_request(many_violations()), metadata=METADATA),
        "INVALID_ARGUMENT",
    ),
    "key of 1,500 bytes": (
        lambda _, v: v.Convert(convert(KEY), metadata=METADATA),
        "INVALID_ARGUMENT",
    ),
    "key of 6,000 bytes": (
        lambda _, v: v.Convert(convert("漢" * 2000), metadata=METADATA),
        "INVALID_ARGUMENT",
    ),
    "key of 2,700,000 bytes": (
        lambda _, v: v.Convert(convert("漢" * 900_000), metadata=METADATA),
        "INVALID_ARGUMENT",
    ),
    "etag": (
        lambda e, _: e.Publish(
            publish_request(ir_v1.ModelRef(id=LONG_ID), etag=KEY[:42]), metadata=METADATA
        ),
        "FAILED_PRECONDITION",
    ),
    "document": (
        lambda e, _: e.Get(v1.GetRequest(type="ModelRef", id=LONG_ID), metadata=METADATA),
        "NOT_FOUND",
    ),
}


@pytest.mark.parametrize(("call", "code"), CALLS.values(), ids=CALLS)
async def test_client_with_a_limit_of_8_kib_gets_the_error(
    tmp_path: Path, call: Call, code: str
) -> None:
    async with serving(tmp_path) as server, channel_to(server, **STRICT) as channel:
        exchange, _, validation = stubs(channel)
        error = await failure(call(exchange, validation))
    assert error.code().name == code, error.details()
    trailers: Any = dict(error.trailing_metadata() or ())
    details, request_id = trailers["grpc-status-details-bin"], trailers["x-request-id"]
    assert request_id == "x" * 128
    size = size_of_trailers(error.code(), error.details() or "", details, request_id)
    assert size <= MAX_TRAILERS


async def test_reason_survives_a_long_path(tmp_path: Path) -> None:
    async with serving(tmp_path) as server, channel_to(server, **STRICT) as channel:
        _, _, validation = stubs(channel)
        error = await failure(validation.Convert(convert("漢" * 2000)))
    assert "expected a number" in (error.details() or "")


async def test_every_decode_error_of_a_content_is_listed(tmp_path: Path) -> None:
    request = convert("a")
    request.content = b'{"id": 1,\n "version": 2}'
    async with serving(tmp_path) as server, channel_to(server) as channel:
        _, _, validation = stubs(channel)
        error = await failure(validation.Convert(request))
    trailers: Any = dict(error.trailing_metadata() or ())
    [packed] = status_pb2.Status.FromString(trailers["grpc-status-details-bin"]).details
    found = error_details_pb2.BadRequest()
    assert packed.Unpack(found)
    first, second = [each.description for each in found.field_violations]
    assert first.startswith("1:8: id: ")
    assert second.startswith("2:13: version: ")
    assert {each.reason for each in found.field_violations} == {"content.readable"}


async def test_exception_in_a_method_of_another_service_sends_no_text(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.CRITICAL)

    async def fail(request: bytes, context: object) -> bytes:
        raise RuntimeError("漢" * 2000)

    handler = grpc.method_handlers_generic_handler(
        "other.Service", {"Fail": grpc.unary_unary_rpc_method_handler(fail)}
    )
    server = grpc.aio.server(interceptors=[InterceptorChain([ValidationInterceptor()])])
    server.add_generic_rpc_handlers((handler,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        options = list(STRICT.items())
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
            call: Any = channel.unary_unary("/other.Service/Fail")
            error = await failure(call(b""))
    finally:
        await server.stop(None)
    assert (error.code(), error.details()) == (grpc.StatusCode.INTERNAL, "the server failed")


async def test_rejected_item_lists_as_much_as_a_status_does(tmp_path: Path) -> None:
    requests = [v1.BatchPublishRequest(index=7, publish=publish_request(many_violations()))]
    async with serving(tmp_path) as server, channel_to(server) as channel:
        exchange, _, _ = stubs(channel)
        [answer] = [item async for item in exchange.BatchPublish(items(requests))]
    found = ir.violations(requests[0])
    listed = [(each.path, each.rule_id) for each in answer.error.violations]
    assert listed == [(each.path, each.rule_id) for each in found[: len(listed)]]
    assert 0 < len(listed) < 20
    assert f"and 19 more ({20 - len(listed)} not listed)" in answer.error.message


async def test_answer_to_a_batch_of_rejected_events_fits_in_a_message(tmp_path: Path) -> None:
    # An event that breaks every rule that an event can break at once.
    event = ir_v1.FeedbackEvent(latency_ms=-1, timestamp=Timestamp(seconds=2**50, nanos=-1))
    batch = v1.IngestRequest(batch_id=1, events=[event] * 10_000)
    async with serving(tmp_path) as server, channel_to(server) as channel:
        _, feedback, _ = stubs(channel)
        [answer] = [item async for item in feedback.Ingest(items([batch]))]
    assert [item.index for item in answer.rejected] == list(range(10_000))
    assert {len(item.error.violations) for item in answer.rejected} == {3}
    assert answer.ByteSize() < 4 * 1024 * 1024


async def test_deadline_of_the_server_has_a_status_with_details(tmp_path: Path) -> None:
    options = ServerOptions(address=LOOPBACK, limits=CallLimits(seconds=1e-9))
    async with serving(tmp_path, options) as server, channel_to(server) as channel:
        _, feedback, _ = stubs(channel)
        error = await failure(feedback.Summarize(v1.SummarizeRequest()))
    assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    trailers: Any = dict(error.trailing_metadata() or ())
    status = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
    assert (status.code, status.message) == (4, error.details())
