"""The first violations of messages with a great many are those that protovalidate lists."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message

from crucible_ir import v1
from crucible_ir.exchange import v1 as exchange_v1
from crucible_ir.exchange.server.rpc.errors import RpcError
from crucible_ir.exchange.server.rpc.request_validation import check_request
from crucible_ir.validation import check
from crucible_ir.validation.check import violations
from crucible_ir.validation.first_violations import first_violations


def experiment(stages: int, backend: str = "b") -> v1.Experiment:
    return v1.Experiment(
        id="e",
        backend=v1.BackendRef(id=backend),
        pipeline=[v1.StageDef(name="" if index % 3 else "s") for index in range(stages)],
    )


@pytest.mark.parametrize("stages", [0, 10, 2500, 6000])
def test_violations_are_the_first_of_all(stages: int) -> None:
    message = experiment(stages)
    every = violations(message)
    assert first_violations(message, 100) == (every[:100], max(0, len(every) - 100))


def test_with_thousands_of_invalid_messages_the_innermost_come_first() -> None:
    message = experiment(6000, backend="")
    listed, omitted = first_violations(message, 10)
    every = violations(message)
    assert len(listed) + omitted == len(every) == 4001
    assert set(listed) < set(every)


def test_valid_message_has_no_violations() -> None:
    message = v1.Experiment(
        id="e", backend=v1.BackendRef(id="b"), pipeline=[v1.StageDef(name="s")] * 5000
    )
    assert first_violations(message, 10) == ([], 0)


def test_a_great_many_violations_are_not_collected(monkeypatch: pytest.MonkeyPatch) -> None:
    most = 0
    collect = check._collector()

    def counted(message: Message) -> Sequence[Any]:
        nonlocal most
        found = collect(message)
        most = max(most, len(found))
        return found

    monkeypatch.setattr(check, "_collector", lambda: counted)
    _, omitted = first_violations(experiment(60_000), 10)
    assert omitted == 40_000 - 10
    assert most == 1


def test_request_to_publish_a_great_many_violations_is_rejected_soon(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    collect = check._collector()
    calls: list[int] = []

    def counted(message: Message) -> Sequence[Any]:
        found = collect(message)
        calls.append(len(found))
        return found

    monkeypatch.setattr(check, "_collector", lambda: counted)
    document = v1.Document(ir_version="0.3", experiment=experiment(300_000))
    with pytest.raises(RpcError) as caught:
        check_request(exchange_v1.PublishRequest(document=document))
    assert caught.value.code == grpc.StatusCode.INVALID_ARGUMENT
    assert len(caught.value.violations) == 20
    assert caught.value.violations[0].path == "document.experiment.pipeline[1].name"
    assert len(calls) < 50
    assert max(calls) == 1
