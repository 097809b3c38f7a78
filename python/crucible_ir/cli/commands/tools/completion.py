"""``crucible-ir completion``: print the completion script for a shell, or install it."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Final

import click
from click.shell_completion import get_completion_class

from crucible_ir.cli.files.outputs import write_output
from crucible_ir.cli.program import Command, program
from crucible_ir.cli.session import GOOD

_EXAMPLES = (
    ("crucible-ir completion --install", "For every new shell of the kind that you use."),
    ("crucible-ir completion zsh --install", "For every new zsh."),
    ('eval "$(crucible-ir completion bash)"', "For this bash only."),
)

_SHELLS: Final = ("bash", "zsh", "fish")

#: Completion of zsh must be on before a script can add to it.
_ZSH_START: Final = "(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }\n"

#: The end of the line that loads the script, by which the line is found again.
_MARK: Final = b"# completion of crucible-ir"


@click.command(cls=Command, examples=_EXAMPLES)
@click.argument("shell", type=click.Choice(_SHELLS), required=False)
@click.option(
    "--install",
    is_flag=True,
    help="Install the script for new shells instead of printing it; repeat this after an upgrade.",
)
def command(shell: str | None, install: bool) -> int:
    """Print the completion script for a shell, or install it.

    The script completes commands, options, message types, formats and file names. Without SHELL, it
    is for the login shell, which the variable SHELL names.

    With --install, the script of fish becomes a file in its folder of completions. Those of bash
    and zsh become a file in ~/.local/share/crucible-ir, and one line at the end of ~/.bashrc or
    ~/.zshrc loads it. Repeating the command adds no second line.
    """
    chosen = shell or _login_shell()
    script_of = get_completion_class(chosen)
    if script_of is None:
        raise click.UsageError(f"no completion for {chosen}")
    script = script_of(program, {}, "crucible-ir", "_CRUCIBLE_IR_COMPLETE").source()
    if not install:
        print(script)
        return GOOD
    if chosen == "fish":
        path = _folder("XDG_CONFIG_HOME", ".config") / "fish" / "completions" / "crucible-ir.fish"
    else:
        path = _folder("XDG_DATA_HOME", ".local/share") / "crucible-ir" / f"completion.{chosen}"
    path.parent.mkdir(parents=True, exist_ok=True)
    start = _ZSH_START if chosen == "zsh" else ""
    write_output(str(path), f"{start}{script}\n".encode(), force=True)
    print(f"{path}: the script for {chosen}")
    if chosen != "fish":
        _load(path, _start_file(chosen))
    print(f"Open a new {chosen}, and press Tab after `crucible-ir `.")
    return GOOD


def _login_shell() -> str:
    name = Path(os.environ.get("SHELL", "")).name
    if name not in _SHELLS:
        found = f'SHELL names "{name}"' if name else "SHELL is not set"
        raise click.UsageError(f"which shell? Name one of {', '.join(_SHELLS)}: {found}")
    return name


def _folder(variable: str, default: str) -> Path:
    """Return a folder of the user; as the XDG rules say, a relative one counts as unset."""
    given = Path(os.environ.get(variable, ""))
    return given if given.is_absolute() else Path.home() / default


def _start_file(shell: str) -> Path:
    """Return the file that an interactive shell reads when it starts."""
    if shell == "bash":
        return Path.home() / ".bashrc"
    return Path(os.environ.get("ZDOTDIR") or Path.home()) / ".zshrc"


def _load(script: Path, start_file: Path) -> None:
    """Add the line that loads a script to a start file, unless it has that line.

    The file may be a link and have any encoding, so bytes are appended, and nothing is replaced.
    """
    name = shlex.quote(str(script))
    line = os.fsencode(f"[ -r {name} ] && . {name}  ") + _MARK
    with open(start_file, "a+b") as file:
        file.seek(0)
        lines = file.read().split(b"\n")
        if line in lines:
            print(f"{start_file}: loads it already")
            return
        file.write(b"" if lines[-1] == b"" else b"\n")
        file.write(line + b"\n")
    print(f"{start_file}: a line loads it")
