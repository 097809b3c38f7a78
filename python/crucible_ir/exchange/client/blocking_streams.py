"""Streams for threads: answers with an idle timeout, and requests sent until acknowledged.

`async_streams` has the same interface for asyncio.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

import grpc

from crucible_ir.exchange.client.errors import ExchangeError, UnavailableError
from crucible_ir.exchange.client.retrying import Attempts
from crucible_ir.exchange.client.statuses import error_of, idle_error

if TYPE_CHECKING:
    from crucible_ir.exchange.client.outbox import Outbox

ItemT = TypeVar("ItemT")
RequestT = TypeVar("RequestT")
AnswerT = TypeVar("AnswerT")
AnswerT_co = TypeVar("AnswerT_co", covariant=True)

#: For how many seconds to wait until the server ends a stream whose requests are acknowledged.
CLOSE_SECONDS: Final = 2.0

#: With more unsent requests than this, a thread that adds requests yields to the one that sends
#: them, for so many seconds at most.
_MOST_UNSENT: Final = 1
_YIELD_SECONDS: Final = 0.05

#: How many times the idle time is checked within the timeout.
_CHECKS: Final = 4


class AnswerStream(Protocol[AnswerT_co]):
    """A call that streams answers; gRPC has no public class for it."""

    def __iter__(self) -> Iterator[AnswerT_co]:
        """Return an iterator over the answers."""

    def cancel(self) -> object:
        """Cancel the call."""


def call_error(error: grpc.RpcError) -> ExchangeError:
    """Convert the exception of a call."""
    if not isinstance(error, grpc.Call):
        return ExchangeError(str(error), code="UNKNOWN")
    return error_of(error.code(), error.details(), error.trailing_metadata())


def iterate(items: Iterable[ItemT]) -> Iterator[ItemT]:
    """Return an iterator over an iterable."""
    return iter(items)


def delay_after(attempts: Attempts, error: ExchangeError) -> float:
    """Return how many seconds to wait before the next attempt.

    Raises:
        ExchangeError: The error is not transient, or no attempt is left.
    """
    return attempts.delay_after(error)


def wait_at_most(event: threading.Event, seconds: float) -> None:
    """Wait until an event is set, for a number of seconds at most."""
    event.wait(seconds)


class _Watchdog:
    """Cancels a call that is idle for too long, from a thread of its own.

    Args:
        cancel: Cancels the call.
        idle_seconds: Returns for how many seconds an answer has been outstanding.
        timeout: How many seconds are too many.
    """

    def __init__(
        self, cancel: Callable[[], object], idle_seconds: Callable[[], float], timeout: float
    ) -> None:
        self._cancel = cancel
        self._idle_seconds = idle_seconds
        self._timeout = timeout
        self._stop = threading.Event()
        self.expired = False
        threading.Thread(target=self._watch, name="crucible-ir-watchdog", daemon=True).start()

    def _watch(self) -> None:
        while not self._stop.wait(self._timeout / _CHECKS):
            if self._idle_seconds() > self._timeout:
                self.expired = True
                self._cancel()
                return

    def stop(self) -> None:
        """Stop watching the call."""
        self._stop.set()


class IdleTimeoutStream(Generic[AnswerT]):
    """The answers of a call; an answer that takes too long is an error.

    Args:
        call: The call.
        timeout: The longest wait for an answer, in seconds.
    """

    def __init__(self, call: AnswerStream[AnswerT], timeout: float) -> None:
        self._call = call
        self._answers = iter(call)
        self._timeout = timeout
        self._waiting_since: float | None = None
        self._watchdog = _Watchdog(call.cancel, self._idle_seconds, timeout)

    def _idle_seconds(self) -> float:
        since = self._waiting_since
        return 0.0 if since is None else time.monotonic() - since

    def receive(self) -> AnswerT | None:
        """Return the next answer, or ``None`` at the end.

        Raises:
            ExchangeError: The call failed.
        """
        self._waiting_since = time.monotonic()
        try:
            return next(self._answers)
        except StopIteration:
            self._watchdog.stop()
            return None
        except grpc.RpcError as error:
            self._watchdog.stop()
            expired = self._watchdog.expired
            raise (idle_error(self._timeout) if expired else call_error(error)) from None
        finally:
            self._waiting_since = None

    def cancel(self) -> None:
        """Cancel the call."""
        self._watchdog.stop()
        self._call.cancel()


class AcknowledgedStream(Generic[RequestT, AnswerT]):
    """Sends the requests of an outbox, and sends them again over a new stream if one breaks.

    It works in a thread of its own, and opens a stream when there is something to send.

    Args:
        open_call: Opens a stream that sends the requests of an iterator.
        outbox: The requests; used only under the lock of this object.
        receive: Records an answer; called under the lock.
        attempts: The attempts to open a stream.
        timeout: The longest wait for an outstanding answer, in seconds.
    """

    def __init__(
        self,
        open_call: Callable[[Iterator[RequestT]], AnswerStream[AnswerT]],
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
        self._changed = threading.Condition()
        self._stream = 0
        self._call: AnswerStream[AnswerT] | None = None
        self._aborted = False
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="crucible-ir-stream", daemon=True)
        self._thread.start()

    def submit(self, put: Callable[[], None]) -> None:
        """Add to the outbox with a function, once there is room.

        Raises:
            ExchangeError: The stream failed permanently.
        """
        with self._changed:
            if self._failure is not None or not self._outbox.has_room:
                self._changed.wait_for(lambda: self._failure or self._outbox.has_room)
                self._raise_failure()
            put()
            if self._outbox.take_news():
                self._changed.notify_all()
                if self._outbox.unsent > _MOST_UNSENT:
                    # Otherwise a thread that computes would block the other one for milliseconds.
                    self._changed.wait(_YIELD_SECONDS)

    def wait_until(self, condition: Callable[[], object]) -> None:
        """Wait until a condition is true; it is checked after every answer.

        Raises:
            ExchangeError: The stream failed permanently.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._failure or condition())
            self._raise_failure()

    def drain(self) -> None:
        """Wait until every request is acknowledged.

        Raises:
            ExchangeError: The stream failed permanently.
        """
        self.wait_until(lambda: self._outbox.is_empty)

    def close(self) -> None:
        """Send the rest, wait until every request is acknowledged, and end the stream.

        Raises:
            ExchangeError: The stream failed permanently.
        """
        with self._changed:
            self._outbox.closed = True
            self._changed.notify_all()
        try:
            self.drain()
            # Give the server time to end the stream in good order.
            self._thread.join(CLOSE_SECONDS)
        finally:
            self.abort()

    def abort(self) -> None:
        """End the stream at once; requests in flight may or may not have arrived."""
        with self._changed:
            self._aborted = True
            call = self._call
            if self._failure is None and not self._outbox.is_empty:
                self._failure = ExchangeError("the stream was ended before all was acknowledged")
            self._changed.notify_all()
        if call is not None:
            call.cancel()
        self._thread.join()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        try:
            while self._wait_for_work():
                error = self._run_stream()
                with self._changed:
                    if self._aborted:
                        return
                    self._stream += 1
                    self._outbox.requeue()
                    self._changed.notify_all()
                    done = self._outbox.is_empty
                if not done:
                    self._pause(self._attempts.delay_after(error))
        except BaseException as error:
            # The thread that waits for this one raises it.
            with self._changed:
                self._failure = error
                self._aborted = True
                self._changed.notify_all()

    def _wait_for_work(self) -> bool:
        """Wait until there is something to send; return whether there is."""
        with self._changed:
            if self._outbox.is_empty:
                self._changed.wait_for(
                    lambda: self._aborted or self._outbox.closed or not self._outbox.is_empty
                )
                self._attempts.reset()
            return not self._aborted and not self._outbox.is_empty

    def _pause(self, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._aborted, seconds)

    def _run_stream(self) -> ExchangeError:
        """Send and receive until the stream ends; return the error that ended it."""
        call = self._open_call(self._requests(self._stream))
        with self._changed:
            self._call = call
        watchdog = _Watchdog(call.cancel, lambda: self._outbox.idle_seconds, self._timeout)
        try:
            for answer in call:
                with self._changed:
                    self._receive(answer)
                    self._attempts.succeeded()
                    self._changed.notify_all()
        except grpc.RpcError as error:
            return idle_error(self._timeout) if watchdog.expired else call_error(error)
        finally:
            watchdog.stop()
            # An unexpected answer must not leave the stream open.
            with suppress(grpc.RpcError):
                call.cancel()
        return UnavailableError("the server ended the stream", code="UNAVAILABLE")

    def _requests(self, stream: int) -> Iterator[RequestT]:
        """Yield the requests to send over one stream; gRPC calls this in a thread of its own."""
        while (request := self._next_request(stream)) is not None:
            yield request

    def _next_request(self, stream: int) -> RequestT | None:
        with self._changed:
            while not self._aborted and stream == self._stream:
                request = self._outbox.take()
                if request is not None:
                    self._changed.notify_all()
                    return request
                if self._outbox.closed and self._outbox.is_empty:
                    return None
                self._changed.wait(self._outbox.due_in)
            return None
