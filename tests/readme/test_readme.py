"""The README and the pages that it links to: every block runs and prints the output shown."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from exchange.ports import serving_by_command
from pages import ROOT, blocks, check_links, check_page

from crucible_ir.conformance.expected_failures import read_expected_failures
from crucible_ir.conformance.suites import select_cases, suite_folder
from crucible_ir.version import VERSION

README = (ROOT / "README.md").read_text(encoding="utf-8")
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
CASES = select_cases(suite_folder())
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")

#: The pages in docs/ that this module runs; the tests of what they describe run the others.
PAGES = (
    "index.md",
    "bulk.md",
    "python.md",
    "validation.md",
    "command-line.md",
    "json.md",
    "bundles.md",
    "interchange.md",
    "performance.md",
    "tools.md",
)

#: The address of an exchange on the pages.
DEFAULT_ADDRESS = "127.0.0.1:7551"


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change to a folder that contains the examples and nothing else."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_every_block_of_the_readme_runs_in_order(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CRUCIBLE_IR_SERVER", raising=False)
    shells: list[str] = []
    with ExitStack() as servers:

        def shell(text: str) -> None:
            shells.append(text)
            if text.startswith("crucible-ir serve"):
                # As a user does, in another terminal and with the default address.
                servers.enter_context(serving_by_command(text, elsewhere))

        ran = check_page(README, "README.md", elsewhere, {"crucible-ir"}, shell)
    assert ran["python"] >= 5
    assert ran["py"] == 1
    assert ran["console"] >= 2
    # The others run in tests of their own: the targets of make, the installation.
    make, clone, wheel, serve = shells
    assert all(line.startswith("make ") for line in make.splitlines())
    assert [clone, wheel] == _installation()
    assert serve.startswith("crucible-ir serve  ")
    assert serve.count("\n") == 1
    assert f"listens on {DEFAULT_ADDRESS}" in serve


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_every_block_of_a_page_runs_in_order(elsewhere: Path, name: str) -> None:
    page = (ROOT / "docs" / name).read_text(encoding="utf-8")
    check_page(page, f"docs/{name}", elsewhere, {"crucible-ir", "cat"}, pytest.fail)


@pytest.mark.slow
def test_the_steps_of_the_installation_work(tmp_path: Path) -> None:
    clone, installed = tmp_path / "clone", tmp_path / "env" / "bin" / "crucible-ir"
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.check_output(listed, cwd=ROOT, text=True).splitlines():
        if (ROOT / name).is_file():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, clone / name)
    script = "set -e\n" + "".join(_installation()).replace(
        "python3 -m venv", f"{sys.executable} -m venv"
    )
    ran = subprocess.run(
        ["bash", "-c", script], cwd=clone, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert "crucible-ir, version" in ran.stdout
    assert (clone / "env" / "bin" / installed.name).exists()


def _installation() -> list[str]:
    """Return the shell blocks of the section on installation."""
    section = README.partition("\n## Install\n")[2].partition("\n## ")[0]
    return blocks(section, "sh")


def test_the_readme_has_at_most_250_lines() -> None:
    assert README.count("\n") <= 250


@pytest.mark.parametrize(
    "name",
    [
        "README.md",
        "CHANGELOG.md",
        "proto/README.md",
        *sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").glob("*.md")),
    ],
)
def test_every_link_has_a_target(name: str) -> None:
    check_links((ROOT / name).read_text(encoding="utf-8"), (ROOT / name).parent)


def test_the_verdicts_differ_between_languages_in_as_many_cases_as_it_says() -> None:
    differing = {}
    for folder in re.findall(
        r"\[list\]\((tests/interop/\w+)/", README.partition("## Other lang")[2]
    ):
        entries = read_expected_failures(ROOT / folder / "expected_failures.txt")
        selected = [entry for entry in entries if entry.matches_aspect("violations")]
        differing[Path(folder).name] = sum(
            any(entry.matches_case(case.name) for entry in selected) for case in CASES
        )
    del differing["betterproto"]  # It does not check rules, and neither does C++.
    assert differing == {"cpp": 0, "go": 0, "java": 0, "rust": 6, "typescript": 0}
    flowing = " ".join(README.split())
    assert "in Python, Go, Java and TypeScript, and in Rust but for six of more than" in flowing
    [least] = re.findall(r"more than ([\d,]+) published cases", flowing)
    assert len(CASES) > int(least.replace(",", ""))


@pytest.mark.parametrize("name", ["README.md", *(f"docs/{name}" for name in PAGES)])
def test_every_make_target_that_is_named_exists(name: str) -> None:
    page = (ROOT / name).read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z0-9-]+):", MAKEFILE, flags=re.MULTILINE))
    assert set(re.findall(r"(?:^|`)make ([a-z0-9-]+)", page, flags=re.MULTILINE)) <= targets


def test_the_two_commands_are_at_the_top() -> None:
    top = README[: README.index("\n## ")]
    assert "make run" in top
    assert "make test" in top


def test_the_picture_is_well_formed() -> None:
    [picture] = re.findall(r"!\[.*\]\((.*\.svg)\)", README)
    text = (ROOT / picture).read_text(encoding="utf-8")
    assert text.startswith("<svg ")
    assert "prefers-color-scheme: dark" in text


def test_screenshots_are_used_and_small() -> None:
    pages = README + (ROOT / "docs" / "console.md").read_text(encoding="utf-8")
    for image in (ROOT / "docs" / "images").iterdir():
        assert f"images/{image.name})" in pages
        assert image.read_bytes().startswith(b"\x89PNG")
        assert image.stat().st_size < 150_000


def test_the_changelog_has_an_entry_for_this_version() -> None:
    latest = re.search(r"^## \[(\d.*?)\]", CHANGELOG, flags=re.MULTILINE)
    assert latest is not None
    assert latest[1] == VERSION
