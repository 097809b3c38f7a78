"""Builds the index of the prefixes that scopes have, in the background."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Final

from crucible_ir.exchange.background import BackgroundTask
from crucible_ir.exchange.store.errors import StoreFailure
from crucible_ir.exchange.store.statements import prefixes

if TYPE_CHECKING:
    from crucible_ir.exchange.store.engine.database import Database

#: How many documents one step indexes; other writers run between steps.
STEP: Final = 1000

#: How long to wait after a failure of the database before trying again, in seconds.
RETRY_SECONDS: Final = 60.0

_log: Final = logging.getLogger(__name__)


class PrefixIndex:
    """The prefixes of ids by which this process knows that documents can be found.

    Args:
        database: The database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._complete: set[str] = set()
        self._wanted: dict[str, None] = {}
        self._task = BackgroundTask(self._run)
        self._rests_until = 0.0
        self._is_full = False

    def has(self, wanted: Iterable[str]) -> bool:
        """Return whether prefixes are indexed; index those that are not in the background."""
        missing = [prefix for prefix in wanted if prefix not in self._complete]
        if missing and not self._is_full and time.monotonic() >= self._rests_until:
            self._wanted.update(dict.fromkeys(missing))
            self._task.start()
        return not missing

    async def build(self, wanted: Iterable[str]) -> None:
        """Index prefixes.

        Raises:
            StoreFailure: The database failed.
        """
        for prefix in wanted:
            encoded = prefix.encode()
            is_complete = await self._database.write(partial(prefixes.add, prefix=encoded))
            if is_complete is None:
                self._is_full = True
                _log.warning(
                    "more than %d prefixes of ids in scopes: the others have no index",
                    prefixes.MAX_PREFIXES,
                )
                return
            after: prefixes.Progress | None = None
            while not is_complete:
                begun = time.monotonic()
                step = partial(prefixes.extend, prefix=encoded, after=after, most=STEP)
                after = await self._database.write(step)
                is_complete = after is None
                # Half of the time is left to others.
                await asyncio.sleep(time.monotonic() - begun)
            self._complete.add(prefix)

    async def close(self) -> None:
        """Stop the work in the background."""
        await self._task.close()

    async def _run(self) -> None:
        while self._wanted:
            prefix = next(iter(self._wanted))
            del self._wanted[prefix]
            try:
                await self.build([prefix])
            except StoreFailure as error:
                self._wanted.clear()
                self._rests_until = time.monotonic() + RETRY_SECONDS
                _log.warning("cannot index the ids that begin with a scope's prefix: %s", error)
