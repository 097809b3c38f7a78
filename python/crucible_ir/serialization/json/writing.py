"""Writing JSON values as text with orjson; large lists are written in pieces."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import orjson

#: The most messages of a list that are converted to JSON values at the same time.
MAX_ITEMS_AT_ONCE = 1024

#: Marks the position of a large list in the text. JSON text cannot contain an unescaped NUL.
_PLACEHOLDER = "\0"


class LargeList:
    """A list of messages that is written in pieces, since its JSON values take much memory.

    Attributes:
        messages: The messages.
        write: Converts a message to a JSON value.
        depth: The depth of the messages, the second argument of ``write``.
    """

    def __init__(self, messages: Any, write: Callable[[Any, int], object], depth: int) -> None:
        self.messages = messages
        self.write = write
        self.depth = depth

    def pieces(self) -> Iterator[list[object]]:
        """Yield lists of the JSON values of consecutive messages."""
        for start in range(0, len(self.messages), MAX_ITEMS_AT_ONCE):
            piece = self.messages[start : start + MAX_ITEMS_AT_ONCE]
            yield [self.write(message, self.depth) for message in piece]


def write_text(value: object, *, indent: int | None = None) -> str:
    """Write JSON values as text, with keys in the given order and non-ASCII characters unescaped.

    Args:
        value: The JSON values. They may contain `LargeList` if ``indent`` is 2 or ``None``.
        indent: The number of spaces of each level; ``None`` writes one line.
    """
    if indent not in (None, 2):
        # orjson indents by two spaces only.
        return json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent)
    options = None if indent is None else orjson.OPT_INDENT_2
    try:
        return orjson.dumps(value, None, options).decode()
    except orjson.JSONEncodeError:
        text = ""
        # CPython grows the string in place, so the text is in memory only once.
        for piece in _pieces(value, indent):
            text += piece
        return text


def _pieces(value: object, indent: int | None) -> Iterator[str]:
    lists: list[LargeList] = []

    def replace(item: object) -> orjson.Fragment:
        if not isinstance(item, LargeList):
            raise TypeError(f"not a JSON value: {type(item).__name__}")
        lists.append(item)
        return orjson.Fragment(_PLACEHOLDER)

    raw = orjson.dumps(value, replace, None if indent is None else orjson.OPT_INDENT_2)
    texts = iter(raw.decode().split(_PLACEHOLDER))
    for before, large in zip(islice(texts, len(lists)), lists, strict=True):
        line = before.rpartition("\n")[2]
        # The indentation of the list's key, and of its closing bracket.
        margin = "" if indent is None else line[: len(line) - len(line.lstrip(" "))]
        yield before
        yield "["
        separator = ""
        for values in large.pieces():
            # Without the brackets, and without the line break before the closing one.
            text = write_text(values, indent=indent)[1 : -1 if indent is None else -2]
            yield separator + text.replace("\n", f"\n{margin}")
            separator = ","
        yield "]" if indent is None else f"\n{margin}]"
    yield next(texts)
