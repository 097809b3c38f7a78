"""How curves are drawn: the axes and the smoothing that the address of a page chooses."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

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
    """

    x: str = _STEP
    scale: str = ""
    smoothing: float = 0.0

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
        return cls(x, scale, _weight(visit.query("smooth")))

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
        return draw_curves(chart)

    def _points(self, series: Series, start: float | None) -> tuple[list[float], list[float]]:
        places: Sequence[float | None]
        if self.x == _EPOCH:
            places = series.epochs
        elif self.x == _TIME:
            places = series.times
        elif self.x == _ELAPSED:
            known = [time for time in series.times if time is not None]
            begun = start if start is not None else min(known, default=0.0)
            places = [None if time is None else time - begun for time in series.times]
        else:
            # A run that states no steps is drawn by position.
            both = zip(series.steps, series.positions, strict=True)
            places = [position if step is None else step for step, position in both]
        pairs = zip(places, series.values, strict=True)
        placed = [(float(x), y) for x, y in pairs if x is not None]
        # Points of equal places stay in their order.
        placed.sort(key=lambda point: point[0])
        return [x for x, _ in placed], [y for _, y in placed]

    def choices(self, visit: Visit, axes: Sequence[str]) -> list[Choices]:
        """Return links to the same page with another look."""
        weight = f"{self.smoothing:g}" if self.smoothing else ""
        return [
            _choices(visit, "Scale", "scale", self.scale, dict.fromkeys(_SCALES), auto="auto"),
            _choices(visit, "By", "x", self.x, dict.fromkeys(axes), default=axes[0]),
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
) -> Choices:
    return Choices(
        title,
        [
            Choice(
                value or auto,
                with_query(visit, parameter, "" if value == default else value),
                value == chosen,
            )
            for value in values
        ],
    )


def with_query(visit: Visit, name: str, value: str) -> str:
    """Return the address of this page with another value of a parameter; empty removes it."""
    from urllib.parse import urlencode

    pairs = [pair for pair in visit.request.query_params.multi_items() if pair[0] != name]
    pairs += [(name, value)] if value else []
    path = visit.path.partition("?")[0]
    return f"{path}?{urlencode(pairs)}" if pairs else path


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
