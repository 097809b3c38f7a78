"""Clients while the database of the server is full, read-only or down, and after a kill."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from exchange import postgresql
from exchange.client.served import Served
from exchange.loopback import serving
from exchange.sqlite import pragma

from crucible_ir import v1
from crucible_ir.exchange import (
    AsyncExchangeClient,
    Change,
    ExchangeClient,
    PreconditionError,
    QuotaExceededError,
    RetryPolicy,
    UnavailableError,
)
from crucible_ir.exchange.store import open_store

QUICK = RetryPolicy(first_delay=0.01, longest_delay=0.1)


def version(number: int) -> v1.ModelVersion:
    return v1.ModelVersion(id=f"m{number}", model_id="gpt2", version="1.0.0")


def large(id_: str) -> v1.ModelRef:
    message = v1.ModelRef(id=id_)
    message.metadata.update({"text": "x" * 1_000_000})
    return message


async def test_a_full_disk_is_reported_and_documents_can_be_read(tmp_path: Path) -> None:
    async with (
        serving(await open_store(tmp_path / "x.db")) as server,
        AsyncExchangeClient(f"127.0.0.1:{server.port}", timeout=4, retry=QUICK) as client,
    ):
        kept = (await client.publish(version(1))).record
        with pragma("max_page_count = 1"):
            with pytest.raises(QuotaExceededError, match="the store is full"):
                await client.publish(large("a"))
            outcomes = [each async for each in client.publish_many([large("b"), large("c")])]
            # Each was retried until its timeout.
            assert [(each.published, each.retryable) for each in outcomes] == [(None, True)] * 2
            with pytest.raises(QuotaExceededError, match="the store is full"):
                await client.ingest(v1.FeedbackEvent(id=f"{n}" * 500) for n in range(1000))
            assert (await client.get(v1.ModelVersion, "m1")).record == kept
        with pragma("max_page_count = 1000000"):
            assert (await client.publish(large("a"))).record.sequence == 2


async def test_a_read_only_database_is_reported_and_can_be_read(tmp_path: Path) -> None:
    async with (
        serving(await open_store(tmp_path / "x.db")) as server,
        AsyncExchangeClient(f"127.0.0.1:{server.port}", timeout=4, retry=QUICK) as client,
    ):
        kept = (await client.publish(version(1))).record
        with pragma("query_only = ON"):
            with pytest.raises(PreconditionError, match="the store is read-only") as caught:
                await client.publish(version(2))
            assert caught.value.reason == "STORE_READ_ONLY"
            assert (await client.get(v1.ModelVersion, "m1")).record == kept
        with pragma("query_only = OFF"):
            assert (await client.publish(version(2))).record.sequence == 2


@pytest.mark.parametrize("is_replaced", [False, True])
def test_nothing_is_read_from_a_file_that_is_gone_until_it_is_back(
    tmp_path: Path, is_replaced: bool
) -> None:
    served = Served(tmp_path, "--store", "x.db")
    try:
        with ExchangeClient(served.address, timeout=0.5, retry=QUICK) as client:
            client.publish(version(0), timeout=30)
            client.ingest([v1.FeedbackEvent(id="e")])
            assert client.get(v1.ModelVersion, "m0").record.sequence == 1
            names = ("x.db", "x.db-wal", "x.db-shm")
            for name in names:
                (tmp_path / name).rename(tmp_path / f"kept-{name}")
            if is_replaced:
                with closing(sqlite3.connect(tmp_path / "x.db")) as other:
                    other.execute("CREATE TABLE something (x)")
            reads: list[Callable[[], object]] = [
                lambda: client.get(v1.ModelVersion, "m0"),
                lambda: client.get(v1.ModelVersion, "m0", revision=1),
                lambda: list(client.list_documents(v1.ModelVersion)),
                lambda: client.summarize(),
                lambda: list(client.export()),
            ]
            until(reads[0], fails=True)
            for read in reads:
                with pytest.raises(UnavailableError):
                    read()
            # Long enough for several attempts to roll up events.
            time.sleep(2)
            (tmp_path / "x.db").unlink(missing_ok=True)
            for name in names:
                (tmp_path / f"kept-{name}").rename(tmp_path / name)
            until(reads[0], fails=False)
            for read in reads:
                until(read, fails=False)
    finally:
        served.kill()
    log = (tmp_path / "server.log").read_text()
    assert "Traceback" not in log
    assert log.count("cannot roll up") <= 1
    assert "the store answers again" in log


def until(read: Callable[[], object], *, fails: bool) -> None:
    """Wait until a read fails, or works."""
    for _ in range(100):
        try:
            read()
            failed = False
        except UnavailableError:
            failed = True
        if failed == fails:
            return
        time.sleep(0.1)
    raise AssertionError(f"the read {'works' if fails else 'fails'}")


@pytest.fixture
def on_postgresql(cluster: postgresql.Cluster, tmp_path: Path) -> Iterator[Served]:
    """A server on PostgreSQL, which may be killed."""
    served = Served(tmp_path, "--store", cluster.create_database())
    yield served
    served.kill()


def test_calls_are_retried_until_a_database_is_back(
    cluster: postgresql.Cluster, on_postgresql: Served
) -> None:
    with (
        ExchangeClient(on_postgresql.address, timeout=60, retry=QUICK) as client,
        client.watch() as watch,
    ):
        client.publish(version(0))
        cluster.stop()
        returning = threading.Timer(1.0, cluster.start)
        returning.start()
        try:
            with (
                ExchangeClient(on_postgresql.address, timeout=0.3, retry=QUICK) as hasty,
                pytest.raises(UnavailableError),
            ):
                hasty.get(v1.ModelVersion, "m0")
            outcomes = list(client.publish_many(map(version, range(1, 50))))
        finally:
            returning.join()
        assert all(outcome.published is not None for outcome in outcomes)
        report = client.ingest(v1.FeedbackEvent(id=f"e{number}") for number in range(100))
        assert report.total == 100
        changes = [next(watch) for _ in range(50)]
        assert [change.record.sequence for change in changes if isinstance(change, Change)] == list(
            range(1, 51)
        )
        assert {change.record.revision for change in changes if isinstance(change, Change)} == {1}


def test_a_killed_server_on_postgresql_loses_and_duplicates_nothing(
    on_postgresql: Served,
) -> None:
    with ExchangeClient(on_postgresql.address, timeout=60, retry=QUICK) as client:
        with client.ingestion(max_events=20) as ingestion:
            for number in range(2000):
                ingestion.add(v1.FeedbackEvent(id=f"e{number}"))
                if number == 1000:
                    assert ingestion.report.accepted
                    on_postgresql.kill()
                    on_postgresql.start()
        found = [event.id for event in client.export()]
        assert sorted(found) == sorted(f"e{number}" for number in range(2000))
        published = []
        for outcome in client.publish_many(map(version, range(200))):
            published.append(outcome.published)
            if len(published) == 100:
                on_postgresql.kill()
                on_postgresql.start()
        assert all(each is not None and each.created for each in published)
        records = [each.record for each in client.list_documents(v1.ModelVersion)]
        assert {record.id: record.revision for record in records} == {
            f"m{number}": 1 for number in range(200)
        }
        assert max(record.sequence for record in records) == 200
