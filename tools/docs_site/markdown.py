"""Markdown for the generated pages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

#: The folder of the pages of messages.
MESSAGES = "messages"

#: The folder of the pages of services.
SERVICES = "services"

#: A span of code, which is not escaped, or a character that Markdown gives a meaning.
_SPECIAL = re.compile(r"(`[^`]+`)|([\\`*_\[\]<>|{}$~#])")


def escaped(text: str) -> str:
    r"""Return text that shows as it is, except that spans of code stay.

    >>> print(escaped("Default: [loss]. The `type_`, <gte> and custom_tests."))
    Default: \[loss\]. The `type_`, \<gte\> and custom\_tests.
    """
    return _SPECIAL.sub(lambda found: found[1] or f"\\{found[2]}", text)


def paragraphs(text: str) -> str:
    """Return a comment of the schema, which has one line for each paragraph."""
    return "\n\n".join(map(escaped, text.split("\n")))


def code(text: str) -> str:
    """Return text as a span of code.

    >>> code("a`b")
    '`` a`b ``'
    """
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def cell(text: str) -> str:
    """Return text for a cell of a table."""
    return text.replace("\n", " ").replace("|", "\\|")


def table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table.

    >>> print(table(["a", "b"], [["1", "x"]]))
    | a | b |
    |---|---|
    | 1 | x |
    """
    lines = [f"| {' | '.join(heading)} |", "|" + "---|" * len(heading)]
    lines += [f"| {' | '.join(map(cell, row))} |" for row in rows]
    return "\n".join(lines)


def block(language: str, text: str) -> str:
    """Return a block of code."""
    return f"```{language}\n{text.rstrip()}\n```"


def page(parts: Iterable[str]) -> str:
    """Return a page of the parts that are not empty."""
    return "\n\n".join(part for part in parts if part) + "\n"


def toctree(names: Iterable[str]) -> str:
    """Return a table of contents that only the navigation shows."""
    listed = "\n".join(names)
    return f"```{{toctree}}\n:hidden:\n\n{listed}\n```"
