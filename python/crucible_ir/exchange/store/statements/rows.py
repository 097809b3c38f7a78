"""Conversions between rows and records, and conditions that several statements share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import and_, or_, true

from crucible_ir.exchange.store.records import StoredEntry, StoredRecord
from crucible_ir.exchange.store.statements.tables import documents, revisions

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Select

    from crucible_ir.exchange.store.records import Scope

#: The columns of `revisions` for a `StoredRecord`, in the order of its fields.
RECORD_COLUMNS = (
    revisions.c.type,
    revisions.c.id,
    revisions.c.revision,
    revisions.c.sequence,
    revisions.c.etag,
    revisions.c.digest,
    revisions.c.create_time,
    revisions.c.update_time,
    revisions.c.publisher,
    revisions.c.deleted,
)


#: Fetches a few rows at a time, since a page may end before the query does.
STREAMED = {"stream_results": True, "max_row_buffer": 50}

#: Joins a document with its latest revision.
IS_LATEST: Final = and_(
    revisions.c.type == documents.c.type,
    revisions.c.id == documents.c.id,
    revisions.c.revision == documents.c.revision,
)


def record(row: Any) -> StoredRecord:
    """Return the record of a row, from its first columns."""
    publisher = row[8]
    return StoredRecord(
        row[0],
        bytes(row[1]).decode(),
        row[2],
        row[3],
        row[4],
        row[5],
        row[6],
        row[7],
        None if publisher is None else bytes(publisher).decode(),
        bool(row[9]),
    )


def entry(row: Any) -> StoredEntry:
    """Return the entry of a row: the columns of a record, and after them the document."""
    document = row[10]
    return StoredEntry(record(row), None if document is None else bytes(document))


def bounded(entries: Iterable[StoredEntry], limit: int, max_bytes: int) -> Iterator[StoredEntry]:
    """Yield entries up to a limit, or until their documents reach a size in bytes."""
    size = 0
    for count, item in enumerate(entries, start=1):
        yield item
        size += len(item.document or b"")
        if count == limit or size >= max_bytes:
            return


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
    prefixes = [begins_with(column, prefix.encode()) for prefix in scope.id_prefixes]
    return or_(*prefixes) if prefixes else ~true()


class Lookup(NamedTuple):
    """A statement that selects at most one row, and the values of its parameters."""

    statement: Select[Any]
    parameters: Mapping[str, Any]
