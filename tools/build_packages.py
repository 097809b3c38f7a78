"""Build the packages for other languages into `dist/`: npm, Maven, Go and Rust.

Their hand-written parts are in `packages/`. The rest is generated from the schema into folders
below `build/packages/`, and is not committed. The module of Go is `gen/go`.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from crucible_ir.version import VERSION
from generated_files import ROOT
from kept_builds import STAMP, kept_build

PACKAGES = ROOT / "packages"
BUILD = ROOT / "build" / "packages"
DIST = ROOT / "dist"
#: What cargo compiles; it is kept for the next build.
CARGO_TARGET = BUILD / "target"

#: The schema with its rules and comments, without the schema of the rules.
DESCRIPTORS = ROOT / "python" / "crucible_ir" / "schema" / "descriptors.binpb"
LICENSE = ROOT / "LICENSE"
CORE = ROOT / "native" / "core"
GENERATOR = PACKAGES / "crate" / "generator"
GO_MODULE = ROOT / "gen" / "go"

#: The sources of every package, beside its own.
TOOLS = (Path(__file__), ROOT / "python" / "crucible_ir" / "version.py")


class PackageError(Exception):
    """A package cannot be built."""


class Kind(NamedTuple):
    """A kind of package."""

    #: The program that builds it, if that is not Python.
    program: str | None
    #: The files in `dist/`.
    files: tuple[str, ...]
    #: The files and folders that it is built from.
    sources: tuple[Path, ...]
    #: The version in a manifest that is written by hand, if it has one.
    version: Callable[[], str]
    #: Builds it in an empty folder, and returns the paths of the files.
    build: Callable[[Path], Iterable[Path]]


def build_npm(folder: Path) -> Iterable[Path]:
    """Generate JavaScript and its declarations with protobuf-es, and pack them."""
    for source in (*(PACKAGES / "npm").iterdir(), LICENSE):
        shutil.copy(source, folder)
    shutil.copy(DESCRIPTORS, folder / "crucible_ir.binpb")
    quietly = ("--ignore-scripts", "--no-audit", "--no-fund", "--silent")
    run("npm", "ci", *quietly, "--prefer-offline", folder=folder)
    buf = Path(sysconfig.get_path("scripts")) / "buf"
    run(str(buf), "generate", folder=folder)
    # Each folder of generated modules is imported by its name.
    for generated in {path.parent for path in folder.glob("[cg]*/**/*_pb.js")}:
        names = sorted(path.name for path in generated.glob("*_pb.js"))
        index = "".join(f'export * from "./{name}";\n' for name in names)
        for name in ("index.js", "index.d.ts"):
            (generated / name).write_text(index, encoding="utf-8")
    run("npm", "pack", *quietly, folder=folder)
    return [folder / name for name in KINDS["npm"].files]


def build_maven(folder: Path) -> Iterable[Path]:
    """Generate classes with protoc and grpc-java, and put them into a jar with the descriptors."""
    shutil.copy(PACKAGES / "maven" / "pom.xml", folder)
    shutil.copytree(ROOT / "proto" / "crucible_ir", folder / "src/main/proto/crucible_ir")
    resources = folder / "src/main/resources"
    for source, name in (
        (DESCRIPTORS, "org/crucibleir/crucible_ir.binpb"),
        (LICENSE, "META-INF/LICENSE"),
        (PACKAGES / "maven" / "README.md", "META-INF/README.md"),
    ):
        (resources / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, resources / name)
    run("mvn", "--batch-mode", "--quiet", "package", folder=folder)
    jars = [folder / "target" / name for name in KINDS["maven"].files[:2]]
    pom = folder / "target" / KINDS["maven"].files[2]
    shutil.copy(folder / "pom.xml", pom)
    return [*jars, pom]


def build_crates(folder: Path) -> Iterable[Path]:
    """Generate structs with prost and clients with tonic; pack them, and the native core."""
    for source in ("Cargo.toml", "README.md"):
        shutil.copy(PACKAGES / "crate" / source, folder)
    shutil.copy(LICENSE, folder)
    shutil.copytree(PACKAGES / "crate" / "src", folder / "src")
    target = ("--target-dir", str(CARGO_TARGET))
    manifest = ("--manifest-path", str(GENERATOR / "Cargo.toml"))
    generated = str(folder / "src" / "generated")
    run(
        *("cargo", "run", "--quiet", "--locked", *target, *manifest, "--"),
        *(str(DESCRIPTORS), generated),
    )
    # The tests build a program with each crate.
    package = ("cargo", "package", "--quiet", "--no-verify", "--allow-dirty", *target)
    run(*package, folder=folder)
    run(*package, "--locked", "--manifest-path", str(CORE / "Cargo.toml"))
    return [CARGO_TARGET / "package" / name for name in KINDS["crate"].files]


def build_go(folder: Path) -> Iterable[Path]:
    """Pack the committed module, so that two builds are the same."""
    [name] = KINDS["go"].files
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.PAX_FORMAT) as contents:
        for path in sorted((*GO_MODULE.rglob("*"), LICENSE)):
            if not path.is_file():
                continue
            inner = path.name if path == LICENSE else path.relative_to(GO_MODULE).as_posix()
            entry = tarfile.TarInfo(f"{name.removesuffix('.tar.gz')}/{inner}")
            entry.size = path.stat().st_size
            with open(path, "rb") as content:
                contents.addfile(entry, content)
    (folder / name).write_bytes(gzip.compress(archive.getvalue(), mtime=0))
    return [folder / name]


def _npm_version() -> str:
    manifest = json.loads((PACKAGES / "npm" / "package.json").read_text(encoding="utf-8"))
    return str(manifest["version"])


def _maven_version() -> str:
    pom = (PACKAGES / "maven" / "pom.xml").read_text(encoding="utf-8")
    return str(re.findall(r"<version>(.*?)</version>", pom)[0])


def _crate_version() -> str:
    manifest = (PACKAGES / "crate" / "Cargo.toml").read_text(encoding="utf-8")
    return str(tomllib.loads(manifest)["package"]["version"])


KINDS = {
    "npm": Kind(
        "npm",
        (f"crucible-ir-{VERSION}.tgz",),
        (PACKAGES / "npm", DESCRIPTORS, LICENSE),
        _npm_version,
        build_npm,
    ),
    "maven": Kind(
        "mvn",
        tuple(f"crucible-ir-{VERSION}{end}" for end in (".jar", "-sources.jar", ".pom")),
        (PACKAGES / "maven", ROOT / "proto" / "crucible_ir", DESCRIPTORS, LICENSE),
        _maven_version,
        build_maven,
    ),
    "crate": Kind(
        "cargo",
        (f"crucible-ir-{VERSION}.crate", f"crucible-ir-core-{VERSION}.crate"),
        (PACKAGES / "crate", DESCRIPTORS, LICENSE, CORE),
        _crate_version,
        build_crates,
    ),
    "go": Kind(
        None,
        (f"crucible-ir-go-{VERSION}.tar.gz",),
        (GO_MODULE, LICENSE),
        # The version of a Go module is its tag.
        lambda: VERSION,
        build_go,
    ),
}


def built(name: str) -> list[Path]:
    """Build the packages of one kind, unless `dist/` has them and their sources have not changed.

    Args:
        name: A key of `KINDS`.

    Returns:
        The paths of the files in `dist/`.

    Raises:
        PackageError: A manifest has another version than this package, or a program failed.
    """
    kind = KINDS[name]
    if (version := kind.version()) != VERSION:
        raise PackageError(f"the manifest in packages/{name} has the version {version}")
    files = [DIST / file for file in kind.files]
    folder = BUILD / name
    BUILD.mkdir(parents=True, exist_ok=True)
    DIST.mkdir(exist_ok=True)
    if not all(path.is_file() for path in files):
        (folder / STAMP).unlink(missing_ok=True)

    def build() -> None:
        for path in kind.build(folder):
            shutil.copy(path, DIST)

    try:
        kept_build(folder, _sources(kind), build)
    except subprocess.CalledProcessError as error:
        raise PackageError(f"{error.cmd[0]} failed: its message is above") from error
    return files


def _sources(kind: Kind) -> Iterator[Path]:
    for source in (*TOOLS, *kind.sources):
        yield from (path for path in [source, *source.rglob("*")] if path.is_file())


def run(*command: str, folder: Path = ROOT) -> None:
    """Run a command; the output of cargo has no debug information, which would take time."""
    environment = {**os.environ, "CARGO_PROFILE_DEV_DEBUG": "false"}
    sys.stdout.flush()
    subprocess.run(command, cwd=folder, env=environment, check=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the named kinds of packages, or those whose program is installed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"one of {', '.join(KINDS)}")
    kinds: list[str] = parser.parse_args(arguments).kinds
    if unknown := set(kinds) - KINDS.keys():
        parser.error(f"unknown kind {min(unknown)!r}: expected one of {', '.join(KINDS)}")
    status = 0
    for name in kinds or KINDS:
        program = KINDS[name].program
        if program is not None and shutil.which(program) is None:
            print(f"{program} is not installed: no package of the kind {name} is built.")
            status = 1 if kinds or os.environ.get("CI") else status
            continue
        try:
            for path in built(name):
                print(f"{path.relative_to(ROOT)} is up to date")
        except PackageError as error:
            print(f"build_packages: {error}", file=sys.stderr)
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
