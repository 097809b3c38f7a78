"""How curves are drawn: the axes and the smoothing that the address of a page chooses."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from crucible_ir.plotting import AxisKind, Curve, CurveChart, Figure, Size, draw_curves
from crucible_ir.web.console.errors import Problem, ProblemError

if TYPE_CHECKING:
    from crucible_ir.web.console.measurements.training import Series
    from crucible_ir.web.console.page import Visit

#: The level axes: what each shows.
_STEP, _EPOCH, _TIME, _ELAPSED = "step", "epoch", "time", "elapsed"
_X_KINDS: Final = {
    _STEP: AxisKind.COUNT,
    _EPOCH: AxisKind.LINEAR,
    _TIME: AxisKind.TIME,
    _ELAPSED: AxisKind.DURATION,
}
#: The upright axes; without one the range of the values decides.
_SCALES: Final = {"": None, "linear": AxisKind.LINEAR, "log": AxisKind.LOG}
#: The weights of smoothing to choose from.
_WEIGHTS: Final = ("", "0.6", "0.9", "0.98")


@dataclass(frozen=True, slots=True)
class Choice:
    """A choice that a link makes."""

    text: str
    url: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Choices:
    """The choices of one kind."""

    name: str
    choices: Sequence[Choice]


@dataclass(frozen=True, slots=True)
class Look:
    """How curves are drawn.

    Attributes:
        x: The level axis.
        scale: The upright axis; empty if the values decide.
        smoothing: The weight of smoothing, 0 for none.
        low: The low end of the part of the level axis that is drawn; ``None`` for its start.
        high: The high end; ``None`` for its end.
    """

    x: str = _STEP
    scale: str = ""
    smoothing: float = 0.0
    low: float | None = None
    high: float | None = None

    @classmethod
    def of(cls, visit: Visit, axes: Sequence[str]) -> Look:
        """Return what the address chooses.

        Args:
            visit: The visit.
            axes: The level axes to choose from.

        Raises:
            ProblemError: There is no such choice.
        """
        x = _one_of(visit, "x", axes)
        scale = _one_of(visit, "scale", tuple(_SCALES))
        low, high = _number(visit, "low"), _number(visit, "high")
        if low is not None and high is not None and low >= high:
            raise ProblemError(Problem.bad_request("low must be less than high"))
        return cls(x, scale, _weight(visit.query("smooth")), low, high)

    @property
    def is_part(self) -> bool:
        """Whether a part of the level axis is drawn."""
        return self.low is not None or self.high is not None

    def positions(self, all_series: Iterable[Series], count: int) -> tuple[int, int]:
        """Return the positions of the snapshots that are drawn: of the first, and after the last.

        Args:
            all_series: The points of all metrics of a run.
            count: The number of its snapshots.
        """
        first, last = 0, count - 1
        for series in all_series:
            for x, position in zip(self._places(series, None), series.positions, strict=True):
                if x is None:
                    continue
                if self.low is not None and x < self.low:
                    first = max(first, position)
                elif self.high is not None and x > self.high:
                    last = min(last, position)
        # A run that is not in order has its part in several places.
        return (first, last + 1) if first <= last else (0, count)

    def draw(
        self,
        title: str,
        curves: Sequence[tuple[str, Series, int | None]],
        *,
        starts: Mapping[str, float] | None = None,
        size: Size = Size.MEDIUM,
        notes: Sequence[str] = (),
    ) -> Figure:
        """Draw curves.

        Args:
            title: The name of the metric.
            curves: The name of each curve, its points, and its colour; ``None`` for that of its
                place.
            starts: When each began, in seconds since 1970, for the axis of elapsed time.
            size: The height.
            notes: What the caption says first.
        """
        drawn = []
        for name, series, slot in curves:
            xs, ys = self._points(series, (starts or {}).get(name))
            drawn.append(Curve(name, xs, ys, slot=slot))
        chart = CurveChart(
            title,
            drawn,
            notes=notes,
            x_kind=_X_KINDS[self.x],
            x_label="" if self.x == _TIME else self.x,
            scale=_SCALES[self.scale],
            smoothing=self.smoothing,
            size=size,
        )
        figure = draw_curves(chart)
        # The page says it once.
        notes = tuple(note for note in figure.notes if not note.startswith("smoothed"))
        return replace(figure, notes=notes)

    def _points(self, series: Series, start: float | None) -> tuple[list[float], list[float]]:
        low = -math.inf if self.low is None else self.low
        high = math.inf if self.high is None else self.high
        pairs = zip(self._places(series, start), series.values, strict=True)
        placed = [(float(x), y) for x, y in pairs if x is not None and low <= x <= high]
        # Points of equal places stay in their order.
        placed.sort(key=lambda point: point[0])
        return [x for x, _ in placed], [y for _, y in placed]

    def _places(self, series: Series, start: float | None) -> Sequence[float | None]:
        if self.x == _EPOCH:
            return series.epochs
        if self.x == _TIME:
            return series.times
        if self.x == _ELAPSED:
            known = [time for time in series.times if time is not None]
            begun = start if start is not None else min(known, default=0.0)
            return [None if time is None else time - begun for time in series.times]
        # A run that states no steps is drawn by position.
        both = zip(series.steps, series.positions, strict=True)
        return [position if step is None else step for step, position in both]

    def choices(self, visit: Visit, axes: Sequence[str]) -> list[Choices]:
        """Return links to the same page with another look."""
        weight = f"{self.smoothing:g}" if self.smoothing else ""
        return [
            _choices(visit, "Scale", "scale", self.scale, dict.fromkeys(_SCALES), auto="auto"),
            # The ends of a part are values of one axis.
            _choices(
                visit, "By", "x", self.x, dict.fromkeys(axes), default=axes[0], drop=("low", "high")
            ),
            _choices(visit, "Smoothing", "smooth", weight, dict.fromkeys(_WEIGHTS), auto="none"),
        ]


def _choices(
    visit: Visit,
    title: str,
    parameter: str,
    chosen: str,
    values: Mapping[str, None],
    *,
    auto: str = "",
    default: str = "",
    drop: Sequence[str] = (),
) -> Choices:
    return Choices(
        title,
        [
            Choice(
                value or auto,
                with_query(visit, parameter, "" if value == default else value, drop),
                value == chosen,
            )
            for value in values
        ],
    )


def with_query(visit: Visit, name: str, value: str, drop: Sequence[str] = ()) -> str:
    """Return the address of this page with another value of a parameter; empty removes it.

    Args:
        visit: The visit.
        name: The parameter.
        value: Its value.
        drop: Other parameters to remove.
    """
    gone = {name, *drop}
    pairs = [pair for pair in visit.request.query_params.multi_items() if pair[0] not in gone]
    pairs += [(name, value)] if value else []
    path = visit.path.partition("?")[0]
    return f"{path}?{urlencode(pairs)}" if pairs else path


def whole_axis(visit: Visit) -> str:
    """Return the address of this page with all of the level axis."""
    return with_query(visit, "low", "", ("high",))


def _number(visit: Visit, name: str) -> float | None:
    text = visit.query(name)
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ProblemError(Problem.bad_request(f"{name} must be a number, got {text[:40]!r}"))
    return value


def _one_of(visit: Visit, name: str, choices: Sequence[str]) -> str:
    value = visit.query(name) or choices[0]
    if value not in choices:
        known = ", ".join(filter(None, choices))
        raise ProblemError(Problem.bad_request(f"{name} must be one of {known}, got {value!r}"))
    return value


def _weight(text: str) -> float:
    try:
        weight = float(text or 0)
    except ValueError:
        weight = math.nan
    if not 0 <= weight <= 0.999:
        reason = f"smooth must be a number from 0 to 0.999, got {text[:40]!r}"
        raise ProblemError(Problem.bad_request(reason))
    return weight
