"""Compaction removes the beginning of the history, keeps latest revisions, and reports the gap."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from exchange.loopback import broken_rules, collected, details, publish_request, serving
from google.protobuf.duration_pb2 import Duration

import crucible_ir as ir
from crucible_ir import v1 as ir_v1
from crucible_ir.exchange import v1
from crucible_ir.exchange.server.options import Settings
from crucible_ir.exchange.server.rpc.call_context import Caller
from crucible_ir.exchange.server.trusted_clock import Clock
from crucible_ir.exchange.store import open_store
from crucible_ir.exchange.store.records import Scope


def publish_requests(count: int, id_: str = "m") -> list[v1.PublishRequest]:
    return [publish_request(ir.new("ModelRef", id=id_, name=f"{n}")) for n in range(count)]


def get(revision: int | None = None) -> v1.GetRequest:
    return v1.GetRequest(type="ModelRef", id="m", revision=revision)


async def test_watch_from_before_a_compaction_gets_a_gap_and_then_the_rest(
    address: str,
) -> None:
    async with serving(await open_store(address)) as server:
        for request in publish_requests(3):
            await server.exchange.Publish(request)
        [first] = await collected(server.exchange.Watch(v1.WatchRequest(after_sequence=0)), 1)
        assert first.change.record.sequence == 1
        answer = await server.exchange.Compact(v1.CompactRequest(after_sequence=2))
        assert answer.oldest_sequence == 3
    # Another server has no change in memory.
    async with serving(await open_store(address)) as server:
        responses = await collected(server.exchange.Watch(v1.WatchRequest(after_sequence=1)), 2)
        assert (responses[0].gap.after_sequence, responses[0].gap.through_sequence) == (1, 2)
        assert responses[1].change.record.sequence == 3
        [on] = await collected(
            server.exchange.Watch(v1.WatchRequest(after_sequence=answer.oldest_sequence - 1)), 1
        )
        assert on.change.record.sequence == 3


async def test_compaction_removes_earlier_revisions_and_keeps_the_latest(address: str) -> None:
    async with serving(await open_store(address)) as server:
        for request in publish_requests(3):
            await server.exchange.Publish(request)
        await server.exchange.Compact(v1.CompactRequest(after_sequence=3))
        for revision in (1, 2):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await server.exchange.Get(get(revision))
            assert caught.value.code() == grpc.StatusCode.NOT_FOUND
        assert (await server.exchange.Get(get())).record.revision == 3
        [request] = publish_requests(4)[3:]
        assert (await server.exchange.Publish(request)).record.revision == 4


async def test_watch_in_progress_misses_no_change_during_compaction(tmp_path: Path) -> None:
    async with serving(await open_store(tmp_path / "x.db")) as server:
        watch = server.exchange.Watch(v1.WatchRequest())
        stream = aiter(watch)
        await anext(stream)
        for number, request in enumerate(publish_requests(5), start=1):
            await server.exchange.Publish(request)
            await server.exchange.Compact(v1.CompactRequest(within=Duration()))
            assert (await anext(stream)).change.record.sequence == number
        watch.cancel()


async def test_compaction_within_a_time_keeps_only_recent_changes(tmp_path: Path) -> None:
    async with serving(await open_store(tmp_path / "x.db")) as server:
        for request in publish_requests(2):
            await server.exchange.Publish(request)
        kept = await server.exchange.Compact(v1.CompactRequest(within=Duration(seconds=3600)))
        assert kept.oldest_sequence == 1
        assert (await server.exchange.Get(get(1))).record.revision == 1
        compacted = await server.exchange.Compact(v1.CompactRequest(within=Duration()))
        assert compacted.oldest_sequence == 3
        # A second compaction has nothing to remove.
        again = await server.exchange.Compact(v1.CompactRequest(after_sequence=0))
        assert again.oldest_sequence == 3


async def test_feedback_events_and_request_ids_survive_compaction(tmp_path: Path) -> None:
    async with serving(await open_store(tmp_path / "x.db")) as server:
        [request] = publish_requests(1)
        request.request_id = "r"
        first = await server.exchange.Publish(request)
        await server.exchange.Publish(publish_requests(2)[1])
        ingest = server.feedback.Ingest()
        batch = v1.IngestRequest(events=[ir_v1.FeedbackEvent(id="e")])
        await ingest.write(batch)
        await ingest.read()
        ingest.cancel()
        await server.exchange.Compact(v1.CompactRequest(within=Duration()))
        assert await server.exchange.Publish(request) == first
        exported = await collected(server.feedback.Export(v1.ExportRequest()), 1)
        assert [event.id for event in exported[0].events] == ["e"]


@pytest.mark.parametrize(
    ("request_", "broken"),
    [
        (v1.CompactRequest(), ("kept", "required")),
        (v1.CompactRequest(after_sequence=-1), ("after_sequence", "int64.gte")),
        (v1.CompactRequest(within=Duration(seconds=-1)), ("within", "duration.gte_lte")),
        (v1.CompactRequest(within=Duration(nanos=-1)), ("within", "duration.gte_lte")),
        (v1.CompactRequest(within=Duration(seconds=2**36)), ("within", "duration.gte_lte")),
    ],
)
async def test_compaction_without_a_condition_is_rejected(
    tmp_path: Path, request_: v1.CompactRequest, broken: tuple[str, str]
) -> None:
    async with serving(await open_store(tmp_path / "x.db")) as server:
        for request in publish_requests(2):
            await server.exchange.Publish(request)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await server.exchange.Compact(request_)
        assert broken_rules(caught.value) == {broken}
        assert (await server.exchange.Get(get(1))).record.revision == 1


async def test_compaction_through_a_future_sequence_number_is_rejected(tmp_path: Path) -> None:
    async with serving(await open_store(tmp_path / "x.db")) as server:
        await server.exchange.Publish(publish_requests(1)[0])
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await server.exchange.Compact(v1.CompactRequest(after_sequence=2))
        assert caught.value.code() == grpc.StatusCode.OUT_OF_RANGE
        info = details(caught.value)["ErrorInfo"]
        assert (info.reason, info.metadata["latest"]) == ("SEQUENCE_AHEAD", "1")


@pytest.mark.parametrize(
    "scope",
    [Scope(types=frozenset({"ModelRef"})), Scope(id_prefixes=("m",)), Scope(id_prefixes=())],
)
async def test_caller_with_a_scope_may_not_compact(tmp_path: Path, scope: Scope) -> None:
    caller = Caller("ann", scope)
    async with serving(await open_store(tmp_path / "x.db"), caller=caller) as server:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await server.exchange.Compact(v1.CompactRequest(after_sequence=0))
        assert caught.value.code() == grpc.StatusCode.PERMISSION_DENIED


async def test_server_with_history_seconds_compacts_automatically(
    address: str,
) -> None:
    store = await open_store(address)
    async with serving(store, Settings(history_seconds=0.01)) as server:
        for request in publish_requests(3):
            await server.exchange.Publish(request)
        deadline = time.monotonic() + 30
        while await there_is(server.exchange, 1):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        assert (await server.exchange.Get(get())).record.revision == 3


YEAR = 365 * 86_400.0


def jump(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Set the clock of this process."""
    actual = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: actual() + round(seconds * 1e9))


