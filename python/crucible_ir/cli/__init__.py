"""The command line, ``crucible-ir``: files in, verdicts and files out."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line on the process's arguments, and end the process."""
    try:
        # Imported here so that importing the package does not import click.
        from crucible_ir.cli.program import program

        program.main(prog_name="crucible-ir")
    except KeyboardInterrupt:
        # It came before click could take it.
        sys.exit(130)
