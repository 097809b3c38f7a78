"""Sources of a list: indexes that contain its documents, and the checks of the other conditions.

Each source is read in the order of the list from an index that has everything its checks need, or
from few entries that are then sorted. In every statement, its entries are called ``entries``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from crucible_ir.exchange.store.records import Comparison, Condition
from crucible_ir.exchange.store.statements.lists.sql import TRUE, Sql, all_of
from crucible_ir.exchange.store.statements.prefixes import FIELD as PREFIX_FIELD
from crucible_ir.exchange.store.statements.rows import release_code, successor

if TYPE_CHECKING:
    from crucible_ir.exchange.store.records import ListQuery, PageKey, Predicate
    from crucible_ir.exchange.store.statements.lists.ranges import IdRange

#: The cost of checks, in entries that are read in the order of an index: a lookup in an index that
#: has the order of the list, and one at any place of an index.
NEAR: Final = 1.0
FAR: Final = 3.0


@dataclass(frozen=True, slots=True)
class Order:
    """The order of a list: by creation, newest first, or by id."""

    newest_first: bool

    @property
    def key(self) -> str:
        """The column of the order, in each table."""
        return "created_sequence" if self.newest_first else "id"

    @property
    def direction(self) -> str:
        """The direction of the order, as in a statement."""
        return "DESC" if self.newest_first else "ASC"

    def beyond(self, after: PageKey | None) -> Sql:
        """Return the condition that an entry comes after a key."""
        sign = "<" if self.newest_first else ">"
        return TRUE if after is None else Sql(f"entries.{self.key} {sign} ?", (after,))

    def through(self, last: PageKey | None) -> Sql:
        """Return the condition that an entry comes before a key or has it."""
        sign = ">=" if self.newest_first else "<="
        return TRUE if last is None else Sql(f"entries.{self.key} {sign} ?", (last,))

    def first(self, keys: Iterable[Any]) -> Any:
        """Return the key that comes first."""
        return max(keys) if self.newest_first else min(keys)

    def is_before(self, key: Any, other: Any) -> bool:
        """Return whether a key comes before another."""
        return bool(key > other if self.newest_first else key < other)


@dataclass(frozen=True, slots=True)
class Source:
    """Entries of an index, with the order of a list.

    Attributes:
        table: The table, or a statement in parentheses.
        segments: The conditions of the parts of the index; each part is in order, and no document
            is in two of them.
        satisfied: The conditions of the query that every entry satisfies.
        is_live: Whether every entry is of a document that is not deleted.
        may_repeat: Whether a document may be in several entries, with several values of a list.
    """

    table: Sql
    segments: tuple[Sql, ...] = (TRUE,)
    satisfied: tuple[Predicate, ...] = ()
    is_live: bool = False
    may_repeat: bool = False


@dataclass(frozen=True, slots=True)
class Check:
    """A condition on the entries of a source, and the cost of checking it."""

    condition: Sql
    cost: float


#: The tables that sources read.
DOCUMENTS: Final = Sql("documents")
VALUES: Final = Sql("field_values")


def every_document(query: ListQuery, ranges: Iterable[IdRange]) -> Source:
    """Return the source of all documents of a type, with a segment for each range of ids."""
    of_type = Sql("entries.type = ?", (query.type,))
    return Source(DOCUMENTS, tuple(all_of(of_type, each.condition()) for each in ranges))


def with_value(query: ListQuery, condition: Condition, ranges: Iterable[IdRange]) -> Source:
    """Return the source of the documents that have one value of a field, in the same way."""
    same = has_value("entries", query.type, condition)
    segments = tuple(all_of(same, each.condition()) for each in ranges)
    return Source(VALUES, segments, (condition,), is_live=True)


def with_prefixes(query: ListQuery, prefixes: Iterable[str]) -> Source:
    """Return the source of the documents whose ids begin with indexed prefixes, each a segment."""
    segments = (
        has_value("entries", query.type, Condition(PREFIX_FIELD, Comparison.EQUALS, prefix))
        for prefix in prefixes
    )
    return Source(VALUES, tuple(segments), is_live=True)


def has_value(values: str, type_: str, condition: Condition) -> Sql:
    """Return the condition that a row of `field_values`, by its name, satisfies a condition."""
    of_field = Sql(f"{values}.type = ? AND {values}.field = ?", (type_, condition.field))
    return all_of(of_field, compared(f"{values}.value", condition))


def check(query: ListQuery, order: Order, predicate: Predicate) -> Check:
    """Return the check of a predicate on a field."""
    found = has_value("v", query.type, predicate)
    is_equality = predicate.comparison is Comparison.EQUALS
    # Each creation has its own number, and the index by creation has the order of the list.
    by_creation = order.newest_first and is_equality
    same = "created_sequence" if by_creation else "id"
    condition = is_found("field_values AS v", all_of(found, Sql(f"v.{same} = entries.{same}")))
    return Check(condition, NEAR if is_equality else FAR)


def check_state(query: ListQuery, order: Order, source: Source) -> Check | None:
    """Return the check whether a document is deleted, and which release reads it, if it matters."""
    release = query.readable_by
    if (query.include_deleted or source.is_live) and release is None:
        return None

    def state(table: str) -> Sql:
        live = TRUE if query.include_deleted else Sql(f"NOT {table}.deleted")
        if release is None:
            return live
        readable = Sql(f"({table}.deleted OR {table}.requires <= ?)", (release_code(release),))
        return all_of(live, readable)

    if source.table == DOCUMENTS:
        return Check(state("entries"), 0.0 if order.newest_first else NEAR)
    same = Sql(f"d.type = ? AND d.{order.key} = entries.{order.key}", (query.type,))
    condition = is_found("documents AS d", all_of(same, state("d")))
    return Check(condition, NEAR if order.newest_first else FAR)


def is_found(table: str, condition: Sql) -> Sql:
    """Return the condition that a row is found.

    Unlike EXISTS, a subquery for a value is never turned into a join, and so not into a scan.
    """
    return Sql(
        f"(SELECT 1 FROM {table} WHERE {condition.text} LIMIT 1) IS NOT NULL", condition.values
    )


def compared(column: str, condition: Condition) -> Sql:
    """Return the condition that a column satisfies a condition."""
    wanted = condition.value.encode()
    if condition.comparison is Comparison.EQUALS:
        return Sql(f"{column} = ?", (wanted,))
    return begins_with(column, wanted)


def begins_with(column: str, prefix: bytes) -> Sql:
    """Return the condition that a column begins with a prefix, as a range for an index."""
    if not prefix:
        return TRUE
    after = successor(prefix)
    low = Sql(f"{column} >= ?", (prefix,))
    return low if after is None else all_of(low, Sql(f"{column} < ?", (after,)))
