"""Completion: what the program offers, and what real shells make of their scripts.

A test of a shell that is not installed is skipped; CI installs all of them.
"""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cli.command_line import run

#: The words before the cursor, and what they can be completed to.
CASES = [
    ("crucible-ir va", {"validate"}),
    ("crucible-ir con", {"convert", "conformance", "console"}),
    ("crucible-ir validate --type Train", {"TrainingConfig", "TrainingRun"}),
    ("crucible-ir validate --max-i", {"--max-items"}),
    ("crucible-ir convert --to ya", {"yaml"}),
    ("crucible-ir explain double.gte", {"double.gte", "double.gte_lte"}),
    ("crucible-ir explain deco", {"decode"}),
    ("crucible-ir schema TrainingS", {"TrainingStatus"}),
    ("crucible-ir conformance c", {"cross"}),
    ("crucible-ir conformance run --suite rules_o", {"rules_own"}),
]


@pytest.fixture
def script(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Return a function that writes the script of a shell and returns its name."""
    # The scripts call the program by its name.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    monkeypatch.setenv("PATH", path)
    monkeypatch.setenv("HOME", str(folder))
    for variable in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "ZDOTDIR"):
        monkeypatch.setenv(variable, str(folder))

    def write(shell: str) -> str:
        if shutil.which(shell) is None:
            pytest.skip(f"{shell} is not installed")
        result = run("completion", shell)
        assert result.status == 0
        (folder / f"script.{shell}").write_text(result.out)
        return f"script.{shell}"

    return write


@pytest.mark.parametrize(("words", "expected"), CASES)
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_program_offers_commands_types_formats_and_ids(
    shell: str, words: str, expected: set[str]
) -> None:
    last = words.split()[-1]
    environment = os.environ | {
        "_CRUCIBLE_IR_COMPLETE": f"{shell}_complete",
        "COMP_WORDS": words,
        # fish gives the word itself, the others its number.
        "COMP_CWORD": last if shell == "fish" else str(len(words.split()) - 1),
    }
    command = [sys.executable, "-c", "from crucible_ir.cli import main; main()"]
    out = subprocess.check_output(command, env=environment, text=True)
    if shell == "zsh":
        kinds, offered = out.splitlines()[::3], out.splitlines()[1::3]
    else:
        lines = [line.partition(",") for line in out.splitlines()]
        kinds = [kind for kind, _, _ in lines]
        offered = [value.partition("\t")[0] for _, _, value in lines]
    assert set(offered) == expected
    assert set(kinds) == {"plain"}


@pytest.mark.parametrize(("words", "expected"), CASES)
def test_bash_completes(script: Callable[[str], str], words: str, expected: set[str]) -> None:
    code = f"""
        source {script("bash")}
        COMP_WORDS=({words})
        COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
        _crucible_ir_completion crucible-ir
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    command = ["bash", "--norc", "--noprofile", "-c", code]
    assert set(subprocess.check_output(command, text=True).split()) == expected


@pytest.mark.parametrize(("words", "expected"), CASES)
def test_fish_completes(script: Callable[[str], str], words: str, expected: set[str]) -> None:
    code = f"source {script('fish')}; complete --do-complete '{words}'"
    out = subprocess.check_output(["fish", "--no-config", "-c", code], text=True)
    assert {line.split("\t")[0] for line in out.splitlines()} == expected


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("crucible-ir vali", "crucible-ir validate "),
        ("crucible-ir convert --to ya", "crucible-ir convert --to yaml "),
        ("crucible-ir schema TrainingS", "crucible-ir schema TrainingStatus "),
        ("crucible-ir explain deco", "crucible-ir explain decode "),
    ],
)
def test_zsh_completes_what_is_typed(
    script: Callable[[str], str], words: str, completed: str
) -> None:
    name = script("zsh")
    with Zsh() as zsh:
        zsh.send("PS1='' RPROMPT=''; unsetopt ZLE_RPROMPT_INDENT PROMPT_SP\n")
        zsh.send(f"autoload -Uz compinit && compinit -u -D && source {name} && echo re''ady\n")
        zsh.wait_for("ready")
        # The line is printed instead of being run.
        zsh.send("p() { print -r \"line:$BUFFER:\"; zle redisplay }; zle -N p; bindkey '^G' p\n")
        zsh.send("echo bo''und\n")
        zsh.wait_for("bound")
        zsh.send(f"{words}\t\x07")
        assert f"line:{completed}:" in zsh.wait_for("line:")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_accepts_the_script(script: Callable[[str], str], shell: str) -> None:
    subprocess.run([shell, "-n", script(shell)], check=True)


class Zsh:
    """An interactive zsh without the files of a user."""

    def __enter__(self) -> Zsh:
        self.leader, follower = pty.openpty()
        self.process = subprocess.Popen(
            ["zsh", "--no-rcs", "--interactive"],
            stdin=follower,
            stdout=follower,
            stderr=follower,
            start_new_session=True,
            env=os.environ | {"TERM": "dumb", "COLUMNS": "200"},
        )
        os.close(follower)
        self.written = ""
        return self

    def send(self, text: str) -> None:
        """Type text."""
        os.write(self.leader, text.encode())

    def wait_for(self, text: str) -> str:
        """Return what was written since the last call when a line with the text is complete."""
        end = time.monotonic() + 60
        while True:
            before, found, after = self.written.partition(text)
            if found and "\n" in after:
                line, _, self.written = after.partition("\n")
                return before + found + line
            left = end - time.monotonic()
            assert left > 0, f"zsh did not write {text!r}: {self.written!r}"
            if select.select([self.leader], [], [], left)[0]:
                self.written += os.read(self.leader, 65536).decode(errors="replace")

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.leader)
