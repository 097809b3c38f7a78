"""A new epoch: changes that were lost are reported as a gap, and no number is used again."""

from __future__ import annotations

import asyncio
import time

import pytest
from exchange.publications import event, publication

from crucible_ir.exchange.store import Store, open_store
from crucible_ir.exchange.store.records import GapReason, MissingChanges


async def publish(store: Store, *ids: str) -> list[int]:
    return [(await store.publish(publication(id_))).record.sequence for id_ in ids]


async def read_all(store: Store, after: int, limit: int = 500) -> list[int | MissingChanges]:
    """Return the sequence numbers and gaps after a sequence number, as a watch gets them."""
    found: list[int | MissingChanges] = []
    while True:
        page = await store.changes(after, limit=limit)
        if page.gap is not None:
            found.append(page.gap)
        found += [entry.record.sequence for entry in page.entries]
        if page.through == after:
            return found
        after = page.through


async def test_a_new_store_has_one_epoch(address: str) -> None:
    store = await open_store(address)
    [epoch] = await store.epochs()
    assert (epoch.reason, epoch.lost_after, epoch.lost_through) == (None, 0, 0)
    assert (await store.changes(0)).epoch == epoch.name
    assert len(epoch.name) == 16
    await store.close()
    store = await open_store(address)
    assert await store.epochs() == [epoch]
    await store.close()


async def test_numbers_of_a_new_epoch_are_beyond_all_earlier_ones(address: str) -> None:
    store = await open_store(address)
    await store.ingest([event("e1"), event("e2")])
    assert await publish(store, "a", "b") == [1, 2]
    before = time.time_ns() // 1000
    epoch = await store.begin_epoch(GapReason.RESTORED)
    assert before <= epoch.lost_through <= time.time_ns() // 1000
    assert (epoch.lost_after, epoch.last_event) == (2, 2)
    assert await store.position() == epoch.lost_through
    assert await publish(store, "c") == [epoch.lost_through + 1]
    assert [each.id for each in await store.epochs()][1:] == [epoch.id]
    await store.close()


@pytest.mark.parametrize("limit", [1, 2, 500])
async def test_a_gap_takes_the_place_of_lost_changes(address: str, limit: int) -> None:
    store = await open_store(address)
    await publish(store, "a", "b")
    first = await store.begin_epoch(GapReason.RESTORED)
    one, two = await publish(store, "c", "d")
    second = await store.begin_epoch(GapReason.DAMAGED)
    third = await store.begin_epoch(GapReason.RESTORED)
    [three] = await publish(store, "e")
    lost = MissingChanges(2, first.lost_through, GapReason.RESTORED)
    # Two epochs between which nothing was published make one gap.
    lost_later = MissingChanges(two, third.lost_through, GapReason.RESTORED)
    assert second.lost_after == two
    for after, expected in {
        0: [1, 2, lost, one, two, lost_later, three],
        1: [2, lost, one, two, lost_later, three],
        2: [lost, one, two, lost_later, three],
        # These were lost after they were seen.
        3: [lost, one, two, lost_later, three],
        first.lost_through - 1: [lost, one, two, lost_later, three],
        first.lost_through: [one, two, lost_later, three],
        two: [lost_later, three],
        third.lost_through: [three],
    }.items():
        assert await read_all(store, after, limit) == expected, after
    await store.close()


async def test_a_gap_of_compaction_and_of_a_loss_are_joined(address: str) -> None:
    store = await open_store(address)
    await publish(store, "a")
    await store.publish(publication("a", "two"))
    epoch = await store.begin_epoch(GapReason.RESTORED)
    await store.compact(2)
    [last] = await publish(store, "b")
    lost = MissingChanges(0, epoch.lost_through, GapReason.RESTORED)
    assert await read_all(store, 0) == [lost, last]
    await store.close()


async def test_a_new_epoch_wakes_those_who_wait_for_changes(address: str) -> None:
    one, two = await open_store(address), await open_store(address)
    await publish(one, "a")
    waiting = asyncio.create_task(one.wait(1, 30))
    if "://" in address:
        await two.begin_epoch(GapReason.RESTORED)
    else:
        await one.begin_epoch(GapReason.RESTORED)
    await asyncio.wait_for(waiting, 10)
    [gap] = await read_all(one, 1)
    assert isinstance(gap, MissingChanges)
    await one.close()
    await two.close()
