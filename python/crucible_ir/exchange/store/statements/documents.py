"""Publishing, deleting and reading documents: the statements, on a connection in a transaction."""

from __future__ import annotations

import hashlib
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
    STREAMED,
    Lookup,
    bounded,
    entry,
    record,
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


def publish(
    connection: Connection, publication: PublishCommand, now: Microseconds
) -> PublishResult:
    """Store a document, as `Store.publish` says."""
    remembered = requests.recall(connection, publication.publisher, publication.request)
    if remembered is not None:
        return remembered
    result, latest = _outcome(connection, publication, now)
    if not result.unchanged:
        sequence = next_sequence(connection)
        result = _numbered(result, sequence, publication.document)
        _write_revision(connection, result.record, latest, publication)
        created = sequence if result.created else latest.created_sequence
        _write_lookups(connection, publication, created)
    requests.remember(connection, publication.publisher, publication.request, result, now)
    return result


def preview(
    connection: Connection, publication: PublishCommand, now: Microseconds
) -> PublishResult:
    """Tell what would become of a document, as `Store.preview` says."""
    remembered = requests.recall(connection, publication.publisher, publication.request)
    return remembered or _outcome(connection, publication, now)[0]


def remove(connection: Connection, deletion: DeleteCommand, now: Microseconds) -> StoredRecord:
    """Delete a document, as `Store.delete` says."""
    remembered = requests.recall(connection, deletion.publisher, deletion.request)
    if remembered is not None:
        return remembered.record
    latest = _latest(connection, deletion.type, deletion.id)
    if latest is None or latest.deleted:
        reason = "was never published" if latest is None else "was deleted already"
        raise DocumentNotFoundError(deletion.type, deletion.id, reason)
    _check_etag(deletion, latest)
    unnumbered = StoredRecord(
        type=deletion.type,
        id=deletion.id,
        revision=latest.revision + 1,
        sequence=0,
        etag="",
        digest=None,
        create_time=latest.create_time,
        update_time=max(now, latest.update_time),
        publisher=deletion.publisher,
        deleted=True,
    )
    result = _numbered(PublishResult(unnumbered, False, False), next_sequence(connection), b"")
    _write_revision(connection, result.record, latest, None)
    _drop_lookups(connection, deletion.type, deletion.id)
    requests.remember(connection, deletion.publisher, deletion.request, result, now)
    return result.record


def _outcome(
    connection: Connection, publication: PublishCommand, now: Microseconds
) -> tuple[PublishResult, Any]:
    """Tell what publishing leads to, the sequence and the etag left out, and the latest row."""
    latest = _latest(connection, publication.type, publication.id)
    _check_etag(publication, latest)
    lives = latest is not None and not latest.deleted
    if latest is not None and lives and bytes(latest.content_hash) == publication.content_hash:
        return PublishResult(record(latest), created=False, unchanged=True), latest
    update_time = now if latest is None else max(now, latest.update_time)
    new = StoredRecord(
        type=publication.type,
        id=publication.id,
        revision=1 if latest is None else latest.revision + 1,
        sequence=0,
        etag="",
        digest=publication.digest,
        create_time=latest.create_time if latest is not None and lives else update_time,
        update_time=update_time,
        publisher=publication.publisher,
        deleted=False,
    )
    return PublishResult(new, created=not lives, unchanged=False), latest


def _check_etag(change: PublishCommand | DeleteCommand, latest: Any) -> None:
    present = "" if latest is None or latest.deleted else latest.etag
    if change.etag is not None and change.etag != present:
        raise StaleEtagError(change.type, change.id, change.etag, present)


def _latest(connection: Connection, type_: str, id_: str) -> Any:
    return connection.execute(_LATEST, {"type": type_, "id": id_.encode()}).one_or_none()


def _numbered(result: PublishResult, sequence: int, document: bytes) -> PublishResult:
    """Give a new revision its sequence number and an etag that no other revision has."""
    old = result.record
    seed = f"{sequence}:{old.revision}:".encode() + document
    return PublishResult(
        StoredRecord(
            old.type,
            old.id,
            old.revision,
            sequence,
            hashlib.sha256(seed).hexdigest()[:32],
            old.digest,
            old.create_time,
            old.update_time,
            old.publisher,
            old.deleted,
        ),
        result.created,
        result.unchanged,
    )


