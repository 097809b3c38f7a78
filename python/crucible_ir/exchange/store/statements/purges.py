"""The statements that remove a deleted document with all that the store has of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, insert, select, update

from crucible_ir.exchange.store.audit_records import Actor, AuditAction, AuditEntry
from crucible_ir.exchange.store.errors import DocumentNotFoundError, NotDeletedError
from crucible_ir.exchange.store.statements import audit, chunks
from crucible_ir.exchange.store.statements.changes import counter, next_sequence
from crucible_ir.exchange.store.statements.tables import (
    counters,
    document_references,
    documents,
    field_values,
    number_values,
    purged_changes,
    requests,
    revisions,
    run_chunks,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from crucible_ir.exchange.store.records import Microseconds

#: The tables with the type and the id of a document; others refer to the last one.
_OF_DOCUMENT: Final = (field_values, number_values, requests, revisions, documents)

#: All tables from which a purge deletes rows.
TABLES: Final = tuple(table.name for table in (*_OF_DOCUMENT, document_references, run_chunks))


def count(connection: Connection, type_: str, id_: str) -> int:
    """Return the number of revisions that a purge would remove.

    Raises:
        DocumentNotFoundError: The store has nothing of the document.
        NotDeletedError: The document is not deleted.
    """
    return len(_revisions(connection, type_, id_))


def purge(connection: Connection, type_: str, id_: str, actor: Actor, now: Microseconds) -> int:
    """Remove a document, as described in `Store.purge`, and return the number of its revisions.

    It takes a sequence number, so that every server of the store is notified.
    """
    rows = _revisions(connection, type_, id_)
    key = id_.encode()
    if type_ == chunks.RUN:
        appended = [(key, row.revision) for row in rows if row.snapshot_count is not None]
        chunks.remove(connection, appended)
    connection.execute(
        delete(document_references).where(
            document_references.c.document_type == type_, document_references.c.document_id == key
        )
    )
    for table in _OF_DOCUMENT:
        connection.execute(delete(table).where(table.c.type == type_, table.c.id == key))
    compacted = counter(connection, "compacted")
    for row in rows:
        if row.sequence > compacted:
            _remember(connection, row.sequence)
    next_sequence(connection)
    connection.execute(
        update(counters).where(counters.c.name == "purges").values(value=counters.c.value + 1)
    )
    counts = {"revisions": len(rows)}
    audit.add(connection, AuditEntry(AuditAction.PURGED, actor, now, type_, id_, counts=counts))
    return len(rows)


def _revisions(connection: Connection, type_: str, id_: str) -> Sequence[Any]:
    """Return the revisions of a deleted document, in order, without their contents."""
    key = id_.encode()
    is_deleted = connection.execute(
        select(documents.c.deleted).where(documents.c.type == type_, documents.c.id == key)
    ).scalar_one_or_none()
    if is_deleted is None:
        raise DocumentNotFoundError(type_, id_, "was never published, or is purged")
    if not is_deleted:
        raise NotDeletedError(type_, id_)
    columns = revisions.c
    return connection.execute(
        select(columns.sequence, columns.revision, columns.snapshot_count)
        .where(columns.type == type_, columns.id == key)
        .order_by(columns.sequence)
    ).all()


def _remember(connection: Connection, sequence: int) -> None:
    """Remember that a change was purged, together with those next to it."""
    columns = purged_changes.c
    after, through = sequence - 1, sequence
    before = connection.execute(
        delete(purged_changes)
        .where(columns.missing_through == after)
        .returning(columns.missing_after)
    ).scalar_one_or_none()
    if before is not None:
        after = before
    following = connection.execute(
        select(purged_changes)
        .where(columns.missing_through > sequence)
        .order_by(columns.missing_through)
        .limit(1)
    ).one_or_none()
    if following is not None and following.missing_after == sequence:
        through = following.missing_through
        connection.execute(delete(purged_changes).where(columns.missing_through == through))
    connection.execute(insert(purged_changes).values(missing_after=after, missing_through=through))
