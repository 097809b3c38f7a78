"""Pages of documentation: run their blocks of code and compare the output with the page."""

from __future__ import annotations

import contextlib
import io
import os
import pty
import re
import subprocess
import sys
import tty
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
#: Progress, which is erased before anything else is printed on its line.
_PROGRESS = re.compile(r"[^\n]*\r\x1b\[2K")
_FILE = re.compile(r"(?:#|//|--|<!--) (\S+\.\w+)(?: -->)?\n")


class Command(NamedTuple):
    """A command of a page and the output that the page shows."""

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
    return {name: text for _, text in fences(page) if (name := file_name(text))}


def file_name(block: str) -> str | None:
    """Return the name of a file that the first line of a block is a comment with, if it is one."""
    named = _FILE.match(block)
    return named and named[1]


def commands(page: str) -> list[Command]:
    """Return the commands of the `console` blocks of a page."""
    return [command for text in blocks(page, "console") for command in commands_of(text)]


def commands_of(text: str) -> list[Command]:
    """Return the commands of the text of a `console` block."""
    parts = re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]
    return [Command(line, shown) for line, _, shown in (part.partition("\n") for part in parts)]


def command_of(page: str, program: str) -> Command:
    """Return the one command of a page that contains the name of a program as a word."""
    [found] = [each for each in commands(page) if program in each.line.split()]
    return found


def check_page(
    page: str, name: str, folder: Path, programs: set[str], shell: Callable[[str], None]
) -> Counter[str]:
    """Run every block of a page in order and compare the output with the page.

    The blocks of Python (`python`, or `py` where an exchange is needed) are one program. A `text`
    block after one of them is its output. Another block that begins with the name of a file in a
    comment is written to that file.

    Args:
        page: The page.
        name: The name of the page in tracebacks.
        folder: The folder in which commands run.
        programs: The programs that `console` blocks may run.
        shell: Runs or checks the text of an `sh` block.

    Returns:
        The number of blocks that ran, by language.
    """
    names: dict[str, Any] = {"__name__": "__main__"}
    ran: Counter[str] = Counter()
    for (language, text), (next_language, output) in pairwise([*fences(page), ("", "")]):
        match language:
            case "python" | "py":
                shown = output if next_language == "text" else ""
                _check_code(text, shown, name, names)
            case "console":
                for command in commands_of(text):
                    _check_command(command, folder, programs)
            case "sh":
                shell(text)
            case "text":
                continue
            case _:
                saved = file_name(text)
                assert saved is not None, f"{name}: a block of {language!r} is not run"
                (folder / saved).write_text(text, encoding="utf-8")
        ran[language] += 1
    return ran


def check_python(page: str, name: str) -> int:
    """Run the `python` blocks in order, as one program; return their number."""
    names: dict[str, Any] = {"__name__": "__main__"}
    number = 0
    for (language, code), (next_language, output) in pairwise([*fences(page), ("", "")]):
        if language == "python":
            _check_code(code, output if next_language == "text" else "", name, names)
            number += 1
    return number


def _check_code(code: str, shown: str, name: str, names: dict[str, Any]) -> None:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, name, "exec"), names)
    assert without_trailing_spaces(printed.getvalue()) == shown, code


def check_commands(page: str, folder: Path, programs: set[str]) -> int:
    """Run the commands of the `console` blocks in order; return their number.

    Args:
        page: The page.
        folder: The folder in which they run.
        programs: The programs that a command may start.
    """
    found = commands(page)
    for command in found:
        _check_command(command, folder, programs)
    return len(found)


def _check_command(command: Command, folder: Path, programs: set[str]) -> None:
    assert command.line.split()[0] in programs, command.line
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "100",
        "NO_COLOR": "1",
        "LC_ALL": "C.UTF-8",
    }
    printed = on_a_terminal(["bash", "-c", command.line], folder, environment)
    assert as_shown(printed, command.shown), f"$ {command.line}\n{printed}"


def on_a_terminal(command: list[str], folder: Path, environment: dict[str, str]) -> str:
    """Run a command with a terminal as its output; return what is on the terminal at its end."""
    leader, follower = pty.openpty()
    # Without this the terminal would write a carriage return before each line feed.
    tty.setraw(follower)
    process = subprocess.Popen(
        command, stdout=follower, stderr=follower, cwd=folder, env=environment
    )
    os.close(follower)
    written = b""
    # Linux raises an error when the last follower is closed.
    with contextlib.suppress(OSError):
        while chunk := os.read(leader, 65536):
            written += chunk
    os.close(leader)
    process.wait(timeout=60)
    return _PROGRESS.sub("", written.decode())


def as_shown(actual: str, shown: str) -> bool:
    """Compare output with the output on a page, in which a line `...` matches any lines."""
    pattern = r"(?s:.*)".join(re.escape(part) for part in re.split(r"^\.\.\.\n", shown, flags=re.M))
    return re.fullmatch(pattern, without_trailing_spaces(actual)) is not None


def without_trailing_spaces(text: str) -> str:
    """Return the text without spaces at the ends of its lines."""
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


def check_links(page: str, folder: Path) -> None:
    """Check that every link of a page in a folder to a file, or a section of one, has a target."""
    missing = []
    for target, section in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", page):
        linked = folder / target
        if not linked.exists():
            missing.append(target)
        elif section:
            text = linked.read_text(encoding="utf-8") if target else page
            if section not in sections(text):
                missing.append(f"{target}#{section}")
    assert missing == []


def sections(page: str) -> set[str]:
    """Return the anchors of the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", page, flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in headings}


def table(page: str, heading: str) -> list[list[str]]:
    """Return the cells of each row of the table whose first column has a heading."""
    rows = page.partition(f"| {heading} |")[2].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
