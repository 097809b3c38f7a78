"""Answering a stream of requests in order, with a bounded number of them in progress."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable
from contextlib import aclosing
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
    """Send a message of a stream that could go on for ever, unless its client does not take it.

    Args:
        context: The call.
        response: The message.
        within: The seconds after which the client is cut off.
        stream: What the stream is called in the error.

    Raises:
        RpcError: The client did not take the message in time.
    """
    try:
        async with asyncio.timeout(within):
            await context.write(response)
    except TimeoutError:
        raise quota(stream, f"the client is too slow to follow the {stream}") from None


async def answered(
    requests: AsyncIterable[RequestT],
    answer: Callable[[RequestT], Awaitable[ResponseT]],
    *,
    in_flight: int,
    draining: Draining,
) -> AsyncGenerator[ResponseT]:
    """Yield the answers to requests, in the order of the requests.

    Requests are read while earlier ones are in progress, but no more than so many are held. When
    the server drains, none is read any more, those that are held are answered, and an error ends
    the stream.

    Args:
        requests: The requests.
        answer: Answers one; an error that it raises ends the stream.
        in_flight: The most requests to hold.
        draining: Whether to read on.

    Raises:
        RpcError: The server drains.
    """
    held: asyncio.Queue[asyncio.Task[ResponseT] | None] = asyncio.Queue()
    room = asyncio.Semaphore(in_flight)
    running: set[asyncio.Task[ResponseT]] = set()

    async def read() -> None:
        try:
            async with aclosing(_until_draining(requests, draining)) as reading:
                async for request in reading:
                    await room.acquire()
                    task = asyncio.ensure_future(answer(request))
                    running.add(task)
                    held.put_nowait(task)
        finally:
            held.put_nowait(None)

    reader = asyncio.create_task(read())
    try:
        while (task := await held.get()) is not None:
            response = await task
            running.discard(task)
            room.release()
            yield response
        await reader
        if draining.has_begun:
            raise draining.error()
    finally:
        reader.cancel()
        for task in running:
            task.cancel()
        await asyncio.gather(reader, *running, return_exceptions=True)


async def _until_draining(
    requests: AsyncIterable[RequestT], draining: Draining
) -> AsyncGenerator[RequestT]:
    """Yield requests until there are no more, or the server drains."""
    iterator = aiter(requests)
    stopping = asyncio.create_task(draining.wait())
    reading: asyncio.Future[RequestT] | None = None
    try:
        while True:
            reading = asyncio.ensure_future(anext(iterator))
            await asyncio.wait({reading, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not reading.done():
                return
            try:
                request = reading.result()
            except StopAsyncIteration:
                return
            yield request
    finally:
        stopping.cancel()
        if reading is not None:
            reading.cancel()
