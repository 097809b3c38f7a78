"""Ranges of ids: what a scope and conditions on ids leave of all ids."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from crucible_ir.exchange.store.records import Comparison, Condition, Scope
from crucible_ir.exchange.store.statements.lists.sql import TRUE, Sql, all_of, any_of, unsought
from crucible_ir.exchange.store.statements.rows import successor

if TYPE_CHECKING:
    from crucible_ir.exchange.store.records import Predicate

#: The name of the document's own key in conditions.
ID: Final = "id"


class IdRange(NamedTuple):
    """The ids from the first, included, to the end, excluded; ``None`` for no end."""

    first: bytes
    end: bytes | None

    def condition(self, id_: str = "entries.id") -> Sql:
        """Return the condition that an id, by default that of an entry, is in the range."""
        low = Sql(f"{id_} >= ?", (self.first,)) if self.first else TRUE
        return low if self.end is None else all_of(low, Sql(f"{id_} < ?", (self.end,)))


#: Every id.
EVERY_ID: Final = (IdRange(b"", None),)


def id_ranges(scope: Scope, conditions: Iterable[Predicate]) -> Sequence[IdRange]:
    """Return the ranges of the ids that a scope and all conditions allow, disjoint and in order.

    >>> scope = Scope(id_prefixes=("a/", "b", "a/x"))
    >>> id_ranges(scope, [Condition("id", Comparison.PREFIX, "a")])
    [IdRange(first=b'a/', end=b'a0')]
    """
    ranges: Sequence[IdRange] = EVERY_ID
    if scope.id_prefixes is not None:
        ranges = _union(_with_prefix(prefix.encode()) for prefix in scope.id_prefixes)
    for each in conditions:
        if is_on_id(each):
            ranges = _intersection(ranges, _of_condition(each))
    return ranges


def without_longer(prefixes: Iterable[str]) -> list[str]:
    """Return the prefixes that do not begin with another one.

    >>> without_longer(["a/x", "b", "a/"])
    ['a/', 'b']
    """
    shortest: list[str] = []
    for prefix in sorted(prefixes):
        if not shortest or not prefix.startswith(shortest[-1]):
            shortest.append(prefix)
    return shortest


def is_on_id(predicate: Predicate) -> bool:
    """Return whether a predicate only restricts ids to a range."""
    return (
        isinstance(predicate, Condition)
        and predicate.field == ID
        and predicate.comparison in (Comparison.EQUALS, Comparison.PREFIX)
    )


def among(ranges: Iterable[IdRange]) -> Sql:
    """Return the condition that the id of an entry is in one of the ranges, without a seek."""
    return any_of(each.condition(unsought("entries.id")) for each in ranges)


def after(ranges: Iterable[IdRange], id_: bytes) -> list[IdRange]:
    """Return what the ranges contain after an id."""
    first = id_ + b"\0"
    return [
        IdRange(max(each.first, first), each.end)
        for each in ranges
        if each.end is None or each.end > first
    ]


def through(ranges: Iterable[IdRange], id_: bytes) -> list[IdRange]:
    """Return what the ranges contain up to an id, included."""
    end = id_ + b"\0"
    return [
        IdRange(each.first, end if each.end is None else min(each.end, end))
        for each in ranges
        if each.first <= id_
    ]


def _with_prefix(prefix: bytes) -> IdRange:
    return IdRange(prefix, successor(prefix))


def _of_condition(condition: Predicate) -> IdRange:
    assert isinstance(condition, Condition)
    value = condition.value.encode()
    if condition.comparison is Comparison.EQUALS:
        return IdRange(value, value + b"\0")
    return _with_prefix(value)


def _union(ranges: Iterable[IdRange]) -> list[IdRange]:
    joined: list[IdRange] = []
    for each in sorted(ranges, key=lambda each: each.first):
        last = joined[-1] if joined else None
        if last is None or (last.end is not None and each.first > last.end):
            joined.append(each)
        elif last.end is not None and (each.end is None or each.end > last.end):
            joined[-1] = IdRange(last.first, each.end)
    return joined


def _intersection(ranges: Iterable[IdRange], other: IdRange) -> list[IdRange]:
    common = []
    for each in ranges:
        ends = [end for end in (each.end, other.end) if end is not None]
        found = IdRange(max(each.first, other.first), min(ends, default=None))
        if found.end is None or found.first < found.end:
            common.append(found)
    return common
