"""The style sheets of charts."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import Final

#: The definition of a colour or font, and a reference to one.
_TOKEN: Final = re.compile(r"--([\w-]+):\s*(.+);")
_THEMED: Final = re.compile(r"light-dark\((.+?), (.+?)\)")
_REFERENCE: Final = re.compile(r"var\(--([\w-]+)\)")

THEMES: Final = ("auto", "light", "dark")


@cache
def _text(name: str) -> str:
    return resources.files(__name__).joinpath(f"{name}.css").read_text(encoding="utf-8")


def stylesheet(*, tokens: bool = True) -> str:
    """Return the style sheet of charts, with or without the colours and fonts that it refers to.

    >>> stylesheet(tokens=False).startswith("/* Charts and graphs.")
    True
    """
    return (_text("tokens") if tokens else "") + _text("charts") + _text("layout")


def page_stylesheet(theme: str = "auto") -> str:
    """Return the style sheet of a page that has nothing but charts, in a theme.

    >>> "color-scheme: dark;" in page_stylesheet("dark")
    True
    """
    scheme = "light dark" if theme == "auto" else theme
    tokens = _text("tokens").replace("color-scheme: light dark;", f"color-scheme: {scheme};")
    return tokens + _text("page") + _text("charts") + _text("layout")


def svg_stylesheet(theme: str = "auto") -> str:
    """Return the style sheet of an SVG file, without functions that only browsers know.

    >>> "var(" in svg_stylesheet() or "light-dark(" in svg_stylesheet()
    False
    """
    rules = _text("charts") + _text("svg")
    first = _resolved(rules, dark=theme == "dark")
    if theme != "auto":
        return first
    coloured = "\n".join(line for line in rules.splitlines() if "var(" in line)
    return f"{first}@media (prefers-color-scheme: dark) {{\n{_resolved(coloured, dark=True)}\n}}\n"


def _resolved(rules: str, *, dark: bool) -> str:
    """Return rules with the colours of a theme in place of references to them."""
    values = {
        name: themed[2 if dark else 1] if (themed := _THEMED.fullmatch(value)) else value
        for name, value in _TOKEN.findall(_text("tokens"))
    }
    return _REFERENCE.sub(lambda match: values[match[1]], rules)
