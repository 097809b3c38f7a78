"""Conversions between rows and records, and conditions that several statements share."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import Boolean, ColumnElement, and_, or_, true
from sqlalchemy.ext.compiler import compiles

from crucible_ir.exchange.store.records import StoredEntry, StoredRecord
from crucible_ir.exchange.store.statements.chunks import complete_if_it_fits
from crucible_ir.exchange.store.statements.tables import documents, revisions

if TYPE_CHECKING:
    from sqlalchemy import Connection, Select
    from sqlalchemy.sql.compiler import SQLCompiler

    from crucible_ir.exchange.store.records import Scope

#: The columns of `revisions` for a `StoredRecord`, in the order of its fields.
_RECORD_FIELDS: Final = tuple(field.name for field in fields(StoredRecord))
RECORD_COLUMNS = tuple(revisions.c[name] for name in _RECORD_FIELDS)

#: The size of documents or events, in bytes, at which a page ends early: it still fits into one
#: message.
PAGE_BYTES = 1024 * 1024

#: The most prefixes that a condition only lists.
_MAX_ALTERNATIVES: Final = 16

#: Joins a document with its latest revision.
IS_LATEST: Final = and_(
    revisions.c.type == documents.c.type,
    revisions.c.id == documents.c.id,
    revisions.c.revision == documents.c.revision,
)


def record(row: Any) -> StoredRecord:
    """Return the record of a row, from its first columns."""
    type_, id_, *others, publisher, deleted, requires, count = row[: len(RECORD_COLUMNS)]
    others += [None if publisher is None else bytes(publisher).decode(), bool(deleted)]
    others += [None if requires is None else _release(requires), count]
    return StoredRecord(type_, bytes(id_).decode(), *others)


def record_values(record: StoredRecord) -> dict[str, Any]:
    """Return the values of the columns of a record."""
    publisher = None if record.publisher is None else record.publisher.encode()
    requires = None if record.requires is None else release_code(record.requires)
    return {
        **{name: getattr(record, name) for name in _RECORD_FIELDS},
        "id": record.id.encode(),
        "publisher": publisher,
        "requires": requires,
    }


def release_code(release: str) -> int:
    """Return a number for a release, whose parts are below 1000; numbers compare as releases do.

    >>> release_code("0.3.0"), release_code("0.10.0"), release_code("1.0.12")
    (3000, 10000, 1000012)
    """
    major, minor, patch = map(int, release.split("."))
    return (major * 1000 + minor) * 1000 + patch


def _release(code: int) -> str:
    rest, patch = divmod(code, 1000)
    major, minor = divmod(rest, 1000)
    return f"{major}.{minor}.{patch}"


def entry(row: Any) -> StoredEntry:
    """Return the entry of a row: the columns of a record, and after them the document."""
    document = row[len(RECORD_COLUMNS)]
    return StoredEntry(record(row), None if document is None else bytes(document))


def page(
    connection: Connection, statement: Select[Any], limit: int
) -> tuple[list[StoredEntry], Any]:
    """Return the entries of a page, up to a limit or until their documents reach `PAGE_BYTES`.

    Args:
        connection: The connection.
        statement: Selects the columns for `entry`.
        limit: The most entries.

    Returns:
        The entries, and the row of the last one if more would follow.
    """
    entries: list[StoredEntry] = []
    size = 0
    # Fetches a few rows at a time, since a page may end before the query does.
    options = {"stream_results": True, "max_row_buffer": 50}
    with connection.execute(statement.limit(limit + 1), execution_options=options) as rows:
        last = None
        for row in rows:
            if len(entries) == limit or size >= PAGE_BYTES:
                return entries, last
            entries.append(complete_if_it_fits(connection, entry(row)))
            size += len(entries[-1].document or b"")
            last = row
    return entries, None


def begins_with(column: ColumnElement[bytes], prefix: bytes) -> ColumnElement[bool]:
    """Return the condition that a column begins with a prefix, as a range for an index."""
    if not prefix:
        return true()
    after = successor(prefix)
    low = column >= prefix
    return low if after is None else and_(low, column < after)


def successor(prefix: bytes) -> bytes | None:
    """Return the first value after all that begin with a prefix, if there is one.

    >>> successor(b"ab"), successor(b"a" + bytes([255])), successor(bytes([255]))
    (b'ac', b'b', None)
    """
    stripped = prefix.rstrip(b"\xff")
    return stripped[:-1] + bytes([stripped[-1] + 1]) if stripped else None


def within(scope: Scope, column: ColumnElement[bytes]) -> ColumnElement[bool]:
    """Return the condition that an id is in a scope; the caller checks the scope's types."""
    if scope.id_prefixes is None:
        return true()
    prefixes: list[bytes] = []
    for prefix in sorted(each.encode() for each in scope.id_prefixes):
        # One that begins with another one adds nothing.
        if not prefixes or not prefix.startswith(prefixes[-1]):
            prefixes.append(prefix)
    if len(prefixes) > _MAX_ALTERNATIVES:
        return _BeginsWithOne(column, prefixes)
    return or_(*(begins_with(column, prefix) for prefix in prefixes)) if prefixes else ~true()


class _BeginsWithOne(ColumnElement[bool]):
    """The condition that a column begins with one of many prefixes, sorted and disjoint.

    It is a search tree with a few comparisons for each value, since SQLite limits the depth of an
    expression. Expression objects for all of it would take seconds.
    """

    # The text of a statement with it is too long to be kept.
    inherit_cache = False
    type = Boolean()

    def __init__(self, column: ColumnElement[bytes], prefixes: list[bytes]) -> None:
        self.column = column
        self.prefixes = prefixes


@compiles(_BeginsWithOne)
def _write_search(element: _BeginsWithOne, compiler: SQLCompiler, **options: Any) -> str:
    column = compiler.process(element.column, **options)
    literal = "decode('{}', 'hex')" if compiler.dialect.name == "postgresql" else "X'{}'"

    def written(prefixes: list[bytes]) -> str:
        if len(prefixes) > 1:
            middle = len(prefixes) // 2
            lower, upper = written(prefixes[:middle]), written(prefixes[middle:])
            bound = literal.format(prefixes[middle].hex())
            return f"CASE WHEN {column} < {bound} THEN {lower} ELSE {upper} END"
        [prefix] = prefixes
        after = successor(prefix)
        low = f"{column} >= {literal.format(prefix.hex())}"
        return low if after is None else f"{low} AND {column} < {literal.format(after.hex())}"

    return f"({written(element.prefixes)})"


class Lookup(NamedTuple):
    """A statement that selects at most one row, and the values of its parameters."""

    statement: Select[Any]
    parameters: Mapping[str, Any]

    @property
    def key(self) -> Hashable:
        """A key that is the same for the same lookup."""
        return (self.statement, *self.parameters.values())
