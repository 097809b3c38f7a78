"""Run programs with those of this environment on the path."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = ROOT / "python" / "crucible_ir" / "schema" / "descriptors.binpb"

#: Seconds that a build or a program has.
TIMEOUT = 1200


def search_path(*folders: Path) -> str:
    """Return a search path of some folders, this environment's programs, and the usual ones."""
    return os.pathsep.join(
        (*map(str, folders), str(Path(sys.executable).parent), os.environ["PATH"])
    )


def run(command: str, folder: Path, **environment: str) -> str:
    """Run a command line with crucible-ir, buf and protoc on its path.

    Args:
        command: The line, for bash.
        folder: Where it runs.
        environment: More environment variables.

    Returns:
        Its output and its errors.

    Raises:
        AssertionError: It failed; the message has its output.
    """
    ran = subprocess.run(
        ["bash", "-ec", command],
        cwd=folder,
        env={**os.environ, "PATH": search_path(), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert ran.returncode == 0, f"$ {command}\n{ran.stdout}"
    return ran.stdout
