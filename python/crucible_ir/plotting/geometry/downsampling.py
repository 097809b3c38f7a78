"""Fewer points that look the same."""

from __future__ import annotations

import math
from collections.abc import Sequence

#: The points that a bucket may keep: the least, the greatest and the first NaN.
_KEPT = 3


def thin(xs: Sequence[float], ys: Sequence[float], most: int) -> tuple[list[float], list[float]]:
    """Return at most so many points: the first, the last, and the extremes of equal buckets.

    The first NaN of a bucket is kept too. It is what an exchange does in `ReadMetrics`.

    Args:
        xs: The places.
        ys: The values.
        most: The number of points, 5 or more.

    >>> thin(range(9), [0, 1, 9, 1, 2, 3, -4, 3, 8], 5)
    ([0, 2, 6, 8], [0, 9, -4, 8])
    """
    count = len(ys)
    if count <= most:
        return list(xs), list(ys)
    buckets = max(1, (most - 2) // _KEPT)
    kept = {0, count - 1}
    for bucket in range(buckets):
        start = 1 + bucket * (count - 2) // buckets
        end = 1 + (bucket + 1) * (count - 2) // buckets
        indices = [index for index in range(start, end) if not math.isnan(ys[index])]
        if indices:
            kept.add(min(indices, key=ys.__getitem__))
            kept.add(max(indices, key=ys.__getitem__))
        if len(indices) < end - start:
            kept.add(next(index for index in range(start, end) if math.isnan(ys[index])))
    chosen = sorted(kept)
    return [xs[index] for index in chosen], [ys[index] for index in chosen]
