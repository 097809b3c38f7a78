"""What calls to the exchange return, as plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from crucible_ir.errors import Violation
from crucible_ir.exchange import v1
from crucible_ir.exchange.client.failures import ExchangeError
from crucible_ir.exchange.client.statuses import error_of_item, violations_of
from crucible_ir.schema import vocabulary
from crucible_ir.v1 import Document

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from google.protobuf.timestamp_pb2 import Timestamp


@dataclass(frozen=True, slots=True)
class Record:
    """One revision of one document; the attributes are the fields of the message ``Record``.

    Attributes:
        type: The short name of the document's message.
        id: The document's id.
        revision: Which revision of the document this is, from 1.
        sequence: Its place among all changes of the exchange, from 1; 0 when nothing was stored.
        etag: What to give back as the precondition of a change.
        digest: The digest of the content; ``None`` when it has none.
        create_time: When the document was first published.
        update_time: When this revision was made.
        publisher: Who made it; ``None`` when the server asks nobody who they are.
        deleted: Whether the revision is the deletion of the document.
    """

    type: str
    id: str
    revision: int
    sequence: int
    etag: str
    digest: str | None
    create_time: datetime
    update_time: datetime
    publisher: str | None
    deleted: bool

    @classmethod
    def of(cls, record: v1.Record) -> Record:
        """Return the record that a message holds."""
        return cls(
            record.type,
            record.id,
            record.revision,
            record.sequence,
            record.etag,
            record.digest if record.HasField("digest") else None,
            _moment(record.create_time),
            _moment(record.update_time),
            record.publisher if record.HasField("publisher") else None,
            record.deleted,
        )


def _moment(timestamp: Timestamp) -> datetime:
    return timestamp.ToDatetime(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Stored:
    """A record and its document.

    Attributes:
        record: The record.
        document: The document as it was published; ``None`` when it was not asked for, or the
            revision is a deletion.
    """

    record: Record
    document: Document | None

    @property
    def content(self) -> Message | None:
        """The message that the document holds."""
        return None if self.document is None else content_of(self.document)

    @classmethod
    def of(cls, answer: v1.GetResponse | v1.Entry | v1.Change) -> Stored:
        """Return the record and the document that a message holds."""
        document = answer.document if answer.HasField("document") else None
        return cls(Record.of(answer.record), document)


def content_of(document: Document) -> Message | None:
    """Return the message that a document holds, if it holds one that this release knows."""
    member = document.WhichOneof("content")
    if member is None:
        return None
    content: Message = getattr(document, member)
    return content


@dataclass(frozen=True, slots=True)
class Published:
    """What became of a publication.

    Attributes:
        record: The record of the document's latest revision.
        created: Whether the document did not exist before.
        unchanged: Whether it equals the revision that was there, so that none was made.
    """

    record: Record
    created: bool
    unchanged: bool

    @classmethod
    def of(cls, answer: v1.PublishResponse) -> Published:
        """Return what a message says."""
        return cls(Record.of(answer.record), answer.created, answer.unchanged)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one of many publications: it was stored, or it was refused.

    Attributes:
        index: The place of the document among those that were given, from 0.
        published: What was stored.
        error: Why it was refused.
        retryable: Whether the same document may be taken when it comes again.
    """

    index: int
    published: Published | None = None
    error: ExchangeError | None = None
    retryable: bool = False

    @classmethod
    def of(cls, answer: v1.BatchPublishResponse) -> Outcome:
        """Return what a message says."""
        if answer.WhichOneof("result") == "published":
            return cls(answer.index, published=Published.of(answer.published))
        return cls(
            answer.index, error=error_of_item(answer.error), retryable=answer.error.retryable
        )


