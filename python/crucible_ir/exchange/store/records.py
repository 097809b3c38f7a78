"""What goes into a store and what comes out of it, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from crucible_ir.exchange.content import FieldReference, FieldValue

#: The size of documents, in bytes, beyond which a page ends early: it still fits into one message.
PAGE_BYTES = 1024 * 1024

#: A moment, in microseconds since 1970-01-01T00:00:00Z.
Microseconds = int


@dataclass(frozen=True, slots=True)
class Scope:
    """The documents that a caller may see.

    Attributes:
        types: The short names of their messages; ``None`` for all.
        id_prefixes: What their ids begin with, any of them; ``None`` for all.
    """

    types: frozenset[str] | None = None
    id_prefixes: tuple[str, ...] | None = None

    def allows(self, type_: str, id_: str) -> bool:
        """Tell whether a document is among them."""
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


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """A record and its document in binary, where that was asked for and the record has one."""

    record: StoredRecord
    document: bytes | None


class RequestKey(NamedTuple):
    """What makes a request safe to repeat: its id, and a fingerprint of what it asks for."""

    request_id: str
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class PublishCommand:
    """A document to store.

    Attributes:
        type: The short name of the content's message.
        id: Identifies the document among those of its type.
        document: The ``Document`` in binary.
        content_hash: What two documents have in common if and only if their contents are equal.
        digest: The content's digest, if it has one.
        publisher: Who publishes it, if that is known.
        etag: The etag that the latest revision must have; empty when the document must not exist;
            ``None`` when that does not matter.
        request: What makes the request safe to repeat, if anything.
        fields: The values by which the document can be found.
        references: The references that it holds.
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


@dataclass(frozen=True, slots=True)
class PublishResult:
    """What became of a publication: the latest record, and whether it is new or was there."""

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


class Comparison(Enum):
    """How a condition compares."""

    EQUALS = "equals"
    PREFIX = "prefix"


@dataclass(frozen=True, slots=True)
class Condition:
    """What a field of a listed document has to be; the field ``id`` is the document's id."""

    field: str
    comparison: Comparison
    value: str


@dataclass(frozen=True, slots=True)
class ListQuery:
    """Which documents to list.

    Attributes:
        type: The short name of their message.
        conditions: What they have to satisfy, all of it.
        newest_first: Whether to go by creation, newest first; otherwise by id.
        after: The key of the entry before the first: as in `Page.next`; ``None`` for the start.
        limit: The most entries to return.
        max_bytes: The size of documents, in bytes, beyond which the page ends early.
        include_deleted: Whether to list deleted documents, too.
        include_documents: Whether to return documents and not only records.
        scope: What the caller may see.
    """

    type: str
    conditions: tuple[Condition, ...] = ()
    newest_first: bool = True
    after: str | int | None = None
    limit: int = 100
    max_bytes: int = PAGE_BYTES
    include_deleted: bool = False
    include_documents: bool = False
    scope: Scope = EVERYTHING


@dataclass(frozen=True, slots=True)
class Page:
    """Some entries of a list, and the key after which the next page begins, if there is one."""

    entries: list[StoredEntry]
    next: str | int | None


@dataclass(frozen=True, slots=True)
class ChangePage:
    """Some changes, in order.

    Attributes:
        entries: The revisions that the changes made.
        gap_through: The last sequence number that was asked for and is no longer remembered; 0
            when nothing is missing.
        through: The sequence number up to which there is nothing beyond these entries.
    """

    entries: list[StoredEntry]
    gap_through: int
    through: int


class NodeState(Enum):
    """What a store has of a document in a lineage."""

    STORED = "stored"
    EMBEDDED = "embedded"
    FEEDBACK = "feedback"
    DELETED = "deleted"
    MISSING = "missing"


class DocumentKey(NamedTuple):
    """Names a document."""

    type: str
    id: str


@dataclass(frozen=True, slots=True)
class Node:
    """A document of a lineage, at its distance from the start."""

    reference: DocumentKey
    state: NodeState
    depth: int
    record: StoredRecord | None


class Edge(NamedTuple):
    """A reference between two documents of a lineage, and the field of the source that holds it."""

    source: DocumentKey
    target: DocumentKey
    field: str


@dataclass(frozen=True, slots=True)
class LineageQuery:
    """Where to start a trace, which way to go and how far.

    Attributes:
        start: The document to start from.
        references: The references of the starting document, where it is an earlier revision.
        record: The record of that revision.
        upstream: Whether to go to what is referred to.
        downstream: Whether to go to what refers.
        max_depth: The most references between the start and a node.
        max_nodes: The most nodes.
        scope: What the caller may see; the rest counts as missing.
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
    """The documents found, the start first, and the references between them."""

    nodes: list[Node]
    edges: list[Edge]
    truncated: bool


class EventRow(NamedTuple):
    """A feedback event to keep, with what it is looked up by; text is in UTF-8."""

    id: bytes
    deployment_id: bytes | None
    feedback_type: bytes | None
    model_version: bytes | None
    time: Microseconds | None
    latency_ms: int | None
    event: bytes


@dataclass(frozen=True, slots=True)
class EventQuery:
    """Which feedback events to return or to sum up; ``None`` and empty are no condition.

    Attributes:
        deployment_id: The deployment.
        feedback_types: The plain or custom names of the types, any of them.
        model_version: The model version.
        start_time: The earliest time.
        end_time: The time before which they have to be.
        scope: What the caller may see, by the type ``FeedbackEvent`` and the events' ids.
    """

    deployment_id: str | None = None
    feedback_types: tuple[str, ...] = ()
    model_version: str | None = None
    start_time: Microseconds | None = None
    end_time: Microseconds | None = None
    scope: Scope = EVERYTHING


class StoredEvent(NamedTuple):
    """A feedback event in binary, and its position in the order of arrival."""

    position: int
    event: bytes


class LatencyCount(NamedTuple):
    """How many events of one type and one span of time have one latency.

    Attributes:
        bucket: The start of the span; ``None`` when all time is one span.
        feedback_type: The type's name; ``None`` for events that do not state one.
        latency_ms: The latency; ``None`` for events that do not state one.
        events: The number of events.
    """

    bucket: Microseconds | None
    feedback_type: str | None
    latency_ms: int | None
    events: int
