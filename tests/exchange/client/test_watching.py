"""A watch yields each change exactly once and in order, across broken connections."""

from __future__ import annotations

import threading
import time
import uuid

import pytest
from exchange.client.served import Served, Wire

from crucible_ir import v1
from crucible_ir.exchange import Change, ExchangeClient, Gap, RetryPolicy, UnavailableError
from crucible_ir.exchange import v1 as exchange_v1
from crucible_ir.exchange.client.blocking_streams import IdleTimeoutStream
from crucible_ir.exchange.client.connection import Connection
from crucible_ir.exchange.client.watching import WatchPosition
from crucible_ir.exchange.v1.exchange_service_pb2_grpc import ExchangeServiceStub

QUICK = RetryPolicy(first_delay=0.01, longest_delay=0.1)


def version(id_: str) -> v1.ModelVersion:
    return v1.ModelVersion(id=id_, model_id="gpt2", version="1.0.0")


def change_of(event: Change | Gap) -> Change:
    assert isinstance(event, Change)
    return event


def test_a_watch_of_new_changes_yields_those_made_afterwards(client: ExchangeClient) -> None:
    prefix = str(uuid.uuid4())
    client.publish(version(f"{prefix}/before"))
    with client.watch(id_prefix=prefix, include_documents=True) as watch:
        record = client.publish(version(f"{prefix}/after")).record
        change = change_of(next(watch))
        assert change.record == record
        assert change.content == version(f"{prefix}/after")
        assert watch.sequence == record.sequence
        deletion = client.delete(v1.ModelVersion, f"{prefix}/after")
        assert change_of(next(watch)).record == deletion


def test_a_watch_from_the_beginning_yields_all_changes_of_its_types(
    client: ExchangeClient,
) -> None:
    prefix = str(uuid.uuid4())
    client.publish(version(f"{prefix}/version"))
    client.publish(v1.ModelRef(id=f"{prefix}/model"))
    client.publish(version(f"{prefix}/other"))
    with client.watch(0, types=["ModelVersion"], id_prefix=prefix) as watch:
        found = [change_of(next(watch)).record.id for _ in range(2)]
    assert found == [f"{prefix}/version", f"{prefix}/other"]


def test_a_watch_resumes_after_broken_connections(client: ExchangeClient, wire: Wire) -> None:
    prefix = str(uuid.uuid4())
    with (
        ExchangeClient(wire.address, retry=QUICK) as cut_off,
        cut_off.watch(id_prefix=prefix) as watch,
    ):
        ids = [f"{prefix}/{number}" for number in range(30)]
        found = []
        for number, id_ in enumerate(ids):
            client.publish(version(id_))
            if number % 10 == 5:
                wire.cut()
            if number % 3 == 2:
                found += [change_of(next(watch)).record.id for _ in range(3)]
    assert found == ids
    assert wire.connections >= 3


def test_a_watch_resumes_after_a_server_was_killed_and_restarted(served: Served) -> None:
    with (
        ExchangeClient(served.address, timeout=60, retry=QUICK) as client,
        client.watch() as watch,
    ):
        found = []
        for round_ in range(3):
            client.publish(version(f"m{round_}"))
            found.append(change_of(next(watch)).record.sequence)
            served.kill()
            served.start()
        client.publish(version("m3"))
        found.append(change_of(next(watch)).record.sequence)
    assert found == [1, 2, 3, 4]


def test_a_server_that_sends_nothing_is_an_error(wire: Wire) -> None:
    with Connection(wire.address).open() as channel:
        call = ExchangeServiceStub(channel).Watch(
            exchange_v1.WatchRequest(heartbeat_interval_ms=100)
        )
        answers = IdleTimeoutStream(call, timeout=0.5)
        for _ in range(10):
            answer = answers.receive()
            assert answer is not None
            assert answer.WhichOneof("event") == "heartbeat"
        wire.silent = True
        with pytest.raises(UnavailableError, match=r"the server sent nothing for 0\.5 s"):
            while answers.receive() is not None:
                pass


def test_the_idle_timeout_is_two_heartbeats_and_a_margin() -> None:
    assert WatchPosition(None, [], "", False, 1000).idle_timeout == 7.0
    assert WatchPosition(None, [], "", False, None).idle_timeout == 35.0


def test_a_watch_that_cannot_begin_is_an_error(shared: Served) -> None:
    wire = Wire(shared.port)
    wire.close()
    with (
        ExchangeClient(wire.address, timeout=0.3, retry=QUICK) as client,
        pytest.raises(UnavailableError),
    ):
        client.watch()


def test_an_outage_beyond_the_limit_ends_a_watch(wire: Wire) -> None:
    with (
        ExchangeClient(wire.address, retry=QUICK) as client,
        client.watch(max_outage=0.3) as watch,
    ):
        wire.close()
        with pytest.raises(UnavailableError):
            next(watch)
        assert list(watch) == []


def test_a_slow_reader_does_not_count_as_an_outage(wire: Wire, client: ExchangeClient) -> None:
    prefix = str(uuid.uuid4())
    with (
        ExchangeClient(wire.address, retry=QUICK) as cut_off,
        cut_off.watch(id_prefix=prefix, max_outage=0.5) as watch,
    ):
        client.publish(version(f"{prefix}/0"))
        assert change_of(next(watch)).record.id == f"{prefix}/0"
        time.sleep(0.7)
        wire.cut()
        client.publish(version(f"{prefix}/1"))
        assert change_of(next(watch)).record.id == f"{prefix}/1"


def test_closing_a_watch_wakes_a_waiting_thread(client: ExchangeClient) -> None:
    watch = client.watch(id_prefix=str(uuid.uuid4()))
    found: list[list[Change | Gap]] = []
    waiting = threading.Thread(target=lambda: found.append(list(watch)))
    waiting.start()
    watch.close()
    waiting.join(timeout=30)
    assert found == [[]]


def answer(sequence: int) -> exchange_v1.WatchResponse:
    record = exchange_v1.Record(type="ModelRef", id="m", sequence=sequence)
    return exchange_v1.WatchResponse(change=exchange_v1.Change(record=record))


def test_a_repeated_change_is_skipped() -> None:
    position = WatchPosition(4, [], "", False, None)
    assert [position.advance(answer(number)) is None for number in (4, 5, 5, 3, 6)] == [
        True,
        False,
        True,
        True,
        False,
    ]
    assert position.request().after_sequence == 6


def test_a_gap_is_yielded_and_advances_the_position() -> None:
    position = WatchPosition(0, [], "", False, None)
    gap = exchange_v1.Gap(after_sequence=0, through_sequence=7)
    assert position.advance(exchange_v1.WatchResponse(gap=gap)) == Gap(0, 7)
    assert position.request().after_sequence == 7


def test_a_watch_resumes_from_its_last_heartbeat() -> None:
    position = WatchPosition(None, ["ModelRef"], "m", True, 500)
    assert not position.request().HasField("after_sequence")
    heartbeat = exchange_v1.Heartbeat(sequence=12)
    assert position.advance(exchange_v1.WatchResponse(heartbeat=heartbeat)) is None
    request = position.request()
    assert (request.after_sequence, list(request.types), request.id_prefix) == (
        12,
        ["ModelRef"],
        "m",
    )
    assert (request.include_documents, request.heartbeat_interval_ms) == (True, 500)
