"""Limits on the size and depth of input, which protect readers; each has a command-line option.

They are not rules of the schema: a message over a limit can be valid. Input over a limit raises a
`LimitError` that names the limit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from crucible_ir.errors import DecodeError
from crucible_ir.paths import Part, format_path
from crucible_ir.schema.fields import Field, Kind
from crucible_ir.schema.unknown_fields import show_all_entries
from crucible_ir.schema.walk import items, set_fields

if TYPE_CHECKING:
    from google.protobuf.message import Message

    DataT = TypeVar("DataT", str, bytes, str | bytes)
    MessageT = TypeVar("MessageT", bound=Message)

#: The most bytes of one document: 64 MiB.
MAX_BYTES = 64 * 1024 * 1024
#: The most bytes of one record of a stream: 64 MiB.
MAX_FRAME_BYTES = 64 * 1024 * 1024
#: The most bytes that each byte of a compressed stream may expand to.
MAX_EXPANSION = 1_000
#: The most consecutive records without bytes, or blank lines, of a stream.
MAX_EMPTY_RECORDS = 100_000
#: The most bytes of a record over its limit that are skipped to find the next record: 1 GiB.
MAX_SKIPPED_BYTES = 1024 * 1024 * 1024
#: The most levels of nested messages below the root that protobuf's parsers accept.
MAX_DEPTH = 100
#: The most levels of nested collections in a YAML document.
MAX_YAML_DEPTH = 200
#: The most values that all aliases of one YAML document may expand to.
MAX_ALIASED_VALUES = 100_000


class LimitError(DecodeError):
    """The input is larger or deeper than the reader accepts.

    Attributes:
        limit: The name of the limit, as in `Limits`.
        allowed: The value of the limit.

    >>> try:
    ...     Limits(max_bytes=2).check_size("{ }")
    ... except LimitError as error:
    ...     print(error.limit, error.allowed)
    max_bytes 2
    """

    def __init__(
        self, subject: str, limit: str, allowed: int, *, parts: tuple[Part, ...] = ()
    ) -> None:
        super().__init__(
            f"{subject} is over the limit of {allowed} ({limit})", path=format_path(parts)
        )
        self.limit = limit
        self.allowed = allowed


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a reader.

    Attributes:
        max_bytes: The most bytes of one document.
        max_frame_bytes: The most bytes of one record of a stream.
        max_expansion: The most bytes that each byte of a compressed stream may expand to, after a
            free start of 4 MiB.
        max_empty_records: The most consecutive records without bytes, or blank lines, of a stream.
        max_skipped_bytes: The most bytes of a record over its limit that are skipped to find the
            next record.
        max_depth: The most levels below the root; at most `MAX_DEPTH`.
        max_string_bytes: The most bytes of one string, key or bytes value; ``None`` for no limit.
        max_items: The most items of one list or map; ``None`` for no limit.

    >>> from crucible_ir import from_json
    >>> from_json('{"name": "embedding"}', "StageDef", limits=Limits(max_string_bytes=5))
    Traceback (most recent call last):
        ...
    crucible_ir.serialization.limits.LimitError: name: a string of 9 bytes is over the limit of 5 \
(max_string_bytes)
    """

    max_bytes: int = MAX_BYTES
    max_frame_bytes: int = MAX_FRAME_BYTES
    max_expansion: int = MAX_EXPANSION
    max_empty_records: int = MAX_EMPTY_RECORDS
    max_skipped_bytes: int = MAX_SKIPPED_BYTES
    max_depth: int = MAX_DEPTH
    max_string_bytes: int | None = None
    max_items: int | None = None

    def check_size(self, data: str | bytes) -> None:
        """Check the size of a document, before it is read.

        Raises:
            LimitError: The document has too many bytes.

        >>> try:
        ...     Limits(max_bytes=2).check_size("{ }")
        ... except LimitError as error:
        ...     print(error)
        a document of 3 bytes is over the limit of 2 (max_bytes)
        """
        # A character has one to four bytes.
        size = len(data)
        if isinstance(data, str) and size <= self.max_bytes < 4 * size:
            size = len(data.encode("utf-8", errors="surrogatepass"))
        if size > self.max_bytes:
            raise LimitError(f"a document of {size} bytes", "max_bytes", self.max_bytes)

    def check(self, message: Message) -> None:
        """Check the strings, lists, maps and nesting of a message.

        Raises:
            LimitError: One of them is over a limit; the error has its path.

        >>> from crucible_ir import v1
        >>> try:
        ...     Limits(max_items=1).check(v1.Experiment(tags=["a", "b"]))
        ... except LimitError as error:
        ...     print(error)
        tags: a list of 2 items is over the limit of 1 (max_items)
        """
        if self.limit_content:
            self._check(show_all_entries(message), (), 0)

    @property
    def limit_content(self) -> bool:
        """Whether any limit is on the content of messages, and not on their bytes.

        >>> Limits(max_bytes=10).limit_content, Limits(max_items=10).limit_content
        (False, True)
        """
        bounds = (self.max_string_bytes, self.max_items)
        return bounds != (None, None) or self.max_depth < MAX_DEPTH

    def _check(self, message: Message, path: tuple[Part, ...], depth: int) -> None:
        if depth > self.max_depth:
            raise LimitError(f"a depth of {depth}", "max_depth", self.max_depth, parts=path)
        for steps, field, value in set_fields(message):
            if field.is_list or field.is_map:
                self._check_count(field, value, (*path, *steps))
        for steps, field, item in items(message):
            if isinstance(item, (str, bytes)):
                self._check_length(item, (*path, *steps))
            elif field.kind is Kind.MESSAGE:
                # The entry of a map is a message, and counts as a level.
                self._check(item, (*path, *steps), depth + (2 if field.is_map else 1))

    def _check_count(self, field: Field, values: Any, path: tuple[Part, ...]) -> None:
        if self.max_items is not None and len(values) > self.max_items:
            subject = f"a {field.cardinality.value} of {len(values)} items"
            raise LimitError(subject, "max_items", self.max_items, parts=path)
        if field.key is Kind.STRING:
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
    """Read a document within limits; its size is checked before reading, and its content after.

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
