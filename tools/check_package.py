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

#: What the extra for betterproto2 brings: neither needed nor imported without it.
BETTERPROTO = ("betterproto2", "grpclib", "dateutil")

BASE_CHECK = f"""\
import importlib.util, sys
import crucible_ir as ir
assert ir.from_json(ir.to_json(ir.new_stage_def(name="s")), "StageDef").name == "s"
there = [name for name in {BETTERPROTO!r} if importlib.util.find_spec(name)]
assert not there, f"the base install brings {{there}}"
try:
    import crucible_ir.betterproto
except ImportError as error:
    assert "pip install 'crucible-ir[betterproto]'" in str(error), error
else:
    raise AssertionError("crucible_ir.betterproto was imported without its extra")
print("Without its extra, crucible_ir.betterproto says what to install.")
"""

BETTERPROTO_CHECK = f"""\
import sys
import crucible_ir as ir
message = ir.new_stage_def(name="s", options={{"n": 1}})
assert not [name for name in {BETTERPROTO!r} if name in sys.modules]
from crucible_ir.betterproto import from_betterproto, to_betterproto, v1
from crucible_ir.betterproto.exchange import v1 as exchange_v1
import google.protobuf.struct_pb2
converted = to_betterproto(message, v1.StageDef)
assert from_betterproto(converted) == message and exchange_v1.ExchangeServiceStub
print("With its extra, crucible_ir.betterproto converts a message:", converted)
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
    """Install the wheel into a new environment and run what it offers, then with an extra."""
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
    run(python, "-c", python_of("README.md"), cwd=elsewhere)
    print("The README's Python ran as written.")
    run(python, "-c", BASE_CHECK, cwd=elsewhere)
    run(python, "-m", "pip", "install", "--quiet", f"{wheel}[betterproto]")
    run(python, "-m", "pip", "check")
    run(python, "-c", BETTERPROTO_CHECK, cwd=elsewhere)
    run(python, "-c", python_of("docs/python-betterproto.md"), cwd=elsewhere)
    print("The Python of docs/python-betterproto.md ran as written.")
    empty = folder / "empty"
    empty.mkdir()
    executor = (python, "-m", "crucible_ir.conformance.executor")
    run(program, "conformance", "run", "--", *executor, cwd=empty)


def python_of(page: str) -> str:
    """Join a page's Python blocks, which continue one another, into one script.

    Args:
        page: The page's path in the repository.

    Raises:
        PackageError: The page shows no Python.
    """
    blocks = PYTHON_BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))
    if not blocks:
        raise PackageError(f"{page} shows no Python to run")
    return "\n".join(blocks)


def run(*command: str, cwd: Path | None = None) -> None:
    """Run a command, free of settings that would let it import from the repository."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    sys.stdout.flush()
    subprocess.run(command, check=True, cwd=cwd, env=environment)


if __name__ == "__main__":
    sys.exit(main())
