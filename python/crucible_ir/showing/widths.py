"""Texts that fit into a number of columns of a terminal."""

from __future__ import annotations

from typing import Final

from rich.cells import cell_len, get_character_cell_size

_ELLIPSIS: Final = "…"
#: The width to which texts are shortened where nothing else can be.
LEAST_WIDTH: Final = 4


def shorten_middle(text: str, width: int) -> str:
    """Return a text that is at most so wide, its middle replaced by an ellipsis where it is longer.

    >>> shorten_middle("meta-llama/Llama-3.1-8B", 11)
    'meta-….1-8B'
    """
    if cell_len(text) <= width:
        return text
    tail_width = (width - 1) // 2
    return _head(text, width - 1 - tail_width) + _ELLIPSIS + _head(text[::-1], tail_width)[::-1]


def shortened_between(before: str, text: str, after: str, width: int) -> str:
    """Return a line whose middle part is shortened until the line fits into a width."""
    left = width - cell_len(before) - cell_len(after)
    return f"{before}{shorten_middle(text, max(LEAST_WIDTH, left))}{after}"


def _head(text: str, width: int) -> str:
    """Return as much of the start of a text as fits into a width."""
    used = 0
    for index, character in enumerate(text):
        used += get_character_cell_size(character)
        if used > width:
            return text[:index]
    return text
