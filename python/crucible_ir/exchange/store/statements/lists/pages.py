"""Pages of lists, at a cost that does not depend on the number of documents.

A page is read from one source, which is an index in the order of the list; the other conditions are
checked for one entry after another. A page examines a limited number of entries: if they do not
fill it, the next page continues after them. Several conditions give several sources. The best is
the one whose next entries reach furthest, since it contains the fewest documents there. If few
documents satisfy a condition that has no index in the order of the list, they are found first and
then sorted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import null, select

from crucible_ir.exchange.store.records import (
    AllOf,
    Comparison,
    Condition,
    ListQuery,
    NumberCondition,
    NumberOrder,
    Page,
    PageKey,
)
from crucible_ir.exchange.store.statements.chunks import complete_if_it_fits
from crucible_ir.exchange.store.statements.lists.ranges import (
    EVERY_ID,
    ID,
    after,
    among,
    id_ranges,
    is_on_id,
    through,
    without_longer,
)
from crucible_ir.exchange.store.statements.lists.sources import (
    DOCUMENTS,
    NUMBERS,
    VALUES,
    Check,
    Order,
    Source,
    by_number,
    check,
    check_state,
    compared_number,
    every_document,
    has_value,
    of_number,
    with_number,
    with_prefixes,
    with_value,
)
from crucible_ir.exchange.store.statements.lists.sql import TRUE, Sql, all_of, joined, rows
from crucible_ir.exchange.store.statements.rows import IS_LATEST, PAGE_BYTES, RECORD_COLUMNS, entry
from crucible_ir.exchange.store.statements.tables import documents, revisions

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from crucible_ir.exchange.store.records import Predicate, StoredEntry

#: The number of entries that a page examines if that takes no lookups; fewer if it does. The time
#: is about that of reading a page of 100 documents.
EXAMINED: Final = 3000

#: The limit of few documents: finding and sorting so many takes about as long as reading a page.
FEW: Final = 1000

#: The most ranges of ids that one statement reads, and the most conditions that it counts.
MAX_SEGMENTS: Final = 64
MAX_COUNTED: Final = 8

#: The cost of comparing an id with a range, in examined entries.
COMPARED: Final = 0.05

#: A condition whose matches an index has, so that they can be counted.
_Countable = Condition | NumberCondition

#: A key of the order of a list, and the id of the document.
Key = tuple[PageKey, bytes]

#: The numbers of entries that one statement reads, with and without their documents.
_WITH_DOCUMENTS: Final = 50
_WITHOUT_DOCUMENTS: Final = 500


def list_documents(
    connection: Connection, query: ListQuery, *, has_prefix_index: bool = False
) -> Page:
    """Return a page of documents, as described in `Store.list_documents`.

    Args:
        connection: The connection.
        query: The query.
        has_prefix_index: Whether the prefixes of the query's scope are indexed.
    """
    if query.scope.types is not None and query.type not in query.scope.types:
        return Page([], None)
    keys, following = _PageKeys(connection, query, has_prefix_index=has_prefix_index).find()
    entries = list(_entries(connection, query, [id_ for _, id_ in keys]))
    if len(entries) < len(keys):
        following = keys[len(entries) - 1][0]
    return Page(entries, following)


def indexable_prefixes(query: ListQuery) -> list[str]:
    """Return the prefixes of a query's scope whose index can be the source of its list."""
    prefixes = without_longer(query.scope.id_prefixes or ())
    # Deleted documents have no indexed values.
    is_usable = (
        query.newest_first
        and query.by_number is None
        and not query.include_deleted
        and len(prefixes) <= MAX_SEGMENTS
    )
    return prefixes if is_usable else []


