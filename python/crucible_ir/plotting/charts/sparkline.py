"""Lines that are as small as a word."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from crucible_ir.plotting.geometry.scales import AxisKind, Scale
from crucible_ir.plotting.markup import element, escape, number

_WIDTH: Final = 96.0
_HEIGHT: Final = 20.0
#: The space above and below the line.
_EDGE: Final = 2.0


def sparkline(values: Sequence[float], label: str = "") -> str:
    """Return a line without axes, with gaps at values that are not finite and a point at the end.

    Args:
        values: The values, at equal distances.
        label: What it shows, for screen readers. Empty: it is decoration beside a number.

    >>> sparkline([1, 2]).startswith('<svg class="spark" viewBox="0 0 96 20" aria-hidden="true">')
    True
    """
    finite = [value for value in values if math.isfinite(value)]
    low, high = min(finite, default=0.0), max(finite, default=0.0)
    scale = Scale(AxisKind.LINEAR, low, high)
    step = _WIDTH / max(1, len(values) - 1)
    path, last, pen = "", "", "M"
    for index, value in enumerate(values):
        if not math.isfinite(value):
            pen = "M"
            continue
        place = scale.place(value) if high / 2 > low / 2 else 0.5
        left = number(index * step, 1)
        top = number(_HEIGHT - _EDGE - place * (_HEIGHT - 2 * _EDGE), 1)
        path += f"{pen}{left} {top}"
        last, pen = element("circle", cx=left, cy=top, r=2.0), "L"
    name = {"role": "img", "aria_label": label} if label else {"aria_hidden": "true"}
    content = [element("title", escape(label))] if label else []
    line = element("path", class_="ln", d=path)
    return element("svg", *content, line, last, class_="spark", viewBox="0 0 96 20", **name)
