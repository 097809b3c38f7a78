"""The progress on the terminal, shown when work takes longer than a second."""

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

#: The seconds before progress is first shown, and between two updates.
_DELAY: Final = 1.0
_INTERVAL: Final = 0.1
_WIDTH: Final = 30
#: The number of records of a stream between two checks of the clock.
_RECORDS_PER_CHECK: Final = 64

#: Removes the line with the progress from a terminal.
ERASE_LINE: Final = "\r\x1b[2K"


def with_progress(items: Iterable[ItemT], total: int) -> Iterator[ItemT]:
    """Yield items, and show a progress bar on standard error if it is a terminal.

    The bar is removed while the caller processes an item, which may print.

    Args:
        items: The items.
        total: The number of items.
    """
    if not sys.stderr.isatty() or total < 2:
        yield from items
        return
    started = drawn = time.monotonic()
    visible = False
    try:
        for done, item in enumerate(items, start=1):
            if visible:
                _write(ERASE_LINE)
                visible = False
            yield item
            now = time.monotonic()
            if now - started > _DELAY and now - drawn > _INTERVAL:
                _write(bar(done, total, now - started))
                visible, drawn = True, now
    finally:
        if visible:
            _write(ERASE_LINE)


def bar(done: int, total: int, seconds: float) -> str:
    """Return a bar as text.

    >>> bar(15, 30, 5.0)
    '[###############               ] 15/30, 3/s'
    """
    filled = _WIDTH * done // total
    rate = done / seconds
    return f"[{'#' * filled:{_WIDTH}}] {done}/{total}, {rate:.0f}/s"


class PageProgress:
    """A bar on the terminal for work on a known number of pages.

    It is a context manager that removes the bar at the end.

    Args:
        is_wanted: Whether to show the bar, if standard error is a terminal.
    """

    def __init__(self, *, is_wanted: bool) -> None:
        self.is_wanted = is_wanted and sys.stderr.isatty()
        self.started = self.drawn = time.monotonic()
        self.visible = False

    def __enter__(self) -> Self:
        return self

    def show(self, done: int, total: int) -> None:
        """Update the bar, unless it was updated within the last interval."""
        now = time.monotonic()
        is_due = now - self.started > _DELAY and now - self.drawn > _INTERVAL
        if self.is_wanted and total and is_due:
            _write(ERASE_LINE + bar(done, total, now - self.started))
            self.visible, self.drawn = True, now

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.visible:
            _write(ERASE_LINE)


class StreamProgress:
    """A line on the terminal with the progress through a stream, and the rate.

    It is a context manager that removes the line at the end.

    Args:
        size: The size of the file in bytes; 0 if it is unknown.
        position: Returns the number of bytes read.
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

    def show(self, count: StreamCount, records: int = 1) -> None:
        """Update the line after some records, unless it was updated within the last interval."""
        before = self.records // _RECORDS_PER_CHECK
        self.records += records
        if not self.wanted or self.records // _RECORDS_PER_CHECK == before:
            return
        now = time.monotonic()
        if now - self.started > _DELAY and now - self.drawn > _INTERVAL:
            done = self.position() / self.size if self.position and self.size else None
            _write(ERASE_LINE + stream_bar(count, now - self.started, done))
            self.visible, self.drawn = True, now

    def clear(self) -> None:
        """Remove the line before other output is printed."""
        if self.visible:
            _write(ERASE_LINE)
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
        count: The records and bytes read.
        seconds: The time since the start.
        done: The part of the file that was read, from 0 to 1; ``None`` if it is unknown.

    >>> from crucible_ir.serialization.streams.records import StreamCount
    >>> stream_bar(StreamCount(records=90_000, bytes=27_000_000), 2.0, 0.25)
    ' 25%  90,000 records, 45,000/s, 13.5 MB/s'
    """
    part = "" if done is None else f"{min(done, 1):4.0%}  "
    records = count.records + count.skipped
    rates = f"{records / seconds:,.0f}/s, {count.bytes / seconds / 1e6:.1f} MB/s"
    return f"{part}{records:,} records, {rates}"


class JobProgress:
    """A line on the terminal with the progress of a job, its rate and the time left.

    Args:
        size: The bytes of the files that are left to read.
        is_wanted: Whether to show the line, if standard error is a terminal.
    """

    def __init__(self, size: int, *, is_wanted: bool) -> None:
        self.size = size
        self.is_wanted = is_wanted and sys.stderr.isatty()
        self.started = self.drawn = time.monotonic()
        self.records = 0
        self.read = 0
        self.visible = False

    def add(self, records: int, size: int) -> None:
        """Count records and bytes, and update the line unless it was updated just before."""
        self.records += records
        self.read += size
        now = time.monotonic()
        if self.is_wanted and now - self.started > _DELAY and now - self.drawn > _INTERVAL:
            line = job_bar(self.records, self.read, self.size, now - self.started)
            _write(ERASE_LINE + line)
            self.visible, self.drawn = True, now

    def clear(self) -> None:
        """Remove the line."""
        if self.visible:
            _write(ERASE_LINE)
            self.visible = False


def job_bar(records: int, read: int, size: int, seconds: float) -> str:
    """Return the progress of a job as text.

    Args:
        records: The records that were converted.
        read: The bytes that were read.
        size: The bytes to read.
        seconds: The time since the start.

    >>> job_bar(900_000, 250, 1000, 60.0)
    ' 25%  900,000 records, 15,000/s, 3:00 left'
    """
    part = f"{min(read / size, 1):4.0%}  " if size else ""
    left = ""
    if 0 < read < size:
        minutes, rest = divmod(round(seconds * (size - read) / read), 60)
        hours, minutes = divmod(minutes, 60)
        time_left = f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
        left = f", {time_left} left"
    return f"{part}{records:,} records, {records / seconds:,.0f}/s{left}"


def _write(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()
