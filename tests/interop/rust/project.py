"""The Rust project: the code of its guide, and the build by the commands of the guide."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

from interop import programs
from interop.builds import kept_build
from interop.programs import ROOT, SCHEMA
from interop.toolchains import RUST, require
from pages import blocks, files

PROJECT = ROOT / "tests" / "interop" / "rust"
BUILD = PROJECT / "build"
GUIDE = (ROOT / "docs" / "rust.md").read_text(encoding="utf-8")

#: The Rust files of the guide without the line that names them, by that name.
SOURCES = {
    name: code.removeprefix(f"// {name}\n")
    for name, code in files(GUIDE).items()
    if name.endswith(".rs")
}
PROGRAMS = {name: code for name, code in SOURCES.items() if name.startswith("src/bin/")}

run = partial(programs.run, folder=BUILD, CARGO_TARGET_DIR=str(BUILD / "target"))


def build() -> Path:
    """Build the executor and the programs of the guide, and return their folder."""
    tools = require(RUST)
    settings = [PROJECT / "Cargo.toml", PROJECT / "Cargo.lock", PROJECT / "build.rs"]
    [steps] = blocks(GUIDE, "sh")

    def make() -> None:
        for file in settings:
            shutil.copy(file, BUILD)
        shutil.copytree(PROJECT / "src", BUILD / "src")
        for path, code in PROGRAMS.items():
            (BUILD / path).write_text(code, encoding="utf-8")
        run(steps)

    kept_build(
        BUILD,
        [*settings, *PROJECT.glob("src/**/*.rs"), SCHEMA],
        make,
        tools=[*tools.values(), steps, *PROGRAMS.values()],
    )
    return BUILD
