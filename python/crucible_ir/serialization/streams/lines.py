"""JSON lines: streams with the ProtoJSON or the Crucible JSON of a message on each line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar, overload

import orjson

from crucible_ir import native
from crucible_ir.schema.types import message_type
from crucible_ir.serialization.json.document import ParsedValues
from crucible_ir.serialization.json.enum_names import SHORT_NAMES_ADVICE
from crucible_ir.serialization.json.parsing import JsonPositions, parse
from crucible_ir.serialization.json.protojson import ProtoJson, to_json
from crucible_ir.serialization.limits import Limits
from crucible_ir.serialization.streams.records import (
    CHUNK_BYTES,
    Batch,
    RecordReader,
    always,
    check_empty_run,
    check_skipped,
    read_bytes,
    read_records,
    stream_limits,
    write_records,
)
from crucible_ir.validation.check import error_by_rules, guard_of

if TYPE_CHECKING:
    from google.protobuf.descriptor import EnumDescriptor
    from google.protobuf.message import Message

    from crucible_ir.errors import Position, ValidationError
    from crucible_ir.native import Certain
    from crucible_ir.paths import Part
    from crucible_ir.schema.fields import Field
    from crucible_ir.serialization.streams.compression import Source, StreamFile
    from crucible_ir.serialization.streams.records import OnBad, StreamCount

    MessageT = TypeVar("MessageT", bound=Message)

#: The dialects of JSON on the lines.
JsonDialect: TypeAlias = Literal["protojson", "crucible"]


class _ProtoJsonOfLines(ProtoJson):
    """ProtoJSON with the advice for lines in the error for the short name of an enum value."""

    def unknown_enum_name(self, name: str, field: Field, enum: EnumDescriptor) -> str:
        """Return the error text for a string that is not the name of a value of a field's enum."""
        text = super().unknown_enum_name(name, field, enum)
        return text.replace(SHORT_NAMES_ADVICE, '; short names are read with dialect="crucible"')


_PROTOJSON = _ProtoJsonOfLines()


@overload
def read_jsonl(
    file: StreamFile,
    type: type[MessageT],
    *,
    validate: bool = True,
    dialect: JsonDialect = "protojson",
    max_frame_bytes: int | None = None,
    limits: Limits | None = None,
    on_bad: OnBad | None = None,
    count: StreamCount | None = None,
) -> Iterator[MessageT]: ...
@overload
def read_jsonl(
    file: StreamFile,
    type: str,
    *,
    validate: bool = True,
    dialect: JsonDialect = "protojson",
    max_frame_bytes: int | None = None,
    limits: Limits | None = None,
    on_bad: OnBad | None = None,
    count: StreamCount | None = None,
) -> Iterator[Message]: ...
def read_jsonl(
    file: StreamFile,
    type: str | type[Message],
    *,
    validate: bool = True,
    dialect: JsonDialect = "protojson",
    max_frame_bytes: int | None = None,
    limits: Limits | None = None,
    on_bad: OnBad | None = None,
    count: StreamCount | None = None,
) -> Iterator[Message]:
    """Read the messages of a JSON lines stream; blank lines are skipped.

    The arguments but ``dialect`` are those of `read_delimited`. The dialect ``crucible`` is that of
    the Elixir services and of web logs, with short names of enum values such as ``thumbs``. Errors
    have the line as their position. The end of a bad line can be found, so with ``on_bad`` only
    corrupt compressed data and limits that end the stream raise an error.

    Raises:
        ValueError: There is no such dialect.
        StreamError: A record is bad and there is no ``on_bad``, compressed data is corrupt, or the
            stream is over a limit.
        OSError: The file cannot be read.

    >>> import io
    >>> lines = io.BytesIO(b'{"name": "a"}' + bytes([10]) + b'{"name": "b"}')
    >>> [stage.name for stage in read_jsonl(lines, "StageDef")]
    ['a', 'b']
    """
    reader_of, _ = _dialect(dialect)
    reader = reader_of(message_type(type), validate)
    limits = stream_limits(limits, max_frame_bytes)
    return read_records(file, split_lines, reader, limits, on_bad, count)


