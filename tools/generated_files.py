"""Generated files: compare them with those of the repository, and bring these up to date."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

#: Generated files by their paths in the repository.
Files = Mapping[str, bytes]


def check_is_asked_for(description: str | None) -> bool:
    """Parse the command line of a generator: return whether it must only check."""
    arguments = argparse.ArgumentParser(description=description)
    arguments.add_argument("--check", action="store_true", help="change nothing; fail if stale")
    check: bool = arguments.parse_args().check
    return check


def compare(fresh: Files, folders: Iterable[str] = (), root: Path = ROOT) -> list[str]:
    """Describe each file that differs, is missing or is stale.

    Args:
        fresh: The files as they must be.
        folders: The folders that contain generated files only, as patterns: other files are stale.
        root: The folder of the repository.
    """
    problems = [f"stale: {path}" for path in _stale(fresh, folders, root)]
    for path, content in fresh.items():
        if not (root / path).is_file():
            problems.append(f"missing: {path}")
        elif (root / path).read_bytes() != content:
            problems.append(f"differs: {path}")
    return sorted(problems)


def update(fresh: Files, folders: Iterable[str] = (), root: Path = ROOT) -> list[str]:
    """Bring the files up to date and describe each change; a file that agrees is not touched."""
    changes = []
    for path in _stale(fresh, folders, root):
        (root / path).unlink()
        changes.append(f"removed {path}")
    for path, content in fresh.items():
        target = root / path
        if target.is_file() and target.read_bytes() == content:
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        changes.append(f"wrote {path}")
    return changes


def report(problems: list[str]) -> int:
    """Print the problems that `compare` found, and return the exit status."""
    for problem in problems:
        print(problem)
    if problems:
        print("Generated files are out of date: run `make generate` and commit the result.")
        return 1
    print("Generated files are up to date.")
    return 0


def _stale(fresh: Files, folders: Iterable[str], root: Path) -> list[str]:
    found = {
        path.relative_to(root).as_posix()
        for pattern in folders
        for folder in root.glob(pattern)
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    return sorted(found - fresh.keys())
