"""The statements that publish, delete and read documents."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, bindparam, delete, insert, null, select, update

from crucible_ir.exchange.store.errors import DocumentNotFoundError, StaleEtagError
from crucible_ir.exchange.store.records import (
    DeleteCommand,
    ListQuery,
    Microseconds,
    Page,
    PublishCommand,
    PublishResult,
    StoredEntry,
    StoredRecord,
)
from crucible_ir.exchange.store.statements import requests
from crucible_ir.exchange.store.statements.changes import next_sequence
from crucible_ir.exchange.store.statements.lists import list_statement
from crucible_ir.exchange.store.statements.rows import (
    IS_LATEST,
    RECORD_COLUMNS,
    Lookup,
    entry,
    page,
    record,
    record_values,
)
from crucible_ir.exchange.store.statements.tables import (
    document_references,
    documents,
    field_values,
    revisions,
)

if TYPE_CHECKING:
    from sqlalchemy import Connection

_LATEST = (
    select(
        *RECORD_COLUMNS,
        revisions.c.document,
        revisions.c.content_hash,
        documents.c.created_sequence,
    )
    .join_from(documents, revisions, IS_LATEST)
    .where(documents.c.type == bindparam("type"), documents.c.id == bindparam("id"))
)
_REVISION = select(*RECORD_COLUMNS, revisions.c.document).where(
    revisions.c.type == bindparam("type"),
    revisions.c.id == bindparam("id"),
    revisions.c.revision == bindparam("revision"),
)


def publish(connection: Connection, command: PublishCommand, now: Microseconds) -> PublishResult:
    """Store a document, as described in `Store.publish`."""
    earlier = requests.find(connection, command.publisher, command.request)
    if earlier is not None:
        return earlier
    result, latest = _result(connection, command, now)
    if not result.unchanged:
        sequence = next_sequence(connection)
        result = _numbered(result, sequence, command.document)
        _write_revision(connection, result.record, latest, command)
        created = sequence if result.created else latest.created_sequence
        _write_lookups(connection, command, created)
    requests.add(connection, command.publisher, command.request, result, now)
    return result


def preview(connection: Connection, command: PublishCommand, now: Microseconds) -> PublishResult:
    """Return the result of publishing, as described in `Store.preview`."""
    earlier = requests.find(connection, command.publisher, command.request)
    return earlier or _result(connection, command, now)[0]


def remove(connection: Connection, command: DeleteCommand, now: Microseconds) -> StoredRecord:
    """Delete a document, as described in `Store.delete`."""
    earlier = requests.find(connection, command.publisher, command.request)
    if earlier is not None:
        return earlier.record
    latest = _latest(connection, command.type, command.id)
    if latest is None or latest.deleted:
        reason = "was never published" if latest is None else "was already deleted"
        raise DocumentNotFoundError(command.type, command.id, reason)
    _check_etag(command, latest)
    unnumbered = replace(
        record(latest),
        revision=latest.revision + 1,
        digest=None,
        update_time=max(now, latest.update_time),
        publisher=command.publisher,
        deleted=True,
        requires=None,
    )
    result = _numbered(PublishResult(unnumbered, False, False), next_sequence(connection), b"")
    _write_revision(connection, result.record, latest, None)
    _drop_lookups(connection, command.type, command.id)
    requests.add(connection, command.publisher, command.request, result, now)
    return result.record


def _result(
    connection: Connection, command: PublishCommand, now: Microseconds
) -> tuple[PublishResult, Any]:
    """Return the result of publishing, without the sequence and the etag, and the latest row."""
    latest = _latest(connection, command.type, command.id)
    _check_etag(command, latest)
    exists = latest is not None and not latest.deleted
    if latest is not None and exists and bytes(latest.content_hash) == command.content_hash:
        return PublishResult(record(latest), created=False, unchanged=True), latest
    update_time = now if latest is None else max(now, latest.update_time)
    new = StoredRecord(
        type=command.type,
        id=command.id,
        revision=1 if latest is None else latest.revision + 1,
        sequence=0,
        etag="",
        digest=command.digest,
        create_time=latest.create_time if latest is not None and exists else update_time,
        update_time=update_time,
        publisher=command.publisher,
        deleted=False,
        requires=command.requires,
    )
    return PublishResult(new, created=not exists, unchanged=False), latest


def _check_etag(command: PublishCommand | DeleteCommand, latest: Any) -> None:
    current = "" if latest is None or latest.deleted else latest.etag
    if command.etag is not None and command.etag != current:
        raise StaleEtagError(command.type, command.id, command.etag, current)


def _latest(connection: Connection, type_: str, id_: str) -> Any:
    return connection.execute(_LATEST, {"type": type_, "id": id_.encode()}).one_or_none()


def _numbered(result: PublishResult, sequence: int, document: bytes) -> PublishResult:
    """Give a new revision its sequence number and a unique etag."""
    seed = f"{sequence}:{result.record.revision}:".encode() + document
    etag = hashlib.sha256(seed).hexdigest()[:32]
    return replace(result, record=replace(result.record, sequence=sequence, etag=etag))


def _write_revision(
    connection: Connection,
    new: StoredRecord,
    latest: Any,
    command: PublishCommand | None,
) -> None:
    key = {"type": new.type, "id": new.id.encode()}
    state: dict[str, Any] = {"revision": new.revision, "deleted": new.deleted}
    if latest is None or (latest.deleted and not new.deleted):
        state["created_sequence"] = new.sequence
    if latest is None:
        connection.execute(insert(documents).values(**key, **state))
    else:
        connection.execute(
            update(documents)
            .where(documents.c.type == key["type"], documents.c.id == key["id"])
            .values(**state)
        )
    connection.execute(
        insert(revisions).values(
            **record_values(new),
            content_hash=None if command is None else command.content_hash,
            document=None if command is None else command.document,
        )
    )


def _write_lookups(connection: Connection, command: PublishCommand, created: int) -> None:
    """Replace the values and references by which the document's previous revision was found.

    Args:
        connection: The connection.
        command: The command with the new revision.
        created: The sequence number with which the document was created, or created again.
    """
    _drop_lookups(connection, command.type, command.id)
    id_ = command.id.encode()
    if command.fields:
        connection.execute(
            insert(field_values),
            [
                {
                    "type": command.type,
                    "id": id_,
                    "field": field,
                    "value": value.encode(),
                    "created_sequence": created,
                }
                for field, value in dict.fromkeys(command.fields)
            ],
        )
    if command.references:
        connection.execute(
            insert(document_references),
            [
                {
                    "document_type": command.type,
                    "document_id": id_,
                    "holder_type": reference.holder_type,
                    "holder_id": reference.holder_id.encode(),
                    "field": reference.field,
                    "target_type": reference.target_type,
                    "target_id": reference.target_id.encode(),
                    "embedded": reference.embedded,
                    "resolution": reference.resolution and reference.resolution.name,
                    "context": reference.context.encode() or None,
                }
                for reference in dict.fromkeys(command.references)
            ],
        )


def _drop_lookups(connection: Connection, type_: str, id_: str) -> None:
    key = id_.encode()
    connection.execute(
        delete(field_values).where(field_values.c.type == type_, field_values.c.id == key)
    )
    connection.execute(
        delete(document_references).where(
            document_references.c.document_type == type_,
            document_references.c.document_id == key,
        )
    )


def lookup(type_: str, id_: str, revision: int | None) -> Lookup:
    """Return the lookup of a revision of a document, by default the latest."""
    key: dict[str, Any] = {"type": type_, "id": id_.encode()}
    if revision is None:
        return Lookup(_LATEST, key)
    return Lookup(_REVISION, {**key, "revision": revision})


def entry_of(row: Any, type_: str, id_: str, revision: int | None) -> StoredEntry:
    """Return the entry of a row from `lookup`, as described in `Store.get`."""
    if row is None:
        reason = () if revision is None else (f"has no revision {revision}",)
        raise DocumentNotFoundError(type_, id_, *reason)
    result = entry(row)
    if revision is None and result.record.deleted:
        raise DocumentNotFoundError(type_, id_, f"was deleted by revision {result.record.revision}")
    return result


def list_documents(connection: Connection, query: ListQuery) -> Page:
    """Return a page of documents, as described in `Store.list_documents`."""
    if query.scope.types is not None and query.type not in query.scope.types:
        return Page([], None)
    entries, last = page(connection, list_statement(connection, query), query.limit)
    if last is None:
        return Page(entries, None)
    return Page(entries, last.created_sequence if query.newest_first else entries[-1].record.id)


def list_revisions(
    connection: Connection,
    type_: str,
    id_: str,
    before: int | None,
    limit: int,
    *,
    include_documents: bool,
) -> Page:
    """Return a page of revisions, as described in `Store.list_revisions`."""
    document = revisions.c.document if include_documents else null()
    of_document = and_(revisions.c.type == type_, revisions.c.id == id_.encode())
    statement = select(*RECORD_COLUMNS, document).where(of_document)
    if before is not None:
        statement = statement.where(revisions.c.revision < before)
    entries, last = page(connection, statement.order_by(revisions.c.revision.desc()), limit)
    if not entries and before is None:
        raise DocumentNotFoundError(type_, id_)
    return Page(entries, None if last is None else last.revision)
