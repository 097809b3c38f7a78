"""Work that continues in the background until it is closed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Final

#: The first and the longest pause before work that failed starts again, in seconds.
RESTART_SECONDS = 1.0
_MAX_RESTART_SECONDS: Final = 60.0

_log: Final = logging.getLogger(__name__)


class BackgroundTask:
    """A task that runs until it is closed or its work is done.

    If the work fails, the log has the error and the work starts again after a pause: what depends
    on it, such as watches, must not stop without notice.

    Args:
        work: Makes the work, which ends when it is cancelled.
    """

    def __init__(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._work = work
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the work, unless it is in progress."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Cancel the work, and wait for its end."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        pause = RESTART_SECONDS
        while True:
            try:
                return await self._work()
            except Exception:
                _log.exception("work in the background has failed, starting it again")
            await asyncio.sleep(pause)
            pause = min(2 * pause, _MAX_RESTART_SECONDS)
