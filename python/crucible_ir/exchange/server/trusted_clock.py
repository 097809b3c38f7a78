"""The time, as far as it can be trusted to remove what is old."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from crucible_ir.exchange.store.records import Microseconds

#: The difference between two clocks beyond which one of them has jumped: a share of the time for
#: which changes are kept, between two bounds in seconds.
_JUMP_SHARE: Final = 0.1
_LEAST_JUMP_SECONDS: Final = 1.0
_MOST_JUMP_SECONDS: Final = 60.0


def elapsed_seconds() -> float:
    """Return the seconds since some time in the past; a suspended machine counts too."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


class Clock:
    """The time, as far as it can be trusted to remove what is old.

    A server cannot distinguish a clock that jumped ahead while it was off from being off for long.
    So time passes only while the server runs, from that of the latest change on.

    Args:
        latest: The time of the latest change in the store; ``None`` if there is none.
        now: Returns the current time.
        elapsed: Returns the seconds since some time in the past.
    """

    def __init__(
        self,
        latest: Microseconds | None,
        *,
        now: Callable[[], Microseconds] = lambda: time.time_ns() // 1000,
        elapsed: Callable[[], float] = elapsed_seconds,
    ) -> None:
        self._now = now
        self._elapsed = elapsed
        self._begun = now()
        self._begun_elapsed = elapsed()
        self._trusted = self._begun if latest is None else min(self._begun, latest)

    def time(self) -> Microseconds:
        """Return a time that is not later than the actual one, if the latest change is not."""
        return self._trusted + self._passed()

    def jumped_seconds(self) -> float:
        """Return by how many seconds the clock has jumped since the start."""
        return (self._now() - self._begun - self._passed()) / 1_000_000

    def has_jumped(self, kept_seconds: float | None = None) -> bool:
        """Return whether the clock has jumped too far to remove what is older than some time."""
        share = _MOST_JUMP_SECONDS if kept_seconds is None else kept_seconds * _JUMP_SHARE
        most = max(_LEAST_JUMP_SECONDS, min(_MOST_JUMP_SECONDS, share))
        return abs(self.jumped_seconds()) > most

    def _passed(self) -> Microseconds:
        return round((self._elapsed() - self._begun_elapsed) * 1_000_000)
