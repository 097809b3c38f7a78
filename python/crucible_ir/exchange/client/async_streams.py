"""Streams for asyncio: calls whose silence is noticed, and requests sent until acknowledged."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Generic, TypeVar, cast

import grpc.aio

from crucible_ir.exchange.client.blocking_streams import GOODBYE_SECONDS
from crucible_ir.exchange.client.failures import ExchangeError, UnavailableError
from crucible_ir.exchange.client.statuses import error_of, silence

if TYPE_CHECKING:
    from typing import Any

    from crucible_ir.exchange.client.outbox import Outbox
    from crucible_ir.exchange.client.retrying import Attempts

    #: A call that streams answers.
    Call = grpc.aio.UnaryStreamCall[Any, Any] | grpc.aio.StreamStreamCall[Any, Any]

#: What gRPC returns for a message after the last one; its declared types do not have it.
_END = vars(grpc.aio)["EOF"]

RequestT = TypeVar("RequestT")
AnswerT = TypeVar("AnswerT")


def failure_of(error: grpc.aio.AioRpcError) -> ExchangeError:
    """Return what a call that raised this failed with."""
    # They are pairs, whatever their declared type says.
    trailers = cast("Iterable[tuple[str, object]]", error.trailing_metadata())
    return error_of(error.code(), error.details(), trailers)


class Attended(Generic[AnswerT]):
    """The messages of a call; one that does not come in time is an error.

    Args:
        call: The call.
        patience: The longest wait for a message, in seconds; ``None`` to wait for ever.
    """

    def __init__(self, call: Call, patience: float | None) -> None:
        self._call = call
        self._patience = patience

    async def receive(self) -> AnswerT | None:
        """Return the next message; ``None`` at the end.

        Raises:
            ExchangeError: The call failed.
        """
        try:
            async with asyncio.timeout(self._patience):
                answer = await self._call.read()
        except TimeoutError:
            self._call.cancel()
            raise silence(self._patience or 0) from None
        except grpc.aio.AioRpcError as error:
            raise failure_of(error) from None
        except asyncio.CancelledError:
            # The call was cancelled, or the task that waits for it is.
            if not self._call.cancelled():
                self._call.cancel()
                raise
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            raise ExchangeError("the call was cancelled", code="CANCELLED") from None
        return None if answer is _END else cast("AnswerT", answer)

    def cancel(self) -> None:
        """End the call."""
        self._call.cancel()


class Changes:
    """Wakes the tasks that wait for something to change."""

    def __init__(self) -> None:
        self._waiters: set[asyncio.Future[None]] = set()

    def notify(self) -> None:
        """Wake every task that waits."""
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def wait(self, seconds: float | None = None) -> None:
        """Return at the next change, or after so many seconds."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await waiter
        finally:
            self._waiters.discard(waiter)


class AcknowledgedStream(Generic[RequestT, AnswerT]):
    """Sends what is in an outbox, and sends it again over a new stream when one breaks.

    A task does the work. It opens a stream when there is something to send.

    Args:
        open_call: Opens a stream that sends the requests of an iterator.
        outbox: What is to be sent.
        settle: Takes an answer.
        attempts: How often to open a stream again.
        patience: The longest wait for an answer that is owed, in seconds.
    """

    def __init__(
        self,
        open_call: Callable[
            [AsyncIterator[RequestT]], grpc.aio.StreamStreamCall[RequestT, AnswerT]
        ],
        outbox: Outbox[RequestT],
        settle: Callable[[AnswerT], None],
        attempts: Attempts,
        patience: float,
    ) -> None:
        self._open_call = open_call
        self._outbox = outbox
        self._settle = settle
        self._attempts = attempts
        self._patience = patience
        self._changes = Changes()
        self._stream = 0
        self._failure: Exception | None = None
        self._task = asyncio.create_task(self._run())

    async def submit(self, put: Callable[[], None]) -> None:
        """Put something into the outbox, once it has room.

        Raises:
            ExchangeError: The stream failed for good.
        """
        if self._failure is not None or not self._outbox.has_room:
            await self.wait_for(lambda: self._outbox.has_room)
        put()
        if self._outbox.has_news():
            self._changes.notify()

    async def wait_for(self, condition: Callable[[], object]) -> None:
        """Wait until something holds, which is looked at whenever an answer has come.

        Raises:
            ExchangeError: The stream failed for good.
        """
        while self._failure is None and not condition():
            await self._changes.wait()
        if self._failure is not None:
            raise self._failure

    async def drain(self) -> None:
        """Wait until everything is acknowledged.

        Raises:
            ExchangeError: The stream failed for good.
        """
        await self.wait_for(lambda: self._outbox.is_empty)

    async def close(self) -> None:
        """Send what is left, wait until it is acknowledged and end the stream.

        Raises:
            ExchangeError: The stream failed for good.
        """
        self._outbox.closed = True
        self._changes.notify()
        try:
            await self.drain()
            # The server is given a moment to end the stream in good order.
            await asyncio.wait([self._task], timeout=GOODBYE_SECONDS)
        finally:
            await self.abandon()

    async def abandon(self) -> None:
        """End the stream at once; what was not acknowledged may or may not have arrived."""
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
                self._outbox.rewind()
                self._changes.notify()
                if not self._outbox.is_empty:
                    await asyncio.sleep(await self._attempts.delay_after_on_loop(error))
        except Exception as error:
            # It is raised again in the task that is waiting for this one.
            self._failure = error
        finally:
            self._changes.notify()

    async def _wait_for_work(self) -> bool:
        """Wait until there is something to send; tell whether there ever will be."""
        if self._outbox.is_empty:
            while self._outbox.is_empty and not self._outbox.closed:
                await self._changes.wait()
            self._attempts.begin_anew()
        return not self._outbox.is_empty

    async def _run_stream(self) -> ExchangeError:
        """Send and receive until the stream ends; return how it ended."""
        call = self._open_call(self._requests(self._stream))
        answers: Attended[AnswerT] = Attended(call, None)
        watchdog = asyncio.create_task(self._watch(call))
        try:
            while True:
                try:
                    answer = await answers.receive()
                except ExchangeError as error:
                    return silence(self._patience) if watchdog.done() else error
                if answer is None:
                    return UnavailableError("the server ended the stream", code="UNAVAILABLE")
                self._settle(answer)
                self._attempts.succeeded()
                self._changes.notify()
        finally:
            watchdog.cancel()
            # An answer that nobody expected must not leave the stream open behind it.
            call.cancel()

    async def _watch(self, call: Call) -> None:
        """Cancel a call when the server owes an answer for too long."""
        while self._outbox.quiet_for <= self._patience:
            await asyncio.sleep(self._patience / 4)
        call.cancel()

    async def _requests(self, stream: int) -> AsyncIterator[RequestT]:
        """Yield what is to be sent over one stream."""
        while stream == self._stream:
            request = self._outbox.take()
            if request is not None:
                yield request
            elif self._outbox.closed and self._outbox.is_empty:
                return
            else:
                await self._changes.wait(self._outbox.due_in)
