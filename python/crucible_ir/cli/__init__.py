"""The command line ``crucible-ir``."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line on the arguments of the process, and exit."""
    try:
        # Imported here so that importing the package does not import click.
        from crucible_ir.cli.program import program

        program.main(prog_name="crucible-ir")
    except KeyboardInterrupt:
        # The interrupt arrived before click was ready to handle it.
        sys.exit(130)