@dataclass(frozen=True, slots=True)
class Change(Stored):
    """A publication or a deletion that a watch tells of."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Changes that a watch cannot tell of, since the exchange dropped them from its history.

    Attributes:
        after_sequence: The sequence number after which changes are missing.
        through_sequence: The last one that is missing.
    """

    after_sequence: int
    through_sequence: int


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Says that a watch is alive.

    Attributes:
        sequence: Every change up to this one was told, or was not asked for.
        time: The server's clock.
    """

    sequence: int
    time: datetime


def event_of(answer: v1.WatchResponse) -> Change | Gap | Heartbeat | None:
    """Return what a message of a watch tells; ``None`` for what only newer servers tell."""
    kind = answer.WhichOneof("event")
    if kind == "change":
        told = Stored.of(answer.change)
        return Change(told.record, told.document)
    if kind == "gap":
        return Gap(answer.gap.after_sequence, answer.gap.through_sequence)
    if kind == "heartbeat":
        return Heartbeat(answer.heartbeat.sequence, _moment(answer.heartbeat.time))
    return None


@dataclass(frozen=True, slots=True, order=True)
class Reference:
    """Names a document."""

    type: str
    id: str

    def __str__(self) -> str:
        return f"{self.type}/{self.id}"


@dataclass(frozen=True, slots=True)
class LineageNode:
    """A document of a lineage.

    Attributes:
        reference: The document.
        state: What the exchange has of it: ``stored``, ``embedded``, ``feedback``, ``deleted`` or
            ``missing``; a number where a newer server says something else.
        depth: The number of references between it and the start.
        record: Its record; ``None`` when it is not stored as a document of its own.
    """

    reference: Reference
    state: str
    depth: int
    record: Record | None


@dataclass(frozen=True, slots=True)
class LineageEdge:
    """A reference from one document of a lineage to another, and the field that holds it."""

    source: Reference
    target: Reference
    field: str


@dataclass(frozen=True, slots=True)
class Lineage:
    """The documents that one is connected with.

    Attributes:
        nodes: The documents, the start first and then by their distance from it.
        edges: The references between them.
        missing: The documents that the exchange does not have.
        truncated: Whether there is more beyond the limits on depth and nodes.
    """

    nodes: tuple[LineageNode, ...]
    edges: tuple[LineageEdge, ...]
    missing: tuple[Reference, ...]
    truncated: bool

    @classmethod
    def of(cls, answer: v1.TraceLineageResponse) -> Lineage:
        """Return what a message says."""
        return cls(
            tuple(map(_node, answer.nodes)),
            tuple(
                LineageEdge(_reference(edge.source), _reference(edge.target), edge.field)
                for edge in answer.edges
            ),
            tuple(map(_reference, answer.missing)),
            answer.truncated,
        )


def _reference(reference: v1.Reference) -> Reference:
    return Reference(reference.type, reference.id)


def _node(node: v1.LineageNode) -> LineageNode:
    states = vocabulary.names(v1.LineageNodeState.DESCRIPTOR)
    record = Record.of(node.record) if node.HasField("record") else None
    state = states.get(node.state, str(int(node.state)))
    return LineageNode(_reference(node.reference), state, node.depth, record)


@dataclass(frozen=True, slots=True)
class RefusedEvent:
    """A feedback event that was refused.

    Attributes:
        index: Its place among all events that were given, from 0.
        id: Its id.
        error: Why it was refused.
        retryable: Whether the same event may be taken when it comes again.
    """

    index: int
    id: str
    error: ExchangeError
    retryable: bool


@dataclass(slots=True)
class IngestReport:
    """What became of feedback events.

    An event that had to be sent again after a broken connection may be counted as a duplicate of
    itself: either way it is kept, once.

    Attributes:
        accepted: How many were taken in; they are durable.
        duplicates: How many were there already, by their ids.
        refused: Those that were refused, in the order in which they were given; only as many as the
            limit on kept refusals.
        refused_count: How many were refused.
        batches: How many batches were acknowledged.
        resent: How many batches were sent again because a connection broke.
        retried: How often an event was sent again because it was refused for a passing reason.
    """

    accepted: int = 0
    duplicates: int = 0
    refused: list[RefusedEvent] = field(default_factory=list)
    refused_count: int = 0
    batches: int = 0
    resent: int = 0
    retried: int = 0

    @property
    def total(self) -> int:
        """How many events were answered for."""
        return self.accepted + self.duplicates + self.refused_count


@dataclass(frozen=True, slots=True)
class Latency:
    """How long answers took, in milliseconds; the attributes are those of ``LatencySummary``."""

    count: int
    mean_ms: float
    min_ms: int
    p50_ms: int
    p90_ms: int
    p95_ms: int
    p99_ms: int
    max_ms: int


@dataclass(frozen=True, slots=True)
class Summary:
    """The feedback events of one type in one span of time.

    Attributes:
        feedback_type: The type's name; ``None`` for events that do not state one.
        start_time: When the span begins; ``None`` when all time is one span.
        count: How many events there are.
        latency: How long answers took; ``None`` when no event states it.
    """

    feedback_type: str | None
    start_time: datetime | None
    count: int
    latency: Latency | None

    @classmethod
    def of(cls, summary: v1.FeedbackSummary) -> Summary:
        """Return what a message says."""
        latency = summary.latency
        return cls(
            summary.feedback_type if summary.HasField("feedback_type") else None,
            _moment(summary.start_time) if summary.HasField("start_time") else None,
            summary.count,
            Latency(
                latency.count,
                latency.mean_ms,
                latency.min_ms,
                latency.p50_ms,
                latency.p90_ms,
                latency.p95_ms,
                latency.p99_ms,
                latency.max_ms,
            )
            if summary.HasField("latency")
            else None,
        )


@dataclass(frozen=True, slots=True)
class Lint:
    """One piece of advice; the attributes are the fields of the message ``Lint``."""

    lint_id: str
    severity: str
    path: str
    message: str
    fix: str | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the exchange says about a message.

    Attributes:
        valid: Whether it could be read and keeps every rule.
        failure: Why it cannot be read, with the place; ``None`` when it can.
        violations: The rules that it breaks.
        lints: What could be better.
    """

    valid: bool
    failure: str | None
    violations: tuple[Violation, ...]
    lints: tuple[Lint, ...]

    @classmethod
    def of(cls, answer: v1.ValidateResponse) -> Verdict:
        """Return what a message says."""
        return cls(
            answer.valid,
            _failure(answer.failure) if answer.HasField("failure") else None,
            tuple(violations_of(answer.violations)),
            tuple(
                Lint(
                    lint.lint_id,
                    lint.severity,
                    lint.path,
                    lint.message,
                    lint.fix if lint.HasField("fix") else None,
                )
                for lint in answer.lints
            ),
        )


def _failure(failure: v1.ReadFailure) -> str:
    at = f"{failure.line}:{failure.column}" if failure.HasField("line") else ""
    return ": ".join(part for part in (at, failure.path, failure.message) if part)