def write_jsonl(
    file: StreamFile, messages: Iterable[Message], *, dialect: JsonDialect = "protojson"
) -> int:
    """Write messages as JSON lines; the arguments but ``dialect`` are those of `write_delimited`.

    The dialect ``crucible`` is that of the Elixir services.

    Raises:
        ValueError: There is no such dialect.

    >>> import io
    >>> from crucible_ir import v1
    >>> file = io.BytesIO()
    >>> write_jsonl(file, [v1.StageDef(name="a"), v1.StageDef(name="b")])
    2
    >>> print(file.getvalue().decode(), end="")
    {"name":"a"}
    {"name":"b"}
    """
    _, record = _dialect(dialect)
    return write_records(file, messages, record)


def _dialect(
    name: str,
) -> tuple[Callable[[type[Message], bool], RecordReader], Callable[[Message], bytes]]:
    """Return the function that makes the reader of a dialect, and the one that writes a record."""
    if name == "crucible":
        return crucible_reader, crucible_record
    if name == "protojson":
        return json_reader, json_record
    raise ValueError(f'unknown dialect "{name}"; expected "protojson" or "crucible"')


def json_reader(type_: Any, validate: bool) -> RecordReader:
    """Return the reader of records with the ProtoJSON of messages of a class."""
    certain = partial(native.from_json, type_=type_, validate=validate)
    return _line_reader(_parse_json, certain, type_, validate)


def crucible_reader(type_: Any, validate: bool) -> RecordReader:
    """Return the reader of records with the Crucible JSON of messages of a class."""
    from crucible_ir.serialization.json.crucible import parse_crucible_json

    certain = partial(native.from_crucible_json, type_=type_, validate=validate)
    return _line_reader(parse_crucible_json, certain, type_, validate)


def _line_reader(
    parse_record: Callable[[bytes], ParsedValues],
    certain: Certain,
    type_: Any,
    validate: bool,
) -> RecordReader:
    def read(data: bytes, *, validate: bool = False) -> Message:
        message: Message = parse_record(data).read(type_, validate=validate)
        return message

    def check(message: Message, data: bytes) -> ValidationError | None:
        def find(path: tuple[Part, ...]) -> Position:
            return parse_record(data).field_finder(type_)(path)

        return error_by_rules(message, find)

    guard = guard_of(type_) if validate else always
    return RecordReader(read, guard, check, partial(read, validate=validate), certain=certain)


def _parse_json(data: bytes) -> ParsedValues:
    return ParsedValues(parse(data), JsonPositions(data), _PROTOJSON)


def json_record(message: Message) -> bytes:
    """Return the ProtoJSON of a message as a line."""
    return to_json(message).encode() + b"\n"


def crucible_record(message: Message) -> bytes:
    """Return the Crucible JSON of a message as a line."""
    from crucible_ir.serialization.json.crucible import to_crucible_json

    return to_crucible_json(message).encode() + b"\n"


def split_lines(source: Source, limits: Limits) -> Iterator[Batch]:
    """Split a stream into the lines that are not blank.

    Raises:
        StreamError: Compressed data is corrupt, or a limit ends the stream.
    """
    most = limits.max_frame_bytes
    record = line = offset = blank = 0
    data = read_bytes(source.readline, most + 1, record, offset)
    while data:
        line += 1
        size = len(data)
        following = None
        if len(data.removesuffix(b"\n")) > most:
            if not data.endswith(b"\n"):
                size += _skip_line(source, limits, record, offset)
            problem = f"the line is over the limit of {most} bytes (max_frame_bytes)"
            yield Batch(offset, 0, b"", [b""], size, line, problem)
            record, blank = record + 1, 0
        elif data.strip():
            if not data.endswith(b"\n") and not _is_json(data):
                # If compressed data is truncated, so is its last line: one error is enough.
                following = read_bytes(source.readline, most + 1, record, offset)
            # Without the line break, so that an error at the end has a position on this line.
            yield Batch(offset, 0, b"", [data.rstrip(b"\r\n")], size, line)
            record, blank = record + 1, 0
        else:
            blank += 1
            check_empty_run(blank, "blank lines", limits, record, offset)
        offset += size
        if following is None:
            following = read_bytes(source.readline, most + 1, record, offset)
        data = following


def _skip_line(source: Source, limits: Limits, record: int, offset: int) -> int:
    """Skip the rest of a line, and return the number of its bytes."""
    skipped = 0
    while part := read_bytes(source.readline, CHUNK_BYTES, record, offset):
        skipped += len(part)
        check_skipped(skipped, limits, record, offset)
        if part.endswith(b"\n"):
            break
    return skipped


def _is_json(data: bytes) -> bool:
    try:
        orjson.loads(data)
    except orjson.JSONDecodeError:
        return False
    return True
