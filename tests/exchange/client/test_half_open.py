"""A watch over a connection whose other end is gone without a word is resumed over a new one."""

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

#: Nothing here takes so long unless it hangs.
PATIENCE = 60

#: The heartbeats' interval where their absence must not be what is noticed, in milliseconds.
NEVER = 3_600_000

#: How long a connection is well before it is not, in seconds: more pings than gRPC itself allows to
#: whoever sends nothing else.
A_WHILE = 3.5


@pytest.fixture
def frequent_pings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have clients made from now on ask often whether the server is there."""
    monkeypatch.setattr(connection, "PING_SECONDS", 1.0)
    monkeypatch.setattr(connection, "PING_TIMEOUT_SECONDS", 2.0)


@asynccontextmanager
async def watched(folder: Path) -> AsyncIterator[tuple[Wire, AsyncExchangeClient]]:
    """Serve through a wire that can be frozen; the client has a connection of its own."""
    keepalive = Keepalive(least_client_ping_seconds=0.001)
    options = ServerOptions(address=LOOPBACK, keepalive=keepalive, grace_seconds=1)
    async with asyncio.timeout(PATIENCE), serving(folder, options) as server:
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


async def see_it_resumed_by_the_client_for_threads(folder: Path, heartbeat_ms: int) -> None:
    async with watched(folder) as (wire, publisher):

        def begin() -> tuple[ExchangeClient, Watch]:
            client = ExchangeClient(wire.address, retry=QUICK)
            return client, client.watch(heartbeat_ms=heartbeat_ms)

        client, watch = await asyncio.to_thread(begin)
        try:
            await publisher.publish(v1.ModelRef(id="before"))
            assert id_of(await asyncio.to_thread(next, watch)) == "before"
            await asyncio.sleep(A_WHILE)
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


async def see_it_resumed_by_the_client_for_asyncio(folder: Path, heartbeat_ms: int) -> None:
    async with (
        watched(folder) as (wire, publisher),
        AsyncExchangeClient(wire.address, retry=QUICK) as client,
        client.watch(heartbeat_ms=heartbeat_ms) as watch,
    ):
        await publisher.publish(v1.ModelRef(id="before"))
        assert id_of(await anext(watch)) == "before"
        await asyncio.sleep(A_WHILE)
        assert wire.connections == 1
        wire.freeze()
        await publisher.publish(v1.ModelRef(id="meanwhile"))
        assert id_of(await anext(watch)) == "meanwhile"
        await publisher.publish(v1.ModelRef(id="after"))
        assert id_of(await anext(watch)) == "after"
        assert wire.connections == 2


BOTH: list[Callable[[Path, int], Awaitable[None]]] = [
    see_it_resumed_by_the_client_for_threads,
    see_it_resumed_by_the_client_for_asyncio,
]


@pytest.mark.parametrize("see_it_resumed", BOTH)
async def test_a_ping_without_an_answer_ends_a_connection_and_the_watch_goes_on(
    tmp_path: Path, frequent_pings: None, see_it_resumed: Callable[[Path, int], Awaitable[None]]
) -> None:
    await see_it_resumed(tmp_path, NEVER)


@pytest.mark.parametrize("see_it_resumed", BOTH)
async def test_heartbeats_that_fail_to_come_are_noticed_without_pings_and_the_watch_goes_on(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    see_it_resumed: Callable[[Path, int], Awaitable[None]],
) -> None:
    monkeypatch.setattr(connection, "PING_SECONDS", 3600.0)
    await see_it_resumed(tmp_path, 100)


async def test_an_ingestion_goes_on_too_and_keeps_every_event_once(
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


def test_a_dead_connection_is_found_while_there_is_time_for_another_attempt() -> None:
    assert connection.PING_SECONDS + connection.PING_TIMEOUT_SECONDS <= DEFAULT_TIMEOUT * 2 / 3
    # A server disconnects whoever asks more often than this.
    assert Keepalive().least_client_ping_seconds < connection.PING_SECONDS
