"""A watch resumes over a new connection if the other end of the old one vanished."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from exchange.client.served import Wire
from exchange.servers import LOOPBACK, serving

from crucible_ir import v1
from crucible_ir.exchange import (
    AsyncExchangeClient,
    Change,
    ExchangeClient,
    Gap,
    RetryPolicy,
    Watch,
)
from crucible_ir.exchange.client import connection
from crucible_ir.exchange.client.retrying import DEFAULT_TIMEOUT
from crucible_ir.exchange.server.options import Keepalive, ServerOptions

QUICK = RetryPolicy(first_delay=0.01, longest_delay=0.1)

#: The timeout of a test in seconds.
TIMEOUT = 60

#: A heartbeat interval in milliseconds that no test reaches.
NEVER = 3_600_000

#: For how many seconds a connection works before it is frozen. The pings in this time are more than
#: gRPC allows by default to a client that only receives.
HEALTHY_SECONDS = 3.5


@pytest.fixture
def frequent_pings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make new clients ping the server often."""
    monkeypatch.setattr(connection, "PING_SECONDS", 1.0)
    monkeypatch.setattr(connection, "PING_TIMEOUT_SECONDS", 2.0)


@asynccontextmanager
async def watched(folder: Path) -> AsyncIterator[tuple[Wire, AsyncExchangeClient]]:
    """Serve through a connection that can be frozen; the yielded client has its own."""
    keepalive = Keepalive(least_client_ping_seconds=0.001)
    options = ServerOptions(address=LOOPBACK, keepalive=keepalive, grace_seconds=1)
    async with asyncio.timeout(TIMEOUT), serving(folder, options) as server:
        assert server.address.port is not None
        wire = Wire(server.address.port)
        try:
            async with AsyncExchangeClient(str(server.address)) as publisher:
                yield wire, publisher
        finally:
            await asyncio.to_thread(wire.close)


def id_of(event: Change | Gap) -> str:
    assert isinstance(event, Change)
    return event.record.id


async def check_blocking_watch(folder: Path, heartbeat_ms: int) -> None:
    async with watched(folder) as (wire, publisher):

        def begin() -> tuple[ExchangeClient, Watch]:
            client = ExchangeClient(wire.address, retry=QUICK)
            return client, client.watch(heartbeat_ms=heartbeat_ms)

        client, watch = await asyncio.to_thread(begin)
        try:
            await publisher.publish(v1.ModelRef(id="before"))
            assert id_of(await asyncio.to_thread(next, watch)) == "before"
            await asyncio.sleep(HEALTHY_SECONDS)
            assert wire.connections == 1
            wire.freeze()
            await publisher.publish(v1.ModelRef(id="meanwhile"))
            assert id_of(await asyncio.to_thread(next, watch)) == "meanwhile"
            await publisher.publish(v1.ModelRef(id="after"))
            assert id_of(await asyncio.to_thread(next, watch)) == "after"
        finally:
            await asyncio.to_thread(watch.close)
            await asyncio.to_thread(client.close)
        assert wire.connections == 2


async def check_asyncio_watch(folder: Path, heartbeat_ms: int) -> None:
    async with (
        watched(folder) as (wire, publisher),
        AsyncExchangeClient(wire.address, retry=QUICK) as client,
        client.watch(heartbeat_ms=heartbeat_ms) as watch,
    ):
        await publisher.publish(v1.ModelRef(id="before"))
        assert id_of(await anext(watch)) == "before"
        await asyncio.sleep(HEALTHY_SECONDS)
        assert wire.connections == 1
        wire.freeze()
        await publisher.publish(v1.ModelRef(id="meanwhile"))
        assert id_of(await anext(watch)) == "meanwhile"
        await publisher.publish(v1.ModelRef(id="after"))
        assert id_of(await anext(watch)) == "after"
        assert wire.connections == 2


BOTH: list[Callable[[Path, int], Awaitable[None]]] = [
    check_blocking_watch,
    check_asyncio_watch,
]


@pytest.mark.parametrize("check_watch", BOTH)
async def test_an_unanswered_ping_makes_a_watch_reconnect(
    tmp_path: Path, frequent_pings: None, check_watch: Callable[[Path, int], Awaitable[None]]
) -> None:
    await check_watch(tmp_path, NEVER)


@pytest.mark.parametrize("check_watch", BOTH)
async def test_missed_heartbeats_make_a_watch_reconnect(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    check_watch: Callable[[Path, int], Awaitable[None]],
) -> None:
    monkeypatch.setattr(connection, "PING_SECONDS", 3600.0)
    await check_watch(tmp_path, 100)


async def test_an_ingestion_reconnects_and_stores_every_event_once(
    tmp_path: Path, frequent_pings: None
) -> None:
    def events(name: str) -> list[v1.FeedbackEvent]:
        return [v1.FeedbackEvent(id=f"{name}/{number}") for number in range(10)]

    def ingest(address: str, wire: Wire) -> None:
        with ExchangeClient(address, retry=QUICK) as client:
            with client.ingestion(max_events=3) as ingestion:
                for event in events("threads"):
                    ingestion.add(event)
                ingestion.flush()
                wire.freeze()
                for event in events("frozen threads"):
                    ingestion.add(event)
            assert ingestion.report.total == 20

    async with watched(tmp_path) as (wire, publisher):
        await asyncio.to_thread(ingest, wire.address, wire)
        async with (
            AsyncExchangeClient(wire.address, retry=QUICK) as client,
            client.ingestion(max_events=3) as ingestion,
        ):
            for event in events("asyncio"):
                await ingestion.add(event)
            await ingestion.flush()
            wire.freeze()
            for event in events("frozen asyncio"):
                await ingestion.add(event)
            await ingestion.flush()
        assert ingestion.report.total == 20
        kept = [event.id async for event in publisher.export()]
    names = ("threads", "frozen threads", "asyncio", "frozen asyncio")
    assert sorted(kept) == sorted(event.id for name in names for event in events(name))


def test_a_dead_connection_is_detected_in_time_for_another_attempt() -> None:
    assert connection.PING_SECONDS + connection.PING_TIMEOUT_SECONDS <= DEFAULT_TIMEOUT * 2 / 3
    # A server disconnects clients that ping more often.
    assert Keepalive().least_client_ping_seconds < connection.PING_SECONDS
