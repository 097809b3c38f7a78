"""The pieces of the inputs of a job.

Piece ``k`` of a stream has the records that start in its uncompressed bytes from ``k * part_bytes``
to ``(k + 1) * part_bytes``. So the pieces depend on nothing but the stream and the size, and a
compressed stream has the same pieces as the uncompressed one.
"""

from __future__ import annotations

import sys
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Final

from crucible_ir.serialization.streams.delimited import size_at
from crucible_ir.serialization.streams.frames import complete_frames

if TYPE_CHECKING:
    from crucible_ir.bulk.jobs.plan import JobInput, Plan

#: The bytes that are read at a time to find the starts of records.
_BLOCK_BYTES: Final = 1024 * 1024
#: The most bytes of the size of a record.
_MAX_VARINT_BYTES: Final = 10


@dataclass(frozen=True, slots=True, order=True)
class Piece:
    """A piece of an input.

    Attributes:
        input: The index of the input.
        number: The number of the piece, from 0.
        start: The offset in the uncompressed stream of its first record. For lines, it is enough
            that the first record is the first line that starts there or later. It does not count
            when pieces are compared.
    """

    input: int
    number: int = 0
    start: int = field(default=0, compare=False)

    @property
    def stem(self) -> str:
        """The name of its part without extension.

        >>> Piece(0, 12).stem
        'part-00000-00012'
        """
        return f"part-{self.input:05d}-{self.number:05d}"


def piece_count(size: int, part_bytes: int) -> int:
    """Return the number of pieces of a stream with so many uncompressed bytes; at least one.

    >>> piece_count(0, 10), piece_count(10, 10), piece_count(11, 10)
    (1, 1, 2)
    """
    return max(1, -(-size // part_bytes))


def pieces_of(plan: Plan, index: int) -> Iterator[Piece]:
    """Yield the pieces of an input: of a compressed one only the first, with which all are read.

    If the sizes of the records are corrupt, the piece with the corrupt record is the last.

    Raises:
        OSError: The input cannot be read.
    """
    source = plan.inputs[index]
    part_bytes = plan.options.part_bytes
    if source.is_compressed:
        yield Piece(index)
    elif source.format_.record.is_text:
        for number in range(piece_count(source.bytes, part_bytes)):
            yield Piece(index, number, number * part_bytes)
    else:
        for number, start in enumerate(_starts(source, part_bytes)):
            yield Piece(index, number, start)


def _starts(source: JobInput, part_bytes: int) -> Iterator[int]:
    """Yield the offset of the first record of each piece of a delimited stream."""
    count = piece_count(source.bytes, part_bytes)
    yield 0
    number = 1
    with open(source.name, "rb") as file:
        for at in _record_offsets(file, source.bytes, part_bytes):
            while number < count and at >= number * part_bytes:
                yield at
                number += 1
            if number == count:
                return


def _record_offsets(file: IO[bytes], size: int, part_bytes: int) -> Iterator[int]:
    """Yield offsets of records of a delimited stream, among them the first of each piece.

    At least one offset is in each block. The end of the stream is an offset too.
    """
    base = 0
    while base < size:
        file.seek(base)
        buffer = file.read(_BLOCK_BYTES)
        if not buffer:
            return
        at = 0
        if (frames := complete_frames(buffer, 0, sys.maxsize)) is not None and len(frames[0]):
            ends = frames[0].ends
            piece_start = (base // part_bytes + 1) * part_bytes
            while piece_start - base <= ends[-1]:
                yield base + ends[bisect_left(ends, piece_start - base)]
                piece_start += part_bytes
            at = ends[-1]
            yield base + at
        is_end = base + len(buffer) >= size
        last = len(buffer) - (0 if is_end else _MAX_VARINT_BYTES)
        while at < last:
            length = buffer[at]
            if length < 0x80:
                at += 1 + length
            else:
                head = size_at(buffer, at)
                if head is None:
                    return
                at = sum(head)
            if base + at > size:
                return
            yield base + at
        base += at


def open_at(source: JobInput, piece: Piece, end: int) -> tuple[IO[bytes], int]:
    """Open an uncompressed input at the first record of a piece.

    Args:
        source: The input.
        piece: The piece.
        end: The offset after the bytes of the piece.

    Returns:
        The file, and the offset of the first record; at least ``end`` if the piece has none.
    """
    file = open(source.name, "rb")  # noqa: SIM115  # the caller closes it
    at = piece.start
    if at and source.format_.record.is_text:
        # The line may start before the piece.
        at -= 1
        file.seek(at)
        while at < end:
            part = file.readline(_BLOCK_BYTES)
            at += len(part)
            if not part or part.endswith(b"\n"):
                break
    file.seek(at)
    return file, at
