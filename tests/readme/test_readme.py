"""The README's claims: its Python and its commands run, and print what it says they print."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from pages import ROOT, check_commands, check_links, check_python

from crucible_ir.conformance.expected_failures import read_expected_failures
from crucible_ir.conformance.suites import select_cases, suite_folder
from crucible_ir.version import VERSION

README = (ROOT / "README.md").read_text(encoding="utf-8")
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
CASES = select_cases(suite_folder())
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a folder that holds the examples and nothing else."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_python_blocks_run_in_sequence_and_print_what_is_shown(elsewhere: Path) -> None:
    assert check_python(README, "README.md") >= 5


def test_the_commands_run_in_sequence_and_print_what_is_shown(elsewhere: Path) -> None:
    assert check_commands(README, elsewhere, {"crucible-ir", "cat", "echo"}) >= 5


@pytest.mark.parametrize("page", [README, CHANGELOG], ids=["README", "CHANGELOG"])
def test_every_link_to_a_file_leads_somewhere(page: str) -> None:
    check_links(page, ROOT)


def test_the_rules_differ_between_languages_in_as_many_cases_as_it_says() -> None:
    differing = {}
    for folder in re.findall(
        r"\[list\]\((tests/interop/\w+)/", README.partition("## Other lang")[2]
    ):
        entries = read_expected_failures(ROOT / folder / "expected_failures.txt")
        selected = [entry for entry in entries if entry.names_aspect("violations")]
        differing[Path(folder).name] = sum(
            any(entry.names_case(case.name) for entry in selected) for case in CASES
        )
    # C++ is not asked about rules.
    assert differing == {"cpp": 0, "go": 0, "java": 0, "rust": 2, "typescript": 0}
    flowing = " ".join(README.split())
    assert "in Python, Go, Java and TypeScript, and in Rust but for two of more than" in flowing
    [least] = re.findall(r"more than ([\d,]+) published cases", flowing)
    assert len(CASES) > int(least.replace(",", ""))


def test_every_link_to_a_section_leads_to_one() -> None:
    headings = re.findall(r"^#+ (.*)$", README, flags=re.MULTILINE)
    sections = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in headings}
    assert set(re.findall(r"\]\(#([^)]*)\)", README)) <= sections


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", MAKEFILE, flags=re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z0-9-]+)", README, flags=re.MULTILINE))
    assert {"run", "test"} <= named
    assert named <= targets


def test_the_commands_of_a_newcomer_stand_at_the_top() -> None:
    top = README[: README.index("\n## ")]
    assert "make run" in top
    assert "make test" in top


def test_the_changelog_has_an_entry_for_this_version() -> None:
    latest = re.search(r"^## \[(\d.*?)\]", CHANGELOG, flags=re.MULTILINE)
    assert latest is not None
    assert latest[1] == VERSION
