"""Traces lineage: follows references from document to document, breadth first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sqlalchemy import and_, or_, select

from crucible_ir.exchange.content import FieldReference
from crucible_ir.exchange.store.errors import DocumentNotFoundError
from crucible_ir.exchange.store.records import (
    DocumentKey,
    Edge,
    LineageGraph,
    LineageQuery,
    Node,
    NodeState,
    StoredRecord,
)
from crucible_ir.exchange.store.statements.rows import IS_LATEST, RECORD_COLUMNS, record
from crucible_ir.exchange.store.statements.tables import (
    document_references,
    documents,
    feedback_events,
    revisions,
)

if TYPE_CHECKING:
    from sqlalchemy import Connection, Select

#: The type of the documents that are stored as feedback events.
FEEDBACK = "FeedbackEvent"

#: The columns of `feedback_events` that refer to a document, and its type.
FEEDBACK_REFERENCES = {"deployment_id": "DeploymentConfig", "model_version": "ModelVersion"}


def trace(connection: Connection, query: LineageQuery) -> LineageGraph:
    """Trace lineage, as described in `Store.trace`."""
    walk = _Walk(connection, query)
    if query.upstream:
        walk.follow(upstream=True)
    if query.downstream:
        walk.follow(upstream=False)
    start = walk.nodes[query.start]
    if start.state is NodeState.MISSING and not walk.edges and not walk.is_referred_to(query.start):
        raise DocumentNotFoundError(query.start.type, query.start.id)
    nodes = sorted(walk.nodes.values(), key=lambda node: node.depth)
    return LineageGraph(nodes, list(walk.edges), walk.truncated)


class _Walk:
    """One trace: the nodes and edges found so far."""

    def __init__(self, connection: Connection, query: LineageQuery) -> None:
        self.connection = connection
        self.query = query
        self.nodes: dict[DocumentKey, Node] = {}
        self.edges: dict[Edge, None] = {}
        self.truncated = False
        self._add(query.start, 0)

    def follow(self, *, upstream: bool) -> None:
        """Add all documents in one direction from the start."""
        reached = {self.query.start}
        frontier = [self.query.start]
        for depth in range(self.query.max_depth + 1):
            beyond: list[DocumentKey] = []
            for here in frontier:
                if not self.query.scope.allows(*here):
                    continue
                for edge in self._edges(here, upstream=upstream):
                    there = edge.target if upstream else edge.source
                    if there not in reached:
                        if depth == self.query.max_depth or not self._add(there, depth + 1):
                            self.truncated = True
                            continue
                        reached.add(there)
                        beyond.append(there)
                    self.edges[edge] = None
            frontier = beyond

    def is_referred_to(self, reference: DocumentKey) -> bool:
        """Return whether any document refers to the given one."""
        return next(self._sources(reference), None) is not None

    def _add(self, reference: DocumentKey, depth: int) -> bool:
        """Add a node unless it exists; return whether it is below the limit."""
        known = self.nodes.get(reference)
        if known is None:
            if len(self.nodes) >= self.query.max_nodes:
                return False
            state, found = self._state(reference)
            self.nodes[reference] = Node(reference, state, depth, found)
        elif depth < known.depth:
            self.nodes[reference] = Node(reference, known.state, depth, known.record)
        return True

    def _state(self, reference: DocumentKey) -> tuple[NodeState, StoredRecord | None]:
        if not self.query.scope.allows(*reference):
            return NodeState.MISSING, None
        if self.query.record is not None and reference == self.query.start:
            return NodeState.STORED, self.query.record
        latest = self.connection.execute(
            select(*RECORD_COLUMNS)
            .join_from(documents, revisions, IS_LATEST)
            .where(documents.c.type == reference.type, documents.c.id == reference.id.encode())
        ).one_or_none()
        if latest is not None and not latest.deleted:
            return NodeState.STORED, record(latest)
        if reference.type == FEEDBACK and self._event_references(reference) is not None:
            return NodeState.FEEDBACK, None
        if self._is_embedded(reference):
            return NodeState.EMBEDDED, None
        if latest is not None:
            return NodeState.DELETED, record(latest)
        return NodeState.MISSING, None

    def _is_embedded(self, reference: DocumentKey) -> bool:
        """Return whether any stored document contains a copy."""
        columns = document_references.c
        found = self.connection.execute(
            select(columns.number)
            .where(
                columns.target_type == reference.type, columns.target_id == reference.id.encode()
            )
            .where(columns.embedded.is_(True))
            .limit(1)
        )
        return found.first() is not None

    def _edges(self, here: DocumentKey, *, upstream: bool) -> Iterator[Edge]:
        return self._targets(here) if upstream else self._sources(here)

    def _targets(self, source: DocumentKey) -> Iterator[Edge]:
        """Yield the references of a document, event or embedded copy."""
        state = self.nodes[source].state
        if state is NodeState.FEEDBACK:
            for field, target in self._event_references(source) or ():
                yield Edge(source, target, field)
        elif source == self.query.start and self.query.references is not None:
            yield from _edges_of(source, self.query.references)
        else:
            columns = document_references.c
            statement = (
                select(columns.field, columns.target_type, columns.target_id)
                .distinct()
                .where(columns.holder_type == source.type, columns.holder_id == source.id.encode())
                .order_by(columns.field, columns.target_type, columns.target_id)
            )
            if state is NodeState.STORED:
                statement = statement.where(
                    columns.document_type == source.type, columns.document_id == source.id.encode()
                )
            for row in self.connection.execute(statement).all():
                yield Edge(source, DocumentKey(row[1], bytes(row[2]).decode()), row[0])

    def _sources(self, target: DocumentKey) -> Iterator[Edge]:
        """Yield the references to a document, as many as there can be nodes."""
        limit = self.query.max_nodes + 1
        rows = self.connection.execute(_referring_to(target).limit(limit)).all()
        for row in rows:
            yield Edge(DocumentKey(row[0], bytes(row[1]).decode()), target, row[2])
        for field, type_ in FEEDBACK_REFERENCES.items():
            if type_ == target.type:
                events = self.connection.execute(
                    select(feedback_events.c.id)
                    .where(feedback_events.c[field] == target.id.encode())
                    .order_by(feedback_events.c.position)
                    .limit(limit)
                ).scalars()
                for id_ in events.all():
                    yield Edge(DocumentKey(FEEDBACK, bytes(id_).decode()), target, field)

    def _event_references(self, event: DocumentKey) -> list[tuple[str, DocumentKey]] | None:
        """Return the references of a feedback event; ``None`` if the event does not exist."""
        columns = [feedback_events.c[field] for field in FEEDBACK_REFERENCES]
        row = self.connection.execute(
            select(*columns).where(feedback_events.c.id == event.id.encode())
        ).one_or_none()
        if row is None:
            return None
        return [
            (field, DocumentKey(type_, bytes(value).decode()))
            for (field, type_), value in zip(FEEDBACK_REFERENCES.items(), row, strict=True)
            if value
        ]


def _edges_of(source: DocumentKey, references: tuple[FieldReference, ...]) -> Iterator[Edge]:
    for reference in references:
        if (reference.holder_type, reference.holder_id) == source:
            yield Edge(
                source, DocumentKey(reference.target_type, reference.target_id), reference.field
            )


def _referring_to(target: DocumentKey) -> Select[str, bytes, str]:
    """Select the references to a document: from stored documents, and from copies of others.

    References in a copy of a document that is stored itself do not count: the stored document may
    differ.
    """
    columns = document_references.c
    is_own = and_(
        columns.document_type == columns.holder_type, columns.document_id == columns.holder_id
    )
    holder = and_(
        documents.c.type == columns.holder_type,
        documents.c.id == columns.holder_id,
        documents.c.deleted.is_(False),
    )
    return (
        select(columns.holder_type, columns.holder_id, columns.field)
        .distinct()
        .select_from(document_references.outerjoin(documents, holder))
        .where(columns.target_type == target.type, columns.target_id == target.id.encode())
        .where(or_(is_own, documents.c.id.is_(None)))
        .order_by(columns.holder_type, columns.holder_id, columns.field)
    )
