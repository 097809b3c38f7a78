"""Limits: rejections and their details, while calls within the limits continue."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from exchange.servers import (
    EOF,
    GET,
    LOOPBACK,
    channel_to,
    failure,
    model,
    quota_of,
    reason_of,
    run,
    serving,
    standing_in,
    stub_on,
)

from crucible_ir import v1 as ir_v1
from crucible_ir.exchange import v1
from crucible_ir.exchange.server.options import ServerOptions
from crucible_ir.exchange.server.security.limits import CallLimits, LimitsInterceptor

BATCH_PUBLISH = "/crucible_ir.exchange.v1.ExchangeService/BatchPublish"


def limited(**limits: Any) -> ServerOptions:
    return ServerOptions(address=LOOPBACK, limits=CallLimits(**limits), grace_seconds=5)


def item(index: int, size: int) -> v1.BatchPublishRequest:
    document = ir_v1.Document(ir_version="1", model_ref=ir_v1.ModelRef(id="m", name="n" * size))
    return v1.BatchPublishRequest(index=index, publish=v1.PublishRequest(document=document))


async def spin() -> None:
    """Run the event loop until nothing more happens by itself."""
    for _ in range(20):
        await asyncio.sleep(0.01)


def test_concurrent_calls_of_a_caller_are_limited() -> None:
    async def work() -> None:
        async with (
            standing_in(limited(calls_per_caller=2)) as (server, services),
            channel_to(server) as channel,
        ):
            get = stub_on(channel).Get
            first, second = get(GET), get(GET)
            await services.begun.acquire()
            await services.begun.acquire()
            error = await failure(get(GET))
            assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
            assert quota_of(error) == "caller:ipv4:127.0.0.1"
            services.go.set()
            await asyncio.gather(first, second)
            await get(GET)

    run(work())


def test_cancelled_call_no_longer_counts() -> None:
    async def work() -> None:
        async with (
            standing_in(limited(calls_per_caller=1)) as (server, services),
            channel_to(server) as channel,
        ):
            for _ in range(5):
                watch = stub_on(channel).Watch(v1.WatchRequest())
                await services.begun.acquire()
                watch.cancel()
                await services.cancelled.wait()
                services.cancelled.clear()
                # The server gets the end slightly after the handler.
                await asyncio.sleep(0.05)
            services.go.set()
            await stub_on(channel).Get(GET)

    run(work())


def test_streams_count_as_calls() -> None:
    async def work() -> Any:
        async with (
            standing_in(limited(calls_per_caller=1)) as (server, services),
            channel_to(server) as channel,
        ):
            watch = stub_on(channel).Watch(v1.WatchRequest())
            await services.begun.acquire()
            error = await failure(stub_on(channel).Get(GET))
            watch.cancel()
            return error

    assert quota_of(run(work())) == "caller:ipv4:127.0.0.1"


def test_concurrent_calls_of_all_callers_are_limited() -> None:
    async def work() -> Any:
        async with (
            standing_in(limited(calls=1)) as (server, services),
            channel_to(server) as channel,
        ):
            call = stub_on(channel).Get(GET)
            await services.begun.acquire()
            error = await failure(stub_on(channel).Get(GET))
            services.go.set()
            await call
            return error

    assert run(work()).code() == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_calls_beyond_the_limit_of_a_connection_wait() -> None:
    async def work() -> None:
        async with (
            standing_in(limited(calls_per_connection=1)) as (server, services),
            channel_to(server) as channel,
        ):
            first, second = stub_on(channel).Get(GET), stub_on(channel).Get(GET)
            await services.begun.acquire()
            await spin()
            assert services.begun.locked()
            services.go.set()
            await asyncio.gather(first, second)

    run(work())


def test_rate_limit_allows_a_burst_and_then_the_rate() -> None:
    now = [0.0]
    interceptor = LimitsInterceptor(
        CallLimits(calls_per_second=2, burst=3, calls_per_caller=None), clock=lambda: now[0]
    )
    rates = interceptor._rates
    assert rates is not None
    assert [rates.take("a") for _ in range(4)] == [True, True, True, False]
    assert rates.take("b")
    now[0] = 0.4
    assert not rates.take("a")
    now[0] = 0.5
    assert [rates.take("a") for _ in range(2)] == [True, False]
    now[0] = 1000.0
    assert [rates.take("a") for _ in range(4)] == [True, True, True, False]


def test_call_beyond_the_rate_is_rejected() -> None:
    async def work() -> Any:
        async with (
            standing_in(limited(calls_per_second=0.001, burst=1)) as (server, services),
            channel_to(server) as channel,
        ):
            services.go.set()
            await stub_on(channel).Get(GET)
            return await failure(stub_on(channel).Get(GET))

    error = run(work())
    assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert quota_of(error) == "caller:ipv4:127.0.0.1"


def test_request_beyond_the_byte_budget_is_rejected_until_bytes_are_free() -> None:
    async def work() -> None:
        size = GET.ByteSize()
        async with (
            standing_in(limited(bytes_in_flight=2 * size)) as (server, services),
            channel_to(server) as channel,
        ):
            held = [stub_on(channel).Get(GET) for _ in range(2)]
            for _ in held:
                await services.begun.acquire()
            error = await failure(stub_on(channel).Get(GET))
            assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
            assert quota_of(error) == "server"
            services.go.set()
            await asyncio.gather(*held)
            await stub_on(channel).Get(GET)

    run(work())


def test_streams_wait_for_the_byte_budget_and_lose_nothing() -> None:
    async def work() -> list[int]:
        async with (
            standing_in(limited(bytes_in_flight=1500)) as (server, services),
            channel_to(server) as channel,
        ):
            streams = [stub_on(channel).BatchPublish() for _ in range(3)]
            for number, stream in enumerate(streams):
                await stream.write(item(number, 1000))
            # One fits; the others wait.
            await services.begun.acquire()
            await spin()
            assert services.begun.locked()
            services.go.set()
            answered = [(await stream.read()).index for stream in streams]
            for stream in streams:
                await stream.done_writing()
                assert await stream.read() is EOF
            return answered

    assert run(work()) == [0, 1, 2]


def test_message_larger_than_the_byte_budget_is_accepted_when_idle() -> None:
    async def work() -> None:
        async with (
            standing_in(limited(bytes_in_flight=1)) as (server, services),
            channel_to(server) as channel,
        ):
            services.go.set()
            await stub_on(channel).Get(GET)

    run(work())


def test_call_beyond_the_time_limit_is_ended() -> None:
    async def work() -> Any:
        async with (
            standing_in(limited(seconds=0.05)) as (server, services),
            channel_to(server) as channel,
        ):
            error = await failure(stub_on(channel).Get(GET))
            assert services.cancelled.is_set()
            return error

    error = run(work())
    assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    assert "0.05 seconds" in error.details()


def test_stream_has_no_time_limit() -> None:
    async def work() -> None:
        async with (
            standing_in(limited(seconds=0.05)) as (server, services),
            channel_to(server) as channel,
        ):
            watch = stub_on(channel).Watch(v1.WatchRequest())
            await services.begun.acquire()
            await spin()
            services.go.set()
            assert await watch.read() is not EOF
            assert await watch.read() is EOF

    run(work())


def test_missing_deadline_is_rejected_if_required() -> None:
    async def work() -> None:
        async with (
            standing_in(limited(deadline_required=True)) as (server, services),
            channel_to(server) as channel,
        ):
            services.go.set()
            error = await failure(stub_on(channel).Get(GET))
            assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
            assert reason_of(error) == "DEADLINE_REQUIRED"
            await stub_on(channel).Get(GET, timeout=10)
            async for _ in stub_on(channel).Watch(v1.WatchRequest()):
                pass

    run(work())


@pytest.mark.parametrize("compression", [None, grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_message_size_limit_is_exact(tmp_path: Path, compression: grpc.Compression | None) -> None:
    async def work() -> None:
        options = limited(message_bytes=10_000)
        async with serving(tmp_path, options) as server, channel_to(server) as channel:
            publish = stub_on(channel).Publish
            document = model("m")
            room = 10_000 - v1.PublishRequest(document=document).ByteSize()
            document.model_ref.name = "n" * (room - 8)
            request = v1.PublishRequest(document=document)
            assert 9_900 < request.ByteSize() <= 10_000
            await publish(request, compression=compression)
            for size in (10_000, 1_000_000, 5_000_000):
                # Slightly too large, or so large that gRPC itself rejects it.
                document.model_ref.name = "n" * size
                error = await failure(
                    publish(v1.PublishRequest(document=document), compression=compression)
                )
                assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
                assert quota_of(error) == ("message" if size < 5_000_000 else "")

    run(work())


def test_stream_keeps_items_before_a_message_that_is_too_large(tmp_path: Path) -> None:
    async def work() -> None:
        options = limited(message_bytes=10_000)
        async with serving(tmp_path, options) as server, channel_to(server) as channel:
            stream = stub_on(channel).BatchPublish()
            await stream.write(item(0, 100))
            assert (await stream.read()).HasField("published")
            await stream.write(item(1, 10_000))
            error = await failure(stream.read())
            assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
            assert quota_of(error) == "message"
            assert "and the limit is 10000" in str(error.details())
            assert (await stub_on(channel).Get(GET)).record.revision == 1

    run(work())


@pytest.mark.parametrize(
    ("message_bytes", "transport_bytes"),
    [(4 * 2**20, 8 * 2**20), (1024, 1024 + 2**20), (2**30, 2**31)],
)
def test_transport_limit_exceeds_the_message_limit(
    message_bytes: int, transport_bytes: int
) -> None:
    assert CallLimits(message_bytes=message_bytes).transport_bytes == transport_bytes


def test_metadata_beyond_the_limit_is_rejected(tmp_path: Path) -> None:
    async def work() -> Any:
        async with (
            serving(tmp_path, limited(metadata_bytes=2000)) as server,
            channel_to(server) as channel,
        ):
            metadata = (("x-large", "x" * 3000),)
            return await failure(stub_on(channel).Get(GET, metadata=metadata, timeout=10))

    assert run(work()).code() == grpc.StatusCode.RESOURCE_EXHAUSTED
