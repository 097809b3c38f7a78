"""Lists of records, whose messages are copied only when they are asked for."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate, chain
from typing import TYPE_CHECKING, overload

from crucible_ir.serialization.streams.delimited import split_frames

if TYPE_CHECKING:
    from crucible_ir.serialization.limits import Limits
    from crucible_ir.serialization.streams.compression import Source
    from crucible_ir.serialization.streams.formats import StreamFormat
    from crucible_ir.serialization.streams.records import Batch


class RecordList(Sequence["bytes | None"]):
    """The records of batches, one batch after the other.

    Attributes:
        parts: The records of each batch; ``None`` for a record that is over the limit.
    """

    def __init__(self, batches: Sequence[Batch]) -> None:
        self.parts: list[Sequence[bytes | None]] = [
            [None] if batch.problem else batch.records for batch in batches
        ]
        self._ends = list(accumulate(map(len, self.parts)))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    @overload
    def __getitem__(self, index: int) -> bytes | None: ...
    @overload
    def __getitem__(self, index: slice) -> list[bytes | None]: ...
    def __getitem__(self, index: int | slice) -> bytes | list[bytes | None] | None:
        if isinstance(index, slice):
            return list(self)[index]
        part = bisect_right(self._ends, index)
        return self.parts[part][index - self._ends[part]]

    def __iter__(self) -> Iterator[bytes | None]:
        return chain.from_iterable(self.parts)


def split_stream(format_: StreamFormat, source: Source, limits: Limits) -> Iterator[Batch]:
    """Split a stream into batches of records, by the native engine if it can.

    Raises:
        StreamError: The next record cannot be found.
    """
    if format_.record.is_text:
        return format_.split(source, limits)
    return split_frames(source, limits)
