"""Scales: from values to a place between 0 and 1, with round ticks."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from crucible_ir.plotting.geometry import ticks, times

#: The ratio of the greatest and the smallest value from which an axis is logarithmic by itself.
LOG_RATIO: Final = 100.0
#: The relative difference below which values count as equal: doubles have about 16 digits.
_EQUAL: Final = 1e-11


class AxisKind(Enum):
    """What the numbers on an axis are."""

    LINEAR = auto()
    LOG = auto()
    #: Whole numbers, such as steps.
    COUNT = auto()
    PERCENT = auto()
    #: Seconds since 1970-01-01T00:00:00Z.
    TIME = auto()
    #: Seconds since the start of something.
    DURATION = auto()


@dataclass(frozen=True, slots=True)
class Tick:
    """A round value on an axis."""

    value: float
    label: str


@dataclass(frozen=True, slots=True)
class Scale:
    """A range of values on an axis.

    >>> scale = Scale(AxisKind.LINEAR, 0, 10)
    >>> scale.place(2.5), [tick.label for tick in scale.ticks(5)]
    (0.25, ['0', '2', '4', '6', '8', '10'])
    """

    kind: AxisKind
    low: float
    high: float

    def place(self, value: float) -> float:
        """Return where a value lies: 0 at the low end, 1 at the high end."""
        if self.kind is AxisKind.LOG:
            return (math.log10(value) - math.log10(self.low)) / (
                math.log10(self.high) - math.log10(self.low)
            )
        # Halves: the difference of two large numbers may be infinite.
        return (value / 2 - self.low / 2) / (self.high / 2 - self.low / 2)

    def places(self, values: Sequence[float], size: float) -> list[float]:
        """Return where finite values lie on an axis of a size: `place`, for many at once."""
        if self.kind is AxisKind.LOG:
            start = math.log10(self.low)
            factor = size / (math.log10(self.high) - start)
            return [(math.log10(value) - start) * factor for value in values]
        start = self.low / 2
        half = self.high / 2 - start
        return [(value / 2 - start) / half * size for value in values]

    def ticks(self, most: int) -> list[Tick]:
        """Return at most about so many round values with their labels."""
        values, labels = self._ticks(most)
        return [Tick(value, label) for value, label in zip(values, labels, strict=True)]

    def _ticks(self, most: int) -> tuple[list[float], list[str]]:
        if self.kind is AxisKind.LOG:
            values = ticks.log_ticks(self.low, self.high, most)
            return values, ticks.log_labels(values)
        if self.kind is AxisKind.TIME:
            values = times.time_ticks(self.low, self.high, most)
            return values, times.time_labels(values)
        if self.kind is AxisKind.DURATION:
            values = times.duration_ticks(self.low, self.high, most)
            return values, [times.duration_text(value) for value in values]
        values = ticks.linear_ticks(self.low, self.high, most)
        if self.kind is AxisKind.COUNT:
            values = [value for value in values if value.is_integer() and value >= 0]
            return values, ticks.linear_labels(values, 1e12)
        if self.kind is AxisKind.PERCENT:
            labels = ticks.linear_labels([float(f"{value * 100:.12g}") for value in values])
            return values, [f"{label} %" for label in labels]
        return values, ticks.linear_labels(values)


def value_scale(values: Iterable[float], kind: AxisKind | None = None, most: int = 5) -> Scale:
    """Return the scale of an upright axis, which begins and ends at round values.

    Args:
        values: The values to show. Those that are not finite are left out, and from a logarithmic
            scale those that are not above zero.
        kind: The kind of the axis. None: logarithmic if all are above zero and the greatest is 100
            times the smallest or more, else linear.
        most: The number of parts between ticks, at most about so many.

    >>> value_scale([0.71, 0.897])
    Scale(kind=<AxisKind.LINEAR: 1>, low=0.7, high=0.9)
    >>> value_scale([0.01, 20]).kind
    <AxisKind.LOG: 2>
    """
    finite = [value for value in values if math.isfinite(value)]
    low, high = min(finite, default=0.0), max(finite, default=1.0)
    if kind is None:
        kind = AxisKind.LOG if low > 0 and high / low >= LOG_RATIO else AxisKind.LINEAR
    if kind is AxisKind.LOG:
        return _log_scale([value for value in finite if value > 0])
    low, high = _apart(low, high)
    if kind is AxisKind.PERCENT:
        low, high = max(0.0, low), min(1.0, high)
    return Scale(kind, *_rounded(low, high, most))


def position_scale(values: Iterable[float], kind: AxisKind = AxisKind.LINEAR) -> Scale:
    """Return the scale of a level axis, which begins and ends at the outermost values."""
    finite = [value for value in values if math.isfinite(value)]
    low, high = min(finite, default=0.0), max(finite, default=1.0)
    if kind is AxisKind.LOG:
        return _log_scale([value for value in finite if value > 0])
    if high == low and abs(low) < 1e12:
        return Scale(kind, low - 1.0, high + 1.0)
    return Scale(kind, *_apart(low, high))


def _log_scale(values: Sequence[float]) -> Scale:
    low, high = min(values, default=0.1), max(values, default=1.0)
    # A part of the range, so that the outermost values do not lie on the edge.
    reach = max(0.04 * (math.log10(high) - math.log10(low)), 0.02)
    # The logarithms of the smallest and the largest double.
    least, most = math.log10(5e-324), math.log10(sys.float_info.max)
    return Scale(
        AxisKind.LOG,
        10 ** max(math.log10(low) - reach, least),
        10 ** min(math.log10(high) + reach, most - 1e-9),
    )


def _apart(low: float, high: float) -> tuple[float, float]:
    """Widen a range whose ends are nearly equal."""
    greatest = max(abs(low), abs(high))
    if high / 2 - low / 2 > greatest * _EQUAL and high - low > sys.float_info.min * 1e6:
        return low, high
    reach = greatest * 0.1 if greatest > sys.float_info.min * 1e9 else 1.0
    most = sys.float_info.max
    return max(-most, low - reach), min(most, high + reach)


def _rounded(low: float, high: float, most: int) -> tuple[float, float]:
    """Move the ends of a range outwards to round values."""
    span = high - low
    if not math.isfinite(span):
        return low, high
    step = ticks.round_step(span, most)
    start = float(f"{math.floor(low / step + 1e-9) * step:.12g}")
    end = float(f"{math.ceil(high / step - 1e-9) * step:.12g}")
    if not (math.isfinite(start) and math.isfinite(end)):
        return low, high
    return min(start, low), max(end, high)
