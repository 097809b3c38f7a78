"""The client of the exchange for asyncio."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from datetime import timedelta
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar, cast

import grpc.aio

from crucible_ir.exchange import v1
from crucible_ir.exchange.client import requests
from crucible_ir.exchange.client.async_streams import AcknowledgedStream, Attended, failure_of
from crucible_ir.exchange.client.batches import INGEST, EventBatch
from crucible_ir.exchange.client.connection import DEFAULT_TARGET, Connection
from crucible_ir.exchange.client.failures import ClosedError, ExchangeError, UnavailableError
from crucible_ir.exchange.client.outbox import (
    BATCH_BYTES,
    BATCH_EVENTS,
    BATCH_SECONDS,
    MOST_OUTSTANDING,
    EventOutbox,
    PublicationOutbox,
)
from crucible_ir.exchange.client.requests import EventFilter, Publication
from crucible_ir.exchange.client.results import (
    Change,
    Gap,
    IngestReport,
    Lineage,
    Outcome,
    Published,
    Record,
    RefusedEvent,
    Stored,
    Summary,
    Verdict,
)
from crucible_ir.exchange.client.retrying import (
    DEFAULT_TIMEOUT,
    MAX_OUTAGE,
    Attempts,
    RetryPolicy,
    is_repeatable,
)
from crucible_ir.exchange.client.statuses import SILENCE
from crucible_ir.exchange.client.tls import Tls
from crucible_ir.exchange.client.watching import WatchPosition
from crucible_ir.exchange.v1.exchange_service_pb2_grpc import ExchangeServiceStub
from crucible_ir.exchange.v1.feedback_service_pb2_grpc import FeedbackServiceStub
from crucible_ir.exchange.v1.validation_service_pb2_grpc import ValidationServiceStub

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.exchange.client.requests import TypeName
    from crucible_ir.exchange.v1.exchange_service_pb2_grpc import ExchangeServiceAsyncStub
    from crucible_ir.exchange.v1.feedback_service_pb2_grpc import FeedbackServiceAsyncStub
    from crucible_ir.exchange.v1.validation_service_pb2_grpc import ValidationServiceAsyncStub
    from crucible_ir.v1 import FeedbackEvent

    RequestT = TypeVar("RequestT", bound=Message)
    AnswerT = TypeVar("AnswerT", bound=Message)
    ItemT = TypeVar("ItemT")
    #: Many items, from an iterable of either kind.
    Many = Iterable[ItemT] | AsyncIterable[ItemT]
    PagedT = TypeVar("PagedT", v1.ListRequest, v1.ListRevisionsRequest)


class AsyncExchangeClient:
    """Hands documents and feedback to an exchange, and gets them from it.

    Calls that fail for a passing reason are made again until their timeout, where that does no
    harm: what changes something carries a request id, by which the server knows it again.

    The client belongs to the event loop in which it is made. It must not be used across a fork:
    a client that is used in another process than its own raises `ClosedError`.

    Args:
        target: The address of the server.
        token: What the server knows the caller by. It is not sent in plain text to another machine.
        tls: The certificates; ``None`` for a connection in plain text.
        timeout: The seconds that a call may take, unless it says otherwise.
        retry: How calls are made again.

    Raises:
        InsecureChannelError: The token would leave this machine in plain text.
    """

    def __init__(
        self,
        target: str = DEFAULT_TARGET,
        *,
        token: str | None = None,
        tls: Tls | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        retry: RetryPolicy | None = None,
    ) -> None:
        self._connection = connection = Connection(target, token, tls)
        self._timeout = timeout
        self._retry = retry or RetryPolicy()
        self._metadata = connection.metadata
        self._process = os.getpid()
        self._closed = False
        self._channel = connection.open_async()
        # The stubs work on either kind of channel; their declared types know one.
        channel = cast("grpc.Channel", self._channel)
        self._exchange = cast("ExchangeServiceAsyncStub", ExchangeServiceStub(channel))
        self._feedback = cast("FeedbackServiceAsyncStub", FeedbackServiceStub(channel))
        self._ingest = self._channel.stream_stream(
            INGEST, EventBatch.encode, v1.IngestResponse.FromString
        )
        self._validation = cast("ValidationServiceAsyncStub", ValidationServiceStub(channel))
        # What watches are opened with, and the channel of that where it is not the client's own.
        self._watching = self._exchange
        self._watching_apart: grpc.aio.Channel | None = None

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
        """End every call and let go of the connection."""
        self._closed = True
        if self._process != os.getpid():
            return
        if self._watching_apart is not None:
            await self._watching_apart.close(None)
        await self._channel.close(None)

    async def publish(
        self,
        document: Message,
        *,
        id: str | None = None,
        etag: str | None = None,
        request_id: str | None = None,
        validate_only: bool = False,
        timeout: float | None = None,
    ) -> Published:
        """Store a document: create it, or make a new revision of it.

        What it takes, returns and raises is that of `ExchangeClient.publish`.
        """
        publication = Publication(document, id, etag, request_id, validate_only)
        answer = await self._call(self._exchange.Publish, publication.request(), timeout)
        return Published.of(answer)

    def publish_many(self, documents: Many[Message | Publication]) -> AsyncIterator[Outcome]:
        """Store many documents, each by itself, and yield what became of each, in order.

        What it takes, returns and raises is that of `ExchangeClient.publish_many`.
        """
        self._ensure_open()
        return self._publish_many(documents)

    async def _publish_many(self, documents: Many[Message | Publication]) -> AsyncIterator[Outcome]:
        outbox = PublicationOutbox(self._attempts)
        outcomes = outbox.outcomes
        stream = AcknowledgedStream(
            lambda sent: self._exchange.BatchPublish(sent, metadata=self._metadata),
            outbox,
            outbox.receive,
            self._attempts(),
            self._timeout,
        )
        try:
            async for item in _each(documents):
                publication = item if isinstance(item, Publication) else Publication(item)
                await stream.submit(partial(outbox.add, publication.request()))
                while outcomes:
                    yield outcomes.popleft()
            while not outbox.is_empty or outcomes:
                await stream.wait_for(lambda: outcomes)
                while outcomes:
                    yield outcomes.popleft()
            await stream.close()
        finally:
            await stream.abandon()

    async def get(
        self,
        type: TypeName,
        id: str,
        *,
        revision: int | None = None,
        timeout: float | None = None,
    ) -> Stored:
        """Return a document.

        What it takes, returns and raises is that of `ExchangeClient.get`.
        """
        request = v1.GetRequest(type=requests.name_of(type), id=id, revision=revision)
        answer = await self._call(self._exchange.Get, request, timeout)
        return Stored.of(answer)

    def list_documents(
        self,
        type: TypeName,
        *,
        where: Mapping[str, str] | None = None,
        where_prefix: Mapping[str, str] | None = None,
        order: str = "newest",
        page_size: int | None = None,
        include_deleted: bool = False,
        include_documents: bool = False,
        timeout: float | None = None,
    ) -> AsyncIterator[Stored]:
        """Yield the latest revisions of the documents of a type, asking for pages as needed.

        What it takes, returns and raises is that of `ExchangeClient.list_documents`.
        """
        request = requests.list_documents(
            type, where, where_prefix, order, page_size, include_deleted, include_documents
        )
        return self._pages(lambda page: self._call(self._exchange.List, page, timeout), request)

    def list_revisions(
        self,
        type: TypeName,
        id: str,
        *,
        page_size: int | None = None,
        include_documents: bool = False,
        timeout: float | None = None,
    ) -> AsyncIterator[Stored]:
        """Yield the revisions of a document, newest first, asking for pages as needed.

        What it takes, returns and raises is that of `ExchangeClient.list_revisions`.
        """
        request = v1.ListRevisionsRequest(
            type=requests.name_of(type),
            id=id,
            page_size=page_size,
            include_documents=include_documents,
        )
        return self._pages(
            lambda page: self._call(self._exchange.ListRevisions, page, timeout), request
        )

    async def _pages(
        self,
        fetch: Callable[[PagedT], Awaitable[v1.ListResponse | v1.ListRevisionsResponse]],
        request: PagedT,
    ) -> AsyncIterator[Stored]:
        while True:
            page = await fetch(request)
            for entry in page.entries:
                yield Stored.of(entry)
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

        What it takes, returns and raises is that of `ExchangeClient.delete`.
        """
        request = requests.delete(type, id, etag, request_id)
        return Record.of((await self._call(self._exchange.Delete, request, timeout)).record)

    def watch(
        self,
        after: int | None = None,
        *,
        types: Iterable[TypeName] = (),
        id_prefix: str = "",
        include_documents: bool = False,
        heartbeat_ms: int | None = None,
        max_outage: float | None = MAX_OUTAGE,
    ) -> AsyncWatch:
        """Watch changes: each one after a sequence number, exactly once and in order.

        What it takes and tells is that of `ExchangeClient.watch`. It begins when it is entered as a
        context manager, or with its first change.
        """
        position = WatchPosition(after, types, id_prefix, include_documents, heartbeat_ms)

        stub = self._exchange

        async def open_call(after_silence: bool) -> Attended[v1.WatchResponse]:
            nonlocal stub
            self._ensure_open()
            stub = await self._watch_stub(stub if after_silence else None)
            call = stub.Watch(position.request(), metadata=self._metadata)
            return Attended(call, position.silence)

        return AsyncWatch(open_call, position, self._attempts(), Attempts(self._retry, max_outage))

    async def _watch_stub(
        self, silent: ExchangeServiceAsyncStub | None
    ) -> ExchangeServiceAsyncStub:
        """Return what to open a watch with: over a new connection if this one has fallen silent.

        Other calls have deadlines, and stay on theirs until gRPC finds that it is dead.
        """
        if silent is self._watching and not self._closed:
            dead, self._watching_apart = self._watching_apart, self._connection.open_async()
            stub = ExchangeServiceStub(cast("grpc.Channel", self._watching_apart))
            self._watching = cast("ExchangeServiceAsyncStub", stub)
            if dead is not None:
                await dead.close(None)
        return self._watching

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
        """Follow the references between documents from one of them.

        What it takes, returns and raises is that of `ExchangeClient.trace`.
        """
        request = requests.trace(type, id, revision, direction, max_depth, max_nodes)
        return Lineage.of(await self._call(self._exchange.TraceLineage, request, timeout))

    async def compact(
        self,
        *,
        keep_after: int | None = None,
        keep_within: timedelta | None = None,
        timeout: float | None = None,
    ) -> int:
        """Drop the beginning of the history: revisions that are not the latest of their document.

        What it takes, returns and raises is that of `ExchangeClient.compact`.
        """
        request = requests.compact(keep_after, keep_within)
        return (await self._call(self._exchange.Compact, request, timeout)).oldest_sequence

    def ingestion(
        self,
        *,
        max_events: int = BATCH_EVENTS,
        max_bytes: int = BATCH_BYTES,
        max_seconds: float = BATCH_SECONDS,
        most_outstanding: int = MOST_OUTSTANDING,
        on_refused: Callable[[RefusedEvent], None] | None = None,
    ) -> AsyncIngestion:
        """Open an ingestion, into which feedback events can be put one at a time.

        What it takes, returns and raises is that of `ExchangeClient.ingestion`.
        """
        self._ensure_open()
        return AsyncIngestion(
            lambda sent: self._ingest(sent, metadata=self._metadata),
            EventOutbox(max_events, max_bytes, max_seconds, most_outstanding, self._attempts),
            self._attempts(),
            self._timeout,
            on_refused,
        )

    async def ingest(
        self,
        events: Many[FeedbackEvent],
        *,
        on_refused: Callable[[RefusedEvent], None] | None = None,
    ) -> IngestReport:
        """Hand over feedback events and return what became of them, once all are answered for.

        What it takes, returns and raises is that of `ExchangeClient.ingest`.
        """
        async with self.ingestion(on_refused=on_refused) as ingestion:
            async for event in _each(events):
                await ingestion.add(event)
        return ingestion.report

    def export(
        self, events: EventFilter | None = None, *, batch_size: int | None = None, cursor: str = ""
    ) -> AsyncIterator[FeedbackEvent]:
        """Yield feedback events in the order in which they were taken in.

        What it takes, returns and raises is that of `ExchangeClient.export`.
        """
        self._ensure_open()
        return self._export((events or EventFilter()).export(batch_size, cursor))

    async def _export(self, request: v1.ExportRequest) -> AsyncIterator[FeedbackEvent]:
        attempts = self._attempts()
        begun = False
        while True:
            call: Attended[v1.ExportResponse] = Attended(
                self._feedback.Export(request, metadata=self._metadata), self._timeout
            )
            try:
                while (answer := await call.receive()) is not None:
                    begun = True
                    for event in answer.events:
                        yield event
                    request.cursor = answer.cursor
                    attempts.succeeded()
                return
            except ExchangeError as error:
                if begun:
                    delay = attempts.delay_before_resuming(error)
                else:
                    delay = await attempts.delay_after_on_loop(error)
            finally:
                call.cancel()
            await asyncio.sleep(delay)

    async def summarize(
        self,
        events: EventFilter | None = None,
        *,
        bucket: timedelta | None = None,
        timeout: float | None = None,
    ) -> list[Summary]:
        """Count feedback events and their latencies by type and time.

        What it takes, returns and raises is that of `ExchangeClient.summarize`.
        """
        request = (events or EventFilter()).summarize(bucket)
        answer = await self._call(self._feedback.Summarize, request, timeout)
        return list(map(Summary.of, answer.summaries))

    async def validate(
        self,
        content: bytes | Message,
        type: TypeName | None = None,
        form: str = "binary",
        *,
        lints: bool = True,
        timeout: float | None = None,
    ) -> Verdict:
        """Ask the exchange whether bytes are a valid message.

        What it takes, returns and raises is that of `ExchangeClient.validate`.
        """
        request = requests.validate(content, type, form, lints)
        return Verdict.of(await self._call(self._validation.Validate, request, timeout))

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
        """Have the exchange write a message in another form.

        What it takes, returns and raises is that of `ExchangeClient.convert`.
        """
        request = requests.convert(content, type, form, to, allow_invalid)
        return (await self._call(self._validation.Convert, request, timeout)).content

    async def _call(
        self,
        method: grpc.aio.UnaryUnaryMultiCallable[RequestT, AnswerT],
        request: RequestT,
        timeout: float | None,
    ) -> AnswerT:
        attempts = self._attempts(timeout, repeatable=is_repeatable(request))
        while True:
            self._ensure_open()
            try:
                return await method(request, timeout=attempts.remaining, metadata=self._metadata)
            except grpc.aio.AioRpcError as error:
                delay = await attempts.delay_after_on_loop(failure_of(error))
            await asyncio.sleep(delay)

    def _attempts(self, timeout: float | None = None, *, repeatable: bool = True) -> Attempts:
        patience = self._timeout if timeout is None else timeout
        return Attempts(
            self._retry,
            patience,
            repeatable=repeatable,
            explained=self._connection.explained,
        )

    def _ensure_open(self) -> None:
        if self._closed:
            raise ClosedError("the client was closed")
        if self._process != os.getpid():
            raise ClosedError("the client was made before a fork: make one in each process")


