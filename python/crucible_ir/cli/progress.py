"""A bar on the terminal while documents are worked on, once that has taken a moment."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from crucible_ir.serialization.streams.records import StreamCount

ItemT = TypeVar("ItemT")

#: The seconds after which work is long enough for a bar, and between two drawings of it.
_PATIENCE: Final = 1.0
_INTERVAL: Final = 0.1
_WIDTH: Final = 30
#: How many records of a stream go by between two looks at the clock.
_RECORDS_A_LOOK: Final = 64

_ERASE_LINE: Final = "\r\x1b[2K"


def with_progress(items: Iterable[ItemT], total: int) -> Iterator[ItemT]:
    """Yield items, and show on standard error how many of them have come.

    The bar appears on a terminal only, and never while an item is being dealt with, so that what is
    then printed stays whole.

    Args:
        items: The items, which take time to come.
        total: How many there will be.
    """
    if not sys.stderr.isatty() or total < 2:
        yield from items
        return
    started = drawn = time.monotonic()
    visible = False
    try:
        for done, item in enumerate(items, start=1):
            if visible:
                _write(_ERASE_LINE)
                visible = False
            yield item
            now = time.monotonic()
            if now - started > _PATIENCE and now - drawn > _INTERVAL:
                _write(bar(done, total, now - started))
                visible, drawn = True, now
    finally:
        if visible:
            _write(_ERASE_LINE)


def bar(done: int, total: int, seconds: float) -> str:
    """Return a bar as text.

    >>> bar(15, 30, 5.0)
    '[###############               ] 15/30, 3/s'
    """
    filled = _WIDTH * done // total
    rate = done / seconds
    return f"[{'#' * filled:{_WIDTH}}] {done}/{total}, {rate:.0f}/s"


class StreamProgress:
    """A line on the terminal while a stream is worked on: how far, and at what rate.

    Use it as a context manager: at the end the line is gone.

    Args:
        size: The bytes of the file; 0 where nobody knows.
        position: Tells how many of them have been read.
    """

    def __init__(self, size: int, position: Callable[[], int] | None) -> None:
        self.size = size
        self.position = position
        self.started = self.drawn = time.monotonic()
        self.records = 0
        self.wanted = sys.stderr.isatty()
        self.visible = False

    def __enter__(self) -> Self:
        return self

    def show(self, count: StreamCount) -> None:
        """Show how far the work is, unless that was shown a moment ago."""
        self.records += 1
        # The clock is not asked for every record.
        if not self.wanted or self.records % _RECORDS_A_LOOK:
            return
        now = time.monotonic()
        if now - self.started > _PATIENCE and now - self.drawn > _INTERVAL:
            done = self.position() / self.size if self.position and self.size else None
            _write(_ERASE_LINE + stream_bar(count, now - self.started, done))
            self.visible, self.drawn = True, now

    def clear(self) -> None:
        """Take the line away, so that what is then printed stays whole."""
        if self.visible:
            _write(_ERASE_LINE)
            self.visible = False

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.clear()


def stream_bar(count: StreamCount, seconds: float, done: float | None) -> str:
    """Return the progress through a stream as text.

    Args:
        count: What has been read.
        seconds: The time that took.
        done: The part of the file that has been read, from 0 to 1, where that is known.

    >>> from crucible_ir.serialization.streams.records import StreamCount
    >>> stream_bar(StreamCount(records=90_000, bytes=27_000_000), 2.0, 0.25)
    ' 25%  90,000 records, 45,000/s, 13.5 MB/s'
    """
    part = "" if done is None else f"{min(done, 1):4.0%}  "
    records = count.records + count.skipped
    rates = f"{records / seconds:,.0f}/s, {count.bytes / seconds / 1e6:.1f} MB/s"
    return f"{part}{records:,} records, {rates}"


def _write(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()
