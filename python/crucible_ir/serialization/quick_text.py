"""JSON text from plain values, the quick way: by orjson, and a large list a part at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import orjson

#: Up to how many messages of a list are plain values at the same time.
MAX_ITEMS_AT_ONCE = 1024

#: Stands in the text for a large list that is yet to be written. JSON has no NUL: it escapes it.
_PLACE = "\0"


class LargeList:
    """A repeated field that is written a part at a time, as its plain values would fill the memory.

    Attributes:
        items: The messages.
        write: Turns one into a plain value.
        nesting: The second argument of ``write``.
    """

    def __init__(self, items: Any, write: Callable[[Any, int], Any], nesting: int) -> None:
        self.items = items
        self.write = write
        self.nesting = nesting

    def parts(self) -> Iterator[list[object]]:
        """Yield the plain values of some messages at a time."""
        for start in range(0, len(self.items), MAX_ITEMS_AT_ONCE):
            some = self.items[start : start + MAX_ITEMS_AT_ONCE]
            yield [self.write(item, self.nesting) for item in some]


def write_text(value: object, indent: int | None) -> str:
    """Write plain values, `LargeList` among them, as JSON text.

    Args:
        value: The plain values.
        indent: Two spaces or ``None``.

    Raises:
        ValueError: The indentation is one that orjson does not write.
    """
    try:
        if indent is None:
            return orjson.dumps(value).decode()
        if indent == 2:
            return orjson.dumps(value, None, orjson.OPT_INDENT_2).decode()
    except orjson.JSONEncodeError:
        text = ""
        # CPython grows the string in place, so that the text is held once.
        for part in _parts(value, indent):
            text += part
        return text
    raise ValueError("orjson indents by two spaces or not at all")


def _parts(value: object, indent: int | None) -> Iterator[str]:
    large: list[LargeList] = []

    def put_off(item: object) -> orjson.Fragment:
        if not isinstance(item, LargeList):
            raise TypeError(f"not a plain value: {type(item).__name__}")
        large.append(item)
        return orjson.Fragment(_PLACE)

    raw = orjson.dumps(value, put_off, None if indent is None else orjson.OPT_INDENT_2)
    texts = iter(raw.decode().split(_PLACE))
    for before, rows in zip(islice(texts, len(large)), large, strict=True):
        line = before.rpartition("\n")[2]
        # How far the key of the list is indented, and so the bracket that ends it.
        margin = "" if indent is None else line[: len(line) - len(line.lstrip(" "))]
        yield before
        yield "["
        separator = ""
        for items in rows.parts():
            # Less its brackets, and the line break before the last.
            text = write_text(items, indent)[1 : -1 if indent is None else -2]
            yield separator + text.replace("\n", f"\n{margin}")
            separator = ","
        yield "]" if indent is None else f"\n{margin}]"
    yield next(texts)
