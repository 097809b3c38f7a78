"""The state of one run of the command line: its consoles, exit statuses and error messages."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from crucible_ir.cli.console import Console
from crucible_ir.errors import DecodeError, EncodeError, Error, printable

#: The exit statuses: success; a document is invalid; the command could not run.
GOOD: Final = 0
INVALID: Final = 1
COULD_NOT_RUN: Final = 2

#: The environment variable that has the effect of ``--debug``.
DEBUG_VARIABLE: Final = "CRUCIBLE_IR_DEBUG"

#: The function that reads a format, at the end of an error text.
_READER: Final = re.compile(r"(?<=\bread with )(?:from|read)_([a-z_]+)$")
#: The name of a limit, at the end of an error text.
_LIMIT: Final = re.compile(r"\((max_[a-z_]+)\)$")
#: The advice about the short name of an enum value in a document and in a record of a stream.
_SHORT_NAMES: Final = re.compile(
    '; short names are read with (?:from_crucible_json|dialect="crucible")'
)


class CannotRunError(Error):
    """The command could not run; the exit status is 2."""


class CannotDecodeError(CannotRunError):
    """A document of a command that needs all of its documents cannot be decoded.

    Attributes:
        name: The name of the document.
        error: The error, with all errors of the document.
    """

    def __init__(self, name: str, error: DecodeError) -> None:
        super().__init__(f"{name}: {error}")
        self.name = name
        self.error = error


@dataclass(slots=True)
class Session:
    """The options that every command takes.

    Attributes:
        color: ``auto``, ``always`` or ``never``.
        debug: Whether to print the traceback of an unexpected error.
    """

    color: str = "auto"
    debug: bool = False

    def out(self) -> Console:
        """Return the console for results."""
        return Console(sys.stdout, self.color)

    def err(self) -> Console:
        """Return the console for messages about the run."""
        return Console(sys.stderr, self.color)

    def print_error(self, reason: str) -> None:
        """Print an error as one line on standard error."""
        print_error(reason)

    def print_document_error(self, name: str, error: DecodeError | EncodeError) -> None:
        """Print the errors of a document, with the document's name and the positions."""
        errors = error.errors if isinstance(error, DecodeError) else (error,)
        for each, reason in zip(errors, reasons_with_options(errors), strict=True):
            at = f":{each.position}" if each.position else ""
            path = f"{each.path}: " if each.path else ""
            self.print_error(f"{name}{at}: {path}{reason}")


def print_error(reason: str) -> None:
    """Print an error as one line on standard error."""
    print(f"crucible-ir: {printable(reason)}", file=sys.stderr)


def with_options(reason: str, *, in_stream: bool = False) -> str:
    """Return an error text with the option to give instead of the function of Python to call.

    Args:
        reason: The reason of a decode error.
        in_stream: Whether it is about a record of a stream; the advice about short names is left
            out, since it is given once.

    >>> with_options("this looks like YAML, which is read with from_yaml")
    'this looks like YAML, which is read with --from yaml'
    """
    if in_stream:
        reason = _SHORT_NAMES.sub("", reason)
    reason = _LIMIT.sub(lambda match: f"(--{match[1].replace('_', '-')})", reason)
    return _READER.sub(lambda match: f"--from {match[1].replace('_', '-')}", reason)


def reasons_with_options(errors: Sequence[DecodeError | EncodeError]) -> list[str]:
    """Return the texts of the errors of a document, the advice about short names only once."""
    reasons: list[str] = []
    advised = False
    for error in errors:
        reasons.append(with_options(error.reason, in_stream=advised))
        advised = advised or has_short_name(error)
    return reasons


def has_short_name(error: DecodeError | EncodeError) -> bool:
    """Return whether an error is about a short name, which another format reads."""
    return _SHORT_NAMES.search(error.reason) is not None


def reason_of(error: OSError) -> str:
    """Return the operating system's reason for an error."""
    reason = error.strerror or str(error)
    return reason[:1].lower() + reason[1:]


def debug_is_set() -> bool:
    """Return whether the environment requests tracebacks."""
    return os.environ.get(DEBUG_VARIABLE, "") not in ("", "0")
