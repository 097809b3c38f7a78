"""JSON lines: streams with the ProtoJSON of a message on each line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, overload

import orjson

from crucible_ir.schema.types import message_type
from crucible_ir.serialization.json.protojson import from_json, parse_json, to_json
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
    from google.protobuf.message import Message

    from crucible_ir.errors import Position, ValidationError
    from crucible_ir.paths import Part
    from crucible_ir.serialization.streams.compression import Source, StreamFile
    from crucible_ir.serialization.streams.records import OnBad, StreamCount

    MessageT = TypeVar("MessageT", bound=Message)


@overload
def read_jsonl(
    file: StreamFile,
    type: type[MessageT],
    *,
    validate: bool = True,
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
    max_frame_bytes: int | None = None,
    limits: Limits | None = None,
    on_bad: OnBad | None = None,
    count: StreamCount | None = None,
) -> Iterator[Message]:
    """Read the messages of a JSON lines stream; blank lines are skipped.

    The arguments are those of `read_delimited`. Errors have the line as their position. The end of
    a bad line can be found, so with ``on_bad`` only corrupt compressed data and limits that end the
    stream raise an error.

    Raises:
        StreamError: A record is bad and there is no ``on_bad``, compressed data is corrupt, or the
            stream is over a limit.
        OSError: The file cannot be read.
    """
    reader = json_reader(message_type(type), validate=validate)
    limits = stream_limits(limits, max_frame_bytes)
    return read_records(file, split_lines, reader, limits, on_bad, count)


def write_jsonl(file: StreamFile, messages: Iterable[Message]) -> int:
    """Write messages as JSON lines; arguments and errors as in `write_delimited`.

    >>> from crucible_ir import v1
    >>> with open("/dev/null", "wb") as file:
    ...     write_jsonl(file, [v1.StageDef(name="a"), v1.StageDef(name="b")])
    2
    """
    return write_records(file, messages, json_record)


def json_reader(type_: Any, *, validate: bool) -> RecordReader:
    """Return the reader of records with the ProtoJSON of messages of a class."""

    def check(message: Message, data: bytes) -> ValidationError | None:
        def find(path: tuple[Part, ...]) -> Position:
            return parse_json(data).field_finder(type_)(path)

        return error_by_rules(message, find)

    guard = guard_of(type_) if validate else always
    parse = partial(from_json, type=type_, validate=False)
    return RecordReader(parse, guard, check, partial(from_json, type=type_, validate=validate))


def json_record(message: Message) -> bytes:
    """Return the ProtoJSON of a message as a line."""
    return to_json(message).encode() + b"\n"


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
