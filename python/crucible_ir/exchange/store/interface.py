"""What a server asks of a store: the one interface that every kind of database implements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

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


class Store(Protocol):
    """Documents with their revisions, the order of all changes, and feedback events.

    Every method may raise `StoreFailure`. What a method that changes something returns is durable.
    Changes of one store are made one after another, and their sequence numbers have no gaps.
    """

    async def publish(self, publication: PublishCommand) -> PublishResult:
        """Store a document.

        Raises:
            EtagMismatchError: The latest revision is not the expected one.
            RequestReusedError: The request id was used for something else.
        """

    async def preview(self, publication: PublishCommand) -> PublishResult:
        """Return what `publish` would return now, without a sequence and an etag; store nothing.

        Raises:
            EtagMismatchError: As for `publish`.
            RequestReusedError: As for `publish`.
        """

    async def delete(self, deletion: DeleteCommand) -> StoredRecord:
        """Make a revision that has no document.

        Raises:
            NotFoundError: There is no document.
            EtagMismatchError: The latest revision is not the expected one.
            RequestReusedError: The request id was used for something else.
        """

    async def get(self, type_: str, id_: str, revision: int | None = None) -> StoredEntry:
        """Return a revision of a document with its document, by default the latest.

        Raises:
            NotFoundError: There is no such revision, or the latest is a deletion.
        """

    async def list_documents(self, query: ListQuery) -> Page:
        """Return a page of the latest revisions of the documents of a type."""

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
        """Return a page of the revisions of a document, newest first, from before a revision.

        Raises:
            NotFoundError: The document was never published.
        """

    async def position(self) -> int:
        """Return the sequence number of the latest change; 0 when there is none."""

    async def changes(
        self, after: int, *, limit: int = 500, include_documents: bool = True
    ) -> ChangePage:
        """Return changes after a sequence number, in order; fewer where they are large."""

    async def wait(self, after: int, timeout: float) -> None:
        """Return when there may be a change after a sequence number, or after so many seconds."""

    async def made_before(self, moment: Microseconds) -> int:
        """Return the sequence number up to which every change was made before a moment."""

    async def compact(self, through: int) -> int:
        """Forget revisions that are not the latest, up to a sequence number.

        Returns:
            The sequence number up to which history is gone, by this or an earlier compaction.
        """

    async def forget_requests(self, before: Microseconds) -> None:
        """Forget the ids of requests that were made before a moment."""

    async def trace(self, query: LineageQuery) -> LineageGraph:
        """Follow references.

        Raises:
            NotFoundError: Nothing is known of the start.
        """

    async def ingest(self, events: Sequence[EventRow]) -> list[int]:
        """Keep events and return the indices of those that were there already."""

    async def last_event(self) -> int:
        """Return the position of the latest event; 0 when there is none."""

    async def export(
        self, query: EventQuery, *, after: int, through: int, limit: int
    ) -> list[StoredEvent]:
        """Return events between two positions, the first excluded, in the order of arrival.

        They are fewer than asked for where there are no more, or where they are large.
        """

    async def summarize(
        self, query: EventQuery, *, bucket: Microseconds | None, limit: int
    ) -> list[LatencyCount]:
        """Count events by span of time, type and latency, in any order.

        Raises:
            TooMuchError: There are more counts than the limit.
        """

    async def ping(self) -> None:
        """Return when the database answers."""

    async def close(self) -> None:
        """Finish what was begun and let go of the database."""
