"""Smoothing that does not lag: each point is a mean of its neighbours on both sides."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise


def smooth(
    xs: Sequence[float], ys: Sequence[float], weight: float, unit: float = 1.0
) -> list[float]:
    """Return a weighted mean around each value; one at a distance of `d` units counts `weight**d`.

    So it does not matter how many points of a curve are stored. A weight of 0 changes nothing;
    towards 1 the result approaches the mean of all values.

    Args:
        xs: The places, ascending.
        ys: The values.
        weight: The weight of a value one unit away, from 0 to below 1.
        unit: The unit of distances.

    >>> smooth([0, 1, 2], [0.0, 1.0, 0.0], 0.5)
    [0.2857142857142857, 0.5, 0.2857142857142857]
    """
    if weight <= 0 or len(ys) < 2:
        return list(ys)
    factors = [weight ** ((right - left) / unit) for left, right in pairwise(xs)]
    before = _sums(ys, factors)
    after = _sums(ys[::-1], factors[::-1])[::-1]
    ones_before = _sums([1.0] * len(ys), factors)
    ones_after = _sums([1.0] * len(ys), factors[::-1])[::-1]
    return [
        (left + right - value) / (one + other - 1.0)
        for left, right, value, one, other in zip(
            before, after, ys, ones_before, ones_after, strict=True
        )
    ]


def _sums(values: Sequence[float], factors: Sequence[float]) -> list[float]:
    """Return for each value the weighted sum of it and all before it."""
    rest = zip(values[1:], factors, strict=True)
    return list(accumulate(rest, lambda total, item: item[0] + item[1] * total, initial=values[0]))
