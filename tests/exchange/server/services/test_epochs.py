"""After a store lost changes, watches and tokens from before that are told, and none is silent."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import grpc.aio
import pytest
from exchange.loopback import collected, details, publish_request, serving
from exchange.publications import event

import crucible_ir as ir
from crucible_ir import v1 as ir_v1
from crucible_ir.exchange import v1
from crucible_ir.exchange.store import Store, open_store
from crucible_ir.exchange.store.records import GapReason


async def publish(server: Any, *ids: str) -> list[int]:
    requests = [publish_request(ir.new("ModelRef", id=id_)) for id_ in ids]
    return [(await server.exchange.Publish(each)).record.sequence for each in requests]


async def watched(server: Any, count: int, **request: Any) -> list[v1.WatchResponse]:
    """Return the first messages of a watch."""
    return await collected(server.exchange.Watch(v1.WatchRequest(**request)), count)


def kinds(responses: list[v1.WatchResponse]) -> list[str | None]:
    return [response.WhichOneof("event") for response in responses]


async def test_a_watch_with_a_lost_number_gets_a_gap_with_the_reason(address: str) -> None:
    store = await open_store(address)
    async with serving(store) as server:
        await publish(server, "a", "b")
        epoch = await store.begin_epoch(GapReason.RESTORED)
        # As if it had seen three changes that are not in the backup.
        watching = asyncio.create_task(watched(server, 2, after_sequence=5))
        [sequence] = await publish(server, "c")
        gap, change = await watching
        assert gap.gap == v1.Gap(
            after_sequence=2,
            through_sequence=epoch.lost_through,
            reason=v1.GapReason.GAP_REASON_RESTORED,
            epoch=epoch.name,
        )
        assert change.change.record.sequence == sequence == epoch.lost_through + 1
        # One that saw only what is kept gets the same gap, and one from the new epoch none.
        assert kinds(await watched(server, 3, after_sequence=1)) == ["change", "gap", "change"]
        assert kinds(await watched(server, 1, after_sequence=epoch.lost_through)) == ["change"]


async def test_a_watch_in_progress_gets_a_gap_when_an_epoch_begins(address: str) -> None:
    store = await open_store(address)
    async with serving(store) as server:
        await publish(server, "a")
        watch = aiter(server.exchange.Watch(v1.WatchRequest()))
        first = (await anext(watch)).heartbeat
        epoch = await store.begin_epoch(GapReason.RESTORED)
        gap = (await anext(watch)).gap
        assert (gap.after_sequence, gap.through_sequence) == (1, epoch.lost_through)
        assert (gap.epoch, gap.reason) == (epoch.name, v1.GapReason.GAP_REASON_RESTORED)
        assert first.epoch
        assert first.epoch != epoch.name


async def test_a_watch_that_says_its_epoch_begins_with_a_heartbeat(address: str) -> None:
    store = await open_store(address)
    async with serving(store) as server:
        await publish(server, "a")
        [epoch] = await store.epochs()
        for known in ("", epoch.name):
            heartbeat, change = await watched(server, 2, after_sequence=0, epoch=known)
            assert (heartbeat.heartbeat.sequence, heartbeat.heartbeat.epoch) == (0, epoch.name)
            assert change.WhichOneof("event") == "change"
        # Released clients do not say it, and get what they got before.
        assert kinds(await watched(server, 1, after_sequence=0)) == ["change"]


@pytest.mark.parametrize("after", [0, 1, 10**17])
async def test_a_watch_of_an_unknown_epoch_gets_a_gap_up_to_now(address: str, after: int) -> None:
    async with serving(await open_store(address)) as server:
        await publish(server, "a", "b")
        watching = asyncio.create_task(watched(server, 2, after_sequence=after, epoch="f" * 16))
        await asyncio.sleep(0.3)
        await publish(server, "c")
        gap, change = await watching
        assert (gap.gap.after_sequence, gap.gap.through_sequence) == (0, 2)
        assert gap.gap.reason == v1.GapReason.GAP_REASON_UNKNOWN_EPOCH
        assert change.change.record.sequence == 3


async def test_publications_and_lists_say_the_epoch(address: str) -> None:
    store = await open_store(address)
    async with serving(store) as server:
        [epoch] = await store.epochs()
        published = await server.exchange.Publish(publish_request(ir.new("ModelRef", id="a")))
        listed = await server.exchange.List(v1.ListRequest(type="ModelRef"))
        assert (published.epoch, listed.epoch) == (epoch.name, epoch.name)


async def failed(call: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value


async def test_page_tokens_from_before_a_loss_are_rejected(address: str) -> None:
    store = await open_store(address)
    async with serving(store) as server:
        await publish(server, "a", "b", "c")
        request = v1.ListRequest(type="ModelRef", page_size=1)
        request.page_token = (await server.exchange.List(request)).next_page_token
        epoch = await store.begin_epoch(GapReason.RESTORED)
        await until_known(server, epoch.name)
        error = await failed(server.exchange.List(request))
        assert error.code() is grpc.StatusCode.OUT_OF_RANGE
        info = details(error)["ErrorInfo"]
        assert (info.reason, info.metadata["epoch"]) == ("EPOCH_ENDED", epoch.name)
        request.page_token = ""
        request.page_token = (await server.exchange.List(request)).next_page_token
        assert (await server.exchange.List(request)).entries[0].record.id == "b"


async def until_known(server: Any, epoch: str) -> None:
    async with asyncio.timeout(10):
        while (await server.exchange.List(v1.ListRequest(type="ModelRef"))).epoch != epoch:
            await asyncio.sleep(0.02)


async def test_cursors_are_valid_for_events_that_were_not_lost(address: str) -> None:
    store = await open_store(address)
    async with serving(store) as server:
        for number in range(4):
            await ingest(store, f"e{number}")
        request = v1.ExportRequest(batch_size=1)
        cursors = [each.cursor async for each in server.feedback.Export(request)]
        # As if the last two events were not in the backup.
        await forget_events(store, 2)
        epoch = await store.begin_epoch(GapReason.RESTORED)
        await until_known(server, epoch.name)
        await ingest(store, "new")
        request.cursor = cursors[1]
        answers = [each async for each in server.feedback.Export(request)]
        assert [each.events[0].id for each in answers] == ["new"]
        for cursor in cursors[2:]:
            request.cursor = cursor
            error = await failed(collected(server.feedback.Export(request), 1))
            assert error.code() is grpc.StatusCode.OUT_OF_RANGE
            assert details(error)["ErrorInfo"].reason == "EPOCH_ENDED"


async def ingest(store: Store, id_: str) -> None:
    content = ir_v1.FeedbackEvent(id=id_).SerializeToString()
    await store.ingest([event(id_)._replace(event=content)])


async def forget_events(store: Store, after: int) -> None:
    statement = f"DELETE FROM feedback_events WHERE position > {after}"
    await store._database.write(lambda connection: connection.exec_driver_sql(statement))
