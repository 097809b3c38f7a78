"""Formats Python source that a generator spells, so that what is committed reads like the rest."""

from __future__ import annotations

import subprocess
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def formatted(source: str) -> str:
    """Return Python source as `ruff format` writes it with the repository's settings."""
    ruff = Path(sysconfig.get_path("scripts")) / "ruff"
    command = [str(ruff), "format", "--stdin-filename", "generated.py", "-"]
    done = subprocess.run(
        command, cwd=ROOT, input=source, check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout
