"""Toolchains are detected by their programs; without one, a test is skipped, or fails on CI."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from interop.toolchains import (
    CPP,
    ELIXIR,
    GO,
    JAVA,
    NODE,
    RUST,
    AbsentError,
    Program,
    Toolchain,
    require,
    system_path,
    versions,
)

#: The output of the programs on Debian 12; Maven's is coloured.
ANSWERS = {
    "c++ --version": "c++ (Debian 12.2.0-14+deb12u1) 12.2.0\nCopyright (C) 2022 Free Software",
    "cmake --version": "cmake version 3.25.1\n\nCMake suite maintained by Kitware",
    "protoc --version": "libprotoc 3.21.12",
    "elixir --short-version": "1.14.0",
    "go version": "go version go1.26.8 linux/amd64",
    "node --version": "v20.20.2",
    "npm --version": "11.19.1",
    "java --version": "openjdk 21 2023-09-19\nOpenJDK Runtime Environment (build 21+35-2513)",
    "javac --version": "javac 17.0.15",
    "mvn --version": "\x1b[1mApache Maven 3.8.7\x1b[m\nMaven home: /usr/share/maven",
    "cargo --version": "cargo 1.95.0 (f2d3ce0bd 2026-03-21)",
}


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A search path of one folder."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def install(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


#: The tests of programs that find the header of a library, and a module.
FINDING = {
    "c++": '[ "$*" = "-fsyntax-only -include google/protobuf/util/json_util.h -x c++ /dev/null" ]',
    "elixir": '[ "$*" = "-e {:module, _} = Code.ensure_loaded(:jiffy)" ]',
}


def install_answering(folder: Path, question: str, answer: str, otherwise: str = "exit 9") -> None:
    name, option = question.split()
    (folder / f"{name}.txt").write_text(answer)
    # There are only the shell's own commands on this path.
    reading = f'while read -r line; do echo "$line"; done < {folder}/{name}.txt; echo "$line"'
    install(folder, name, f'[ "$*" = {option} ] || {{ {otherwise}; exit; }}\n{reading}')


@pytest.mark.parametrize(
    ("toolchain", "expected"),
    [
        (CPP, {"c++": "12.2.0", "cmake": "3.25.1", "protoc": "3.21.12"}),
        (ELIXIR, {"elixir": "1.14.0"}),
        (GO, {"go": "1.26.8"}),
        (NODE, {"node": "20.20.2", "npm": "11.19.1"}),
        (JAVA, {"java": "21", "javac": "17.0.15", "mvn": "3.8.7"}),
        (RUST, {"cargo": "1.95.0"}),
    ],
    ids=lambda value: value.name if isinstance(value, Toolchain) else "",
)
def test_the_versions_are_read_from_the_output_of_the_programs(
    path: Path, toolchain: Toolchain, expected: dict[str, str]
) -> None:
    for question, answer in ANSWERS.items():
        finding = FINDING.get(question.split()[0], "exit 9")
        install_answering(path, question, answer, finding)
    assert versions(toolchain) == expected
    assert require(toolchain) == expected


TOOLS = Toolchain("Tools", (Program("hammer", "1.9", too_new="3"),))


@pytest.mark.parametrize("said", ["hammer 1.9", "hammer 1.9.0", "hammer 1.10", "2"])
def test_a_version_is_compared_by_its_numbers(path: Path, said: str) -> None:
    install_answering(path, "hammer --version", said)
    assert require(TOOLS)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (
            None,
            "Tools is not installed: there is no hammer, of which 1.9 or later is needed",
        ),
        ("echo hammer 1.8.9", "Tools is too old: hammer is 1.8.9, not 1.9 or later"),
        ("echo hammer 3.0", "Tools is too new: hammer is 3.0, not before 3"),
        ("echo hammer", "Tools does not work: hammer prints no version"),
        ("exit 3", "Tools does not work: .* returned non-zero exit status 3"),
    ],
)
def test_a_test_without_its_toolchain_is_skipped_by_name_and_fails_on_ci(
    path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None, reason: str
) -> None:
    if script is not None:
        install(path, "hammer", script)
    with pytest.raises(AbsentError, match=reason):
        versions(TOOLS)
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match=reason):
        require(TOOLS)
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match=reason):
        require(TOOLS)


@pytest.mark.parametrize(
    ("toolchain", "reason"),
    [
        (CPP, r"C\+\+ is not installed: c\+\+ does not find google/protobuf/util/json_util\.h"),
        (ELIXIR, "Elixir is not installed: elixir does not find jiffy"),
    ],
)
def test_a_library_that_its_program_does_not_find_is_absent(
    path: Path, monkeypatch: pytest.MonkeyPatch, toolchain: Toolchain, reason: str
) -> None:
    for question, answer in ANSWERS.items():
        install_answering(path, question, answer)
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match=reason):
        require(toolchain)


def test_the_programs_of_the_python_environment_are_no_tools_of_the_system(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = str(Path(sys.executable).parent)
    monkeypatch.setenv("PATH", os.pathsep.join([own, str(path), "/elsewhere"]))
    assert system_path() == os.pathsep.join([str(path), "/elsewhere"])
