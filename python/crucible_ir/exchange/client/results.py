"""The return values of calls to the exchange."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import zip_longest
from typing import TYPE_CHECKING, NamedTuple, Self

from crucible_ir.errors import Violation
from crucible_ir.exchange import v1
from crucible_ir.exchange.client.errors import ExchangeError
from crucible_ir.exchange.client.statuses import error_of_item, violations_of
from crucible_ir.exchange.summaries import Latency as Latency
from crucible_ir.exchange.summaries import Numbers as Numbers
from crucible_ir.exchange.summaries import Summary as Summary
from crucible_ir.exchange.summaries import Thumbs as Thumbs
from crucible_ir.schema import vocabulary
from crucible_ir.schema.releases import is_before
from crucible_ir.schema.types import content_of
from crucible_ir.v1 import Document, FeedbackConfig, FeedbackEvent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.message import Message
    from google.protobuf.timestamp_pb2 import Timestamp

    from crucible_ir.v1 import FeedbackEvent, MetricsSnapshot, TrainingRun


@dataclass(frozen=True, slots=True)
class Record:
    """A revision of a document, as the message ``Record``.

    Attributes:
        type: The short name of the document's message.
        id: The document's id.
        revision: The number of the revision, from 1.
        sequence: The sequence number of the change in the exchange, from 1; 0 if nothing was
            stored.
        etag: The etag of the revision, for the precondition of a change.
        digest: The digest of the content; ``None`` if it has none.
        create_time: When the document was first published.
        update_time: When this revision was made.
        publisher: The caller who made it; ``None`` if the server does not authenticate callers.
        deleted: Whether the revision is the deletion of the document.
        requires: The oldest release whose readers of binary accept the document; ``None`` for a
            deletion, and if the server does not know it.
        snapshot_count: The number of snapshots of a training run; ``None`` if nothing was appended
            to this revision.
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
    requires: str | None = None
    snapshot_count: int | None = None

    @classmethod
    def of(cls, record: v1.Record) -> Record:
        """Convert the message."""
        return cls(
            record.type,
            record.id,
            record.revision,
            record.sequence,
            record.etag,
            record.digest if record.HasField("digest") else None,
            _datetime(record.create_time),
            _datetime(record.update_time),
            record.publisher if record.HasField("publisher") else None,
            record.deleted,
            record.requires if record.HasField("requires") else None,
            record.snapshot_count if record.HasField("snapshot_count") else None,
        )

    def is_readable_by(self, release: str) -> bool:
        """Return whether a release reads the document in binary; true for a deletion.

        Raises:
            ExchangeError: The server did not report the release that the document requires.
            ReleaseError: The text is not the number of a release.
        """
        if self.deleted:
            return True
        if self.requires is None:
            raise ExchangeError(
                f'the server does not say which release reads the {self.type} "{self.id}": update'
                " it, or list without a release"
            )
        return not is_before(release, self.requires)


