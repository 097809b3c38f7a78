"""Which field or enum value of one version is which of another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any


def pairs(old: Iterable[Any], new: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
    """Pair fields or enum values by name; those whose name is in one version only, by number.

    So a field that is renamed or renumbered, but not both, is told from one that is removed.

    Args:
        old: Their descriptors in the old version.
        new: Their descriptors in the new version.

    Yields:
        Both descriptors, or one and ``None``; in the order of the old version, new ones last.
    """
    before, after = list(old), list(new)
    by_name = {each.name: each for each in after}
    names = {each.name for each in before}
    by_number = {each.number: each for each in after if each.name not in names}
    paired: set[str] = set()
    for each in before:
        other = by_name.get(each.name) or by_number.pop(each.number, None)
        if other is not None:
            paired.add(other.name)
        yield each, other
    for each in after:
        if each.name not in paired:
            yield None, each
