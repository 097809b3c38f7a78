"""The Rust project: the executor, and the package of the guide that it is built in."""

from __future__ import annotations

import shutil
from pathlib import Path

from interop import programs
from interop.builds import kept_build
from interop.programs import ROOT, SCHEMA
from interop.toolchains import RUST, require
from pages import blocks, files

PROJECT = ROOT / "tests" / "interop" / "rust"
BUILD = PROJECT / "build"
LOCK = PROJECT / "Cargo.lock"
GUIDE = (ROOT / "docs" / "rust.md").read_text(encoding="utf-8")
#: The clone of this repository, as the guide names it.
CLONE = "../crucible-ir"
CORE = ROOT / "native" / "core"


def run(command: str, folder: Path = BUILD) -> str:
    """Run a command line; all builds share what they compile."""
    return programs.run(
        command,
        folder,
        CARGO_TARGET_DIR=str(BUILD / "target"),
        # Without it, builds take less time and room.
        CARGO_PROFILE_DEV_DEBUG="false",
    )


def build() -> Path:
    """Build the executor, and return its folder."""
    tools = require(RUST)
    package = {name: text for name, text in files(GUIDE).items() if not name.startswith("src/bin/")}
    [steps] = blocks(GUIDE, "sh")

    def make() -> None:
        shutil.copy(LOCK, BUILD)
        shutil.copytree(PROJECT / "src", BUILD / "src")
        for name, text in package.items():
            (BUILD / name).write_text(text.replace(CLONE, str(ROOT)), encoding="utf-8")
        run(steps)

    kept_build(
        BUILD,
        [
            LOCK,
            *PROJECT.glob("src/**/*.rs"),
            *CORE.glob("src/**/*.rs"),
            CORE / "Cargo.toml",
            CORE / "tables.binpb",
            SCHEMA,
        ],
        make,
        tools=[*tools.values(), steps, *package.values()],
    )
    return BUILD
