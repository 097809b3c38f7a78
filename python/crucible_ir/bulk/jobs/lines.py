"""Fast splitting of lines: many at a time, as long as they are ordinary."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from crucible_ir.bulk.record_lists import split_stream
from crucible_ir.serialization.limits import LimitError
from crucible_ir.serialization.streams.compression import CorruptCompressionError
from crucible_ir.serialization.streams.native_chunks import ResumedSource
from crucible_ir.serialization.streams.records import Batch, StreamError

if TYPE_CHECKING:
    from crucible_ir.serialization.limits import Limits
    from crucible_ir.serialization.streams.compression import Source
    from crucible_ir.serialization.streams.formats import StreamFormat

#: The bytes that are read at a time.
_BLOCK_BYTES: Final = 256 * 1024


class LineBatch(Batch):
    """Consecutive lines that are not blank; ``line`` is the number of the first."""

    __slots__ = ()

    def ends(self) -> list[int]:
        """Return the offset after each line."""
        sizes = (len(record) + 1 for record in self.records)
        return list(accumulate(sizes, initial=self.start))[1:]


def split_records(format_: StreamFormat, source: Source, limits: Limits) -> Iterator[Batch]:
    """Split a stream into batches of records, as the format does.

    Raises:
        StreamError: The end of a record cannot be found, or the stream is over a limit.
    """
    if format_.record.is_text:
        return _split_lines(format_, source, limits)
    return split_stream(format_, source, limits)


def _split_lines(format_: StreamFormat, source: Source, limits: Limits) -> Iterator[Batch]:
    buffer = b""
    offset = lines = 0
    error = None
    while True:
        try:
            more = source.read(_BLOCK_BYTES)
        except (CorruptCompressionError, LimitError) as found:
            error = found
            break
        buffer += more
        end = buffer.rfind(b"\n") + 1
        records = buffer[:end].split(b"\n")
        records.pop()
        if not more or not _are_ordinary(buffer, records, limits.max_frame_bytes):
            break
        yield LineBatch(offset, 0, b"", records, end, lines + 1)
        offset, lines, buffer = offset + end, lines + len(records), buffer[end:]
    try:
        # The format knows what blank lines, long lines and the end of a stream are.
        for batch in format_.split(ResumedSource(buffer, source, error), limits):
            yield batch._replace(base=batch.base + offset, line=batch.line + lines)
    except StreamError as ending:
        ending.offset += offset
        raise


def _are_ordinary(buffer: bytes, records: list[bytes], most: int) -> bool:
    """Return whether lines are records for certain: none is blank, over the limit or has CRLF."""
    return (
        bool(records)
        and b"\r" not in buffer
        and all(records)
        and not any(map(bytes.isspace, records))
        and len(max(records, key=len)) <= most
    )
