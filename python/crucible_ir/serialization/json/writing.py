"""JSON values to JSON text, by orjson; a large list is written a piece at a time."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import orjson

#: Up to how many messages of a list are JSON values at the same time.
MAX_ITEMS_AT_ONCE = 1024

#: The place of a large list in the text until it is written. JSON has no NUL: it escapes it.
_PLACEHOLDER = "\0"


class LargeList:
    """A list of messages that is written in pieces, since its JSON values would fill the memory.

    Attributes:
        messages: The messages.
        write: Turns a message into a JSON value.
        depth: The depth of the messages, the second argument of ``write``.
    """

    def __init__(self, messages: Any, write: Callable[[Any, int], object], depth: int) -> None:
        self.messages = messages
        self.write = write
        self.depth = depth

    def pieces(self) -> Iterator[list[object]]:
        """Yield the JSON values of some messages at a time."""
        for start in range(0, len(self.messages), MAX_ITEMS_AT_ONCE):
            some = self.messages[start : start + MAX_ITEMS_AT_ONCE]
            yield [self.write(message, self.depth) for message in some]


def write_text(value: object, *, indent: int | None = None) -> str:
    """Write JSON values as text, keys in their order and non-ASCII characters as they are.

    Args:
        value: The JSON values; a `LargeList` may be among them where ``indent`` is 2 or ``None``.
        indent: The number of spaces of each level; ``None`` writes one line.
    """
    if indent not in (None, 2):
        # orjson indents by two spaces or not at all.
        return json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent)
    options = None if indent is None else orjson.OPT_INDENT_2
    try:
        return orjson.dumps(value, None, options).decode()
    except orjson.JSONEncodeError:
        text = ""
        # CPython grows the string in place, so that the text is in memory once.
        for piece in _pieces(value, indent):
            text += piece
        return text


def _pieces(value: object, indent: int | None) -> Iterator[str]:
    large: list[LargeList] = []

    def put_off(item: object) -> orjson.Fragment:
        if not isinstance(item, LargeList):
            raise TypeError(f"not a JSON value: {type(item).__name__}")
        large.append(item)
        return orjson.Fragment(_PLACEHOLDER)

    raw = orjson.dumps(value, put_off, None if indent is None else orjson.OPT_INDENT_2)
    texts = iter(raw.decode().split(_PLACEHOLDER))
    for before, rows in zip(islice(texts, len(large)), large, strict=True):
        line = before.rpartition("\n")[2]
        # How far the key of the list is indented, and so the bracket that ends it.
        margin = "" if indent is None else line[: len(line) - len(line.lstrip(" "))]
        yield before
        yield "["
        separator = ""
        for values in rows.pieces():
            # Less its brackets, and the line break before the last.
            text = write_text(values, indent=indent)[1 : -1 if indent is None else -2]
            yield separator + text.replace("\n", f"\n{margin}")
            separator = ","
        yield "]" if indent is None else f"\n{margin}]"
    yield next(texts)
