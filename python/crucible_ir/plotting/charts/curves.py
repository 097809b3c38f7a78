"""Curves of measurements, such as the metrics of training runs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from crucible_ir.errors import plural
from crucible_ir.plotting.charts.end_labels import EndLabel, draw_label, place_labels
from crucible_ir.plotting.figure import LEAST_WIDTH, Canvas, Figure, Size, mark_at
from crucible_ir.plotting.geometry.names import short_names, text_width
from crucible_ir.plotting.geometry.scales import AxisKind, Scale, position_scale, value_scale
from crucible_ir.plotting.geometry.smoothing import smooth
from crucible_ir.plotting.geometry.ticks import value_text
from crucible_ir.plotting.geometry.times import duration_text, utc
from crucible_ir.plotting.markup import element, escape

#: The number of colours. The curves after them are grey.
COLOURS: Final = 8
#: The number of dashes, which repeat.
_DASHES: Final = 4
#: The most crosses and triangles of one curve: more would lie on each other.
_MOST_MARKS: Final = 150
#: The number of units of smoothing across a chart.
_UNITS: Final = 300.0
#: The most curves whose first infinity has a label.
_INFINITY_LABELS: Final = 3


class Best(Enum):
    """Which value of a metric is the best."""

    HIGHEST = auto()
    LOWEST = auto()


@dataclass(frozen=True, slots=True)
class Curve:
    """The values of one thing over steps, epochs or time.

    Attributes:
        name: The name, for example the id of a run.
        xs: Where the values were measured, ascending. Values that are not finite are left out.
        ys: The values; NaN and infinities are legal.
        slot: The colour, 1 to 8, or 0 for grey. None: by the place among the curves.
        dash: The dash, 1 to 4. None: that of the colour.
        stored: How many values there are in all, if `ys` has a part of them.
    """

    name: str
    xs: Sequence[float]
    ys: Sequence[float]
    slot: int | None = None
    dash: int | None = None
    stored: int | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """A vertical line with words, for example at a deployment."""

    x: float
    label: str = ""


@dataclass(frozen=True, slots=True)
class Level:
    """A level line with words, for example at a limit."""

    y: float
    label: str = ""


@dataclass(frozen=True, slots=True)
class CurveChart:
    """Curves that share their axes.

    Attributes:
        title: The title, for example the name of the metric.
        curves: The curves. The first eight have colours.
        notes: What the caption says first.
        x_kind: What the level axis shows: COUNT for steps, LINEAR for epochs, TIME or DURATION.
        x_label: The name at its end.
        scale: The kind of the upright axis. None: logarithmic from two decades on.
        y_scale: The upright axis, where charts share one. It overrides `scale`.
        x_scale: The level axis, where charts share one.
        smoothing: The weight of values at a distance of 1/300 of the level axis, from 0 (none) to
            0.99. The raw values are then behind.
        best: Marks the best value of each curve.
        marks: Vertical lines.
        levels: Level lines.
        size: The height.
        labels: Whether lines have labels at their ends.
    """

    title: str
    curves: Sequence[Curve]
    notes: Sequence[str] = ()
    x_kind: AxisKind = AxisKind.COUNT
    x_label: str = "step"
    scale: AxisKind | None = None
    y_scale: Scale | None = None
    x_scale: Scale | None = None
    smoothing: float = 0.0
    best: Best | None = None
    marks: Sequence[Mark] = ()
    levels: Sequence[Level] = ()
    size: Size = Size.MEDIUM
    labels: bool = True


def slot_of(index: int) -> int:
    """Return the colour of the curve at an index: 1 to 8, then 0 for grey.

    >>> slot_of(0), slot_of(7), slot_of(8)
    (1, 8, 0)
    """
    return index + 1 if index < COLOURS else 0


def line_class(slot: int, dash: int | None = None) -> str:
    """Return the class of a line of a colour.

    >>> line_class(1), line_class(6), line_class(0)
    ('c1', 'c6 dash2', 'c0')
    """
    dash = dash if dash is not None else (slot - 1) % _DASHES + 1 if slot else 1
    return f"c{slot} dash{dash}" if dash > 1 else f"c{slot}"


@dataclass(slots=True)
class _Line:
    """A curve with what is drawn of it."""

    curve: Curve
    index: int
    slot: int
    #: The finite values that the axis can show, in pieces without a gap.
    pieces: list[tuple[list[float], list[float]]]
    smoothed: list[list[float]]
    nan: list[float]
    #: The places of infinities, with their signs.
    infinite: list[tuple[float, bool]]
    #: The number of values that a logarithmic axis cannot show.
    not_shown: int

    @property
    def drawn(self) -> int:
        """The number of points in the picture."""
        return sum(len(xs) for xs, _ in self.pieces) + len(self.nan) + len(self.infinite)


def draw_curves(chart: CurveChart) -> Figure:
    """Draw curves.

    >>> figure = draw_curves(CurveChart("loss", [Curve("run-1", [0, 1, 2], [3.0, 2.0, 1.5])]))
    >>> figure.title, figure.notes, figure.svg.startswith('<svg class="chart h2')
    ('loss', (), True)
    """
    if not 0 <= chart.smoothing < 1:
        raise ValueError(f"smoothing is from 0 to below 1, not {chart.smoothing}")
    y = chart.y_scale or value_scale(
        [
            *(value for curve in chart.curves for value in curve.ys),
            *(level.y for level in chart.levels),
        ],
        chart.scale,
    )
    x = chart.x_scale or position_scale(
        [
            *(value for curve in chart.curves for value in curve.xs),
            *(mark.x for mark in chart.marks),
        ],
        chart.x_kind,
    )
    unit = (x.high / 2 - x.low / 2) / (_UNITS / 2)
    lines = [
        _line(curve, index, y.kind, chart.smoothing, unit) for index, curve in _numbered(chart)
    ]
    canvas = Canvas(
        x=x,
        y=y,
        size=chart.size,
        x_label=chart.x_label,
        lane=any(line.nan for line in lines),
        y_ticks=7 if y.kind is AxisKind.LOG and chart.size is Size.LARGE else 5,
    )
    _draw_levels(canvas, chart.levels)
    # The first curve is on top.
    for line in reversed(lines):
        _draw_line(canvas, line, smoothed=chart.smoothing > 0)
    for line in lines:
        _draw_marks(canvas, line, chart)
    _label_infinities(canvas, lines, chart)
    draw_verticals(canvas, chart.marks)
    if chart.labels:
        _draw_labels(canvas, lines)
    if not any(line.drawn for line in lines):
        canvas.say_empty("no values")
    elif not any(line.pieces for line in lines):
        canvas.say_empty("no finite value")
    notes = (*chart.notes, *_notes(chart, y, lines))
    return canvas.figure(chart.title, notes, _description(chart, y, lines), chart="curves")


def _numbered(chart: CurveChart) -> Iterator[tuple[int, Curve]]:
    for index, curve in enumerate(chart.curves):
        if len(curve.xs) != len(curve.ys):
            raise ValueError(
                f"curve {curve.name!r} has {len(curve.xs)} places and {len(curve.ys)} values"
            )
        yield index, curve


def _line(curve: Curve, index: int, kind: AxisKind, weight: float, unit: float) -> _Line:
    slot = slot_of(index) if curve.slot is None else curve.slot
    line = _Line(curve, index, slot, [], [], [], [], 0)
    log = kind is AxisKind.LOG
    xs: list[float] = []
    ys: list[float] = []
    for x, y in zip(curve.xs, curve.ys, strict=True):
        if not math.isfinite(x):
            continue
        if math.isfinite(y):
            if not log or y > 0:
                xs.append(x)
                ys.append(y)
                continue
            line.not_shown += 1
        elif math.isnan(y):
            line.nan.append(x)
        else:
            line.infinite.append((x, y > 0))
        if xs:
            line.pieces.append((xs, ys))
            xs, ys = [], []
    if xs:
        line.pieces.append((xs, ys))
    if weight > 0:
        line.smoothed = [_smoothed(xs, ys, weight, unit, log) for xs, ys in line.pieces]
    return line


def _smoothed(
    xs: list[float], ys: list[float], weight: float, unit: float, log: bool
) -> list[float]:
    """Smooth what is seen: on a logarithmic axis, the logarithms."""
    if not log:
        # Halves: the sum of large numbers may be infinite.
        greatest = max(map(abs, ys))
        if greatest > 1e300:
            small = smooth(xs, [value / 1e10 for value in ys], weight, unit)
            return [value * 1e10 for value in small]
        return smooth(xs, ys, weight, unit)
    # Limited, because the power may round to zero or to infinity.
    low, high = min(ys), max(ys)
    smoothed = smooth(xs, [math.log10(value) for value in ys], weight, unit)
    return [min(max(10 ** min(value, 308.2), low), high) for value in smoothed]


def _draw_line(canvas: Canvas, line: _Line, smoothed: bool) -> None:
    """Draw the pieces of a line, as one path, and its single points."""
    raw = _path(canvas, line.pieces)
    look = line_class(line.slot, line.curve.dash)
    content = [element("title", escape(line.curve.name))]
    if smoothed:
        content.append(element("path", class_=f"raw c{line.slot}", d=raw))
        pieces = [(xs, ys) for (xs, _), ys in zip(line.pieces, line.smoothed, strict=True)]
        content.append(element("path", class_=f"ln {look}", d=_path(canvas, pieces)))
    elif raw:
        content.append(element("path", class_=f"ln {look}", d=raw))
    canvas.stretched.append(
        element("g", *content, class_="se", data_i=str(line.index), data_name=line.curve.name)
    )
    single = [(xs[0], ys[0]) for xs, ys in line.pieces if len(xs) == 1]
    for x, y in single[:_MOST_MARKS]:
        canvas.placed.append(
            element(
                "circle",
                class_=f"f{line.slot}",
                cx=canvas.left(x),
                cy=canvas.top(y),
                r=2.0,
                data_i=str(line.index),
            )
        )


def _path(canvas: Canvas, pieces: Sequence[tuple[list[float], list[float]]]) -> str:
    return "".join(f"M{'L'.join(canvas.points(xs, ys))}" for xs, ys in pieces if len(xs) > 1)


def _draw_marks(canvas: Canvas, line: _Line, chart: CurveChart) -> None:
    """Draw what is not a line: NaN in its lane, infinities at the edge, the best value."""
    parts = []
    bottom = canvas.size.pixels
    for left in _apart(canvas, line.nan):
        cross = element("path", class_=f"xm c{line.slot}", d="M-2.5 11.5l5 5m0 -5l-5 5")
        parts.append(mark_at(left, bottom, cross))
    for positive in (True, False):
        shape = "M-5 2L0 -6L5 2Z" if positive else "M-5 -2L0 6L5 -2Z"
        places = [x for x, sign in line.infinite if sign is positive]
        for left in _apart(canvas, places):
            triangle = element("path", class_=f"f{line.slot}", d=shape)
            parts.append(mark_at(left, 0 if positive else bottom, triangle))
    if chart.best is not None and (best := _best(line, chart.best)) is not None:
        x, y = best
        parts.append(
            element("circle", class_=f"f{line.slot}", cx=canvas.left(x), cy=canvas.top(y), r=3.0)
        )
    if parts:
        canvas.placed.append(element("g", *parts, class_="se", data_i=str(line.index)))


def _apart(canvas: Canvas, xs: Sequence[float]) -> list[str]:
    """Return the places of values without those that would lie on each other."""
    places = {round(canvas.x.place(x) * _MOST_MARKS): canvas.left(x) for x in reversed(xs)}
    return [places[key] for key in sorted(places)]


def _best(line: _Line, best: Best) -> tuple[float, float] | None:
    points = [(y, -x) for xs, ys in line.pieces for x, y in zip(xs, ys, strict=True)]
    if not points:
        return None
    # Of equal values the first.
    y, x = max(points) if best is Best.HIGHEST else min((y, -x) for y, x in points)
    return (-x, y) if best is Best.HIGHEST else (x, y)


def _label_infinities(canvas: Canvas, lines: Sequence[_Line], chart: CurveChart) -> None:
    """Say where the first infinities are, unless the words would overlap."""
    end = -1.0
    first = sorted((line.infinite[0], line.index) for line in lines if line.infinite)
    for (x, positive), _ in first[:_INFINITY_LABELS]:
        place = canvas.x.place(x)
        if place <= end:
            continue
        text = f"{'+' if positive else '−'}∞ at {place_text(x, chart.x_kind)}"
        # A label leaves the figure at its right edge, so it is left of a mark that is near it.
        side = 1 if place < 0.6 else -1
        words = element(
            "text",
            escape(text),
            class_="hot",
            x=9.0 * side,
            y=3.0,
            text_anchor=None if side > 0 else "end",
        )
        canvas.placed.append(mark_at(canvas.left(x), 0 if positive else canvas.size.pixels, words))
        end = place + 0.35


def _draw_levels(canvas: Canvas, levels: Sequence[Level]) -> None:
    for level in levels:
        top = canvas.top(level.y)
        canvas.placed.append(element("line", class_="mk", x2="100%", y1=top, y2=top))
        if level.label:
            canvas.placed.append(
                element(
                    "text",
                    escape(level.label),
                    class_="hot",
                    x="100%",
                    y=top,
                    dy="-5",
                    text_anchor="end",
                )
            )


def draw_verticals(canvas: Canvas, marks: Sequence[Mark]) -> None:
    """Draw vertical lines with their words to the left of them, in as many rows as they need."""
    ends: list[float] = []
    for mark in sorted(marks, key=lambda mark: mark.x):
        left = canvas.left(mark.x)
        canvas.placed.append(
            element("line", class_="mk", x1=left, x2=left, y2=float(canvas.size.pixels))
        )
        if not mark.label:
            continue
        place = canvas.x.place(mark.x)
        row, before = _row(ends, place, mark.label)
        canvas.placed.append(
            element(
                "text",
                escape(mark.label),
                class_="hot mkl",
                x=left,
                dx="-5" if before else "5",
                y=10.0 + row * 13,
                text_anchor="end" if before else None,
            )
        )


def _row(ends: list[float], place: float, label: str) -> tuple[int, bool]:
    """Return the first row that has room, and whether the words are before the line."""
    width = (text_width(label) + 8) / LEAST_WIDTH
    before = place >= width
    start, end = (place - width, place) if before else (place, place + width)
    for row, taken in enumerate(ends):
        if taken <= start:
            ends[row] = end
            return row, before
    ends.append(end)
    return len(ends) - 1, before


def _draw_labels(canvas: Canvas, lines: Sequence[_Line]) -> None:
    named = [line for line in lines if line.slot and line.pieces]
    if not named or len(lines) == 1:
        return
    texts = short_names([line.curve.name for line in named])
    labels = []
    for line, text in zip(named, texts, strict=True):
        xs, ys = line.pieces[-1]
        end = line.smoothed[-1][-1] if line.smoothed else ys[-1]
        labels.append(
            EndLabel(text, canvas.x.place(xs[-1]), canvas.top(end), line.slot, line.index)
        )
    canvas.reserve(texts)
    for label, top in place_labels(labels, canvas.size.pixels):
        canvas.placed.append(draw_label(label, top))


def _notes(chart: CurveChart, y: Scale, lines: Sequence[_Line]) -> Iterator[str]:
    if y.kind is AxisKind.LOG:
        yield "log scale"
    if chart.smoothing > 0:
        yield f"smoothed by {chart.smoothing:.3g}, raw values behind"
    if not_shown := sum(line.not_shown for line in lines):
        verb = "is" if not_shown == 1 else "are"
        yield f"{plural(not_shown, 'value')} not above 0 {verb} not drawn"
    drawn = sum(line.drawn for line in lines)
    stored = sum(
        len(line.curve.ys) if line.curve.stored is None else line.curve.stored for line in lines
    )
    if stored > drawn + not_shown:
        yield f"{drawn:,} of {stored:,} points drawn"


def _description(chart: CurveChart, y: Scale, lines: Sequence[_Line]) -> str:
    """Say in words what the chart shows."""
    over = f" by {chart.x_label}" if chart.x_label else ""
    parts = [f"{chart.title}{over} of {plural(len(lines), 'curve')}"]
    if y.kind is AxisKind.LOG:
        parts.append("log scale")
    for line in lines[:COLOURS]:
        if not line.pieces:
            parts.append(f"{line.curve.name} has no finite value")
        else:
            last = line.pieces[-1][1][-1]
            words = f"{line.curve.name} ends at {value_text(last)}"
            if line.infinite:
                words += f", is infinite from {place_text(line.infinite[0][0], chart.x_kind)}"
            if line.nan:
                words += f", is NaN from {place_text(line.nan[0], chart.x_kind)}"
            parts.append(words)
    return "; ".join(parts)


def place_text(x: float, kind: AxisKind) -> str:
    """Return a place on a level axis in words."""
    if kind is AxisKind.TIME:
        return f"{utc(x):%Y-%m-%d %H:%M} UTC"
    if kind is AxisKind.DURATION:
        return duration_text(x)
    return f"{x:,.0f}" if float(x).is_integer() else value_text(x)
