"""Streams for threads: calls whose silence is noticed, and requests sent until acknowledged."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

import grpc

from crucible_ir.exchange.client.failures import ExchangeError, UnavailableError
from crucible_ir.exchange.client.retrying import Attempts
from crucible_ir.exchange.client.statuses import error_of, silence

if TYPE_CHECKING:
    from crucible_ir.exchange.client.outbox import Outbox

RequestT = TypeVar("RequestT")
AnswerT = TypeVar("AnswerT")
AnswerT_co = TypeVar("AnswerT_co", covariant=True)

#: How long a server may take to end a stream on which everything was answered.
GOODBYE_SECONDS: Final = 2.0

#: With more requests than this not yet sent, the thread that makes them lets the one that sends
#: them have its turn, for so many seconds at most.
MOST_UNSENT: Final = 1
LET_IN_SECONDS: Final = 0.05

#: How often silence is looked for, in parts of what is allowed.
_LOOKS: Final = 4


class Call(Protocol[AnswerT_co]):
    """What a call that streams answers offers; gRPC's own class for it says less."""

    def __iter__(self) -> Iterator[AnswerT_co]:
        """Return the answers as they come."""

    def cancel(self) -> object:
        """End the call."""


def failure_of(error: grpc.RpcError) -> ExchangeError:
    """Return what a call that raised this failed with."""
    if not isinstance(error, grpc.Call):
        return ExchangeError(str(error), code="UNKNOWN")
    return error_of(error.code(), error.details(), error.trailing_metadata())


class Watchdog:
    """Cancels a call when it is quiet for too long, from a thread of its own.

    Args:
        cancel: Cancels the call.
        quiet_for: Tells for how many seconds something has been owed.
        patience: How many seconds are too many.
    """

    def __init__(
        self, cancel: Callable[[], object], quiet_for: Callable[[], float], patience: float
    ) -> None:
        self._cancel = cancel
        self._quiet_for = quiet_for
        self._patience = patience
        self._stop = threading.Event()
        self.bit = False
        threading.Thread(target=self._watch, name="crucible-ir-watchdog", daemon=True).start()

    def _watch(self) -> None:
        while not self._stop.wait(self._patience / _LOOKS):
            if self._quiet_for() > self._patience:
                self.bit = True
                self._cancel()
                return

    def stop(self) -> None:
        """Let the call be."""
        self._stop.set()


class Attended(Iterator[AnswerT]):
    """The messages of a call; one that does not come in time is an error.

    Args:
        call: The call.
        patience: The longest wait for a message, in seconds.

    Raises:
        ExchangeError: The call failed.
    """

    def __init__(self, call: Call[AnswerT], patience: float) -> None:
        self._call = call
        self._answers = iter(call)
        self._patience = patience
        self._asked: float | None = None
        self._watchdog = Watchdog(call.cancel, self._quiet_for, patience)

    def _quiet_for(self) -> float:
        asked = self._asked
        return 0.0 if asked is None else time.monotonic() - asked

    def __next__(self) -> AnswerT:
        self._asked = time.monotonic()
        try:
            return next(self._answers)
        except StopIteration:
            self._watchdog.stop()
            raise
        except grpc.RpcError as error:
            self._watchdog.stop()
            raise (silence(self._patience) if self._watchdog.bit else failure_of(error)) from None
        finally:
            self._asked = None

    def cancel(self) -> None:
        """End the call."""
        self._watchdog.stop()
        self._call.cancel()


