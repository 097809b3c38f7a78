"""The messages in a buffer of a delimited stream, found by the native engine."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator, Sequence
from operator import eq
from typing import overload

from crucible_ir import native


class FrameList(Sequence[bytes]):
    """Messages in a buffer, which are copied when they are asked for.

    Args:
        buffer: The bytes that contain the messages.
        starts: The offset of each message in the buffer.
        ends: The offset after each message.
        empty: How many messages are empty, if that is known.

    >>> list(FrameList(b"abcd", array("q", [0, 3]), array("q", [2, 4])))
    [b'ab', b'd']
    """

    def __init__(
        self, buffer: bytes, starts: array[int], ends: array[int], empty: int | None = None
    ) -> None:
        self.buffer = buffer
        self.starts = starts
        self.ends = ends
        self._empty = empty

    def __len__(self) -> int:
        return len(self.starts)

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> FrameList: ...
    def __getitem__(self, index: int | slice) -> bytes | FrameList:
        if isinstance(index, slice):
            return FrameList(self.buffer, self.starts[index], self.ends[index])
        return self.buffer[self.starts[index] : self.ends[index]]

    def __iter__(self) -> Iterator[bytes]:
        return map(self.buffer.__getitem__, map(slice, self.starts, self.ends))

    @property
    def has_empty(self) -> bool:
        """Whether a message is empty.

        >>> FrameList(b"ab", array("q", [1]), array("q", [1])).has_empty
        True
        """
        if self._empty is None:
            self._empty = sum(map(eq, self.starts, self.ends))
        return self._empty > 0


def complete_frames(buffer: bytes, at: int, max_bytes: int) -> tuple[FrameList, int] | None:
    """Return the complete messages in a buffer, and the offset after them.

    Args:
        buffer: The buffer of a delimited stream.
        at: The offset of the first record.
        max_bytes: The most bytes of a message; a longer one ends the messages.

    Returns:
        ``None`` if the native engine is not used.
    """
    found = native.frames(buffer, at, min(max_bytes, sys.maxsize)) if max_bytes >= 0 else None
    if found is None:
        return None
    starts, ends = array("q", found[0]), array("q", found[1])
    return FrameList(buffer, starts, ends, found[2]), ends[-1] if ends else at
