"""Chunks of records: their verdicts, their offsets, and the records in another format."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from crucible_ir.errors import EncodeError
from crucible_ir.serialization.streams.records import StreamError, decode_batches

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.serialization.streams.records import Batch, OnBad, RecordReader

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


@dataclass(slots=True)
class OpenChunk:
    """A chunk whose records are read.

    Attributes:
        first: The number of the first record.
        batches: The records.
        encode: Writes each message; ``None`` to write nothing. A message that it cannot write makes
            a bad record.
        on_bad: Called with the error of each bad record; ``None`` to stop at the first one.
        good: The number of good records so far.
        bad: The numbers of the bad records so far.
        data: The messages in the other format.
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
            index = self.added
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

    def close(self) -> RecordChunk:
        """Return the records that were read; there must be one."""
        offsets = self._offsets()[: self.added]
        return RecordChunk(self.first, offsets, self._end(), tuple(self.bad), b"".join(self.data))
