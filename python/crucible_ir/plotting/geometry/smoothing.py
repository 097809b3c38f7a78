"""Smoothing that does not lag: each point is a mean of its neighbours on both sides."""

from __future__ import annotations

from collections.abc import Sequence


def smooth(values: Sequence[float], weight: float) -> list[float]:
    """Return a weighted mean around each value; a value that is `d` places away counts `weight**d`.

    A weight of 0 changes nothing; towards 1 it approaches the mean of all values.

    >>> smooth([0.0, 1.0, 0.0], 0.5)
    [0.2857142857142857, 0.5, 0.2857142857142857]
    """
    if weight <= 0 or len(values) < 3:
        return list(values)
    after = _sums(values[::-1], weight)[::-1]
    before = _sums(values, weight)
    ones = _sums([1.0] * len(values), weight)
    return [
        (left + right - value) / (one + other - 1.0)
        for left, right, value, one, other in zip(
            before, after, values, ones, reversed(ones), strict=True
        )
    ]


def _sums(values: Sequence[float], weight: float) -> list[float]:
    """Return for each value the weighted sum of it and all before it."""
    total = 0.0
    sums = []
    for value in values:
        total = value + weight * total
        sums.append(total)
    return sums
