"""Builds of other languages: one is made again only when its inputs change.

Test processes that run at the same time, and one started later, use the same build.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

#: The file in the folder of a finished build that lists its inputs.
STAMP = ".made-from"


def kept_build(
    folder: Path,
    inputs: Iterable[Path],
    build: Callable[[], object],
    *,
    tools: Iterable[str] = (),
) -> bool:
    """Build into a folder, unless it contains a finished build of the same inputs.

    The folder is empty when the build begins. A build that fails leaves no stamp, so that the next
    one starts from nothing. While one process builds, others wait.

    Args:
        folder: The folder for the output of the build; git ignores it.
        inputs: The files that the build reads.
        build: Runs the build, and raises when it fails.
        tools: The other inputs, such as the versions of the compiler.

    Returns:
        Whether this call built it.
    """
    stamp = folder / STAMP
    with _locked(folder):
        made_from = _fingerprint(inputs, tools)
        if stamp.is_file() and stamp.read_text() == made_from:
            return False
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        build()
        stamp.write_text(made_from)
        return True


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other processes, and other calls in this one, from building into a folder."""
    with open(folder.with_name(f".{folder.name}.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _fingerprint(inputs: Iterable[Path], tools: Iterable[str]) -> str:
    lines = [f"{tool}\n" for tool in tools]
    for path in sorted(inputs):
        lines.append(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path}\n")
    return "".join(lines)
