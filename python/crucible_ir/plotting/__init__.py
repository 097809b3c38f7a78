"""Charts and graphs as SVG, for the console and `crucible-ir plot`.

Dataclasses describe a chart, a function draws it, and the `Figure` that it returns has the SVG. The
colours come from `stylesheet()`.

>>> figure = draw_curves(CurveChart("loss", [Curve("run-1", [0, 10, 20], [2.3, 1.1, 0.9])]))
>>> figure.svg.endswith("</svg>")
True
"""

from crucible_ir.plotting.charts.curves import (
    Best,
    Curve,
    CurveChart,
    Level,
    Mark,
    draw_curves,
    line_class,
    slot_of,
)
from crucible_ir.plotting.figure import Figure, Size
from crucible_ir.plotting.geometry.scales import AxisKind, Scale, value_scale
from crucible_ir.plotting.styles import stylesheet

__all__ = [
    "AxisKind",
    "Best",
    "Curve",
    "CurveChart",
    "Figure",
    "Level",
    "Mark",
    "Scale",
    "Size",
    "draw_curves",
    "line_class",
    "slot_of",
    "stylesheet",
    "value_scale",
]
