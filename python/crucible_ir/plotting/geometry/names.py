"""Short names that still differ, and the width that a text needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.cells import cell_len

from crucible_ir.errors import printable
from crucible_ir.showing.widths import shorten_middle

#: The width of an average character of 11 px in a sans-serif font, rounded up.
CHARACTER: Final = 6.3
#: Where a common beginning may be cut.
_SEPARATORS: Final = "-_/: "


def text_width(text: str) -> float:
    """Return about how wide a label is, in pixels."""
    return cell_len(text) * CHARACTER


def short_names(names: Sequence[str], most: int = 20) -> list[str]:
    """Return names without the beginning that all share, each at most so many columns wide.

    The beginning is cut after a separator, and only where it makes names notably shorter. Names
    that differ stay different as far as the width permits: long ones lose their middle.

    >>> short_names(["sc-distill-0412", "sc-distill-0416"])
    ['0412', '0416']
    >>> short_names(["meta-llama/Llama-3.1-8B-Instruct-finetuned"])
    ['meta-llama…finetuned']
    """
    shown = [printable(name) for name in names]
    common = _common_beginning(shown) if len(set(shown)) > 1 else ""
    cut = max(common.rfind(separator) for separator in _SEPARATORS) + 1
    # A rest that is empty or a mere number of one digit would say too little.
    if cut < 4 or min(len(name) - cut for name in shown) < 2:
        cut = 0
    return [shorten_middle(name[cut:], most) for name in shown]


def _common_beginning(names: Sequence[str]) -> str:
    # What the first and the last in order share, all share.
    first, last = min(names), max(names)
    count = 0
    while count < min(len(first), len(last)) and first[count] == last[count]:
        count += 1
    return first[:count]
