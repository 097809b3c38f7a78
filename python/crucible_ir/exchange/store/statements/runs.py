"""The statements that append to training runs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from sqlalchemy import bindparam, delete, update

from crucible_ir import v1
from crucible_ir.building.run_progress import ENDED, merge_progress
from crucible_ir.exchange.content import (
    content_hash,
    field_values,
    number_fields,
    number_values,
)
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
from crucible_ir.exchange.store.statements import chunks, deferred, requests
from crucible_ir.exchange.store.statements.changes import COUNTER, next_sequence
from crucible_ir.exchange.store.statements.documents import (
    Basis,
    basis_lookup,
    drop_numbers,
    drop_references,
    etag_of,
    insert_fields,
    insert_numbers,
    insert_references,
)
from crucible_ir.exchange.store.statements.rows import Lookup, record_values
from crucible_ir.exchange.store.statements.tables import field_values as value_rows
from crucible_ir.exchange.store.statements.tables import revisions
from crucible_ir.schema.references import references_of
from crucible_ir.schema.releases import requires

if TYPE_CHECKING:
    from sqlalchemy import Connection

#: The type of the documents that can be appended to.
RUN: Final = chunks.RUN

#: The most snapshots and checkpoints of one run.
MAX_SNAPSHOTS: Final = 1_000_000
MAX_CHECKPOINTS: Final = 10_000

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


_DELETE_VALUE: Final = delete(value_rows).where(
    *(value_rows.c[name] == bindparam(f"old_{name}") for name in ("type", "field", "value", "id"))
)


@dataclass(slots=True)
class _Run:
    """A training run that works of a transaction append to, until it is written.

    Attributes:
        basis: The latest revision, as it is stored.
        stored: The run without its history, as it is stored.
        document: The document without its history.
        record: The record.
        count: The number of snapshots.
        base: The history of the publication, if that is not stored in chunks yet.
        added: The chunks that are not stored yet, by the positions of their first snapshots.
    """

    basis: Basis
    stored: v1.TrainingRun
    document: v1.Document
    record: StoredRecord
    count: int
    base: bytes | None
    added: dict[int, bytearray] = field(default_factory=dict)

    @classmethod
    def find(cls, connection: Connection, id_: str) -> _Run:
        """Return a run.

        Raises:
            DocumentNotFoundError: It does not exist.
        """
        known = deferred.pending(connection, (RUN, id_))
        if isinstance(known, cls):
            return known
        latest = Basis.find(connection, RUN, id_)
        if latest is None or latest.record.deleted:
            reason = "was never published" if latest is None else "was deleted"
            reason += ": publish the run before appending to it"
            raise DocumentNotFoundError(RUN, id_, reason)
        document = v1.Document.FromString(latest.document(connection) or b"")
        run = document.training_run
        base = None
        count = latest.record.snapshot_count
        if count is None:
            count = len(run.metrics_history)
            base = chunks.chunk_of(run.metrics_history) if count else None
            del run.metrics_history[:]
        stored = v1.TrainingRun()
        stored.CopyFrom(run)
        return cls(latest, stored, document, latest.record, count, base)

    def append(
        self,
        connection: Connection,
        command: AppendCommand,
        document: v1.Document,
        new: AppendResult,
    ) -> StoredRecord:
        """Append to the run.

        Args:
            connection: The connection.
            command: The command.
            document: The document without its history, as it is to be.
            new: The result, without a sequence number and an etag.

        Returns:
            The record.
        """
        content = document.SerializeToString()
        if command.snapshots:
            data = chunks.chunk_of(command.snapshots)
            content += data
            last = next(reversed(self.added.values()), None)
            if last is None or len(last) >= chunks.FULL:
                self.added[self.count] = bytearray(data)
            else:
                last += data
        sequence = next_sequence(connection)
        etag = etag_of(sequence, new.record.revision, content)
        self.record = replace(new.record, sequence=sequence, etag=etag)
        self.document = document
        self.count = new.count
        deferred.write_later(connection, (RUN, command.id), self)
        return self.record

    def write(self, connection: Connection) -> None:
        """Store what was appended."""
        record = self.record
        id_ = record.id.encode()
        appends = self.basis.appends + 1
        if self.base is not None:
            chunks.add(connection, id_, record.revision, 0, self.base)
        for first, data in self.added.items():
            chunks.add(connection, id_, record.revision, first, bytes(data))
        if self.added and appends % chunks.MERGED == 0:
            chunks.merge_small(connection, id_, record.revision)
        values = record_values(record)
        row = {
            **{name: values[name] for name in _CHANGED},
            "appends": appends,
            "content_hash": None,
            "document": self.document.SerializeToString(),
            "old_sequence": self.basis.record.sequence,
        }
        deferred.change(connection, _UPDATE, [row], (RUN, record.id))
        if self.stored != self.document.training_run:
            self._write_lookups(connection)

    def _write_lookups(self, connection: Connection) -> None:
        """Change the values and references by which the run is found, as far as they differ."""
        before, after = self.stored, self.document.training_run
        key = RUN, self.record.id
        created = self.basis.created_sequence
        numbers = number_values(after)
        if numbers != number_values(before):
            drop_numbers(connection, *key)
            insert_numbers(connection, *key, numbers, created)
        # Most appends change nothing else.
        if _without_numbers(before) == _without_numbers(after):
            return
        old_values = dict.fromkeys(field_values(before))
        new_values = dict.fromkeys(field_values(after))
        removed = [
            {
                "old_type": RUN,
                "old_field": name,
                "old_value": value.encode(),
                "old_id": self.record.id.encode(),
            }
            for name, value in old_values.keys() - new_values.keys()
        ]
        deferred.change(connection, _DELETE_VALUE, removed, key)
        added = [each for each in new_values if each not in old_values]
        insert_fields(connection, *key, added, created)
        new_references = list(references_of(after, self.record.id))
        if list(references_of(before, self.record.id)) != new_references:
            drop_references(connection, *key)
            insert_references(connection, *key, new_references)


def _without_numbers(run: v1.TrainingRun) -> v1.TrainingRun:
    """Return a copy of a run without the fields whose values are numbers."""
    copy = v1.TrainingRun()
    copy.CopyFrom(run)
    for name in number_fields(copy.DESCRIPTOR):
        copy.ClearField(name)
    return copy


def lookups(command: AppendCommand) -> list[Lookup]:
    """Return what appending to a run looks up."""
    found = [COUNTER, basis_lookup(RUN, command.id)]
    if command.request is not None:
        found.append(requests.lookup(command.publisher, command.request))
    return found


def append(connection: Connection, command: AppendCommand, now: Microseconds) -> AppendResult:
    """Append to a run, as described in `Store.append`."""
    earlier = requests.find(connection, command.publisher, command.request)
    if earlier is not None:
        return _repeated(earlier)
    run = _Run.find(connection, command.id)
    result, document = _result(connection, run, command, now)
    if not result.unchanged:
        result = replace(result, record=run.append(connection, command, document, result))
    # The count is remembered with the record.
    counted = replace(result.record, snapshot_count=result.count)
    published = PublishResult(counted, created=False, unchanged=result.unchanged)
    requests.add(connection, command.publisher, command.request, published, now)
    return result


def preview(connection: Connection, command: AppendCommand, now: Microseconds) -> AppendResult:
    """Return the result of an append, as described in `Store.preview_append`."""
    earlier = requests.find(connection, command.publisher, command.request)
    if earlier is not None:
        return _repeated(earlier)
    return _result(connection, _Run.find(connection, command.id), command, now)[0]


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


def _result(
    connection: Connection, run: _Run, command: AppendCommand, now: Microseconds
) -> tuple[AppendResult, v1.Document]:
    """Return the result of an append, and the document without its history, as it is to be.

    The result has no sequence number and no etag.
    """
    unchanged = AppendResult(run.record, run.count, True), run.document
    if command.expected_count not in (None, run.count):
        if _has_already(connection, run, command):
            return unchanged
        raise SnapshotCountError(command.id, command.expected_count or 0, run.count)
    if command.etag is not None and command.etag != run.record.etag:
        raise StaleEtagError(RUN, command.id, command.etag, run.record.etag)
    document = v1.Document()
    document.CopyFrom(run.document)
    after = document.training_run
    merge_progress(after, command.update)
    if not command.snapshots and after == run.document.training_run:
        return unchanged
    total = run.count + len(command.snapshots)
    if total > MAX_SNAPSHOTS:
        raise RunFullError(command.id, "snapshots", MAX_SNAPSHOTS)
    if len(after.checkpoint_uris) > MAX_CHECKPOINTS:
        raise RunFullError(command.id, "checkpoints", MAX_CHECKPOINTS)
    new = replace(
        run.record,
        sequence=0,
        etag="",
        digest=None,
        update_time=max(now, run.record.update_time),
        publisher=command.publisher,
        snapshot_count=total,
    )
    if command.update.status:
        # Readers of binary reject no other field of a run, and no snapshot.
        new = replace(new, requires=requires(document, binary=True))
    return AppendResult(new, total, False), document


def _has_already(connection: Connection, run: _Run, command: AppendCommand) -> bool:
    """Return whether a run has the snapshots of a command at the place that the command expects."""
    start = command.expected_count or 0
    if not command.snapshots or start + len(command.snapshots) > run.count:
        return False
    found = chunks.snapshots_from(connection, run.record, run.base or b"", start)
    pairs = zip(command.snapshots, found, strict=False)
    return all(wanted == snapshot for wanted, (_, snapshot) in pairs)