async def _each(items: Many[ItemT]) -> AsyncIterator[ItemT]:
    if isinstance(items, AsyncIterable):
        async for item in items:
            yield item
        return
    for item in items:
        yield item


class AsyncWatch(AsyncIterator[Change | Gap]):
    """Changes of an exchange, each exactly once and in order, across broken connections.

    Args:
        open_call: Opens a call that goes on from the position; it is told whether the server fell
            silent on the last one.
        position: What is asked for, and how far it was told.
        beginning: How often to try to begin.
        resuming: How often to try to resume.
    """

    def __init__(
        self,
        open_call: Callable[[bool], Awaitable[Attended[v1.WatchResponse]]],
        position: WatchPosition,
        beginning: Attempts,
        resuming: Attempts,
    ) -> None:
        self._open_call = open_call
        self._position = position
        self._beginning = beginning
        self._resuming = resuming
        self._begun = False
        self._closed = asyncio.Event()
        self._after_silence = False
        self._call: Attended[v1.WatchResponse] | None = None

    async def begin(self) -> None:
        """Wait until it is known from where on changes are told.

        Raises:
            ExchangeError: The watch cannot begin.
        """
        while not self._position.is_known:
            self._position.advance(await self._receive())

    @property
    def sequence(self) -> int:
        """The sequence number up to which everything was told: where another watch can go on."""
        return self._position.sequence or 0

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
        """End the watch; another task that waits for a change then comes to its end."""
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
        """Return the next message, over a new call if need be."""
        while True:
            if self._closed.is_set():
                raise ClosedError("the watch was closed")
            if self._call is None:
                self._call = await self._open_call(self._after_silence)
            try:
                answer = await self._call.receive()
            except ExchangeError as failure:
                error = failure
            else:
                if answer is not None:
                    self._begun = True
                    self._resuming.succeeded()
                    return answer
                error = UnavailableError("the server ended the watch", code="UNAVAILABLE")
            self._call = None
            self._after_silence = error.reason == SILENCE
            await self._pause(await self._delay_after(error))

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closed.wait()

    async def _delay_after(self, error: ExchangeError) -> float:
        if not self._begun:
            return await self._beginning.delay_after_on_loop(error)
        return self._resuming.delay_before_resuming(error)


