"""The reader of the records of streams in the native engine."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from crucible_ir import native

if TYPE_CHECKING:
    from google.protobuf.message import Message


class RecordPiece(NamedTuple):
    """The complete records in a piece of a stream.

    Attributes:
        output: The records that the engine has written, in the format of the result.
        offsets: The offset of each record in the stream, as 64-bit integers.
        unsure: The records that the engine leaves to Python: for each its index, the start and the
            end of its message in the piece, the number of lines before it, and its offset in the
            output.
        end: The offset in the piece after the last record and the blank lines after it.
        lines: The number of lines up to there.
        empty: The number of empty records or blank lines before the end.
        needs_more: Whether the next record may be complete with more bytes. If not, it is over the
            limit, its size is malformed, or too many empty records follow each other.
    """

    output: bytes
    offsets: bytes
    unsure: list[tuple[int, int, int, int, int]]
    end: int
    lines: int
    empty: int
    needs_more: bool


class RecordReader(NamedTuple):
    """Reads the records of streams of one format and type."""

    reader: Any

    def read(self, piece: bytes, start: int, before: int, empty: int) -> RecordPiece | None:
        """Read the complete records of a piece; ``None`` if the engine failed.

        Args:
            piece: The piece.
            start: The offset of its first record.
            before: The offset in the stream of that record.
            empty: The number of empty records or blank lines before that record.
        """
        found = self.reader.read(piece, start, before, empty)
        return None if found is None else RecordPiece._make(found)


def record_reader(
    class_: type[Message],
    from_: str,
    to: str | None,
    *,
    validate: bool,
    leave_unknown: bool,
    threads: int,
    max_bytes: int,
    max_empty: int,
) -> RecordReader | None:
    """Return a reader of the records of streams; ``None`` if the native engine is not used.

    Args:
        class_: The class of the messages.
        from_: The name of the stream's format.
        to: The name of the format in which records are written; ``None`` to write nothing.
        validate: Whether messages must satisfy the rules of the schema.
        leave_unknown: Whether the engine leaves binary messages with unknown fields, which lines
            cannot represent.
        threads: The number of threads.
        max_bytes: The most bytes of a record.
        max_empty: The most consecutive empty records or blank lines.
    """
    options = [threads, max_bytes, max_empty]
    numbers = (min(number, sys.maxsize) for number in options)
    reader = native.record_reader(class_, from_, to, bool(validate), leave_unknown, *numbers)
    return None if reader is None else RecordReader(reader)
