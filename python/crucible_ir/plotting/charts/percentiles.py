"""Latency percentiles over time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from crucible_ir.plotting.charts.curves import Curve, CurveChart, Mark
from crucible_ir.plotting.figure import Size
from crucible_ir.plotting.geometry.scales import AxisKind, Scale


@dataclass(frozen=True, slots=True)
class Percentile:
    """One percentile over time.

    Attributes:
        name: Its name, for example p99.
        xs: The times, in seconds since 1970.
        ys: The values; NaN is a gap.
    """

    name: str
    xs: Sequence[float]
    ys: Sequence[float]


def percentile_chart(
    title: str,
    percentiles: Iterable[Percentile],
    *,
    slot: int = 1,
    unit: str = "ms",
    marks: Sequence[Mark] = (),
    y_scale: Scale | None = None,
    x_scale: Scale | None = None,
    size: Size = Size.SMALL,
    x_label: str = "",
) -> CurveChart:
    """Return the chart of percentiles of one thing, in its colour: solid, dashed and dotted.

    >>> chart = percentile_chart("Latency of 1.3.0", [Percentile("p50", [0, 1], [40.0, 41.0])])
    >>> chart.notes, chart.curves[0].dash
    (('ms',), 1)
    """
    curves = [
        Curve(percentile.name, percentile.xs, percentile.ys, slot, min(dash, 4))
        for dash, percentile in enumerate(percentiles, 1)
    ]
    return CurveChart(
        title,
        curves,
        notes=(unit,),
        x_kind=AxisKind.TIME,
        x_label=x_label,
        y_scale=y_scale,
        x_scale=x_scale,
        marks=marks,
        size=size,
    )
