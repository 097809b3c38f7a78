"""The digests of the byte ranges of inputs."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from crucible_ir.serialization.streams.compression import Source

#: The bytes that are read at a time to compute a digest.
_BLOCK_BYTES: Final = 1024 * 1024


class ByteRange(NamedTuple):
    """A range of the uncompressed bytes of an input.

    Attributes:
        start: The offset of its first byte.
        end: The offset after its last byte.
        digest: The SHA-256 of its bytes.
        newlines: The number of line breaks in it.
    """

    start: int
    end: int
    digest: str
    newlines: int


class _Range:
    """A range that is being read."""

    def __init__(self, start: int) -> None:
        self._start = self.end = start
        self._digest = hashlib.sha256()
        self._newlines = 0

    def add(self, data: bytes) -> None:
        self._digest.update(data)
        self._newlines += data.count(b"\n")
        self.end += len(data)

    def close(self) -> ByteRange:
        digest = f"sha256:{self._digest.hexdigest()}"
        return ByteRange(self._start, self.end, digest, self._newlines)


def range_of(name: str, start: int, end: int) -> ByteRange:
    """Read a range of a file; it ends where the file does.

    Raises:
        OSError: The file cannot be read.
    """
    found = _Range(start)
    with open(name, "rb") as file:
        file.seek(start)
        while (missing := end - found.end) > 0:
            data = file.read(min(missing, _BLOCK_BYTES))
            if not data:
                break
            found.add(data)
    return found.close()


class RangedSource:
    """A source that computes the digests of its ranges while it is read.

    Args:
        source: The source.
        size: The bytes of each range.

    Attributes:
        ranges: The ranges that were read completely.
    """

    def __init__(self, source: Source, size: int) -> None:
        self.ranges: list[ByteRange] = []
        self._source = source
        self._size = size
        self._open = _Range(0)

    @property
    def position(self) -> int:
        """The number of bytes that were read."""
        return self._open.end

    def read(self, size: int, /) -> bytes:
        """Return at most this many bytes."""
        return self._added(self._source.read(size))

    def readline(self, size: int, /) -> bytes:
        """Return at most this many bytes, up to the end of the line."""
        return self._added(self._source.readline(size))

    def _added(self, data: bytes) -> bytes:
        rest = data
        while (room := (len(self.ranges) + 1) * self._size - self._open.end) <= len(rest):
            self._open.add(rest[:room])
            rest = rest[room:]
            self._close()
        self._open.add(rest)
        return data

    def range(self, number: int) -> ByteRange:
        """Return a range; one that was not read completely ends where the source did."""
        if number < len(self.ranges):
            return self.ranges[number]
        return self._open.close()

    def newlines_before(self, number: int) -> int:
        """Return the number of line breaks before a range."""
        return sum(each.newlines for each in self.ranges[:number])

    def _close(self) -> None:
        self.ranges.append(self._open.close())
        self._open = _Range(self._open.end)
