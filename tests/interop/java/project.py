"""The Java project, and its build by the commands of the guide, with the artifact for Maven."""

from __future__ import annotations

import shutil
from pathlib import Path

from interop.programs import ROOT, run
from interop.toolchains import JAVA, require
from pages import blocks, files

from build_packages import built
from kept_builds import kept_build

PROJECT = ROOT / "tests" / "interop" / "java"
BUILD = PROJECT / "build"
GUIDE = (ROOT / "docs" / "java.md").read_text(encoding="utf-8")


def package() -> list[Path]:
    """Build the artifact, and return the paths of its jar, its sources and its pom."""
    require(JAVA)
    return built("maven")


def build() -> Path:
    """Build the executor, and return its folder."""
    tools = require(JAVA)
    artifact = package()
    installing, compiling, *_ = blocks(GUIDE, "sh")
    pom = files(GUIDE)["pom.xml"]

    def make() -> None:
        (BUILD / "pom.xml").write_text(pom, encoding="utf-8")
        shutil.copytree(PROJECT / "src", BUILD / "src")
        for path in artifact:
            shutil.copy(path, BUILD)
        run(installing, BUILD)
        run(compiling, BUILD)

    sources = [*PROJECT.glob("src/**/*.java"), *artifact]
    kept_build(BUILD, sources, make, tools=[*tools.values(), pom, installing, compiling])
    return BUILD
