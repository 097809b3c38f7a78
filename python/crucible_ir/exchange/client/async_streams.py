"""Streams for asyncio: answers with an idle timeout, and requests sent until acknowledged.

`blocking_streams` has the same interface for threads.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Generic, TypeVar, cast

import grpc.aio

from crucible_ir.exchange.client.blocking_streams import CLOSE_SECONDS
from crucible_ir.exchange.client.errors import ExchangeError, UnavailableError
from crucible_ir.exchange.client.statuses import error_of, idle_error

if TYPE_CHECKING:
    from typing import Any

    from crucible_ir.exchange.client.outbox import Outbox
    from crucible_ir.exchange.client.retrying import Attempts

#: What gRPC returns after the last message; its type stubs do not declare it.
_END = vars(grpc.aio)["EOF"]

ItemT = TypeVar("ItemT")
RequestT = TypeVar("RequestT")
AnswerT = TypeVar("AnswerT")

if TYPE_CHECKING:
    #: A call that streams answers.
    AsyncAnswerStream = (
        grpc.aio.UnaryStreamCall[Any, AnswerT] | grpc.aio.StreamStreamCall[Any, AnswerT]
    )


def call_error(error: grpc.aio.AioRpcError) -> ExchangeError:
    """Convert the exception of a call."""
    # The type stubs declare the trailers wrongly: they are pairs.
    trailers = cast("Iterable[tuple[str, object]]", error.trailing_metadata())
    return error_of(error.code(), error.details(), trailers)


def iterate(items: Iterable[ItemT] | AsyncIterable[ItemT]) -> AsyncIterator[ItemT]:
    """Return an asynchronous iterator over an iterable of either kind."""
    return aiter(items) if isinstance(items, AsyncIterable) else _iterate(iter(items))


async def _iterate(items: Iterable[ItemT]) -> AsyncIterator[ItemT]:
    for item in items:
        yield item


async def delay_after(attempts: Attempts, error: ExchangeError) -> float:
    """Return how many seconds to wait before the next attempt.

    Raises:
        ExchangeError: The error is not transient, or no attempt is left.
    """
    # To explain the error may take seconds, which must not block the event loop.
    return await asyncio.to_thread(attempts.delay_after, error)


async def wait_at_most(event: asyncio.Event, seconds: float) -> None:
    """Wait until an event is set, for a number of seconds at most."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


class AsyncIdleTimeoutStream(Generic[AnswerT]):
    """The answers of a call; an answer that takes too long is an error.

    Args:
        call: The call.
        timeout: The longest wait for an answer, in seconds; ``None`` for no limit.
    """

    def __init__(self, call: AsyncAnswerStream[AnswerT], timeout: float | None) -> None:
        self._call = call
        self._timeout = timeout

    async def receive(self) -> AnswerT | None:
        """Return the next answer, or ``None`` at the end.

        Raises:
            ExchangeError: The call failed.
        """
        try:
            async with asyncio.timeout(self._timeout):
                answer = await self._call.read()
        except TimeoutError:
            self._call.cancel()
            raise idle_error(self._timeout or 0) from None
        except grpc.aio.AioRpcError as error:
            raise call_error(error) from None
        except asyncio.CancelledError:
            # Either the call was cancelled, or the task that waits for it.
            if not self._call.cancelled():
                self._call.cancel()
                raise
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            raise ExchangeError("the call was cancelled", code="CANCELLED") from None
        return None if answer is _END else cast("AnswerT", answer)

    def cancel(self) -> None:
        """Cancel the call."""
        self._call.cancel()


