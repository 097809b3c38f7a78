"""Columns that the native engine fills from the bytes of messages.

The engine appends a row for each message that is certainly good. Python decides about each other
message, and the engine appends the good ones as Python writes them. What it cannot append even so
becomes a row in Python. The order of the messages is kept.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from crucible_ir import native
from crucible_ir.bulk.batches import raw_bytes, rows
from crucible_ir.bulk.columns import Column, OpenColumn, SingularColumn
from crucible_ir.bulk.contents import (
    EnumContent,
    JsonContent,
    ScalarContent,
    TimestampContent,
    pa,
)
from crucible_ir.bulk.list_columns import ListColumn, MapColumn, OpenListColumn
from crucible_ir.bulk.message_columns import StructContent, columns_of
from crucible_ir.bulk.record_lists import RecordList
from crucible_ir.bulk.schemas import arrow_schema, one_batch, widened
from crucible_ir.schema.types import descriptor_of
from crucible_ir.serialization.streams.frames import FrameList

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.bulk.violations import RecordError

#: The bytes of an offset.
_OFFSET_BYTES: Final = 8

#: The names of the forms and contents of columns in the engine.
_FORMS: Final = {
    SingularColumn: "singular",
    ListColumn: "list",
    MapColumn: "map",
    OpenColumn: "open",
    OpenListColumn: "open list",
}
_CONTENTS: Final = {
    ScalarContent: "scalar",
    EnumContent: "enum",
    TimestampContent: "timestamp",
    JsonContent: "json",
}

#: A column as the engine takes it: its form, the numbers of its field and of the field for custom
#: names, and its content, which is a list of columns for a struct.
Spec = tuple[str, int, int, "str | list[Spec]"]


class Packed(NamedTuple):
    """Messages in one buffer.

    Attributes:
        data: The bytes that contain all messages.
        base: The offset of the first byte.
        starts: The offset of each message, as 64-bit integers.
        ends: The offset after each message.
    """

    data: bytes
    base: int
    starts: bytes
    ends: bytes

    @property
    def size(self) -> int:
        """The number of messages."""
        return len(self.starts) // _OFFSET_BYTES


def packed(records: Sequence[bytes | None]) -> list[Packed] | None:
    """Return messages in buffers; ``None`` if the bytes of one are missing."""
    found: list[Packed] = []
    waiting: list[bytes | None] = []
    try:
        for part in records.parts if isinstance(records, RecordList) else [records]:
            if type(part) is not FrameList:
                waiting += part
                continue
            if waiting:
                found.append(_joined(waiting))
                waiting = []
            found.append(Packed(part.buffer, 0, part.starts.tobytes(), part.ends.tobytes()))
        return [*found, _joined(waiting)] if waiting else found
    except TypeError:
        return None


def _joined(records: list[bytes | None]) -> Packed:
    """Return messages in one buffer; a `TypeError` if the bytes of one are missing."""
    some: list[Any] = records
    data = b"".join(some)
    ends = array("q", accumulate(map(len, some)))
    return Packed(data, 0, array("q", [0, *ends[:-1]]).tobytes(), ends.tobytes())


def packed_array(column: Any) -> Packed | None:
    """Return the messages of an Arrow array of bytes; ``None`` if one is null."""
    if column.null_count:
        return None
    if not len(column):
        return Packed(b"", 0, b"", b"")
    column = column.cast(pa.large_binary())
    _, offsets, data = column.buffers()
    first, end = column.offset, column.offset + len(column)
    taken = memoryview(offsets).cast("B").cast("q")[first : end + 1]
    base = taken[0]
    used = memoryview(data or b"")[base : taken[-1]]
    return Packed(bytes(used), base, bytes(taken[:-1]), bytes(taken[1:]))


class Task(NamedTuple):
    """How messages become rows.

    Attributes:
        class_: The class of the messages.
        format_name: The name of their format, that of a stream.
        validate: Whether they must satisfy the rules of the schema.
        skips_unknown: Whether unknown fields are left out; without it, they are an error.
        max_bytes: The most bytes of a message.
    """

    class_: Any
    format_name: str
    validate: bool
    skips_unknown: bool
    max_bytes: int


def filled(
    task: Task, messages: Iterable[Packed], decide: Callable[[int], Message | RecordError]
) -> tuple[Any, dict[int, RecordError]] | None:
    """Return messages as rows of the complete schema, without a column ``raw``.

    Args:
        task: How messages become rows.
        messages: The messages.
        decide: Returns a message by its index, or its error, such as that of unknown fields that
            are not skipped, if the engine is not certain.

    Returns:
        The rows and the errors as `rows` returns them; ``None`` if the engine is not used.
    """
    builder = native.column_builder(task.class_, _specs(task.class_), *task[1:])
    if builder is None:
        return None
    schema = arrow_schema(task.class_, complete=True)
    batches = []
    errors: dict[int, RecordError] = {}

    def finish() -> None:
        batches.append(pa.record_batch(_Exported(schema, builder.finish())))

    first = 0
    for some in messages:
        index = 0
        while True:
            index += builder.extend(*some, index)
            if index == some.size:
                break
            if builder.is_full():
                finish()
                continue
            found = decide(first + index)
            if isinstance(found, Exception):
                errors[first + index] = found
            elif not builder.append(found.SerializeToString(deterministic=True)):
                finish()
                batch, bad = rows(task.class_, [found], raw_bytes if task.skips_unknown else None)
                batches.append(widened(batch, schema))
                if bad:
                    errors[first + index] = bad[0]
            index += 1
        first += some.size
    finish()
    return one_batch(batches), errors


def filled_messages(
    class_: Any,
    messages: Sequence[Message],
    decide: Callable[[int], Message | RecordError],
    *,
    validate: bool,
) -> tuple[Any, dict[int, RecordError]] | None:
    """Return messages as `filled` returns their bytes; ``None`` if the engine is not used."""
    if not native.is_used(class_):
        return None
    try:
        found = packed([message.SerializeToString() for message in messages])
    except Exception:
        # A message is too large, or nested too deeply.
        return None
    task = Task(class_, "delimited", bool(validate), False, sys.maxsize)
    return None if found is None else filled(task, found, decide)


class _Exported:
    """Rows of the engine, for `pyarrow.record_batch`."""

    def __init__(self, schema: Any, rows: object) -> None:
        self._schema = schema
        self._rows = rows

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[Any, Any]:
        return self._schema.__arrow_c_schema__(), self._rows


# Typed as Any: mypy takes a message class, which can be hashed, for a message, which cannot.
@cache
def _specs(class_: Any) -> list[Spec]:
    return _specs_of(columns_of(descriptor_of(class_)))


def _specs_of(columns: Sequence[Column]) -> list[Spec]:
    specs: list[Spec] = []
    for column in columns:
        source, content = column.source, column.content
        custom = 0
        if source.custom is not None:
            message: Any = source.descriptor.containing_type
            custom = message.fields_by_name[source.custom].number
        inside = (
            _specs_of(content.columns)
            if isinstance(content, StructContent)
            else _CONTENTS[type(content)]
        )
        specs.append((_FORMS[type(column)], source.descriptor.number, custom, inside))
    return specs