class AsyncIngestion:
    """Takes feedback events one at a time and hands them over in batches.

    As a context manager it ends with everything acknowledged, unless an exception ends it.

    Args:
        open_call: Opens a stream.
        outbox: Makes the batches.
        attempts: How often to open a stream again.
        patience: The longest wait for an acknowledgement, in seconds.
        on_refused: Called with each event that is refused.
    """

    def __init__(
        self,
        open_call: Callable[
            [AsyncIterator[EventBatch]],
            grpc.aio.StreamStreamCall[EventBatch, v1.IngestResponse],
        ],
        outbox: EventOutbox,
        attempts: Attempts,
        patience: float,
        on_refused: Callable[[RefusedEvent], None] | None,
    ) -> None:
        def settle(answer: v1.IngestResponse) -> None:
            for refused in outbox.acknowledge(answer):
                if on_refused is not None:
                    on_refused(refused)

        self._outbox = outbox
        self._stream = AcknowledgedStream(open_call, outbox, settle, attempts, patience)

    @property
    def report(self) -> IngestReport:
        """What became of the events so far."""
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
            await self._stream.abandon()

    async def add(self, event: FeedbackEvent) -> None:
        """Take an event; waits while too many batches are without an acknowledgement.

        Raises:
            ExchangeError: The stream failed for good.
        """
        await self._stream.submit(lambda: self._outbox.add(event))

    async def flush(self) -> None:
        """Wait until every event so far is answered for.

        Raises:
            ExchangeError: The stream failed for good.
        """
        await self._stream.submit(self._outbox.seal)
        await self._stream.drain()

    async def close(self) -> None:
        """Wait until every event is answered for, and end the stream.

        Raises:
            ExchangeError: The stream failed for good.
        """
        await self._stream.close()
