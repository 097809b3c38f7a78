"""The TypeScript project, and its build."""

from __future__ import annotations

from pathlib import Path

from interop.builds import kept_build
from interop.programs import ROOT, SCHEMA, run
from interop.toolchains import NODE, require

PROJECT = ROOT / "tests" / "interop" / "typescript"


def install() -> Path:
    """Install the project's packages, and return the project's folder."""
    tools = [f"{name} {version}" for name, version in require(NODE).items()]
    manifests = [PROJECT / "package.json", PROJECT / "package-lock.json"]
    command = "npm ci --ignore-scripts --no-audit --no-fund --prefer-offline"
    kept_build(PROJECT / "node_modules", manifests, lambda: run(command, PROJECT), tools=tools)
    return PROJECT


def build() -> Path:
    """Generate and compile the programs, and return their folder."""
    project = install()
    settings = ["package-lock.json", "buf.gen.yaml", "tsconfig.json"]
    inputs = [SCHEMA, *(project / name for name in settings), *(project / "src").iterdir()]
    kept_build(project / "build", inputs, lambda: run("npm run build", project))
    return project / "build" / "src"
