"""Charts and graphs as SVG, for the console and `crucible-ir plot`.

Dataclasses describe a chart, a function draws it, and the `Figure` that it returns has the SVG. The
colours come from `stylesheet()`.

>>> figure = draw_curves(CurveChart("loss", [Curve("run-1", [0, 10, 20], [2.3, 1.1, 0.9])]))
>>> figure.svg.endswith("</svg>")
True
"""

from crucible_ir.plotting.charts.bars import BarChart, draw_bars
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
from crucible_ir.plotting.charts.evaluations import Result, ResultChart, draw_results
from crucible_ir.plotting.charts.parallel import ParallelChart, ParallelRun, draw_parallel
from crucible_ir.plotting.charts.percentiles import Percentile, percentile_chart
from crucible_ir.plotting.charts.rates import Rate, RateChart, RateSeries, draw_rates
from crucible_ir.plotting.charts.sparkline import sparkline
from crucible_ir.plotting.figure import Figure, Size, Space
from crucible_ir.plotting.geometry.intervals import wilson
from crucible_ir.plotting.geometry.scales import AxisKind, Scale, value_scale
from crucible_ir.plotting.lineage.drawing import draw_lineage
from crucible_ir.plotting.lineage.graph import LineageEdge, LineageGraph, LineageNode, NodeState
from crucible_ir.plotting.styles import stylesheet

__all__ = [
    "AxisKind",
    "BarChart",
    "Best",
    "Curve",
    "CurveChart",
    "Figure",
    "Level",
    "LineageEdge",
    "LineageGraph",
    "LineageNode",
    "Mark",
    "NodeState",
    "ParallelChart",
    "ParallelRun",
    "Percentile",
    "Rate",
    "RateChart",
    "RateSeries",
    "Result",
    "ResultChart",
    "Scale",
    "Size",
    "Space",
    "draw_bars",
    "draw_curves",
    "draw_lineage",
    "draw_parallel",
    "draw_rates",
    "draw_results",
    "line_class",
    "percentile_chart",
    "slot_of",
    "sparkline",
    "stylesheet",
    "value_scale",
    "wilson",
]
