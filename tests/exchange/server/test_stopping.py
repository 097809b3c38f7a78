"""Stopping ends streams gracefully, answers accepted requests, and does not hang."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from exchange.servers import (
    GET,
    LOOPBACK,
    StandIn,
    channel_to,
    failure,
    model,
    run,
    serving,
    standing_in,
    stub_on,
)

from crucible_ir.exchange import v1
from crucible_ir.exchange.server.options import ServerOptions
from crucible_ir.exchange.server.serving import ExchangeServer, serve_until_signalled
from crucible_ir.exchange.store.opening import open_store


def test_stop_answers_calls_in_progress_and_rejects_new_ones() -> None:
    async def work() -> None:
        async with standing_in() as (server, services), channel_to(server) as channel:
            call = stub_on(channel).Get(GET)
            await services.begun.acquire()
            stopping = asyncio.ensure_future(server.stop())
            await asyncio.sleep(0.05)
            async with channel_to(server) as other:
                error = await failure(stub_on(other).Get(GET))
            assert error.code() == grpc.StatusCode.UNAVAILABLE
            services.go.set()
            assert await call == v1.GetResponse()
            await stopping

    run(work())


def test_call_beyond_the_grace_period_is_cancelled() -> None:
    async def work() -> Any:
        async with standing_in() as (server, services), channel_to(server) as channel:
            call = stub_on(channel).Get(GET)
            await services.begun.acquire()
            await server.stop(0.05)
            assert services.cancelled.is_set()
            return await failure(call)

    assert run(work()).code() == grpc.StatusCode.UNAVAILABLE


def test_forced_stop_ends_the_grace_period() -> None:
    async def work() -> Any:
        options = ServerOptions(address=LOOPBACK, grace_seconds=600)
        async with standing_in(options) as (server, services), channel_to(server) as channel:
            call = stub_on(channel).Get(GET)
            await services.begun.acquire()
            stopping = asyncio.ensure_future(server.stop())
            await asyncio.sleep(0.05)
            server.force_stop()
            await stopping
            return await failure(call)

    assert run(work()).code() == grpc.StatusCode.UNAVAILABLE


def test_second_signal_ends_the_grace_period() -> None:
    async def work() -> Any:
        stand_in = StandIn()
        options = ServerOptions(address=LOOPBACK, grace_seconds=600)
        server = ExchangeServer(stand_in, [], options)
        listening = asyncio.Event()
        serving = asyncio.ensure_future(
            serve_until_signalled(server, lambda address: listening.set())
        )
        await listening.wait()
        async with channel_to(server) as channel:
            call = stub_on(channel).Get(GET)
            await stand_in.begun.acquire()
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.sleep(0.1)
            assert not serving.done()
            os.kill(os.getpid(), signal.SIGINT)
            await serving
            return await failure(call)

    assert run(work()).code() == grpc.StatusCode.UNAVAILABLE


def test_stop_ends_watches_at_once(tmp_path: Path) -> None:
    async def work() -> Any:
        options = ServerOptions(address=LOOPBACK, grace_seconds=600)
        async with serving(tmp_path, options) as server, channel_to(server) as channel:
            watch = stub_on(channel).Watch(v1.WatchRequest())
            assert (await watch.read()).HasField("heartbeat")
            stopping = asyncio.ensure_future(server.stop())
            error = await failure(watch.read())
            await stopping
            return error

    assert run(work()).code() == grpc.StatusCode.UNAVAILABLE


def test_health_watches_get_the_stop_and_do_not_delay_it(tmp_path: Path) -> None:
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    async def work() -> list[int]:
        options = ServerOptions(address=LOOPBACK, grace_seconds=600, health=True)
        async with serving(tmp_path, options) as server, channel_to(server) as channel:
            stub: Any = health_pb2_grpc.HealthStub(channel)
            watch = stub.Watch(health_pb2.HealthCheckRequest(service=""))
            seen = [(await watch.read()).status]
            stopping = asyncio.ensure_future(server.stop())
            seen.append((await watch.read()).status)
            await stopping
            return seen

    statuses = health_pb2.HealthCheckResponse
    assert run(work()) == [statuses.SERVING, statuses.NOT_SERVING]


def test_stop_under_load_stores_what_was_acknowledged_and_rejects_the_rest(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    acknowledged: list[str] = []
    codes: set[grpc.StatusCode] = set()

    async def publish_on(channel: grpc.aio.Channel, worker: int) -> None:
        for number in range(10_000):
            request = v1.PublishRequest(document=model(f"{worker}/{number}"))
            try:
                response = await stub_on(channel).Publish(request, timeout=10)
            except grpc.aio.AioRpcError as error:
                codes.add(error.code())
                return
            acknowledged.append(response.record.id)

    async def batches_on(channel: grpc.aio.Channel) -> None:
        stream = stub_on(channel).BatchPublish(timeout=20)

        async def write() -> None:
            try:
                for number in range(10_000):
                    publish = v1.PublishRequest(document=model(f"batch/{number}"))
                    await stream.write(v1.BatchPublishRequest(index=number, publish=publish))
            except (asyncio.InvalidStateError, grpc.aio.AioRpcError):
                # The server ended the stream.
                return

        writing = asyncio.ensure_future(write())
        # The server's log says how the stream ended: a client of grpc.aio reports an
        # internal error when it could not write any more.
        with suppress(grpc.aio.AioRpcError):
            async for response in stream:
                acknowledged.append(response.published.record.id)
        await writing

    async def work() -> set[str]:
        async with serving(tmp_path) as server, channel_to(server) as channel:
            working = [asyncio.ensure_future(publish_on(channel, n)) for n in range(4)]
            working.append(asyncio.ensure_future(batches_on(channel)))
            while len(acknowledged) < 50:
                await asyncio.sleep(0.01)
            await server.stop()
            await asyncio.gather(*working)
        store = await open_store(str(tmp_path / "exchange.db"))
        try:
            return {change.record.id for change in (await store.changes(0, limit=100_000)).entries}
        finally:
            await store.close()

    caplog.set_level("INFO", "crucible_ir.exchange.calls")
    stored = run(work())
    assert codes == {grpc.StatusCode.UNAVAILABLE}
    ends = [vars(record)["exchange_fields"] for record in caplog.records if record.msg == "call"]
    assert {end["code"] for end in ends} == {"OK", "UNAVAILABLE"}
    assert [end["code"] for end in ends if end["method"].endswith("/BatchPublish")] == [
        "UNAVAILABLE"
    ]
    assert len(acknowledged) >= 50
    assert len(set(acknowledged)) == len(acknowledged)
    # A stored document without an acknowledgement is possible, but not the reverse.
    assert set(acknowledged) <= stored


def test_disconnected_client_ends_its_call() -> None:
    async def work() -> None:
        async with standing_in() as (server, services):
            channel = channel_to(server)
            call = stub_on(channel).Get(GET)
            await services.begun.acquire()
            await channel.close()
            await services.cancelled.wait()
            assert call.cancelled()

    run(work())


def test_server_answers_after_many_cancelled_calls(tmp_path: Path) -> None:
    async def work() -> None:
        async with serving(tmp_path) as server, channel_to(server) as channel:
            stub = stub_on(channel)
            for round_ in range(10):
                calls = [stub.Watch(v1.WatchRequest(after_sequence=0)) for _ in range(10)]
                calls += [
                    stub.Publish(v1.PublishRequest(document=model(f"{round_}/{n}")))
                    for n in range(10)
                ]
                await asyncio.sleep(0.002 * round_)
                for call in calls:
                    call.cancel()
            response = await stub.Publish(v1.PublishRequest(document=model("last")), timeout=10)
            assert response.created
            began = time.monotonic()
            await server.stop()
            assert time.monotonic() - began < 20

    run(work())
