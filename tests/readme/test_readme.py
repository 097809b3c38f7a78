"""The README's claims: its Python and its commands run, and print what it says they print."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


class Command(NamedTuple):
    """A command of the README and what it prints there."""

    line: str
    shown: str


def fences() -> list[tuple[str, str]]:
    return FENCE.findall(README)


def python_blocks() -> list[tuple[str, str]]:
    """Return each block of Python with the output that is shown after it, if there is any."""
    blocks = fences()
    following = [*blocks[1:], ("", "")]
    return [
        (code, output if kind == "text" else "")
        for (language, code), (kind, output) in zip(blocks, following, strict=True)
        if language == "python"
    ]


def commands() -> list[Command]:
    found = []
    for language, text in fences():
        if language == "console":
            for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
                line, _, shown = part.partition("\n")
                found.append(Command(line, shown))
    return found


def as_shown(actual: str, shown: str) -> bool:
    """Compare output with what the README shows, where a line of `...` stands for any lines."""
    pattern = r"(?s:.*)".join(re.escape(part) for part in re.split(r"^\.\.\.\n", shown, flags=re.M))
    return re.fullmatch(pattern, without_trailing_spaces(actual)) is not None


def without_trailing_spaces(text: str) -> str:
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a folder that holds the examples and nothing else."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_python_blocks_run_in_sequence_and_print_what_is_shown(elsewhere: Path) -> None:
    names: dict[str, Any] = {"__name__": "__main__"}
    blocks = python_blocks()
    assert len(blocks) >= 5
    for code, shown in blocks:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, "README.md", "exec"), names)
        assert without_trailing_spaces(printed.getvalue()) == shown, code


def test_the_commands_run_in_sequence_and_print_what_is_shown(elsewhere: Path) -> None:
    found = commands()
    assert len(found) >= 5
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "100",
        "NO_COLOR": "1",
        "LC_ALL": "C.UTF-8",
    }
    for command in found:
        assert command.line.split()[0] in {"crucible-ir", "cat", "echo"}, command.line
        ran = subprocess.run(
            ["bash", "-c", command.line],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=elsewhere,
            text=True,
            timeout=60,
            check=False,
        )
        assert as_shown(ran.stdout, command.shown), f"$ {command.line}\n{ran.stdout}"


@pytest.mark.parametrize("page", [README, CHANGELOG], ids=["README", "CHANGELOG"])
def test_every_link_to_a_file_leads_somewhere(page: str) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]*)(?:#[^)]*)?\)", page)
    assert [target for target in targets if target and not (ROOT / target).exists()] == []


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
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (version,) = re.findall(r'^version = "(.*)"$', pyproject, flags=re.MULTILINE)
    latest = re.search(r"^## \[(\d.*?)\]", CHANGELOG, flags=re.MULTILINE)
    assert latest is not None
    assert latest[1] == version
