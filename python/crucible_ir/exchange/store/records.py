"""The parameters and results of a store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from crucible_ir.exchange.store.audit_records import UNKNOWN_ACTOR, Actor
from crucible_ir.schema.references import DocumentKey as DocumentKey

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crucible_ir.exchange.content import FieldValue, NumberValue
    from crucible_ir.exchange.tally import Tally
    from crucible_ir.exchange.transitions import Transition
    from crucible_ir.schema.references import FieldReference
    from crucible_ir.v1 import MetricsSnapshot, TrainingRun

#: A place in a list: a number that counts changes or revisions, an id, or a number and an id.
PageKey = int | bytes | tuple[float, bytes]

#: A time or a duration; a time counts from 1970-01-01T00:00:00Z.
Microseconds = int


@dataclass(frozen=True, slots=True)
class Scope:
    """The documents that a caller may see.

    Attributes:
        types: The short names of their message types; ``None`` for all.
        id_prefixes: The prefixes of their ids, any of them; ``None`` for all.
    """

    types: frozenset[str] | None = None
    id_prefixes: tuple[str, ...] | None = None

    def allows(self, type_: str, id_: str) -> bool:
        """Return whether a document is in the scope."""
        if self.types is not None and type_ not in self.types:
            return False
        return self.id_prefixes is None or id_.startswith(self.id_prefixes)


#: The scope of a caller who may see everything.
EVERYTHING = Scope()


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """One revision of one document; the fields are those of ``crucible_ir.exchange.v1.Record``."""

    type: str
    id: str
    revision: int
    sequence: int
    etag: str
    digest: str | None
    create_time: Microseconds
    update_time: Microseconds
    publisher: str | None
    deleted: bool
    requires: str | None = None
    snapshot_count: int | None = None


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """A record and its serialized document, if it was requested and exists."""

    record: StoredRecord
    document: bytes | None


class RequestKey(NamedTuple):
    """The key that makes a request safe to repeat: its id, and a fingerprint of its content."""

    request_id: str
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class PublishCommand:
    """A document to store.

    Attributes:
        type: The short name of the content's message type.
        id: Identifies the document among those of its type.
        document: The serialized ``Document``.
        content_hash: A hash that is equal if and only if the contents are equal.
        digest: The content's digest, if it has one.
        publisher: The name of the publisher, if it is known.
        etag: The etag that the latest revision must have; empty if the document must not exist;
            ``None`` for no condition.
        request: The key that makes the request safe to repeat, if there is one.
        fields: The values by which the document can be found.
        references: The references that the document contains.
        requires: The release that a reader of the document needs, if it is known.
        actor: Who publishes the document, for the audit log.
        transition: Returns what the document changes in an earlier revision of it, from that
            revision's document; ``None`` if nothing of its type matters.
        override_immutable: Whether the document may change immutable fields.
    """

    type: str
    id: str
    document: bytes
    content_hash: bytes
    digest: str | None
    publisher: str | None = None
    etag: str | None = None
    request: RequestKey | None = None
    fields: tuple[FieldValue, ...] = ()
    references: tuple[FieldReference, ...] = ()
    requires: str | None = None
    numbers: tuple[NumberValue, ...] = ()
    actor: Actor = UNKNOWN_ACTOR
    transition: Callable[[bytes], Transition] | None = None
    override_immutable: bool = False


@dataclass(frozen=True, slots=True)
class PublishResult:
    """The result of publishing: the latest record, and whether it is new or unchanged."""

    record: StoredRecord
    created: bool
    unchanged: bool


@dataclass(frozen=True, slots=True)
class DeleteCommand:
    """A document to delete; the fields are those of `PublishCommand`."""

    type: str
    id: str
    publisher: str | None = None
    etag: str | None = None
    request: RequestKey | None = None
    actor: Actor = UNKNOWN_ACTOR


@dataclass(frozen=True, slots=True)
class AppendCommand:
    """What to append to a training run.

    Attributes:
        id: The id of the run.
        snapshots: The snapshots.
        update: The fields of the run to set; what its lists and maps have is added.
        expected_count: The number of snapshots that the run must have; ``None`` for no condition.
        publisher: The name of the publisher, if it is known.
        etag: The etag that the latest revision must have; ``None`` for no condition.
        request: The key that makes the request safe to repeat, if there is one.
    """

    id: str
    snapshots: Sequence[MetricsSnapshot]
    update: TrainingRun
    expected_count: int | None = None
    publisher: str | None = None
    etag: str | None = None
    request: RequestKey | None = None


@dataclass(frozen=True, slots=True)
class AppendResult:
    """The result of an append: the record, and the number of snapshots that the run has."""

    record: StoredRecord
    count: int
    unchanged: bool


@dataclass(frozen=True, slots=True)
class MetricsQuery:
    """A query for a page of the snapshots of a training run.

    Attributes:
        id: The id of the run.
        revision: The revision; ``None`` for the latest.
        keys: The names of the metrics; empty for all.
        first: The position of the first snapshot.
        max_points: The most points of each metric; ``None`` for all snapshots.
        after: The key of the page, as in `MetricsPage.next`; ``None`` for the first page.
        limit: The most points to return.
    """

    id: str
    revision: int | None = None
    keys: frozenset[str] = frozenset()
    first: int = 0
    max_points: int | None = None
    after: str | None = None
    limit: int = 1000


@dataclass(frozen=True, slots=True)
class MetricsPage:
    """A page of the snapshots of a training run.

    Attributes:
        record: The record of the run.
        run: The run without its metrics history.
        count: The number of snapshots that the run has.
        points: The snapshots, with their positions.
        next: The key of the next page, if there is one.
    """

    record: StoredRecord
    run: TrainingRun
    count: int
    points: list[tuple[int, MetricsSnapshot]]
    next: str | None


class Comparison(Enum):
    """The comparison of a condition."""

    EQUALS = "equals"
    PREFIX = "prefix"
    LESS = "<"
    AT_MOST = "<="
    GREATER = ">"
    AT_LEAST = ">="


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition on a field of listed documents; the field ``id`` is the document's id.

    A field that is not set satisfies none. Of a list, any value may satisfy it.
    """

    field: str
    comparison: Comparison
    value: str


