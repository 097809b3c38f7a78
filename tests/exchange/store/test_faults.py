"""Failures of the database are reported, leave no partial change, and are recovered from."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from exchange import postgresql
from exchange import publications as given
from exchange.publications import publication
from exchange.sqlite import pragma
from sqlalchemy import Connection, Engine, event, make_url
from sqlalchemy.exc import DBAPIError

from crucible_ir.exchange.store import open_store
from crucible_ir.exchange.store.engine.postgresql import PostgresqlDriver
from crucible_ir.exchange.store.errors import (
    StoreFullError,
    StoreReadOnlyError,
    StoreUnavailableError,
)
from crucible_ir.exchange.store.records import EventQuery
from crucible_ir.v1 import FeedbackEvent


async def test_full_disk_is_reported_and_loses_nothing(tmp_path: Path) -> None:
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


async def test_read_only_database_is_reported_and_stays_readable(tmp_path: Path) -> None:
    store = await open_store(tmp_path / "exchange.db")
    kept = await store.publish(publication("kept"))
    with pragma("query_only = ON"):
        with pytest.raises(StoreReadOnlyError):
            await store.publish(publication("m1"))
        assert (await store.get("ModelVersion", "kept")).record == kept.record
    with pragma("query_only = OFF"):
        assert (await store.publish(publication("m1"))).record.sequence == 2
    await store.close()


async def test_failed_write_does_not_affect_others_in_its_group(tmp_path: Path) -> None:
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


async def test_statement_that_fails_in_the_middle_stores_nothing(tmp_path: Path) -> None:
    store = await open_store(tmp_path / "exchange.db")
    with closing(sqlite3.connect(tmp_path / "exchange.db")) as connection:
        connection.execute(
            "CREATE TRIGGER stop BEFORE INSERT ON feedback_events WHEN NEW.id = CAST('7' AS BLOB)"
            " BEGIN SELECT RAISE(FAIL, 'stopped'); END"
        )
    results = await asyncio.gather(
        # So many events are one statement.
        store.ingest([given.event(f"{number}") for number in range(20)]),
        store.ingest([given.event("a")]),
        return_exceptions=True,
    )
    assert isinstance(results[0], DBAPIError)
    assert results[1] == []
    page = await store.export(EventQuery(), after=0, through=100, limit=100)
    assert [FeedbackEvent.FromString(found.event).id for found in page.events] == ["a"]
    await store.close()


async def test_write_waits_for_a_locked_database(tmp_path: Path) -> None:
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


async def test_lost_connection_is_reported_and_recovers(cluster: postgresql.Cluster) -> None:
    store = await open_store(cluster.create_database())
    await store.publish(publication("m1"))
    cluster.stop()
    try:
        with pytest.raises(StoreUnavailableError):
            await store.publish(publication("m2"))
        with pytest.raises(StoreUnavailableError):
            await store.get("ModelVersion", "m1")
        with pytest.raises(StoreUnavailableError):
            await store.position()
    finally:
        cluster.start()
    assert (await store.publish(publication("m2"))).record.sequence == 2
    assert (await store.get("ModelVersion", "m1")).record.sequence == 1
    await store.position()
    await store.close()


def _lose(connection: Connection, *_: object, **__: object) -> None:
    """Lose the connection within a transaction, as when the server of the database stops."""
    connection.exec_driver_sql("SELECT pg_terminate_backend(pg_backend_pid())")


async def test_a_connection_lost_during_a_transaction_is_reported(
    cluster: postgresql.Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await open_store(cluster.create_database())
    with monkeypatch.context() as patch:
        patch.setattr("crucible_ir.exchange.store.sql_store.changes.changes", _lose)
        with pytest.raises(StoreUnavailableError):
            await store.changes(0)
    with monkeypatch.context() as patch:
        patch.setattr("crucible_ir.exchange.store.statements.documents.publish", _lose)
        with pytest.raises(StoreUnavailableError):
            await store.publish(publication("m1"))
    assert (await store.publish(publication("m1"))).record.sequence == 1
    await store.close()


async def test_read_only_postgresql_is_reported_and_stays_readable(
    cluster: postgresql.Cluster,
) -> None:
    address = cluster.create_database()
    store = await open_store(address)
    kept = await store.publish(publication("kept"))
    await store.close()
    database = address.rpartition("/")[2]
    set_option(address, f"ALTER DATABASE {database} SET default_transaction_read_only = on")
    store = await open_store(address)
    with pytest.raises(StoreReadOnlyError):
        await store.publish(publication("m1"))
    assert (await store.get("ModelVersion", "kept")).record == kept.record
    await store.close()


def set_option(address: str, statement: str) -> None:
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(statement.encode())


@pytest.mark.parametrize(
    ("state", "failure"),
    [
        ("53100", StoreFullError),
        ("25006", StoreReadOnlyError),
        ("08006", StoreUnavailableError),
        ("40001", StoreUnavailableError),
        ("53300", StoreUnavailableError),
        ("57P01", StoreUnavailableError),
        ("42P01", None),
    ],
)
async def test_postgresql_error_codes_are_translated(
    cluster: postgresql.Cluster, state: str, failure: type[Exception] | None
) -> None:
    driver = PostgresqlDriver(make_url(cluster.create_database()))
    code = f"RAISE EXCEPTION 'x' USING ERRCODE = '{state}'"
    try:
        with pytest.raises(DBAPIError) as caught, driver.writer.begin() as connection:
            connection.exec_driver_sql(f"DO $$ BEGIN {code}; END $$")
        translated = driver.failure(caught.value)
        assert type(translated) is (type(None) if failure is None else failure)
    finally:
        driver.dispose()


async def test_postgresql_commits_are_durable_whatever_its_settings(
    cluster: postgresql.Cluster,
) -> None:
    address = cluster.create_database()
    database = address.rpartition("/")[2]
    for setting, expected in (("off", "on"), ("remote_apply", "remote_apply")):
        set_option(address, f"ALTER DATABASE {database} SET synchronous_commit = {setting}")
        driver = PostgresqlDriver(make_url(address))
        with driver.writer.connect() as connection:
            assert connection.exec_driver_sql("SHOW synchronous_commit").scalar_one() == expected
        driver.dispose()


async def test_sqlite_commits_are_durable(tmp_path: Path) -> None:
    settings: list[tuple[str, int]] = []

    def committed(connection: Connection) -> None:
        mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar_one()
        settings.append((mode, connection.exec_driver_sql("PRAGMA synchronous").scalar_one()))

    event.listen(Engine, "commit", committed)
    try:
        store = await open_store(tmp_path / "exchange.db")
        await store.publish(publication("m"))
        await store.ingest([given.event("e")])
        await store.close()
    finally:
        event.remove(Engine, "commit", committed)
    # 2 is FULL: each commit synchronizes the log, not only a checkpoint.
    assert set(settings) == {("wal", 2)}


async def test_invalid_notifications_are_ignored(
    cluster: postgresql.Cluster,
) -> None:
    address = cluster.create_database()
    store = await open_store(address)
    await until_listening(address, 1)
    for payload in ("", "garbage", "1.5"):
        set_option(address, f"NOTIFY crucible_ir_exchange, '{payload}'")
    await store.publish(publication("m1"))
    await asyncio.wait_for(store.wait(0, 60), 30)
    assert [entry.record.sequence for entry in (await store.changes(0)).entries] == [1]
    await store.close()


async def test_store_without_a_listening_connection_polls_for_changes(
    cluster: postgresql.Cluster,
) -> None:
    address = cluster.create_database()
    one, two = await open_store(address), await open_store(address)
    await until_listening(address, 2)
    ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    set_option(address, f"{ended} WHERE application_name = 'crucible-ir listener'")

    async def follow() -> str:
        while not (changes := await one.changes(0)).entries:
            await one.wait(0, 60)
        return changes.entries[0].record.id

    following = asyncio.create_task(follow())
    await two.publish(publication("m1"))
    assert await asyncio.wait_for(following, 30) == "m1"
    await until_listening(address, 2)
    await asyncio.gather(one.close(), two.close())


async def until_listening(address: str, stores: int) -> None:
    """Return when a number of stores listen for notifications."""
    query = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE application_name = 'crucible-ir listener' AND datname = current_database()"
    )
    async with asyncio.timeout(30):
        with psycopg.connect(address, autocommit=True) as connection:
            while connection.execute(query.encode()).fetchone() != (stores,):
                await asyncio.sleep(0.05)
