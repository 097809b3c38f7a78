"""Deadlines for calls, with one timer for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any


class DeadlineTimer:
    """Cancels tasks that exceed a time limit, which is the same for all of them.

    A timer for each call would cost more than all other work of the server for a short call.

    Args:
        seconds: The time limit.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        # The deadline of each task, the earliest first; None once the task was cancelled.
        self._due: dict[asyncio.Task[Any], float | None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def limit(
        self,
        function: Callable[[Any, Any], Awaitable[Any]],
        late: Callable[[Any], Awaitable[Any]],
    ) -> Callable[[Any, Any], Awaitable[Any]]:
        """Return a function that applies the time limit to another.

        Args:
            function: A function of a request and a context. A task runs it only once at a time.
            late: Answers the call when the limit is exceeded; it gets the context.
        """
        due = self._due

        async def limited(request: Any, context: Any) -> Any:
            task = asyncio.current_task()
            assert task is not None, "a coroutine runs in a task"
            loop = task.get_loop()
            due[task] = until = loop.time() + self._seconds
            if self._timer is None:
                self._timer = loop.call_at(until, self._cancel_late)
            try:
                return await function(request, context)
            except asyncio.CancelledError:
                if due[task] is not None or task.uncancel():
                    # Something else cancelled the task as well.
                    raise
            finally:
                del due[task]
            return await late(context)

        return limited

    def _cancel_late(self) -> None:
        """Cancel the tasks past their deadline, and set the timer for the next one."""
        self._timer = None
        loop = asyncio.get_running_loop()
        now = loop.time()
        for task, due in self._due.items():
            if due is None:
                continue
            if due > now:
                self._timer = loop.call_at(due, self._cancel_late)
                return
            self._due[task] = None
            task.cancel()
