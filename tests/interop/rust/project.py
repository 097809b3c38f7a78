"""The Rust project: the executor, and the package of the guide that it is built in."""

from __future__ import annotations

import shutil
from pathlib import Path

from interop import programs
from interop.programs import ROOT
from interop.toolchains import RUST, require
from pages import blocks, files

from build_packages import CARGO_TARGET, built
from kept_builds import kept_build

PROJECT = ROOT / "tests" / "interop" / "rust"
BUILD = PROJECT / "build"
LOCK = PROJECT / "Cargo.lock"
#: The lock file for the section of the guide that generates the code.
GENERATE_LOCK = PROJECT / "generate.lock"
GUIDE = (ROOT / "docs" / "rust.md").read_text(encoding="utf-8")


def run(command: str, folder: Path = BUILD) -> str:
    """Run a command line; all builds share what they compile, also with that of the crates."""
    return programs.run(
        command,
        folder,
        CARGO_TARGET_DIR=str(CARGO_TARGET),
        # Without it, builds take less time and room.
        CARGO_PROFILE_DEV_DEBUG="false",
    )


def crates() -> list[Path]:
    """Build the crates, and return their paths: the messages, and the core."""
    require(RUST)
    return built("crate")


def build() -> Path:
    """Build the executor, and return its folder."""
    tools = require(RUST)
    archives = crates()
    manifest = files(GUIDE)["Cargo.toml"]
    unpacking = blocks(GUIDE, "sh")[0]

    def make() -> None:
        shutil.copy(LOCK, BUILD)
        shutil.copytree(PROJECT / "src", BUILD / "src")
        (BUILD / "Cargo.toml").write_text(manifest, encoding="utf-8")
        for path in archives:
            shutil.copy(path, BUILD)
        run(unpacking)
        run("cargo build")

    sources = [LOCK, *PROJECT.glob("src/**/*.rs"), *archives]
    kept_build(BUILD, sources, make, tools=[*tools.values(), unpacking, manifest])
    return BUILD
