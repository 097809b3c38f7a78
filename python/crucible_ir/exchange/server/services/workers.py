"""Threads for work whose memory is bounded: a call waits until enough of it is free.

A document may take 200 times its size in memory, and several calls at once that many times each.
They gain nothing from running at once, since only one thread runs Python at a time.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Final, TypeVar

from crucible_ir.exchange.server.rpc.errors import quota

RequestT = TypeVar("RequestT")
ResponseT = TypeVar("ResponseT")

#: The cost in bytes up to which work does not wait for memory: it takes milliseconds.
LIGHT_COST: Final = 2 * 1024 * 1024

#: The number of threads for light work, and of threads for all other.
_LIGHT_THREADS: Final = 2
_HEAVY_THREADS: Final = 4


class MemoryBudget:
    """The memory that work may use. It is given in the order of the requests.

    Args:
        size: The bytes.
    """

    def __init__(self, size: int) -> None:
        self._free = size
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def free(self) -> int:
        """The bytes that are free."""
        return self._free

    @property
    def waiting(self) -> int:
        """How many requests wait for bytes."""
        return len(self._waiting)

    async def take(self, size: int) -> None:
        """Take bytes as soon as they are free and every earlier request has its own.

        More bytes than there are would never be free.
        """
        if not self._waiting and size <= self._free:
            self._free -= size
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((size, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._give()
            else:
                self.release(size)
            raise

    def release(self, size: int) -> None:
        """Return bytes."""
        self._free += size
        self._give()

    def _give(self) -> None:
        while self._waiting:
            size, turn = self._waiting[0]
            if not turn.cancelled():
                if size > self._free:
                    return
                self._free -= size
                turn.set_result(None)
            self._waiting.popleft()


class Workers:
    """Runs functions on threads.

    Args:
        memory: The memory in bytes that all work at a time may cost, light work aside.
    """

    def __init__(self, memory: int) -> None:
        self._memory = memory
        self._budget = MemoryBudget(memory)
        self._light = ThreadPoolExecutor(_LIGHT_THREADS, "exchange-light")
        self._heavy = ThreadPoolExecutor(_HEAVY_THREADS, "exchange-heavy")

    @property
    def memory_taken(self) -> int:
        """The memory in bytes that work takes at this time, light work aside."""
        return self._memory - self._budget.free

    @property
    def waiting(self) -> int:
        """How much work waits for memory."""
        return self._budget.waiting

    async def run(
        self, function: Callable[[RequestT], ResponseT], request: RequestT, cost: int
    ) -> ResponseT:
        """Run a function of a request.

        Args:
            function: The function.
            request: The request.
            cost: The memory in bytes that it takes.

        Raises:
            RpcError: It takes more than there is.
        """
        if cost <= LIGHT_COST:
            return await asyncio.wrap_future(self._light.submit(function, request))
        if cost > self._memory:
            raise quota(
                "memory",
                f"the content has too many values: it would take about {_mebibytes(cost)} of memory"
                f" at a time, and the server allows {_mebibytes(self._memory)}",
            )
        await self._budget.take(cost)
        job = self._heavy.submit(function, request)
        # A cancelled call leaves its thread running, which then still needs the memory.
        loop = asyncio.get_running_loop()
        job.add_done_callback(partial(self._release, loop, cost))
        return await asyncio.wrap_future(job)

    def _release(self, loop: asyncio.AbstractEventLoop, size: int, _: Future[ResponseT]) -> None:
        # The loop may have been closed.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(self._budget.release, size)

    def close(self) -> None:
        """Start no more work."""
        for pool in (self._light, self._heavy):
            pool.shutdown(wait=False, cancel_futures=True)


def _mebibytes(size: int) -> str:
    return f"{-(-size // (1024 * 1024)):,} MiB"
