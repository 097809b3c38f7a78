"""A store whose database fails: told as what it is, nothing half done, and well again after."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from exchange import postgresql
from exchange import publications as given
from exchange.publications import publication
from sqlalchemy import Connection, Engine, event

from crucible_ir.exchange.store import open_store
from crucible_ir.exchange.store.failures import (
    StoreFullError,
    StoreReadOnlyError,
    StoreUnavailableError,
)


@contextmanager
def pragma(setting: str) -> Iterator[None]:
    """Set a pragma at the beginning of each transaction."""

    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(f"PRAGMA {setting}")

    event.listen(Engine, "begin", begin)
    try:
        yield
    finally:
        event.remove(Engine, "begin", begin)


async def test_a_full_disk_is_told_and_nothing_is_lost_or_half_written(tmp_path: Path) -> None:
    store = await open_store(tmp_path / "exchange.db")
    kept = await store.publish(publication("kept"))
    with pragma("max_page_count = 1"):
        with pytest.raises(StoreFullError):
            await store.publish(publication("large", "x" * 1_000_000))
        with pytest.raises(StoreFullError):
            await store.ingest([given.event(f"{n}" * 500) for n in range(1000)])
        assert (await store.get("ModelVersion", "kept")).record == kept.record
    with pragma("max_page_count = 1000000"):
        after = await store.publish(publication("large", "x" * 1_000_000))
        assert await store.ingest([given.event("0")]) == []
    assert after.record.sequence == 2
    await store.close()


async def test_a_read_only_database_is_told_and_can_still_be_read(tmp_path: Path) -> None:
    store = await open_store(tmp_path / "exchange.db")
    kept = await store.publish(publication("kept"))
    with pragma("query_only = ON"):
        with pytest.raises(StoreReadOnlyError):
            await store.publish(publication("m1"))
        assert (await store.get("ModelVersion", "kept")).record == kept.record
    with pragma("query_only = OFF"):
        assert (await store.publish(publication("m1"))).record.sequence == 2
    await store.close()


async def test_one_write_that_fails_does_not_take_its_neighbours_with_it(tmp_path: Path) -> None:
    store = await open_store(tmp_path / "exchange.db")
    broken = given.event("x")._replace(latency_ms=2**70)
    results = await asyncio.gather(
        store.publish(publication("m1")),
        store.ingest([given.event("a"), broken]),
        store.publish(publication("m2")),
        store.ingest([given.event("b")]),
        return_exceptions=True,
    )
    assert isinstance(results[1], OverflowError)
    assert await store.position() == 2
    assert await store.ingest([given.event("a"), given.event("b")]) == [1]
    await store.close()


async def test_a_locked_database_is_waited_for(tmp_path: Path) -> None:
    file = tmp_path / "exchange.db"
    store = await open_store(file)
    hold = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
    hold += "c.execute('BEGIN IMMEDIATE'); print('held', flush=True); sys.stdin.read()"
    command = ["python3", "-c", hold, str(file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        writing = asyncio.create_task(store.publish(publication("m1")))
        await asyncio.sleep(0.2)
        assert not writing.done()
        assert other.stdin is not None
        other.stdin.close()
        assert (await writing).record.sequence == 1
    await store.close()


async def test_a_lost_connection_is_told_and_comes_back(cluster: postgresql.Cluster) -> None:
    store = await open_store(cluster.create_database())
    await store.publish(publication("m1"))
    cluster.stop()
    try:
        with pytest.raises(StoreUnavailableError):
            await store.publish(publication("m2"))
        with pytest.raises(StoreUnavailableError):
            await store.get("ModelVersion", "m1")
        with pytest.raises(StoreUnavailableError):
            await store.ping()
    finally:
        cluster.start()
    assert (await store.publish(publication("m2"))).record.sequence == 2
    assert (await store.get("ModelVersion", "m1")).record.sequence == 1
    await store.ping()
    await store.close()
