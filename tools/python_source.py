"""Formats generated Python source like the rest of the repository."""

from __future__ import annotations

import subprocess
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

_RUFF = Path(sysconfig.get_path("scripts")) / "ruff"


def formatted(source: str, *, width: int | None = None) -> str:
    """Return Python source with its imports sorted, as `ruff format` formats it.

    Args:
        source: The source.
        width: The length of a line; ``None`` for that of the repository.
    """
    sorted_source = _ruff(source, "check", "--select", "I", "--fix", "--quiet")
    return _ruff(sorted_source, "format", *(() if width is None else ("--line-length", str(width))))


def _ruff(source: str, *command: str) -> str:
    done = subprocess.run(
        [str(_RUFF), *command, "--stdin-filename", "generated.py", "-"],
        cwd=ROOT,
        input=source,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return done.stdout
