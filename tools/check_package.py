"""Build the sdist and the wheel, and try the wheel in new environments outside the repository.

It runs on each supported version of Python that is on the path or in pyenv's folder.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

#: The folders of the wheel, by the folders of the repository that they are copies of.
SHIPPED = {
    "python/crucible_ir": "crucible_ir",
    "proto": "crucible_ir/proto",
    "tests/vectors/conformance": "crucible_ir/conformance/suites",
}

#: The tables of the native core. The package has them, and nothing compiled.
TABLES = "python/crucible_ir/schema/tables.binpb"
COMPILED = re.compile(r"\.(so|pyd|dll|dylib|a|o|rlib|exe)$")

PIP_COMMAND = re.compile(r"^pip install '?crucible-ir.*$", re.MULTILINE)
PYTHON_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)

IMPORT_CHECK = """\
import importlib.metadata, pathlib, sys
import crucible_ir
installed = pathlib.Path(crucible_ir.__file__)
assert installed.is_relative_to(sys.prefix), f"imported from {installed}, not from the wheel"
print("crucible-ir", importlib.metadata.version("crucible-ir"), "imported from", installed.parent)
"""

#: The packages of the extra for betterproto2, neither needed nor imported without it.
BETTERPROTO = ("betterproto2", "grpclib", "dateutil")

BASE_CHECK = f"""\
import importlib.util, sys
import crucible_ir as ir
assert ir.from_json(ir.to_json(ir.new_stage_def(name="s")), "StageDef").name == "s"
there = [name for name in {BETTERPROTO!r} if importlib.util.find_spec(name)]
assert not there, f"the base install has {{there}}"
try:
    import crucible_ir.betterproto
except ImportError as error:
    assert "pip install 'crucible-ir[betterproto]'" in str(error), error
else:
    raise AssertionError("crucible_ir.betterproto was imported without its extra")
print("Without its extra, crucible_ir.betterproto names the extra.")
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

EXCHANGE_CHECK = """\
import subprocess, sys
import crucible_ir as ir
from crucible_ir.exchange import ExchangeClient
serve = [sys.executable, "-m", "crucible_ir", "serve", "--listen", "127.0.0.1:0"]
with subprocess.Popen(serve, stdout=subprocess.PIPE, text=True) as server:
    address = server.stdout.readline().removeprefix("listening on ").split()[0]
    with ExchangeClient(address) as client:
        client.publish(ir.new_model_version(id="m", model_id="llama", version="1.0.0"))
        assert client.get(ir.v1.ModelVersion, "m").content.model_id == "llama"
    server.terminate()
print("With its extra, an exchange at", address, "stored a document and returned it.")
"""


class PackageError(Exception):
    """The built package is not as expected."""


def main() -> int:
    """Run the checks in a temporary folder and return the exit status."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            wheel = build(folder)
            check_sdist(next(folder.glob("*.tar.gz")))
            check_contents(wheel)
            for version in supported_versions():
                if (interpreter := find_python(version)) is None:
                    print(f"== Python {version} is not installed: skipped.")
                    continue
                print(f"== Python {version}: {interpreter}")
                (folder / version).mkdir()
                check_installed(wheel, interpreter, folder / version)
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


def check_sdist(sdist: Path) -> None:
    """Check that the sdist has the tables of the native core, and nothing compiled.

    Raises:
        PackageError: It has not.
    """
    with tarfile.open(sdist) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
    problems = [f"{TABLES} is missing"] if TABLES not in names else []
    problems += [f"{name} is compiled" for name in names if COMPILED.search(name)]
    if problems:
        raise PackageError(f"{sdist.name}: " + "; ".join(problems))


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
    problems += [f"{name} is unexpected" for name in found.keys() - expected.keys() - metadata]
    problems += [
        f"{name} differs" for name in expected.keys() & found if found[name] != expected[name]
    ]
    problems += [f"{name} is compiled" for name in found if COMPILED.search(name)]
    if not wheel.name.endswith("-py3-none-any.whl"):
        problems.append("it is not for every platform")
    if not any(name.endswith("/licenses/LICENSE") for name in metadata):
        problems.append("the licence is missing")
    if problems:
        raise PackageError(f"{wheel.name}: " + "; ".join(sorted(problems)))
    print(f"{wheel.name} has {len(expected)} files, each the same as in the repository.")


def supported_versions() -> list[str]:
    """Return the versions of Python that the package names, such as ``3.11``."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return re.findall(r"Python :: (3\.\d+)", "\n".join(project["classifiers"]))


