"""Chunks of records that the native engine reads; Python takes what that leaves."""

from __future__ import annotations

import io
from array import array
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple, Protocol

from crucible_ir.serialization.limits import LimitError
from crucible_ir.serialization.streams.chunks import RecordChunk
from crucible_ir.serialization.streams.compression import CorruptCompressionError
from crucible_ir.serialization.streams.delimited import size_at
from crucible_ir.serialization.streams.records import Batch, check_empty_run

if TYPE_CHECKING:
    from crucible_ir.serialization.streams.chunk_reader import ChunkReader
    from crucible_ir.serialization.streams.chunks import OpenChunk
    from crucible_ir.serialization.streams.compression import Source
    from crucible_ir.serialization.streams.native_records import RecordPiece, RecordReader

#: The most bytes that are read at a time for each thread.
_PIECE_BYTES = 512 * 1024
#: The bytes of an offset.
_OFFSET_BYTES = 8
#: The most threads for which more bytes are read at a time.
_MOST_PIECES = 8


class Place(NamedTuple):
    """A place in a stream.

    Attributes:
        record: The number of records before it.
        offset: The number of bytes before it.
        line: The number of lines before it; 0 if the stream has no lines.
    """

    record: int = 0
    offset: int = 0
    line: int = 0


class Decoding(Protocol):
    """The decoding of records in Python."""

    def decode(self, first: int, batches: list[Batch], /) -> tuple[OpenChunk, Exception | None]:
        """Return a chunk with the records up to the one that raises an error, and that error."""

    def chunks(self, source: Source, place: Place, /, *, is_record: bool) -> Iterator[RecordChunk]:
        """Yield the records of a stream from a place on, or only the next record."""


class ResumedSource:
    """A source of which some bytes were already read.

    Args:
        head: These bytes.
        source: The source of the bytes after them.
        error: The error after these bytes, if there is one.
    """

    def __init__(self, head: bytes, source: Source, error: Exception | None = None) -> None:
        self._head = io.BytesIO(head)
        self._source = source
        self._error = error

    def read(self, size: int, /) -> bytes:
        """Return at most this many bytes."""
        return self._head.read(size) or self._rest().read(size)

    def read1(self, size: int, /) -> bytes:
        """Return at most this many bytes, and wait for as few as possible."""
        if head := self._head.read(size):
            return head
        rest = self._rest()
        return read_available(rest, size)

    def readline(self, size: int, /) -> bytes:
        """Return at most this many bytes, up to the end of the line."""
        part = self._head.readline(size)
        if part.endswith(b"\n") or len(part) == size or (part and self._error is not None):
            return part
        return part + self._rest().readline(size - len(part))

    def _rest(self) -> Source:
        if self._error is not None:
            raise self._error
        return self._source


def read_available(source: Source, size: int) -> bytes:
    """Read at most so many bytes, and wait for as few as possible if the source can do that."""
    read: Callable[[int], bytes] = getattr(source, "read1", source.read)
    return read(size)