class _Notifier:
    """Wakes the tasks that wait for a change."""

    def __init__(self) -> None:
        self._waiters: set[asyncio.Future[None]] = set()

    def notify(self) -> None:
        """Wake every waiting task."""
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def wait(self, seconds: float | None = None) -> None:
        """Wait for the next change, for a number of seconds at most."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await waiter
        finally:
            self._waiters.discard(waiter)


class AsyncAcknowledgedStream(Generic[RequestT, AnswerT]):
    """Sends the requests of an outbox, and sends them again over a new stream if one breaks.

    It works in a task of its own, and opens a stream when there is something to send.

    Args:
        open_call: Opens a stream that sends the requests of an iterator.
        outbox: The requests.
        receive: Records an answer.
        attempts: The attempts to open a stream.
        timeout: The longest wait for an outstanding answer, in seconds.
    """

    def __init__(
        self,
        open_call: Callable[
            [AsyncIterator[RequestT]], grpc.aio.StreamStreamCall[RequestT, AnswerT]
        ],
        outbox: Outbox[RequestT],
        receive: Callable[[AnswerT], object],
        attempts: Attempts,
        timeout: float,
    ) -> None:
        self._open_call = open_call
        self._outbox = outbox
        self._receive = receive
        self._attempts = attempts
        self._timeout = timeout
        self._changed = _Notifier()
        self._stream = 0
        self._failure: Exception | None = None
        self._task = asyncio.create_task(self._run())

    async def submit(self, put: Callable[[], None]) -> None:
        """Add to the outbox with a function, once there is room.

        Raises:
            ExchangeError: The stream failed permanently.
        """
        if self._failure is not None or not self._outbox.has_room:
            await self.wait_until(lambda: self._outbox.has_room)
        put()
        if self._outbox.take_news():
            self._changed.notify()

    async def wait_until(self, condition: Callable[[], object]) -> None:
        """Wait until a condition is true; it is checked after every answer.

        Raises:
            ExchangeError: The stream failed permanently.
        """
        while self._failure is None and not condition():
            await self._changed.wait()
        if self._failure is not None:
            raise self._failure

    async def drain(self) -> None:
        """Wait until every request is acknowledged.

        Raises:
            ExchangeError: The stream failed permanently.
        """
        await self.wait_until(lambda: self._outbox.is_empty)

    async def close(self) -> None:
        """Send the rest, wait until every request is acknowledged, and end the stream.

        Raises:
            ExchangeError: The stream failed permanently.
        """
        self._outbox.closed = True
        self._changed.notify()
        try:
            await self.drain()
            # Give the server time to end the stream in good order.
            await asyncio.wait([self._task], timeout=CLOSE_SECONDS)
        finally:
            await self.abort()

    async def abort(self) -> None:
        """End the stream at once; requests in flight may or may not have arrived."""
        if self._failure is None and not self._outbox.is_empty:
            self._failure = ExchangeError("the stream was ended before all was acknowledged")
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _run(self) -> None:
        try:
            while await self._wait_for_work():
                error = await self._run_stream()
                self._stream += 1
                self._outbox.requeue()
                self._changed.notify()
                if not self._outbox.is_empty:
                    await asyncio.sleep(await delay_after(self._attempts, error))
        except Exception as error:
            # The task that waits for this one raises it.
            self._failure = error
        finally:
            self._changed.notify()

    async def _wait_for_work(self) -> bool:
        """Wait until there is something to send; return whether there is."""
        if self._outbox.is_empty:
            while self._outbox.is_empty and not self._outbox.closed:
                await self._changed.wait()
            self._attempts.reset()
        return not self._outbox.is_empty

    async def _run_stream(self) -> ExchangeError:
        """Send and receive until the stream ends; return the error that ended it."""
        call = self._open_call(self._requests(self._stream))
        answers = AsyncIdleTimeoutStream(call, None)
        watchdog = asyncio.create_task(self._cancel_if_idle(call))
        try:
            while True:
                try:
                    answer = await answers.receive()
                except ExchangeError as error:
                    return idle_error(self._timeout) if watchdog.done() else error
                if answer is None:
                    return UnavailableError("the server ended the stream", code="UNAVAILABLE")
                self._receive(answer)
                self._attempts.succeeded()
                self._changed.notify()
        finally:
            watchdog.cancel()
            # An unexpected answer must not leave the stream open.
            call.cancel()

    async def _cancel_if_idle(self, call: AsyncAnswerStream[AnswerT]) -> None:
        """Cancel a call when an answer has been outstanding for too long."""
        while self._outbox.idle_seconds <= self._timeout:
            await asyncio.sleep(self._timeout / 4)
        call.cancel()

    async def _requests(self, stream: int) -> AsyncIterator[RequestT]:
        """Yield the requests to send over one stream."""
        while stream == self._stream:
            request = self._outbox.take()
            if request is not None:
                yield request
            elif self._outbox.closed and self._outbox.is_empty:
                return
            else:
                await self._changed.wait(self._outbox.due_in)
