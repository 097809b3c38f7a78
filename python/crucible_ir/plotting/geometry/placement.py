"""Labels and boxes beside their points, moved apart until none overlaps another."""

from __future__ import annotations

from collections.abc import Sequence


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Return positions as near to the wanted ones as a least gap between any two permits.

    They keep the order of the wanted ones and stay between two bounds while there is room.

    >>> spread([10, 11, 40], 12, 0, 100)
    [4.5, 16.5, 40.0]
    """
    order = sorted(range(len(wanted)), key=lambda index: (wanted[index], index))
    shifted = [
        min(max(wanted[index], low), high) - gap * place for place, index in enumerate(order)
    ]
    last = max(low, high - gap * (len(wanted) - 1))
    placed = [0.0] * len(wanted)
    for place, (index, position) in enumerate(zip(order, ascending(shifted), strict=True)):
        placed[index] = min(max(position, low), last) + gap * place
    return placed


def stack(wanted: Sequence[float], heights: Sequence[float], gap: float) -> list[float]:
    """Return the tops of boxes in their order, as near to the wanted middles as they can be.

    >>> stack([10, 12], [4, 4], 2)
    [6.0, 12.0]
    """
    offsets = []
    offset = 0.0
    for height in heights:
        offsets.append(offset)
        offset += height + gap
    shifted = [
        middle - height / 2 - offset
        for middle, height, offset in zip(wanted, heights, offsets, strict=True)
    ]
    return [top + offset for top, offset in zip(ascending(shifted), offsets, strict=True)]


def ascending(values: Sequence[float]) -> list[float]:
    """Return the ascending values that are nearest, by the sum of squares.

    >>> ascending([1, 5, 3, 9])
    [1.0, 4.0, 4.0, 9.0]
    """
    # Runs of values that descend get their mean.
    runs: list[tuple[float, int]] = []
    for value in values:
        total, count = float(value), 1
        while runs and runs[-1][0] / runs[-1][1] > total / count:
            before, length = runs.pop()
            total, count = total + before, count + length
        runs.append((total, count))
    return [total / count for total, count in runs for _ in range(count)]
