"""Validation and conversion of whole streams, without handing out messages."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from os import PathLike, fspath
from typing import TYPE_CHECKING, Literal, TypeAlias

from crucible_ir.errors import near_miss
from crucible_ir.schema.types import message_type
from crucible_ir.serialization.formats import UnknownFormatError
from crucible_ir.serialization.limits import Limits
from crucible_ir.serialization.streams.chunk_reader import ChunkReader
from crucible_ir.serialization.streams.compression import open_source
from crucible_ir.serialization.streams.formats import STREAM_FORMATS, StreamFormat, format_of
from crucible_ir.serialization.streams.records import StreamCount, StreamError

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.serialization.streams.chunks import RecordChunk
    from crucible_ir.serialization.streams.compression import StreamFile
    from crucible_ir.serialization.streams.records import OnBad

#: The names of the stream formats.
StreamFormatName: TypeAlias = Literal["delimited", "jsonl", "crucible-jsonl"]


@dataclass(frozen=True, slots=True)
class StreamValidation:
    """The result of `validate_many`.

    Attributes:
        records: The number of records, the bad ones included.
        bad_records: The number of bad records.
        bytes: The offset in the uncompressed stream after the last record.
        errors: The errors of the first bad records, in their order.
        end_error: The error after which no further record can be found, such as that of a truncated
            stream; its record is counted. ``None`` if the stream was read to its end.

    >>> validate_many(b'{"name": "a"}', "StageDef", format="jsonl")
    StreamValidation(records=1, bad_records=0, bytes=13, errors=(), end_error=None)
    """

    records: int
    bad_records: int
    bytes: int
    errors: tuple[StreamError, ...] = ()
    end_error: StreamError | None = None

    @property
    def is_valid(self) -> bool:
        """Whether the stream is complete and no record is bad.

        >>> validate_many(b"{}", "StageDef", format="jsonl").is_valid
        False
        """
        return not self.bad_records


def validate_many(
    source: StreamFile | bytes,
    type: str | type[Message],
    *,
    threads: int = 1,
    format: StreamFormatName | None = None,
    limits: Limits | None = None,
    max_errors: int = 100,
) -> StreamValidation:
    """Validate all records of a stream, in constant memory.

    Args:
        source: A path, an open binary file, or the bytes of the stream. A path that ends in ``.gz``
            or ``.zst`` is decompressed.
        type: The class of the messages or its name.
        threads: The number of threads of the native engine. The Python engine uses one.
        format: The format of the stream; by default that of the path's extension.
        limits: The limits on records, their messages and compression.
        max_errors: The most errors to return; further bad records are only counted.

    Raises:
        UnknownFormatError: No stream format has this name or this extension.
        ValueError: The number of threads is not positive.
        OSError: The file cannot be read.

    >>> found = validate_many(b'{"name": "a"}' + bytes([10]) + b'{}', "StageDef", format="jsonl")
    >>> found.records, found.bad_records
    (2, 1)
    >>> print(found.errors[0])
    record 1 at line 2: name: must not be empty [required]
    """
    reader = ChunkReader(
        stream_format(source, format),
        message_type(type),
        limits or Limits(),
        threads=_positive(threads),
    )
    count = StreamCount()
    errors: list[StreamError] = []

    def keep(error: StreamError) -> None:
        if len(errors) < max_errors:
            errors.append(error)

    end_error = None
    try:
        for _ in _read(source, reader, keep, count):
            pass
    except StreamError as error:
        end_error = error
        count.skipped += 1
    return StreamValidation(
        count.records + count.skipped, count.skipped, count.bytes, tuple(errors), end_error
    )


def bulk_records(
    source: StreamFile | bytes,
    type: str | type[Message],
    *,
    to: StreamFormatName | None = None,
    threads: int = 1,
    format: StreamFormatName | None = None,
    validate: bool = True,
    limits: Limits | None = None,
    on_bad: OnBad | None = None,
    count: StreamCount | None = None,
) -> Iterator[RecordChunk]:
    """Read a stream in chunks of records, to validate, index or convert it.

    This is faster than `read_delimited` and `read_jsonl`, since it yields no messages.

    Args:
        source: A path, an open binary file, or the bytes of the stream. A path that ends in ``.gz``
            or ``.zst`` is decompressed.
        type: The class of the messages or its name.
        to: The format in which the chunks contain the good records; ``None`` for none.
        threads: The number of threads of the native engine. The Python engine uses one.
        format: The format of the stream; by default that of the path's extension.
        validate: Whether each message must satisfy the rules of the schema.
        limits: The limits on records, their messages and compression.
        on_bad: Called with the error of each bad record that can be skipped, also of one that the
            other format cannot represent; reading continues with the next record. Without it, the
            first bad record raises its error, after the chunk with the records before it.
        count: Updated with each chunk.

    Raises:
        StreamError: A record is bad and there is no ``on_bad``, or the end of a record cannot be
            found, as in `read_delimited`.
        UnknownFormatError: No stream format has this name or this extension.
        ValueError: The number of threads is not positive.
        OSError: The file cannot be read.

    >>> lines = b'{"name": "a"}' + bytes([10]) + b'{"name": "b"}'
    >>> for chunk in bulk_records(lines, "StageDef", format="jsonl", to="delimited"):
    ...     print(list(chunk.offsets), chunk.data.hex(" "))
    [0, 14] 03 0a 01 61 03 0a 01 62
    """
    reader = ChunkReader(
        stream_format(source, format),
        message_type(type),
        limits or Limits(),
        validate=validate,
        to=None if to is None else stream_format(source, to),
        threads=_positive(threads),
    )
    return _read(source, reader, on_bad, count)


def _read(
    source: StreamFile | bytes, reader: ChunkReader, on_bad: OnBad | None, count: StreamCount | None
) -> Iterator[RecordChunk]:
    if isinstance(source, (bytes, bytearray, memoryview)):
        source = io.BytesIO(source)
    with open_source(source, reader.limits.max_expansion) as opened:
        yield from reader.chunks(opened, on_bad, count)


def stream_format(source: StreamFile | bytes, name: str | None) -> StreamFormat:
    """Return the stream format of a name, or without one that of a path's extension."""
    names = ", ".join(STREAM_FORMATS)
    if name is not None:
        found = STREAM_FORMATS.get(name)
        if found is None:
            raise UnknownFormatError(
                f'unknown stream format "{name}"; expected one of {names}'
                f"{near_miss(name, STREAM_FORMATS)}"
            )
        return found
    if not isinstance(source, (str, PathLike)):
        raise UnknownFormatError(
            f"without a path, the format is not known: give format=, one of {names}"
        )
    by_extension = format_of(fspath(source))
    if not isinstance(by_extension, StreamFormat):
        raise UnknownFormatError(
            f"{by_extension.name} is a format of documents; expected a stream: {names}"
        )
    return by_extension


def _positive(threads: int) -> int:
    if threads < 1:
        raise ValueError(f"expected at least 1 thread, got {threads}")
    return threads
