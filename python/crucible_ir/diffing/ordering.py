"""Merging the orders that two sides put the elements of one list in."""

from __future__ import annotations

from collections.abc import Collection, Sequence


def merged_order(
    base: Sequence[str], ours: Sequence[str], theirs: Sequence[str]
) -> tuple[list[str], bool]:
    """Return the order of all elements that our side or their side has, and whether it is settled.

    The elements that both sides have come in the order of the side that reordered those of the
    base. It is not settled if both did, differently, or if they put what both added in different
    places; the order is ours then. An element that only one side has follows the element that it
    follows there. Where both sides have such elements, those of the side whose first one sorts
    first come first, so that the sides may be exchanged.

    >>> merged_order("abc", "abxc", "cab")
    (['c', 'a', 'b', 'x'], True)
    >>> merged_order("ab", "aby", "abx")
    (['a', 'b', 'x', 'y'], True)
    """
    shared = set(ours).intersection(theirs)
    old = shared.intersection(base)
    our_order, their_order = _among(shared, ours), _among(shared, theirs)
    we_reorder = _among(old, ours) != _among(old, base)
    they_reorder = _among(old, theirs) != _among(old, base)
    is_settled = our_order == their_order or we_reorder != they_reorder
    backbone = their_order if is_settled and they_reorder else our_order
    our_runs, their_runs = _runs(ours, shared), _runs(theirs, shared)
    made: list[str] = []
    for key in (None, *backbone):
        if key is not None:
            made.append(key)
        for run in sorted((our_runs.get(key, []), their_runs.get(key, []))):
            made += run
    return made, is_settled


def _among(keys: Collection[str], order: Sequence[str]) -> list[str]:
    return [key for key in order if key in keys]


def _runs(order: Sequence[str], shared: Collection[str]) -> dict[str | None, list[str]]:
    """Return the elements that only one side has, by the shared one that they follow."""
    runs: dict[str | None, list[str]] = {}
    last: str | None = None
    for key in order:
        if key in shared:
            last = key
        else:
            runs.setdefault(last, []).append(key)
    return runs
