"""Length-delimited streams of messages.

The framing is that of protobuf's Java, C++ and Go libraries: each record is the size of a message
in bytes as a varint, followed by the message (``writeDelimitedTo`` in Java, ``protodelim`` in Go).
There is no header and no checksum. A stream is complete if its last record ends at the end of the
file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar, overload

from crucible_ir import native
from crucible_ir.errors import DecodeError, ValidationError
from crucible_ir.schema.types import descriptor_of, message_type
from crucible_ir.serialization.binary import decoder, to_binary
from crucible_ir.serialization.limits import Limits
from crucible_ir.serialization.streams.frames import FrameList, complete_frames
from crucible_ir.serialization.streams.records import (
    CHUNK_BYTES,
    Batch,
    RecordReader,
    always,
    check_empty_run,
    check_skipped,
    end_of_stream,
    read_bytes,
    read_records,
    stream_limits,
    write_records,
)
from crucible_ir.serialization.wire import diagnose, encode_varint
from crucible_ir.validation.check import error_by_rules, guard_of

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.serialization.streams.compression import Source, StreamFile
    from crucible_ir.serialization.streams.records import OnBad, StreamCount, StreamError

    MessageT = TypeVar("MessageT", bound=Message)

#: The most bytes of a varint of 64 bits.
_MAX_VARINT_BYTES = 10
#: The bytes that are read at a time for `split_frames`.
_FRAMES_BYTES = 256 * 1024


@overload
def read_delimited(
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
def read_delimited(
    file: StreamFile,
    type: str,
    *,
    validate: bool = True,
    max_frame_bytes: int | None = None,
    limits: Limits | None = None,
    on_bad: OnBad | None = None,
    count: StreamCount | None = None,
) -> Iterator[Message]: ...
def read_delimited(
    file: StreamFile,
    type: str | type[Message],
    *,
    validate: bool = True,
    max_frame_bytes: int | None = None,
    limits: Limits | None = None,
    on_bad: OnBad | None = None,
    count: StreamCount | None = None,
) -> Iterator[Message]:
    """Read the messages of a length-delimited stream, one at a time and in constant memory.

    Args:
        file: A path, or an open binary file. A path that ends in ``.gz`` or ``.zst`` is
            decompressed.
        type: The class of the messages or its name.
        validate: Whether each message must satisfy the rules of the schema.
        max_frame_bytes: The most bytes of a message; by default that of ``limits``.
        limits: The limits on records, their messages and compression.
        on_bad: Called with the error of each bad record that can be skipped; reading continues
            with the next record. Without it, the first bad record raises its error.
        count: Updated while reading.

    Raises:
        StreamError: A record is bad and there is no ``on_bad``, or the end of a record cannot be
            found, because the stream is truncated or corrupt, a size is not a varint, or the
            stream is over a limit.
        OSError: The file cannot be read.

    >>> import tempfile
    >>> from crucible_ir import v1
    >>> with tempfile.TemporaryFile() as file:
    ...     written = write_delimited(file, [v1.StageDef(name="a"), v1.StageDef(name="b")])
    ...     _ = file.seek(0)
    ...     [stage.name for stage in read_delimited(file, v1.StageDef)]
    ['a', 'b']
    """
    reader = binary_reader(message_type(type), validate=validate)
    limits = stream_limits(limits, max_frame_bytes)
    return read_records(file, split_delimited, reader, limits, on_bad, count)


def write_delimited(file: StreamFile, messages: Iterable[Message]) -> int:
    """Write messages as a length-delimited stream, and return the number of messages.

    Args:
        file: A path, whose file is replaced, or an open binary file. A path that ends in ``.gz`` or
            ``.zst`` is compressed.
        messages: The messages; can be a generator.

    Raises:
        EncodeError: A message cannot be written.
        OSError: The file cannot be written.

    >>> import io
    >>> from crucible_ir import v1
    >>> file = io.BytesIO()
    >>> write_delimited(file, [v1.StageDef(name="a"), v1.StageDef(name="b")])
    2
    >>> file.getvalue().hex(" ")
    '03 0a 01 61 03 0a 01 62'
    """
    return write_records(file, messages, delimited_record)


def binary_reader(type_: Any, *, validate: bool) -> RecordReader:
    """Return the reader of records with binary messages of a class."""

    def check(message: Message, data: bytes) -> DecodeError | ValidationError | None:
        try:
            return error_by_rules(message)
        except DecodeError as error:
            return diagnose(data, descriptor_of(type_), error)

    guard = guard_of(type_) if validate else always
    decode = decoder(type_, validate=validate)
    certain = native.binary_reader(type_) if validate else None
    return RecordReader(type_.FromString, guard, check, decode, is_final=False, certain=certain)


def delimited_record(message: Message) -> bytes:
    """Return a message as a record of a delimited stream."""
    data = to_binary(message)
    return encode_varint(len(data)) + data


def split_delimited(source: Source, limits: Limits) -> Iterator[Batch]:
    """Split a delimited stream into batches of records.

    Raises:
        StreamError: The end of a record cannot be found, or the stream is over a limit.
    """
    return _within_empty_run(_split(source, limits, _complete_records, CHUNK_BYTES), limits)


def split_frames(source: Source, limits: Limits) -> Iterator[Batch]:
    """Do what `split_delimited` does, in larger batches and by the native engine if it is used."""
    return _within_empty_run(_split(source, limits, _frames, _FRAMES_BYTES), limits)


def _within_empty_run(batches: Iterable[Batch], limits: Limits) -> Iterator[Batch]:
    """Yield batches up to one empty record too many."""
    record = run = 0
    for batch in batches:
        if batch.problem or not _has_empty(batch.records):
            run = 0
        else:
            for index, data in enumerate(batch.records):
                run = 0 if data else run + 1
                if run > limits.max_empty_records:
                    yield batch.first(index)
                    end = batch.first(index).end
                    check_empty_run(run, "empty records", limits, record + index, batch.base + end)
        yield batch
        record += len(batch.records)


def _has_empty(records: Sequence[bytes]) -> bool:
    return records.has_empty if type(records) is FrameList else b"" in records


#: Finds the complete messages in a buffer from an offset on, and the offset after them.
_Complete = Callable[[bytes, int, int], tuple[Sequence[bytes], int]]


def _split(
    source: Source, limits: Limits, complete: _Complete, chunk_bytes: int
) -> Iterator[Batch]:
    buffer = b""
    base = at = record = 0
    max_frame_bytes = limits.max_frame_bytes
    while True:
        records, end = complete(buffer, at, max_frame_bytes)
        if records:
            yield Batch(base, at, buffer, records, end)
            record += len(records)
            at = end
        head = size_at(buffer, at)
        if head is not None:
            body, size = head
            missing = body + size - len(buffer)
            if size > max_frame_bytes:
                check_skipped(missing, limits, record, base + at)
                _skip(source, missing, record, base + at)
                problem = (
                    f"a record of {size} bytes is over the limit of {max_frame_bytes}"
                    " (max_frame_bytes)"
                )
                yield Batch(base, at, b"", [b""], body + size, problem=problem)
            elif missing <= 0 or missing > chunk_bytes:
                rest = _exactly(source, max(missing, 0), record, base + at)
                yield Batch(base, at, b"", [buffer[body : body + size] + rest], body + size)
            if size > max_frame_bytes or missing <= 0 or missing > chunk_bytes:
                record += 1
                at = body + size
                if missing > 0:
                    buffer, base, at = b"", base + at, 0
                continue
        elif len(buffer) - at >= _MAX_VARINT_BYTES:
            raise end_of_stream("the size is not a 64-bit varint", record, base + at)
        more = read_bytes(source.read, chunk_bytes, record, base + at)
        if not more:
            if head is not None:
                raise _ends_early(missing, record, base + at)
            if at < len(buffer):
                raise end_of_stream(
                    "the stream ends inside the size of a record", record, base + at
                )
            return
        buffer, base, at = buffer[at:] + more, base + at, 0


def _frames(buffer: bytes, at: int, max_frame_bytes: int) -> tuple[Sequence[bytes], int]:
    """Do what `_complete_records` does by the native engine, if it is used."""
    found = complete_frames(buffer, at, max_frame_bytes)
    return _complete_records(buffer, at, max_frame_bytes) if found is None else found


def _complete_records(buffer: bytes, at: int, max_frame_bytes: int) -> tuple[list[bytes], int]:
    """Return the complete messages in a buffer from an offset on, and the offset after them.

    It stops at the first message that is incomplete or over the limit, or whose size has more than
    two bytes.
    """
    records: list[bytes] = []
    add = records.append
    length = len(buffer)
    # The second byte of a size may be past the end of the buffer, which is rare.
    with suppress(IndexError):
        while at < length:
            size = buffer[at]
            if size < 0x80:
                body = at + 1
            elif (second := buffer[at + 1]) < 0x80:
                size += (second << 7) - 0x80
                body = at + 2
            else:
                break
            end = body + size
            if end > length or size > max_frame_bytes:
                break
            add(buffer[body:end])
            at = end
    return records, at


def size_at(buffer: bytes, at: int) -> tuple[int, int] | None:
    """Return the offset after a varint, and its value; ``None`` if it is incomplete or too long."""
    size = 0
    for index, byte in enumerate(buffer[at : at + _MAX_VARINT_BYTES]):
        size |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return None if size >> 64 else (at + index + 1, size)
    return None


def _exactly(source: Source, size: int, record: int, offset: int) -> bytes:
    # The size may be wrong, so memory is allocated only for bytes that have arrived.
    parts = []
    missing = size
    while missing:
        part = read_bytes(source.read, min(missing, CHUNK_BYTES), record, offset)
        if not part:
            raise _ends_early(missing, record, offset)
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


def _skip(source: Source, size: int, record: int, offset: int) -> None:
    # If the stream ends inside a skipped record, that it is over the limit is error enough.
    while size > 0 and (part := read_bytes(source.read, min(size, CHUNK_BYTES), record, offset)):
        size -= len(part)


def _ends_early(missing: int, record: int, offset: int) -> StreamError:
    plural = "" if missing == 1 else "s"
    return end_of_stream(
        f"the stream ends {missing} byte{plural} before the end of the record", record, offset
    )
