"""Build the sdist and the wheel, and try the wheel in a new environment outside the repository."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

#: Which folder of the repository becomes which folder of the wheel.
SHIPPED = {
    "python/crucible_ir": "crucible_ir",
    "proto": "crucible_ir/proto",
    "tests/vectors/conformance": "crucible_ir/conformance/suites",
}

PYTHON_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)

IMPORT_CHECK = """\
import importlib.metadata, pathlib, sys
import crucible_ir
installed = pathlib.Path(crucible_ir.__file__)
assert installed.is_relative_to(sys.prefix), f"imported from {installed}, not from the wheel"
print("crucible-ir", importlib.metadata.version("crucible-ir"), "imported from", installed.parent)
"""


class PackageError(Exception):
    """The built package is not what it should be."""


def main() -> int:
    """Run the checks in a temporary folder and return the exit status."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            wheel = build(folder)
            check_contents(wheel)
            check_installed(wheel, folder)
        except PackageError as error:
            print(f"check_package: {error}", file=sys.stderr)
            return 1
        except subprocess.CalledProcessError as error:
            print(f"check_package: {error.cmd[0]} failed; see above", file=sys.stderr)
            return 1
    print("The package builds, installs and runs.")
    return 0


def build(folder: Path) -> Path:
    """Build the sdist from the repository and the wheel from the sdist; return the wheel's path."""
    run(sys.executable, "-m", "build", "--outdir", str(folder), str(ROOT))
    return next(folder.glob("*.whl"))


def check_contents(wheel: Path) -> None:
    """Compare the wheel's files with the repository's, both ways.

    Raises:
        PackageError: A file is missing, differs, or should not be there.
    """
    with zipfile.ZipFile(wheel) as archive:
        found = {name: archive.read(name) for name in archive.namelist()}
    metadata = {name for name in found if name.split("/")[0].endswith(".dist-info")}
    expected = {
        f"{shipped}/{path.relative_to(ROOT / source).as_posix()}": path.read_bytes()
        for source, shipped in SHIPPED.items()
        for path in (ROOT / source).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    problems = [f"{name} is missing" for name in expected.keys() - found.keys()]
    problems += [f"{name} is extra" for name in found.keys() - expected.keys() - metadata]
    problems += [
        f"{name} differs" for name in expected.keys() & found if found[name] != expected[name]
    ]
    if not any(name.endswith("/licenses/LICENSE") for name in metadata):
        problems.append("the licence is missing")
    if problems:
        raise PackageError(f"{wheel.name}: " + "; ".join(sorted(problems)))
    print(f"{wheel.name} holds {len(expected)} files, each as in the repository.")


def check_installed(wheel: Path, folder: Path) -> None:
    """Install the wheel alone into a new environment and run its import, command and examples."""
    environment = folder / "environment"
    venv.create(environment, with_pip=True)
    python = str(environment / "bin" / "python")
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    shutil.copytree(ROOT / "examples", elsewhere / "examples")
    run(python, "-m", "pip", "install", "--quiet", str(wheel))
    run(python, "-m", "pip", "check")
    run(python, "-c", IMPORT_CHECK, cwd=elsewhere)
    program = str(environment / "bin" / "crucible-ir")
    run(program, "--help", cwd=elsewhere)
    run(python, "-c", readme_example(), cwd=elsewhere)
    print("The README's Python ran as written.")
    empty = folder / "empty"
    empty.mkdir()
    executor = (python, "-m", "crucible_ir.conformance.executor")
    run(program, "conformance", "run", "--", *executor, cwd=empty)


def readme_example() -> str:
    """Join the README's Python blocks, which continue one another, into one script.

    Raises:
        PackageError: The README shows no Python.
    """
    blocks = PYTHON_BLOCK.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    if not blocks:
        raise PackageError("README.md shows no Python to run")
    return "\n".join(blocks)


def run(*command: str, cwd: Path | None = None) -> None:
    """Run a command, free of settings that would let it import from the repository."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    sys.stdout.flush()
    subprocess.run(command, check=True, cwd=cwd, env=environment)


if __name__ == "__main__":
    sys.exit(main())
