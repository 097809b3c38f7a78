"""The style sheets of charts."""

from __future__ import annotations

from functools import cache
from importlib import resources


@cache
def _text(name: str) -> str:
    return resources.files(__name__).joinpath(name).read_text(encoding="utf-8")


def stylesheet(*, tokens: bool = True) -> str:
    """Return the style sheet of charts, with or without the colours and fonts that it refers to.

    >>> stylesheet(tokens=False).startswith("/* Charts and graphs.")
    True
    """
    return (_text("tokens.css") if tokens else "") + _text("charts.css")
