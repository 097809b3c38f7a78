"""An end to the time that calls may take, with one timer for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any


class Clock:
    """Cancels what takes too long; everything has the same time.

    A timer for each call would cost more than the rest of what a server does for a short one.

    Args:
        seconds: How long something may take.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        # When each task has to be done, the first to come first; None once it was cancelled.
        self._due: dict[asyncio.Task[Any], float | None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def limit(
        self,
        function: Callable[[Any, Any], Awaitable[Any]],
        late: Callable[[Any], Awaitable[Any]],
    ) -> Callable[[Any, Any], Awaitable[Any]]:
        """Return a function that does what another does in time, or is cancelled.

        Args:
            function: A function of a request and a context, which a task calls once at a time.
            late: Answers instead where it took too long; it is given the context.
        """
        due = self._due

        async def limited(request: Any, context: Any) -> Any:
            task = asyncio.current_task()
            assert task is not None, "there is a task wherever something is awaited"
            loop = task.get_loop()
            due[task] = until = loop.time() + self._seconds
            if self._timer is None:
                self._timer = loop.call_at(until, self._look)
            try:
                return await function(request, context)
            except asyncio.CancelledError:
                if due[task] is not None or task.uncancel():
                    # Somebody else cancelled it, too.
                    raise
            finally:
                del due[task]
            return await late(context)

        return limited

    def _look(self) -> None:
        """Cancel what is overdue, and look again when the next is."""
        self._timer = None
        loop = asyncio.get_running_loop()
        now = loop.time()
        for task, due in self._due.items():
            if due is None:
                continue
            if due > now:
                self._timer = loop.call_at(due, self._look)
                return
            self._due[task] = None
            task.cancel()
