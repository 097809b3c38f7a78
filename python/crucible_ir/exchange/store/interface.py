"""The interface of a store, which every kind of database implements."""

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

    Every method may raise `StoreFailure`. A method that changes something returns when the change
    is durable. The changes of a store are serialized, and their sequence numbers have no gaps.
    """

    async def publish(self, command: PublishCommand) -> PublishResult:
        """Store a document.

        Raises:
            StaleEtagError: The latest revision is not the expected one.
            RequestIdReusedError: The request id was used for another request.
        """

    async def preview(self, command: PublishCommand) -> PublishResult:
        """Return the result of `publish` without a sequence number and an etag; store nothing.

        Raises:
            StaleEtagError: As for `publish`.
            RequestIdReusedError: As for `publish`.
        """

    async def delete(self, command: DeleteCommand) -> StoredRecord:
        """Add a revision without a document.

        Raises:
            DocumentNotFoundError: The document does not exist.
            StaleEtagError: The latest revision is not the expected one.
            RequestIdReusedError: The request id was used for another request.
        """

    async def get(self, type_: str, id_: str, revision: int | None = None) -> StoredEntry:
        """Return a revision of a document with its document, by default the latest.

        Raises:
            DocumentNotFoundError: The revision does not exist, or the latest is a deletion.
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
            DocumentNotFoundError: The document was never published.
        """

    async def position(self) -> int:
        """Return the sequence number of the latest change; 0 if there is none."""

    async def changes(
        self, after: int, *, limit: int = 500, include_documents: bool = True
    ) -> ChangePage:
        """Return changes after a sequence number, in order; fewer if they are large."""

    async def wait(self, after: int, timeout: float) -> None:
        """Return when there may be a change after a sequence number, or after a timeout."""

    async def last_change_before(self, time: Microseconds) -> int:
        """Return the last sequence number up to which all changes were made before a time."""

    async def compact(self, through: int) -> int:
        """Remove revisions that are not the latest, up to a sequence number.

        Returns:
            The sequence number up to which the history is removed, now or earlier.
        """

    async def forget_requests(self, before: Microseconds) -> None:
        """Remove the ids of requests that were made before a time."""

    async def trace(self, query: LineageQuery) -> LineageGraph:
        """Trace the lineage of a document.

        Raises:
            DocumentNotFoundError: The start does not exist, and no document refers to it.
        """

    async def ingest(self, events: Sequence[EventRow]) -> list[int]:
        """Store events, and return the indices of duplicates."""

    async def last_event(self) -> int:
        """Return the position of the latest event; 0 if there is none."""

    async def export(
        self, query: EventQuery, *, after: int, through: int, limit: int
    ) -> list[StoredEvent]:
        """Return events between two positions, the first excluded, in the order of arrival.

        The result is shorter than the limit if there are no more events, or if they are large.
        """

    async def summarize(
        self, query: EventQuery, *, bucket: Microseconds | None, limit: int
    ) -> list[LatencyCount]:
        """Count events by time bucket, type and latency, in any order.

        Raises:
            ResultTooLargeError: There are more counts than the limit.
        """

    async def close(self) -> None:
        """Finish the work in progress and disconnect from the database."""
