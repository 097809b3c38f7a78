"""Results of evaluations side by side: a point for each, with its interval."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from crucible_ir.plotting.figure import Figure, Space
from crucible_ir.plotting.geometry.intervals import Z95
from crucible_ir.plotting.geometry.names import short_names, text_width
from crucible_ir.plotting.geometry.scales import AxisKind, Scale, Tick, value_scale
from crucible_ir.plotting.geometry.ticks import MINUS, value_text
from crucible_ir.plotting.markup import element, escape, number

#: The height of a row.
_ROW: Final = 22.0
#: The most characters of a name before its row.
_NAME: Final = 18
#: The least width of the plot that labels are placed for.
_NARROW: Final = 130.0
#: The significant digits of values.
_DIGITS: Final = 4


@dataclass(frozen=True, slots=True)
class Result:
    """The value of a metric for one model.

    Attributes:
        name: The model or the evaluation.
        value: The value. None: not computed.
        stderr: Its standard error. None: not known, so there is no interval.
    """

    name: str
    value: float | None
    stderr: float | None = None


@dataclass(frozen=True, slots=True)
class ResultChart:
    """One metric of several evaluations.

    Attributes:
        title: The metric, for example "acc".
        results: The results, one a row.
        higher_is_better: None: not stated; then no value counts as better than another.
        baseline: The index of the result that the others are compared with.
        notes: What the caption says first, for example the task.
    """

    title: str
    results: Sequence[Result]
    higher_is_better: bool | None = None
    baseline: int | None = None
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class _Look:
    """What the rows of a chart share: the axis, the best value, the decimals (None: exponents)."""

    scale: Scale
    best: float | None
    decimals: int | None


def draw_results(chart: ResultChart) -> Figure:
    """Draw the results of one metric.

    >>> results = [Result("a", 0.71, 0.01), Result("b", 0.74, 0.01)]
    >>> draw_results(ResultChart("acc", results, higher_is_better=True)).notes
    ('higher is better', '95 % intervals')
    """
    bounds = [bound for result in chart.results for bound in _bounds(result)]
    log = bool(bounds) and min(bounds) > 0 and max(bounds) / min(bounds) >= 100
    scale = value_scale(bounds, AxisKind.LOG if log else AxisKind.LINEAR, most=4)
    height = _ROW * len(chart.results)
    parts = [*_axis(scale, height)] if bounds else []
    if chart.baseline is not None and _is_finite(base := chart.results[chart.baseline].value):
        left = _left(scale, base)
        parts.append(element("line", class_="mk", x1=left, x2=left, y2=height))
    look = _Look(scale, _best(chart), _decimals(chart.results))
    names = short_names([result.name for result in chart.results], _NAME)
    for row, (result, name) in enumerate(zip(chart.results, names, strict=True)):
        parts.append(element("g", *_row(chart, look, result, name, row), class_="se"))
    notes = list(chart.notes)
    if chart.higher_is_better is not None:
        notes.append(f"{'higher' if chart.higher_is_better else 'lower'} is better")
    if any(result.stderr is not None for result in chart.results):
        notes.append("95 % intervals")
    if log:
        notes.append("log scale")
    description = _description(chart)
    svg = element(
        "svg",
        element("title", escape(chart.title)),
        element("desc", escape(description)),
        *parts,
        class_="chart rows",
        role="img",
        aria_label=f"{chart.title}. {description}",
        height=max(height, _ROW),
        data_chart="results",
    )
    space = Space(left=124, right=124)
    return Figure(chart.title, tuple(notes), svg, max(height, _ROW), space)


def _decimals(results: Sequence[Result]) -> int | None:
    """Return with how many decimals all values have four significant digits at least."""
    texts = [
        value_text(result.value, _DIGITS)
        for result in results
        if result.value is not None and math.isfinite(result.value)
    ]
    if any("e" in text for text in texts):
        return None
    return max((len(text.partition(".")[2]) for text in texts), default=0)


def _with_decimals(value: float, decimals: int | None) -> str:
    if decimals is None or not math.isfinite(value):
        return value_text(value, _DIGITS)
    return f"{value:,.{decimals}f}".replace("-", MINUS)


def _is_finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _bounds(result: Result) -> Iterator[float]:
    """Yield a value and the ends of its interval, as far as they are finite."""
    if result.value is None or not math.isfinite(result.value):
        return
    reach = Z95 * abs(result.stderr) if result.stderr is not None else 0.0
    ends = (result.value - reach, result.value, result.value + reach)
    yield from filter(math.isfinite, ends)


def _axis(scale: Scale, height: float) -> Iterator[str]:
    yield element("line", class_="axis", x2="100%", y1=height, y2=height)
    for tick in _ticks(scale):
        place = scale.place(tick.value)
        yield element(
            "text",
            escape(tick.label),
            x=_left(scale, tick.value),
            y=height + 17,
            text_anchor="start" if place < 0.03 else "end" if place > 0.97 else "middle",
        )


def _ticks(scale: Scale) -> list[Tick]:
    """Return the ticks whose labels fit into a narrow plot."""
    for most in (4, 3):
        ticks = scale.ticks(most)
        if sum(text_width(tick.label) + 8 for tick in ticks) <= _NARROW:
            return ticks
    return scale.ticks(2)


def _left(scale: Scale, value: float | None) -> str:
    assert value is not None
    return f"{number(scale.place(value) * 100)}%"


def _best(chart: ResultChart) -> float | None:
    """Return the best of several values, if the chart says which are better."""
    values = [result.value for result in chart.results if result.value is not None]
    values = [value for value in values if math.isfinite(value)]
    if chart.higher_is_better is None or len(values) < 2:
        return None
    return max(values) if chart.higher_is_better else min(values)


def _row(chart: ResultChart, look: _Look, result: Result, name: str, row: int) -> Iterator[str]:
    middle = _ROW * row + _ROW / 2
    yield element("title", escape(_words(result)))
    yield element("line", class_="grid", x2="100%", y1=middle, y2=middle)
    yield element(
        "text", escape(name), class_="hot", x=-10.0, y=middle, dy=".34em", text_anchor="end"
    )
    is_best = look.best is not None and result.value == look.best
    decimals = look.decimals
    bounds = list(_bounds(result))
    if bounds:
        if len(bounds) > 1 and bounds[0] < bounds[-1]:
            ends = {"x1": _left(look.scale, bounds[0]), "x2": _left(look.scale, bounds[-1])}
            yield element(
                "line", class_="iv2" + (" on" if is_best else ""), y1=middle, y2=middle, **ends
            )
        point = "pt1 on" if is_best else "pt1"
        yield element("circle", class_=point, cx=_left(look.scale, result.value), cy=middle, r=3.5)
    text = "none" if result.value is None else _with_decimals(result.value, decimals)
    style = "hot val on" if is_best else "hot val"
    place: dict[str, str | float] = {"x": "100%", "y": middle, "dy": ".34em"}
    yield element("text", escape(text), class_=style, dx="60", text_anchor="end", **place)
    if difference := _difference(chart, result, row, decimals):
        words, kind = difference
        yield element("text", escape(words), class_=f"dif {kind}", dx="70", **place)


def _difference(
    chart: ResultChart, result: Result, row: int, decimals: int | None
) -> tuple[str, str] | None:
    """Return the difference from the baseline and its class: good or worse only if known."""
    if chart.baseline is None:
        return None
    if row == chart.baseline:
        return "baseline", "base"
    base = chart.results[chart.baseline].value
    if result.value is None or base is None:
        return None
    change = result.value - base
    if not math.isfinite(change):
        return None
    sign = "+" if change > 0 else MINUS if change < 0 else "±"
    words = f"{sign}{_with_decimals(abs(change), decimals)}"
    if chart.higher_is_better is None or change == 0:
        return words, "hot"
    return words, "good" if (change > 0) is chart.higher_is_better else "worse"


def _words(result: Result) -> str:
    if result.value is None:
        return f"{result.name}: not computed"
    reach = f" ± {value_text(Z95 * abs(result.stderr), 2)}" if result.stderr is not None else ""
    return f"{result.name}: {value_text(result.value, _DIGITS)}{reach}"


def _description(chart: ResultChart) -> str:
    return "; ".join(map(_words, chart.results)) or "no results"
