"""The Go project, and its build."""

from __future__ import annotations

import shutil
from pathlib import Path

from interop import programs
from interop.builds import kept_build
from interop.programs import ROOT, SCHEMA, search_path
from interop.toolchains import GO, require

PROJECT = ROOT / "tests" / "interop" / "go"
BUILD = PROJECT / "build"
PROGRAMS = "./executor ./exchange_client ./validator"


def run(command: str, folder: Path = PROJECT, **environment: str) -> str:
    """Run a command line with the plugins on its path as well."""
    return programs.run(
        command,
        folder,
        PATH=search_path(BUILD),
        # Go must not fetch another release of itself, nor ask git about the repository.
        GOTOOLCHAIN="local",
        GOFLAGS="-buildvcs=false",
        GOWORK="off",
        **environment,
    )


def build() -> Path:
    """Generate and compile the programs, and return their folder."""
    tools = [f"{name} {version}" for name, version in require(GO).items()]

    def make() -> None:
        shutil.rmtree(PROJECT / "gen", ignore_errors=True)
        run("go build -o build/ tool")
        run("buf generate")
        run(f"go build -o build/ {PROGRAMS}")

    settings = [PROJECT / name for name in ("go.mod", "go.sum", "buf.gen.yaml")]
    kept_build(BUILD, [SCHEMA, *settings, *PROJECT.glob("[!bg]*/*.go")], make, tools=tools)
    return BUILD
