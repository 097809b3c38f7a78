"""Sources of a list: indexes that contain its documents, and the checks of the other conditions.

Each source is read in the order of the list from an index that has everything its checks need, or
from few entries that are then sorted. In every statement, its entries are called ``entries``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from crucible_ir.exchange.store.records import (
    AllOf,
    AnyOf,
    Comparison,
    Condition,
    Not,
    NumberCondition,
)
from crucible_ir.exchange.store.statements.lists.ranges import ID
from crucible_ir.exchange.store.statements.lists.sql import TRUE, Sql, all_of, any_of, unsought
from crucible_ir.exchange.store.statements.prefixes import FIELD as PREFIX_FIELD
from crucible_ir.exchange.store.statements.rows import release_code, successor

if TYPE_CHECKING:
    from crucible_ir.exchange.store.records import ListQuery, NumberOrder, PageKey, Predicate
    from crucible_ir.exchange.store.statements.lists.ranges import IdRange

#: The cost of checks, in entries that are read in the order of an index: a lookup in an index that
#: has the order of the list, and one at any place of an index.
NEAR: Final = 1.0
FAR: Final = 3.0


@dataclass(frozen=True, slots=True)
class Order:
    """The order of a list.

    Attributes:
        columns: The columns of the order, in each table that is read in it.
        is_descending: Whether the greatest key comes first.
    """

    columns: tuple[str, ...]
    is_descending: bool

    @classmethod
    def of(cls, query: ListQuery) -> Order:
        """Return the order of a query's list."""
        if query.by_number is not None:
            return cls(("value", "id"), query.by_number.descending)
        return cls(("created_sequence",), True) if query.newest_first else cls(("id",), False)

    @property
    def is_by_creation(self) -> bool:
        """Whether the order is that of creation."""
        return self.columns == ("created_sequence",)

    def select(self) -> str:
        """Return the columns of the key of an entry."""
        return ", ".join(f"entries.{column}" for column in self.columns)

    def by(self) -> str:
        """Return the order of entries, as in a statement."""
        direction = "DESC" if self.is_descending else "ASC"
        return ", ".join(f"entries.{column} {direction}" for column in self.columns)

    def beyond(self, after: PageKey | None) -> Sql:
        """Return the condition that an entry comes after a key."""
        return self._compared("<" if self.is_descending else ">", after)

    def through(self, last: PageKey | None) -> Sql:
        """Return the condition that an entry comes before a key or has it."""
        return self._compared(">=" if self.is_descending else "<=", last)

    def first(self, keys: Iterable[Any]) -> Any:
        """Return the key that comes first."""
        return max(keys) if self.is_descending else min(keys)

    def is_before(self, key: Any, other: Any) -> bool:
        """Return whether a key comes before another."""
        return bool(key > other if self.is_descending else key < other)

    def _compared(self, sign: str, key: PageKey | None) -> Sql:
        if key is None:
            return TRUE
        if isinstance(key, tuple):
            return Sql(f"(entries.value, entries.id) {sign} (?, ?)", key)
        return Sql(f"entries.{self.columns[0]} {sign} ?", (key,))


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
        number: The field whose numbers the entries have as ``value``.
        begins: Where the segments begin, which all entries after one of them satisfy.
        ends: Where they end, which all entries before one of them satisfy.
    """

    table: Sql
    segments: tuple[Sql, ...] = (TRUE,)
    satisfied: tuple[Predicate, ...] = ()
    is_live: bool = False
    may_repeat: bool = False
    number: str | None = None
    begins: Sql = TRUE
    ends: Sql = TRUE


@dataclass(frozen=True, slots=True)
class Check:
    """A condition on the entries of a source, and the cost of checking it."""

    condition: Sql
    cost: float


_SIGNS: Final = {each: "=" if each is Comparison.EQUALS else each.value for each in Comparison}

#: The tables that sources read.
NUMBERS: Final = Sql("number_values")
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


def by_number(query: ListQuery, order: NumberOrder, conditions: Sequence[Predicate]) -> Source:
    """Return the source of the documents with a number, in its order.

    Args:
        query: The query.
        order: The number.
        conditions: The conditions; those on the number restrict the source.
    """
    same = tuple(
        each
        for each in conditions
        if isinstance(each, NumberCondition) and each.field == order.field
    )
    least, most = _tightest(same, is_least=True), _tightest(same, is_least=False)
    return Source(
        NUMBERS,
        (of_number("entries", query.type, order.field),),
        same,
        is_live=True,
        number=order.field,
        begins=most if order.descending else least,
        ends=least if order.descending else most,
    )


def _tightest(conditions: Iterable[NumberCondition], *, is_least: bool) -> Sql:
    """Return the tightest limit that conditions set to a number: SQLite seeks only one."""
    inclusive, strict = (
        (Comparison.AT_LEAST, Comparison.GREATER)
        if is_least
        else (Comparison.AT_MOST, Comparison.LESS)
    )
    limits = [
        (each.value if is_least else -each.value, each.comparison is strict)
        for each in conditions
        if each.comparison in (inclusive, strict, Comparison.EQUALS)
    ]
    if not limits:
        return TRUE
    value, is_strict = max(limits)
    sign = _SIGNS[strict if is_strict else inclusive]
    return Sql(f"entries.value {sign} ?", (value if is_least else -value,))


def with_number(query: ListQuery, condition: NumberCondition) -> Source:
    """Return the source of the documents that have a number, whatever it is, by creation."""
    found = of_number("entries", query.type, condition.field)
    return Source(NUMBERS, (found,), is_live=True, number=condition.field)


def has_value(values: str, type_: str, condition: Condition) -> Sql:
    """Return the condition that a row of `field_values`, by its name, satisfies a condition."""
    of_field = Sql(f"{values}.type = ? AND {values}.field = ?", (type_, condition.field))
    return all_of(of_field, compared(f"{values}.value", condition))


def of_number(numbers: str, type_: str, field: str) -> Sql:
    """Return the condition that a row of `number_values`, by its name, is of a field."""
    return Sql(f"{numbers}.type = ? AND {numbers}.field = ?", (type_, field.encode()))


def check(query: ListQuery, order: Order, predicate: Predicate, source: Source) -> Check:
    """Return the check of a predicate for the entries of a source."""
    if isinstance(predicate, Not):
        inner = check(query, order, predicate.part, source)
        return Check(Sql(f"NOT ({inner.condition.text})", inner.condition.values), inner.cost)
    if isinstance(predicate, AllOf | AnyOf):
        parts = [check(query, order, each, source) for each in predicate.parts]
        conditions = [each.condition for each in parts]
        found = any_of(conditions) if isinstance(predicate, AnyOf) else all_of(*conditions)
        return Check(Sql(f"({found.text})", found.values), sum(each.cost for each in parts))
    if isinstance(predicate, NumberCondition):
        if predicate.field == source.number:
            return Check(compared_number(unsought("entries.value"), predicate), 0.0)
        same, cost = ("created_sequence", NEAR) if order.is_by_creation else ("id", FAR)
        found = all_of(
            of_number("v", query.type, predicate.field),
            compared_number("v.value", predicate),
            Sql(f"v.{same} = entries.{same}"),
        )
        return Check(is_found("number_values AS v", found), cost)
    if predicate.field == ID:
        return Check(compared(unsought("entries.id"), predicate), 0.0)
    found = has_value("v", query.type, predicate)
    is_equality = predicate.comparison is Comparison.EQUALS
    # Each creation has its own number, and the index by creation has the order of the list.
    same = "created_sequence" if order.is_by_creation and is_equality else "id"
    condition = is_found("field_values AS v", all_of(found, Sql(f"v.{same} = entries.{same}")))
    is_near = is_equality and order.columns != ("value", "id")
    return Check(condition, NEAR if is_near else FAR)


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
        return Check(state("entries"), 0.0 if order.is_by_creation else NEAR)
    same = "created_sequence" if order.is_by_creation else "id"
    is_same = Sql(f"d.type = ? AND d.{same} = entries.{same}", (query.type,))
    condition = is_found("documents AS d", all_of(is_same, state("d")))
    return Check(condition, NEAR if order.is_by_creation else FAR)


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
    if condition.comparison is Comparison.PREFIX:
        return begins_with(column, wanted)
    return Sql(f"{column} {_SIGNS[condition.comparison]} ?", (wanted,))


def compared_number(column: str, condition: NumberCondition) -> Sql:
    """Return the condition that a column satisfies a condition on a number."""
    return Sql(f"{column} {_SIGNS[condition.comparison]} ?", (condition.value,))


def begins_with(column: str, prefix: bytes) -> Sql:
    """Return the condition that a column begins with a prefix, as a range for an index."""
    if not prefix:
        return TRUE
    after = successor(prefix)
    low = Sql(f"{column} >= ?", (prefix,))
    return low if after is None else all_of(low, Sql(f"{column} < ?", (after,)))
