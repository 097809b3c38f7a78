"""The statements that append to training runs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, delete, select, update

from crucible_ir import v1
from crucible_ir.building.run_progress import ENDED, merge_progress
from crucible_ir.exchange.content import content_hash, field_values, number_values
from crucible_ir.exchange.store.errors import (
    DocumentNotFoundError,
    RunFullError,
    SnapshotCountError,
    StaleEtagError,
)
from crucible_ir.exchange.store.records import (
    AppendCommand,
    AppendResult,
    Microseconds,
    PublishResult,
    StoredEntry,
    StoredRecord,
)
from crucible_ir.exchange.store.statements import chunks, requests
from crucible_ir.exchange.store.statements.changes import next_sequence
from crucible_ir.exchange.store.statements.documents import (
    drop_numbers,
    etag_of,
    insert_fields,
    insert_numbers,
    insert_references,
)
from crucible_ir.exchange.store.statements.rows import (
    IS_LATEST,
    RECORD_COLUMNS,
    entry,
    record_values,
)
from crucible_ir.exchange.store.statements.tables import (
    document_references,
    documents,
    revisions,
)
from crucible_ir.exchange.store.statements.tables import field_values as value_rows
from crucible_ir.schema.references import references_of
from crucible_ir.schema.releases import requires

if TYPE_CHECKING:
    from sqlalchemy import Connection

#: The type of the documents that can be appended to.
RUN: Final = chunks.RUN

#: The most snapshots and checkpoints of one run.
MAX_SNAPSHOTS: Final = 1_000_000
MAX_CHECKPOINTS: Final = 10_000

_LATEST_RUN: Final = (
    select(*RECORD_COLUMNS, revisions.c.document, revisions.c.appends, documents.c.created_sequence)
    .join_from(documents, revisions, IS_LATEST)
    .where(documents.c.type == RUN, documents.c.id == bindparam("id"))
)

#: The fields of a record that an append changes.
_CHANGED: Final = (
    "sequence",
    "etag",
    "digest",
    "update_time",
    "publisher",
    "requires",
    "snapshot_count",
)

_UPDATE: Final = (
    update(revisions)
    .where(revisions.c.sequence == bindparam("old_sequence"))
    .values({name: bindparam(name) for name in (*_CHANGED, "appends", "content_hash", "document")})
)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What an append changes.

    Attributes:
        latest: The row of the latest revision.
        before: The run without its history, as it is.
        after: The document without its history, as it is to be.
        base: The history of the publication, if nothing was appended to it yet.
        result: The result, without a sequence number and an etag.
    """

    latest: Any
    before: v1.TrainingRun
    after: v1.Document
    base: bytes | None
    result: AppendResult


def append(connection: Connection, command: AppendCommand, now: Microseconds) -> AppendResult:
    """Append to a run, as described in `Store.append`."""
    earlier = requests.find(connection, command.publisher, command.request)
    if earlier is not None:
        return _repeated(earlier)
    plan = _plan(connection, command, now)
    result = plan.result
    if not result.unchanged:
        result = replace(result, record=_write(connection, command, plan))
    # The count is remembered with the record.
    counted = replace(result.record, snapshot_count=result.count)
    published = PublishResult(counted, created=False, unchanged=result.unchanged)
    requests.add(connection, command.publisher, command.request, published, now)
    return result


def preview(connection: Connection, command: AppendCommand, now: Microseconds) -> AppendResult:
    """Return the result of an append, as described in `Store.preview_append`."""
    earlier = requests.find(connection, command.publisher, command.request)
    return _plan(connection, command, now).result if earlier is None else _repeated(earlier)


def ends(command: AppendCommand) -> bool:
    """Return whether a command ends a run."""
    return command.update.status in ENDED


def set_digest(connection: Connection, completed: StoredEntry) -> None:
    """Store the digest of a run, unless it has changed since it was read."""
    run = v1.Document.FromString(completed.document or b"").training_run
    digest = completed.record.digest
    connection.execute(
        update(revisions)
        .where(revisions.c.sequence == completed.record.sequence)
        .values(digest=digest, content_hash=content_hash(run, digest))
    )


def _repeated(earlier: PublishResult) -> AppendResult:
    return AppendResult(earlier.record, earlier.record.snapshot_count or 0, earlier.unchanged)