@dataclass(frozen=True, slots=True)
class NumberCondition:
    """A condition on a number of listed documents, which is not a prefix."""

    field: str
    comparison: Comparison
    value: float


@dataclass(frozen=True, slots=True)
class AllOf:
    """The condition that all of several conditions are satisfied."""

    parts: tuple[Predicate, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """The condition that one of several conditions is satisfied."""

    parts: tuple[Predicate, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The condition that another one is not satisfied."""

    part: Predicate


#: What a document must satisfy.
Predicate = Condition | NumberCondition | AllOf | AnyOf | Not


@dataclass(frozen=True, slots=True)
class NumberOrder:
    """The order by a number; documents without it are not listed.

    Documents with the same number are in the order of their ids, in the same direction.
    """

    field: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class ListQuery:
    """A query for a page of documents.

    Attributes:
        type: The short name of their message type.
        conditions: The conditions; a document must satisfy all of them.
        newest_first: Whether to order by creation, newest first; otherwise by id.
        by_number: The number to order by instead, if there is one.
        after: The key before the first, as in `Page.next`; ``None`` for the start.
        limit: The most entries to return.
        include_deleted: Whether to include deleted documents.
        include_documents: Whether to return documents and not only records.
        readable_by: The release that must read the documents; ``None`` for no condition.
        scope: The documents that the caller may see.
    """

    type: str
    conditions: tuple[Predicate, ...] = ()
    newest_first: bool = True
    by_number: NumberOrder | None = None
    after: PageKey | None = None
    limit: int = 100
    include_deleted: bool = False
    include_documents: bool = False
    readable_by: str | None = None
    scope: Scope = EVERYTHING


@dataclass(frozen=True, slots=True)
class Page:
    """A page of entries, and the key after which the next page begins, if there is one.

    A page may have few entries, or none, and still not be the last.
    """

    entries: list[StoredEntry]
    next: PageKey | None


class GapReason(Enum):
    """Why changes are missing."""

    COMPACTED = "compacted"
    RESTORED = "restored"
    DAMAGED = "damaged"
    UNKNOWN_EPOCH = "unknown_epoch"
    PURGED = "purged"


@dataclass(frozen=True, slots=True)
class Epoch:
    """A period in which a store lost no acknowledged change.

    The sequence numbers of two epochs do not overlap: a new epoch begins with numbers that the
    store has never used before, even if it forgot that it used some.

    Attributes:
        id: A random number.
        reason: Why the previous epoch ended; ``None`` for the first epoch.
        lost_after: The last sequence number of the previous epoch whose change is stored.
        lost_through: The sequence number before the first one of this epoch.
        last_event: The position of the last event that was stored before this epoch.
    """

    id: int
    reason: GapReason | None
    lost_after: int
    lost_through: int
    last_event: int

    @property
    def name(self) -> str:
        """The epoch as clients see it."""
        return epoch_name(self.id)


def epoch_name(id_: int) -> str:
    """Return an epoch as clients see it.

    >>> epoch_name(255)
    '00000000000000ff'
    """
    return f"{id_:016x}"


@dataclass(frozen=True, slots=True)
class MissingChanges:
    """A range of sequence numbers whose changes are not stored.

    Attributes:
        after: The sequence number before the first missing one.
        through: The last missing sequence number.
        reason: Why they are missing.
    """

    after: int
    through: int
    reason: GapReason


@dataclass(frozen=True, slots=True)
class ChangePage:
    """A page of changes, in order.

    Attributes:
        entries: The revisions that the changes created.
        gap: The changes that are missing before them; ``None`` if none is.
        through: The sequence number up to which these are all the changes.
        epoch: The epoch of the store; empty if the page is not read from the store.
        purges: How many documents were purged until then; 0 if the page is not read from the store.
    """

    entries: list[StoredEntry]
    gap: MissingChanges | None
    through: int
    epoch: str = ""
    purges: int = 0

    @property
    def gap_through(self) -> int:
        """The last sequence number of the gap; 0 if there is none."""
        return 0 if self.gap is None else self.gap.through


@dataclass(frozen=True, slots=True)
class Purge:
    """The result of a purge.

    Attributes:
        revisions: The number of revisions that were removed, or found if they are only counted.
        pending: Whether the database still has copies of removed rows.
    """

    revisions: int
    pending: bool


class NodeState(Enum):
    """The state of a document in a lineage."""

    STORED = "stored"
    EMBEDDED = "embedded"
    FEEDBACK = "feedback"
    DELETED = "deleted"
    MISSING = "missing"
    AMBIGUOUS = "ambiguous"


@dataclass(frozen=True, slots=True)
class Node:
    """A document of a lineage, and its distance from the start.

    Attributes:
        key: The document.
        state: Its state.
        depth: The number of references between it and the start.
        record: Its record, if it is stored.
        candidates: The documents that a reference may mean, for a document that the store does not
            have; the first few.
    """

    key: DocumentKey
    state: NodeState
    depth: int
    record: StoredRecord | None
    candidates: tuple[DocumentKey, ...] = ()


class Edge(NamedTuple):
    """A reference between two documents of a lineage, and its field in the source."""

    source: DocumentKey
    target: DocumentKey
    field: str


@dataclass(frozen=True, slots=True)
class LineageQuery:
    """The start, the directions and the limits of a trace.

    Attributes:
        start: The document to start from.
        references: The references of the start, if it is an earlier revision.
        record: The record of that revision.
        upstream: Whether to follow references to their targets.
        downstream: Whether to follow references to their sources.
        max_depth: The most references between the start and a node.
        max_nodes: The most nodes.
        scope: The documents that the caller may see; all others count as missing.
    """

    start: DocumentKey
    references: tuple[FieldReference, ...] | None = None
    record: StoredRecord | None = None
    upstream: bool = True
    downstream: bool = False
    max_depth: int = 32
    max_nodes: int = 1000
    scope: Scope = EVERYTHING


@dataclass(frozen=True, slots=True)
class LineageGraph:
    """The documents of a lineage, the start first, and the references between them."""

    nodes: list[Node]
    edges: list[Edge]
    truncated: bool


class EventRow(NamedTuple):
    """A feedback event to store, with the values that it is found by; strings are in UTF-8.

    ``redacted`` is 1 if the event was redacted, and otherwise 0.
    """

    id: bytes
    deployment_id: bytes | None
    feedback_type: bytes | None
    model_version: bytes | None
    time: Microseconds | None
    latency_ms: int | None
    event: bytes
    request_id: bytes | None = None
    response_id: bytes | None = None
    supersedes: bytes | None = None
    publisher: bytes | None = None
    redacted: int = 0


@dataclass(frozen=True, slots=True)
class EventQuery:
    """A query for feedback events; ``None`` and empty are no condition.

    Attributes:
        deployment_id: The deployment.
        feedback_types: The short or custom names of the types, any of them.
        model_version: The model version.
        start_time: The earliest time.
        end_time: The end of the time range, excluded.
        scope: The events that the caller may see, by the type ``FeedbackEvent`` and their ids.
    """

    deployment_id: str | None = None
    feedback_types: tuple[str, ...] = ()
    model_version: str | None = None
    start_time: Microseconds | None = None
    end_time: Microseconds | None = None
    scope: Scope = EVERYTHING


class StoredEvent(NamedTuple):
    """A serialized feedback event.

    Attributes:
        position: Its position in the order of arrival.
        event: The bytes of the event.
        publisher: Who handed it in, if that is known.
        redacted: Whether it was redacted before it was stored.
    """

    position: int
    event: bytes
    publisher: str | None = None
    redacted: bool = False


class EventTime(NamedTuple):
    """The time of a feedback event, its position in the order of arrival, and its deployment."""

    time: Microseconds
    position: int
    deployment_id: str | None


@dataclass(frozen=True, slots=True)
class EventSelection:
    """Feedback events to erase; those that satisfy all conditions. ``None`` is no condition.

    Attributes:
        user_ids: The user ids, any of them.
        session_ids: The session ids, any of them.
        deployment_id: The deployment.
        start_time: The earliest time.
        end_time: The end of the time range, excluded.
    """

    user_ids: tuple[str, ...] | None = None
    session_ids: tuple[str, ...] | None = None
    deployment_id: str | None = None
    start_time: Microseconds | None = None
    end_time: Microseconds | None = None


@dataclass(frozen=True, slots=True)
class Erasure:
    """The progress of an erasure.

    Attributes:
        events: The number of events that were found, and erased unless they are only counted.
        reached: The position up to which all events were examined; ``None`` for the end.
        pending: Whether the database still has copies of erased events.
    """

    events: int
    reached: int | None
    pending: bool


class FeedbackConfigRow(NamedTuple):
    """A serialized ``FeedbackConfig``, its deployment, and the time at which it was set.

    The deployment is ``None`` for the configuration of all deployments.
    """

    deployment_id: str | None
    config: bytes
    update_time: Microseconds


@dataclass(frozen=True, slots=True)
class FeedbackConfigRows:
    """All configurations of feedback, and the number of changes that led to them."""

    version: int
    rows: list[FeedbackConfigRow]


class EventPage(NamedTuple):
    """Some events in the order of arrival, all that there are up to a position."""

    events: list[StoredEvent]
    through: int


class Grouping(Enum):
    """What a summary can group events by, beside their type and time."""

    DEPLOYMENT = "deployment"
    MODEL_VERSION = "model_version"
    NAME = "name"


@dataclass(frozen=True, slots=True)
class SummaryQuery:
    """A query for summaries.

    Attributes:
        events: The events.
        bucket: The length of the time buckets, which are aligned to 1970; ``None`` for one.
        group_by: What to group by.
    """

    events: EventQuery
    bucket: Microseconds | None = None
    group_by: frozenset[Grouping] = frozenset()


@dataclass(frozen=True, slots=True)
class SummaryLimits:
    """The limits of one query for summaries.

    Attributes:
        summaries: The most summaries.
        events: The most single events that are read for parts of hours.
        tail: The most events that may have arrived after the latest roll-up.
    """

    summaries: int = 10_000
    events: int = 100_000
    tail: int = 200_000


class EventTally(NamedTuple):
    """The counts of the events of one group.

    Attributes:
        bucket: The start of the bucket; ``None`` if there is one bucket for all time.
        feedback_type: The name of the type; ``None`` for events without one.
        deployment_id: The deployment; ``None`` for events without one, or if not grouped by it.
        model_version: The model version; ``None`` for events without one, or if not grouped by it.
        name: The criterion; ``None`` for events without one, or if not grouped by it.
        tally: The counts.
    """

    bucket: Microseconds | None
    feedback_type: str | None
    deployment_id: str | None
    model_version: str | None
    name: str | None
    tally: Tally
