"""The consoles that commands print on: colour only where it is wanted, and no surprises."""

from __future__ import annotations

import os
from typing import TextIO

from rich.console import Console
from rich.theme import Theme

#: What the styles mean; commands name the meaning, not the colour.
_THEME = Theme(
    {
        "good": "green",
        "bad": "bold red",
        "warn": "yellow",
        "note": "cyan",
        "name": "bold",
        "where": "cyan",
        "aside": "dim",
        "text": "green",
        "number": "cyan",
        "word": "magenta",
    },
)

#: How wide drawings are that do not go to a terminal.
_WIDTH = 100


class _Console(Console):
    """A console that leaves a closed pipe to the program."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def make_console(stream: TextIO, *, color: str) -> Console:
    """Return a console that writes to a stream.

    Args:
        stream: Where to write.
        color: ``always``, ``never``, or ``auto`` for colour on a terminal that shows it, unless
            the environment sets ``NO_COLOR`` (no-color.org).
    """
    wanted = color == "always" or (color == "auto" and _shows_color(stream))
    return _Console(
        file=stream,
        force_terminal=True if wanted else None,
        width=None if stream.isatty() else _WIDTH,
        color_system="standard" if wanted else None,
        theme=_THEME,
        highlight=False,
        markup=False,
        emoji=False,
        no_color=False,
    )


def _shows_color(stream: TextIO) -> bool:
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return stream.isatty()