def _write_revision(
    connection: Connection,
    new: StoredRecord,
    latest: Any,
    publication: PublishCommand | None,
) -> None:
    key = {"type": new.type, "id": new.id.encode()}
    born = latest is None or (latest.deleted and not new.deleted)
    state: dict[str, Any] = {"revision": new.revision, "deleted": new.deleted}
    if latest is None or born:
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
            **key,
            sequence=new.sequence,
            revision=new.revision,
            etag=new.etag,
            digest=new.digest,
            create_time=new.create_time,
            update_time=new.update_time,
            publisher=None if new.publisher is None else new.publisher.encode(),
            deleted=new.deleted,
            content_hash=None if publication is None else publication.content_hash,
            document=None if publication is None else publication.document,
        )
    )


def _write_lookups(connection: Connection, publication: PublishCommand, created: int) -> None:
    """Replace the values and references by which the document's earlier revision was found.

    Args:
        connection: The connection.
        publication: The document.
        created: The sequence number with which its present life began.
    """
    _drop_lookups(connection, publication.type, publication.id)
    id_ = publication.id.encode()
    if publication.fields:
        connection.execute(
            insert(field_values),
            [
                {
                    "type": publication.type,
                    "id": id_,
                    "field": field,
                    "value": value.encode(),
                    "created_sequence": created,
                }
                for field, value in dict.fromkeys(publication.fields)
            ],
        )
    if publication.references:
        connection.execute(
            insert(document_references),
            [
                {
                    "document_type": publication.type,
                    "document_id": id_,
                    "holder_type": reference.holder_type,
                    "holder_id": reference.holder_id.encode(),
                    "field": reference.field,
                    "target_type": reference.target_type,
                    "target_id": reference.target_id.encode(),
                    "embedded": reference.embedded,
                }
                for reference in dict.fromkeys(publication.references)
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
    """Return what finds a revision of a document, by default the latest."""
    key: dict[str, Any] = {"type": type_, "id": id_.encode()}
    if revision is None:
        return Lookup(_LATEST, key)
    return Lookup(_REVISION, {**key, "revision": revision})


def found(row: Any, type_: str, id_: str, revision: int | None) -> StoredEntry:
    """Return the entry that a lookup found, as `Store.get` says."""
    if row is None:
        reason = () if revision is None else (f"has no revision {revision}",)
        raise DocumentNotFoundError(type_, id_, *reason)
    result = entry(row)
    if revision is None and result.record.deleted:
        raise DocumentNotFoundError(type_, id_, f"was deleted by revision {result.record.revision}")
    return result


def list_documents(connection: Connection, query: ListQuery) -> Page:
    """Return a page of documents, as `Store.list_documents` says."""
    if query.scope.types is not None and query.type not in query.scope.types:
        return Page([], None)
    keys: list[str | int] = []
    entries: list[StoredEntry] = []
    statement = list_statement(connection, query)
    with connection.execute(statement, execution_options=STREAMED) as rows:
        size = 0
        for row in rows:
            if len(entries) == query.limit or size >= query.max_bytes:
                return Page(entries, keys[-1])
            entries.append(entry(row))
            keys.append(row.created_sequence if query.newest_first else entries[-1].record.id)
            size += len(entries[-1].document or b"")
    return Page(entries, None)


def list_revisions(
    connection: Connection,
    type_: str,
    id_: str,
    *,
    before: int | None,
    limit: int,
    max_bytes: int,
    include_documents: bool,
) -> Page:
    """Return a page of revisions, as `Store.list_revisions` says."""
    document = revisions.c.document if include_documents else null()
    of_document = and_(revisions.c.type == type_, revisions.c.id == id_.encode())
    statement = select(*RECORD_COLUMNS, document).where(of_document)
    if before is not None:
        statement = statement.where(revisions.c.revision < before)
    statement = statement.order_by(revisions.c.revision.desc()).limit(limit + 1)
    with connection.execute(statement, execution_options=STREAMED) as rows:
        entries = list(bounded(map(entry, rows), limit, max_bytes))
        more = rows.first() is not None
    if not entries and before is None:
        raise DocumentNotFoundError(type_, id_)
    return Page(entries, entries[-1].record.revision if more else None)
