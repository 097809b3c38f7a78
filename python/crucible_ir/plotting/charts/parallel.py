"""Many runs at once: a line for each through an axis for each setting."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from crucible_ir.errors import plural, printable
from crucible_ir.plotting.figure import UNITS, Figure, Size, Space
from crucible_ir.plotting.geometry.scales import LOG_RATIO, AxisKind, Scale
from crucible_ir.plotting.geometry.ticks import value_text
from crucible_ir.plotting.markup import element, escape, number
from crucible_ir.showing.widths import shorten_middle

#: The most texts of an axis that have labels.
_MOST_TEXTS: Final = 12
#: The most characters of a label of an axis.
_LABEL: Final = 14
#: Where values that are unset or not numbers lie, below an axis.
_UNSET: Final = 1080.0
#: The inner part of the axis that texts use.
_MARGIN: Final = 0.06

Value = float | str | bool | None


@dataclass(frozen=True, slots=True)
class ParallelRun:
    """A run with its values, in the order of the axes. None: not set."""

    name: str
    values: Sequence[Value]


@dataclass(frozen=True, slots=True)
class ParallelChart:
    """Runs as lines through axes.

    Attributes:
        title: The title.
        axes: The names of the axes, from left to right; those of results are best last.
        runs: The runs.
        lit: The index of the run that is lit. None: none is.
        size: The height.
        notes: What the caption says.
    """

    title: str
    axes: Sequence[str]
    runs: Sequence[ParallelRun]
    lit: int | None = None
    size: Size = Size.LARGE
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class _Axis:
    name: str
    left: float
    scale: Scale | None
    texts: tuple[str, ...]

    def place(self, value: Value) -> float | None:
        """Return the place of a value from the bottom, 0 to 1; None if the axis has none for it."""
        number = _as_number(value)
        if self.scale is not None:
            if number is None or (self.scale.kind is AxisKind.LOG and number <= 0):
                return None
            return self.scale.place(number)
        text = _as_text(value)
        if text not in self.texts:
            return None
        if len(self.texts) == 1:
            return 0.5
        return _MARGIN + self.texts.index(text) / (len(self.texts) - 1) * (1 - 2 * _MARGIN)


def draw_parallel(chart: ParallelChart) -> Figure:
    """Draw runs as lines through axes, grey but for one.

    >>> runs = [ParallelRun("a", [0.001, "adam", 0.9]), ParallelRun("b", [0.1, "sgd", 0.8])]
    >>> draw_parallel(ParallelChart("Runs", ["learning_rate", "optimizer", "acc"], runs)).notes
    ('2 runs',)
    """
    for run in chart.runs:
        if len(run.values) != len(chart.axes):
            raise ValueError(
                f"run {run.name!r} has {len(run.values)} values for {len(chart.axes)} axes"
            )
    axes = [
        _axis(name, index, len(chart.axes), [run.values[index] for run in chart.runs])
        for index, name in enumerate(chart.axes)
    ]
    order = [index for index in range(len(chart.runs)) if index != chart.lit]
    # The lit run is on top.
    order += [] if chart.lit is None else [chart.lit]
    lines = [_line(chart, axes, index) for index in order]
    unset = any(
        axis.place(value) is None
        for run in chart.runs
        for axis, value in zip(axes, run.values, strict=True)
    )
    inner = element(
        "svg",
        *lines,
        class_="plot",
        viewBox=f"0 0 {UNITS:.0f} {UNITS:.0f}",
        preserveAspectRatio="none",
        width="100%",
        height="100%",
        overflow="visible",
    )
    parts = [
        part for axis in axes for part in _draw_axis(axis, chart.size.pixels, unset, len(axes))
    ]
    description = f"{plural(len(chart.runs), 'run')} by {', '.join(chart.axes)}"
    svg = element(
        "svg",
        element("title", escape(chart.title)),
        element("desc", escape(description)),
        inner,
        *parts,
        class_=f"chart par {chart.size.value[0]}" + (" un" if unset else ""),
        role="img",
        aria_label=f"{chart.title}. {description}",
        height=float(chart.size.pixels),
        data_chart="parallel",
    )
    notes = (*chart.notes, plural(len(chart.runs), "run"))
    space = Space(right=40, top=24, bottom=34 if unset else 14)
    return Figure(chart.title, notes, svg, chart.size.pixels, space)


def _as_number(value: Value) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def _as_text(value: Value) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    number = _as_number(value)
    return None if number is None else value_text(number)


def _axis(name: str, index: int, count: int, values: Sequence[Value]) -> _Axis:
    left = index / (count - 1) if count > 1 else 0.5
    numbers = [number for value in values if (number := _as_number(value)) is not None]
    if any(isinstance(value, str | bool) for value in values):
        texts = dict.fromkeys(text for value in values if (text := _as_text(value)) is not None)
        return _Axis(name, left, None, tuple(sorted(texts)))
    low, high = min(numbers, default=0.0), max(numbers, default=0.0)
    if low == high:
        return _Axis(name, left, None, (value_text(low),) if numbers else ())
    log = low > 0 and high / low >= LOG_RATIO
    return _Axis(name, left, Scale(AxisKind.LOG if log else AxisKind.LINEAR, low, high), ())


def _line(chart: ParallelChart, axes: Sequence[_Axis], index: int) -> str:
    run = chart.runs[index]
    points = []
    for axis, value in zip(axes, run.values, strict=True):
        place = axis.place(value)
        top = _UNSET if place is None else (1 - place) * UNITS
        points.append(f"{number(axis.left * UNITS, 1)} {number(top, 1)}")
    lit = " lit" if index == chart.lit else ""
    return element(
        "g",
        element("title", escape(run.name)),
        element("path", class_=f"pl1{lit}", d=f"M{'L'.join(points)}" if points else ""),
        class_="se",
        data_i=str(index),
        data_name=run.name,
    )


def _draw_axis(axis: _Axis, height: int, unset: bool, count: int) -> Iterator[str]:
    left = f"{number(axis.left * 100)}%"
    anchor = "start" if axis.left < 0.01 else "end" if axis.left > 0.99 else "middle"
    if count == 1:
        anchor = "middle"
    yield element("line", class_="axis", x1=left, x2=left, y2=float(height))
    yield element(
        "text",
        element("title", escape(axis.name)),
        escape(shorten_middle(printable(axis.name), _LABEL + 4)),
        class_="hot",
        x=left,
        y=-10.0,
        text_anchor=anchor,
    )
    for text, place in _axis_labels(axis):
        # Above the lines that leave from the value.
        yield element(
            "text",
            escape(shorten_middle(printable(text), _LABEL)),
            class_="pll",
            x=left,
            dx="5",
            y=(1 - place) * height,
            dy="-4",
        )
    if unset:
        yield element("circle", class_="hol c0", cx=left, cy=height * _UNSET / UNITS, r=2.0)
        if axis.left < 0.01:
            yield element(
                "text", "unset", x=-7.0, y=height * _UNSET / UNITS, dy=".34em", text_anchor="end"
            )


def _axis_labels(axis: _Axis) -> Iterator[tuple[str, float]]:
    if axis.scale is None:
        few = len(axis.texts) <= _MOST_TEXTS
        for text in axis.texts if few else (axis.texts[0], axis.texts[-1]):
            place = axis.place(text)
            yield text, 0.5 if place is None else place
        return
    ticks = axis.scale.ticks(5)
    if len(ticks) < 2:
        yield value_text(axis.scale.low, 2), 0.0
        yield value_text(axis.scale.high, 2), 1.0
        return
    for tick in ticks:
        yield tick.label, axis.scale.place(tick.value)
