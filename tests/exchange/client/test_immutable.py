"""Clients get the paths of immutable fields that a document changes; an admin overrides them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import grpc
import pytest
from cli.command_line import run
from exchange.client.served import Served
from exchange.loopback import document
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from crucible_ir import to_yaml, v1
from crucible_ir.exchange import (
    EtagMismatchError,
    ExchangeClient,
    ImmutableFieldError,
    PermissionDeniedError,
    PreconditionError,
    Publication,
)
from crucible_ir.exchange import v1 as exchange_v1
from crucible_ir.exchange.client.statuses import error_of_item
from crucible_ir.exchange.server.security.tokens import Role, TokenFile
from crucible_ir.exchange.v1.exchange_service_pb2_grpc import ExchangeServiceStub


def version(model: str, id_: str = "m1") -> v1.ModelVersion:
    return v1.ModelVersion(id=id_, model_id=model, version="1.0.0")


def test_every_way_to_publish_is_rejected_with_the_paths(served: Served) -> None:
    with ExchangeClient(served.address) as client:
        client.publish(version("gpt2"))
        for validate_only in (False, True):
            with pytest.raises(ImmutableFieldError, match="model_id") as caught:
                client.publish(version("llama"), validate_only=validate_only)
            error = caught.value
            assert (error.code, error.reason) == ("FAILED_PRECONDITION", "IMMUTABLE")
            assert error.paths == ("model_id",)
            assert (error.metadata["type"], error.metadata["id"]) == ("ModelVersion", "m1")
        items: list[Message | Publication] = [
            version("llama"),
            version("llama", "m2"),
            Publication(version("gpt2"), etag="x"),
        ]
        immutable, other, stale = client.publish_many(items)
        assert isinstance(immutable.error, ImmutableFieldError)
        assert (immutable.error.paths, immutable.retryable) == (("model_id",), False)
        assert other.published is not None
        assert isinstance(stale.error, EtagMismatchError)
        assert stale.error.latest == client.get(v1.ModelVersion, "m1").record.etag
        assert client.publish(version("gpt2")).unchanged
        # Without authentication everyone is an admin.
        overridden = client.publish(version("llama"), override_immutable=True)
        assert overridden.record.revision == 2
        [entry] = client.list_audit_entries(actions=["overridden"])
        assert (entry.id, entry.details) == ("m1", {"fields": "model_id"})


def test_the_status_has_a_violation_for_each_path(served: Served) -> None:
    with ExchangeClient(served.address) as client:
        client.publish(version("gpt2"))
    changed = version("llama")
    changed.parent_version = "m0"
    with grpc.insecure_channel(served.address) as channel:
        request = exchange_v1.PublishRequest(document=document(changed))
        with pytest.raises(grpc.RpcError) as caught:
            ExchangeServiceStub(channel).Publish(request, timeout=10)
    call: Any = caught.value
    trailers = dict(call.trailing_metadata())
    status = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
    failure = error_details_pb2.PreconditionFailure()
    assert status.details[0].Unpack(failure)
    assert [(each.type, each.subject) for each in failure.violations] == [
        ("IMMUTABLE", "model_id"),
        ("IMMUTABLE", "parent_version"),
    ]


def test_only_an_admin_overrides_and_the_command_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = TokenFile(tmp_path / "tokens.json")
    _, admin = tokens.create("operator", Role.ADMIN)
    _, publisher = tokens.create("trainer", Role.PUBLISHER)
    served = Served(tmp_path, "--tokens", str(tokens.path))
    file = tmp_path / "version.yaml"
    file.write_text(to_yaml(version("llama")))
    monkeypatch.setenv("CRUCIBLE_IR_SERVER", served.address)
    monkeypatch.setenv("CRUCIBLE_IR_TOKEN", admin)
    try:
        with ExchangeClient(served.address, token=publisher) as client:
            client.publish(version("gpt2"))
            with pytest.raises(PermissionDeniedError, match="only an admin"):
                client.publish(version("llama"), override_immutable=True)
        rejected = run("publish", str(file))
        assert (rejected.status, "model_id" in rejected.err) == (1, True)
        report = run("publish", str(file), "--override-immutable", "--format", "json")
        assert json.loads(report.out)["documents"][0]["verdict"] == "revised"
        [entry] = run("audit", "--action", "overridden", "--format", "json").lines
        assert json.loads(entry)["caller"] == "operator"
    finally:
        served.stop()


def test_an_item_of_an_older_server_has_no_reason() -> None:
    error = error_of_item(exchange_v1.ItemError(code=9, message="m1 has changed"))
    assert type(error) is PreconditionError
    assert (error.reason, error.metadata) == ("", {})
