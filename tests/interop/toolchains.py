"""The toolchains of other languages: detect them, and skip or fail tests without them.

Run as a program, it prints the missing ones.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

#: The seconds that a program has to print its version.
TIMEOUT = 60


@dataclass(frozen=True)
class Program:
    """A program of a toolchain."""

    name: str
    #: The oldest supported version.
    oldest: str
    #: The argument that prints its version, with the number first.
    argument: str = "--version"
    #: The first version that is too new; empty where none is.
    too_new: str = ""


@dataclass(frozen=True)
class Toolchain:
    """The programs that build and run the code of a language."""

    name: str
    programs: tuple[Program, ...]
    #: The C++ headers that the first program must find.
    headers: tuple[str, ...] = ()
    #: The modules of Erlang that the first program must find.
    erlang_modules: tuple[str, ...] = ()


CPP = Toolchain(
    "C++",
    (Program("c++", "9"), Program("cmake", "3.16"), Program("protoc", "3.21", too_new="3.22")),
    headers=("google/protobuf/util/json_util.h",),
)
ELIXIR = Toolchain(
    "Elixir", (Program("elixir", "1.14", "--short-version"),), erlang_modules=("jiffy",)
)
GO = Toolchain("Go", (Program("go", "1.26", "version"),))
NODE = Toolchain("Node.js", (Program("node", "20"), Program("npm", "10")))
JAVA = Toolchain("Java", (Program("java", "17"), Program("javac", "17"), Program("mvn", "3.8")))
RUST = Toolchain("Rust", (Program("cargo", "1.89"),))
TOOLCHAINS = (CPP, ELIXIR, GO, JAVA, NODE, RUST)


class AbsentError(Exception):
    """A toolchain is not installed, or too old."""


def versions(toolchain: Toolchain) -> dict[str, str]:
    """Return the version of each program of a toolchain by its name.

    Raises:
        AbsentError: A program is not on the path, prints no version, or is too old or too new; or
            a header or a module is missing.
    """
    found = {program.name: _version(toolchain, program) for program in toolchain.programs}
    for header in toolchain.headers:
        _find(toolchain, header, "-fsyntax-only", "-include", header, "-x", "c++", os.devnull)
    for module in toolchain.erlang_modules:
        _find(toolchain, module, "-e", f"{{:module, _}} = Code.ensure_loaded(:{module})")
    return found


def require(toolchain: Toolchain) -> dict[str, str]:
    """Return the versions of a toolchain; without it, skip the test by name, or fail it on CI."""
    try:
        return versions(toolchain)
    except AbsentError as absent:
        if os.environ.get("CI"):
            pytest.fail(str(absent))
        pytest.skip(str(absent))


def _version(toolchain: Toolchain, program: Program) -> str:
    path = shutil.which(program.name, path=system_path())
    if path is None:
        raise AbsentError(
            f"{toolchain.name} is not installed: there is no {program.name}, of which"
            f" {program.oldest} or later is needed"
        )
    try:
        said = subprocess.run(
            [path, program.argument], capture_output=True, text=True, check=True, timeout=TIMEOUT
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise AbsentError(f"{toolchain.name} does not work: {error}") from error
    # Maven colours its output even when it is not a terminal.
    number = re.search(r"\d+(\.\d+)*", re.sub(r"\x1b\[[\d;]*m", "", said.stdout))
    if number is None:
        raise AbsentError(f"{toolchain.name} does not work: {program.name} prints no version")
    if _parts(number[0]) < _parts(program.oldest):
        raise AbsentError(
            f"{toolchain.name} is too old: {program.name} is {number[0]}, not {program.oldest}"
            " or later"
        )
    if program.too_new and _parts(number[0]) >= _parts(program.too_new):
        raise AbsentError(
            f"{toolchain.name} is too new: {program.name} is {number[0]}, not before"
            f" {program.too_new}"
        )
    return number[0]


def system_path() -> str:
    """Return the search path without this environment, whose protoc is not that of the system."""
    own = str(Path(sys.executable).parent)
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return os.pathsep.join(folder for folder in folders if folder != own)


def _find(toolchain: Toolchain, sought: str, *question: str) -> None:
    """Ask the first program of a toolchain whether it finds a header or a module."""
    program = toolchain.programs[0].name
    try:
        subprocess.run([program, *question], capture_output=True, check=True, timeout=TIMEOUT)
    except (OSError, subprocess.SubprocessError) as error:
        raise AbsentError(
            f"{toolchain.name} is not installed: {program} does not find {sought}"
        ) from error


def _parts(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def _absences() -> Iterator[str]:
    for toolchain in TOOLCHAINS:
        try:
            versions(toolchain)
        except AbsentError as absent:
            yield str(absent)


if __name__ == "__main__":
    for absence in _absences():
        print(absence)