class AcknowledgedStream(Generic[RequestT, AnswerT]):
    """Sends what is in an outbox, and sends it again over a new stream when one breaks.

    A thread does the work. It opens a stream when there is something to send.

    Args:
        open_call: Opens a stream that sends the requests of an iterator.
        outbox: What is to be sent. It is touched under this object's lock only.
        settle: Takes an answer; called under the lock.
        attempts: How often to open a stream again.
        patience: The longest wait for an answer that is owed, in seconds.
    """

    def __init__(
        self,
        open_call: Callable[[Iterator[RequestT]], Call[AnswerT]],
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
        self._changed = threading.Condition()
        self._stream = 0
        self._call: Call[AnswerT] | None = None
        self._abandoned = False
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="crucible-ir-stream", daemon=True)
        self._thread.start()

    def submit(self, put: Callable[[], None]) -> None:
        """Put something into the outbox, once it has room.

        Raises:
            ExchangeError: The stream failed for good.
        """
        with self._changed:
            if self._failure is not None or not self._outbox.has_room:
                self._changed.wait_for(lambda: self._failure or self._outbox.has_room)
                self._raise_failure()
            put()
            if self._outbox.has_news():
                self._changed.notify_all()
                if self._outbox.unsent > MOST_UNSENT:
                    # A thread that computes keeps others out for milliseconds: they are let in.
                    self._changed.wait(LET_IN_SECONDS)

    def wait_for(self, condition: Callable[[], object]) -> None:
        """Wait until something holds, which is looked at whenever an answer has come.

        Raises:
            ExchangeError: The stream failed for good.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._failure or condition())
            self._raise_failure()

    def drain(self) -> None:
        """Wait until everything is acknowledged.

        Raises:
            ExchangeError: The stream failed for good.
        """
        self.wait_for(lambda: self._outbox.is_empty)

    def close(self) -> None:
        """Send what is left, wait until it is acknowledged and end the stream.

        Raises:
            ExchangeError: The stream failed for good.
        """
        with self._changed:
            self._outbox.closed = True
            self._changed.notify_all()
        try:
            self.drain()
            # The server is given a moment to end the stream in good order.
            self._thread.join(GOODBYE_SECONDS)
        finally:
            self.abandon()

    def abandon(self) -> None:
        """End the stream at once; what was not acknowledged may or may not have arrived."""
        with self._changed:
            self._abandoned = True
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
                    if self._abandoned:
                        return
                    self._stream += 1
                    self._outbox.rewind()
                    self._changed.notify_all()
                    done = self._outbox.is_empty
                if not done:
                    self._pause(self._attempts.delay_after(error))
        except BaseException as error:
            # It is raised again in the thread that is waiting for this one.
            with self._changed:
                self._failure = error
                self._abandoned = True
                self._changed.notify_all()

    def _wait_for_work(self) -> bool:
        """Wait until there is something to send; tell whether there ever will be."""
        with self._changed:
            if self._outbox.is_empty:
                self._changed.wait_for(
                    lambda: self._abandoned or self._outbox.closed or not self._outbox.is_empty
                )
                self._attempts.begin_anew()
            return not self._abandoned and not self._outbox.is_empty

    def _pause(self, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._abandoned, seconds)

    def _run_stream(self) -> ExchangeError:
        """Send and receive until the stream ends; return how it ended."""
        call = self._open_call(self._requests(self._stream))
        with self._changed:
            self._call = call
        watchdog = Watchdog(call.cancel, lambda: self._outbox.quiet_for, self._patience)
        try:
            for answer in call:
                with self._changed:
                    self._settle(answer)
                    self._attempts.succeeded()
                    self._changed.notify_all()
        except grpc.RpcError as error:
            return silence(self._patience) if watchdog.bit else failure_of(error)
        finally:
            watchdog.stop()
            # An answer that nobody expected must not leave the stream open behind it.
            with suppress(grpc.RpcError):
                call.cancel()
        return UnavailableError("the server ended the stream", code="UNAVAILABLE")

    def _requests(self, stream: int) -> Iterator[RequestT]:
        """Yield what is to be sent over one stream, from the thread that gRPC sends with."""
        while (request := self._next_request(stream)) is not None:
            yield request

    def _next_request(self, stream: int) -> RequestT | None:
        with self._changed:
            while not self._abandoned and stream == self._stream:
                request = self._outbox.take()
                if request is not None:
                    self._changed.notify_all()
                    return request
                if self._outbox.closed and self._outbox.is_empty:
                    return None
                self._changed.wait(self._outbox.due_in)
            return None
