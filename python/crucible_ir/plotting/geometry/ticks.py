"""Round numbers for axes, and their labels."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Final

#: The mantissas of steps between ticks.
_ROUND: Final = (1.0, 2.0, 5.0, 10.0)
#: The number from which on axes write an exponent.
_MOST_DIGITS: Final = 1e6
#: The number from which on values have an exponent.
_LARGE: Final = 1e9
#: The smallest step that axes write in digits.
_LEAST_STEP: Final = 1e-5
#: The number of decades up to which each has ticks at 2 and 5 too.
_FEW_DECADES: Final = 3.2

MINUS: Final = "\N{MINUS SIGN}"


def round_step(span: float, most: int) -> float:
    """Return the smallest round step that cuts a span into at most so many parts.

    >>> round_step(4200, 6), round_step(0.31, 4)
    (1000.0, 0.1)
    """
    raw = span / most
    exponent = math.floor(math.log10(raw))
    # A power as text: 10.0 ** -5 is not the number 1e-5.
    for mantissa in _ROUND:
        step = float(f"{mantissa:g}e{exponent}")
        if step >= raw * (1 - 1e-9):
            return step
    return float(f"1e{exponent + 1}")


def linear_ticks(low: float, high: float, most: int) -> list[float]:
    """Return the round numbers of a range, at most about so many.

    >>> linear_ticks(0, 4200, 5)
    [0.0, 1000.0, 2000.0, 3000.0, 4000.0]
    """
    # Halves: the difference of two large numbers may be infinite.
    step = round_step(high / 2 - low / 2, most) * 2
    if not math.isfinite(step):
        return [0.0] if low <= 0 <= high else []
    if high - low < math.inf:
        step = round_step(high - low, most)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [_multiple(index, step) for index in range(first, last + 1)]


def _multiple(index: int, step: float) -> float:
    """Return a multiple of a step without the error of the multiplication: 3 * 0.1 is 0.3."""
    value = index * step
    return value if not math.isfinite(value) else float(f"{value:.12g}")


def log_ticks(low: float, high: float, most: int) -> list[float]:
    """Return the round numbers of a range for a logarithmic axis, at most about so many.

    >>> log_ticks(0.2, 20, 8)
    [0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0]
    >>> log_ticks(1e-6, 1e6, 4)
    [1e-06, 0.001, 1.0, 1000.0, 1000000.0]
    """
    first = math.floor(math.log10(low))
    last = math.floor(math.log10(high))
    decades = math.log10(high) - math.log10(low)
    if decades < 1 and 10.0 * low / 2 > high:
        return linear_ticks(low, high, most)
    if decades <= _FEW_DECADES:
        mantissas = (1, 2, 5)
        ticks = [float(f"{m}e{e}") for e in range(first, last + 1) for m in mantissas]
        inside = _inside(ticks, low, high)
        if 2 <= len(inside) <= most + 2:
            return inside
    every = max(1, math.ceil(decades / most))
    start = math.ceil(first / every) * every
    ticks = [float(f"1e{e}") for e in range(start, last + 1, every)]
    return _inside(ticks, low, high) or linear_ticks(low, high, most)


def _inside(ticks: list[float], low: float, high: float) -> list[float]:
    return [tick for tick in ticks if low * (1 - 1e-9) <= tick <= high * (1 + 1e-9)]


def linear_labels(ticks: list[float], most: float = _MOST_DIGITS) -> list[str]:
    """Return the labels of evenly spaced ticks, all with equally many decimals.

    Numbers from `most` on have an exponent.

    >>> linear_labels([0.7, 0.75, 0.8]), linear_labels([0.0, 1000.0])
    (['0.70', '0.75', '0.80'], ['0', '1,000'])
    """
    if not ticks:
        return []
    greatest = max(map(abs, ticks))
    step = min((abs(b - a) for a, b in pairwise(ticks)), default=greatest)
    if greatest >= most or 0 < step < _LEAST_STEP or not math.isfinite(step):
        return [scientific(tick) for tick in ticks]
    decimals = next((count for count in range(12) if _has_decimals(ticks, count)), 12)
    return [f"{tick:,.{decimals}f}".replace("-", MINUS) for tick in ticks]


def _has_decimals(ticks: list[float], count: int) -> bool:
    return all(math.isclose(round(tick, count), tick, rel_tol=1e-9) for tick in ticks)


def log_labels(ticks: list[float]) -> list[str]:
    """Return the labels of the ticks of a logarithmic axis.

    >>> log_labels([0.2, 1.0, 20.0]), log_labels([1e-6, 1e6])
    (['0.2', '1', '20'], ['1e−6', '1e6'])
    """
    plain = all(1e-4 <= tick < 1e5 for tick in ticks)
    return [f"{tick:,.10g}" if plain else scientific(tick) for tick in ticks]


def scientific(value: float) -> str:
    """Return a number with an exponent, as short as it can be.

    >>> scientific(1e-6), scientific(2.5e10), scientific(0.0)
    ('1e−6', '2.5e10', '0')
    """
    if value == 0 or not math.isfinite(value):
        return value_text(value)
    mantissa, _, exponent = f"{value:.11e}".partition("e")
    mantissa = mantissa.rstrip("0").rstrip(".")
    return f"{mantissa}e{int(exponent)}".replace("-", MINUS)


def value_text(value: float, digits: int = 4) -> str:
    """Return a measured value with so many significant digits.

    >>> value_text(0.30412), value_text(12345.6), value_text(float("-inf")), value_text(3e-9)
    ('0.3041', '12,346', '−∞', '3e−9')
    """
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+∞" if value > 0 else f"{MINUS}∞"
    if value == 0:
        return "0"
    if not 1e-4 <= abs(value) < _LARGE:
        return scientific(float(f"{value:.{digits}g}"))
    before = math.floor(math.log10(abs(value))) + 1
    text = f"{value:,.{max(0, digits - before)}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return text.replace("-", MINUS)
