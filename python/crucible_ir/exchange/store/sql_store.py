"""The store on a SQL database."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial

from crucible_ir.exchange.store.engine.database import EVENTS_A_WORK, Database
from crucible_ir.exchange.store.entry_cache import EntryCache
from crucible_ir.exchange.store.records import (
    PAGE_BYTES,
    ChangePage,
    DeleteCommand,
    EventQuery,
    EventRow,
    LatencyCount,
    LineageGraph,
    LineageQuery,
    ListQuery,
    Microseconds,
    Page,
    PublishCommand,
    PublishResult,
    StoredEntry,
    StoredEvent,
    StoredRecord,
)
from crucible_ir.exchange.store.statements import changes, documents, feedback, lineage, requests

#: How many revisions a compaction passes over at a time: between, other writers get their turn.
COMPACTED_AT_A_TIME = 5_000

#: Tells the time.
Clock = Callable[[], Microseconds]


def system_clock() -> Microseconds:
    """Tell the system's time."""
    return time.time_ns() // 1000


class SqlStore:
    """Implements `Store`: each method is one transaction of a `Database`."""

    def __init__(self, database: Database, clock: Clock = system_clock) -> None:
        self._database = database
        self._clock = clock
        self._latest = EntryCache(database.sequence)

    async def publish(self, publication: PublishCommand) -> PublishResult:
        """Store a document."""
        return await self._database.write(
            lambda connection: documents.publish(connection, publication, self._clock())
        )

    async def preview(self, publication: PublishCommand) -> PublishResult:
        """Return what `publish` would return now; store nothing."""
        return await self._database.read(
            lambda connection: documents.preview(connection, publication, self._clock())
        )

    async def delete(self, deletion: DeleteCommand) -> StoredRecord:
        """Make a revision that has no document."""
        return await self._database.write(
            lambda connection: documents.remove(connection, deletion, self._clock())
        )

    async def get(self, type_: str, id_: str, revision: int | None = None) -> StoredEntry:
        """Return a revision of a document."""
        if revision is not None:
            row = await self._database.find(documents.lookup(type_, id_, revision))
            return documents.found(row, type_, id_, revision)
        entry = self._latest.find(type_, id_)
        if entry is None:
            as_of = self._latest.as_of
            row = await self._database.find(documents.lookup(type_, id_, None))
            entry = documents.found(row, type_, id_, None)
            self._latest.keep(entry, as_of)
        return entry

    async def list_documents(self, query: ListQuery) -> Page:
        """Return a page of the latest revisions of the documents of a type."""
        return await self._database.read(partial(documents.list_documents, query=query))

    async def list_revisions(
        self,
        type_: str,
        id_: str,
        *,
        before: int | None = None,
        limit: int = 100,
        max_bytes: int = PAGE_BYTES,
        include_documents: bool = False,
    ) -> Page:
        """Return a page of the revisions of a document, newest first."""
        return await self._database.read(
            partial(
                documents.list_revisions,
                type_=type_,
                id_=id_,
                before=before,
                limit=limit,
                max_bytes=max_bytes,
                include_documents=include_documents,
            )
        )

    async def position(self) -> int:
        """Return the sequence number of the latest change."""
        return int((await self._database.find(changes.SEQUENCE))[0])

    async def changes(
        self, after: int, *, limit: int = 500, include_documents: bool = True
    ) -> ChangePage:
        """Return changes after a sequence number, in order."""
        return await self._database.read(
            partial(
                changes.changes,
                after=after,
                limit=limit,
                max_bytes=PAGE_BYTES,
                include_documents=include_documents,
            )
        )

    async def wait(self, after: int, timeout: float) -> None:
        """Return when there may be a change after a sequence number."""
        await self._database.wait(after, timeout)

    async def made_before(self, moment: Microseconds) -> int:
        """Return the sequence number up to which every change was made before a moment."""
        return await self._database.read(partial(changes.made_before, moment=moment))

    async def compact(self, through: int) -> int:
        """Forget revisions that are not the latest, up to a sequence number."""
        reached, is_done = 0, False
        while not is_done:
            step = partial(
                changes.compact, after=reached, through=through, most=COMPACTED_AT_A_TIME
            )
            reached, is_done = await self._database.write(step)
        return await self._database.read(partial(changes.counter, name="compacted"))

    async def forget_requests(self, before: Microseconds) -> None:
        """Forget the ids of requests that were made before a moment."""
        await self._database.write(partial(requests.forget, before=before))

    async def trace(self, query: LineageQuery) -> LineageGraph:
        """Follow references."""
        return await self._database.read(partial(lineage.trace, query=query))

    async def ingest(self, events: Sequence[EventRow]) -> list[int]:
        """Keep events and return the indices of those that were there already."""
        ingestion = feedback.PreparedEvents.of(events, self._clock())
        return await self._database.write(
            partial(feedback.ingest, ingestion=ingestion), 1 + len(events) // EVENTS_A_WORK
        )

    async def last_event(self) -> int:
        """Return the position of the latest event."""
        return (await self._database.find(feedback.LAST_EVENT))[0] or 0

    async def export(
        self, query: EventQuery, *, after: int, through: int, limit: int
    ) -> list[StoredEvent]:
        """Return events between two positions, in the order of arrival."""
        return await self._database.read(
            partial(
                feedback.export,
                query=query,
                after=after,
                through=through,
                limit=limit,
                max_bytes=PAGE_BYTES,
            )
        )

    async def summarize(
        self, query: EventQuery, *, bucket: Microseconds | None, limit: int
    ) -> list[LatencyCount]:
        """Count events by span of time, type and latency."""
        return await self._database.read(
            partial(feedback.summarize, query=query, bucket=bucket, limit=limit)
        )

    async def ping(self) -> None:
        """Return when the database answers."""
        await self._database.read(partial(changes.counter, name="sequence"))

    async def close(self) -> None:
        """Finish what was begun and let go of the database."""
        await self._database.close()
