"""The C++ project: the code of its guide, and the build by the commands of the guide."""

from __future__ import annotations

import os
import shutil
import sys
from functools import partial
from pathlib import Path

from interop import programs
from interop.builds import kept_build
from interop.programs import ROOT, SCHEMA
from interop.toolchains import CPP, require, system_path
from pages import blocks, files

PROJECT = ROOT / "tests" / "interop" / "cpp"
BUILD = PROJECT / "build"
GUIDE = (ROOT / "docs" / "cpp.md").read_text(encoding="utf-8")

#: The C++ files of the guide without the line that names them, by that name.
PROGRAMS = {
    name: code.removeprefix(f"// {name}\n")
    for name, code in files(GUIDE).items()
    if name.endswith(".cc")
}

INSTALLING, BUILDING = blocks(GUIDE, "sh")

# The programs of the Python environment come last.
SEARCH_PATH = os.pathsep.join([system_path(), str(Path(sys.executable).parent)])

run = partial(programs.run, folder=BUILD, PATH=SEARCH_PATH)


def build() -> Path:
    """Build the executor and the programs of the guide, and return their folder."""
    tools = require(CPP)

    def make() -> None:
        shutil.copy(PROJECT / "CMakeLists.txt", BUILD)
        shutil.copytree(PROJECT / "src", BUILD / "src")
        for path, code in PROGRAMS.items():
            (BUILD / path).write_text(code, encoding="utf-8")
        run(BUILDING)

    kept_build(
        BUILD,
        [PROJECT / "CMakeLists.txt", *PROJECT.glob("src/*"), SCHEMA],
        make,
        tools=[*tools.values(), BUILDING, *PROGRAMS.values()],
    )
    return BUILD
