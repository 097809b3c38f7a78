"""The matching of the elements of two lists."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import TypeVar

ItemT = TypeVar("ItemT")


def longest_common_subsequence(
    one: Sequence[ItemT],
    other: Sequence[ItemT],
    same: Callable[[ItemT, ItemT], bool],
    *,
    max_cells: int,
) -> tuple[list[tuple[int, int]], int]:
    """Return the pairs of indices of a longest common subsequence, and the number of cells used.

    A common start and a common end are paired directly. Between them, the number of cells is the
    product of the remaining lengths; above the limit, nothing there is paired.

    >>> longest_common_subsequence("abcde", "abxde", str.__eq__, max_cells=9)
    ([(0, 0), (1, 1), (3, 3), (4, 4)], 1)
    """
    shorter = min(len(one), len(other))
    start = 0
    while start < shorter and same(one[start], other[start]):
        start += 1
    tail = 0
    while tail < shorter - start and same(one[-1 - tail], other[-1 - tail]):
        tail += 1
    before = [(index, index) for index in range(start)]
    after = [(len(one) - left, len(other) - left) for left in range(tail, 0, -1)]
    middle_one, middle_other = one[start : len(one) - tail], other[start : len(other) - tail]
    cells = len(middle_one) * len(middle_other)
    if cells > max_cells:
        return before + after, 0
    middle = _pairs(middle_one, middle_other, same)
    return before + [(start + left, start + right) for left, right in middle] + after, cells


def _pairs(
    one: Sequence[ItemT], other: Sequence[ItemT], same: Callable[[ItemT, ItemT], bool]
) -> list[tuple[int, int]]:
    """Return the pairs of a longest common subsequence by dynamic programming."""
    # lengths[i][j] is the length of the longest for one[i:] and other[j:].
    lengths = [array("i", bytes(4 * (len(other) + 1)))]
    for left in reversed(one):
        below = lengths[-1]
        row = array("i", bytes(4 * (len(other) + 1)))
        best = 0
        for j in range(len(other) - 1, -1, -1):
            if same(left, other[j]):
                best = below[j + 1] + 1
            elif below[j] > best:
                best = below[j]
            row[j] = best
        lengths.append(row)
    lengths.reverse()
    found: list[tuple[int, int]] = []
    i = j = 0
    while i < len(one) and j < len(other):
        if same(one[i], other[j]):
            found.append((i, j))
            i, j = i + 1, j + 1
        elif lengths[i + 1][j] >= lengths[i][j + 1]:
            i += 1
        else:
            j += 1
    return found


def longest_increasing_subsequence(numbers: Sequence[int]) -> set[int]:
    """Return the numbers, all different, of a longest increasing subsequence.

    >>> sorted(longest_increasing_subsequence([2, 0, 1, 3]))
    [0, 1, 3]
    """
    # ends[k] is the smallest number that a subsequence of k + 1 numbers can end with.
    ends: list[int] = []
    previous: dict[int, int | None] = {}
    for number in numbers:
        length = bisect_left(ends, number)
        previous[number] = ends[length - 1] if length else None
        ends[length : length + 1] = [number]
    found: set[int] = set()
    last = ends[-1] if ends else None
    while last is not None:
        found.add(last)
        last = previous[last]
    return found
