"""Shares over time with their confidence bands."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from crucible_ir.plotting.charts.curves import Mark, draw_verticals, line_class, slot_of
from crucible_ir.plotting.charts.end_labels import EndLabel, draw_label, place_labels
from crucible_ir.plotting.figure import Canvas, Figure, Size
from crucible_ir.plotting.geometry.intervals import wilson
from crucible_ir.plotting.geometry.names import short_names
from crucible_ir.plotting.geometry.scales import AxisKind, Scale, position_scale, value_scale
from crucible_ir.plotting.geometry.ticks import value_text
from crucible_ir.plotting.markup import element, escape

#: The number of events from which a share is part of the line.
ENOUGH: Final = 60


@dataclass(frozen=True, slots=True)
class Rate:
    """A share of events in one window.

    Attributes:
        x: The time of the window, in seconds since 1970.
        successes: The number of events that count.
        count: The number of all events. A window without any is a gap.
    """

    x: float
    successes: int
    count: int


@dataclass(frozen=True, slots=True)
class RateSeries:
    """The shares of one thing, for example of a model version, ascending in time."""

    name: str
    rates: Sequence[Rate]
    slot: int | None = None


@dataclass(frozen=True, slots=True)
class RateChart:
    """Shares over time.

    Attributes:
        title: The title, for example the type of feedback.
        series: The shares, with the colours of their order.
        notes: What the caption says first, such as the length of the windows.
        step: The time between windows. A line has a gap where a window is missing. None: no gaps.
        marks: Vertical lines, for example at deployments.
        y_scale: The upright axis, where charts share one.
        x_kind: What the level axis shows.
        x_label: The name at its end, such as UTC.
        size: The height.
        enough: The number of events from which a share is part of the line.
    """

    title: str
    series: Sequence[RateSeries]
    notes: Sequence[str] = ()
    step: float | None = None
    marks: Sequence[Mark] = ()
    y_scale: Scale | None = None
    x_kind: AxisKind = AxisKind.TIME
    x_label: str = ""
    size: Size = Size.LARGE
    enough: int = ENOUGH


@dataclass(frozen=True, slots=True)
class _Share:
    x: float
    value: float
    low: float
    high: float
    count: int


@dataclass(slots=True)
class _Series:
    name: str
    index: int
    slot: int
    #: The shares of enough events, in pieces without a gap.
    pieces: list[list[_Share]]
    #: The shares of too few events.
    hollow: list[_Share]

    def shares(self) -> list[_Share]:
        """Return the shares that are drawn, by time."""
        return sorted(
            [*(share for piece in self.pieces for share in piece), *self.hollow],
            key=lambda share: share.x,
        )


def draw_rates(chart: RateChart) -> Figure:
    """Draw shares with their 95 % intervals.

    >>> rates = [Rate(0, 80, 100), Rate(3600, 82, 100), Rate(7200, 40, 50)]
    >>> draw_rates(RateChart("Thumbs up", [RateSeries("1.3.0", rates)])).notes
    ('95 % confidence', 'hollow below 60 events', 'wide intervals are cut off')
    """
    series = [
        _series(entry, index, chart.enough, chart.step) for index, entry in enumerate(chart.series)
    ]
    bands = [share for entry in series for piece in entry.pieces for share in piece]
    hollow = [share for entry in series for share in entry.hollow]
    # The wide intervals of few events would make the bands flat: they may leave the plot.
    shown = [bound for share in bands for bound in (share.low, share.high)]
    shown += [share.value for share in hollow]
    if not bands:
        shown += [bound for share in hollow for bound in (share.low, share.high)]
    canvas = Canvas(
        x=position_scale(
            [*(share.x for share in [*bands, *hollow]), *(mark.x for mark in chart.marks)],
            chart.x_kind,
        ),
        y=chart.y_scale or value_scale(shown, AxisKind.PERCENT),
        size=chart.size,
        x_label=chart.x_label,
        x_ticks=8,
    )
    if not shown:
        canvas.say_empty("no events")
    for entry in reversed(series):
        _draw_bands(canvas, entry)
    for entry in reversed(series):
        _draw_lines(canvas, entry)
    cut = False
    for entry in series:
        cut |= _draw_hollow(canvas, entry)
    draw_verticals(canvas, chart.marks)
    _draw_labels(canvas, series)
    notes = [*chart.notes, "95 % confidence"]
    if hollow:
        notes.append(f"hollow below {chart.enough} events")
    if cut:
        notes.append("wide intervals are cut off")
    return canvas.figure(chart.title, notes, _description(chart.title, series), chart="rates")


def _series(series: RateSeries, index: int, enough: int, step: float | None) -> _Series:
    slot = slot_of(index) if series.slot is None else series.slot
    result = _Series(series.name, index, slot, [], [])
    piece: list[_Share] = []
    for rate in series.rates:
        if piece and step is not None and rate.x - piece[-1].x > step * 1.5:
            result.pieces.append(piece)
            piece = []
        if rate.count >= enough and rate.count:
            piece.append(_share(rate))
            continue
        if piece:
            result.pieces.append(piece)
            piece = []
        if rate.count:
            result.hollow.append(_share(rate))
    if piece:
        result.pieces.append(piece)
    return result


def _share(rate: Rate) -> _Share:
    low, high = wilson(rate.successes, rate.count)
    return _Share(rate.x, rate.successes / rate.count, low, high, rate.count)


def _draw_bands(canvas: Canvas, series: _Series) -> None:
    path = ""
    for piece in series.pieces:
        xs = [share.x for share in piece]
        upper = canvas.points(xs, [share.high for share in piece])
        lower = canvas.points(xs, [share.low for share in piece])
        if len(piece) > 1:
            path += f"M{'L'.join([*upper, *reversed(lower)])}Z"
    if path:
        canvas.stretched.append(
            element("path", class_=f"bd f{series.slot}", d=path, data_i=str(series.index))
        )


def _draw_lines(canvas: Canvas, series: _Series) -> None:
    paths = [
        f"M{'L'.join(canvas.points([s.x for s in piece], [s.value for s in piece]))}"
        for piece in series.pieces
        if len(piece) > 1
    ]
    counts = " ".join(
        str(share.count) for piece in series.pieces if len(piece) > 1 for share in piece
    )
    canvas.stretched.append(
        element(
            "g",
            element("title", escape(series.name)),
            element("path", class_=f"ln {line_class(series.slot)}", d="".join(paths)),
            class_="se",
            data_i=str(series.index),
            data_name=series.name,
            data_n=counts,
        )
    )


def _draw_hollow(canvas: Canvas, series: _Series) -> bool:
    """Draw single shares with their intervals, and return whether an interval leaves the plot."""
    cut = False
    height = canvas.size.pixels
    single = [piece[0] for piece in series.pieces if len(piece) == 1]
    parts = []
    for share in [*series.hollow, *single]:
        left = canvas.left(share.x)
        low, high = canvas.top(share.low), canvas.top(share.high)
        cut |= low > height + 0.5 or high < -0.5
        parts.append(
            element(
                "line",
                class_=f"iv c{series.slot}",
                x1=left,
                x2=left,
                y1=min(low, float(height)),
                y2=max(high, 0.0),
            )
        )
        kind = f"f{series.slot}" if share in single else f"hol c{series.slot}"
        parts.append(
            element(
                "circle",
                element(
                    "title",
                    escape(
                        f"{series.name}: {value_text(share.value * 100, 3)} % of {share.count:,}"
                    ),
                ),
                class_=kind,
                cx=left,
                cy=canvas.top(share.value),
                r=2.6,
            )
        )
    if parts:
        canvas.placed.append(element("g", *parts, class_="se", data_i=str(series.index)))
    return cut


def _draw_labels(canvas: Canvas, series: Sequence[_Series]) -> None:
    named = [(entry, entry.shares()[-1]) for entry in series if entry.slot and entry.shares()]
    texts = short_names([entry.name for entry, _ in named])
    labels = [
        EndLabel(text, canvas.x.place(last.x), canvas.top(last.value), entry.slot, entry.index)
        for (entry, last), text in zip(named, texts, strict=True)
    ]
    canvas.reserve(texts)
    for label, top in place_labels(labels, canvas.size.pixels):
        canvas.placed.append(draw_label(label, top))


def _description(title: str, series: Sequence[_Series]) -> str:
    return "; ".join([f"{title} with 95 % confidence intervals", *_ends(series)])


def _ends(series: Sequence[_Series]) -> Iterator[str]:
    for entry in series:
        shares = entry.shares()
        if not shares:
            yield f"{entry.name} has no events"
            continue
        last = shares[-1]
        low, high = (math.floor(last.low * 1000) / 10, math.ceil(last.high * 1000) / 10)
        share = f"{value_text(last.value * 100, 3)} % of {last.count:,}"
        yield f"{entry.name} ends at {share} ({low:g} to {high:g} %)"
