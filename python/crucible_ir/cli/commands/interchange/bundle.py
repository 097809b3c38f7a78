"""``crucible-ir bundle``: put documents and what they refer to into one file."""

from __future__ import annotations

from typing import Any

import click

from crucible_ir.cli.program import CommandGroup

_EXAMPLES = (
    (
        "crucible-ir bundle create 'examples/model*' 'examples/training*' -o llama.crucible.zip",
        "Put documents into one file.",
    ),
    ("crucible-ir bundle check llama.crucible.zip", "Check it before it is used."),
    ("crucible-ir bundle open llama.crucible.zip -o llama", "Write its documents to a folder."),
)


class _BundleCommands(CommandGroup):
    """Imports only the subcommand that runs."""

    def list_commands(self, context: click.Context) -> list[str]:
        """Return the names of the subcommands."""
        return ["create", "check", "open"]

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Import a subcommand."""
        if name not in self.list_commands(context):
            return None
        from importlib import import_module

        module: Any = import_module(f"crucible_ir.cli.commands.interchange.bundle_{name}")
        command: click.Command = module.command
        return command


@click.command(cls=_BundleCommands, examples=_EXAMPLES)
def command() -> None:
    """Put documents and what they refer to into one file.

    A bundle is a ZIP archive, NAME.crucible.zip, with documents and a manifest of their digests. It
    depends on the documents only: the same documents give the same bytes. `crucible-ir publish
    NAME.crucible.zip` stores its documents in an exchange.
    """
