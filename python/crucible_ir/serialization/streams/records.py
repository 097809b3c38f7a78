"""Streams of messages, one record after the other in constant memory: delimited, and JSON lines.

A delimited stream has the framing of protobuf's Java, C++ and Go libraries: each record is the size
of a message in bytes as a varint and then the message (``writeDelimitedTo`` in Java, ``protodelim``
in Go). There is no header and no checksum: what tells a good stream from a bad one is that its last
record ends where the file does. A stream of JSON lines has the ProtoJSON of a message on each line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from operator import length_hint
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, overload

from crucible_ir.errors import DecodeError, Error, Position, ValidationError
from crucible_ir.schema.types import message_type
from crucible_ir.serialization.binary import decoder, to_binary
from crucible_ir.serialization.limits import MAX_FRAME_BYTES
from crucible_ir.serialization.streams.compression import (
    CorruptCompressionError,
    StreamFile,
    open_source,
    open_target,
)
from crucible_ir.serialization.varints import varint
from crucible_ir.validation.check import guard_of

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.serialization.streams.compression import Source

    MessageT = TypeVar("MessageT", bound=Message)

#: How much is read from a file at a time, in bytes.
_CHUNK_BYTES = 32 * 1024
#: The bytes that a varint of 64 bits may take.
_MAX_VARINT_BYTES = 10
#: How many of the rules that a record breaks its error lists.
_LISTED = 3


class StreamError(DecodeError):
    """A record of a stream cannot be read.

    Attributes:
        record: The record's number, from 0.
        offset: Where the record begins, in bytes from the start of the uncompressed stream.
        ends_stream: Whether reading cannot go on, since nobody knows where the next record begins.
        error: What reading the record's message raised, when the record itself was found.
    """

    def __init__(
        self,
        reason: str,
        *,
        record: int,
        offset: int,
        position: Position | None = None,
        ends_stream: bool = False,
        error: Error | None = None,
    ) -> None:
        path = error.path if isinstance(error, DecodeError) else ""
        super().__init__(reason, path=path, position=position)
        self.record = record
        self.offset = offset
        self.ends_stream = ends_stream
        self.error = error

    def __str__(self) -> str:
        where = f"byte {self.offset}" if self.position is None else f"line {self.position.line}"
        path = f"{self.path}: " if self.path else ""
        return f"record {self.record} at {where}: {path}{self.reason}"


@dataclass(slots=True)
class StreamCount:
    """What a reader has seen so far.

    Attributes:
        records: The records read well.
        skipped: The records left out because they were bad.
        bytes: The bytes of the uncompressed stream up to the end of the last of them.
    """

    records: int = 0
    skipped: int = 0
    bytes: int = 0


class Frame(NamedTuple):
    """A record as it stands in a stream.

    Attributes:
        offset: Where it begins, in bytes.
        end: Where the next one begins.
        line: The number of its line, from 1; 0 where there are no lines.
        data: The bytes of its message.
        problem: Why there are none; empty where there are.
    """

    offset: int
    end: int
    line: int
    data: bytes
    problem: str = ""


class Batch(NamedTuple):
    """Records that stand next to one another in a buffer.

    Attributes:
        base: Where the buffer begins in the stream.
        start: Where the first record begins in the buffer.
        buffer: The bytes that the records stand in; may be empty where there is but one.
        records: The bytes of each message.
        end: Where the last record ends in the buffer.
        line: The number of the line of the only record; 0 where there are no lines.
        problem: Why there are no bytes of the only record; empty where there are.
    """

    base: int
    start: int
    buffer: bytes
    records: list[bytes]
    end: int
    line: int = 0
    problem: str = ""

    def ends(self) -> list[int]:
        """Return where each record ends in the buffer, which few readers ask for."""
        ends = []
        at = self.start
        for record in self.records[:-1]:
            while self.buffer[at] > 0x7F:
                at += 1
            at += 1 + len(record)
            ends.append(at)
        return [*ends, self.end]


#: What to do with the error of a record that can be left out.
OnBad = Callable[[StreamError], None]


@overload
def read_delimited(
    file: StreamFile,
    type: type[MessageT],
    *,
    validate: bool = True,
    max_frame_bytes: int = MAX_FRAME_BYTES,
    on_bad: OnBad | None = None,
    count: StreamCount | None = None,
) -> Iterator[MessageT]: ...
@overload
def read_delimited(
    file: StreamFile,
    type: str,
    *,
    validate: bool = True,
    max_frame_bytes: int = MAX_FRAME_BYTES,
    on_bad: OnBad | None = None,
    count: StreamCount | None = None,
) -> Iterator[Message]: ...
def read_delimited(
    file: StreamFile,
    type: str | type[Message],
    *,
    validate: bool = True,
    max_frame_bytes: int = MAX_FRAME_BYTES,
    on_bad: OnBad | None = None,
    count: StreamCount | None = None,
) -> Iterator[Message]:
    """Read the messages of a length-delimited stream, one at a time and in constant memory.

    Args:
        file: A path, or an open binary file. A path that ends in ``.gz`` or ``.zst`` is
            decompressed.
        type: The class of the messages or its name.
        validate: Whether the schema's rules must hold for each message.
        max_frame_bytes: The largest message that is accepted, in bytes.
        on_bad: Called with the error of each bad record that can be left out, after which reading
            goes on with the next one. Without it, the first bad record ends reading.
        count: Kept up to date while reading, where given.

    Raises:
        StreamError: A record is bad and there is no ``on_bad``, or the end of a record cannot be
            found: the stream is cut off, or a size is not a varint.
        OSError: The file cannot be read.

    >>> import tempfile
    >>> from crucible_ir import v1
    >>> with tempfile.TemporaryFile() as file:
    ...     written = write_delimited(file, [v1.StageDef(name="a"), v1.StageDef(name="b")])
    ...     _ = file.seek(0)
    ...     [stage.name for stage in read_delimited(file, v1.StageDef)]
    ['a', 'b']
    """
    read = binary_reading(message_type(type), validate=validate)
    return decode_batches(_batches(file, split_delimited, max_frame_bytes), read, on_bad, count)


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
    """Read the messages of JSON lines: the ProtoJSON of one on each line, blank lines aside.

    Arguments are those of `read_delimited`; the errors have the line as their position. No bad line
    hides where the next one begins, so that with ``on_bad`` only compressed data that is damaged
    ends reading.

    Raises:
        StreamError: A record is bad and there is no ``on_bad``, or compressed data is damaged.
        OSError: The file cannot be read.
    """
    read = json_reading(message_type(type), validate=validate)
    return decode_batches(_batches(file, split_lines, max_frame_bytes), read, on_bad, count)


def _batches(
    file: StreamFile, split: Callable[[Source, int], Iterator[Batch]], max_frame_bytes: int
) -> Iterator[Batch]:
    with open_source(file) as source:
        yield from split(source, max_frame_bytes)


@dataclass(frozen=True, slots=True)
class Reading:
    """How the message of a record is read: the quick way, which is tried first, and the other.

    Attributes:
        parse: Reads a message, or raises.
        guard: Tells whether it certainly holds to the schema's rules.
        decode: Reads a message with everything checked, or raises one of this package's errors.
    """

    parse: Callable[[bytes], Message]
    guard: Callable[[Message], bool]
    decode: Callable[[bytes], Message]


def binary_reading(type_: Any, *, validate: bool) -> Reading:
    """Return how binary messages of a class are read."""
    guard = guard_of(type_) if validate else _always
    decode = decoder(type_, validate=validate)
    return Reading(type_.FromString, guard, decode)


def json_reading(type_: type[Message], *, validate: bool) -> Reading:
    """Return how the ProtoJSON of messages of a class is read."""
    # Imported here: binary streams need no JSON.
    from crucible_ir.serialization.json.protojson import from_json

    decode = partial(from_json, type=type_, validate=validate)
    return Reading(decode, _always, decode)


def _always(_: object) -> bool:
    return True


def _never(_: object) -> bool:
    return False


def decode_batches(
    batches: Iterable[Batch],
    read: Reading,
    on_bad: OnBad | None,
    count: StreamCount | None,
) -> Iterator[Message]:
    """Yield the messages of a stream that was split; arguments and errors as in `read_delimited`.

    This is the hot loop: what is not needed for each good record is found out for the others.
    """
    parse = read.parse
    before = 0
    for batch in batches:
        # Where there is a problem there are no bytes, and reading them does no harm.
        guard = _never if batch.problem else read.guard
        records = iter(batch.records)
        ends: list[int] = []
        for data in records:
            try:
                message = parse(data)
                good = guard(message)
            except Exception:
                good = False
            if good and count is None:
                yield message
                continue
            index = len(batch.records) - 1 - length_hint(records)
            ends = ends or batch.ends()
            if not good:
                found = _carefully(batch, index, ends, read.decode, before)
                if isinstance(found, StreamError):
                    if count is not None:
                        count.skipped += 1
                        count.bytes = batch.base + ends[index]
                    if on_bad is None:
                        raise found
                    on_bad(found)
                    continue
                message = found
            if count is not None:
                count.records += 1
                count.bytes = batch.base + ends[index]
            yield message
        before += len(batch.records)


def _carefully(
    batch: Batch, index: int, ends: list[int], decode: Callable[[bytes], Message], before: int
) -> Message | StreamError:
    """Read one record of a batch, or say what is wrong with it; ``before`` counts earlier ones."""
    number = before + index
    begin, end = ends[index - 1] if index else batch.start, ends[index]
    data = batch.records[index]
    frame = Frame(batch.base + begin, batch.base + end, batch.line, data, batch.problem)
    if frame.problem:
        return stream_error(frame, number)
    try:
        return decode(frame.data)
    except (DecodeError, ValidationError) as error:
        return stream_error(frame, number, error)


def stream_error(
    frame: Frame, number: int, error: DecodeError | ValidationError | None = None
) -> StreamError:
    """Return the error about a record: what its frame has against it, or what its message had."""
    position = None
    if frame.line:
        found = error.position if isinstance(error, DecodeError) else None
        position = Position(frame.line, found.column if found else 1)
    return StreamError(
        frame.problem if error is None else _reason(error),
        record=number,
        offset=frame.offset,
        position=position,
        error=error,
    )


def _reason(error: DecodeError | ValidationError) -> str:
    if isinstance(error, DecodeError):
        return error.reason
    listed = "; ".join(map(str, error.violations[:_LISTED]))
    more = len(error.violations) - _LISTED
    return f"{listed}; and {more} more" if more > 0 else listed


def frames(batches: Iterable[Batch]) -> Iterator[Frame]:
    """Yield each record of a stream that was split, those that are over the limit included."""
    for batch in batches:
        base, begin = batch.base, batch.start
        for data, end in zip(batch.records, batch.ends(), strict=True):
            yield Frame(base + begin, base + end, batch.line, data, batch.problem)
            begin = end


def split_delimited(source: Source, max_frame_bytes: int) -> Iterator[Batch]:
    """Split a delimited stream into records, many at a time.

    Raises:
        StreamError: The end of a record cannot be found.
    """
    buffer = b""
    base = at = record = 0
    while True:
        records, end = _whole_records(buffer, at, max_frame_bytes)
        if records:
            yield Batch(base, at, buffer, records, end)
            record += len(records)
            at = end
        head = _size(buffer, at)
        if head is not None:
            body, size = head
            missing = body + size - len(buffer)
            if size > max_frame_bytes:
                problem = f"{size} bytes are over the limit of {max_frame_bytes}"
                yield Batch(base, at, b"", [b""], body + size, problem=problem)
                _skip(source, missing, record + 1, base + at)
            elif missing <= 0 or missing > _CHUNK_BYTES:
                rest = _exactly(source, max(missing, 0), record, base + at)
                yield Batch(base, at, b"", [buffer[body : body + size] + rest], body + size)
            if size > max_frame_bytes or missing <= 0 or missing > _CHUNK_BYTES:
                record += 1
                at = body + size
                if missing > 0:
                    buffer, base, at = b"", base + at, 0
                continue
        elif len(buffer) - at >= _MAX_VARINT_BYTES:
            raise _cut_off("its size is not a varint of 64 bits", record, base + at)
        more = _more(source, _CHUNK_BYTES, record, base + at)
        if not more:
            if head is not None:
                raise _ends_early(missing, record, base + at)
            if at < len(buffer):
                raise _cut_off("the stream ends in the middle of a size", record, base + at)
            return
        buffer, base, at = buffer[at:] + more, base + at, 0


def _whole_records(buffer: bytes, at: int, max_frame_bytes: int) -> tuple[list[bytes], int]:
    """Find the messages that are whole in a buffer from an offset on, and where they end.

    It stops at the first that is not, is over the limit, or has a size of more than two bytes.
    """
    records: list[bytes] = []
    add = records.append
    length = len(buffer)
    # The size's second byte may be past the end, which takes no time where it is not.
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


def _size(buffer: bytes, at: int) -> tuple[int, int] | None:
    """Return the offset after a varint, and the varint; ``None`` where it is not whole or good."""
    size = 0
    for index, byte in enumerate(buffer[at : at + _MAX_VARINT_BYTES]):
        size |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return None if size >> 64 else (at + index + 1, size)
    return None


def split_lines(source: Source, max_frame_bytes: int) -> Iterator[Batch]:
    """Split a stream of lines into those that are not blank.

    Raises:
        StreamError: Compressed data is damaged.
    """
    record = line = offset = 0
    while True:
        data = _line(source, max_frame_bytes + 1, record, offset)
        if not data:
            return
        line += 1
        size = len(data)
        if len(data.removesuffix(b"\n")) > max_frame_bytes:
            problem = f"the line is over the limit of {max_frame_bytes} bytes"
            yield Batch(offset, 0, b"", [b""], size, line, problem)
            while data and not data.endswith(b"\n"):
                data = _line(source, _CHUNK_BYTES, record, offset)
                size += len(data)
            record += 1
        elif data.strip():
            # Less its line break, which an error at the end of the line would be placed after.
            yield Batch(offset, 0, b"", [data.rstrip(b"\r\n")], size, line)
            record += 1
        offset += size


def _more(source: Source, size: int, record: int, offset: int) -> bytes:
    try:
        return source.read(size)
    except CorruptCompressionError as error:
        raise _cut_off(error.reason, record, offset) from None


def _line(source: Source, size: int, record: int, offset: int) -> bytes:
    try:
        return source.readline(size)
    except CorruptCompressionError as error:
        raise _cut_off(error.reason, record, offset) from None


def _exactly(source: Source, size: int, record: int, offset: int) -> bytes:
    # A size is only a claim: memory is taken for what there is, piece by piece.
    parts = []
    missing = size
    while missing:
        part = _more(source, min(missing, _CHUNK_BYTES), record, offset)
        if not part:
            raise _ends_early(missing, record, offset)
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


def _skip(source: Source, size: int, record: int, offset: int) -> None:
    # That the stream ends in a record that was left out already is nothing new to say.
    while size > 0 and (part := _more(source, min(size, _CHUNK_BYTES), record, offset)):
        size -= len(part)


def _ends_early(missing: int, record: int, offset: int) -> StreamError:
    plural = "" if missing == 1 else "s"
    return _cut_off(
        f"the stream ends {missing} byte{plural} before the record does", record, offset
    )


def _cut_off(reason: str, record: int, offset: int) -> StreamError:
    return StreamError(reason, record=record, offset=offset, ends_stream=True)


def write_delimited(file: StreamFile, messages: Iterable[Message]) -> int:
    """Write messages as a length-delimited stream, and return how many there were.

    Args:
        file: A path, which is written anew, or an open binary file. A path that ends in ``.gz``
            or ``.zst`` is compressed.
        messages: The messages, which may come from a generator.

    Raises:
        EncodeError: A message cannot be written.
        OSError: The file cannot be written.
    """
    return _write(file, messages, delimited_record)


def write_jsonl(file: StreamFile, messages: Iterable[Message]) -> int:
    """Write messages as JSON lines; arguments and errors as in `write_delimited`.

    >>> from crucible_ir import v1
    >>> with open("/dev/null", "wb") as file:
    ...     write_jsonl(file, [v1.StageDef(name="a"), v1.StageDef(name="b")])
    2
    """
    return _write(file, messages, json_record)


def _write(
    file: StreamFile, messages: Iterable[Message], encode: Callable[[Message], bytes]
) -> int:
    written = 0
    with open_target(file) as target:
        for message in messages:
            target.write(encode(message))
            written += 1
    return written


def delimited_record(message: Message) -> bytes:
    """Return a message as a record of a delimited stream."""
    data = to_binary(message)
    return varint(len(data)) + data


def json_record(message: Message) -> bytes:
    """Return a message as a line of its ProtoJSON."""
    from crucible_ir.serialization.json.protojson import to_json

    return to_json(message).encode() + b"\n"
