"""Compression: reading and writing of compressed files in constant memory."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from os import PathLike, fspath
from os.path import splitext
from typing import IO, Any, BinaryIO, Protocol

from crucible_ir.errors import DecodeError, shorten
from crucible_ir.extras import optional_module
from crucible_ir.serialization.limits import MAX_EXPANSION, LimitError

#: The name of a file, or an open binary file.
StreamFile = str | PathLike[str] | BinaryIO

#: The default level of the gzip program. Python's default is slower and compresses little more.
_GZIP_LEVEL = 6
#: The most decompressed bytes that are read at a time.
_CHUNK_BYTES = 32 * 1024
#: The most compressed bytes that are read at a time.
_PIECE_BYTES = 8 * 1024
#: The most bytes of a header or trailer that are read at a time.
_HEADER_BYTES = 16
#: The decompressed bytes to which the limit on expansion does not apply: 4 MiB.
_FREE_BYTES = 4 * 1024 * 1024
#: The errors before which the libraries return all data: a truncated file, and a wrong checksum or
#: header of gzip.
_EXACT_ERRORS = (EOFError, gzip.BadGzipFile)


class Source(Protocol):
    """A binary file that is read; it returns no bytes at the end."""

    def read(self, size: int, /) -> bytes:
        """Return at most this many bytes."""

    def readline(self, size: int, /) -> bytes:
        """Return at most this many bytes, up to the end of the line."""


class Target(Protocol):
    """A binary file that is written."""

    def write(self, data: bytes, /) -> int:
        """Write bytes."""


class CorruptCompressionError(DecodeError):
    """Compressed data is corrupt or truncated."""


@contextmanager
def open_source(file: StreamFile, max_expansion: int = MAX_EXPANSION) -> Iterator[Source]:
    """Open a path for reading and decompress it by its extension; open files are used unchanged.

    Raises:
        DecodeError: It is neither a path nor an open file.
        MissingExtraError: The package for the compression is not installed.
        OSError: The path cannot be opened.
    """
    if isinstance(file, (str, PathLike)):
        with (
            open(file, "rb") as raw,
            decompressed(raw, fspath(file), max_expansion) as source,
        ):
            yield source
    elif hasattr(file, "read"):
        yield file
    else:
        raise DecodeError(f"expected a path or an open binary file, got {shorten(file)}")


@contextmanager
def decompressed(raw: IO[bytes], name: str, max_expansion: int = MAX_EXPANSION) -> Iterator[Source]:
    """Decompress a file by the extension of its name; other files are read unchanged.

    Args:
        raw: The file.
        name: The name of the file.
        max_expansion: The most bytes that each compressed byte may expand to, after a free start.
    """
    extension = splitext(name)[1].lower()
    if extension == ".gz":
        compression = _Compression(
            lambda file: gzip.GzipFile(fileobj=file, mode="rb"),
            (EOFError, zlib.error, gzip.BadGzipFile),
        )
    elif extension == ".zst":
        zstd = _zstd()
        compression = _Compression(zstd.ZstdFile, (EOFError, zstd.ZstdError))
    else:
        yield raw
        return
    yield _CheckedSource(_DecompressedFile(raw, compression, max_expansion))


@dataclass(frozen=True, slots=True)
class _Compression:
    """A compression.

    Attributes:
        open: Opens a compressed file; the result has ``read1``.
        errors: The errors of the library about compressed data.
    """

    open: Callable[[Any], Any]
    errors: tuple[type[Exception], ...]


class _CheckedSource:
    """Reads compressed data; an error in it is raised after all data before it was read."""

    def __init__(self, file: _DecompressedFile) -> None:
        self._file = file
        self._buffered = io.BufferedReader(file, _CHUNK_BYTES)

    def read(self, size: int, /) -> bytes:
        return self._buffered.read(size) or self._at_end()

    def readline(self, size: int, /) -> bytes:
        return self._buffered.readline(size) or self._at_end()

    def _at_end(self) -> bytes:
        if self._file.error is not None:
            raise self._file.error
        return b""


class _DecompressedFile(io.RawIOBase):
    """A decompressed file, which ends before the first error in its compressed data.

    Attributes:
        error: The error; ``None`` if there is none so far.
    """

    def __init__(self, raw: IO[bytes], compression: _Compression, max_expansion: int) -> None:
        self.error: DecodeError | None = None
        self._raw = raw
        self._compression = compression
        self._max_expansion = max_expansion
        self._start = raw.tell() if raw.seekable() else None
        self._compressed = _CompressedBytes(raw)
        self._file = compression.open(self._compressed)
        self._size = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        if self.error is not None:
            return 0
        try:
            data = self._file.read1(len(buffer))
            if not data and not self._compressed.count:
                raise EOFError
        except self._compression.errors as error:
            self.error = _corrupt(error)
            data = b"" if isinstance(error, _EXACT_ERRORS) else self._before_error(len(buffer))
        buffer[: len(data)] = data
        self._size += len(data)
        if self._size > _FREE_BYTES + self._max_expansion * self._compressed.count:
            self.error = LimitError(
                f"compressed data that expands {-(-self._size // self._compressed.count)} times",
                "max_expansion",
                self._max_expansion,
            )
        return len(data)

    def _before_error(self, most: int) -> bytes:
        """Return the data between the last read and the error.

        The libraries discard what a call decompressed if it fails. So the file is decompressed
        again, and the compressed bytes around the error are given to the library one by one.
        """
        if self._start is None:
            return b""
        self._raw.seek(self._start)
        bulk = self._compressed.count - 2 * _PIECE_BYTES
        again = self._compression.open(_CompressedBytes(self._raw, bulk))
        data = b""
        at = 0
        with suppress(*self._compression.errors):
            while len(data) < most and (part := again.read1(_CHUNK_BYTES)):
                data += part[max(self._size - at, 0) :]
                at += len(part)
        return data[:most]


class _CompressedBytes:
    """The bytes of a compressed file, in pieces; after ``bulk`` bytes, they are read one by one.

    Attributes:
        count: The number of bytes that were read.
    """

    def __init__(self, raw: IO[bytes], bulk: int | None = None) -> None:
        self.count = 0
        self._raw = raw
        self._bulk = bulk

    def read(self, size: int = -1, /) -> bytes:
        most = _PIECE_BYTES
        if self._bulk is not None:
            most = min(most, max(self._bulk - self.count, 1))
        # A short read is for a header, and must be complete.
        if size < 0 or size > max(most, _HEADER_BYTES):
            size = most
        data = self._raw.read(size)
        self.count += len(data)
        return data


def _corrupt(error: Exception) -> CorruptCompressionError:
    if isinstance(error, EOFError):
        return CorruptCompressionError("the compressed data is truncated")
    return CorruptCompressionError(f"the compressed data is corrupt: {error}")


@contextmanager
def open_target(file: StreamFile) -> Iterator[Target]:
    """Open a path for writing and compress it by its extension; open files are used unchanged.

    Raises:
        MissingExtraError: The package for the compression is not installed.
        OSError: The path cannot be opened.
    """
    if isinstance(file, (str, PathLike)):
        check_compression(fspath(file))
        with open(file, "wb") as raw, compressed(raw, fspath(file)) as target:
            yield target
    else:
        yield file


@contextmanager
def compressed(raw: IO[bytes], name: str) -> Iterator[Target]:
    """Compress a file by the extension of its name; other files are written unchanged.

    The same data gives the same file, since the file contains neither its name nor the time.
    """
    extension = splitext(name)[1].lower()
    if extension == ".gz":
        with gzip.GzipFile(
            filename="", fileobj=raw, mode="wb", compresslevel=_GZIP_LEVEL, mtime=0
        ) as target:
            yield target
    elif extension == ".zst":
        with _zstd().ZstdFile(raw, "wb") as target:
            yield target
    else:
        yield raw


def check_compression(name: str) -> None:
    """Raise if the package for the compression of a file is not installed.

    Raises:
        MissingExtraError: It is not installed.
    """
    if splitext(name)[1].lower() == ".zst":
        _zstd()


def _zstd() -> Any:
    """Import Zstandard: a module of Python since 3.14, and a package for earlier versions."""
    try:
        return import_module("compression.zstd")
    except ImportError:
        return optional_module("backports.zstd", "zstd")