def _plan(connection: Connection, command: AppendCommand, now: Microseconds) -> _Plan:
    latest = connection.execute(_LATEST_RUN, {"id": command.id.encode()}).one_or_none()
    if latest is None or latest.deleted:
        reason = "was never published" if latest is None else "was deleted"
        reason += ": publish the run before appending to it"
        raise DocumentNotFoundError(RUN, command.id, reason)
    stored = entry(latest)
    document = v1.Document.FromString(stored.document or b"")
    run = document.training_run
    base = None
    count = stored.record.snapshot_count
    if count is None:
        count = len(run.metrics_history)
        base = chunks.chunk_of(run.metrics_history) if count else None
        del run.metrics_history[:]
    before = v1.TrainingRun()
    before.CopyFrom(run)
    unchanged = _Plan(latest, before, document, base, AppendResult(stored.record, count, True))
    if command.expected_count not in (None, count):
        if _has_already(connection, command, stored, count):
            return unchanged
        raise SnapshotCountError(command.id, command.expected_count or 0, count)
    if command.etag is not None and command.etag != latest.etag:
        raise StaleEtagError(RUN, command.id, command.etag, latest.etag)
    merge_progress(run, command.update)
    if not command.snapshots and run == before:
        return unchanged
    total = count + len(command.snapshots)
    if total > MAX_SNAPSHOTS:
        raise RunFullError(command.id, "snapshots", MAX_SNAPSHOTS)
    if len(run.checkpoint_uris) > MAX_CHECKPOINTS:
        raise RunFullError(command.id, "checkpoints", MAX_CHECKPOINTS)
    new = replace(
        stored.record,
        sequence=0,
        etag="",
        digest=None,
        update_time=max(now, stored.record.update_time),
        publisher=command.publisher,
        snapshot_count=total,
    )
    if command.update.status:
        # Readers of binary reject no other field of a run, and no snapshot.
        new = replace(new, requires=requires(document, binary=True))
    return _Plan(latest, before, document, base, AppendResult(new, total, False))


def _has_already(
    connection: Connection, command: AppendCommand, stored: StoredEntry, count: int
) -> bool:
    """Return whether a run has the snapshots of a command at the place that the command expects."""
    start = command.expected_count or 0
    if not command.snapshots or start + len(command.snapshots) > count:
        return False
    found = chunks.snapshots_from(connection, stored.record, stored.document or b"", start)
    pairs = zip(command.snapshots, found, strict=False)
    return all(wanted == snapshot for wanted, (_, snapshot) in pairs)


def _write(connection: Connection, command: AppendCommand, plan: _Plan) -> StoredRecord:
    """Store an append, and return the record."""
    id_ = command.id.encode()
    new = plan.result.record
    appends = (plan.latest.appends or 0) + 1
    if plan.base is not None:
        chunks.add(connection, id_, new.revision, 0, plan.base)
    data = b""
    if command.snapshots:
        data = chunks.chunk_of(command.snapshots)
        first = plan.result.count - len(command.snapshots)
        chunks.add(connection, id_, new.revision, first, data)
        if appends % chunks.MERGED == 0:
            chunks.merge_small(connection, id_, new.revision)
    sequence = next_sequence(connection)
    document = plan.after.SerializeToString()
    new = replace(new, sequence=sequence, etag=etag_of(sequence, new.revision, document + data))
    values = record_values(new)
    connection.execute(
        _UPDATE,
        {
            **{name: values[name] for name in _CHANGED},
            "appends": appends,
            "content_hash": None,
            "document": document,
            "old_sequence": plan.latest.sequence,
        },
    )
    if plan.before != plan.after.training_run:
        _write_lookups(connection, plan, new)
    return new


def _write_lookups(connection: Connection, plan: _Plan, new: StoredRecord) -> None:
    """Change the values and references by which the run is found, as far as they differ."""
    before, after = plan.before, plan.after.training_run
    id_ = new.id.encode()
    old_values = dict.fromkeys(field_values(before))
    new_values = dict.fromkeys(field_values(after))
    for field, value in old_values.keys() - new_values.keys():
        connection.execute(
            delete(value_rows).where(
                value_rows.c.type == new.type,
                value_rows.c.field == field,
                value_rows.c.value == value.encode(),
                value_rows.c.id == id_,
            )
        )
    added = [each for each in new_values if each not in old_values]
    insert_fields(connection, new.type, new.id, added, plan.latest.created_sequence)
    numbers = number_values(after)
    if numbers != number_values(before):
        drop_numbers(connection, new.type, new.id)
        insert_numbers(connection, new.type, new.id, numbers, plan.latest.created_sequence)
    old_references = list(references_of(before, new.id))
    new_references = list(references_of(after, new.id))
    if old_references != new_references:
        connection.execute(
            delete(document_references).where(
                document_references.c.document_type == new.type,
                document_references.c.document_id == id_,
            )
        )
        insert_references(connection, new.type, new.id, new_references)
