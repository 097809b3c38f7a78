"""The statements that publish, delete and read documents."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import and_, bindparam, case, delete, func, insert, null, select, update

from crucible_ir import v1
from crucible_ir.exchange.content import FieldValue, NumberValue, content_hash
from crucible_ir.exchange.store.audit_records import AuditAction, AuditEntry
from crucible_ir.exchange.store.errors import (
    AppendedToError,
    DocumentNotFoundError,
    ImmutableFieldsError,
    StaleEtagError,
)
from crucible_ir.exchange.store.records import (
    DeleteCommand,
    Microseconds,
    Page,
    PublishCommand,
    PublishResult,
    StoredEntry,
    StoredRecord,
)
from crucible_ir.exchange.store.statements import audit, deferred, prefixes, requests
from crucible_ir.exchange.store.statements.changes import COUNTER, next_sequence
from crucible_ir.exchange.store.statements.chunks import complete, complete_if_it_fits
from crucible_ir.exchange.store.statements.rows import (
    IS_LATEST,
    RECORD_COLUMNS,
    Lookup,
    entry,
    page,
    record,
    record_values,
    release_code,
)
from crucible_ir.exchange.store.statements.tables import (
    document_references,
    documents,
    field_values,
    number_values,
    revisions,
)
from crucible_ir.exchange.transitions import Transition

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection, Executable

    from crucible_ir.schema.references import FieldReference

_LATEST = (
    select(*RECORD_COLUMNS, revisions.c.document)
    .join_from(documents, revisions, IS_LATEST)
    .where(documents.c.type == bindparam("type"), documents.c.id == bindparam("id"))
)

#: The largest document that is read with those of other works, in bytes. Few works need it.
_MAX_SHARED: Final = 64 * 1024

_is_large = func.length(revisions.c.document) > _MAX_SHARED
_BASIS = (
    select(
        *RECORD_COLUMNS,
        case((_is_large, null()), else_=revisions.c.document).label("document"),
        _is_large.label("is_large"),
        revisions.c.content_hash,
        revisions.c.appends,
        documents.c.created_sequence,
    )
    .join_from(documents, revisions, IS_LATEST)
    .where(documents.c.type == bindparam("type"), documents.c.id == bindparam("id"))
)
_DOCUMENT = select(revisions.c.document).where(revisions.c.sequence == bindparam("sequence"))
_LAST_DOCUMENT = (
    select(revisions.c.document)
    .where(
        revisions.c.type == bindparam("type"),
        revisions.c.id == bindparam("id"),
        revisions.c.document.is_not(None),
    )
    .order_by(revisions.c.revision.desc())
    .limit(1)
)
_REVISION = select(*RECORD_COLUMNS, revisions.c.document).where(
    revisions.c.type == bindparam("type"),
    revisions.c.id == bindparam("id"),
    revisions.c.revision == bindparam("revision"),
)

# Making a statement takes longer than executing it, and `deferred` needs the same ones.
_INSERT_DOCUMENT = insert(documents)
_UPDATE_DOCUMENT = (
    update(documents)
    .where(documents.c.type == bindparam("new_type"), documents.c.id == bindparam("new_id"))
    .values(
        revision=bindparam("new_revision"),
        deleted=bindparam("new_deleted"),
        requires=bindparam("new_requires"),
    )
)
_RECREATE = _UPDATE_DOCUMENT.values(created_sequence=bindparam("new_created_sequence"))
_INSERT_REVISION = insert(revisions)
_DELETE_FIELDS = delete(field_values).where(
    field_values.c.type == bindparam("old_type"), field_values.c.id == bindparam("old_id")
)
_DELETE_NUMBERS = delete(number_values).where(
    number_values.c.type == bindparam("old_type"), number_values.c.id == bindparam("old_id")
)
_DELETE_REFERENCES = delete(document_references).where(
    document_references.c.document_type == bindparam("old_type"),
    document_references.c.document_id == bindparam("old_id"),
)
_INSERT_FIELDS = insert(field_values)
_INSERT_NUMBERS = insert(number_values)
_INSERT_REFERENCES = insert(document_references)


class Basis(NamedTuple):
    """The latest revision of a document, on which a change is based.

    Attributes:
        record: The record.
        small_document: The document, unless it is large or deleted.
        is_large: Whether the document is large.
        content_hash: The hash of its content, unless it was appended to.
        appends: How many transactions appended to it.
        created_sequence: The sequence number with which it was created, or created again.
    """

    record: StoredRecord
    small_document: bytes | None
    is_large: bool
    content_hash: bytes | None
    appends: int
    created_sequence: int

    @classmethod
    def find(cls, connection: Connection, type_: str, id_: str) -> Basis | None:
        """Return the latest revision of a document, if there is one."""
        row = deferred.find(connection, basis_lookup(type_, id_), (type_, id_))
        if row is None:
            return None
        document, is_large, hashed, appends, created = row[len(RECORD_COLUMNS) :]
        return cls(record(row), document, bool(is_large), hashed, appends or 0, created)

    def document(self, connection: Connection) -> bytes | None:
        """Return the document, unless it is deleted."""
        if not self.is_large:
            return self.small_document
        parameters = {"sequence": self.record.sequence}
        [document] = deferred.find(connection, Lookup(_DOCUMENT, parameters), None)
        return bytes(document)


def basis_lookup(type_: str, id_: str) -> Lookup:
    """Return the lookup that `Basis.find` needs."""
    return Lookup(_BASIS, {"type": type_, "id": id_.encode()})


def lookups(command: PublishCommand | DeleteCommand) -> list[Lookup]:
    """Return what publishing or deleting a document looks up."""
    found = [COUNTER, basis_lookup(command.type, command.id)]
    if command.request is not None:
        found.append(requests.lookup(command.publisher, command.request))
    return found


def publish(connection: Connection, command: PublishCommand, now: Microseconds) -> PublishResult:
    """Store a document, as described in `Store.publish`."""
    earlier = requests.find(connection, command.publisher, command.request)
    if earlier is not None:
        return earlier
    result, latest, transition = _result(connection, command, now)
    if not result.unchanged:
        sequence = next_sequence(connection)
        result = _numbered(result, sequence, command.document)
        _write_revision(connection, result.record, latest, command)
        created = sequence if latest is None or result.created else latest.created_sequence
        _write_lookups(connection, command, created, is_first=latest is None)
        audited = _audit_entry(*_audited(transition), command, result.record, now)
        audit.add(connection, audited)
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
    latest = Basis.find(connection, command.type, command.id)
    if latest is None or latest.record.deleted:
        reason = "was never published" if latest is None else "was already deleted"
        raise DocumentNotFoundError(command.type, command.id, reason)
    _check_etag(command, latest)
    unnumbered = replace(
        latest.record,
        revision=latest.record.revision + 1,
        digest=None,
        update_time=max(now, latest.record.update_time),
        publisher=command.publisher,
        deleted=True,
        requires=None,
    )
    result = _numbered(PublishResult(unnumbered, False, False), next_sequence(connection), b"")
    _write_revision(connection, result.record, latest, None)
    _drop_lookups(connection, command.type, command.id)
    audit.add(connection, _audit_entry(AuditAction.DELETED, {}, command, result.record, now))
    requests.add(connection, command.publisher, command.request, result, now)
    return result.record


def _audited(transition: Transition) -> tuple[AuditAction, Mapping[str, str]]:
    """Return the action and the details of a publication."""
    if transition.immutable:
        return AuditAction.OVERRIDDEN, {
            **transition.promotion,
            "fields": ", ".join(transition.immutable),
        }
    if transition.promotion:
        return AuditAction.PROMOTED, transition.promotion
    return AuditAction.PUBLISHED, {}


def _audit_entry(
    action: AuditAction,
    details: Mapping[str, str],
    command: PublishCommand | DeleteCommand,
    new: StoredRecord,
    now: Microseconds,
) -> AuditEntry:
    return AuditEntry(
        action=action,
        actor=command.actor,
        time=now,
        type=new.type,
        id=new.id,
        revision=new.revision,
        details=details,
    )


def _result(
    connection: Connection, command: PublishCommand, now: Microseconds
) -> tuple[PublishResult, Basis | None, Transition]:
    """Return the result of publishing, without the sequence and the etag, and what it is based on.

    That is the latest revision, and what the document changes in the earlier one.
    """
    latest = Basis.find(connection, command.type, command.id)
    _check_etag(command, latest)
    before = None if latest is None else latest.record
    if latest is not None and before is not None and not before.deleted:
        if _content_hash(connection, latest) == command.content_hash:
            unchanged = PublishResult(before, created=False, unchanged=True)
            return unchanged, latest, Transition()
        if before.snapshot_count is not None and command.etag is None:
            raise AppendedToError(
                command.type, command.id, before.etag, snapshots=before.snapshot_count
            )
    transition = _transition(connection, command, latest)
    if transition.immutable and not command.override_immutable:
        raise ImmutableFieldsError(command.type, command.id, transition.immutable)
    created = before is None or before.deleted
    update_time = now if before is None else max(now, before.update_time)
    new = StoredRecord(
        type=command.type,
        id=command.id,
        revision=1 if before is None else before.revision + 1,
        sequence=0,
        etag="",
        digest=command.digest,
        create_time=update_time if before is None or before.deleted else before.create_time,
        update_time=update_time,
        publisher=command.publisher,
        deleted=False,
        requires=command.requires,
    )
    return PublishResult(new, created=created, unchanged=False), latest, transition


def _transition(
    connection: Connection, command: PublishCommand, latest: Basis | None
) -> Transition:
    """Return what a document changes in the latest revision that has one.

    A deletion does not free the id for other values of immutable fields: references to it remain,
    and so do its earlier revisions, until they are removed. It ends the stage of the document.
    """
    if command.transition is None or latest is None:
        return Transition()
    document = latest.document(connection)
    if document is not None:
        return command.transition(document)
    before = connection.execute(
        _LAST_DOCUMENT, {"type": command.type, "id": command.id.encode()}
    ).scalar_one_or_none()
    if before is None:
        return Transition()
    return replace(command.transition(bytes(before)), promotion={})


def _content_hash(connection: Connection, latest: Basis) -> bytes | None:
    """Return the hash of the content of a revision; ``None`` if that is too large to publish."""
    if latest.content_hash is not None:
        return bytes(latest.content_hash)
    stored = StoredEntry(latest.record, latest.document(connection))
    completed = complete_if_it_fits(connection, stored)
    if completed.document is None:
        return None
    run = v1.Document.FromString(completed.document).training_run
    return content_hash(run, completed.record.digest)


def _check_etag(command: PublishCommand | DeleteCommand, latest: Basis | None) -> None:
    current = "" if latest is None or latest.record.deleted else latest.record.etag
    if command.etag is not None and command.etag != current:
        raise StaleEtagError(command.type, command.id, command.etag, current)


def _numbered(result: PublishResult, sequence: int, document: bytes) -> PublishResult:
    """Give a new revision its sequence number and a unique etag."""
    etag = etag_of(sequence, result.record.revision, document)
    return replace(result, record=replace(result.record, sequence=sequence, etag=etag))


def etag_of(sequence: int, revision: int, content: bytes) -> str:
    """Return the etag of a change: its sequence number makes it unique."""
    return hashlib.sha256(f"{sequence}:{revision}:".encode() + content).hexdigest()[:32]


def _write_revision(
    connection: Connection,
    new: StoredRecord,
    latest: Basis | None,
    command: PublishCommand | None,
) -> None:
    subject = new.type, new.id
    key = {"type": new.type, "id": new.id.encode()}
    requires = None if new.requires is None else release_code(new.requires)
    state: dict[str, Any] = {
        "revision": new.revision,
        "deleted": new.deleted,
        "requires": requires,
    }
    statement: Executable = _INSERT_DOCUMENT
    if latest is None or (latest.record.deleted and not new.deleted):
        state["created_sequence"] = new.sequence
    if latest is None:
        values = {**key, **state}
    else:
        statement = _RECREATE if "created_sequence" in state else _UPDATE_DOCUMENT
        values = {f"new_{name}": value for name, value in (key | state).items()}
    deferred.change(connection, statement, [values], subject)
    content = {
        "content_hash": None if command is None else command.content_hash,
        "document": None if command is None else command.document,
    }
    deferred.change(connection, _INSERT_REVISION, [record_values(new) | content], subject)


def _write_lookups(
    connection: Connection, command: PublishCommand, created: int, *, is_first: bool
) -> None:
    """Replace the values and references by which the document's previous revision was found.

    Args:
        connection: The connection.
        command: The command with the new revision.
        created: The sequence number with which the document was created, or created again.
        is_first: Whether there is no previous revision.
    """
    _drop_lookups(connection, command.type, command.id, is_empty=is_first)
    found = prefixes.prefixes_of(connection, command.id.encode())
    stored = (FieldValue(prefixes.FIELD, prefix.decode()) for prefix in found)
    insert_fields(connection, command.type, command.id, [*command.fields, *stored], created)
    insert_numbers(connection, command.type, command.id, command.numbers, created)
    insert_references(connection, command.type, command.id, command.references)


def insert_fields(
    connection: Connection, type_: str, id_: str, fields: Iterable[FieldValue], created: int
) -> None:
    """Insert values by which a document is found.

    Args:
        connection: The connection.
        type_: The type of the document.
        id_: Its id.
        fields: The values.
        created: The sequence number with which the document was created, or created again.
    """
    rows = [
        {
            "type": type_,
            "id": id_.encode(),
            "field": field,
            "value": value.encode(),
            "created_sequence": created,
        }
        for field, value in dict.fromkeys(fields)
    ]
    deferred.change(connection, _INSERT_FIELDS, rows, (type_, id_))


def insert_numbers(
    connection: Connection, type_: str, id_: str, numbers: Iterable[NumberValue], created: int
) -> None:
    """Insert numbers by which a document is found; for the arguments, see `insert_fields`."""
    rows = [
        {
            "type": type_,
            "id": id_.encode(),
            "field": field.encode(),
            "value": value,
            "created_sequence": created,
        }
        for field, value in numbers
    ]
    deferred.change(connection, _INSERT_NUMBERS, rows, (type_, id_))


def drop_numbers(connection: Connection, type_: str, id_: str) -> None:
    """Remove the numbers by which a document was found."""
    keys = [{"old_type": type_, "old_id": id_.encode()}]
    deferred.change(connection, _DELETE_NUMBERS, keys, (type_, id_))


def drop_references(connection: Connection, type_: str, id_: str) -> None:
    """Remove the references of a document."""
    keys = [{"old_type": type_, "old_id": id_.encode()}]
    deferred.change(connection, _DELETE_REFERENCES, keys, (type_, id_))


def insert_references(
    connection: Connection, type_: str, id_: str, references: Iterable[FieldReference]
) -> None:
    """Insert the references of a document."""
    rows = [
        {
            "document_type": type_,
            "document_id": id_.encode(),
            "holder_type": reference.holder_type,
            "holder_id": reference.holder_id.encode(),
            "field": reference.field,
            "target_type": reference.target_type,
            "target_id": reference.target_id.encode(),
            "embedded": reference.embedded,
            "resolution": reference.resolution and reference.resolution.name,
            "context": reference.context.encode() or None,
        }
        for reference in dict.fromkeys(references)
    ]
    deferred.change(connection, _INSERT_REFERENCES, rows, (type_, id_))


def _drop_lookups(connection: Connection, type_: str, id_: str, *, is_empty: bool = False) -> None:
    # Even if there are none, others are dropped before any are inserted.
    keys = [] if is_empty else [{"old_type": type_, "old_id": id_.encode()}]
    for statement in (_DELETE_FIELDS, _DELETE_NUMBERS, _DELETE_REFERENCES):
        deferred.change(connection, statement, keys, (type_, id_))


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


def complete_entry(
    connection: Connection, type_: str, id_: str, revision: int | None
) -> StoredEntry:
    """Return the entry of a training run that was appended to, as described in `Store.get`."""
    found = lookup(type_, id_, revision)
    row = connection.execute(found.statement, found.parameters).one_or_none()
    return complete(connection, entry_of(row, type_, id_, revision))


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
