"""The TypeScript project, and its build."""

from __future__ import annotations

from pathlib import Path

from interop import programs
from interop.builds import kept_build
from interop.programs import ROOT, SCHEMA
from interop.toolchains import NODE, require

PROJECT = ROOT / "tests" / "interop" / "typescript"


def run_npm(command: str, folder: Path, **environment: str) -> str:
    """Run a command line with the programs of Node.js, and `crucible-ir`, on its path.

    npm takes packages from its cache where it can.
    """
    return programs.run(command, folder, npm_config_prefer_offline="true", **environment)


def install() -> Path:
    """Install the project's packages, and return the project's folder."""
    tools = [f"{name} {version}" for name, version in require(NODE).items()]
    manifests = [PROJECT / "package.json", PROJECT / "package-lock.json"]
    command = "npm ci --ignore-scripts --no-audit --no-fund"
    kept_build(PROJECT / "node_modules", manifests, lambda: run_npm(command, PROJECT), tools=tools)
    return PROJECT


def build() -> Path:
    """Generate and compile the programs, and return their folder."""
    project = install()
    settings = ["package-lock.json", "buf.gen.yaml", "tsconfig.json"]
    inputs = [SCHEMA, *(project / name for name in settings), *(project / "src").iterdir()]
    kept_build(project / "build", inputs, lambda: run_npm("npm run build", project))
    return project / "build" / "src"
