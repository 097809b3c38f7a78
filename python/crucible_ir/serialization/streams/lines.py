"""JSON lines: streams with the ProtoJSON of a message on each line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, TypeVar, overload

from crucible_ir.schema.types import message_type
from crucible_ir.serialization.json.protojson import from_json, to_json
from crucible_ir.serialization.limits import MAX_FRAME_BYTES
from crucible_ir.serialization.streams.records import (
    CHUNK_BYTES,
    Batch,
    RecordReader,
    always,
    batches_of,
    decode_batches,
    read_bytes,
    write_records,
)

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.serialization.streams.compression import Source, StreamFile
    from crucible_ir.serialization.streams.records import OnBad, StreamCount

    MessageT = TypeVar("MessageT", bound=Message)


@overload
def read_jsonl(
    file: StreamFile,
    type: type[MessageT],
    *,
    validate: bool = True,
    max_frame_bytes: int = MAX_FRAME_BYTES,
    on_bad: OnBad | None = None,
    count: StreamCount | None = None,
) -> Iterator[MessageT]: ...
@overload
def read_jsonl(
    file: StreamFile,
    type: str,
    *,
    validate: bool = True,
    max_frame_bytes: int = MAX_FRAME_BYTES,
    on_bad: OnBad | None = None,
    count: StreamCount | None = None,
) -> Iterator[Message]: ...
def read_jsonl(
    file: StreamFile,
    type: str | type[Message],
    *,
    validate: bool = True,
    max_frame_bytes: int = MAX_FRAME_BYTES,
    on_bad: OnBad | None = None,
    count: StreamCount | None = None,
) -> Iterator[Message]:
    """Read the messages of a JSON lines stream; blank lines are skipped.

    The arguments are those of `read_delimited`. Errors have the line as their position. The end of
    a bad line can always be found, so with ``on_bad`` only corrupt compressed data raises an error.

    Raises:
        StreamError: A record is bad and there is no ``on_bad``, or compressed data is corrupt.
        OSError: The file cannot be read.
    """
    reader = json_reader(message_type(type), validate=validate)
    batches = batches_of(file, split_lines, max_frame_bytes)
    return decode_batches(batches, reader, on_bad, count)


def write_jsonl(file: StreamFile, messages: Iterable[Message]) -> int:
    """Write messages as JSON lines; arguments and errors as in `write_delimited`.

    >>> from crucible_ir import v1
    >>> with open("/dev/null", "wb") as file:
    ...     write_jsonl(file, [v1.StageDef(name="a"), v1.StageDef(name="b")])
    2
    """
    return write_records(file, messages, json_record)


def json_reader(type_: type[Message], *, validate: bool) -> RecordReader:
    """Return the reader of records with the ProtoJSON of messages of a class."""
    decode = partial(from_json, type=type_, validate=validate)
    return RecordReader(decode, always, decode)


def json_record(message: Message) -> bytes:
    """Return the ProtoJSON of a message as a line."""
    return to_json(message).encode() + b"\n"


def split_lines(source: Source, max_frame_bytes: int) -> Iterator[Batch]:
    """Split a stream into the lines that are not blank.

    Raises:
        StreamError: Compressed data is corrupt.
    """
    record = line = offset = 0
    while True:
        data = read_bytes(source.readline, max_frame_bytes + 1, record, offset)
        if not data:
            return
        line += 1
        size = len(data)
        if len(data.removesuffix(b"\n")) > max_frame_bytes:
            problem = f"the line is over the limit of {max_frame_bytes} bytes"
            yield Batch(offset, 0, b"", [b""], size, line, problem)
            while data and not data.endswith(b"\n"):
                data = read_bytes(source.readline, CHUNK_BYTES, record, offset)
                size += len(data)
            record += 1
        elif data.strip():
            # Without the line break, so that an error at the end has a position on this line.
            yield Batch(offset, 0, b"", [data.rstrip(b"\r\n")], size, line)
            record += 1
        offset += size