class NativeChunks:
    """The records of one stream.

    Args:
        engine: The native reader of records.
        reader: The reader of chunks.
        decoding: Decodes what the engine leaves.
    """

    def __init__(self, engine: RecordReader, reader: ChunkReader, decoding: Decoding) -> None:
        self._engine = engine
        self._decoding = decoding
        self._limits = reader.limits
        self._has_lines = reader.format_.record.is_text
        self._is_live = reader.is_live
        self._piece_bytes = _PIECE_BYTES * min(reader.threads, _MOST_PIECES)
        # The bytes in memory, and the place of the byte at an offset in them.
        self._buffer = b""
        self._at = 0
        self._place = Place()

    def chunks(self, source: Source) -> Iterator[RecordChunk]:
        """Yield the records; errors as in `ChunkReader.chunks`."""
        empty = 0
        while True:
            piece = self._engine.read(self._buffer, self._at, self._place.offset, empty)
            if piece is None:
                # It failed.
                yield from self._rest(source)
                return
            if piece.offsets:
                chunk, error = self._chunk(piece)
                if chunk.offsets:
                    yield chunk
                if error is not None:
                    raise error
            self._advance(piece)
            empty = piece.empty
            if piece.needs_more and not self._is_over_limit():
                try:
                    more = self._more(source)
                except (CorruptCompressionError, LimitError) as error:
                    yield from self._rest(source, error)
                    return
                if not more:
                    yield from self._rest(source)
                    return
                self._buffer, self._at = self._buffer[self._at :] + more, 0
            else:
                kind = "blank lines" if self._has_lines else "empty records"
                check_empty_run(empty, kind, self._limits, self._place.record, self._place.offset)
                yield from self._next_record(source)
                empty = 0

    def _advance(self, piece: RecordPiece) -> None:
        self._place = Place(
            self._place.record + len(piece.offsets) // _OFFSET_BYTES,
            self._place.offset + piece.end - self._at,
            self._place.line + piece.lines,
        )
        self._at = piece.end

    def _chunk(self, piece: RecordPiece) -> tuple[RecordChunk, Exception | None]:
        """Return the records of a piece up to the one that raises an error, and that error."""
        offsets = array("Q", piece.offsets)
        bad: list[int] = []
        data = []
        at = 0
        error = None
        first = self._place.record
        for index, start, end, line, before in piece.unsure:
            data.append(piece.output[at:before])
            at = before
            message = self._buffer[start:end]
            line_number = self._place.line + line + 1 if self._has_lines else 0
            batch = Batch(offsets[index], 0, b"", [message], end - start, line_number)
            record, error = self._decoding.decode(first + index, [batch])
            bad += record.bad
            data += record.data
            if error is not None:
                offsets = offsets[: index + record.added]
                break
        else:
            data.append(piece.output[at:])
        end_offset = self._end_of(offsets, piece) if offsets else 0
        return RecordChunk(first, offsets, end_offset, tuple(bad), b"".join(data)), error

    def _end_of(self, offsets: array[int], piece: RecordPiece) -> int:
        """Return the offset after the last of some records of a piece."""
        moved = self._place.offset - self._at
        start = offsets[-1] - moved
        if self._has_lines:
            # Blank lines may follow.
            return self._buffer.index(b"\n", start) + 1 + moved
        body, size = size_at(self._buffer, start) or (start, 0)
        return body + size + moved

    def _is_over_limit(self) -> bool:
        """Whether the line that is not complete is already over the limit."""
        return self._has_lines and len(self._buffer) - self._at > self._limits.max_frame_bytes

    def _more(self, source: Source) -> bytes:
        """Read more bytes: for a long record, the rest of it; nothing at the end."""
        size = len(self._buffer) - self._at
        if size < self._piece_bytes:
            if self._is_live:
                return read_available(source, self._piece_bytes)
            return source.read(self._piece_bytes)
        if self._has_lines:
            return source.readline(self._limits.max_frame_bytes + 1 - size)
        body, length = size_at(self._buffer, self._at) or (self._at, 0)
        missing = body + length - len(self._buffer)
        parts = []
        # The size may be wrong, so memory is allocated only for bytes that have arrived.
        while missing > 0 and (part := source.read(min(missing, self._piece_bytes))):
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)

    def _next_record(self, source: Source) -> Iterator[RecordChunk]:
        """Yield the record at the place, which is over the limit, or raise its error."""
        end = None
        if self._has_lines:
            end = self._buffer.find(b"\n", self._at) + 1
        elif head := size_at(self._buffer, self._at):
            end = sum(head)
        if end and end <= len(self._buffer):
            record: Source = io.BytesIO(self._buffer[self._at : end])
            self._at = end
        else:
            # Python reads no more of the source than the record.
            record = ResumedSource(self._buffer[self._at :], source)
            self._buffer, self._at = b"", 0
        for chunk in self._decoding.chunks(record, self._place, is_record=True):
            yield chunk
            line = self._place.line + self._has_lines
            self._place = Place(self._place.record + 1, chunk.end, line)

    def _rest(self, source: Source, error: Exception | None = None) -> Iterator[RecordChunk]:
        rest = ResumedSource(self._buffer[self._at :], source, error)
        return self._decoding.chunks(rest, self._place, is_record=False)
