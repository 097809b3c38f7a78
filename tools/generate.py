"""Write everything that is derived from the schema, or with --check say where it is out of date."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import generate_betterproto
import generate_blocking_client
import generate_constructors
import generate_guards
import generate_messages
import schema_image
from schema_image import SchemaImage

ROOT = Path(__file__).resolve().parent.parent

#: What writes generated files. Each is given the compiled schema and the folder that holds, or is
#: to hold, the package `crucible_ir`, and writes below it and nowhere else.
GENERATORS: tuple[Callable[[SchemaImage, Path], None], ...] = (
    generate_messages.generate,
    generate_constructors.generate,
    generate_guards.generate,
    generate_betterproto.generate,
    generate_blocking_client.generate,
)

#: The folders that hold generated files only: a file there that no generator writes is stale.
GENERATED_FOLDERS = ("crucible_ir/**/v[0-9]*", generate_betterproto.GENERATED.as_posix())


def main() -> int:
    """Generate into a temporary folder, then compare it with the repository or copy it there."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--check", action="store_true", help="change nothing; fail if stale")
    check = arguments.parse_args().check
    try:
        with tempfile.TemporaryDirectory() as folder:
            fresh = generate(Path(folder))
    except subprocess.CalledProcessError as error:
        print(f"generate: {error.cmd[0]} failed; its message is above", file=sys.stderr)
        return 1
    committed = ROOT / "python"
    return report(compare(fresh, committed)) if check else update(fresh, committed)


def generate(folder: Path) -> dict[str, bytes]:
    """Run every generator on the repository's schema and read what they wrote, by relative path."""
    image = schema_image.build(ROOT)
    for generator in GENERATORS:
        generator(image, folder)
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def compare(fresh: dict[str, bytes], committed: Path) -> list[str]:
    """Describe each generated file that differs, is missing or is stale; empty when all agree."""
    problems = [f"stale: {path}" for path in stale_files(fresh, committed)]
    for path, content in fresh.items():
        if not (committed / path).is_file():
            problems.append(f"missing: {path}")
        elif (committed / path).read_bytes() != content:
            problems.append(f"differs: {path}")
    return sorted(problems)


def report(problems: list[str]) -> int:
    """Print the problems and return the exit status that they call for."""
    for problem in problems:
        print(problem)
    if problems:
        print("Generated files do not match the schema: run `make generate` and commit the result.")
        return 1
    print("Generated files match the schema.")
    return 0


def update(fresh: dict[str, bytes], committed: Path) -> int:
    """Bring the repository's generated files up to date; a file that agrees is left untouched."""
    for path in stale_files(fresh, committed):
        print(f"removed {path}")
        (committed / path).unlink()
    for path, content in fresh.items():
        target = committed / path
        if target.is_file() and target.read_bytes() == content:
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        print(f"wrote {path}")
    return 0


def stale_files(fresh: dict[str, bytes], committed: Path) -> list[str]:
    """List the files of the generated folders that no generator wrote."""
    found = {
        path.relative_to(committed).as_posix()
        for pattern in GENERATED_FOLDERS
        for folder in committed.glob(pattern)
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    return sorted(found - fresh.keys())


if __name__ == "__main__":
    sys.exit(main())
