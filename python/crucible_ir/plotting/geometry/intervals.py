"""Confidence intervals."""

from __future__ import annotations

import math
from typing import Final

#: The quantile of the normal distribution for 95 %.
Z95: Final = 1.959963984540054


def wilson(successes: int, count: int, z: float = Z95) -> tuple[float, float]:
    """Return the bounds of Wilson's score interval of a proportion, without continuity correction.

    >>> [round(bound, 4) for bound in wilson(81, 263)]
    [0.2553, 0.3662]
    """
    if not 0 <= successes <= count or count == 0:
        raise ValueError(f"{successes} of {count} is not a proportion")
    share = successes / count
    centre = share + z * z / (2 * count)
    half = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    scale = 1 + z * z / count
    low = 0.0 if successes == 0 else max(0.0, (centre - half) / scale)
    high = 1.0 if successes == count else min(1.0, (centre + half) / scale)
    return low, high
