"""Where a command's output goes: whole to a file or not at all, or to standard output."""

from __future__ import annotations

import os
import stat
import sys
import tempfile

from crucible_ir.cli.inputs import STANDARD
from crucible_ir.cli.session import CannotRunError, reason_of


def write_output(name: str, content: bytes) -> None:
    """Write a file, or standard output for ``-``.

    A file appears under its name only when it is complete; one that was there before keeps its
    content until then, and its permissions.

    Raises:
        CannotRunError: It cannot be written.
    """
    # A link to whatever file standard output goes to must not be replaced under the shell's feet.
    if name in (STANDARD, "/dev/stdout"):
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    try:
        _write_file(os.path.realpath(name), content)
    except OSError as error:
        raise CannotRunError(f"{name}: cannot be written: {reason_of(error)}") from None


def _write_file(name: str, content: bytes) -> None:
    try:
        mode = os.stat(name).st_mode
    except FileNotFoundError:
        mode = stat.S_IFREG | (0o666 & ~_umask())
    if not stat.S_ISREG(mode):
        # A pipe or a device has no content to keep, and must not be replaced by a file.
        with open(name, "wb") as target:
            target.write(content)
        return
    descriptor, temporary = tempfile.mkstemp(prefix=".", suffix=".tmp", dir=os.path.dirname(name))
    try:
        with os.fdopen(descriptor, "wb") as target:
            target.write(content)
        os.chmod(temporary, stat.S_IMODE(mode))
        os.replace(temporary, name)
    except BaseException:
        os.unlink(temporary)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
