"""The Java project, and its build by the commands of the guide."""

from __future__ import annotations

import shutil
from pathlib import Path

from interop.builds import kept_build
from interop.programs import ROOT, run
from interop.toolchains import JAVA, require
from pages import blocks

PROJECT = ROOT / "tests" / "interop" / "java"
BUILD = PROJECT / "build"
POM = PROJECT / "pom.xml"
GUIDE = (ROOT / "docs" / "java.md").read_text(encoding="utf-8")


def build() -> Path:
    """Build the executor and the generated code, and return their folder."""
    tools = require(JAVA)
    [steps] = blocks(GUIDE, "sh")

    def make() -> None:
        shutil.copy(POM, BUILD)
        shutil.copytree(PROJECT / "src", BUILD / "src")
        run(steps, BUILD)

    sources = [POM, *PROJECT.glob("src/**/*.java"), *ROOT.glob("proto/**/*.proto")]
    kept_build(BUILD, sources, make, tools=[*tools.values(), steps])
    return BUILD
