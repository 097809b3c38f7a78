"""The standard health service: liveness and readiness, while the database is down and after."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import psycopg
import pytest
from exchange import postgresql
from exchange.servers import (
    GET,
    LOOPBACK,
    bearer,
    channel_to,
    failure,
    quota_of,
    run,
    serving,
    standing_in,
    stub_on,
)
from grpc_health.v1 import health_pb2, health_pb2_grpc

from crucible_ir.exchange.server import store_monitor
from crucible_ir.exchange.server.options import Keepalive, ServerOptions
from crucible_ir.exchange.server.security.tokens import Role, TokenFile
from crucible_ir.exchange.server.services.registration import Services, service_names
from crucible_ir.exchange.server.serving import ExchangeServer
from crucible_ir.exchange.store import open_store

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING

VALIDATION = "crucible_ir.exchange.v1.ValidationService"

#: What is ready only with the store.
DEPENDENT = ("", "readiness", *(name for name in service_names() if name != VALIDATION))
INDEPENDENT = ("liveness", VALIDATION)

#: A change of the database is known after this time, in seconds; the machine may be busy.
SOON = 5


def health_of(channel: Any) -> Any:
    return health_pb2_grpc.HealthStub(channel)


async def statuses(channel: Any, *services: str) -> list[int]:
    """Return the health of services."""
    stub = health_of(channel)
    requests = [health_pb2.HealthCheckRequest(service=service) for service in services]
    return [(await stub.Check(request)).status for request in requests]


@asynccontextmanager
async def healthy(address: str | Path) -> AsyncIterator[Any]:
    """Serve a store with the health service, and connect to the server."""
    store = await open_store(address)
    try:
        options = ServerOptions(address=LOOPBACK, health=True)
        async with (
            ExchangeServer(Services(store), service_names(), options) as server,
            channel_to(server) as channel,
        ):
            yield channel
    finally:
        await store.close()


async def check_down_and_up(
    address: str | Path, down: Callable[[], object], up: Callable[[], object]
) -> None:
    """Check what is reported while a database is down, and after."""
    async with healthy(address) as channel:
        assert set(await statuses(channel, *DEPENDENT, *INDEPENDENT)) == {SERVING}
        watch = health_of(channel).Watch(health_pb2.HealthCheckRequest())
        assert (await watch.read()).status == SERVING
        await asyncio.to_thread(down)
        try:
            async with asyncio.timeout(SOON):
                assert (await watch.read()).status == NOT_SERVING
            assert set(await statuses(channel, *DEPENDENT)) == {NOT_SERVING}
            assert set(await statuses(channel, *INDEPENDENT)) == {SERVING}
        finally:
            await asyncio.to_thread(up)
        async with asyncio.timeout(SOON):
            assert (await watch.read()).status == SERVING
        assert set(await statuses(channel, *DEPENDENT, *INDEPENDENT)) == {SERVING}


def test_readiness_follows_postgresql(cluster: postgresql.Cluster) -> None:
    address = cluster.create_database()
    run(check_down_and_up(address, lambda: cluster.stop("immediate"), cluster.start))


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Check the store all the time."""
    monkeypatch.setattr(store_monitor, "CHECK_SECONDS", 0.05)
    monkeypatch.setattr(store_monitor, "CHECK_TIMEOUT_SECONDS", 0.5)


@pytest.mark.usefixtures("often")
def test_readiness_follows_a_database_that_hangs(cluster: postgresql.Cluster) -> None:
    address = cluster.create_database()
    with ExitStack() as locked:

        def lock() -> None:
            connection = locked.enter_context(psycopg.connect(address))
            connection.execute("LOCK TABLE counters IN ACCESS EXCLUSIVE MODE")

        run(check_down_and_up(address, lock, locked.close))


@pytest.mark.usefixtures("often")
def test_readiness_follows_the_file_of_sqlite(tmp_path: Path) -> None:
    path, aside = tmp_path / "exchange.db", tmp_path / "aside.db"
    run(check_down_and_up(path, lambda: path.rename(aside), lambda: aside.rename(path)))

    def replace() -> None:
        path.rename(aside)
        path.write_bytes(aside.read_bytes())

    run(check_down_and_up(path, replace, lambda: aside.rename(path)))


def test_a_server_that_stops_is_alive_and_not_ready(tmp_path: Path) -> None:
    async def work() -> None:
        options = ServerOptions(address=LOOPBACK, health=True, grace_seconds=600)
        async with standing_in(options) as (server, stand_in), channel_to(server) as channel:
            call = asyncio.ensure_future(stub_on(channel).Get(GET))
            await stand_in.begun.acquire()
            stopping = asyncio.ensure_future(server.stop())
            watch = health_of(channel).Watch(health_pb2.HealthCheckRequest(service="readiness"))
            while (await watch.read()).status != NOT_SERVING:
                pass
            assert set(await statuses(channel, *DEPENDENT, VALIDATION)) == {NOT_SERVING}
            assert await statuses(channel, "liveness") == [SERVING]
            stand_in.go.set()
            await call
            await stopping

    run(work())


def test_watches_of_the_health_leave_connections_to_callers_with_a_token(tmp_path: Path) -> None:
    tokens = TokenFile(tmp_path / "tokens.json")
    _, secret = tokens.create("trainer", Role.PUBLISHER)
    options = ServerOptions(
        address=LOOPBACK,
        tokens=tokens,
        health=True,
        connections=32,
        keepalive=Keepalive(idle_seconds=1),
    )

    async def watch(channel: Any) -> Any:
        """Watch the health, and return the call or its error."""
        call = health_of(channel).Watch(health_pb2.HealthCheckRequest(), wait_for_ready=True)
        try:
            await call.read()
        except grpc.aio.AioRpcError as error:
            return error
        return call

    async def work() -> None:
        async with serving(tmp_path, options) as server, AsyncExitStack() as channels:
            opened = [await channels.enter_async_context(channel_to(server)) for _ in range(32)]
            begun = await asyncio.gather(*map(watch, opened))
            rejected = [each for each in begun if isinstance(each, grpc.aio.AioRpcError)]
            # One connection in sixteen for one address.
            assert len(rejected) == 30
            assert {quota_of(each) for each in rejected} == {"health"}
            # The others are closed when they are idle, so that others get in.
            async with channel_to(server) as newcomer:
                error = await failure(
                    stub_on(newcomer).Get(
                        GET, timeout=SOON, wait_for_ready=True, metadata=bearer(secret)
                    )
                )
                assert error.code() is grpc.StatusCode.NOT_FOUND
            # A watch that ends makes room for another.
            for each in begun:
                if each not in rejected:
                    each.cancel()
            assert not isinstance(await watch(opened[0]), grpc.aio.AioRpcError)

    run(work())
