"""The snapshots of training runs that were appended to, in chunks beside the revision.

The row of such a revision has the run without its metrics history. Each chunk is a serialized
``Document`` with some snapshots of a run and nothing else, so the row and the chunks, one after
another, are the serialized document. Small chunks are merged, so that a run has few of them however
it was written; each snapshot is copied a few times at most.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, delete, func, insert, select

from crucible_ir import v1
from crucible_ir.exchange.content import digest_of
from crucible_ir.exchange.store.errors import RunTooLongError
from crucible_ir.exchange.store.statements import deferred
from crucible_ir.exchange.store.statements.tables import run_chunks

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from crucible_ir.exchange.store.records import StoredEntry, StoredRecord

#: The type of the documents that can be appended to.
RUN: Final = "TrainingRun"

#: The largest document that is returned as a whole: with its record it fits into one message.
MAX_DOCUMENT_BYTES: Final = 4 * 1024 * 1024 - 64 * 1024

#: So many chunks that are smaller than one of these sizes, in bytes, are merged into one. Whether
#: there are so many is checked after each so many transactions.
MERGED: Final = 16
FULL: Final = 64 * 1024
_SIZES: Final = (4 * 1024, FULL)

#: The most chunks at the end of a run that may be smaller than the largest size.
_TAIL: Final = MERGED * (len(_SIZES) + 1)

_of_revision: Final = (
    run_chunks.c.id == bindparam("id"),
    run_chunks.c.revision == bindparam("revision"),
)
_INSERT: Final = insert(run_chunks)
_ALL: Final = select(run_chunks.c.data).where(*_of_revision).order_by(run_chunks.c.first)
_FROM: Final = (
    select(run_chunks.c.first, run_chunks.c.data)
    .where(
        *_of_revision,
        run_chunks.c.first
        >= select(func.coalesce(func.max(run_chunks.c.first), 0))
        .where(*_of_revision, run_chunks.c.first <= bindparam("start"))
        .scalar_subquery(),
    )
    .order_by(run_chunks.c.first)
)
_SMALL: Final = (
    select(run_chunks.c.first, func.length(run_chunks.c.data))
    .where(*_of_revision)
    .order_by(run_chunks.c.first.desc())
    .limit(_TAIL)
)


def chunk_of(snapshots: Iterable[v1.MetricsSnapshot]) -> bytes:
    """Return a chunk with snapshots."""
    run = v1.TrainingRun(metrics_history=snapshots)
    return v1.Document(training_run=run).SerializeToString()


def add(connection: Connection, id_: bytes, revision: int, first: int, data: bytes) -> None:
    """Add a chunk.

    Args:
        connection: The connection.
        id_: The id of the run.
        revision: Its revision.
        first: The position of the first snapshot.
        data: The chunk.
    """
    values = {"id": id_, "revision": revision, "first": first, "data": data}
    deferred.change(connection, _INSERT, [values], (RUN, id_.decode()))


def merge_small(connection: Connection, id_: bytes, revision: int) -> None:
    """Merge the small chunks at the end of a run, if there are many."""
    key = {"id": id_, "revision": revision}
    tail: list[tuple[int, int]] = [(row[0], row[1]) for row in connection.execute(_SMALL, key)]
    for size in _SIZES:
        small: list[int] = []
        for first, length in tail:
            if length >= size:
                break
            small.append(first)
        if len(small) >= MERGED:
            start = small[-1]
            rows = connection.execute(_FROM, {**key, "start": start}).all()
            connection.execute(
                delete(run_chunks).where(
                    run_chunks.c.id == id_,
                    run_chunks.c.revision == revision,
                    run_chunks.c.first >= start,
                )
            )
            data = b"".join(bytes(row.data) for row in rows)
            add(connection, id_, revision, start, data)
            tail = [(start, len(data)), *tail[len(small) :]]


def remove(connection: Connection, revisions: Sequence[tuple[bytes, int]]) -> None:
    """Remove the chunks of revisions, which are given by their ids and numbers."""
    for id_, revision in revisions:
        connection.execute(
            delete(run_chunks).where(run_chunks.c.id == id_, run_chunks.c.revision == revision)
        )


def complete(connection: Connection, entry: StoredEntry) -> StoredEntry:
    """Return an entry with its complete document, and the digest of that.

    Raises:
        RunTooLongError: The document is too large for a message.
    """
    record, document = entry.record, entry.document
    if record.snapshot_count is None or document is None:
        return entry
    parts = [document]
    size = len(document)
    key = {"id": record.id.encode(), "revision": record.revision}
    with connection.execute(_ALL, key, execution_options={"stream_results": True}) as rows:
        for row in rows:
            parts.append(bytes(row.data))
            size += len(parts[-1])
            if size > MAX_DOCUMENT_BYTES:
                raise RunTooLongError(record.id, record.snapshot_count)
    joined = b"".join(parts)
    return replace(entry, document=joined, record=_with_digest(record, joined))


def complete_if_it_fits(connection: Connection, entry: StoredEntry) -> StoredEntry:
    """Return an entry as `complete` does, but without a document that is too large."""
    try:
        return complete(connection, entry)
    except RunTooLongError:
        return replace(entry, document=None)


def snapshots_from(
    connection: Connection, record: StoredRecord, document: bytes, start: int
) -> Iterator[tuple[int, v1.MetricsSnapshot]]:
    """Yield the snapshots of a run from a position on, each with its position.

    Args:
        connection: The connection.
        record: The record of the run.
        document: The document in the row of the record.
        start: The first position.
    """
    if record.snapshot_count is None:
        found: Iterable[tuple[int, bytes]] = [(0, document)]
    else:
        key = {"id": record.id.encode(), "revision": record.revision, "start": start}
        found = _stream(connection, key)
    for first, data in found:
        history = v1.Document.FromString(data).training_run.metrics_history
        skipped = max(0, start - first)
        # A slice would be a copy.
        yield from enumerate(islice(history, skipped, None), first + skipped)


def _stream(connection: Connection, key: dict[str, Any]) -> Iterator[tuple[int, bytes]]:
    options = {"stream_results": True, "max_row_buffer": 4}
    with connection.execute(_FROM, key, execution_options=options) as rows:
        for row in rows:
            yield row.first, bytes(row.data)


class _Digests:
    """The digests of documents that were recently completed, by etag."""

    def __init__(self, most: int = 1024) -> None:
        self._most = most
        self._lock = Lock()
        self._digests: OrderedDict[str, str | None] = OrderedDict()

    def of(self, etag: str, document: bytes) -> str | None:
        with self._lock:
            if etag in self._digests:
                self._digests.move_to_end(etag)
                return self._digests[etag]
        digest = digest_of(v1.Document.FromString(document).training_run)
        with self._lock:
            self._digests[etag] = digest
            if len(self._digests) > self._most:
                self._digests.popitem(last=False)
        return digest


_DIGESTS: Final = _Digests()


def _with_digest(record: StoredRecord, document: bytes) -> StoredRecord:
    if record.digest is not None:
        return record
    return replace(record, digest=_DIGESTS.of(record.etag, document))
