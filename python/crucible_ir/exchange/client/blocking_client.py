"""The client of the exchange that blocks."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

import grpc

from crucible_ir.exchange import v1
from crucible_ir.exchange.client import requests
from crucible_ir.exchange.client.batches import INGEST, EventBatch
from crucible_ir.exchange.client.blocking_streams import (
    AcknowledgedStream,
    Attended,
    Call,
    failure_of,
)
from crucible_ir.exchange.client.connection import DEFAULT_TARGET, Connection
from crucible_ir.exchange.client.failures import ClosedError, ExchangeError, UnavailableError
from crucible_ir.exchange.client.outbox import (
    BATCH_BYTES,
    BATCH_EVENTS,
    BATCH_SECONDS,
    EVENTS_TOGETHER,
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
    from crucible_ir.v1 import FeedbackEvent

    RequestT = TypeVar("RequestT", bound=Message)
    AnswerT = TypeVar("AnswerT", bound=Message)
    PagedT = TypeVar("PagedT", v1.ListRequest, v1.ListRevisionsRequest)


class ExchangeClient:
    """Hands documents and feedback to an exchange, and gets them from it.

    Calls that fail for a passing reason are made again until their timeout, where that does no
    harm: what changes something carries a request id, by which the server knows it again.

    The client is safe to use from several threads. It must not be used across a fork, since the
    threads of gRPC do not exist in the child. A client that is used in another process than its own
    raises `ClosedError`; make one in each process.

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
        self._channel = connection.open()
        self._exchange = ExchangeServiceStub(self._channel)
        self._feedback = FeedbackServiceStub(self._channel)
        self._ingest = self._channel.stream_stream(
            INGEST, EventBatch.encode, v1.IngestResponse.FromString
        )
        self._validation = ValidationServiceStub(self._channel)
        # What watches are opened with, and the channel of that where it is not the client's own.
        self._watching = self._exchange
        self._watching_apart: grpc.Channel | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End every call and let go of the connection."""
        self._closed = True
        if self._process != os.getpid():
            return
        with self._lock:
            if self._watching_apart is not None:
                self._watching_apart.close()
        self._channel.close()

    def publish(
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

        Args:
            document: A ``Document``, or a message that one can hold.
            id: The document's id; ``None`` for the one that the content has.
            etag: The etag of the revision that this one replaces; empty when the document must not
                exist yet; ``None`` to replace whatever is there.
            request_id: What makes the request safe to repeat; ``None`` to have one made.
            validate_only: Whether to check everything and store nothing.
            timeout: The seconds that it may take.

        Raises:
            InvalidDocumentError: The document breaks rules.
            EtagMismatchError: The latest revision is another one.
            ExchangeError: The call failed.
        """
        publication = Publication(document, id, etag, request_id, validate_only)
        answer = self._call(self._exchange.Publish, publication.request(), timeout)
        return Published.of(answer)

    def publish_many(self, documents: Iterable[Message | Publication]) -> Iterator[Outcome]:
        """Store many documents, each by itself, and yield what became of each, in order.

        Documents are taken from the iterable as they are sent, a limited number ahead of the
        results. After a broken connection those without a result are sent again, and so is one that
        is refused for a passing reason, until its own deadline.

        Args:
            documents: Documents, messages that one can hold, or publications.

        Raises:
            ExchangeError: The stream failed for good.
        """
        self._ensure_open()
        return self._publish_many(iter(documents))

    def _publish_many(self, documents: Iterator[Message | Publication]) -> Iterator[Outcome]:
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
            for item in documents:
                publication = item if isinstance(item, Publication) else Publication(item)
                stream.submit(partial(outbox.add, publication.request()))
                while outcomes:
                    yield outcomes.popleft()
            while not outbox.is_empty or outcomes:
                stream.wait_for(lambda: outcomes)
                while outcomes:
                    yield outcomes.popleft()
            stream.close()
        finally:
            stream.abandon()

    def get(
        self,
        type: TypeName,
        id: str,
        *,
        revision: int | None = None,
        timeout: float | None = None,
    ) -> Stored:
        """Return a document.

        Args:
            type: The class of its message, or that one's name.
            id: Its id.
            revision: The revision to return; ``None`` for the latest.
            timeout: The seconds that it may take.

        Raises:
            NotFoundError: There is no such document.
            ExchangeError: The call failed.
        """
        request = v1.GetRequest(type=requests.name_of(type), id=id, revision=revision)
        return Stored.of(self._call(self._exchange.Get, request, timeout))

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
    ) -> Iterator[Stored]:
        """Yield the latest revisions of the documents of a type, asking for pages as needed.

        Args:
            type: The class of their message, or that one's name.
            where: The values that fields have to have, by the fields' names.
            where_prefix: What the values of fields have to begin with.
            order: ``newest`` or ``id``.
            page_size: How many to ask for at a time.
            include_deleted: Whether to list deleted documents, too.
            include_documents: Whether to return documents and not only records.
            timeout: The seconds that each page may take.

        Raises:
            ExchangeError: A call failed.
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
    ) -> Iterator[Stored]:
        """Yield the revisions of a document, newest first, asking for pages as needed.

        Args:
            type: The class of its message, or that one's name.
            id: Its id.
            page_size: How many to ask for at a time.
            include_documents: Whether to return documents and not only records.
            timeout: The seconds that each page may take.

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
        return self._pages(
            lambda page: self._call(self._exchange.ListRevisions, page, timeout), request
        )

    def _pages(
        self,
        fetch: Callable[[PagedT], v1.ListResponse | v1.ListRevisionsResponse],
        request: PagedT,
    ) -> Iterator[Stored]:
        while True:
            page = fetch(request)
            yield from map(Stored.of, page.entries)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def delete(
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
            type: The class of its message, or that one's name.
            id: Its id.
            etag: The etag of the revision to delete; ``None`` for whichever is the latest.
            request_id: What makes the request safe to repeat; ``None`` to have one made.
            timeout: The seconds that it may take.

        Raises:
            NotFoundError: There is no such document.
            EtagMismatchError: The latest revision is another one.
            ExchangeError: The call failed.
        """
        request = requests.delete(type, id, etag, request_id)
        return Record.of(self._call(self._exchange.Delete, request, timeout).record)

    def watch(
        self,
        after: int | None = None,
        *,
        types: Iterable[TypeName] = (),
        id_prefix: str = "",
        include_documents: bool = False,
        heartbeat_ms: int | None = None,
        max_outage: float | None = MAX_OUTAGE,
    ) -> Watch:
        """Watch changes: each one after a sequence number, exactly once and in order.

        A watch goes on by itself after a broken connection. It tells of a `Gap` where the exchange
        no longer remembers changes that it should have told.

        Args:
            after: The sequence number after which to begin; 0 for all that the exchange remembers;
                ``None`` for changes from now on, which is when this method returns.
            types: The types to be told of; none for all.
            id_prefix: What the ids begin with.
            include_documents: Whether to be sent the documents, too.
            heartbeat_ms: The longest silence before the server gives a sign of life, in
                milliseconds. A server that is silent for twice that counts as gone.
            max_outage: The seconds for which to try to come back; ``None`` for ever.

        Raises:
            ExchangeError: The watch cannot begin.
        """
        position = WatchPosition(after, types, id_prefix, include_documents, heartbeat_ms)

        stub = self._exchange

        def open_call(after_silence: bool) -> Attended[v1.WatchResponse]:
            nonlocal stub
            self._ensure_open()
            stub = self._watch_stub(stub if after_silence else None)
            call = stub.Watch(position.request(), metadata=self._metadata)
            return Attended(call, position.silence)

        return Watch(open_call, position, self._attempts(), Attempts(self._retry, max_outage))

    def _watch_stub(self, silent: ExchangeServiceStub | None) -> ExchangeServiceStub:
        """Return what to open a watch with: over a new connection if this one has fallen silent.

        Other calls have deadlines, and stay on theirs until gRPC finds that it is dead.
        """
        with self._lock:
            if silent is self._watching and not self._closed:
                if self._watching_apart is not None:
                    self._watching_apart.close()
                self._watching_apart = self._connection.open()
                self._watching = ExchangeServiceStub(self._watching_apart)
            return self._watching

    def trace(
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

        Args:
            type: The class of its message, or that one's name.
            id: Its id.
            revision: The revision to start from; ``None`` for the latest.
            direction: ``upstream`` to what it came from, ``downstream`` to what came of it, or
                ``both``.
            max_depth: The most references between it and any other document.
            max_nodes: The most documents.
            timeout: The seconds that it may take.

        Raises:
            NotFoundError: Nothing is known of the document.
            ExchangeError: The call failed.
        """
        request = requests.trace(type, id, revision, direction, max_depth, max_nodes)
        return Lineage.of(self._call(self._exchange.TraceLineage, request, timeout))

    def compact(
        self,
        *,
        keep_after: int | None = None,
        keep_within: timedelta | None = None,
        timeout: float | None = None,
    ) -> int:
        """Drop the beginning of the history: revisions that are not the latest of their document.

        Latest revisions and feedback events stay. A watch that goes on from before is told a `Gap`.

        Args:
            keep_after: The sequence number after which every change is kept.
            keep_within: The time before now within which every change is kept. One of the two has
                to be given.
            timeout: The seconds that it may take.

        Returns:
            The first sequence number from which on every change is remembered.

        Raises:
            PermissionDeniedError: The caller is no admin, or one of some documents only.
            InvalidDocumentError: No change has that sequence number yet.
            ExchangeError: The call failed.
        """
        request = requests.compact(keep_after, keep_within)
        return self._call(self._exchange.Compact, request, timeout).oldest_sequence

    def ingestion(
        self,
        *,
        max_events: int = BATCH_EVENTS,
        max_bytes: int = BATCH_BYTES,
        max_seconds: float = BATCH_SECONDS,
        most_outstanding: int = MOST_OUTSTANDING,
        on_refused: Callable[[RefusedEvent], None] | None = None,
    ) -> Ingestion:
        """Open an ingestion, into which feedback events can be put one at a time.

        Args:
            max_events: The most events in a batch.
            max_bytes: The most bytes of events in a batch.
            max_seconds: How long an event waits for others to be sent with.
            most_outstanding: The most batches without an acknowledgement; with that many,
                `Ingestion.add` waits.
            on_refused: Called from another thread with each event that is refused.
        """
        self._ensure_open()
        return Ingestion(
            lambda sent: self._ingest(sent, metadata=self._metadata),
            EventOutbox(max_events, max_bytes, max_seconds, most_outstanding, self._attempts),
            self._attempts(),
            self._timeout,
            on_refused,
        )

    def ingest(
        self,
        events: Iterable[FeedbackEvent],
        *,
        on_refused: Callable[[RefusedEvent], None] | None = None,
    ) -> IngestReport:
        """Hand over feedback events and return what became of them, once all are answered for.

        An event that is refused for a passing reason is sent again, until its own deadline.

        Args:
            events: The events; only some batches are held at a time.
            on_refused: Called from another thread with each event that is refused.

        Raises:
            ExchangeError: The stream failed for good.
        """
        with self.ingestion(on_refused=on_refused) as ingestion:
            if isinstance(events, Sequence):
                ingestion.add_all(events)
            else:
                for event in events:
                    ingestion.add(event)
        return ingestion.report

    def export(
        self, events: EventFilter | None = None, *, batch_size: int | None = None, cursor: str = ""
    ) -> Iterator[FeedbackEvent]:
        """Yield feedback events in the order in which they were taken in.

        An export goes on by itself after a broken connection, and after being cut off for reading
        slowly.

        Args:
            events: Which events; ``None`` for all.
            batch_size: How many to be sent at a time.
            cursor: Where to begin, as an earlier export told; empty for the first event.

        Raises:
            ExchangeError: The call failed.
        """
        self._ensure_open()
        return self._export((events or EventFilter()).export(batch_size, cursor))

    def _export(self, request: v1.ExportRequest) -> Iterator[FeedbackEvent]:
        attempts = self._attempts()
        begun = False
        while True:
            call = Attended(self._feedback.Export(request, metadata=self._metadata), self._timeout)
            try:
                for answer in call:
                    begun = True
                    yield from answer.events
                    request.cursor = answer.cursor
                    attempts.succeeded()
                return
            except ExchangeError as error:
                delay_after = attempts.delay_before_resuming if begun else attempts.delay_after
                delay = delay_after(error)
            finally:
                call.cancel()
            time.sleep(delay)

    def summarize(
        self,
        events: EventFilter | None = None,
        *,
        bucket: timedelta | None = None,
        timeout: float | None = None,
    ) -> list[Summary]:
        """Count feedback events and their latencies by type and time.

        Args:
            events: Which events; ``None`` for all.
            bucket: The length of the spans of time to sum up; ``None`` for all time as one.
            timeout: The seconds that it may take.

        Raises:
            ExchangeError: The call failed.
        """
        request = (events or EventFilter()).summarize(bucket)
        answer = self._call(self._feedback.Summarize, request, timeout)
        return list(map(Summary.of, answer.summaries))

    def validate(
        self,
        content: bytes | Message,
        type: TypeName | None = None,
        form: str = "binary",
        *,
        lints: bool = True,
        timeout: float | None = None,
    ) -> Verdict:
        """Ask the exchange whether bytes are a valid message.

        Args:
            content: The message, or its bytes.
            type: The class of the message, or that one's name; needed for bytes.
            form: The form of the bytes, such as ``yaml``.
            lints: Whether to be given advice, too.
            timeout: The seconds that it may take.

        Raises:
            ExchangeError: The call failed.
        """
        request = requests.validate(content, type, form, lints)
        return Verdict.of(self._call(self._validation.Validate, request, timeout))

    def convert(
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

        Args:
            content: The message, or its bytes.
            to: The form to write, such as ``crucible-json``.
            type: The class of the message, or that one's name; needed for bytes.
            form: The form of the bytes.
            allow_invalid: Whether to convert a message that breaks rules, too.
            timeout: The seconds that it may take.

        Raises:
            InvalidDocumentError: It cannot be read, breaks a rule or cannot be written like this.
            ExchangeError: The call failed.
        """
        request = requests.convert(content, type, form, to, allow_invalid)
        return self._call(self._validation.Convert, request, timeout).content

    def _call(
        self,
        method: grpc.UnaryUnaryMultiCallable[RequestT, AnswerT],
        request: RequestT,
        timeout: float | None,
    ) -> AnswerT:
        attempts = self._attempts(timeout, repeatable=is_repeatable(request))
        while True:
            self._ensure_open()
            try:
                return method(request, timeout=attempts.remaining, metadata=self._metadata)
            except grpc.RpcError as error:
                delay = attempts.delay_after(failure_of(error))
            time.sleep(delay)

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


class Watch(Iterator[Change | Gap]):
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
        open_call: Callable[[bool], Attended[v1.WatchResponse]],
        position: WatchPosition,
        beginning: Attempts,
        resuming: Attempts,
    ) -> None:
        self._open_call = open_call
        self._position = position
        self._beginning = beginning
        self._resuming = resuming
        self._begun = False
        self._closed = threading.Event()
        self._after_silence = False
        self._call: Attended[v1.WatchResponse] | None = open_call(False)
        while not position.is_known:
            self._position.advance(self._receive())

    @property
    def sequence(self) -> int:
        """The sequence number up to which everything was told: where another watch can go on."""
        return self._position.sequence or 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the watch; another thread that waits for a change then comes to its end."""
        self._closed.set()
        if self._call is not None:
            self._call.cancel()

    def __next__(self) -> Change | Gap:
        while not self._closed.is_set():
            try:
                event = self._position.advance(self._receive())
            except ExchangeError:
                if self._closed.is_set():
                    break
                self.close()
                raise
            if event is not None:
                return event
        raise StopIteration

    def _receive(self) -> v1.WatchResponse:
        """Return the next message, over a new call if need be."""
        while True:
            if self._closed.is_set():
                raise ClosedError("the watch was closed")
            if self._call is None:
                self._call = self._open_call(self._after_silence)
            try:
                answer = next(self._call)
            except StopIteration:
                error: ExchangeError = UnavailableError(
                    "the server ended the watch", code="UNAVAILABLE"
                )
            except ExchangeError as failure:
                error = failure
            else:
                self._begun = True
                self._resuming.succeeded()
                return answer
            self._call = None
            self._after_silence = error.reason == SILENCE
            self._closed.wait(self._delay_after(error))

    def _delay_after(self, error: ExchangeError) -> float:
        if not self._begun:
            return self._beginning.delay_after(error)
        return self._resuming.delay_before_resuming(error)


class Ingestion:
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
        open_call: Callable[[Iterator[EventBatch]], Call[v1.IngestResponse]],
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

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self._stream.abandon()

    def add(self, event: FeedbackEvent) -> None:
        """Take an event; waits while too many batches are without an acknowledgement.

        Raises:
            ExchangeError: The stream failed for good.
        """
        self._stream.submit(lambda: self._outbox.add(event))

    def add_all(self, events: Sequence[FeedbackEvent]) -> None:
        """Take events that are there already, in less time than one after another.

        Raises:
            ExchangeError: The stream failed for good.
        """
        for start in range(0, len(events), EVENTS_TOGETHER):
            some = events[start : start + EVENTS_TOGETHER]
            self._stream.submit(partial(self._outbox.add_all, some))

    def flush(self) -> None:
        """Wait until every event so far is answered for.

        Raises:
            ExchangeError: The stream failed for good.
        """
        self._stream.submit(self._outbox.seal)
        self._stream.drain()

    def close(self) -> None:
        """Wait until every event is answered for, and end the stream.

        Raises:
            ExchangeError: The stream failed for good.
        """
        self._stream.close()
