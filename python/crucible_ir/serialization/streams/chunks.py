"""The records of a stream in chunks: verdicts, offsets, and the records in another format."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from crucible_ir.errors import EncodeError
from crucible_ir.serialization.streams.records import (
    StreamCount,
    StreamError,
    decode_batches,
    within_limits,
)

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.serialization.limits import Limits
    from crucible_ir.serialization.streams.compression import Source
    from crucible_ir.serialization.streams.formats import StreamFormat
    from crucible_ir.serialization.streams.records import Batch, OnBad, RecordReader

#: A chunk ends with the first record after so many records, or so many bytes of the stream.
_CHUNK_RECORDS = 1000
_CHUNK_BYTES = 1024 * 1024

#: Writes the message of a record, given its number and its offset in the stream.
Encode = Callable[["Message", int, int], bytes]


class RecordChunk(NamedTuple):
    """Consecutive records of a stream; there is at least one.

    Attributes:
        first: The number of the first record, from 0.
        offsets: The offset of each record in bytes, from the start of the uncompressed stream.
        end: The offset after the last record.
        bad: The numbers of the bad records.
        data: The good records in the other format, if there is one.

    >>> import io
    >>> from crucible_ir import bulk_records
    >>> lines = io.BytesIO(b'{"name": "a"}' + bytes([10]) + b'{"name": 3}')
    >>> for chunk in bulk_records(lines, "StageDef", format="jsonl", on_bad=lambda error: None):
    ...     print(chunk.first, list(chunk.offsets), chunk.end, chunk.bad, chunk.good)
    0 [0, 14] 25 (1,) 1
    """

    first: int
    offsets: array[int]
    end: int
    bad: tuple[int, ...]
    data: bytes = b""

    @property
    def good(self) -> int:
        """The number of good records.

        >>> RecordChunk(first=5, offsets=array("Q", [90, 96]), end=102, bad=(6,)).good
        1
        """
        return len(self.offsets) - len(self.bad)


@dataclass(frozen=True, slots=True)
class ChunkReader:
    """Reads the records of a stream in chunks.

    Attributes:
        format_: The format of the stream.
        type_: The class of the messages.
        limits: The limits on records, their messages and compression.
        validate: Whether a record that breaks a rule of the schema is bad.
        to: The format of the chunks' data; ``None`` for none. A message that it cannot represent
            makes a bad record.
        encode: Writes messages in place of ``to``. With ``to``, it is not called for records that
            the native core writes, which certainly have no unknown fields.
        threads: The number of threads of the native core.
    """

    format_: StreamFormat
    type_: type[Message]
    limits: Limits
    validate: bool = True
    to: StreamFormat | None = None
    encode: Encode | None = None
    threads: int = 1

    def chunks(
        self, source: Source, on_bad: OnBad | None, count: StreamCount | None = None
    ) -> Iterator[RecordChunk]:
        """Yield the records of a stream.

        Args:
            source: The stream.
            on_bad: Called with the error of each bad record that can be skipped, before the chunk
                with that record; ``None`` to raise the first one.
            count: Updated before each chunk.

        Raises:
            StreamError: As `read_delimited` raises, after the chunk with the records before it.
        """
        reader = within_limits(self.format_.reading(self.type_, self.validate), self.limits)
        batches = self.format_.split(source, self.limits)
        first = 0
        for group in _grouped(batches):
            chunk = _OpenChunk(first, group, self._encode(), on_bad)
            error = chunk.fill(reader)
            if chunk.added:
                yield chunk.take(count)
            if error is not None:
                raise error
            first += chunk.added

    def _encode(self) -> Encode | None:
        if self.encode is not None or self.to is None:
            return self.encode
        encode = self.to.encode
        return lambda message, number, offset: encode(message)


def _grouped(batches: Iterable[Batch]) -> Iterator[list[Batch]]:
    """Yield the batches of each chunk; an error is raised after the batches before it."""
    group: list[Batch] = []
    records = 0
    try:
        for batch in batches:
            group.append(batch)
            records += len(batch.records)
            size = batch.base + batch.end - group[0].base - group[0].start
            if records >= _CHUNK_RECORDS or size >= _CHUNK_BYTES:
                yield group
                group, records = [], 0
    except Exception:
        if group:
            yield group
        raise
    if group:
        yield group


@dataclass(slots=True)
class _OpenChunk:
    """A chunk whose records are read.

    Attributes:
        first: The number of the first record.
        batches: The records.
        encode: As in `ChunkReader`.
        on_bad: As in `ChunkReader.chunks`.
        good: The number of good records so far.
        bad: The numbers of the bad records so far.
        data: What the messages are written as.
    """

    first: int
    batches: list[Batch]
    encode: Encode | None
    on_bad: OnBad | None
    good: int = 0
    bad: list[int] = field(default_factory=list)
    data: list[bytes] = field(default_factory=list)

    @property
    def added(self) -> int:
        """The number of records that were read."""
        return self.good + len(self.bad)

    def fill(self, reader: RecordReader) -> Exception | None:
        """Read the records up to the one that raises an error, and return that error."""
        messages = decode_batches(self.batches, reader, self._reject, None, self.first)
        try:
            if self.encode is None:
                for _ in messages:
                    self.good += 1
            else:
                self._write(messages, self.encode)
        except Exception as error:
            return error
        return None

    def _write(self, messages: Iterator[Message], encode: Encode) -> None:
        offsets = self._offsets()
        for message in messages:
            index = self.good + len(self.bad)
            number, offset = self.first + index, offsets[index]
            try:
                self.data.append(encode(message, number, offset))
            except EncodeError as error:
                reason = f"{error.path}: {error.reason}" if error.path else error.reason
                self._reject(StreamError(reason, record=number, offset=offset, error=error))
            else:
                self.good += 1

    def _reject(self, error: StreamError) -> None:
        self.bad.append(error.record)
        if self.on_bad is None:
            raise error
        self.on_bad(error)

    def _offsets(self) -> array[int]:
        offsets = array("Q")
        for batch in self.batches:
            offsets.append(batch.base + batch.start)
            if len(batch.records) > 1:
                offsets.extend(batch.base + end for end in batch.ends()[:-1])
        return offsets

    def _end(self) -> int:
        added = self.added
        for batch in self.batches:
            if added <= len(batch.records):
                return batch.base + batch.ends()[added - 1]
            added -= len(batch.records)
        raise AssertionError("more records than there are")

    def take(self, count: StreamCount | None) -> RecordChunk:
        """Return the records that were read, and count them."""
        offsets = self._offsets()[: self.added]
        chunk = RecordChunk(self.first, offsets, self._end(), tuple(self.bad), b"".join(self.data))
        if count is not None:
            count.records += self.good
            count.skipped += len(self.bad)
            count.bytes = chunk.end
        return chunk
