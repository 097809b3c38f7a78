"""The asyncio client of the exchange.

`make generate` derives `blocking_client` from this module.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Mapping,
    Sequence,
)
from datetime import datetime, timedelta
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, TypeVar

import grpc.aio

from crucible_ir.exchange import v1
from crucible_ir.exchange.client import audit, requests
from crucible_ir.exchange.client.addresses import DEFAULT_TARGET
from crucible_ir.exchange.client.async_streams import (
    AsyncAcknowledgedStream,
    AsyncIdleTimeoutStream,
    call_error,
    delay_after,
    iterate,
    wait_at_most,
)
from crucible_ir.exchange.client.audit import AuditEntry
from crucible_ir.exchange.client.batches import (
    BATCH_BYTES,
    BATCH_EVENTS,
    BATCH_SECONDS,
    EventBatch,
    EventOutbox,
)
from crucible_ir.exchange.client.connection import AsyncStubs, Connection
from crucible_ir.exchange.client.errors import ClosedError, ExchangeError, UnavailableError
from crucible_ir.exchange.client.outbox import MOST_OUTSTANDING, PublicationOutbox
from crucible_ir.exchange.client.requests import EventFilter, Publication
from crucible_ir.exchange.client.results import (
    Appended,
    Change,
    ErasedFeedback,
    ExportedBatch,
    ExportedEvent,
    FeedbackPolicy,
    Gap,
    IngestReport,
    Lineage,
    ListPage,
    MetricsPoint,
    Outcome,
    Published,
    Purged,
    Record,
    RefusedEvent,
    RunMetrics,
    Stored,
    StoredFeedbackConfig,
    Summary,
    Verdict,
)
from crucible_ir.exchange.client.retrying import (
    DEFAULT_TIMEOUT,
    MAX_OUTAGE,
    Attempts,
    RetryPolicy,
    ServerState,
    is_idempotent,
)
from crucible_ir.exchange.client.statuses import IDLE_REASON
from crucible_ir.exchange.client.tls import Tls
from crucible_ir.exchange.client.watching import WatchPosition

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.exchange.client.requests import TypeName
    from crucible_ir.v1 import FeedbackConfig, FeedbackEvent, MetricsSnapshot, TrainingRun

    RequestT = TypeVar("RequestT", bound=Message)
    AnswerT = TypeVar("AnswerT", bound=Message)
    ItemT = TypeVar("ItemT")
    PageRequestT = TypeVar("PageRequestT", v1.ListRequest, v1.ListRevisionsRequest)
    PageT = TypeVar("PageT", v1.ListResponse, v1.ListRevisionsResponse)

#: How many events of a sequence are added at a time.
_CHUNK: Final = 100


class AsyncExchangeClient:
    """Publishes and reads the documents of an exchange, and ingests feedback.

    Calls that fail with a transient error are retried until their timeout if that is safe. Requests
    that change a document carry a request id, by which the server recognizes a repetition.

    The client belongs to the event loop in which it is made. It cannot be used after a fork: in
    another process than its own it raises `ClosedError`.

    Args:
        target: The address of the server.
        token: The token that authenticates the caller. It is never sent to another machine in plain
            text.
        tls: The certificates; ``None`` for a connection in plain text.
        timeout: The default timeout of calls in seconds, retries included; ``None`` for 30.
        retry: The retry policy; ``None`` for the default one.
        wait_for_server: Whether to wait, until the timeout, for a server on this machine that has
            not been started. ``None``: only if the client or the call has a timeout of its own. A
            client always waits for a server that it has reached before, and for other machines.

    Raises:
        InsecureChannelError: The token would be sent to another machine in plain text.
    """

    def __init__(
        self,
        target: str = DEFAULT_TARGET,
        *,
        token: str | None = None,
        tls: Tls | None = None,
        timeout: float | None = None,
        retry: RetryPolicy | None = None,
        wait_for_server: bool | None = None,
    ) -> None:
        self._connection = Connection(target, token, tls)
        self._metadata = self._connection.metadata
        self._timeout = DEFAULT_TIMEOUT if timeout is None else timeout
        self._server = ServerState()
        if wait_for_server is None and timeout is not None:
            wait_for_server = True
        self._wait_for_server = wait_for_server
        self._retry = retry or RetryPolicy()
        self._process = os.getpid()
        self._closed = False
        self._stubs = AsyncStubs(self._connection)
        # Watches leave the connection of the client when it seems dead.
        self._watch_stubs = self._stubs
        self._lock = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Cancel every call and close the connection."""
        self._closed = True
        if self._process != os.getpid():
            return
        async with self._lock:
            if self._watch_stubs is not self._stubs:
                await self._watch_stubs.close()
        await self._stubs.close()

    async def publish(
        self,
        document: Message,
        *,
        id: str | None = None,
        etag: str | None = None,
        request_id: str | None = None,
        validate_only: bool = False,
        override_immutable: bool = False,
        timeout: float | None = None,
    ) -> Published:
        """Create a document, or a new revision of it.

        Args:
            document: A ``Document``, or a message that can be its content.
            id: The document's id; ``None`` for the id in the content.
            etag: The etag of the revision to replace; empty to require that the document does not
                exist; ``None`` for no precondition.
            request_id: An id that makes the request safe to repeat; ``None`` for a random one.
            validate_only: Whether to validate the request without storing the document.
            override_immutable: Whether to store the document although it changes fields that keep
                their values, as an admin.
            timeout: The timeout in seconds; ``None`` for the client's.

        Raises:
            InvalidDocumentError: The document breaks rules.
            EtagMismatchError: The latest revision has a different etag.
            ImmutableFieldError: The document changes fields that keep their values.
            ExchangeError: The call failed.
        """
        publication = Publication(document, id, etag, request_id, validate_only, override_immutable)
        answer = await self._call(self._stubs.exchange.Publish, publication.request(), timeout)
        return Published.of(answer)

    def publish_many(
        self,
        documents: Iterable[Message | Publication] | AsyncIterable[Message | Publication],
    ) -> AsyncIterator[Outcome]:
        """Publish many documents independently of each other, and yield their outcomes in order.

        Documents are read from the iterable as they are sent, a limited number ahead of the
        outcomes. After a broken connection, documents without an outcome are sent again. A document
        that is rejected with a retryable error is sent again until its own timeout.

        Args:
            documents: Documents, messages that can be their content, or publications.

        Raises:
            ExchangeError: The stream failed permanently.
        """
        self._ensure_open()
        return self._publish_many(iterate(documents))

    async def _publish_many(
        self, documents: AsyncIterator[Message | Publication]
    ) -> AsyncIterator[Outcome]:
        outbox = PublicationOutbox(self._attempts)
        outcomes = outbox.outcomes
        stream = AsyncAcknowledgedStream(
            lambda sent: self._stubs.exchange.BatchPublish(sent, metadata=self._metadata),
            outbox,
            outbox.receive,
            self._attempts(),
            self._timeout,
        )
        try:
            async for item in documents:
                publication = item if isinstance(item, Publication) else Publication(item)
                await stream.submit(partial(outbox.add, publication.request()))
                while outcomes:
                    yield outcomes.popleft()
            while not outbox.is_empty or outcomes:
                await stream.wait_until(lambda: outcomes)
                while outcomes:
                    yield outcomes.popleft()
            await stream.close()
        finally:
            await stream.abort()

    async def get(
        self,
        type: TypeName,
        id: str,
        *,
        revision: int | None = None,
        timeout: float | None = None,
    ) -> Stored:
        """Return a document.

        Args:
            type: The class of its message, or the name of the class.
            id: Its id.
            revision: The revision to return; ``None`` for the latest.
            timeout: The timeout in seconds; ``None`` for the client's.

        Raises:
            NotFoundError: The document does not exist.
            ExchangeError: The call failed.
        """
        request = v1.GetRequest(type=requests.name_of(type), id=id, revision=revision)
        answer = await self._call(self._stubs.exchange.Get, request, timeout)
        return Stored.of(answer)

    def list_documents(
        self,
        type: TypeName,
        *,
        where: Mapping[str, str] | None = None,
        where_prefix: Mapping[str, str] | None = None,
        filter: str | None = None,
        order: str | None = None,
        order_by: str | None = None,
        page_size: int | None = None,
        include_deleted: bool = False,
        include_documents: bool = False,
        readable_by: str | None = None,
        timeout: float | None = None,
    ) -> AsyncIterator[Stored]:
        """Yield the latest revisions of the documents of a type, fetching pages as needed.

        Args:
            type: The class of their message, or the name of the class.
            where: The required values of fields, by field name.
            where_prefix: The required prefixes of fields' values, by field name.
            filter: A condition in a subset of AIP-160, such as
                ``metrics.accuracy > 0.9 AND stage = production``; it needs a server of release
                0.4.0 or later.
            order: ``newest``, which is the default, or ``id``.
            order_by: The number to order by instead, with ``desc`` for the greatest first, such as
                ``metrics.accuracy desc``; documents without it are not listed.
            page_size: The number of entries to fetch at a time.
            include_deleted: Whether to include deleted documents.
            include_documents: Whether to return documents besides records.
            readable_by: A release, such as ``0.2.0``, whose readers of binary must accept the
                documents; ``None`` for no condition.
            timeout: The timeout of each page in seconds; ``None`` for the client's.

        Raises:
            ExchangeError: A call failed, or the server is too old for ``readable_by``.
        """
        request = requests.list_documents(
            type,
            where,
            where_prefix,
            order,
            page_size,
            include_deleted,
            include_documents,
            readable_by,
            filter,
            order_by,
        )
        return self._pages(self._stubs.exchange.List, request, timeout, readable_by)

    async def list_page(
        self,
        type: TypeName,
        *,
        page_token: str = "",
        filter: str | None = None,
        order: str | None = None,
        order_by: str | None = None,
        page_size: int | None = None,
        include_deleted: bool = False,
        include_documents: bool = False,
        timeout: float | None = None,
    ) -> ListPage:
        """Return one page of the documents of a type, as a program shows them to people.

        Args:
            type: The class of their message, or the name of the class.
            page_token: The ``next_page_token`` of the page before; empty for the first page. All
                other arguments but the page size must be those of that page.
            filter: A condition, as for `list_documents`.
            order: ``newest``, which is the default, or ``id``.
            order_by: The number to order by instead, as for `list_documents`.
            page_size: The most entries; a page may have fewer, or none, and still not be the last.
            include_deleted: Whether to include deleted documents.
            include_documents: Whether to return documents besides records.
            timeout: The timeout in seconds; ``None`` for the client's.

        Raises:
            InvalidDocumentError: The condition, the order or the token is invalid.
            ExchangeError: The call failed.
        """
        request = requests.list_documents(
            type,
            None,
            None,
            order,
            page_size,
            include_deleted,
            include_documents,
            None,
            filter,
            order_by,
        )
        request.page_token = page_token
        page = await self._call(self._stubs.exchange.List, request, timeout)
        requests.check_applied(request, page)
        return ListPage(list(map(Stored.of, page.entries)), page.next_page_token)

    def list_revisions(
        self,
        type: TypeName,
        id: str,
        *,
        page_size: int | None = None,
        include_documents: bool = False,
        timeout: float | None = None,
    ) -> AsyncIterator[Stored]:
        """Yield the revisions of a document, newest first, fetching pages as needed.

        Args:
            type: The class of its message, or the name of the class.
            id: Its id.
            page_size: The number of entries to fetch at a time.
            include_documents: Whether to return documents besides records.
            timeout: The timeout of each page in seconds; ``None`` for the client's.

        Raises:
            NotFoundError: The document was never published.
            ExchangeError: A call failed.
        """
        request = v1.ListRevisionsRequest(
            type=requests.name_of(type),
            id=id,
            page_size=page_size,
            include_documents=include_documents,
        )
        return self._pages(self._stubs.exchange.ListRevisions, request, timeout)

    async def _pages(
        self,
        method: grpc.aio.UnaryUnaryMultiCallable[PageRequestT, PageT],
        request: PageRequestT,
        timeout: float | None,
        readable_by: str | None = None,
    ) -> AsyncIterator[Stored]:
        while True:
            page = await self._call(method, request, timeout)
            requests.check_applied(request, page)
            for entry in page.entries:
                stored = Stored.of(entry)
                # An older server ignores the condition.
                if readable_by is None or stored.record.is_readable_by(readable_by):
                    yield stored
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def delete(
        self,
        type: TypeName,
        id: str,
        *,
        etag: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Record:
        """Delete a document; its earlier revisions stay readable.

        Args:
            type: The class of its message, or the name of the class.
            id: Its id.
            etag: The etag of the revision to delete; ``None`` for no precondition.
            request_id: An id that makes the request safe to repeat; ``None`` for a random one.
            timeout: The timeout in seconds; ``None`` for the client's.

        Raises:
            NotFoundError: The document does not exist.
            EtagMismatchError: The latest revision has a different etag.
            ExchangeError: The call failed.
        """
        request = requests.delete(type, id, etag, request_id)
        answer = await self._call(self._stubs.exchange.Delete, request, timeout)
        return Record.of(answer.record)

    def watch(
        self,
        after: int | None = None,
        *,
        types: Iterable[TypeName] = (),
        id_prefix: str = "",
        include_documents: bool = False,
        heartbeat_ms: int | None = None,
        max_outage: float | None = MAX_OUTAGE,
        epoch: str = "",
    ) -> AsyncWatch:
        """Watch for changes; each one is yielded exactly once, in order.

        A watch resumes after a broken connection. It yields a `Gap` for changes that the exchange
        has dropped from its history, or lost.

        Args:
            after: The sequence number after which to begin; 0 for the whole history; ``None`` for
                new changes, from when the watch is entered as a context manager or first read.
            types: The document types to watch; empty for all.
            id_prefix: The prefix of the ids to watch.
            include_documents: Whether to send documents besides records.
            heartbeat_ms: The interval at which the server sends a sign of life, in milliseconds.
                After two missed heartbeats the connection counts as dead.
            max_outage: For how many seconds to try to reconnect; ``None`` for no limit.
            epoch: The `AsyncWatch.epoch` that belongs to ``after``; empty if it is unknown.

        Raises:
            ExchangeError: The watch cannot begin.
        """
        self._ensure_open()
        position = WatchPosition(after, types, id_prefix, include_documents, heartbeat_ms, epoch)
        stubs = self._stubs

        async def open_call(after_idle: bool) -> AsyncIdleTimeoutStream[v1.WatchResponse]:
            nonlocal stubs
            self._ensure_open()
            stubs = await self._stubs_for_watch(stubs if after_idle else None)
            call = stubs.exchange.Watch(position.request(), metadata=self._metadata)
            return AsyncIdleTimeoutStream(call, position.idle_timeout)

        resuming = Attempts(self._retry, max_outage, server=self._server)
        return AsyncWatch(open_call, position, self._attempts(), resuming)

    async def _stubs_for_watch(self, dead: AsyncStubs | None) -> AsyncStubs:
        """Return the stubs to watch with, over a new connection if the current one is dead.

        Other calls have timeouts, and stay on their connection until gRPC finds that it is dead.
        """
        async with self._lock:
            if dead is self._watch_stubs and not self._closed:
                self._watch_stubs = AsyncStubs(self._connection)
                if dead is not self._stubs:
                    await dead.close()
            return self._watch_stubs

    async def trace(
        self,
        type: TypeName,
        id: str,
        *,
        revision: int | None = None,
        direction: str = "upstream",
        max_depth: int | None = None,
        max_nodes: int | None = None,
        timeout: float | None = None,
    ) -> Lineage:
        """Trace the lineage of a document through the references between documents.

        Args:
            type: The class of its message, or the name of the class.
            id: Its id.
            revision: The revision to start from; ``None`` for the latest.
            direction: ``upstream`` for the documents that it refers to, ``downstream`` for those
                that refer to it, or ``both``.
            max_depth: The maximum number of references from the start.
            max_nodes: The maximum number of documents.
            timeout: The timeout in seconds; ``None`` for the client's.

        Raises:
            NotFoundError: The document does not exist, and no document refers to it.
            ExchangeError: The call failed.
        """
        request = requests.trace(type, id, revision, direction, max_depth, max_nodes)
        answer = await self._call(self._stubs.exchange.TraceLineage, request, timeout)
        return Lineage.of(answer)

    async def append_metrics(
        self,
        id: str,
        snapshots: Iterable[MetricsSnapshot] = (),
        *,
        status: str | None = None,
        checkpoint_uris: Iterable[str] = (),
        changes: TrainingRun | None = None,
        expected_count: int | None = None,
        etag: str | None = None,
        request_id: str | None = None,
        validate_only: bool = False,
        timeout: float | None = None,
    ) -> Appended:
        """Append snapshots and progress to a training run, which must be published.

        An append is a change, but makes no revision. It takes as long for a long run as for a short
        one.

        Args:
            id: The id of the run.
            snapshots: The snapshots, at most 10,000.
            status: The new state by its short name, such as ``completed``; ``None`` to leave it.
            checkpoint_uris: The URIs of checkpoints to append.
            changes: A run whose fields are set, such as ``completed_at`` or ``error_message``; its
                ``best_metrics`` are added to those of the run. ``config``, ``options``, ``tags``,
                ``experiment_id`` and ``metrics_history`` are only published.
            expected_count: The number of snapshots that the run must have before. If it has these
                ones at that place already, nothing is appended again.
            etag: The etag that the run must have; ``None`` for no precondition.
            request_id: An id that makes the request safe to repeat; ``None`` for a random one, or
                none if there is an expected count.
            validate_only: Whether to validate the request without storing anything.
            timeout: The timeout in seconds; ``None`` for the client's.

        Raises:
            NotFoundError: The run does not exist.
            SnapshotCountError: The run has another number of snapshots than expected.
            EtagMismatchError: The run has a different etag.
            InvalidDocumentError: A snapshot breaks rules.
            ExchangeError: The call failed.
        """
        request = requests.append_metrics(
            id,
            snapshots,
            status,
            checkpoint_uris,
            changes,
            expected_count,
            etag,
            request_id,
            validate_only,
        )
        answer = await self._call(self._stubs.exchange.AppendMetrics, request, timeout)
        return Appended.of(answer)

    async def read_metrics(
        self,
        id: str,
        *,
        keys: Iterable[str] = (),
        max_points: int | None = None,
        first: int = 0,
        limit: int | None = None,
        revision: int | None = None,
        timeout: float | None = None,
    ) -> RunMetrics:
        """Return the snapshots of a training run, also of one that is too large for `get`.

        Args:
            id: The id of the run.
            keys: The names of the metrics; empty for all.
            max_points: The most points of each metric, 5 to 10,000; ``None`` for all. With a limit,
                the exchange chooses the first and the last point, and the smallest and the largest
                value and the first NaN of each bucket, and orders them by step.
            first: The position of the first snapshot, counted from 0.
            limit: The most points to fetch; ``None`` for all.
            revision: The revision to read; ``None`` for the latest.
            timeout: The timeout of each page in seconds; ``None`` for the client's.

        Raises:
            FieldError: The first position or the limit is out of range.
            NotFoundError: The run does not exist.
            InvalidDocumentError: There are too many points.
            ExchangeError: The call failed.
        """
        request = requests.read_metrics(id, keys, max_points, first, limit, revision)
        points: list[MetricsPoint] = []
        while True:
            request.page_size = requests.points_of_page(limit, len(points))
            page = await self._call(self._stubs.exchange.ReadMetrics, request, timeout)
            points += map(MetricsPoint.of, page.points)
            if not page.next_page_token or (limit is not None and len(points) >= limit):
                return RunMetrics.of(page, points)
            request.page_token = page.next_page_token

    async def compact(
        self,
        *,
        keep_after: int | None = None,
        keep_within: timedelta | None = None,
        timeout: float | None = None,
    ) -> int:
        """Drop old revisions from the history.

        The latest revision of each document and feedback events stay. A watch that resumes from
        before the remaining history yields a `Gap`. Give exactly one of the first two arguments.

        Args:
            keep_after: The sequence number after which to keep every revision.
            keep_within: The time before now within which to keep every revision.
            timeout: The timeout in seconds; ``None`` for the client's.

        Returns:
            The sequence number from which the history is complete.

        Raises:
            PermissionDeniedError: The caller is not an admin of all documents.
            InvalidDocumentError: No change has reached the sequence number.
            ExchangeError: The call failed.
        """
        request = requests.compact(keep_after, keep_within)
        answer = await self._call(self._stubs.exchange.Compact, request, timeout)
        return answer.oldest_sequence

    async def purge(
        self,
        type: TypeName,
        id: str,
        *,
        validate_only: bool = False,
        timeout: float | None = None,
    ) -> Purged:
        """Remove a deleted document for ever, with all its revisions.

        Only the audit log still names it. A watch that resumes from before yields a `Gap` in place
        of its changes.

        Args:
            type: The class of the document's message, or the name of the class.
            id: The document's id.
            validate_only: Whether to count the revisions and remove nothing.
            timeout: The timeout in seconds; ``None`` for the client's.

        Raises:
            NotFoundError: The exchange has nothing of the document: it may be purged already.
            PreconditionError: The document is not deleted.
            PermissionDeniedError: The caller is not an admin, or may not see the document.
            ExchangeError: The call failed.
        """
        request = requests.purge(type, id, validate_only)
        answer = await self._call(self._stubs.exchange.Purge, request, timeout)
        return Purged(answer.revisions, answer.pending)

    def list_audit_entries(
        self,
        *,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        caller: str | None = None,
        actions: Iterable[str] = (),
        type: TypeName | None = None,
        id: str | None = None,
        page_size: int | None = None,
        timeout: float | None = None,
    ) -> AsyncIterator[AuditEntry]:
        """Yield who changed or exported what, newest first, fetching pages as needed.

        Args:
            start_time: The earliest time.
            end_time: The time before which the actions were carried out.
            caller: The name of the caller; ``None`` for all.
            actions: The actions, such as ``published``; empty for all.
            type: The class of the document's message, or the name of the class; ``None`` for all.
            id: The id of the document, or of what else was acted on; ``None`` for all.
            page_size: The number of entries to fetch at a time.
            timeout: The timeout of each page in seconds; ``None`` for the client's.

        Raises:
            PermissionDeniedError: The caller is not an admin of all documents.
            ExchangeError: A call failed.
        """
        request = audit.list_audit_entries(
            start_time, end_time, caller, actions, type, id, page_size
        )
        return self._audit_entries(request, timeout)

    async def _audit_entries(
        self, request: v1.ListAuditEntriesRequest, timeout: float | None
    ) -> AsyncIterator[AuditEntry]:
        while True:
            page = await self._call(self._stubs.audit.ListAuditEntries, request, timeout)
            for entry in page.entries:
                yield AuditEntry.of(entry)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def ingestion(
        self,
        *,
        max_events: int = BATCH_EVENTS,
        max_bytes: int = BATCH_BYTES,
        max_seconds: float = BATCH_SECONDS,
        most_outstanding: int = MOST_OUTSTANDING,
        on_refused: Callable[[RefusedEvent], None] | None = None,
    ) -> AsyncIngestion:
        """Open an ingestion, which accepts feedback events one at a time.

        Args:
            max_events: The maximum number of events in a batch.
            max_bytes: The maximum size of a batch in bytes.
            max_seconds: For how long an event waits for others.
            most_outstanding: The maximum number of batches without an acknowledgement; then
                `AsyncIngestion.add` waits.
            on_refused: Called with each rejected event, in the event loop.
        """
        self._ensure_open()
        outbox = EventOutbox(max_events, max_bytes, max_seconds, most_outstanding, self._attempts)

        def receive(answer: v1.IngestResponse) -> None:
            for event in outbox.receive(answer):
                if on_refused is not None:
                    on_refused(event)

        stream = AsyncAcknowledgedStream(
            lambda sent: self._stubs.ingest(sent, metadata=self._metadata),
            outbox,
            receive,
            self._attempts(),
            self._timeout,
        )
        return AsyncIngestion(outbox, stream)

    async def ingest(
        self,
        events: Iterable[FeedbackEvent] | AsyncIterable[FeedbackEvent],
        *,
        on_refused: Callable[[RefusedEvent], None] | None = None,
    ) -> IngestReport:
        """Send feedback events, and return a report when each is accepted or rejected.

        An event that is rejected with a retryable error is sent again until its own timeout.

        Args:
            events: The events; only a limited number is in memory at a time.
            on_refused: Called with each rejected event, in the event loop.

        Raises:
            ExchangeError: The stream failed permanently.
        """
        async with self.ingestion(on_refused=on_refused) as ingestion:
            if isinstance(events, Sequence):
                await ingestion.add_all(events)
            else:
                async for event in iterate(events):
                    await ingestion.add(event)
        return ingestion.report

    def export(
        self, events: EventFilter | None = None, *, batch_size: int | None = None, cursor: str = ""
    ) -> AsyncIterator[FeedbackEvent]:
        """Yield feedback events in the order in which they were ingested.

        An export resumes after a broken connection, and after the server cut it off because it was
        read too slowly.

        Args:
            events: The events to export; ``None`` for all.
            batch_size: The number of events to fetch at a time.
            cursor: A cursor of an earlier export to continue from; empty to start with the first
                event.

        Raises:
            ExchangeError: The call failed.
        """
        self._ensure_open()
        return self._exported(
            (events or EventFilter()).export(batch_size, cursor), lambda answer: answer.events
        )

    def export_with_publishers(
        self, events: EventFilter | None = None, *, batch_size: int | None = None, cursor: str = ""
    ) -> AsyncIterator[ExportedEvent]:
        """Yield feedback events as `export` does, with what the exchange knows about each.

        Args:
            events: The events to export; ``None`` for all.
            batch_size: The number of events to fetch at a time.
            cursor: A cursor of an earlier export to continue from; empty to start with the first
                event.

        Raises:
            ExchangeError: The call failed.
        """
        self._ensure_open()
        return self._exported(
            (events or EventFilter()).export(batch_size, cursor), ExportedEvent.all_of
        )

    def export_batches(
        self, events: EventFilter | None = None, *, batch_size: int | None = None, cursor: str = ""
    ) -> AsyncIterator[ExportedBatch]:
        """Yield feedback events as `export` does, in batches with the cursors after them.

        An export with the cursor of the last batch, and otherwise the same arguments, continues
        after it: also later, with the events that were ingested meanwhile.

        Args:
            events: The events to export; ``None`` for all.
            batch_size: The most events of a batch.
            cursor: A cursor of an earlier export to continue from; empty to start with the first
                event.

        Raises:
            ExchangeError: The call failed.
        """
        self._ensure_open()
        return self._exported(
            (events or EventFilter()).export(batch_size, cursor), ExportedBatch.all_of
        )

    async def _exported(
        self, request: v1.ExportRequest, items_of: Callable[[v1.ExportResponse], Iterable[ItemT]]
    ) -> AsyncIterator[ItemT]:
        attempts = self._attempts()
        has_begun = False
        while True:
            call = AsyncIdleTimeoutStream(
                self._stubs.feedback.Export(request, metadata=self._metadata), self._timeout
            )
            try:
                while (answer := await call.receive()) is not None:
                    has_begun = True
                    for item in items_of(answer):
                        yield item
                    request.cursor = answer.cursor
                    attempts.succeeded()
                return
            except ExchangeError as error:
                if has_begun:
                    delay = attempts.delay_before_resuming(error)
                else:
                    delay = await delay_after(attempts, error)
            finally:
                call.cancel()
            await asyncio.sleep(delay)

    async def summarize(
        self,
        events: EventFilter | None = None,
        *,
        bucket: timedelta | None = None,
        group_by: Iterable[str] = (),
        timeout: float | None = None,
    ) -> list[Summary]:
        """Summarize feedback events by type and time: their number, latencies and values.

        Args:
            events: The events to summarize; ``None`` for all.
            bucket: The length of the time buckets; ``None`` for one bucket for all time. Whole
                hours are fast with any number of events.
            group_by: What else to group by: ``deployment``, ``model_version`` and ``name``.
            timeout: The timeout in seconds; ``None`` for the client's.

        Raises:
            ExchangeError: The call failed.
        """
        request = (events or EventFilter()).summarize(bucket, group_by)
        answer = await self._call(self._stubs.feedback.Summarize, request, timeout)
        return list(map(Summary.of, answer.summaries))

    async def erase_feedback(
        self,
        *,
        user_id: str | None = None,
        session_id: str | None = None,
        deployment_id: str | None = None,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        validate_only: bool = False,
        on_progress: Callable[[int], None] | None = None,
        timeout: float | None = None,
    ) -> ErasedFeedback:
        """Erase the feedback events that satisfy all of the conditions, of which one is required.

        Events that were redacted are found by the original ids too. Repeat a call whose result is
        pending to learn whether everything is gone.

        Args:
            user_id: Who gave the feedback.
            session_id: The session of the feedback.
            deployment_id: The deployment that gave the answers.
            start_time: The earliest time of an event.
            end_time: The time before which the events occurred.
            validate_only: Whether to count the events and erase nothing.
            on_progress: Called with the number of events so far, about every five seconds.
            timeout: The timeout of each part in seconds; ``None`` for the client's.

        Raises:
            PermissionDeniedError: The caller is not an admin of all documents.
            InvalidDocumentError: No condition is given.
            ExchangeError: The call failed.
        """
        request = requests.erase_feedback(
            user_id, session_id, deployment_id, start_time, end_time, validate_only
        )
        events = 0
        while True:
            answer = await self._call(self._stubs.feedback.EraseFeedback, request, timeout)
            events += answer.events
            if on_progress is not None:
                on_progress(events)
            if not answer.cursor:
                return ErasedFeedback(events, answer.pending)
            request.cursor = answer.cursor

    async def set_feedback_config(
        self,
        config: FeedbackConfig | None,
        deployment_id: str | None = None,
        *,
        timeout: float | None = None,
    ) -> bool:
        """Set how the exchange treats the feedback on a deployment.

        It honours ``anonymize_pii``, whose default is true, and ``retention_days``. The
        configuration applies to every event that is stored after the call, in place of the one for
        all deployments.

        Args:
            config: The configuration; ``None`` to remove it.
            deployment_id: The deployment; ``None`` for all that have no configuration of their own.
            timeout: The timeout in seconds; ``None`` for the client's.

        Returns:
            Whether the call changed something.

        Raises:
            PermissionDeniedError: The caller is not an admin of all documents.
            InvalidDocumentError: The configuration breaks rules.
            ExchangeError: The call failed.
        """
        request = v1.SetFeedbackConfigRequest(deployment_id=deployment_id, config=config)
        answer = await self._call(self._stubs.feedback.SetFeedbackConfig, request, timeout)
        return answer.changed

    async def feedback_policy(
        self, deployment_id: str | None = None, *, timeout: float | None = None
    ) -> FeedbackPolicy:
        """Return how the exchange treats the feedback on a deployment.

        Args:
            deployment_id: The deployment; ``None`` for those without a configuration of their own.
            timeout: The timeout in seconds; ``None`` for the client's.

        Raises:
            ExchangeError: The call failed.
        """
        request = v1.GetFeedbackConfigRequest(deployment_id=deployment_id)
        answer = await self._call(self._stubs.feedback.GetFeedbackConfig, request, timeout)
        return FeedbackPolicy.of(answer)

    async def list_feedback_configs(
        self, *, page_size: int | None = None, timeout: float | None = None
    ) -> AsyncIterator[StoredFeedbackConfig]:
        """Yield the configurations of feedback, that of all deployments first, then by deployment.

        Args:
            page_size: The number of configurations to fetch at a time.
            timeout: The timeout of each page in seconds; ``None`` for the client's.

        Raises:
            ExchangeError: A call failed.
        """
        request = v1.ListFeedbackConfigsRequest(page_size=page_size)
        while True:
            page = await self._call(self._stubs.feedback.ListFeedbackConfigs, request, timeout)
            for entry in map(StoredFeedbackConfig.of, page.entries):
                yield entry
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def validate(
        self,
        content: bytes | Message,
        type: TypeName | None = None,
        form: str = "binary",
        *,
        lints: bool = True,
        timeout: float | None = None,
    ) -> Verdict:
        """Validate a message with the exchange.

        Args:
            content: The message, or its bytes.
            type: The class of the message, or the name of the class; required for bytes.
            form: The format of the bytes, such as ``yaml``.
            lints: Whether to lint the message.
            timeout: The timeout in seconds; ``None`` for the client's.

        Raises:
            ExchangeError: The call failed.
        """
        request = requests.validate(content, type, form, lints)
        answer = await self._call(self._stubs.validation.Validate, request, timeout)
        return Verdict.of(answer)

    async def convert(
        self,
        content: bytes | Message,
        to: str,
        *,
        type: TypeName | None = None,
        form: str = "binary",
        allow_invalid: bool = False,
        timeout: float | None = None,
    ) -> bytes:
        """Convert a message to another format with the exchange.

        Args:
            content: The message, or its bytes.
            to: The format to write, such as ``crucible-json``.
            type: The class of the message, or the name of the class; required for bytes.
            form: The format of the bytes.
            allow_invalid: Whether to convert a message that breaks rules.
            timeout: The timeout in seconds; ``None`` for the client's.

        Raises:
            InvalidDocumentError: The message is unreadable, breaks a rule or cannot be written in
                the format.
            ExchangeError: The call failed.
        """
        request = requests.convert(content, type, form, to, allow_invalid)
        answer = await self._call(self._stubs.validation.Convert, request, timeout)
        return answer.content

    async def _call(
        self,
        method: grpc.aio.UnaryUnaryMultiCallable[RequestT, AnswerT],
        request: RequestT,
        timeout: float | None,
    ) -> AnswerT:
        attempts = self._attempts(timeout, idempotent=is_idempotent(request))
        while True:
            self._ensure_open()
            try:
                answer = await method(request, timeout=attempts.remaining, metadata=self._metadata)
            except grpc.aio.AioRpcError as error:
                await asyncio.sleep(await delay_after(attempts, call_error(error)))
            else:
                attempts.succeeded()
                return answer

    def _attempts(self, timeout: float | None = None, *, idempotent: bool = True) -> Attempts:
        wait = self._wait_for_server
        return Attempts(
            self._retry,
            self._timeout if timeout is None else timeout,
            idempotent=idempotent,
            explain=self._connection.explained,
            server=self._server,
            wait_for_server=timeout is not None if wait is None else wait,
        )

    def _ensure_open(self) -> None:
        if self._closed:
            raise ClosedError("the client was closed")
        if self._process != os.getpid():
            raise ClosedError("the client was made before a fork: make one in each process")


class AsyncWatch(AsyncIterator[Change | Gap]):
    """Yields the changes of an exchange exactly once and in order, across broken connections.

    Args:
        open_call: Opens a call at the position; the argument says whether the last call ended
            because the server sent nothing for too long.
        position: The request, and the sequence number up to which it was answered.
        beginning: The attempts to begin.
        resuming: The attempts to resume.
    """

    def __init__(
        self,
        open_call: Callable[[bool], Awaitable[AsyncIdleTimeoutStream[v1.WatchResponse]]],
        position: WatchPosition,
        beginning: Attempts,
        resuming: Attempts,
    ) -> None:
        self._open_call = open_call
        self._position = position
        self._beginning = beginning
        self._resuming = resuming
        self._has_begun = False
        self._closed = asyncio.Event()
        self._after_idle = False
        self._call: AsyncIdleTimeoutStream[v1.WatchResponse] | None = None

    async def begin(self) -> None:
        """Wait until the watch has a position: it yields every change from then on.

        Raises:
            ExchangeError: The watch cannot begin.
        """
        while not self._position.is_known:
            self._position.advance(await self._receive())

    @property
    def sequence(self) -> int:
        """The sequence number up to which the watch is complete, and where another can resume."""
        return self._position.sequence or 0

    @property
    def epoch(self) -> str:
        """The epoch that the sequence number belongs to; empty if it is unknown."""
        return self._position.epoch

    async def __aenter__(self) -> Self:
        await self.begin()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End the watch, also for another task that waits for a change."""
        self._closed.set()
        if self._call is not None:
            self._call.cancel()

    async def __anext__(self) -> Change | Gap:
        while not self._closed.is_set():
            try:
                event = self._position.advance(await self._receive())
            except ExchangeError:
                if self._closed.is_set():
                    break
                await self.close()
                raise
            if event is not None:
                return event
        raise StopAsyncIteration

    async def _receive(self) -> v1.WatchResponse:
        """Return the next message, over a new call if necessary."""
        while True:
            if self._closed.is_set():
                raise ClosedError("the watch was closed")
            if self._call is None:
                self._call = await self._open_call(self._after_idle)
            try:
                answer = await self._call.receive()
                if answer is None:
                    raise UnavailableError("the server ended the watch", code="UNAVAILABLE")
            except ExchangeError as error:
                self._call = None
                self._after_idle = error.reason == IDLE_REASON
                if self._has_begun:
                    delay = self._resuming.delay_before_resuming(error)
                else:
                    delay = await delay_after(self._beginning, error)
                await wait_at_most(self._closed, delay)
            else:
                self._has_begun = True
                self._resuming.succeeded()
                return answer


class AsyncIngestion:
    """Accepts feedback events one at a time and sends them in batches.

    When it is left as a context manager, every event is accepted or rejected, unless an exception
    ended it.

    Args:
        outbox: The events to send.
        stream: Sends the outbox.
    """

    def __init__(
        self,
        outbox: EventOutbox,
        stream: AsyncAcknowledgedStream[EventBatch, v1.IngestResponse],
    ) -> None:
        self._outbox = outbox
        self._stream = stream

    @property
    def report(self) -> IngestReport:
        """The outcome of the events so far."""
        return self._outbox.report

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            await self.close()
        else:
            await self._stream.abort()

    async def add(self, event: FeedbackEvent) -> None:
        """Add an event; wait while too many batches have no acknowledgement.

        Raises:
            ExchangeError: The stream failed permanently.
        """
        await self._stream.submit(partial(self._outbox.add, event))

    async def add_all(self, events: Sequence[FeedbackEvent]) -> None:
        """Add events, in less time than one at a time.

        Raises:
            ExchangeError: The stream failed permanently.
        """
        for start in range(0, len(events), _CHUNK):
            chunk = events[start : start + _CHUNK]
            await self._stream.submit(partial(self._outbox.add_all, chunk))

    async def flush(self) -> None:
        """Wait until every event so far is accepted or rejected.

        Raises:
            ExchangeError: The stream failed permanently.
        """
        await self._stream.submit(self._outbox.close_batch)
        await self._stream.drain()

    async def close(self) -> None:
        """Wait until every event is accepted or rejected, and end the stream.

        Raises:
            ExchangeError: The stream failed permanently.
        """
        await self._stream.close()