def _datetime(timestamp: Timestamp) -> datetime:
    return timestamp.ToDatetime(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Stored:
    """A record and its document.

    Attributes:
        record: The record.
        document: The document as it was published; ``None`` if it was not requested or the
            revision is a deletion.
    """

    record: Record
    document: Document | None

    @property
    def content(self) -> Message | None:
        """The content of the document."""
        return None if self.document is None else content_of(self.document)

    @classmethod
    def of(cls, answer: v1.GetResponse | v1.Entry | v1.Change) -> Self:
        """Convert the message."""
        document = answer.document if answer.HasField("document") else None
        return cls(Record.of(answer.record), document)


@dataclass(frozen=True, slots=True)
class ListPage:
    """One page of a list.

    Attributes:
        entries: The documents; there may be none on a page that is not the last.
        next_page_token: The token of the next page; empty if this is the last one.
    """

    entries: list[Stored]
    next_page_token: str


@dataclass(frozen=True, slots=True)
class Published:
    """The result of a publication.

    Attributes:
        record: The record of the document's latest revision.
        created: Whether the document is new.
        unchanged: Whether it equals the latest revision, so that no new one was made.
    """

    record: Record
    created: bool
    unchanged: bool

    @classmethod
    def of(cls, answer: v1.PublishResponse) -> Published:
        """Convert the message."""
        return cls(Record.of(answer.record), answer.created, answer.unchanged)


@dataclass(frozen=True, slots=True)
class Appended:
    """The result of an append to a training run.

    Attributes:
        record: The record of the run's latest revision.
        count: The number of snapshots that the run has now.
        unchanged: Whether the run had all of this already.
    """

    record: Record
    count: int
    unchanged: bool

    @classmethod
    def of(cls, answer: v1.AppendMetricsResponse) -> Appended:
        """Convert the message."""
        return cls(Record.of(answer.record), answer.count, answer.unchanged)


@dataclass(frozen=True, slots=True)
class MetricsPoint:
    """A snapshot of a training run.

    Attributes:
        position: Its position in the metrics history, counted from 0.
        snapshot: The snapshot, with the requested metrics.
    """

    position: int
    snapshot: MetricsSnapshot

    @classmethod
    def of(cls, point: v1.MetricsPoint) -> MetricsPoint:
        """Convert the message."""
        return cls(point.position, point.snapshot)


@dataclass(frozen=True, slots=True)
class RunMetrics:
    """The snapshots of a training run.

    Attributes:
        record: The record of the run.
        run: The run without its metrics history.
        count: The number of snapshots that the run has.
        points: The snapshots that were requested.
    """

    record: Record
    run: TrainingRun
    count: int
    points: list[MetricsPoint]

    @classmethod
    def of(cls, answer: v1.ReadMetricsResponse, points: list[MetricsPoint]) -> RunMetrics:
        """Return the points of all pages, with the rest of the last one."""
        return cls(Record.of(answer.record), answer.run, answer.count, points)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one of many publications: a result or an error.

    Attributes:
        index: The index of the document in the input, from 0.
        published: The result; ``None`` if the document was rejected.
        error: The error; ``None`` if the document was accepted.
        retryable: Whether the same document may be accepted later.
    """

    index: int
    published: Published | None = None
    error: ExchangeError | None = None
    retryable: bool = False

    @classmethod
    def of(cls, answer: v1.BatchPublishResponse) -> Outcome:
        """Convert the message."""
        if answer.WhichOneof("result") == "published":
            return cls(answer.index, published=Published.of(answer.published))
        return cls(
            answer.index, error=error_of_item(answer.error), retryable=answer.error.retryable
        )


@dataclass(frozen=True, slots=True)
class Change(Stored):
    """A publication or a deletion, as a watch yields it."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Changes that a watch missed.

    Attributes:
        after_sequence: The sequence number after which changes are missing. If the watch was
            complete up to a greater one, the exchange lost changes that the watch had yielded.
        through_sequence: The sequence number of the last missing change.
        reason: ``compacted`` if the exchange dropped them from its history; ``restored`` if it was
            restored from a backup; ``damaged`` if it lost them with a part of its database;
            ``purged`` if it removed deleted documents with their history; ``unknown_epoch`` if it
            is not known which changes are missing; empty for an older server, and a number for a
            reason of a newer one.
    """

    after_sequence: int
    through_sequence: int
    reason: str = field(default="", compare=False)

    @classmethod
    def of(cls, gap: v1.Gap) -> Gap:
        """Convert the message."""
        reasons = vocabulary.names(v1.GapReason.DESCRIPTOR)
        reason = reasons.get(gap.reason, str(int(gap.reason))) if gap.reason else ""
        return cls(gap.after_sequence, gap.through_sequence, reason)


@dataclass(frozen=True, slots=True, order=True)
class Reference:
    """The type and the id of a document."""

    type: str
    id: str

    def __str__(self) -> str:
        return f"{self.type}/{self.id}"


@dataclass(frozen=True, slots=True)
class LineageNode:
    """A document of a lineage.

    Attributes:
        reference: The type and the id of the document.
        state: ``stored``, ``embedded``, ``feedback``, ``deleted``, ``missing`` or ``ambiguous``; a
            number for a state of a newer server.
        depth: The number of references between it and the start.
        record: Its record; ``None`` if it is not stored as a document of its own.
        candidates: The documents that a reference may mean, the first few, if it is ambiguous, or
            missing because the reference names a version but no model.
    """

    reference: Reference
    state: str
    depth: int
    record: Record | None
    candidates: tuple[Reference, ...] = ()


@dataclass(frozen=True, slots=True)
class LineageEdge:
    """A reference from one document of a lineage to another, and the field that contains it."""

    source: Reference
    target: Reference
    field: str


@dataclass(frozen=True, slots=True)
class Lineage:
    """The documents that refer to a document or that it refers to, directly or indirectly.

    Attributes:
        nodes: The documents, by their distance from the start, which is the first.
        edges: The references between them.
        missing: The referenced documents that the exchange does not have.
        truncated: Whether a limit on depth or nodes left documents out.
    """

    nodes: tuple[LineageNode, ...]
    edges: tuple[LineageEdge, ...]
    missing: tuple[Reference, ...]
    truncated: bool

    @property
    def ambiguous(self) -> tuple[Reference, ...]:
        """The ends at which references mean one of several documents."""
        return tuple(node.reference for node in self.nodes if node.state == "ambiguous")

    @classmethod
    def of(cls, answer: v1.TraceLineageResponse) -> Lineage:
        """Convert the message."""
        return cls(
            tuple(map(_node, answer.nodes)),
            tuple(
                LineageEdge(_reference(edge.source), _reference(edge.target), edge.field)
                for edge in answer.edges
            ),
            tuple(map(_reference, answer.missing)),
            answer.truncated,
        )


def _reference(reference: v1.DocumentKey) -> Reference:
    return Reference(reference.type, reference.id)


def _node(node: v1.LineageNode) -> LineageNode:
    states = vocabulary.names(v1.LineageNodeState.DESCRIPTOR)
    record = Record.of(node.record) if node.HasField("record") else None
    state = states.get(node.state, str(int(node.state)))
    candidates = tuple(map(_reference, node.candidates))
    return LineageNode(_reference(node.reference), state, node.depth, record, candidates)


@dataclass(frozen=True, slots=True)
class RefusedEvent:
    """A feedback event that the server rejected.

    Attributes:
        index: The index of the event in the input, from 0.
        id: Its id.
        error: The reason.
        retryable: Whether the same event may be accepted later.
    """

    index: int
    id: str
    error: ExchangeError
    retryable: bool


@dataclass(slots=True)
class IngestReport:
    """The outcome of an ingestion.

    An event that is sent again after a broken connection may be counted as a duplicate of itself.
    Either way it is stored, once.

    Attributes:
        accepted: The number of events that are now stored.
        duplicates: The number of events whose ids were stored before.
        refused: The rejected events; the first 1,000 only.
        refused_count: The number of rejected events.
        batches: The number of acknowledged batches.
        resent: How many batches were sent again after a broken connection.
        retried: How many times an event was sent again after a retryable error.
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
        """The number of events that were accepted or rejected."""
        return self.accepted + self.duplicates + self.refused_count


@dataclass(frozen=True, slots=True)
class StoredFeedbackConfig:
    """A configuration of feedback that is set in the exchange.

    Attributes:
        deployment_id: The deployment; ``None`` for all that have no configuration of their own.
        config: The configuration.
        update_time: When it was set.
    """

    deployment_id: str | None
    config: FeedbackConfig
    update_time: datetime

    @classmethod
    def of(cls, entry: v1.FeedbackConfigEntry) -> StoredFeedbackConfig:
        """Convert the message."""
        return cls(
            entry.deployment_id if entry.HasField("deployment_id") else None,
            entry.config,
            _datetime(entry.update_time),
        )


@dataclass(frozen=True, slots=True)
class FeedbackPolicy:
    """What the exchange does with the feedback on a deployment.

    Attributes:
        redacts: Whether it redacts events before it stores them.
        retention_days: For how many days it keeps them; ``None`` for ever.
        stored: The configuration that says so; ``None`` if none is set.
    """

    redacts: bool
    retention_days: int | None
    stored: StoredFeedbackConfig | None

    @classmethod
    def of(cls, answer: v1.GetFeedbackConfigResponse) -> FeedbackPolicy:
        """Convert the message."""
        return cls(
            answer.redacts,
            answer.retention_days if answer.HasField("retention_days") else None,
            StoredFeedbackConfig.of(answer.entry) if answer.HasField("entry") else None,
        )


@dataclass(frozen=True, slots=True)
class Purged:
    """The outcome of a purge of a deleted document.

    Attributes:
        revisions: The number of revisions that were removed, or found if they were only counted.
        pending: Whether the database's files may still have copies of them.
            The server continues to remove them.
    """

    revisions: int
    pending: bool


@dataclass(frozen=True, slots=True)
class ErasedFeedback:
    """The outcome of an erasure of feedback events.

    Attributes:
        events: The number of events that were erased, or found if they were only counted.
        pending: Whether the database's files may still have copies of erased events. The
            server continues to remove them.
    """

    events: int
    pending: bool


class ExportedEvent(NamedTuple):
    """A feedback event, who handed it in, and whether it was redacted.

    Attributes:
        event: The event.
        publisher: The name of the caller that handed it in; ``None`` if it is not known.
        redacted: Whether it was redacted before it was stored.
    """

    event: FeedbackEvent
    publisher: str | None
    redacted: bool = False

    @classmethod
    def all_of(cls, answer: v1.ExportResponse) -> Iterator[ExportedEvent]:
        """Yield the events of a message."""
        redacted = frozenset(answer.redacted)
        pairs = zip_longest(answer.events, answer.publishers)
        for index, (event, publisher) in enumerate(pairs):
            yield cls(event, publisher or None, index in redacted)


class ExportedBatch(NamedTuple):
    """Some feedback events of an export, and where to continue after them.

    Attributes:
        events: The events.
        cursor: The cursor with which a later export begins after these events.
    """

    events: list[FeedbackEvent]
    cursor: str

    @classmethod
    def all_of(cls, answer: v1.ExportResponse) -> Iterator[ExportedBatch]:
        """Yield the events of a message, as one batch."""
        yield cls(list(answer.events), answer.cursor)


@dataclass(frozen=True, slots=True)
class RemoteLint:
    """A lint finding of the server, as the message ``Lint``.

    The severity is ``info`` or ``warning``; a number for a severity of a newer server.
    """

    lint_id: str
    severity: str
    path: str
    message: str
    fix: str | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of a validation by the exchange.

    Attributes:
        valid: Whether the message is readable and satisfies every rule.
        failure: Why it is not readable, with the position; ``None`` if it is.
        violations: The rules that it breaks.
        lints: The lint findings.
    """

    valid: bool
    failure: str | None
    violations: tuple[Violation, ...]
    lints: tuple[RemoteLint, ...]

    @classmethod
    def of(cls, answer: v1.ValidateResponse) -> Verdict:
        """Convert the message."""
        severities = vocabulary.names(v1.LintSeverity.DESCRIPTOR)
        return cls(
            answer.valid,
            _failure(answer.failure) if answer.HasField("failure") else None,
            tuple(violations_of(answer.violations)),
            tuple(
                RemoteLint(
                    lint.lint_id,
                    severities.get(lint.severity, str(int(lint.severity))),
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
