"""The Go project, and its build."""

from __future__ import annotations

from pathlib import Path

from interop import programs
from interop.programs import ROOT
from interop.toolchains import GO, require

from build_packages import built
from kept_builds import kept_build

PROJECT = ROOT / "tests" / "interop" / "go"
BUILD = PROJECT / "build"
#: The generated module, which the programs use.
MODULE = ROOT / "gen" / "go"
PROGRAMS = "./executor ./exchange_client ./validator"


def run(command: str, folder: Path = PROJECT, **environment: str) -> str:
    """Run a command line."""
    return programs.run(
        command,
        folder,
        # Go must not fetch another release of itself, nor ask git about the repository.
        GOTOOLCHAIN="local",
        GOFLAGS="-buildvcs=false",
        GOWORK="off",
        **environment,
    )


def package() -> Path:
    """Build the archive of the module, and return its path."""
    [path] = built("go")
    return path


def build() -> Path:
    """Compile the programs, and return their folder."""
    tools = [f"{name} {version}" for name, version in require(GO).items()]
    files = [folder / name for folder in (PROJECT, MODULE) for name in ("go.mod", "go.sum")]
    files += [*PROJECT.glob("[!b]*/*.go"), *MODULE.rglob("*.go")]
    kept_build(BUILD, files, lambda: run(f"go build -o build/ {PROGRAMS}"), tools=tools)
    return BUILD
