"""The Java project, and its build by the commands of the guide."""

from __future__ import annotations

import shutil
from pathlib import Path

from interop.builds import kept_build
from interop.programs import ROOT, run
from interop.toolchains import JAVA, require
from pages import blocks, files

PROJECT = ROOT / "tests" / "interop" / "java"
BUILD = PROJECT / "build"
GUIDE = (ROOT / "docs" / "java.md").read_text(encoding="utf-8")


def build() -> Path:
    """Build the executor and the generated code, and return their folder."""
    tools = require(JAVA)
    [steps] = blocks(GUIDE, "sh")
    pom = files(GUIDE)["pom.xml"]

    def make() -> None:
        (BUILD / "pom.xml").write_text(pom, encoding="utf-8")
        shutil.copytree(PROJECT / "src", BUILD / "src")
        run(steps, BUILD)

    sources = [*PROJECT.glob("src/**/*.java"), *ROOT.glob("proto/**/*.proto")]
    kept_build(BUILD, sources, make, tools=[*tools.values(), pom, steps])
    return BUILD
