"""A bar on the terminal while documents are worked on, once that has taken a moment."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import Final, TypeVar

ItemT = TypeVar("ItemT")

#: The seconds after which work is long enough for a bar, and between two drawings of it.
_PATIENCE: Final = 1.0
_INTERVAL: Final = 0.1
_WIDTH: Final = 30

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


def _write(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()
