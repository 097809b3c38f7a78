"""Compressed files, read and written as plain bytes in constant memory."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from os import PathLike, fspath
from os.path import splitext
from typing import IO, Any, BinaryIO, Protocol

from crucible_ir.errors import DecodeError, Error

#: A file by its name, or an open binary file.
StreamFile = str | PathLike[str] | BinaryIO

#: The default of the program gzip; that of Python is slower and hardly smaller.
_GZIP_LEVEL = 6


class Source(Protocol):
    """A binary file to read from; no bytes mean the end."""

    def read(self, size: int, /) -> bytes:
        """Return at most this many bytes."""

    def readline(self, size: int, /) -> bytes:
        """Return at most this many bytes, up to the end of the line."""


class Target(Protocol):
    """A binary file to write to."""

    def write(self, data: bytes, /) -> int:
        """Write bytes."""


class CorruptCompressionError(DecodeError):
    """Compressed data is damaged or truncated."""


class CompressionMissingError(Error):
    """The package that a compression needs is not installed."""


@contextmanager
def open_source(file: StreamFile) -> Iterator[Source]:
    """Open a path for reading, or lend an open file; a path that is compressed is decompressed.

    Raises:
        CompressionMissingError: What decompresses it is not installed.
        OSError: The path cannot be opened.
    """
    if isinstance(file, (str, PathLike)):
        with open(file, "rb") as raw, decompressed(raw, fspath(file)) as source:
            yield source
    else:
        yield file


@contextmanager
def decompressed(raw: IO[bytes], name: str) -> Iterator[Source]:
    """Read a file through the decompression that its name's ending asks for, if any."""
    ending = splitext(name)[1].lower()
    if ending == ".gz":
        with gzip.GzipFile(fileobj=raw, mode="rb") as unzipped:
            yield _Checked(unzipped, (EOFError, zlib.error, gzip.BadGzipFile))
    elif ending == ".zst":
        zstd = _zstd()
        with zstd.ZstdFile(raw, "rb") as unzipped:
            yield _Checked(unzipped, (EOFError, zstd.ZstdError))
    else:
        yield raw


class _Checked:
    """Reads compressed data, and gives what each library says of damage one type."""

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
        return CorruptCompressionError("the compressed data is cut off")
    return CorruptCompressionError(f"the compressed data is damaged: {error}")


@contextmanager
def open_target(file: StreamFile) -> Iterator[Target]:
    """Open a path for writing, or lend an open file; the path's ending may ask for compression.

    Raises:
        CompressionMissingError: What compresses it is not installed.
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
    """Write to a file through the compression that its name's ending asks for, if any.

    The same bytes give the same file: neither its name nor the time goes into it.
    """
    ending = splitext(name)[1].lower()
    if ending == ".gz":
        with gzip.GzipFile(
            filename="", fileobj=raw, mode="wb", compresslevel=_GZIP_LEVEL, mtime=0
        ) as target:
            yield target
    elif ending == ".zst":
        with _zstd().ZstdFile(raw, "wb") as target:
            yield target
    else:
        yield raw


def check_compression(name: str) -> None:
    """Raise if the compression that a name's ending asks for is not installed."""
    if splitext(name)[1].lower() == ".zst":
        _zstd()


def _zstd() -> Any:
    """Import Zstandard: a part of Python from 3.14 on, and before it the package of that part."""
    for module in ("compression.zstd", "backports.zstd"):
        try:
            return import_module(module)
        except ImportError:
            continue
    raise CompressionMissingError(
        'reading and writing .zst needs the package "backports.zstd": pip install'
        ' "crucible-ir[zstd]"'
    )
