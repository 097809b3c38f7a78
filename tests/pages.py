"""Pages of documentation: their blocks of code, and whether these print what the page shows."""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_FILE = re.compile(r"(?:#|//) (\S+\.\w+)\n")


class Command(NamedTuple):
    """A command of a page and what it prints there."""

    line: str
    shown: str


def fences(page: str) -> list[tuple[str, str]]:
    """Return the language and the text of each block."""
    return _FENCE.findall(page)


def blocks(page: str, language: str) -> list[str]:
    """Return the text of each block of a language."""
    return [text for kind, text in fences(page) if kind == language]


def files(page: str) -> dict[str, str]:
    """Return the blocks whose first line is a comment with a file's name, by that name."""
    named = [(_FILE.match(text), text) for _, text in fences(page)]
    return {name[1]: text for name, text in named if name is not None}


def python_blocks(page: str) -> list[tuple[str, str]]:
    """Return each block of Python with the output that is shown after it, if there is any."""
    found = fences(page)
    following = [*found[1:], ("", "")]
    return [
        (code, output if kind == "text" else "")
        for (language, code), (kind, output) in zip(found, following, strict=True)
        if language == "python"
    ]


def commands(page: str) -> list[Command]:
    """Return the commands of the blocks of console."""
    found = []
    for text in blocks(page, "console"):
        for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
            line, _, shown = part.partition("\n")
            found.append(Command(line, shown))
    return found


def command_of(page: str, program: str) -> Command:
    """Return the one command of a page that has the name of a program among its words."""
    [found] = [each for each in commands(page) if program in each.line.split()]
    return found


def check_python(page: str, name: str) -> int:
    """Run the blocks of Python in sequence, as one program; return how many there are."""
    names: dict[str, Any] = {"__name__": "__main__"}
    found = python_blocks(page)
    for code, shown in found:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, name, "exec"), names)
        assert without_trailing_spaces(printed.getvalue()) == shown, code
    return len(found)


def check_commands(page: str, folder: Path, programs: set[str]) -> int:
    """Run the commands in sequence in a folder; return how many there are.

    Args:
        page: The page.
        folder: Where they run.
        programs: What a command may start with.
    """
    found = commands(page)
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "100",
        "NO_COLOR": "1",
        "LC_ALL": "C.UTF-8",
    }
    for command in found:
        assert command.line.split()[0] in programs, command.line
        ran = subprocess.run(
            ["bash", "-c", command.line],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=folder,
            text=True,
            timeout=60,
            check=False,
        )
        assert as_shown(ran.stdout, command.shown), f"$ {command.line}\n{ran.stdout}"
    return len(found)


def as_shown(actual: str, shown: str) -> bool:
    """Compare output with what a page shows, where a line of `...` stands for any lines."""
    pattern = r"(?s:.*)".join(re.escape(part) for part in re.split(r"^\.\.\.\n", shown, flags=re.M))
    return re.fullmatch(pattern, without_trailing_spaces(actual)) is not None


def without_trailing_spaces(text: str) -> str:
    """Return the text as lines that end where their last word does."""
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


def check_links(page: str, folder: Path) -> None:
    """Check that every link to a file leads somewhere from a folder."""
    targets = re.findall(r"\]\((?!https?:)([^)#]*)(?:#[^)]*)?\)", page)
    assert [target for target in targets if target and not (folder / target).exists()] == []
