"""The console: lines in colour where the terminal shows it, and rich for tables and trees."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TextIO, TypeAlias

import click

if TYPE_CHECKING:
    from rich.console import Console as RichConsole

#: Text, or text and the name of its style.
Segment: TypeAlias = str | tuple[str, str]
#: The segments of one line.
Line: TypeAlias = tuple[Segment, ...]

#: The styles by meaning: the name that rich has for each, and its code (ECMA-48, 8.3.117).
_STYLES: Final[Mapping[str, tuple[str, str]]] = {
    "good": ("green", "32"),
    "bad": ("bold red", "1;31"),
    "warn": ("yellow", "33"),
    "note": ("cyan", "36"),
    "name": ("bold", "1"),
    "where": ("cyan", "36"),
    "aside": ("dim", "2"),
    "text": ("green", "32"),
    "number": ("cyan", "36"),
    "word": ("magenta", "35"),
}

#: The width of what does not go to a terminal.
_WIDTH: Final = 100


@dataclass(frozen=True, slots=True)
class Console:
    """Prints to a stream.

    Attributes:
        stream: The stream.
        color: ``always``, ``never``, or ``auto`` for colour on a terminal that shows it, unless the
            environment sets ``NO_COLOR`` (no-color.org).
    """

    stream: TextIO
    color: str = "auto"

    def print(self, *segments: Segment, style: str = "") -> None:
        """Print a line.

        Args:
            segments: The text of the line.
            style: The style of the segments that have none.
        """
        has_color = self._has_color()
        parts = [(part, style) if isinstance(part, str) else part for part in segments]
        line = "".join(_colored(*part) if has_color else part[0] for part in parts)
        click.echo(line, self.stream, color=has_color)

    def print_lines(self, lines: Iterable[Line]) -> None:
        """Print many lines."""
        for line in lines:
            self.print(*line)

    @property
    def width(self) -> int:
        """The number of characters in a line: that of COLUMNS, or else that of the terminal."""
        # Python reads COLUMNS as well, but looks for the terminal of standard output only.
        columns = os.environ.get("COLUMNS", "")
        if columns.isdecimal() and int(columns):
            return int(columns)
        try:
            size = os.get_terminal_size(self.stream.fileno())
        except (AttributeError, OSError, ValueError):
            return _WIDTH
        return size.columns or _WIDTH

    def rich(self) -> RichConsole:
        """Return a console that draws tables and trees in the same styles."""
        # Rich takes longer to import than a valid document takes to check.
        from rich.console import Console
        from rich.theme import Theme

        class PipeConsole(Console):
            """Leaves a closed pipe to the program, which ends with its own status."""

            def on_broken_pipe(self) -> None:
                raise BrokenPipeError

        has_color = self._has_color()
        return PipeConsole(
            file=self.stream,
            force_terminal=True if has_color else None,
            width=self.width,
            color_system="standard" if has_color else None,
            theme=Theme({name: rich_style for name, (rich_style, _) in _STYLES.items()}),
            highlight=False,
            markup=False,
            emoji=False,
            no_color=False,
        )

    def _has_color(self) -> bool:
        if self.color != "auto":
            return self.color == "always"
        if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
            return False
        return self.stream.isatty()


def _colored(text: str, style: str) -> str:
    return f"\x1b[{_STYLES[style][1]}m{text}\x1b[0m" if style and text else text
