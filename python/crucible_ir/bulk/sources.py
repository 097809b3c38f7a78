"""The records of streams, in record batches."""

from __future__ import annotations

import io
from collections.abc import Iterator
from os import PathLike
from typing import TYPE_CHECKING, Final, NamedTuple

from crucible_ir.bulk.record_lists import RecordList, split_stream
from crucible_ir.serialization.streams.compression import open_source
from crucible_ir.serialization.streams.records import StreamError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from crucible_ir.serialization.limits import Limits
    from crucible_ir.serialization.streams.compression import StreamFile
    from crucible_ir.serialization.streams.formats import StreamFormat
    from crucible_ir.serialization.streams.records import Batch

#: A group of records ends with the first record after so many records, or so many bytes.
GROUP_RECORDS: Final = 8192
GROUP_BYTES: Final = 16 * 1024 * 1024


class RecordGroup(NamedTuple):
    """Consecutive records of a stream.

    Attributes:
        first: The number of the first record.
        batches: The batches that the stream is split into.
    """

    first: int
    batches: list[Batch]

    def records(self) -> RecordList:
        """Return the bytes of each record; ``None`` for one over the limit."""
        return RecordList(self.batches)

    def places(self) -> Iterator[tuple[int, int | None, int]]:
        """Yield the number, the line and the offset of each record."""
        number = self.first
        for batch in self.batches:
            begin = batch.start
            for end in batch.ends():
                yield number, batch.line or None, batch.base + begin
                begin = end
                number += 1


def is_stream(source: object) -> bool:
    """Return whether a source of messages is a stream: a path, an open file or bytes."""
    kinds = (str, PathLike, bytes, bytearray, memoryview)
    return isinstance(source, kinds) or hasattr(source, "read")


def record_groups(
    source: StreamFile | bytes, format_: StreamFormat, limits: Limits
) -> Iterator[RecordGroup]:
    """Yield the records of a stream in groups.

    Raises:
        StreamError: The next record cannot be found; raised after the records before it.
        OSError: The file cannot be read.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        source = io.BytesIO(source)
    with open_source(source, limits.max_expansion) as opened:
        yield from _grouped(split_stream(format_, opened, limits))


def _grouped(batches: Iterable[Batch]) -> Iterator[RecordGroup]:
    first = records = size = 0
    group: list[Batch] = []
    try:
        for batch in batches:
            group.append(batch)
            records += len(batch.records)
            size += batch.end - batch.start
            if records >= GROUP_RECORDS or size >= GROUP_BYTES:
                yield RecordGroup(first, group)
                first, group, records, size = first + records, [], 0, 0
    except StreamError:
        if group:
            yield RecordGroup(first, group)
        raise
    if group:
        yield RecordGroup(first, group)
