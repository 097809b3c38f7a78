"""The records of the pieces of an input, in chunks for the kernel."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from crucible_ir.bulk.contents import pa
from crucible_ir.bulk.jobs.lines import split_records
from crucible_ir.bulk.jobs.pieces import Piece, open_at, piece_count
from crucible_ir.bulk.jobs.ranges import ByteRange, RangedSource, range_of
from crucible_ir.bulk.record_lists import RecordList
from crucible_ir.serialization.streams.compression import decompressed
from crucible_ir.serialization.streams.records import StreamError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from crucible_ir.bulk.jobs.plan import Plan
    from crucible_ir.serialization.streams.compression import Source
    from crucible_ir.serialization.streams.records import Batch

#: A chunk ends with the record after which it has so many records, or so many bytes.
_CHUNK_RECORDS: Final = 8192
_CHUNK_BYTES: Final = 4 * 1024 * 1024


class Place(NamedTuple):
    """The place of a record in its stream.

    Attributes:
        offset: The offset in the uncompressed stream.
        end: The offset after it.
        line: The number of its line less the line breaks before the range of the piece; ``None`` if
            the stream has no lines.
    """

    offset: int
    end: int
    line: int | None


@dataclass(slots=True)
class Chunk:
    """Consecutive records of a piece.

    Attributes:
        first: The number of its first record in the piece, from 0.
        batches: The records as the reader of the stream found them.
        records: The number of records.
        size: The number of bytes of the records with their frames.
        file_bytes: The number of bytes of the file, which may be compressed, that were read for it.
    """

    first: int
    batches: list[Batch] = field(default_factory=list)
    records: int = 0
    size: int = 0
    file_bytes: int = 0
    _firsts: list[int] = field(default_factory=list)
    _ends: dict[int, list[int]] = field(default_factory=dict)

    @property
    def is_full(self) -> bool:
        """Whether the chunk takes no more records."""
        return self.records >= _CHUNK_RECORDS or self.size >= _CHUNK_BYTES

    def fitting(self, batch: Batch) -> int:
        """Return how many records of a batch the chunk takes."""
        fitting = min(len(batch.records), _CHUNK_RECORDS - self.records)
        if fitting > 1 and self.size + batch.end - batch.start > _CHUNK_BYTES:
            most = _CHUNK_BYTES - self.size + batch.start
            fitting = min(fitting, 1 + sum(end < most for end in batch.ends()))
        return fitting

    def add(self, batch: Batch) -> None:
        """Add records."""
        self.batches.append(batch)
        self._firsts.append(self.first + self.records)
        self.records += len(batch.records)
        self.size += batch.end - batch.start

    def batch(self) -> Any:
        """Return the records as the input of the kernel."""
        numbers = range(self.first, self.first + self.records)
        data = list(self.record_list())
        columns = {"record": pa.array(numbers, pa.int64()), "data": pa.array(data, pa.binary())}
        return pa.RecordBatch.from_pydict(columns)

    def record_list(self) -> RecordList:
        """Return the bytes of each record; ``None`` for one over the limit."""
        return RecordList(self.batches)

    def data(self, number: int) -> bytes | None:
        """Return the bytes of a record without its frame; ``None`` if it is over the limit."""
        at, index = self._found(number)
        return _data(self.batches[at])[index]

    def place(self, number: int) -> Place:
        """Return the place of a record."""
        at, index = self._found(number)
        batch = self.batches[at]
        if at not in self._ends:
            self._ends[at] = batch.ends()
        ends = self._ends[at]
        start = ends[index - 1] if index else batch.start
        line = batch.line + index if batch.line else None
        return Place(batch.base + start, batch.base + ends[index], line)

    def _found(self, number: int) -> tuple[int, int]:
        """Return the index of the batch with a record, and that of the record in it."""
        at = bisect_right(self._firsts, number) - 1
        return at, number - self._firsts[at]


def _data(batch: Batch) -> Sequence[bytes | None]:
    return [None] if batch.problem else batch.records


def chunks_of(batches: Iterable[Batch]) -> Iterator[Chunk]:
    """Yield records in chunks; an error of the records is raised after the chunk before it."""
    chunk = Chunk(0)
    try:
        for batch in batches:
            rest: Batch | None = batch
            while rest is not None:
                taken, rest = _divided(rest, chunk.fitting(rest))
                chunk.add(taken)
                if chunk.is_full:
                    yield chunk
                    chunk = Chunk(chunk.first + chunk.records)
    except StreamError:
        if chunk.records:
            yield chunk
        raise
    if chunk.records:
        yield chunk


class PieceRecords:
    """The records of one piece.

    Attributes:
        piece: The piece.
        records: The number of records that were read.
        error: The error after which no further record of the input is found; ``None`` if there is
            none.
        is_last: Whether it is the last piece of the input; known after `chunks`.
    """

    def __init__(self, piece: Piece, end: int, stream: _Stream) -> None:
        self.piece = piece
        self.records = 0
        self.error: StreamError | None = None
        self.is_last = False
        self._end = end
        self._stream = stream

    def chunks(self) -> Iterator[Chunk]:
        """Yield the records in chunks."""
        for chunk in chunks_of(self._stream.until(self._end)):
            self.records += chunk.records
            chunk.file_bytes = self._stream.advance(chunk.size)
            yield chunk
        if self._stream.has_more():
            return
        self.is_last = self.piece.number + 1 >= self._stream.count()
        error = self._stream.error
        # An error about a record that starts in the next piece is an error of that piece.
        if error is not None and (error.offset < self._end or self.is_last):
            self.error = error
            self.is_last = True

    def range(self) -> ByteRange:
        """Return the range of the input that the piece has; call it after `chunks`."""
        return self._stream.range(self.piece.number)


def read_pieces(plan: Plan, piece: Piece) -> Iterator[PieceRecords]:
    """Yield a piece of an uncompressed input, or all pieces of a compressed one in their order.

    The records of each must be taken before the next is taken.

    Raises:
        OSError: The input cannot be read.
        MissingExtraError: The package for the compression is not installed.
    """
    read = _read_all if plan.inputs[piece.input].is_compressed else _read_one
    return read(plan, piece)


def _read_one(plan: Plan, piece: Piece) -> Iterator[PieceRecords]:
    source = plan.inputs[piece.input]
    start = piece.number * plan.options.part_bytes
    end = start + plan.options.part_bytes
    file, at = open_at(source, piece, end)
    with file:
        stream = _Stream(plan, piece, file, at)
        # If a line starts before the piece, its line break is in the piece.
        stream.lines = int(at > start)
        stream.range = lambda number: range_of(source.name, start, end)
        stream.count = lambda: piece_count(source.bytes, plan.options.part_bytes)
        yield PieceRecords(piece, end, stream)


def _read_all(plan: Plan, piece: Piece) -> Iterator[PieceRecords]:
    size = plan.options.part_bytes
    name = plan.inputs[piece.input].name
    with (
        open(name, "rb") as file,
        decompressed(file, name, plan.options.limits.max_expansion) as opened,
    ):
        source = RangedSource(opened, size)
        stream = _Stream(plan, piece, source, 0)
        stream.position = file.tell
        stream.range = source.range
        stream.count = lambda: piece_count(source.position, size)
        for number in count():
            stream.lines = -source.newlines_before(number)
            records = PieceRecords(Piece(piece.input, number), (number + 1) * size, stream)
            yield records
            if records.is_last:
                return


class _Stream:
    """The records of an opened input.

    Attributes:
        error: The error after the records; ``None`` if there is none so far.
        lines: The number to add to the numbers of lines.
        range: Returns the range of a piece.
        count: Returns the number of pieces, at the end of the records.
        position: Returns the number of bytes of a compressed file that were read.
    """

    range: Callable[[int], ByteRange]
    count: Callable[[], int]
    position: Callable[[], int] | None = None

    def __init__(self, plan: Plan, piece: Piece, source: Source, at: int) -> None:
        self.error: StreamError | None = None
        self.lines = 0
        self._at = at
        format_ = plan.inputs[piece.input].format_
        self._batches = split_records(format_, source, plan.options.limits)
        self._waiting: Batch | None = None
        self._position = 0

    def advance(self, size: int) -> int:
        """Return the number of bytes of the file that were read since the last call.

        Args:
            size: The number of uncompressed bytes that were taken since then.
        """
        if self.position is None:
            return size
        before, self._position = self._position, self.position()
        return self._position - before

    def has_more(self) -> bool:
        """Whether there are records after those that were taken."""
        if self._waiting is None and self.error is None:
            try:
                batch = next(self._batches, None)
            except StreamError as error:
                error.offset += self._at
                self.error = error
            else:
                if batch is not None:
                    self._waiting = batch._replace(base=batch.base + self._at)
        return self._waiting is not None

    def until(self, end: int) -> Iterator[Batch]:
        """Take the next records that start before an offset."""
        while self.has_more():
            batch = self._waiting
            assert batch is not None
            if batch.base + batch.start >= end:
                return
            self._waiting = None
            if batch.base + batch.end > end:
                starts = [batch.start, *batch.ends()[:-1]]
                before = sum(batch.base + start < end for start in starts)
                batch, self._waiting = _divided(batch, before)
            yield batch._replace(line=batch.line + self.lines) if batch.line else batch


def _divided(batch: Batch, number: int) -> tuple[Batch, Batch | None]:
    """Divide a batch into its first records and the others."""
    if number >= len(batch.records):
        return batch, None
    first = batch.first(number)
    line = batch.line + number if batch.line else 0
    return first, batch._replace(start=first.end, records=batch.records[number:], line=line)
