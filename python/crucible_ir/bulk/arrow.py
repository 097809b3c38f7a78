"""Arrow tables of messages, and of the violations of messages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import reduce
from itertools import islice
from os import PathLike, fsdecode
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from crucible_ir.bulk.batches import raw_bytes, rows, without_unknown_fields
from crucible_ir.bulk.contents import pa
from crucible_ir.bulk.kernel import kernel_of
from crucible_ir.bulk.native_columns import filled_messages
from crucible_ir.bulk.schemas import arrow_schema, merged, pruned, widened
from crucible_ir.bulk.sources import GROUP_RECORDS, is_stream, record_groups
from crucible_ir.bulk.violations import VIOLATIONS, Place, RecordError, violations_batch
from crucible_ir.errors import DecodeError, EncodeError, Position, ValidationError, shorten
from crucible_ir.schema.types import message_type
from crucible_ir.serialization.streams.bulk import stream_format
from crucible_ir.serialization.streams.records import StreamError, stream_error
from crucible_ir.validation.check import validate as validate_message

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.serialization.limits import Limits
    from crucible_ir.serialization.streams.bulk import StreamFormatName
    from crucible_ir.serialization.streams.compression import StreamFile


class CheckedTables(NamedTuple):
    """The result of `checked_tables`.

    Attributes:
        good: The good messages, a `pyarrow.Table`.
        violations: The violations of the others, a `pyarrow.Table`.
        end_error: The error after which no further record can be found, such as that of a truncated
            stream; it is the last of the violations too. ``None`` if the stream was read to its
            end.

    >>> from crucible_ir import v1
    >>> tables = checked_tables([v1.StageDef(name="a"), v1.StageDef()], "StageDef")
    >>> tables.good.num_rows, tables.violations.num_rows, tables.end_error
    (1, 1, None)
    """

    good: Any
    violations: Any
    end_error: StreamError | None


def to_arrow(
    source: Iterable[Message] | StreamFile | bytes,
    type: str | type[Message],
    *,
    format: StreamFormatName | None = None,
    limits: Limits | None = None,
    validate: bool = True,
    raw: bool = False,
    complete: bool = False,
) -> Any:
    """Return messages as an Arrow table, a `pyarrow.Table`.

    `from_arrow` returns equal messages.

    Args:
        source: The messages, which can come from a generator, or a stream of them: a path, an open
            binary file, or bytes. A path that ends in ``.gz`` or ``.zst`` is decompressed.
        type: The class of the messages or its name.
        format: The format of the stream; by default that of the path's extension.
        limits: The limits on the records of the stream, their messages and compression.
        validate: Whether each message must satisfy the rules of the schema.
        raw: Whether to add a column ``raw`` with the bytes of each message, which keeps unknown
            fields.
        complete: Whether the table has every column that messages of this type can need, so that
            all tables of the type have the same schema.

    Raises:
        EncodeError: Arrow cannot represent a value, or a message has unknown fields and there is no
            column ``raw``; the error has the path, which begins with the number of the message.
        ValidationError: A message breaks rules of the schema.
        StreamError: A record of the stream is bad, or the next one cannot be found.
        UnknownFormatError: No stream format has this name or this extension.
        OSError: The file cannot be read.
        MissingExtraError: pyarrow is not installed.

    >>> from crucible_ir import v1
    >>> table = to_arrow([v1.StageDef(name="a"), v1.StageDef(name="b", enabled=True)], v1.StageDef)
    >>> table.to_pylist()[1]
    {'name': 'b', 'module': None, 'options': None, 'enabled': True}
    >>> to_arrow(b'{"name": "a"}', "StageDef", format="jsonl").num_rows
    1
    """
    batches = []
    class_: Any = message_type(type)
    schema = arrow_schema(class_, raw=raw, complete=complete)
    for batch, errors in _checked(source, class_, format, limits, validate=validate, raw=raw):
        for place, error in errors:
            raise _located(error, place)
        batches.append(batch)
    return _table(batches, schema, complete=complete)


def checked_tables(
    source: Iterable[Message] | StreamFile | bytes,
    type: str | type[Message],
    *,
    format: StreamFormatName | None = None,
    limits: Limits | None = None,
    validate: bool = True,
    raw: bool = False,
    complete: bool = False,
) -> CheckedTables:
    """Return the good messages as an Arrow table, and the violations of the others as another.

    The columns of the violations are ``source`` (the path of the stream), ``record`` (the number of
    the record or message, from 0), ``line`` and ``offset`` (where a record begins), ``path``,
    ``rule_id``, ``message``, and ``value`` (the invalid value as JSON, which may be cut). The rule
    id of a record that cannot be read is ``decode``, that of unknown fields without the column
    ``raw`` is ``table.unknown_field``, and that of a value that Arrow cannot represent is
    ``table.value``. A record has at most 100 violations.

    Args:
        source: As in `to_arrow`.
        type: The class of the messages or its name.
        format: As in `to_arrow`.
        limits: As in `to_arrow`.
        validate: Whether each message must satisfy the rules of the schema.
        raw: As in `to_arrow`.
        complete: As in `to_arrow`.

    Raises:
        EncodeError: The source has something else than messages of the type.
        UnknownFormatError: No stream format has this name or this extension.
        OSError: The file cannot be read.
        MissingExtraError: pyarrow is not installed.

    >>> lines = b'{"name": "a"}' + bytes([10]) + b'{"name": ""}'
    >>> good, violations, _ = checked_tables(lines, "StageDef", format="jsonl")
    >>> good.column("name").to_pylist()
    ['a']
    >>> violations.select(["record", "line", "path", "rule_id", "value"]).to_pylist()
    [{'record': 1, 'line': 2, 'path': 'name', 'rule_id': 'required', 'value': None}]
    """
    class_: Any = message_type(type)
    schema = arrow_schema(class_, raw=raw, complete=complete)
    batches, bad = [], []
    end_error = None
    try:
        for batch, errors in _checked(source, class_, format, limits, validate=validate, raw=raw):
            batches.append(batch)
            bad.append(violations_batch(errors))
    except StreamError as error:
        end_error = error
        place = Place(_name(source), error.record, None, error.offset)
        bad.append(violations_batch([(place, error)]))
    good = _table(batches, schema, complete=complete)
    return CheckedTables(good, pa.Table.from_batches(bad, VIOLATIONS), end_error)


def _table(batches: list[Any], schema: Any, *, complete: bool) -> Any:
    """Return record batches as a table, with the columns of a schema and those of each batch.

    Columns beside others are left out if no row needs them, unless the table is to be complete.
    """
    if not complete:
        batches = [pruned(each, schema) for each in batches]
    merged_schema = reduce(merged, [each.schema for each in batches], schema)
    schema = merged_schema.with_metadata(schema.metadata)
    return pa.Table.from_batches([widened(each, schema) for each in batches], schema)


#: Rows, and the errors of what has no row.
Checked: TypeAlias = tuple[Any, list[tuple[Place, RecordError]]]


def _checked(
    source: Iterable[Message] | StreamFile | bytes,
    class_: Any,
    format: StreamFormatName | None,
    limits: Limits | None,
    *,
    validate: bool,
    raw: bool,
) -> Iterator[Checked]:
    if is_stream(source):
        stream: Any = source
        format_ = stream_format(stream, format)
        kernel = kernel_of(class_, format_, validate=validate, raw=raw, limits=limits)
        name = _name(source)
        for group in record_groups(stream, format_, kernel.limits):
            batch, errors = kernel.rows(group.records())
            places = list(group.places()) if errors else []
            yield batch, [(Place(name, *places[index]), each) for index, each in errors.items()]
        return
    try:
        waiting: Iterator[Message] = iter(source)  # type: ignore[arg-type]  # not a stream
    except TypeError:
        raise EncodeError(
            "expected messages, or a path, an open binary file or bytes of a stream, got"
            f" {shorten(source)}"
        ) from None
    start = 0
    while messages := list(islice(waiting, GROUP_RECORDS)):
        batch, errors = _message_rows(messages, class_, validate=validate, raw=raw)
        yield batch, [(Place(None, start + i, None, None), each) for i, each in errors.items()]
        start += len(messages)


def _message_rows(
    messages: list[Message], class_: Any, *, validate: bool, raw: bool
) -> tuple[Any, dict[int, RecordError]]:
    for message in messages:
        if not isinstance(message, class_):
            raise EncodeError(f"expected a {class_.__name__}, got {shorten(message)}")

    def decide(index: int) -> Message | RecordError:
        return _verdict(messages[index], validate=validate, raw=raw)

    found = None if raw else filled_messages(class_, messages, decide, validate=validate)
    if found is not None:
        return found
    return rows(class_, map(decide, range(len(messages))), raw_bytes if raw else None)


def _verdict(message: Message, *, validate: bool, raw: bool) -> Message | RecordError:
    try:
        if validate:
            validate_message(message)
    except (DecodeError, ValidationError) as error:
        return error
    return message if raw else without_unknown_fields(message)


def _name(source: object) -> str | None:
    return fsdecode(source) if isinstance(source, (str, PathLike)) else None


def _located(error: RecordError, place: Place) -> RecordError:
    """Return the error of a record with its place, or that of a message with its number."""
    if place.offset is None:
        if not isinstance(error, EncodeError):
            return error
        dot = "." if error.path and not error.path.startswith("[") else ""
        return EncodeError(error.reason, path=f"[{place.record}]{dot}{error.path}")
    if isinstance(error, EncodeError):
        return StreamError(
            f"{error.path}: {error.reason}" if error.path else error.reason,
            record=place.record,
            offset=place.offset,
            position=Position(place.line, 1) if place.line else None,
            error=error,
        )
    return stream_error(place.record, place.offset, place.line or 0, error)
