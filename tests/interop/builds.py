"""Builds of foreign code that are kept: one is made anew only when what goes into it changes."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

#: The file in the folder of a finished build that tells what went into it.
STAMP = ".made-from"


def kept_build(
    folder: Path,
    inputs: Iterable[Path],
    build: Callable[[], object],
    *,
    tools: Iterable[str] = (),
) -> bool:
    """Build into a folder, unless it holds a finished build of the same inputs.

    The folder is empty when the build begins. A build that fails leaves no stamp, so that the next
    one starts anew.

    Args:
        folder: What the build writes into; git ignores it.
        inputs: The files that go into the build.
        build: Makes it, and raises when it fails.
        tools: What else decides the outcome, such as the versions of the compiler.

    Returns:
        Whether it was built.
    """
    stamp = folder / STAMP
    made_from = _fingerprint(inputs, tools)
    if stamp.is_file() and stamp.read_text() == made_from:
        return False
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    build()
    stamp.write_text(made_from)
    return True


def _fingerprint(inputs: Iterable[Path], tools: Iterable[str]) -> str:
    lines = [f"{tool}\n" for tool in tools]
    for path in sorted(inputs):
        lines.append(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path}\n")
    return "".join(lines)
