"""Reads on threads: each ends with its call, and heavy reads have a lane of their own.

A coroutine that is cancelled does not end the thread that works for it. So the statement that runs
is interrupted, again and again until the read has ended: an interrupt between two statements is
lost.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, Protocol, TypeVar

from sqlalchemy import event

from crucible_ir.exchange.store.errors import StoreUnavailableError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

T = TypeVar("T")

#: The time between two interrupts of a read that has not ended yet, in seconds.
_AGAIN_SECONDS: Final = 0.01

#: The key of a connection's info for the read that uses it.
_READ: Final = "crucible_ir.read"


class ReadCall(NamedTuple):
    """The call that reads.

    Attributes:
        caller: Its caller, among whom the turns of heavy reads are shared.
        remaining: Returns the seconds until its deadline; ``None`` if it has none.
    """

    caller: str = ""
    remaining: Callable[[], float | None] = lambda: None


#: A program that reads by itself.
_NO_CALL: Final = ReadCall()

#: The call in progress: set before it reads, in the same task.
READ_CALL: Final[ContextVar[ReadCall]] = ContextVar("read_call", default=_NO_CALL)


class ReadDriver(Protocol):
    """What a lane needs of the driver of a database."""

    def interrupt(self, connection: Any) -> bool:
        """End the statement that runs on the driver's own connection, if there is one.

        Returns:
            Whether that is done: otherwise a later statement may end instead.
        """

    def limit(self, connection: Connection, seconds: float) -> None:
        """Let the database itself end the statements of a transaction after some time."""


class ReadLane:
    """Threads and connections for reads.

    Args:
        name: The name of the threads.
        driver: The driver of the database.
        engine: Creates the connections: one for each thread.
        threads: The number of threads.
        per_caller: The most reads of one caller at a time; further ones wait, and callers take
            turns. ``None`` for reads that are short.
    """

    def __init__(
        self,
        name: str,
        driver: ReadDriver,
        engine: Engine,
        threads: int,
        per_caller: int | None = None,
    ) -> None:
        self._driver = driver
        self._engine = engine
        self._turns = None if per_caller is None else Turns(threads, per_caller)
        self._threads = ThreadPoolExecutor(threads, f"exchange-{name}")
        self._interrupts = ThreadPoolExecutor(threads, f"exchange-{name}-interrupts")
        self._running: set[_Read[Any]] = set()
        # Later events come when the cursor is open, which nobody would close.
        event.listen(engine, "before_execute", _check)

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Run work in a transaction of its own; if the caller is cancelled, the work ends too.

        Raises:
            DBAPIError: The database failed.
        """
        turns = self._turns
        call = READ_CALL.get()
        seconds = None
        if turns is not None:
            await turns.take(call.caller)
            seconds = call.remaining()
        read = _Read(self._engine, work, self._driver, seconds)
        try:
            job = self._threads.submit(read.run)
        except RuntimeError:
            self._leave(read, call.caller)
            raise StoreUnavailableError("the store is closing") from None
        self._running.add(read)
        loop = asyncio.get_running_loop()
        job.add_done_callback(partial(self._ended, loop, read, call.caller))
        try:
            return await asyncio.wrap_future(job)
        except asyncio.CancelledError:
            if not job.cancel():
                # Only reads that have begun come here, so there is a thread for each of them.
                read.is_abandoned = True
                with suppress(RuntimeError):
                    self._interrupts.submit(read.end)
            raise

    def close(self) -> None:
        """End the reads in progress; their connections remain."""
        reads = list(self._running)
        for read in reads:
            read.is_abandoned = True
        for read in reads:
            if read.has_begun:
                self._interrupts.submit(read.end)
        self._threads.shutdown()
        self._interrupts.shutdown()

    def _ended(
        self, loop: asyncio.AbstractEventLoop, read: _Read[Any], caller: str, _: Future[Any]
    ) -> None:
        # The loop may have been closed.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(self._leave, read, caller)

    def _leave(self, read: _Read[Any], caller: str) -> None:
        self._running.discard(read)
        if self._turns is not None:
            self._turns.release(caller)


class _Read(Generic[T]):
    """One read, which has a connection of the driver while its work runs."""

    def __init__(
        self,
        engine: Engine,
        work: Callable[[Connection], T],
        driver: ReadDriver,
        seconds: float | None,
    ) -> None:
        self._engine = engine
        self._work = work
        self._driver = driver
        self._seconds = seconds
        self._connection: Any = None
        # Whoever holds it can be sure that the connection is in use by this read and no other.
        self._lock = threading.Lock()
        self._has_ended = threading.Event()
        self._is_interrupted = True
        self.has_begun = False
        self.is_abandoned = False

    def run(self) -> T:
        """Do the work, on a thread of the lane."""
        self.has_begun = True
        try:
            self.check()
            with self._engine.begin() as connection:
                if self._seconds is not None:
                    self._driver.limit(connection, self._seconds)
                with self._lock:
                    self._connection = connection.connection.driver_connection
                # A connection that was lost during the work has no `info` any more.
                info = connection.info
                info[_READ] = self
                try:
                    return self._work(connection)
                finally:
                    info.pop(_READ, None)
                    with self._lock:
                        self._connection = None
                    if not self._is_interrupted:
                        connection.invalidate()
        finally:
            self._has_ended.set()

    def end(self) -> None:
        """Interrupt the work until it has ended; not on the event loop."""
        while not self._has_ended.is_set():
            with self._lock:
                if self._connection is not None:
                    self._is_interrupted &= self._driver.interrupt(self._connection)
            self._has_ended.wait(_AGAIN_SECONDS)

    def check(self) -> None:
        """Begin nothing more for a call that has ended.

        Raises:
            StoreUnavailableError: The call has ended.
        """
        if self.is_abandoned:
            raise StoreUnavailableError("the call has ended")


def _check(connection: Connection, *_: object) -> None:
    """Check the read before each of its statements."""
    read = connection.info.get(_READ)
    if read is not None:
        read.check()


class Turns:
    """The turns of callers: each has at most so many at a time, and gets them in order.

    Args:
        most: The most turns at a time.
        per_caller: The most of one caller.
    """

    def __init__(self, most: int, per_caller: int) -> None:
        self._free = most
        self._per_caller = per_caller
        self._taken: Counter[str] = Counter()
        # The callers that wait, the one whose turn is next first.
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    async def take(self, caller: str) -> None:
        """Wait for a turn, and take it."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(caller, deque()).append(turn)
        self._give()
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self.release(caller)
            raise

    def release(self, caller: str) -> None:
        """Return a turn."""
        self._free += 1
        self._taken[caller] -= 1
        if not self._taken[caller]:
            del self._taken[caller]
        self._give()

    def _give(self) -> None:
        for caller in list(self._waiting):
            turns = self._waiting[caller]
            while turns and turns[0].cancelled():
                turns.popleft()
            if turns and self._free and self._taken[caller] < self._per_caller:
                self._free -= 1
                self._taken[caller] += 1
                turns.popleft().set_result(None)
                self._waiting.move_to_end(caller)
            if not turns:
                del self._waiting[caller]
