"""Compression: reading and writing of compressed files in constant memory."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from os import PathLike, fspath
from os.path import splitext
from typing import IO, Any, BinaryIO, Protocol

from crucible_ir.errors import DecodeError
from crucible_ir.extras import optional_module

#: The name of a file, or an open binary file.
StreamFile = str | PathLike[str] | BinaryIO

#: The default level of the gzip program. Python's default is slower and compresses little more.
_GZIP_LEVEL = 6


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
def open_source(file: StreamFile) -> Iterator[Source]:
    """Open a path for reading and decompress it by its extension; open files are used unchanged.

    Raises:
        MissingExtraError: The package for the compression is not installed.
        OSError: The path cannot be opened.
    """
    if isinstance(file, (str, PathLike)):
        with open(file, "rb") as raw, decompressed(raw, fspath(file)) as source:
            yield source
    else:
        yield file


@contextmanager
def decompressed(raw: IO[bytes], name: str) -> Iterator[Source]:
    """Decompress a file by the extension of its name; other files are read unchanged."""
    extension = splitext(name)[1].lower()
    if extension == ".gz":
        with gzip.GzipFile(fileobj=raw, mode="rb") as unzipped:
            yield _CompressedSource(unzipped, (EOFError, zlib.error, gzip.BadGzipFile))
    elif extension == ".zst":
        zstd = _zstd()
        with zstd.ZstdFile(raw, "rb") as unzipped:
            yield _CompressedSource(unzipped, (EOFError, zstd.ZstdError))
    else:
        yield raw


class _CompressedSource:
    """Reads compressed data, and converts the errors of its library."""

    def __init__(self, file: Any, errors: tuple[type[Exception], ...]) -> None:
        self.file = file
        self.errors = errors

    def read(self, size: int, /) -> bytes:
        try:
            data: bytes = self.file.read(size)
        except self.errors as error:
            raise _corrupt(error) from None
        return data

    def readline(self, size: int, /) -> bytes:
        try:
            line: bytes = self.file.readline(size)
        except self.errors as error:
            raise _corrupt(error) from None
        return line


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
