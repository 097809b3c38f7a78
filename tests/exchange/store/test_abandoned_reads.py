"""A read ends with its call, harms no other read, and heavy ones leave the others their threads."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from exchange.endless import Work
from exchange.publications import publication
from sqlalchemy import Connection, text

from crucible_ir.exchange.store import Store, open_store
from crucible_ir.exchange.store.engine.database import (
    HEAVY_PER_CALLER,
    HEAVY_READERS,
    READERS,
    Database,
)
from crucible_ir.exchange.store.engine.reads import READ_CALL, ReadCall
from crucible_ir.exchange.store.errors import StoreUnavailableError
from crucible_ir.exchange.store.records import (
    Comparison,
    Condition,
    EventQuery,
    ListQuery,
    SummaryQuery,
)

#: How long a query may go on after its call, in seconds; a tenth of that where nothing else runs.
WITHIN = 1.0


@asynccontextmanager
async def opened(address: str) -> AsyncIterator[tuple[Store, Database]]:
    """Open a store with one document; yield it and its database."""
    store = await open_store(address)
    await store.publish(publication("m"))
    try:
        async with asyncio.timeout(60):
            yield store, store._database
    finally:
        await store.close()


async def cancelled(task: asyncio.Task[Any]) -> None:
    """Cancel a task and wait for its end."""
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("kind", ["one_statement", "many_statements", "many_rows"])
@pytest.mark.parametrize("lane", ["read", "read_heavily"])
async def test_read_ends_with_its_call(address: str, kind: str, lane: str) -> None:
    async with opened(address) as (_, database):
        work = Work()
        reading = asyncio.create_task(getattr(database, lane)(getattr(work, kind)))
        await work.have_begun(1)
        await asyncio.sleep(0.1)
        begun = time.monotonic()
        await cancelled(reading)
        assert time.monotonic() - begun < WITHIN
        await work.have_ended(1)
        assert work.ended[0] - begun < WITHIN


async def test_abandoned_reads_leave_the_threads_to_others(address: str) -> None:
    async with opened(address) as (store, database):
        work = Work()
        for _ in range(3):
            reading = [
                asyncio.create_task(database.read(work.one_statement)) for _ in range(READERS)
            ]
            await asyncio.sleep(0.1)
            for task in reading:
                await cancelled(task)
        begun = time.monotonic()
        page = await store.list_documents(ListQuery("ModelVersion"))
        assert [entry.record.id for entry in page.entries] == ["m"]
        assert time.monotonic() - begun < 2 * WITHIN


async def test_read_that_waits_never_begins_after_its_call(address: str) -> None:
    async with opened(address) as (_, database):
        work = Work()
        reading = [
            asyncio.create_task(database.read(work.one_statement)) for _ in range(READERS + 5)
        ]
        await work.have_begun(READERS)
        for task in reversed(reading):
            await cancelled(task)
        await work.have_ended(READERS)
        assert work.begun == READERS


async def test_interrupt_never_ends_the_next_read_of_the_connection(address: str) -> None:
    async with opened(address) as (store, database):
        stop = asyncio.Event()
        outcomes = {"read": 0, "abandoned": 0}

        def brief(connection: Connection, number: int) -> int:
            for _ in range(number % 4):
                connection.execute(text("SELECT 1")).all()
            return number

        async def abandon() -> None:
            for number in itertools.count():
                if stop.is_set():
                    return
                reading = asyncio.create_task(database.read(brief, number))
                # Some end before their work has begun, some during it, and some after it.
                await asyncio.sleep(0.0002 * (number % 9))
                outcomes["abandoned"] += not reading.done()
                await cancelled(reading)

        async def read() -> None:
            for number in itertools.count():
                if stop.is_set():
                    return
                assert await database.read(brief, number) == number
                outcomes["read"] += 1

        tasks = [asyncio.create_task(each()) for each in [read, abandon, abandon, read]]
        await asyncio.sleep(1.5)
        stop.set()
        await asyncio.gather(*tasks)
        assert outcomes["read"] > 100
        assert outcomes["abandoned"] > 20
        assert (await store.list_documents(ListQuery("ModelVersion"))).entries


async def test_heavy_reads_leave_others_their_threads(address: str) -> None:
    async with opened(address) as (store, database):
        work = Work()
        reading = [
            asyncio.create_task(_as_caller(str(number), database.read_heavily(work.one_statement)))
            for number in range(HEAVY_READERS + 4)
        ]
        await work.have_begun(HEAVY_READERS)
        begun = time.monotonic()
        for _ in range(5):
            await store.list_documents(ListQuery("ModelVersion"))
        assert time.monotonic() - begun < 2
        assert work.begun == HEAVY_READERS
        for task in reading:
            await cancelled(task)


async def test_caller_leaves_turns_for_heavy_reads_to_others(address: str) -> None:
    async with opened(address) as (_, database):
        work = Work()
        greedy = [
            asyncio.create_task(_as_caller("greedy", database.read_heavily(work.one_statement)))
            for _ in range(10)
        ]
        await work.have_begun(HEAVY_PER_CALLER)
        modest = _as_caller("modest", database.read_heavily(lambda _: "done"))
        assert await asyncio.wait_for(modest, 5) == "done"
        assert work.begun == HEAVY_PER_CALLER
        # The next ones of the greedy caller begin when the first ones end.
        await cancelled(greedy[0])
        await work.have_begun(HEAVY_PER_CALLER + 1)
        for task in greedy:
            await cancelled(task)


async def test_heavy_queries_use_the_lane(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(address) as (store, database):
        heavy = []
        read_heavily = database.read_heavily

        async def record(work: Any, *arguments: Any) -> Any:
            heavy.append(work.__name__)
            return await read_heavily(work, *arguments)

        monkeypatch.setattr(database, "read_heavily", record)
        everything = EventQuery()
        await store.list_documents(ListQuery("ModelVersion"))
        await store.export(everything, after=0, through=9, limit=9)
        await store.summarize(SummaryQuery(everything))
        await store.last_change_before(0)
        condition = Condition("id", Comparison.PREFIX, "m")
        await store.list_documents(ListQuery("ModelVersion", (condition,)))
        # Every page of a list is cheap.
    assert heavy == ["export", "summarize", "last_change_before"]


async def test_closing_ends_reads(address: str) -> None:
    store = await open_store(address)
    work = Work()
    reads = [store._database.read_heavily, *[store._database.read] * (READERS + 2)]
    reading = [asyncio.create_task(read(work.one_statement)) for read in reads]
    await work.have_begun(1 + READERS)
    begun = time.monotonic()
    await store.close()
    assert time.monotonic() - begun < 5
    for result in await asyncio.gather(*reading, return_exceptions=True):
        assert isinstance(result, StoreUnavailableError)
    with pytest.raises(StoreUnavailableError):
        await store._database.read(work.one_statement)


async def test_database_ends_a_statement_at_the_deadline_by_itself(cluster: Any) -> None:
    async with opened(cluster.create_database()) as (_, database):

        async def read() -> None:
            READ_CALL.set(ReadCall("", lambda: 0.2))
            await database.read_heavily(Work().one_statement)

        begun = time.monotonic()
        with pytest.raises(StoreUnavailableError):
            await asyncio.create_task(read())
        assert 0.2 <= time.monotonic() - begun < 2


async def _as_caller(name: str, work: Coroutine[Any, Any, Any]) -> Any:
    READ_CALL.set(ReadCall(name))
    return await work
