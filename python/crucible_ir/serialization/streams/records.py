"""The records of a stream of messages, which are decoded one at a time in constant memory.

The modules `delimited` and `lines` split streams into batches of records. This module decodes the
records and reports the bad ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from operator import length_hint
from typing import TYPE_CHECKING, NamedTuple

from google.protobuf.unknown_fields import UnknownFieldSet

from crucible_ir.errors import DecodeError, Error, Position, ValidationError
from crucible_ir.schema.unknown_fields import reject_own_unreadable
from crucible_ir.serialization.limits import LimitError, Limits, read_within
from crucible_ir.serialization.streams.compression import (
    CorruptCompressionError,
    open_source,
    open_target,
)
from crucible_ir.serialization.streams.frames import FrameList

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.errors import FindPosition
    from crucible_ir.native import Certain
    from crucible_ir.serialization.streams.compression import Source, StreamFile

#: The most bytes that are read from a file at a time.
CHUNK_BYTES = 32 * 1024
#: The most violations that the error of a record lists.
_LISTED = 3


class StreamError(DecodeError):
    """A record of a stream cannot be read.

    Attributes:
        record: The number of the record, from 0.
        offset: The offset of the record in bytes, from the start of the uncompressed stream.
        ends_stream: Whether reading cannot continue, because the next record cannot be found.
        error: The error of the message; ``None`` if the record has no complete message.

    >>> import io
    >>> from crucible_ir import read_jsonl
    >>> errors = []
    >>> list(read_jsonl(io.BytesIO(b'{"name": 3}'), "StageDef", on_bad=errors.append))
    []
    >>> errors[0].record, errors[0].path
    (0, 'name')
    """

    def __init__(
        self,
        reason: str | Callable[[], str],
        *,
        record: int,
        offset: int,
        position: Position | FindPosition | None = None,
        ends_stream: bool = False,
        error: Error | None = None,
    ) -> None:
        # A stream may have many errors, so this leaves out the checks of the path, which is that of
        # an error. BaseException.__new__ stores the arguments.
        self._reason = reason
        self.path = error.path if isinstance(error, DecodeError) else ""
        self._position = position
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
    """The progress of a reader.

    Attributes:
        records: The number of records read.
        skipped: The number of bad records that were skipped.
        bytes: The offset in the uncompressed stream after the last record.

    >>> import io
    >>> from crucible_ir import read_jsonl
    >>> count = StreamCount()
    >>> [stage.name for stage in read_jsonl(io.BytesIO(b'{"name": "a"}'), "StageDef", count=count)]
    ['a']
    >>> count
    StreamCount(records=1, skipped=0, bytes=13)
    """

    records: int = 0
    skipped: int = 0
    bytes: int = 0


class Frame(NamedTuple):
    """A record in a stream.

    Attributes:
        offset: The offset of the record in bytes.
        end: The offset of the next record.
        line: The number of its line, from 1; 0 if the stream has no lines.
        data: The bytes of its message.
        problem: The reason why the bytes are missing; empty if they are not.
    """

    offset: int
    end: int
    line: int
    data: bytes
    problem: str = ""


class Batch(NamedTuple):
    """Consecutive records in a buffer.

    Attributes:
        base: The offset of the buffer in the stream.
        start: The offset of the first record in the buffer.
        buffer: The bytes that contain the records; may be empty for a single record.
        records: The bytes of each message.
        end: The offset in the buffer after the last record.
        line: The number of the line of a single record; 0 if the stream has no lines.
        problem: The reason why the bytes of a single record are missing; empty if they are not.
    """

    base: int
    start: int
    buffer: bytes
    records: Sequence[bytes]
    end: int
    line: int = 0
    problem: str = ""

    def first(self, count: int) -> Batch:
        """Return a batch of the first records."""
        end = self.ends()[count - 1] if count else self.start
        return self._replace(records=self.records[:count], end=end)

    def ends(self) -> list[int]:
        """Return the offset in the buffer after each record."""
        if type(self.records) is FrameList:
            return self.records.ends.tolist()
        ends = []
        at = self.start
        for record in self.records[:-1]:
            while self.buffer[at] > 0x7F:
                at += 1
            at += 1 + len(record)
            ends.append(at)
        return [*ends, self.end]


#: Called with the error of each bad record that can be skipped.
OnBad = Callable[[StreamError], None]


@dataclass(frozen=True, slots=True)
class RecordReader:
    """Reads the message of a record; only bad records need ``check`` or ``decode``.

    Attributes:
        parse: Reads a message, or raises any exception.
        guard: Returns whether a message certainly satisfies the rules of the schema.
        check: Returns the error of a message, given its bytes too; ``None`` if it satisfies the
            rules.
        decode: Reads a message with all checks, or raises an error of this package.
        is_final: Whether the errors of this package that ``parse`` raises are those of ``decode``.
        certain: Returns the message of a record that is certainly good, or ``None`` for any other;
            ``None`` if the native engine is not used.
    """

    parse: Callable[[bytes], Message]
    guard: Callable[[Message], bool]
    check: Callable[[Message, bytes], DecodeError | ValidationError | None]
    decode: Callable[[bytes], Message]
    is_final: bool = True
    certain: Certain | None = None


def always(_: object) -> bool:
    """Return ``True``: the guard of readers that check messages in ``parse``."""
    return True


def _never(_: object) -> bool:
    return False


def stream_limits(limits: Limits | None, max_frame_bytes: int | None) -> Limits:
    """Return the limits of a reader, given the arguments of `read_delimited`."""
    limits = limits or Limits()
    return limits if max_frame_bytes is None else replace(limits, max_frame_bytes=max_frame_bytes)


def read_records(
    file: StreamFile,
    split: Callable[[Source, Limits], Iterator[Batch]],
    reader: RecordReader,
    limits: Limits,
    on_bad: OnBad | None,
    count: StreamCount | None,
) -> Iterator[Message]:
    """Open a stream and yield its messages; arguments and errors as in `read_delimited`."""
    batches = _batches(file, split, limits)
    return decode_batches(batches, within_limits(reader, limits), on_bad, count)


def _batches(
    file: StreamFile, split: Callable[[Source, Limits], Iterator[Batch]], limits: Limits
) -> Iterator[Batch]:
    with open_source(file, limits.max_expansion) as source:
        yield from split(source, limits)


def within_limits(reader: RecordReader, limits: Limits) -> RecordReader:
    """Return a reader that also checks the limits on the content of messages."""
    if not limits.limit_content:
        return reader
    within = partial(read_within, limits, reader.decode)
    return RecordReader(within, always, reader.check, within)


def decode_batches(
    batches: Iterable[Batch],
    reader: RecordReader,
    on_bad: OnBad | None,
    count: StreamCount | None,
    before: int = 0,
) -> Iterator[Message]:
    """Yield the messages of a stream; other arguments and errors as in `read_delimited`.

    This is the hot loop: offsets and record numbers are computed only for bad records and counts.

    Args:
        batches: The records.
        reader: Reads the message of a record.
        on_bad: As in `read_delimited`.
        count: As in `read_delimited`.
        before: The number of the first record.
    """
    parse = reader.parse
    for batch in batches:
        # A record with a problem has no bytes, so it parses as an empty message.
        guard = _never if batch.problem else reader.guard
        certain = None if batch.problem else reader.certain
        records = iter(batch.records)
        ends: list[int] = []
        for data in records:
            if certain is not None and (valid := certain(data)) is not None:
                message, good = valid, True
            else:
                parsed: Message | Exception
                try:
                    parsed = message = parse(data)
                    good = guard(message)
                    if UnknownFieldSet(message):
                        reject_own_unreadable(message)
                except Exception as error:
                    good, parsed = False, error
            if good and count is None:
                yield message
                continue
            index = len(batch.records) - 1 - length_hint(records)
            ends = ends or batch.ends()
            if not good:
                decoded = batch.problem or decode_uncertain(data, reader, parsed)
                if isinstance(decoded, (Exception, str)):
                    if count is not None:
                        count.skipped += 1
                        count.bytes = batch.base + ends[index]
                    offset = batch.base + (ends[index - 1] if index else batch.start)
                    bad = stream_error(before + index, offset, batch.line, decoded)
                    if on_bad is None:
                        raise bad
                    on_bad(bad)
                    continue
                message = decoded
            if count is not None:
                count.records += 1
                count.bytes = batch.base + ends[index]
            yield message
        before += len(batch.records)


def decode_uncertain(
    data: bytes, reader: RecordReader, parsed: Message | Exception
) -> Message | DecodeError | ValidationError:
    """Decode a record that is not certainly good, or return its error.

    Args:
        data: The record.
        reader: The reader.
        parsed: The message that was parsed, or the exception of that or of the guard.
    """
    if not isinstance(parsed, Exception):
        return reader.check(parsed, data) or parsed
    if reader.is_final and isinstance(parsed, (DecodeError, ValidationError)):
        return parsed
    try:
        return reader.decode(data)
    except (DecodeError, ValidationError) as error:
        return error


def stream_error(
    number: int, offset: int, line: int, error: DecodeError | ValidationError | str
) -> StreamError:
    """Return the error of a record: the error of its message, or why it has none."""
    if isinstance(error, str):
        position = Position(line, 1) if line else None
        return StreamError(error, record=number, offset=offset, position=position)
    return StreamError(
        partial(_reason, error),
        record=number,
        offset=offset,
        position=partial(_position, line, error) if line else None,
        error=error,
    )


def _position(line: int, error: DecodeError | ValidationError) -> Position:
    found = error.position if isinstance(error, DecodeError) else None
    return Position(line, found.column if found else 1)


def _reason(error: DecodeError | ValidationError) -> str:
    if isinstance(error, DecodeError):
        more = len(error.errors) - 1
        return f"{error.reason}; and {more} more" if more else error.reason
    broken = error.violations_without_positions
    listed = "; ".join(map(str, broken[:_LISTED]))
    more = len(broken) - _LISTED
    return f"{listed}; and {more} more" if more > 0 else listed


def frames(batches: Iterable[Batch]) -> Iterator[Frame]:
    """Yield each record of a stream, including the records over the limit."""
    for batch in batches:
        base, begin = batch.base, batch.start
        for data, end in zip(batch.records, batch.ends(), strict=True):
            yield Frame(base + begin, base + end, batch.line, data, batch.problem)
            begin = end


def read_bytes(read: Callable[[int], bytes], size: int, record: int, offset: int) -> bytes:
    """Read from a source with one of its methods.

    Raises:
        StreamError: Compressed data is corrupt, or expands too far.
    """
    try:
        return read(size)
    except (CorruptCompressionError, LimitError) as error:
        raise end_of_stream(error.reason, record, offset) from None


def check_empty_run(run: int, kind: str, limits: Limits, record: int, offset: int) -> None:
    """Check the number of consecutive empty records or blank lines.

    Raises:
        StreamError: It is over the limit.
    """
    most = limits.max_empty_records
    if run > most:
        error = LimitError(f"a run of {run} {kind}", "max_empty_records", most)
        raise end_of_stream(error.reason, record, offset)


def check_skipped(skipped: int, limits: Limits, record: int, offset: int) -> None:
    """Check the number of bytes that are skipped of a record over the limit.

    Raises:
        StreamError: It is over the limit.
    """
    most = limits.max_skipped_bytes
    if skipped > most:
        subject = f"the part of a record to skip, {skipped} bytes,"
        error = LimitError(subject, "max_skipped_bytes", most)
        raise end_of_stream(error.reason, record, offset)


def end_of_stream(reason: str, record: int, offset: int) -> StreamError:
    """Return the error of a record after which the next record cannot be found."""
    return StreamError(reason, record=record, offset=offset, ends_stream=True)


def write_records(
    file: StreamFile, messages: Iterable[Message], encode: Callable[[Message], bytes]
) -> int:
    """Write messages as the records of a stream, and return the number of messages."""
    written = 0
    with open_target(file) as target:
        for message in messages:
            target.write(encode(message))
            written += 1
    return written