def _entries(
    connection: Connection, query: ListQuery, ids: Sequence[bytes]
) -> Iterator[StoredEntry]:
    """Yield the entries of documents, in order, until their documents reach `PAGE_BYTES`."""
    document = revisions.c.document if query.include_documents else null()
    statement = select(*RECORD_COLUMNS, document).join_from(documents, revisions, IS_LATEST)
    size = 0
    at_a_time = _WITH_DOCUMENTS if query.include_documents else _WITHOUT_DOCUMENTS
    for start in range(0, len(ids), at_a_time):
        chosen = ids[start : start + at_a_time]
        found = connection.execute(
            statement.where(documents.c.type == query.type, documents.c.id.in_(chosen))
        )
        by_id = {bytes(row.id): row for row in found}
        for id_ in chosen:
            if size >= PAGE_BYTES:
                return
            read = complete_if_it_fits(connection, entry(by_id[id_]))
            size += len(read.document or b"")
            yield read


@dataclass(frozen=True, slots=True)
class _Scan:
    """A source, and the checks of its entries."""

    source: Source
    checks: Sequence[Check]

    @property
    def cost(self) -> float:
        """The cost of examining an entry."""
        return 1 + sum(each.cost for each in self.checks)

    def examined(self, limit: int) -> int:
        """Return how many entries of each segment a page examines, for a limit of a page."""
        whole = max(2, int(EXAMINED / self.cost))
        share = max(2, whole // len(self.source.segments))
        return max(share, limit + 1) if self.cost == 1 else share


class _PageKeys:
    """Finds the keys and ids of the documents of a page."""

    def __init__(self, connection: Connection, query: ListQuery, *, has_prefix_index: bool) -> None:
        self._connection = connection
        self._query = query
        self._order = Order.of(query)
        self._is_by_id = self._order.columns == ("id",)
        conditions = list(conjuncts(query.conditions))
        self._conditions = [each for each in conditions if not is_on_id(each)]
        self._has_id_conditions = len(self._conditions) < len(conditions)
        self._ranges = id_ranges(query.scope, conditions)
        # The end of the ids of this page, if more ranges of ids belong to later pages.
        self._end: bytes | None = None
        if isinstance(query.after, bytes):
            self._ranges = after(self._ranges, query.after)
        if self._is_by_id and len(self._ranges) > MAX_SEGMENTS:
            self._ranges = self._ranges[:MAX_SEGMENTS]
            self._end = self._ranges[-1].end
        self._has_prefix_index = has_prefix_index

    def find(self) -> tuple[list[Key], PageKey | None]:
        """Return keys with ids, and the key after which the next page begins, if there is one."""
        if not self._ranges:
            return [], None
        found, last = self._few(), None
        if found is None:
            self._restrict_ranges()
            scan, last = self._best()
            found = self._found(scan, last)
        limit = self._query.limit
        if len(found) > limit:
            return found[:limit], found[limit - 1][0]
        return found, self._end if last is None else last

    def _few(self) -> list[Key] | None:
        """Return the matches of a condition that few documents satisfy; ``None`` if there is none.

        Conditions whose matches have an index in the order of the list do not count.
        """
        choices: list[_Countable | None] = list(islice(self._unordered(), MAX_COUNTED))
        has_ranges = not self._is_by_id and self._are_ids_filtered
        if has_ranges and len(self._ranges) <= MAX_SEGMENTS:
            choices.append(None)
        if not choices:
            return None
        counts = [
            Sql(f"(SELECT count(*) FROM ({matches.text}) AS few)", matches.values)
            for matches in map(self._matches, choices)
        ]
        text, values = joined(", ", counts)
        [counted] = self._rows(Sql(f"SELECT {text}", values))
        fewest, place = min(zip(counted, range(len(counted)), strict=True))
        condition = choices[place]
        columns = "entries.created_sequence AS created_sequence, entries.id AS id"
        satisfied = () if condition is None else (condition,)
        entries = _table(self._matches(condition, columns))
        by_number = self._query.by_number
        if by_number is not None:
            entries = self._with_numbers(entries, by_number)
        number = None if by_number is None else by_number.field
        source = Source(entries, satisfied=satisfied, may_repeat=True, number=number)
        scan = self._scan(source, checks_ids=condition is not None)
        if fewest > min(FEW, EXAMINED / scan.cost):
            return None
        return self._found(scan, None)

    def _unordered(self) -> Iterator[_Countable]:
        """Yield the conditions whose matches have no index in the order of the list."""
        by_number = self._query.by_number
        for each in self._conditions:
            if isinstance(each, Condition) and each.field != ID:
                if by_number is not None or each.comparison is not Comparison.EQUALS:
                    yield each
            elif isinstance(each, NumberCondition) and (
                by_number is None or each.field != by_number.field
            ):
                yield each

    def _with_numbers(self, entries: Sql, by_number: NumberOrder) -> Sql:
        """Return entries with the number that the list is ordered by."""
        found = of_number("numbers", self._query.type, by_number.field)
        text = (
            "(SELECT entries.created_sequence AS created_sequence, entries.id AS id,"
            f" numbers.value AS value FROM {entries.text} AS entries JOIN number_values AS numbers"
            f" ON {found.text} AND numbers.id = entries.id)"
        )
        return Sql(text, (*entries.values, *found.values))

    def _matches(self, condition: _Countable | None, columns: str = "entries.id") -> Sql:
        """Select the first documents that satisfy a condition, in the order of its index.

        Args:
            condition: The condition; ``None`` for the ranges of ids.
            columns: The columns to select.
        """
        type_ = self._query.type
        if isinstance(condition, NumberCondition):
            wanted = all_of(
                of_number("entries", type_, condition.field),
                compared_number("entries.value", condition),
            )
            parts = [_select(columns, NUMBERS, wanted, "entries.value", FEW + 1)]
        elif condition is not None:
            wanted = has_value("entries", type_, condition)
            parts = [_select(columns, VALUES, wanted, "entries.value", FEW + 1)]
        else:
            of_type = Sql("entries.type = ?", (type_,))
            parts = [
                _select(columns, DOCUMENTS, all_of(of_type, ids.condition()), "entries.id", FEW + 1)
                for ids in self._ranges
            ]
        return _union(parts, FEW + 1)

    @property
    def _are_ids_filtered(self) -> bool:
        return tuple(self._ranges) != EVERY_ID

    def _restrict_ranges(self) -> None:
        """Read only the first range of ids of a list by id, if that can fill the page."""
        if not self._is_by_id or len(self._ranges) == 1:
            return
        first = self._ranges[0]
        wanted = all_of(Sql("entries.type = ?", (self._query.type,)), first.condition())
        filling = _select("1", DOCUMENTS, wanted, "entries.id", 1, self._query.limit)
        if self._rows(filling):
            self._ranges, self._end = [first], first.end

    def _best(self) -> tuple[_Scan, PageKey | None]:
        """Return the best way to read the list in its order, and the last key to examine.

        That is ``None`` if so few entries are left that the page examines all of them.
        """
        query, order = self._query, self._order
        scans = [self._scan(each, checks_ids=not self._is_by_id) for each in self._sources()]
        if self._has_prefix_index and order.is_by_creation:
            in_scope = with_prefixes(query, indexable_prefixes(query))
            scans.append(self._scan(in_scope, checks_ids=self._has_id_conditions))
        lasts: list[PageKey | None] = [None] * len(scans)
        for place, *columns in self._rows(_union(self._lasts(scans))):
            found, known = _key(columns), lasts[place]
            lasts[place] = found if known is None else order.first((known, found))
        # A source with a condition is better than all documents, if both have few entries left.
        best = len(scans) - 1
        for place in range(best):
            key, furthest = lasts[place], lasts[best]
            if furthest is not None and (key is None or order.is_before(furthest, key)):
                best = place
        last = lasts[best]
        if isinstance(last, bytes):
            self._ranges = through(self._ranges, last)
            return self._scan(list(self._sources())[best], checks_ids=False), last
        return scans[best], last

    def _sources(self) -> Iterator[Source]:
        """Yield the indexes in the order of the list, first that of all documents."""
        query = self._query
        if query.by_number is not None:
            yield by_number(query, query.by_number, self._conditions)
            return
        ranges = self._ranges if self._is_by_id else EVERY_ID
        yield every_document(query, ranges)
        for each in self._conditions[:MAX_COUNTED]:
            if isinstance(each, Condition) and each.comparison is Comparison.EQUALS:
                if each.field != ID:
                    yield with_value(query, each, ranges)
            elif isinstance(each, NumberCondition) and not self._is_by_id:
                yield with_number(query, each)

    def _lasts(self, scans: Sequence[_Scan]) -> list[Sql]:
        """Select the last key to examine of each segment that has more entries."""
        order, query = self._order, self._query
        return [
            _select(
                f"{place} AS place, {order.select()}",
                scan.source.table,
                all_of(segment, self._beginning(scan.source), scan.source.ends),
                order.by(),
                1,
                scan.examined(query.limit) - 1,
            )
            for place, scan in enumerate(scans)
            for segment in scan.source.segments
        ]

    def _beginning(self, source: Source) -> Sql:
        """Return the condition that an entry of a source comes after the last page."""
        after = self._query.after
        return source.begins if after is None else self._order.beyond(after)

    def _scan(self, source: Source, *, checks_ids: bool) -> _Scan:
        """Return a scan of a source, with the checks that it needs."""
        query, order = self._query, self._order
        checks = [
            check(query, order, each, source)
            for each in self._conditions
            if each not in source.satisfied
        ]
        state = check_state(query, order, source)
        if state is not None:
            checks.append(state)
        if checks_ids and self._are_ids_filtered:
            checks.append(Check(among(self._ranges), len(self._ranges) * COMPARED))
        return _Scan(source, checks)

    def _found(self, scan: _Scan, last: PageKey | None) -> list[Key]:
        """Return the matches up to a key, or as many as show that the page is full."""
        order, limit = self._order, self._query.limit + 1
        source = scan.source
        # A second limit on one side might be what the database seeks. Ranges end at a last id.
        conditions = (
            self._beginning(source),
            source.ends if last is None or isinstance(last, bytes) else order.through(last),
            *(each.condition for each in sorted(scan.checks, key=lambda each: each.cost)),
        )
        names = dict.fromkeys((*order.columns, "id"))
        columns = ", ".join(f"entries.{name} AS {name}" for name in names)
        if source.may_repeat:
            columns = f"DISTINCT {columns}"
        parts = [
            _select(columns, source.table, all_of(segment, *conditions), order.by(), limit)
            for segment in source.segments
        ]
        statement = parts[0]
        if len(parts) > 1:
            statement = _select("*", _table(_union(parts)), TRUE, order.by(), limit)
        found = self._rows(statement)
        return [(_key(row[: len(order.columns)]), bytes(row[-1])) for row in found]

    def _rows(self, statement: Sql) -> Sequence[Any]:
        return rows(self._connection, statement)


def conjuncts(predicates: Iterable[Predicate]) -> Iterator[Predicate]:
    """Yield conditions that must all be satisfied, without those that join others."""
    for each in predicates:
        if isinstance(each, AllOf):
            yield from conjuncts(each.parts)
        else:
            yield each


def _key(columns: Sequence[Any]) -> PageKey:
    """Return the key in the columns of an order."""
    if len(columns) == 2:
        return float(columns[0]), bytes(columns[1])
    key = columns[0]
    return int(key) if isinstance(key, int) else bytes(key)


def _select(columns: str, table: Sql, where: Sql, order: str, limit: int, offset: int = 0) -> Sql:
    """Select columns of the entries of a table."""
    text = (
        f"SELECT {columns} FROM {table.text} AS entries WHERE {where.text} ORDER BY {order} LIMIT ?"
    )
    values = (*table.values, *where.values, limit)
    return Sql(f"{text} OFFSET ?", (*values, offset)) if offset else Sql(text, values)


def _union(statements: Sequence[Sql], limit: int | None = None) -> Sql:
    """Return all rows of statements, each with an order and a limit of its own."""
    if len(statements) == 1:
        return statements[0]
    parts = (Sql(f"SELECT * FROM ({each.text}) AS part", each.values) for each in statements)
    united = joined(" UNION ALL ", parts)
    return united if limit is None else Sql(f"{united.text} LIMIT ?", (*united.values, limit))


def _table(statement: Sql) -> Sql:
    """Return a statement as a table."""
    return Sql(f"({statement.text})", statement.values)
