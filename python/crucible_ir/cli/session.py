"""What holds for one run of the command line: colour, and how to show what went wrong."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TextIO

from crucible_ir.errors import DecodeError, EncodeError, Error, printable

if TYPE_CHECKING:
    from rich.console import Console

#: The exit statuses: all is good; a document is not; the command could not do its work.
GOOD: Final = 0
INVALID: Final = 1
COULD_NOT_RUN: Final = 2

#: The environment variable that does what ``--debug`` does.
DEBUG_VARIABLE: Final = "CRUCIBLE_IR_DEBUG"


class CannotRunError(Error):
    """The command cannot do what it was asked to; the exit status is 2."""


@dataclass(slots=True)
class Session:
    """The options that every command takes.

    Attributes:
        color: ``auto``, ``always`` or ``never``.
        debug: Whether an unexpected error shows its traceback.
    """

    color: str = "auto"
    debug: bool = False

    def out(self) -> Console:
        """Return the console for what was asked for."""
        return self._console(sys.stdout)

    def err(self) -> Console:
        """Return the console for remarks on the work."""
        return self._console(sys.stderr)

    def _console(self, stream: TextIO) -> Console:
        # Rich is imported only by what draws: JSON output and binary conversion do without.
        from crucible_ir.cli.console import make_console

        return make_console(stream, color=self.color)

    def print_error(self, reason: str) -> None:
        """Print why nothing came of it, as one line on standard error."""
        print(f"crucible-ir: {printable(reason)}", file=sys.stderr)

    def print_document_error(self, name: str, error: DecodeError | EncodeError) -> None:
        """Print why a document cannot be read or written, with its name and the place."""
        at = f":{error.position}" if error.position else ""
        path = f"{error.path}: " if error.path else ""
        self.print_error(f"{name}{at}: {path}{error.reason}")


def reason_of(error: OSError) -> str:
    """Say in the system's words why a file cannot be used."""
    reason = error.strerror or str(error)
    return reason[:1].lower() + reason[1:]


def debug_is_set() -> bool:
    """Tell whether the environment asks for tracebacks."""
    return os.environ.get(DEBUG_VARIABLE, "") not in ("", "0")
