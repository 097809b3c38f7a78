"""Streams: bounded concurrency for requests, and a timeout for slow clients."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from crucible_ir.exchange.server.rpc.drain import Draining
from crucible_ir.exchange.server.rpc.errors import quota

if TYPE_CHECKING:
    import grpc.aio

RequestT = TypeVar("RequestT")
ResponseT = TypeVar("ResponseT")


async def send(
    context: grpc.aio.ServicerContext[RequestT, ResponseT],
    response: ResponseT,
    *,
    within: float,
    stream: str,
) -> None:
    """Send a message of a stream, with a timeout for slow clients.

    Args:
        context: The call.
        response: The message.
        within: The timeout, in seconds.
        stream: The name of the stream in the error.

    Raises:
        RpcError: The client did not receive the message in time.
    """
    try:
        async with asyncio.timeout(within):
            await context.write(response)
    except TimeoutError:
        raise quota(
            stream,
            f"the client is too slow for the {stream}: no message received in {within:g} seconds",
        ) from None


async def answer_in_order(
    requests: AsyncIterable[RequestT],
    answer: Callable[[RequestT], Awaitable[ResponseT]],
    *,
    in_flight: int,
    draining: Draining,
) -> AsyncGenerator[ResponseT]:
    """Yield the responses to requests, in the order of the requests.

    Requests are read while earlier ones are in progress, up to a limit. When the server drains, no
    more requests are read, those in progress are answered, and an error ends the stream.

    Args:
        requests: The requests.
        answer: Answers one request; an error that it raises ends the stream.
        in_flight: The most requests in progress.
        draining: Whether the server drains.

    Raises:
        RpcError: The server drains.
    """
    tasks: asyncio.Queue[asyncio.Task[ResponseT] | None] = asyncio.Queue()
    slots = asyncio.Semaphore(in_flight)
    running: set[asyncio.Task[ResponseT]] = set()

    async def read() -> None:
        reading = aiter(requests)
        try:
            while True:
                # Before a request is read, so that all that are read are answered.
                await slots.acquire()
                try:
                    request = await anext(reading)
                except StopAsyncIteration:
                    return
                task = asyncio.ensure_future(answer(request))
                running.add(task)
                tasks.put_nowait(task)
        finally:
            tasks.put_nowait(None)

    async def stop() -> None:
        await draining.wait()
        reader.cancel()

    reader = asyncio.create_task(read())
    stopping = asyncio.create_task(stop())
    try:
        while (task := await tasks.get()) is not None:
            response = await task
            running.discard(task)
            slots.release()
            yield response
        await asyncio.wait({reader})
        if draining.has_begun:
            raise draining.error()
        await reader
    finally:
        stopping.cancel()
        reader.cancel()
        for task in running:
            task.cancel()
        await asyncio.gather(stopping, reader, *running, return_exceptions=True)
