"""`crucible-ir completion --install`: new shells complete, and start files keep what they had.

A test of a shell that is not installed is skipped; CI installs all of them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cli.command_line import run

#: A command for each shell that prints what the words `crucible-ir va` are completed to.
COMPLETING = {
    "bash": (
        *("bash", "-i", "-c"),
        "complete -p crucible-ir; COMP_WORDS=(crucible-ir va); COMP_CWORD=1;"
        " _crucible_ir_completion crucible-ir; printf '%s\\n' \"${COMPREPLY[@]}\"",
    ),
    # What Tab does in zsh needs a terminal; test_completion.py has one.
    "zsh": (
        *("zsh", "-i", "-c"),
        'print $_comps[crucible-ir]; _arguments() { }; whence -w "$_comps[crucible-ir]";'
        ' COMP_WORDS="crucible-ir va" COMP_CWORD=1 _CRUCIBLE_IR_COMPLETE=zsh_complete crucible-ir',
    ),
    "fish": ("fish", "-c", "complete --do-complete 'crucible-ir va'"),
}

#: The file that each shell reads when it starts, if the installation changes it.
START_FILES = {"bash": ".bashrc", "zsh": ".zshrc"}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder whose name has to be quoted."""
    home = tmp_path / "home of ann's"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    for variable in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "ZDOTDIR", "BASH_ENV", "ENV"):
        monkeypatch.delenv(variable, raising=False)
    return home


@pytest.mark.parametrize("shell", COMPLETING)
def test_a_new_shell_completes_after_one_command(
    shell: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    monkeypatch.setenv("SHELL", f"/opt/bin/{shell}")
    if shell in START_FILES:
        # Without a line end, and not in UTF-8.
        (home / START_FILES[shell]).write_bytes(b"export KEPT=yes # \xe9")
    result = run("completion", "--install")
    assert result.status == 0, result.err
    assert f"Open a new {shell}" in result.out
    completed = subprocess.run(
        COMPLETING[shell],
        cwd=home,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=60,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert "validate" in completed.stdout, completed.stderr
    if shell != "fish":
        assert "_crucible_ir_completion" in completed.stdout


@pytest.mark.parametrize("shell", START_FILES)
def test_a_start_file_keeps_its_content_and_gets_one_line(shell: str, home: Path) -> None:
    dotfiles = home / "dotfiles"
    dotfiles.write_bytes(b"first\n")
    start_file = home / START_FILES[shell]
    start_file.symlink_to(dotfiles)
    for _ in range(3):
        assert run("completion", shell, "--install").status == 0
    assert start_file.is_symlink()
    first, line, end = dotfiles.read_bytes().split(b"\n")
    assert (first, end) == (b"first", b"")
    assert line.endswith(b"# completion of crucible-ir")


def test_the_folders_of_the_user_are_respected(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", "not/absolute")
    monkeypatch.setenv("ZDOTDIR", str(tmp_path))
    assert run("completion", "fish", "--install").status == 0
    assert run("completion", "zsh", "--install").status == 0
    assert (tmp_path / "config" / "fish" / "completions" / "crucible-ir.fish").exists()
    assert (tmp_path / ".zshrc").exists()
    assert [path.name for path in home.iterdir()] == [".local"]


@pytest.mark.parametrize(("variable", "reason"), [("/bin/tcsh", '"tcsh"'), ("", "not set")])
def test_an_unknown_login_shell_is_an_error(
    variable: str, reason: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHELL", variable)
    result = run("completion", "--install")
    assert result.status == 2
    assert "Name one of bash, zsh, fish" in result.err
    assert reason in result.err
    assert list(home.iterdir()) == []


def test_a_start_file_that_cannot_be_written_is_an_error(home: Path) -> None:
    (home / ".bashrc").mkdir()
    result = run("completion", "bash", "--install")
    assert result.status == 2
    assert ".bashrc: is a directory" in result.err.lower()
