"""Spans of time as the command line takes them, such as ``90d``."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    SpanParameter = click.ParamType[timedelta]
else:
    # Older releases of click have no type parameter here.
    SpanParameter = click.ParamType

_SPAN: Final = re.compile(r"([1-9][0-9]{0,5})([smhdw])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def span_of(text: str) -> timedelta | None:
    """Return the span that a text names; ``None`` when it names none.

    >>> span_of("90d").days, span_of("36h").days, span_of("0d"), span_of("1 day")
    (90, 1, None, None)
    """
    span = _SPAN.fullmatch(text)
    return timedelta(**{_UNITS[span[2]]: int(span[1])}) if span else None


class Span(SpanParameter):
    """A number of seconds, minutes, hours, days or weeks."""

    name = "span"

    def convert(self, value: Any, param: Any, ctx: Any) -> timedelta:
        """Read a span, or say what one looks like."""
        span = value if isinstance(value, timedelta) else span_of(value)
        if span is None:
            units = ", ".join(_UNITS)
            self.fail(f"{value!r} is no span such as 90d or 12h; units are {units}", param, ctx)
        return span
