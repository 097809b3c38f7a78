"""Counts in equal spans of time, as bars that are stacked by kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from crucible_ir.plotting.charts.curves import slot_of
from crucible_ir.plotting.figure import Canvas, Figure, Size
from crucible_ir.plotting.geometry.scales import AxisKind, Scale, value_scale
from crucible_ir.plotting.geometry.times import utc
from crucible_ir.plotting.markup import element, escape, number

#: The part of a span that its bar takes.
_FILLED = 0.76


@dataclass(frozen=True, slots=True)
class BarChart:
    """Counts over time by kind.

    Attributes:
        title: The title.
        starts: The starts of the spans, in seconds since 1970, ascending.
        step: The length of a span.
        stacks: The names of the kinds, from the bottom up, with as many counts as there are spans.
        notes: What the caption says.
        size: The height.
        x_label: The name at the end of the level axis, such as UTC.
    """

    title: str
    starts: Sequence[float]
    step: float
    stacks: Sequence[tuple[str, Sequence[int]]]
    notes: Sequence[str] = ()
    size: Size = Size.SMALL
    x_label: str = ""


def draw_bars(chart: BarChart) -> Figure:
    """Draw stacked bars.

    >>> draw_bars(BarChart("Events", [0, 60], 60, [("thumbs", [3, 4])])).svg.count("<rect")
    2
    """
    for name, counts in chart.stacks:
        if len(counts) != len(chart.starts):
            raise ValueError(f"{name!r} has {len(counts)} counts for {len(chart.starts)} spans")
    totals = [sum(counts) for counts in zip(*(counts for _, counts in chart.stacks), strict=True)]
    first = chart.starts[0] if chart.starts else 0.0
    last = chart.starts[-1] + chart.step if chart.starts else chart.step
    canvas = Canvas(
        x=Scale(AxisKind.TIME, first, last),
        y=value_scale([0, max([1, *totals])], AxisKind.COUNT, most=3),
        size=chart.size,
        x_label=chart.x_label,
        x_ticks=6,
        y_ticks=3,
    )
    if not sum(totals):
        canvas.say_empty("no events")
    width = canvas.x.place(first + chart.step * _FILLED) * 100
    for span, start in enumerate(chart.starts):
        parts = [element("title", escape(_words(chart, span)))]
        below = 0
        for index, (_, counts) in enumerate(chart.stacks):
            count = counts[span]
            if not count:
                continue
            top = canvas.top(below + count)
            parts.append(
                element(
                    "rect",
                    class_=f"br f{slot_of(index)}",
                    x=canvas.left(start + chart.step * (1 - _FILLED) / 2),
                    width=f"{number(width)}%",
                    y=top,
                    height=canvas.top(below) - top,
                )
            )
            below += count
        if below:
            canvas.placed.append(element("g", *parts))
    keys = [
        (f"{sum(counts):,} {name}", slot_of(index))
        for index, (name, counts) in enumerate(chart.stacks)
    ]
    words = f"{chart.title}: {', '.join(name for name, _ in keys) or 'none'}"
    return canvas.figure(chart.title, chart.notes, words, keys, chart="bars")


def _words(chart: BarChart, span: int) -> str:
    counts = ", ".join(f"{name} {counts[span]:,}" for name, counts in chart.stacks if counts[span])
    return f"{utc(chart.starts[span]):%Y-%m-%d %H:%M} UTC: {counts}"
