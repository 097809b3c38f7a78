"""The kernel of jobs: records of a stream become rows of a table, and violations.

It is a pure function of a record batch, so that a pool of processes, Ray and Spark run it alike.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.unknown_fields import UnknownFieldSet

from crucible_ir import native
from crucible_ir.bulk.batches import raw_bytes, rows, without_unknown_fields
from crucible_ir.bulk.contents import pa
from crucible_ir.bulk.native_columns import Packed, Task, filled, packed, packed_array
from crucible_ir.bulk.parsing import parse_messages
from crucible_ir.bulk.schemas import arrow_schema, widened
from crucible_ir.bulk.violations import VIOLATIONS as VIOLATIONS
from crucible_ir.bulk.violations import Place, RecordError, violations_batch
from crucible_ir.errors import DecodeError, shorten
from crucible_ir.schema.types import message_type
from crucible_ir.schema.unknown_fields import reject_own_unreadable
from crucible_ir.serialization.limits import Limits
from crucible_ir.serialization.streams.bulk import stream_format
from crucible_ir.serialization.streams.records import decode_uncertain, within_limits

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.serialization.streams.bulk import StreamFormatName
    from crucible_ir.serialization.streams.formats import StreamFormat
    from crucible_ir.serialization.streams.records import RecordReader

#: The schema of records. The kernel needs the first two columns, and copies the others.
RECORDS: Final = pa.schema(
    [
        pa.field("record", pa.int64(), nullable=False),
        pa.field("data", pa.binary()),
        pa.field("source", pa.string()),
        pa.field("line", pa.int64()),
        pa.field("offset", pa.int64()),
    ]
)

#: The columns that must be there.
_REQUIRED: Final = ("record", "data")


def check_records(
    batch: Any,
    type: str | type[Message],
    *,
    format: StreamFormatName = "delimited",
    validate: bool = True,
    raw: bool = False,
    limits: Limits | None = None,
) -> tuple[Any, Any]:
    """Return the good records as rows, and the violations of the others.

    Args:
        batch: The records, a `pyarrow.RecordBatch`. The column ``record`` has their numbers, and
            ``data`` has their bytes, without the size of a binary message or the line break; null
            for a record that was over the limit. The columns ``source``, ``line`` and ``offset``
            may be there; they are copied to the violations.
        type: The class of the messages or its name.
        format: The format of the stream that the records come from.
        validate: Whether each message must satisfy the rules of the schema.
        raw: Whether to add a column ``raw`` with the bytes of each message, which keeps unknown
            fields. Without it, a record with unknown fields is bad.
        limits: The limits on records and their messages.

    Returns:
        Two record batches. The first has the good records in their order, in the complete schema of
        the type: see `arrow_schema`. The second has the schema `VIOLATIONS`; every bad record is in
        it, with at most 100 violations. The rule id is ``decode`` for a record that cannot be read,
        ``table.unknown_field`` for unknown fields, and ``table.value`` for a value that Arrow
        cannot represent.

    Raises:
        DecodeError: It is not a record batch, or a column is missing.
        EncodeError: There is a column ``raw``, and the messages have a field of this name.
        UnknownFormatError: No stream format has this name.

    >>> import pyarrow
    >>> records = pyarrow.record_batch({"record": [0, 1], "data": [b'{"name": "a"}', b"{}"]})
    >>> good, violations = check_records(records, "StageDef", format="jsonl")
    >>> good.column("name").to_pylist()
    ['a']
    >>> violations.select(["record", "path", "rule_id"]).to_pylist()
    [{'record': 1, 'path': 'name', 'rule_id': 'required'}]
    """
    kernel = kernel_of(type, stream_format(b"", format), validate=validate, raw=raw, limits=limits)
    columns = _columns(batch)
    good, errors = kernel.rows_of(columns["data"])
    good = widened(good, arrow_schema(kernel.class_, raw=raw, complete=True))
    places = (Place(*(columns[name][index].as_py() for name in Place._fields)) for index in errors)
    return good, violations_batch(zip(places, errors.values(), strict=True))


def kernel_of(
    type: str | type[Message],
    format_: StreamFormat,
    *,
    validate: bool,
    raw: bool,
    limits: Limits | None,
) -> Kernel:
    """Return the kernel of a message type and a format; errors as in `check_records`."""
    class_: Any = message_type(type)
    arrow_schema(class_, raw=raw)
    limits = limits or Limits()
    reader = within_limits(format_.reading(class_, validate), limits)
    return Kernel(class_, format_, reader, bool(validate), bool(raw), limits)


@dataclass(frozen=True, slots=True)
class Kernel:
    """Converts records of one type and format.

    Attributes:
        class_: The class of the messages.
        format_: The format of the stream.
        reader: Reads the message of a record.
        validate: Whether each message must satisfy the rules of the schema.
        raw: Whether there is a column ``raw``.
        limits: The limits on records and their messages.
    """

    class_: Any
    format_: StreamFormat
    reader: RecordReader
    validate: bool
    raw: bool
    limits: Limits

    def rows(self, records: Sequence[bytes | None]) -> tuple[Any, dict[int, RecordError]]:
        """Convert records.

        Args:
            records: The bytes of each record; ``None`` for one over the limit.

        Returns:
            The good records as a `pyarrow.RecordBatch` with the columns that they need, and maybe
            others of the complete schema; and the errors of the others by their indexes, in order.
        """
        messages = packed(records) if self._is_native else None
        found = None if messages is None else self._filled(messages, records.__getitem__)
        return self._rows(records) if found is None else found

    def rows_of(self, records: Any) -> tuple[Any, dict[int, RecordError]]:
        """Convert the records in an Arrow array, as `rows` does."""
        messages = packed_array(records) if self._is_native else None
        found = None
        if messages is not None:
            found = self._filled([messages], lambda index: records[index].as_py())
        return self._rows(records.to_pylist()) if found is None else found

    @property
    def _is_native(self) -> bool:
        """Whether the native engine does the work."""
        writes_raw = self.raw and self.format_.record.is_text
        return native.is_used(self.class_) and not (writes_raw or self.limits.limit_content)

    def _filled(
        self, messages: list[Packed], record: Callable[[int], bytes | None]
    ) -> tuple[Any, dict[int, RecordError]] | None:
        """Convert records by the native engine, if it is used."""
        most = max(0, min(self.limits.max_frame_bytes, sys.maxsize))
        task = Task(self.class_, self.format_.name, self.validate, self.raw, most)
        found = filled(task, messages, lambda index: self._read(record(index)))
        if found is None or not self.raw:
            return found
        batch, errors = found
        size = sum(some.size for some in messages)
        own = [record(index) for index in range(size) if index not in errors]
        arrays = [*batch.columns, pa.array(own, pa.binary())]
        schema = arrow_schema(self.class_, raw=True, complete=True)
        return pa.RecordBatch.from_arrays(arrays, schema=schema), errors

    def _rows(self, records: Sequence[bytes | None]) -> tuple[Any, dict[int, RecordError]]:
        """Convert records in Python."""

        def raw(index: int, message: Message) -> bytes:
            # The bytes of a binary stream, which to write the message again might change.
            own = None if self.format_.record.is_text else records[index]
            return raw_bytes(index, message) if own is None else own

        return rows(self.class_, self._found(records), raw if self.raw else None)

    def _found(self, records: Sequence[bytes | None]) -> Iterator[Message | RecordError]:
        """Yield the message or the error of each record."""
        if (
            self.reader.certain is not None
            or self.format_.record.is_text
            or self.limits.limit_content
        ):
            yield from map(self._read, records)
            return
        parsed = parse_messages(
            self.class_, [each or b"" for each in records], allow_unknown=self.raw
        )
        for data, message in zip(records, parsed, strict=True):
            if data is None or message is None or len(data) > self.limits.max_frame_bytes:
                yield self._read(data)
            else:
                yield self._checked(message, data, allow_unknown=self.raw)

    def _read(self, data: bytes | None) -> Message | RecordError:
        """Return the message or the error of a record."""
        most = self.limits.max_frame_bytes
        if data is None or len(data) > most:
            return DecodeError(f"the record is over the limit of {most} bytes (max_frame_bytes)")
        reader = self.reader
        if reader.certain is not None and (certain := reader.certain(data)) is not None:
            found: Message | RecordError = certain
        else:
            try:
                message = reader.parse(data)
            except Exception as error:
                found = decode_uncertain(data, reader, error)
            else:
                found = self._checked(message, data)
        if self.raw or self.format_.record.is_text or isinstance(found, Exception):
            return found
        return without_unknown_fields(found)

    def _checked(
        self, message: Message, data: bytes, *, allow_unknown: bool = True
    ) -> Message | RecordError:
        """Return a parsed message or the error of its record."""
        try:
            good = self.reader.guard(message)
            if allow_unknown and UnknownFieldSet(message):
                reject_own_unreadable(message)
        except Exception as error:
            return decode_uncertain(data, self.reader, error)
        return message if good else decode_uncertain(data, self.reader, message)


def _columns(batch: Any) -> dict[str, Any]:
    """Return the columns of records; those that are missing have nulls.

    Raises:
        DecodeError: It is not a record batch, or a column is missing or has another type.
    """
    if not isinstance(batch, pa.RecordBatch):
        raise DecodeError(f"expected a pyarrow.RecordBatch of records, got {shorten(batch)}")
    columns = {}
    for field in RECORDS:
        index = batch.schema.get_field_index(field.name)
        if index < 0 and field.name in _REQUIRED:
            raise DecodeError(f'the record batch has no column "{field.name}"')
        column = batch.column(index) if index >= 0 else pa.nulls(len(batch), field.type)
        try:
            columns[field.name] = column.cast(field.type)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            raise DecodeError(
                f'the column "{field.name}" has the type {column.type}; expected {field.type}'
            ) from None
    if columns["record"].null_count:
        raise DecodeError('the column "record" has nulls')
    return columns
