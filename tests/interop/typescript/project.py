"""The TypeScript project, and its build with the package of npm."""

from __future__ import annotations

from pathlib import Path

from interop import programs
from interop.programs import ROOT
from interop.toolchains import NODE, require

from build_packages import built
from kept_builds import kept_build

PROJECT = ROOT / "tests" / "interop" / "typescript"


def run_npm(command: str, folder: Path, **environment: str) -> str:
    """Run a command line with the programs of Node.js, and `crucible-ir`, on its path.

    npm takes packages from its cache where it can.
    """
    return programs.run(command, folder, npm_config_prefer_offline="true", **environment)


def package() -> Path:
    """Build the package of npm, and return its path."""
    require(NODE)
    [path] = built("npm")
    return path


def install() -> Path:
    """Install the project's packages, and return the project's folder."""
    tools = [f"{name} {version}" for name, version in require(NODE).items()]
    inputs = [PROJECT / "package.json", PROJECT / "package-lock.json", package()]
    quietly = "--ignore-scripts --no-audit --no-fund"
    command = f"npm ci {quietly} && npm install {quietly} --no-save {inputs[-1]}"
    kept_build(PROJECT / "node_modules", inputs, lambda: run_npm(command, PROJECT), tools=tools)
    return PROJECT


def build() -> Path:
    """Compile the programs, and return their folder."""
    project = install()
    settings = ["package-lock.json", "tsconfig.json"]
    inputs = [package(), *(project / name for name in settings), *(project / "src").iterdir()]
    kept_build(project / "build", inputs, lambda: run_npm("npm run build", project))
    return project / "build" / "src"
