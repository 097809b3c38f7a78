"""Output to a file, which is written completely or not at all, or to standard output.

One rule holds for all commands: a file that exists is replaced only with ``--force``.
"""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Final, TypeVar

import click

from crucible_ir.cli.files.inputs import STANDARD
from crucible_ir.cli.session import CannotRunError, reason_of
from crucible_ir.serialization.formats import Format, UnknownFormatError
from crucible_ir.serialization.streams.formats import StreamFormat, format_named, format_of

#: Standard output, and links to the file that the shell opened, which must not be replaced.
_STANDARD_OUTPUTS: Final = (STANDARD, "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")

FormatT = TypeVar("FormatT", bound=Format | StreamFormat)


def output_format(
    target: str,
    to_format: str | None,
    known: Mapping[str, FormatT],
    *,
    default: FormatT | None = None,
) -> FormatT:
    """Return the format of an output: that of ``--to``, or the one of its file extension.

    Args:
        target: The name of the file, or ``-``.
        to_format: The value of ``--to``.
        known: The formats that the command writes.
        default: The format of standard output without ``--to``.

    Raises:
        CannotRunError: The extension is not that of a format.
        UsageError: The format is unknown, or the command does not write it.
    """
    names = "|".join(known)
    if to_format is not None:
        format_ = format_named(to_format)
    elif target != STANDARD:
        try:
            format_ = format_of(target)
        except UnknownFormatError as error:
            raise CannotRunError(f"{target}: {error}; give --to {names}") from None
    elif default is not None:
        return default
    else:
        raise click.UsageError(f"the format of standard output is unknown; give --to {names}")
    if format_.name not in known:
        raise click.UsageError(f"the output cannot be {format_.name}: expected {names}")
    return known[format_.name]


def check_terminal(target: str, format_: Format | StreamFormat) -> None:
    """Reject binary output to a terminal.

    Raises:
        UsageError: The target is a terminal and the format is binary.
    """
    document = format_.record if isinstance(format_, StreamFormat) else format_
    if target == STANDARD and not document.is_text and sys.stdout.isatty():
        raise click.UsageError("binary output would garble the terminal: give a file, or redirect")


def check_overwriting(names: Iterable[str], *, force: bool) -> None:
    """Reject outputs that would replace files, before any work is done.

    Standard output, pipes and devices are written to in any case: nothing in them is replaced.

    Args:
        names: The names of the outputs.
        force: Whether files may be replaced.

    Raises:
        CannotRunError: A file exists, and ``force`` is not set.
    """
    existing = [] if force else [name for name in names if _is_file(name)]
    if len(existing) > 1:
        first, *others = existing
        more = others[0] if len(others) == 1 else f"{len(others)} other files"
        raise CannotRunError(f"{first} and {more} exist; replace them with --force")
    if existing:
        raise CannotRunError(f"{existing[0]} exists; replace it with --force")


def _is_file(name: str) -> bool:
    """Return whether an output is a file that exists, and not standard output or a device."""
    return name not in _STANDARD_OUTPUTS and os.path.isfile(name)


def write_output(name: str, content: bytes, *, force: bool) -> None:
    """Write a file, or standard output for ``-``, as `open_output` does.

    Raises:
        CannotRunError: It cannot be written.
    """
    with open_output(name, force=force) as target:
        target.write(content)


@contextmanager
def open_output(name: str, *, force: bool) -> Iterator[IO[bytes]]:
    """Open a file for writing, or standard output for ``-``.

    The file appears only when it is complete. A file that is replaced keeps its permissions. If
    writing fails, nothing changes.

    Args:
        name: The name of the file, or ``-``.
        force: Whether a file that exists is replaced.

    Raises:
        CannotRunError: It exists and ``force`` is not set, or it cannot be written.
    """
    if name in _STANDARD_OUTPUTS:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    check_overwriting([name], force=force)
    try:
        with _open_file(os.path.realpath(name)) as target:
            yield target
            # It may have appeared while the output was made.
            check_overwriting([name], force=force)
    except OSError as error:
        raise CannotRunError(f"{name}: cannot be written: {reason_of(error)}") from None


@contextmanager
def _open_file(name: str) -> Iterator[IO[bytes]]:
    try:
        mode = os.stat(name).st_mode
    except FileNotFoundError:
        mode = stat.S_IFREG | (0o666 & ~_umask())
    if not stat.S_ISREG(mode):
        # A pipe or a device must not be replaced by a file.
        with open(name, "wb") as target:
            yield target
        return
    descriptor, temporary = tempfile.mkstemp(prefix=".", suffix=".tmp", dir=os.path.dirname(name))
    try:
        with os.fdopen(descriptor, "wb") as target:
            yield target
        os.chmod(temporary, stat.S_IMODE(mode))
        os.replace(temporary, name)
    except BaseException:
        os.unlink(temporary)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