def find_python(version: str) -> str | None:
    """Return the path of an interpreter of a version, or None if there is none that runs."""
    for path in _candidates(version):
        answer = subprocess.run(
            [path, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
            capture_output=True,
            text=True,
            check=False,
        )
        if answer.stdout.strip() == version:
            return path
    return None


def _candidates(version: str) -> Iterator[str]:
    yield sys.executable
    if found := shutil.which(f"python{version}"):
        yield found
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from sorted(map(str, pyenv.glob(f"versions/{version}.*/bin/python3")))


def check_installed(wheel: Path, interpreter: str, folder: Path) -> None:
    """Install the wheel into a new environment and use it, first without and then with extras.

    Args:
        wheel: The path of the wheel.
        interpreter: The Python of the environment.
        folder: An existing folder for the environment and its files.
    """
    environment = folder / "environment"
    # The pip of this environment installs: not every Python of a system has its own.
    run(interpreter, "-m", "venv", "--without-pip", str(environment))
    python = str(environment / "bin" / "python")
    pip = (sys.executable, "-m", "pip", "--python", python)
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    shutil.copytree(ROOT / "examples", elsewhere / "examples")
    run(*pip, "install", "--quiet", str(wheel))
    run(*pip, "check")
    run(python, "-c", IMPORT_CHECK, cwd=elsewhere)
    program = str(environment / "bin" / "crucible-ir")
    run(program, "--help", cwd=elsewhere)
    run(python, "-c", python_of("README.md"), cwd=elsewhere)
    print("The README's Python ran as written.")
    run(python, "-c", BASE_CHECK, cwd=elsewhere)
    install_by_page("docs/python-betterproto.md", python, elsewhere)
    run(*pip, "check")
    run(python, "-c", BETTERPROTO_CHECK, cwd=elsewhere)
    run(python, "-c", python_of("docs/python-betterproto.md"), cwd=elsewhere)
    print("The Python of docs/python-betterproto.md ran as written.")
    empty = folder / "empty"
    empty.mkdir()
    executor = (python, "-m", "crucible_ir.conformance.executor")
    run(program, "conformance", "run", "--", *executor, cwd=empty)
    install_by_page("docs/exchange.md", python, elsewhere)
    run(python, "-c", EXCHANGE_CHECK, cwd=empty)


def install_by_page(page: str, python: str, cwd: Path) -> None:
    """Run the command of a page that adds an extra to the installed package.

    Args:
        page: The page's path in the repository.
        python: The interpreter of the environment.
        cwd: The folder in which it runs.

    Raises:
        PackageError: The page does not have exactly one such command.
    """
    commands = PIP_COMMAND.findall((ROOT / page).read_text(encoding="utf-8"))
    if len(commands) != 1:
        raise PackageError(f"{page} has {len(commands)} commands that install the package")
    pip = f"{sys.executable} -m pip --quiet --python {python}"
    run("bash", "-c", commands[0].replace("pip", pip, 1), cwd=cwd)


def python_of(page: str) -> str:
    """Join the Python blocks of a page into one script.

    Args:
        page: The page's path in the repository.

    Raises:
        PackageError: The page has no Python block.
    """
    blocks = PYTHON_BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))
    if not blocks:
        raise PackageError(f"{page} has no Python block")
    return "\n".join(blocks)


def run(*command: str, cwd: Path | None = None) -> None:
    """Run a command, free of settings that would let it import from the repository."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    sys.stdout.flush()
    subprocess.run(command, check=True, cwd=cwd, env=environment)


if __name__ == "__main__":
    sys.exit(main())
