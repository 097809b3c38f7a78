"""Write the code that is derived from the schema, or with --check report the files out of date.

It runs in the environment of protoc, `.venv-generate`. `generate_data.py` writes the rest.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import generate_betterproto
import generate_blocking_client
import generate_go
import generate_guards
import generate_messages
import generated_files
import schema_image
from generated_files import ROOT
from schema_image import SchemaImage

#: The generators. Each is given the compiled schema and the folder that contains, or is to contain,
#: the package `crucible_ir`, and writes below it and nowhere else.
GENERATORS: tuple[Callable[[SchemaImage, Path], None], ...] = (
    generate_messages.generate,
    generate_guards.generate,
    generate_betterproto.generate,
    generate_blocking_client.generate,
)

#: The folders that contain generated files only.
GENERATED_FOLDERS: tuple[str, ...] = (
    "python/crucible_ir/**/v[0-9]*",
    f"python/{generate_betterproto.GENERATED.as_posix()}",
)
GENERATED_GO = generate_go.GENERATED.as_posix()


def main() -> int:
    """Generate into a temporary folder, then compare it with the repository or copy it there."""
    check = generated_files.check_is_asked_for(__doc__)
    folders = GENERATED_FOLDERS
    if generate_go.is_possible():
        folders = (*folders, GENERATED_GO)
    else:
        print(f"Go is not installed: {GENERATED_GO} is neither written nor checked.")
        if check and os.environ.get("CI"):
            return 1
    try:
        with tempfile.TemporaryDirectory() as folder:
            fresh = generate(Path(folder))
    except subprocess.CalledProcessError as error:
        print(f"generate: {error.cmd[0]} failed; its message is above", file=sys.stderr)
        return 1
    if check:
        return generated_files.report(generated_files.compare(fresh, folders))
    for change in generated_files.update(fresh, folders):
        print(change)
    return 0


def generate(folder: Path) -> dict[str, bytes]:
    """Run every generator on the repository's schema, and return the files by path."""
    image = schema_image.build(ROOT)
    for generator in GENERATORS:
        generator(image, folder / "python")
    if generate_go.is_possible():
        generate_go.generate(image, folder)
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


if __name__ == "__main__":
    sys.exit(main())
