"""``crucible-ir completion``: print the completion script for a shell."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from crucible_ir.cli.program import Command, program
from crucible_ir.cli.session import GOOD

_EXAMPLES = (
    ("crucible-ir completion bash >> ~/.bashrc", "For every new bash."),
    ('eval "$(crucible-ir completion zsh)"', "For this zsh; add it to ~/.zshrc for every new zsh."),
    (
        "crucible-ir completion fish > ~/.config/fish/completions/crucible-ir.fish",
        "For every new fish.",
    ),
)


@click.command(cls=Command, examples=_EXAMPLES)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> int:
    """Print the completion script for a shell.

    The script completes commands, options, message types, formats and file names.
    """
    script_of = get_completion_class(shell)
    if script_of is None:
        raise click.UsageError(f"no completion for {shell}")
    print(script_of(program, {}, "crucible-ir", "_CRUCIBLE_IR_COMPLETE").source())
    return GOOD
