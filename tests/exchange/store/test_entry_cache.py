"""Reading the latest revision: never an outdated one, and never blocking the event loop."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from exchange import postgresql
from exchange.publications import publication

from crucible_ir.exchange.store import Store, open_store
from crucible_ir.exchange.store.engine import database, sqlite, sqlite_statements
from crucible_ir.exchange.store.engine import postgresql as engine
from crucible_ir.exchange.store.engine.postgresql_lookups import PostgresqlLookups
from crucible_ir.exchange.store.entry_cache import EntryCache
from crucible_ir.exchange.store.errors import DocumentNotFoundError, StoreUnavailableError
from crucible_ir.exchange.store.records import DeleteCommand, StoredEntry, StoredRecord
from crucible_ir.exchange.store.statements.rows import Lookup


def entry(id_: str, sequence: int, size: int = 10) -> StoredEntry:
    record = StoredRecord("T", id_, 1, sequence, "e", None, 0, 0, None, False)
    return StoredEntry(record, b"x" * size)


def test_entry_is_cached_until_something_changes() -> None:
    sequence: list[int | None] = [7]
    latest = EntryCache(lambda: sequence[0])
    assert latest.find("T", "a") is None
    latest.add(entry("a", 3), latest.as_of)
    assert latest.find("T", "a") == entry("a", 3)
    assert latest.find("T", "b") is None
    sequence[0] = 8
    assert latest.find("T", "a") is None


def test_entry_read_during_a_change_is_not_cached() -> None:
    sequence = [7]
    latest = EntryCache(lambda: sequence[0])
    assert latest.find("T", "a") is None
    as_of = latest.as_of
    sequence[0] = 8
    assert latest.find("T", "b") is None
    latest.add(entry("a", 3), as_of)
    assert latest.find("T", "a") is None


def test_nothing_is_cached_while_the_latest_change_is_unknown() -> None:
    latest = EntryCache(lambda: None)
    assert latest.find("T", "a") is None
    latest.add(entry("a", 3), latest.as_of)
    assert latest.find("T", "a") is None


def test_cache_keeps_the_most_recently_used_entries() -> None:
    latest = EntryCache(lambda: 7, max_bytes=5000)
    for number in range(3):
        assert latest.find("T", str(number)) is None
        latest.add(entry(str(number), number), latest.as_of)
    assert latest.find("T", "0") is not None
    for number in range(3, 5):
        latest.add(entry(str(number), number), latest.as_of)
    assert [latest.find("T", str(number)) is not None for number in range(5)] == [
        *(True, False, True, True, True)
    ]
    latest.add(entry("large", 9, size=6000), latest.as_of)
    assert latest.find("T", "large") is None


async def test_acknowledged_change_is_visible_at_once(address: str) -> None:
    store = await open_store(address)
    for number in range(50):
        published = await store.publish(publication("m", f"body {number}"))
        for _ in range(2):
            read = await store.get("ModelVersion", "m")
            assert (read.record, read.document) == (published.record, f"body {number}".encode())
    await store.delete(DeleteCommand("ModelVersion", "m"))
    with pytest.raises(DocumentNotFoundError):
        await store.get("ModelVersion", "m")
    await store.close()


async def test_change_of_another_process_is_visible_within_milliseconds(address: str) -> None:
    one, other = await open_store(address), await open_store(address)
    await one.publish(publication("m", "first"))
    assert (await other.get("ModelVersion", "m")).document == b"first"
    await one.publish(publication("m", "second"))
    await asyncio.sleep(database.STALENESS_SECONDS)
    assert (await other.get("ModelVersion", "m")).document == b"second"
    await one.close()
    await other.close()


async def heard(store: Store) -> None:
    """Return when a store hears of the changes of other servers."""
    async with asyncio.timeout(10):
        while store._database.version() is None:
            await asyncio.sleep(0.01)


async def test_servers_of_postgresql_cache_until_they_hear_of_a_change(
    cluster: postgresql.Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = cluster.create_database()
    one, other = await open_store(address), await open_store(address)
    looked_up = count_lookups(monkeypatch)
    await heard(other)
    await one.publish(publication("m", "0"))
    assert (await other.get("ModelVersion", "m")).document == b"0"
    # Notifications of what the other store has read already may still arrive.
    await asyncio.sleep(0.2)
    await other.get("ModelVersion", "m")
    before = len(looked_up)
    for _ in range(50):
        assert (await other.get("ModelVersion", "m")).document == b"0"
    assert len(looked_up) == before
    delays = []
    for number in range(1, 20):
        await one.publish(publication("m", str(number)))
        begun = time.perf_counter()
        while (await other.get("ModelVersion", "m")).document != str(number).encode():
            await asyncio.sleep(0)
        delays.append(time.perf_counter() - begun)
    assert sorted(delays)[len(delays) // 2] < 0.1
    await one.close()
    await other.close()


async def test_server_that_cannot_hear_of_changes_does_not_cache(
    cluster: postgresql.Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "RECONNECT_SECONDS", 2.0)
    address = cluster.create_database()
    one, other = await open_store(address), await open_store(address)
    await heard(other)
    await one.publish(publication("m", "0"))
    for cut in ("ended", "silent"):
        await heard(other)
        await asyncio.sleep(0.2)
        await other.get("ModelVersion", "m")
        with listening(address) as (connection, pids):
            if cut == "ended":
                for pid in pids:
                    connection.execute("SELECT pg_terminate_backend(%s)", [pid])
                await asyncio.sleep(0.2)
            else:
                for pid in pids:
                    os.kill(pid, signal.SIGSTOP)
                await asyncio.sleep(engine.SILENCE_SECONDS)
            try:
                assert other._database.version() is None
                for number in range(5):
                    await one.publish(publication("m", f"{cut} {number}"))
                    read = await other.get("ModelVersion", "m")
                    assert read.document == f"{cut} {number}".encode()
            finally:
                if cut == "silent":
                    for pid in pids:
                        os.kill(pid, signal.SIGCONT)
        # What changed before it hears of changes again is not missed.
        await heard(other)
        assert (await other.get("ModelVersion", "m")).document == f"{cut} 4".encode()
    await one.close()
    await other.close()


@contextmanager
def listening(address: str) -> Iterator[tuple[psycopg.Connection[Any], list[int]]]:
    """Yield a connection of its own, and the processes of the connections that listen."""
    with psycopg.connect(address, autocommit=True) as connection:
        found = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name = 'crucible-ir listener'"
        )
        yield connection, [row[0] for row in found]


def count_lookups(monkeypatch: pytest.MonkeyPatch) -> list[Lookup]:
    """Return a list that gets each lookup in PostgreSQL."""
    looked_up: list[Lookup] = []
    find_all = PostgresqlLookups.find_all

    def record(self: PostgresqlLookups, lookups: Sequence[Lookup]) -> list[Any]:
        looked_up.extend(lookups)
        return find_all(self, lookups)

    monkeypatch.setattr(PostgresqlLookups, "find_all", record)
    return looked_up


async def test_lookups_in_postgresql_share_a_statement(
    cluster: postgresql.Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await open_store(cluster.create_database())
    ids = ["m", "m\0", "é", "%(id)s", "'", "m" * 500]
    for id_ in ids:
        await store.publish(publication(id_, f"body of {id_}"))
        await store.publish(publication(id_, f"second body of {id_}"))
    monkeypatch.setattr(store._database, "version", lambda: None)
    wanted = [*ids, "none"] * 3
    results = await asyncio.gather(
        *(store.get("ModelVersion", id_) for id_ in wanted),
        *(store.get("ModelVersion", id_, revision=1) for id_ in wanted),
        *(store.position() for _ in range(5)),
        return_exceptions=True,
    )
    assert results[-5:] == [2 * len(ids)] * 5
    bodies = [f"{which}body of {id_}" for which in ("second ", "") for id_ in wanted]
    for id_, body, result in zip(wanted * 2, bodies, results, strict=False):
        if id_ == "none":
            assert isinstance(result, DocumentNotFoundError)
        else:
            assert isinstance(result, StoredEntry)
            assert (result.record.id, result.document) == (id_, body.encode())
    await store.close()


async def test_slow_disk_does_not_block_the_event_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = threading.Event()
    find = sqlite_statements.SqliteStatements.find

    def find_slowly(finder: Any, lookup: Lookup) -> Any:
        asked.set()
        time.sleep(0.5)
        return find(finder, lookup)

    store = await open_store(tmp_path / "exchange.db")
    await store.publish(publication("m"))
    monkeypatch.setattr(sqlite_statements.SqliteStatements, "find", find_slowly)
    reading = asyncio.create_task(store.get("ModelVersion", "m"))
    longest = 0.0
    while not reading.done():
        begun = time.perf_counter()
        await asyncio.sleep(0.001)
        longest = max(longest, time.perf_counter() - begun)
    assert asked.is_set()
    assert (await reading).record.id == "m"
    assert longest < 0.25
    await store.close()


async def test_slow_lookup_does_not_block_other_lookups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = sqlite_statements.SqliteStatements.find

    def find_some_slowly(finder: Any, lookup: Lookup) -> Any:
        if lookup.parameters["id"] == b"slow":
            time.sleep(0.5)
        return find(finder, lookup)

    store = await open_store(tmp_path / "exchange.db")
    for id_ in ("slow", "quick"):
        await store.publish(publication(id_))
    monkeypatch.setattr(sqlite_statements.SqliteStatements, "find", find_some_slowly)
    slow = asyncio.create_task(store.get("ModelVersion", "slow", revision=1))
    await asyncio.sleep(0.05)
    for _ in range(20):
        await store.get("ModelVersion", "quick", revision=1)
    assert not slow.done()
    assert (await slow).record.id == "slow"
    await store.close()


async def test_slow_writer_does_not_block_readers(tmp_path: Path) -> None:
    path = tmp_path / "exchange.db"
    store = await open_store(path)
    for id_ in ("read before", "not read before"):
        await store.publish(publication(id_))
    await store.get("ModelVersion", "read before")
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("UPDATE counters SET value = 99")
    begun = time.perf_counter()
    for _ in range(20):
        for id_ in ("read before", "not read before"):
            assert (await store.get("ModelVersion", id_)).record.id == id_
        await asyncio.sleep(database.STALENESS_SECONDS)
    assert time.perf_counter() - begun < sqlite.BUSY_SECONDS / 2
    writer.execute("ROLLBACK")
    writer.close()
    await store.close()


async def test_cancelled_or_failed_lookups_do_not_affect_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = sqlite_statements.SqliteStatements.find

    def fail_for_some(finder: Any, lookup: Lookup) -> Any:
        if lookup.parameters.get("id") == b"bad":
            raise StoreUnavailableError("not now")
        return find(finder, lookup)

    monkeypatch.setattr(sqlite_statements.SqliteStatements, "find", fail_for_some)
    store = await open_store(tmp_path / "exchange.db")
    await store.publish(publication("m"))
    tasks = [
        asyncio.create_task(store.get("ModelVersion", id_, revision=1))
        for id_ in ["m", "bad", "none"] * 20
    ]
    await asyncio.sleep(0)
    tasks[0].cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    kinds = [type(result) for result in results]
    assert kinds[1:] == ([StoredEntry, StoreUnavailableError, DocumentNotFoundError] * 20)[1:]
    assert kinds[0] is asyncio.CancelledError
    await store.close()
