"""Watches get every change exactly once and in order, can be resumed, and report gaps."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from exchange.loopback import (
    NARROW,
    collected,
    details,
    publish_request,
    serving,
    stubs,
)

import crucible_ir as ir
from crucible_ir.exchange import v1
from crucible_ir.exchange.server.options import Settings
from crucible_ir.exchange.store import open_store


def reference(id_: str, text: str = "") -> Any:
    return ir.new("ModelRef", id=id_, name=text)


def sequences(responses: list[Any]) -> list[int]:
    return [response.change.record.sequence for response in responses]


async def test_heartbeats_tell_the_position_while_past_changes_are_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await open_store(tmp_path / "exchange.db")
    changes = store.changes

    async def slow_changes(after: int, **_: Any) -> Any:
        await asyncio.sleep(0.02)
        return await changes(after, limit=1)

    async with serving(store, Settings(recent_changes=1)) as server:
        for n in range(30):
            await server.exchange.Publish(publish_request(reference(f"{n}")))
        monkeypatch.setattr(store, "changes", slow_changes)
        request = v1.WatchRequest(after_sequence=0, types=["Prompt"], heartbeat_interval_ms=100)
        async with asyncio.timeout(30):
            first, second = await collected(server.exchange.Watch(request), 2)
        assert 0 < first.heartbeat.sequence < second.heartbeat.sequence <= 30
        assert first.heartbeat.sequence < 25


async def test_watches_get_every_change_once_and_in_order(
    address: str,
) -> None:
    settings = Settings(recent_changes=20)
    async with serving(await open_store(address), settings) as server:
        watches = [
            asyncio.create_task(
                collected(server.exchange.Watch(v1.WatchRequest(after_sequence=0)), 120)
            )
            for _ in range(5)
        ]

        async def publish(writer: int) -> None:
            for n in range(20):
                content = reference(f"{writer}", f"{n}")
                await server.exchange.Publish(publish_request(content))

        await asyncio.gather(*(publish(writer) for writer in range(6)))
        late = collected(server.exchange.Watch(v1.WatchRequest(after_sequence=50)), 70)
        assert sequences(await late) == list(range(51, 121))
        for responses in await asyncio.gather(*watches):
            assert sequences(responses) == list(range(1, 121))
            by_document: dict[str, list[int]] = {}
            for response in responses:
                record = response.change.record
                by_document.setdefault(record.id, []).append(record.revision)
            assert list(by_document.values()) == [list(range(1, 21))] * 6


async def test_watch_resumes_where_it_ended(tmp_path: Path) -> None:
    async with serving(await open_store(tmp_path / "x.db")) as server:
        for n in range(10):
            await server.exchange.Publish(publish_request(reference(f"m{n}")))
        first = await collected(server.exchange.Watch(v1.WatchRequest(after_sequence=0)), 4)
        last = sequences(first)[-1]
        rest = await collected(server.exchange.Watch(v1.WatchRequest(after_sequence=last)), 6)
        assert sequences(first) + sequences(rest) == list(range(1, 11))


async def test_watch_of_future_changes_begins_with_its_position(tmp_path: Path) -> None:
    async with serving(await open_store(tmp_path / "x.db")) as server:
        await server.exchange.Publish(publish_request(reference("before")))
        watch = server.exchange.Watch(v1.WatchRequest(include_documents=True))
        stream = aiter(watch)
        assert (await anext(stream)).heartbeat.sequence == 1
        await server.exchange.Publish(publish_request(reference("after")))
        change = (await anext(stream)).change
        assert (change.record.sequence, change.document.model_ref.id) == (2, "after")
        watch.cancel()


async def test_watch_filters_by_type_and_prefix_and_heartbeats_pass_other_changes(
    tmp_path: Path,
) -> None:
    async with serving(await open_store(tmp_path / "x.db")) as server:
        for id_ in ("a/1", "b/1", "a/2"):
            await server.exchange.Publish(publish_request(reference(id_)))
            await server.exchange.Publish(publish_request(ir.new("BackendRef", id=id_)))
        watch = server.exchange.Watch(
            v1.WatchRequest(
                after_sequence=0, types=["ModelRef"], id_prefix="a/", heartbeat_interval_ms=100
            )
        )
        responses = await collected(watch, 3)
        assert sequences(responses[:2]) == [1, 5]
        assert not responses[0].change.HasField("document")
        assert responses[2].heartbeat.sequence == 6


async def test_watch_gets_deletions(tmp_path: Path) -> None:
    async with serving(await open_store(tmp_path / "x.db")) as server:
        await server.exchange.Publish(publish_request(reference("m")))
        await server.exchange.Delete(v1.DeleteRequest(type="ModelRef", id="m"))
        watch = server.exchange.Watch(v1.WatchRequest(after_sequence=1, include_documents=True))
        [response] = await collected(watch, 1)
        assert response.change.record.deleted
        assert not response.change.HasField("document")


async def test_gap_precedes_the_changes_after_it(address: str) -> None:
    store = await open_store(address)
    for n in range(4):
        async with serving(await open_store(address)) as server:
            await server.exchange.Publish(publish_request(reference("m", str(n))))
    await store.compact(2)
    async with serving(store) as server:
        responses = await collected(server.exchange.Watch(v1.WatchRequest(after_sequence=1)), 3)
        assert (responses[0].gap.after_sequence, responses[0].gap.through_sequence) == (1, 2)
        assert sequences(responses[1:]) == [3, 4]
        after = await collected(server.exchange.Watch(v1.WatchRequest(after_sequence=2)), 2)
        assert sequences(after) == [3, 4]


async def test_watch_from_a_future_sequence_number_is_rejected(tmp_path: Path) -> None:
    async with serving(await open_store(tmp_path / "x.db")) as server:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await collected(server.exchange.Watch(v1.WatchRequest(after_sequence=5)), 1)
        assert caught.value.code() == grpc.StatusCode.OUT_OF_RANGE
        info = details(caught.value)["ErrorInfo"]
        assert (info.reason, info.metadata["latest"]) == ("SEQUENCE_AHEAD", "0")


async def test_watch_gets_changes_of_another_server(address: str) -> None:
    async with (
        serving(await open_store(address)) as one,
        serving(await open_store(address)) as two,
    ):
        watching = asyncio.create_task(
            collected(one.exchange.Watch(v1.WatchRequest(after_sequence=0)), 2)
        )
        await two.exchange.Publish(publish_request(reference("m1")))
        await two.exchange.Publish(publish_request(reference("m2")))
        assert sequences(await asyncio.wait_for(watching, 30)) == [1, 2]


async def test_only_the_watch_of_a_slow_client_ends(tmp_path: Path) -> None:
    settings = Settings(slow_consumer_seconds=0.3)
    async with serving(await open_store(tmp_path / "x.db"), settings) as server:
        target = f"127.0.0.1:{server.port}"
        async with grpc.aio.insecure_channel(target, options=NARROW) as channel:
            slow = stubs(channel)[0].Watch(
                v1.WatchRequest(after_sequence=0, include_documents=True)
            )
            await slow.wait_for_connection()
            for n in range(20):
                content = ir.new("ModelRef", id=f"m{n}", metadata={"text": "x" * 200_000})
                await server.exchange.Publish(publish_request(content))
            brisk = server.exchange.Watch(v1.WatchRequest(after_sequence=0))
            assert len(await collected(brisk, 20)) == 20
            await asyncio.sleep(1)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await asyncio.wait_for(collected(slow, 20), 30)
            assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
            assert details(caught.value)["QuotaFailure"].violations[0].subject == "watch"


async def test_watch_ends_with_a_reason_when_the_server_drains(tmp_path: Path) -> None:
    async with serving(await open_store(tmp_path / "x.db")) as server:
        watch = server.exchange.Watch(v1.WatchRequest())
        stream = aiter(watch)
        await anext(stream)
        server.services.drain()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await anext(stream)
        assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
        assert details(caught.value)["ErrorInfo"].reason == "DRAINING"
