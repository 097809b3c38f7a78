"""Limits: how much a reader accepts, to protect itself; every one has a name here and a flag.

The schema's own rules are no limits: a message over a limit may well be valid. What is over one is
refused with a `LimitError`, which says which limit it was.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from crucible_ir.errors import DecodeError
from crucible_ir.paths import Part, format_path
from crucible_ir.schema.fields import Kind
from crucible_ir.schema.walk import items, set_fields

if TYPE_CHECKING:
    from google.protobuf.message import Message

    DataT = TypeVar("DataT", str, bytes, str | bytes)
    MessageT = TypeVar("MessageT", bound=Message)

#: The most bytes of one document: 64 MiB.
MAX_BYTES = 64 * 1024 * 1024
#: The most bytes of one record of a stream: 64 MiB.
MAX_FRAME_BYTES = 64 * 1024 * 1024
#: The deepest that protobuf's parsers follow nested messages, counted below the root.
MAX_DEPTH = 100
#: The deepest nesting of a YAML document as text, flow collections and all.
MAX_YAML_DEPTH = 200
#: The most values that the aliases of one YAML document may stand for in all.
MAX_ALIASED_VALUES = 100_000


class LimitError(DecodeError):
    """The input is larger or deeper than the reader accepts.

    Attributes:
        limit: The name of the limit, as in `Limits`.
        allowed: Its value.
    """

    def __init__(
        self, what: str, limit: str, allowed: int, *, parts: tuple[Part, ...] = ()
    ) -> None:
        super().__init__(
            f"{what} is over the limit of {allowed} ({limit})", path=format_path(parts)
        )
        self.limit = limit
        self.allowed = allowed


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a reader accepts.

    Attributes:
        max_bytes: The most bytes of one document, before it is read.
        max_frame_bytes: The most bytes of one record of a stream, before it is read.
        max_depth: The most levels below the root; never more than `MAX_DEPTH`.
        max_string_bytes: The most bytes of one string, key or bytes value; ``None`` for as many as
            the document has.
        max_items: The most items of one list or map; ``None`` for as many as the document has.

    >>> from crucible_ir import from_json
    >>> from_json('{"name": "embedding"}', "StageDef", limits=Limits(max_string_bytes=5))
    Traceback (most recent call last):
        ...
    crucible_ir.serialization.limits.LimitError: name: a string of 9 bytes is over the limit of 5 \
(max_string_bytes)
    """

    max_bytes: int = MAX_BYTES
    max_frame_bytes: int = MAX_FRAME_BYTES
    max_depth: int = MAX_DEPTH
    max_string_bytes: int | None = None
    max_items: int | None = None

    def check_size(self, data: str | bytes) -> None:
        """Refuse a document that has too many bytes.

        Raises:
            LimitError: It has.
        """
        # A character takes at least one byte and at most four.
        size = len(data)
        if isinstance(data, str) and size <= self.max_bytes < 4 * size:
            size = len(data.encode("utf-8", errors="surrogatepass"))
        if size > self.max_bytes:
            raise LimitError(f"a document of {size} bytes", "max_bytes", self.max_bytes)

    def check(self, message: Message) -> None:
        """Refuse a message with a string, list, map or nesting that is over a limit.

        Raises:
            LimitError: It has one; the path names it.
        """
        if self.look_inside:
            self._check(message, (), 0)

    @property
    def look_inside(self) -> bool:
        """Whether any limit is about what is in a message, rather than about its bytes."""
        bounds = (self.max_string_bytes, self.max_items)
        return bounds != (None, None) or self.max_depth < MAX_DEPTH

    def _check(self, message: Message, path: tuple[Part, ...], depth: int) -> None:
        if depth > self.max_depth:
            raise LimitError(f"level {depth}", "max_depth", self.max_depth, parts=path)
        for steps, field, value in set_fields(message):
            if field.is_list or field.is_map:
                self._check_count(value, (*path, *steps))
        for steps, field, item in items(message):
            if isinstance(item, (str, bytes)):
                self._check_length(item, (*path, *steps))
            elif field.kind is Kind.MESSAGE:
                # A map's entry is a message too, and so a level.
                self._check(item, (*path, *steps), depth + (2 if field.is_map else 1))

    def _check_count(self, values: Any, path: tuple[Part, ...]) -> None:
        if self.max_items is not None and len(values) > self.max_items:
            raise LimitError(f"{len(values)} items", "max_items", self.max_items, parts=path)
        if isinstance(next(iter(values), None), str) and hasattr(values, "keys"):
            for key in values:
                self._check_length(key, path)

    def _check_length(self, value: str | bytes, path: tuple[Part, ...]) -> None:
        most = self.max_string_bytes
        if most is None or 4 * len(value) <= most:
            return
        size = len(value) if isinstance(value, bytes) else len(value.encode())
        if size > most:
            raise LimitError(f"a string of {size} bytes", "max_string_bytes", most, parts=path)


def read_within(limits: Limits, read: Callable[[DataT], MessageT], data: DataT) -> MessageT:
    """Read a document within limits: its size is checked before, what is in it after.

    Args:
        limits: The limits.
        read: Reads the document.
        data: The document, as bytes or text.

    Raises:
        LimitError: The document is over a limit.
    """
    limits.check_size(data)
    message = read(data)
    limits.check(message)
    return message
