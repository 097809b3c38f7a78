"""Labels beside points, moved apart until none overlaps another."""

from __future__ import annotations

from collections.abc import Sequence


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Return positions as near to the wanted ones as a least gap between any two permits.

    They keep the order of the wanted ones and stay between two bounds while there is room.

    >>> spread([10, 11, 40], 12, 0, 100)
    [4.5, 16.5, 40.0]
    """
    order = sorted(range(len(wanted)), key=lambda index: (wanted[index], index))
    # Groups of labels that touch each other: the sum of the positions that their first members
    # would like to have, and the indices.
    groups: list[tuple[float, list[int]]] = []
    for index in order:
        total, members = min(max(wanted[index], low), high), [index]
        while groups:
            previous_total, previous = groups[-1]
            start = total / len(members)
            if previous_total / len(previous) + gap * len(previous) <= start:
                break
            groups.pop()
            total += previous_total - gap * len(previous) * len(members)
            members = previous + members
        groups.append((total, members))
    placed = [0.0] * len(wanted)
    room = max(low, high - gap * (len(wanted) - 1))
    place = 0
    for total, members in groups:
        start = total / len(members)
        for rank, index in enumerate(members):
            # Between two bounds that leave room for the labels before and after it.
            position = min(max(start + gap * rank, low + gap * place), room + gap * place)
            placed[index] = position
            place += 1
    return placed