@pytest.mark.parametrize("seconds", [YEAR, 30.0, -YEAR])
async def test_server_drops_nothing_after_its_clock_has_jumped(
    address: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    seconds: float,
) -> None:
    async with serving(await open_store(address), Settings(history_seconds=10)) as server:
        for request in publish_requests(3):
            await server.exchange.Publish(request)
        jump(monkeypatch, seconds)
        # The server looks every second.
        deadline = time.monotonic() + 10
        while not any("clock has jumped" in record.message for record in caplog.records):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        assert await there_is(server.exchange, 1)


async def test_server_that_starts_with_a_wrong_clock_drops_nothing(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(await open_store(address)) as server:
        for request in publish_requests(3):
            await server.exchange.Publish(request)
    jump(monkeypatch, YEAR)
    async with serving(await open_store(address), Settings(history_seconds=10)) as server:
        await asyncio.sleep(2.5)
        assert await there_is(server.exchange, 1)


async def test_server_that_restarts_drops_what_was_old_before(tmp_path: Path) -> None:
    async with serving(await open_store(tmp_path / "x.db")) as server:
        for request in publish_requests(2):
            await server.exchange.Publish(request)
            await asyncio.sleep(1.2)
        [other] = publish_requests(1)
        other.document.model_ref.id = "other"
        await server.exchange.Publish(other)
    settings = Settings(history_seconds=1)
    async with serving(await open_store(tmp_path / "x.db"), settings) as server:
        deadline = time.monotonic() + 10
        while await there_is(server.exchange, 1):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)


def test_time_passes_while_the_server_runs() -> None:
    now, elapsed = 5_000_000_000, 100.0
    clock = Clock(3_000_000_000, now=lambda: now, elapsed=lambda: elapsed)
    assert clock.time() == 3_000_000_000
    now, elapsed = now + 60_000_000, elapsed + 60
    assert (clock.time(), clock.jumped_seconds()) == (3_060_000_000, 0)
    now -= 10_000_000
    assert (clock.time(), clock.jumped_seconds()) == (3_060_000_000, -10)


@pytest.mark.parametrize("latest", [None, 6_000_000_000])
def test_clock_is_believed_if_no_change_is_older(latest: int | None) -> None:
    assert Clock(latest, now=lambda: 5_000_000_000, elapsed=lambda: 1).time() == 5_000_000_000


async def test_server_keeps_all_changes_by_default(tmp_path: Path) -> None:
    store = await open_store(tmp_path / "x.db")
    async with serving(store) as server:
        for request in publish_requests(2):
            await server.exchange.Publish(request)
    async with serving(await open_store(tmp_path / "x.db")) as server:
        assert await there_is(server.exchange, 1)


async def there_is(exchange: Any, revision: int) -> bool:
    try:
        await exchange.Get(get(revision))
    except grpc.aio.AioRpcError:
        return False
    return True
