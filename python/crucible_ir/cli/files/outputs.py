"""Where a command's output goes: whole to a file or not at all, or to standard output."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from crucible_ir.cli.files.inputs import STANDARD
from crucible_ir.cli.session import CannotRunError, reason_of


def write_output(name: str, content: bytes) -> None:
    """Write a file, or standard output for ``-``, as `open_output` does.

    Raises:
        CannotRunError: It cannot be written.
    """
    with open_output(name) as target:
        target.write(content)


@contextmanager
def open_output(name: str) -> Iterator[IO[bytes]]:
    """Open a file for writing, or standard output for ``-``.

    A file appears under its name only when it is complete; one that was there before keeps its
    content until then, and its permissions. Where writing ends with an error, nothing changes.

    Raises:
        CannotRunError: It cannot be written.
    """
    # A link to whatever file standard output goes to must not be replaced under the shell's feet.
    if name in (STANDARD, "/dev/stdout"):
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    try:
        with _open_file(os.path.realpath(name)) as target:
            yield target
    except OSError as error:
        raise CannotRunError(f"{name}: cannot be written: {reason_of(error)}") from None


@contextmanager
def _open_file(name: str) -> Iterator[IO[bytes]]:
    try:
        mode = os.stat(name).st_mode
    except FileNotFoundError:
        mode = stat.S_IFREG | (0o666 & ~_umask())
    if not stat.S_ISREG(mode):
        # A pipe or a device has no content to keep, and must not be replaced by a file.
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
