"""The C++ project: the executor, and the project of the guide that it is built in."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from interop import programs
from interop.programs import ROOT, SCHEMA
from interop.toolchains import CPP, require, system_path
from pages import blocks, files

from kept_builds import kept_build

PROJECT = ROOT / "tests" / "interop" / "cpp"
BUILD = PROJECT / "build"
GUIDE = (ROOT / "docs" / "cpp.md").read_text(encoding="utf-8")
SETTINGS = files(GUIDE)["CMakeLists.txt"]

# Each program is built by the same commands.
INSTALLING, GENERATING, BUILDING, *_ = blocks(GUIDE, "sh")

# The programs of the Python environment come last.
SEARCH_PATH = os.pathsep.join([system_path(), str(Path(sys.executable).parent)])


def run(command: str, folder: Path = BUILD) -> str:
    """Run a command line, unless it installs packages: CI has done that."""
    return "" if command == INSTALLING else programs.run(command, folder, PATH=SEARCH_PATH)


def build() -> Path:
    """Build the executor, and return its folder."""
    tools = require(CPP)
    sources = [PROJECT / "executor.cmake", PROJECT / "executor.cc"]

    def make() -> None:
        (BUILD / "CMakeLists.txt").write_text(f"{SETTINGS}include(executor.cmake)\n")
        for source in sources:
            shutil.copy(source, BUILD)
        run(GENERATING)
        run(BUILDING)

    steps = [SETTINGS, GENERATING, BUILDING]
    kept_build(BUILD, [*sources, SCHEMA], make, tools=[*tools.values(), *steps])
    return BUILD
