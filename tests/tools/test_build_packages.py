"""The packages for other languages: their versions, and the tool that builds them."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

import build_packages
from build_packages import GO_MODULE, KINDS, PACKAGES, Kind, PackageError
from crucible_ir.version import VERSION
from generated_files import ROOT

PAGES = [
    *(ROOT / "docs" / f"{language}.md" for language in ("go", "java", "rust", "typescript")),
    *PACKAGES.glob("*/README.md"),
    GO_MODULE / "README.md",
]


@pytest.mark.parametrize("kind", KINDS)
def test_every_manifest_has_the_version_of_this_package(kind: str) -> None:
    assert KINDS[kind].version() == VERSION


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_page_names_files_of_this_version(page: Path) -> None:
    named = re.findall(
        r"crucible-ir-[\w.-]*?\d[\w.-]*\.(?:tgz|jar|pom|crate|tar\.gz)", page.read_text()
    )
    files = {name for kind in KINDS.values() for name in kind.files}
    assert named
    assert set(named) <= files


def test_the_lock_of_the_rust_programs_has_the_crates_of_this_version() -> None:
    lock = (ROOT / "tests" / "interop" / "rust" / "Cargo.lock").read_text(encoding="utf-8")
    locked = {package["name"]: package["version"] for package in tomllib.loads(lock)["package"]}
    assert (locked["crucible-ir"], locked["crucible-ir-core"]) == (VERSION, VERSION)


def test_every_folder_of_packages_is_built_by_a_kind() -> None:
    assert {path.name for path in PACKAGES.iterdir()} == KINDS.keys() - {"go"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in place of the repository, with one kind of package, `text`."""
    for name in ("BUILD", "DIST"):
        monkeypatch.setattr(build_packages, name, tmp_path / name.lower())
    monkeypatch.setattr(build_packages, "ROOT", tmp_path)
    (tmp_path / "source").write_text("one")
    monkeypatch.setattr(build_packages, "KINDS", {"text": text_kind(tmp_path / "source")})
    return tmp_path


def text_kind(source: Path, version: str = VERSION, program: str | None = None) -> Kind:
    def build(folder: Path) -> list[Path]:
        if source.read_text() == "bad":
            raise subprocess.CalledProcessError(1, ["compiler", "--verbose"])
        (folder / "text").write_text(source.read_text())
        return [folder / "text"]

    return Kind(program, ("text",), (source,), lambda: version, build)


def test_a_package_is_built_when_its_source_changes_or_its_file_is_gone(folder: Path) -> None:
    file = folder / "dist" / "text"
    assert build_packages.built("text") == [file]
    file.write_text("kept")
    build_packages.built("text")
    assert file.read_text() == "kept"
    file.unlink()
    build_packages.built("text")
    assert file.read_text() == "one"
    (folder / "source").write_text("two")
    build_packages.built("text")
    assert file.read_text() == "two"


def test_another_version_or_a_failed_program_is_an_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "source").write_text("bad")
    assert build_packages.main(["text"]) == 1
    assert "compiler failed: its message is above" in capsys.readouterr().err
    other = text_kind(folder / "source", version="9.9.9")
    monkeypatch.setattr(build_packages, "KINDS", {"text": other})
    with pytest.raises(PackageError, match=r"packages/text has the version 9\.9\.9"):
        build_packages.built("text")


def test_a_missing_program_is_an_error_only_where_its_package_is_needed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kind = text_kind(folder / "source", program="no-such-compiler")
    monkeypatch.setattr(build_packages, "KINDS", {"text": kind})
    monkeypatch.delenv("CI", raising=False)
    assert build_packages.main([]) == 0
    assert "no-such-compiler is not installed" in capsys.readouterr().out
    assert build_packages.main(["text"]) == 1
    monkeypatch.setenv("CI", "true")
    assert build_packages.main([]) == 1


def test_an_unknown_kind_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        build_packages.main(["nuget"])
    assert "unknown kind 'nuget': expected one of text" in capsys.readouterr().err
