"""Traces lineage: follows references from document to document, breadth first.

A reference leads to the document with the id that it contains. Some may contain a version instead:
those lead to the version of a model, if exactly one document of that model has it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import and_, or_, select, text

from crucible_ir import v1
from crucible_ir.exchange.content import VERSION_OF_MODEL, version_of_model
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
from crucible_ir.exchange.store.statements.names import name_of, number_of
from crucible_ir.exchange.store.statements.rows import (
    IS_LATEST,
    RECORD_COLUMNS,
    record,
    within,
)
from crucible_ir.exchange.store.statements.tables import (
    document_references,
    documents,
    feedback_events,
    feedback_names,
    field_values,
    revisions,
)
from crucible_ir.schema.fields import Resolution, fields_of
from crucible_ir.schema.references import CONTEXT_FIELDS, FieldReference, resolution_by_version
from crucible_ir.schema.types import descriptor_of

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, Select

#: The type of the documents that are stored as feedback events.
FEEDBACK = "FeedbackEvent"

#: The references of feedback events.
FEEDBACK_REFERENCES = tuple(
    field
    for field in fields_of(descriptor_of(v1.FeedbackEvent)).values()
    if field.reference is not None
)

#: The columns that contain the numbers of names. Other references have a column with their name.
_NUMBERS = {
    "deployment_id": feedback_events.c.deployment,
    "model_version": feedback_events.c.version,
}

_VERSION = "ModelVersion"

#: The most documents that a node lists as candidates.
MAX_CANDIDATES = 10

#: The most references that a trace reads at a time, and in all. A document may have many more.
MAX_REFERENCES = 10_000
MAX_ALL_REFERENCES = 100_000


def trace(connection: Connection, query: LineageQuery) -> LineageGraph:
    """Trace lineage, as described in `Store.trace`."""
    if connection.dialect.name == "postgresql":
        # It would read and sort all references to a document if it expects fewer than there are.
        connection.exec_driver_sql("SET LOCAL enable_sort = off")
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


class _Target(NamedTuple):
    """What a reference leads to.

    Attributes:
        key: The document; that of the reference itself if it cannot be resolved.
        candidates: The documents that the reference may mean if it cannot be resolved.
        is_ambiguous: Whether several documents are what it says.
    """

    key: DocumentKey
    candidates: tuple[DocumentKey, ...] = ()
    is_ambiguous: bool = False


class _Walk:
    """One trace: the nodes and edges found so far."""

    def __init__(self, connection: Connection, query: LineageQuery) -> None:
        self.connection = connection
        self.query = query
        self.nodes: dict[DocumentKey, Node] = {}
        self.edges: dict[Edge, None] = {}
        self.truncated = False
        self.unread = MAX_ALL_REFERENCES
        self.states: dict[DocumentKey, tuple[NodeState, StoredRecord | None]] = {}
        self.models: dict[str, list[str]] = {}
        self.versions: dict[tuple[str, str], list[str]] = {}
        self.deployments: dict[bytes, list[bytes]] = {}
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
                for edge, target in self._edges(here, upstream=upstream):
                    there = edge.target if upstream else edge.source
                    if there not in reached:
                        if depth == self.query.max_depth or not self._add(there, depth + 1):
                            self.truncated = True
                            continue
                        reached.add(there)
                        beyond.append(there)
                    self._explain(target)
                    self.edges[edge] = None
            frontier = beyond

    def is_referred_to(self, reference: DocumentKey) -> bool:
        """Return whether any document refers to the given one."""
        return next(self._edges(reference, upstream=False), None) is not None

    def _add(self, key: DocumentKey, depth: int) -> bool:
        """Add a node unless it exists; return whether it is below the limit."""
        known = self.nodes.get(key)
        if known is None:
            if len(self.nodes) >= self.query.max_nodes:
                return False
            state, found = self._state(key)
            self.nodes[key] = Node(key, state, depth, found)
        elif depth < known.depth:
            self.nodes[key] = replace(known, depth=depth)
        return True

    def _explain(self, target: _Target) -> None:
        """Add to the node of an unresolved reference what the reference may mean."""
        known = self.nodes.get(target.key)
        if known is None or not target.candidates:
            return
        candidates = dict.fromkeys((*known.candidates, *target.candidates))
        self.nodes[target.key] = replace(
            known,
            state=NodeState.AMBIGUOUS if target.is_ambiguous else known.state,
            candidates=tuple(candidates)[:MAX_CANDIDATES],
        )

    def _state(self, reference: DocumentKey) -> tuple[NodeState, StoredRecord | None]:
        known = self.states.get(reference)
        if known is None:
            known = self.states[reference] = self._find_state(reference)
        return known

    def _find_state(self, reference: DocumentKey) -> tuple[NodeState, StoredRecord | None]:
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
            # As text, since SQLite only uses the index of copies for the condition as it is.
            .where(text("document_references.embedded"))
            .limit(1)
        )
        return found.first() is not None

    def _edges(self, here: DocumentKey, *, upstream: bool) -> Iterator[tuple[Edge, _Target]]:
        """Yield the edges from or to a document, each with what its reference leads to."""
        for reference in self._references(here) if upstream else self._referring(here):
            target = self._resolve(reference)
            if upstream or target.key == here:
                source = DocumentKey(reference.holder_type, reference.holder_id)
                yield Edge(source, target.key, reference.field), target

    def _references(self, source: DocumentKey) -> Iterator[FieldReference]:
        """Yield the references of a document, event or embedded copy."""
        state = self._state(source)[0]
        if state is NodeState.FEEDBACK:
            yield from self._event_references(source) or ()
        elif source == self.query.start and self.query.references is not None:
            for reference in self.query.references:
                if (reference.holder_type, reference.holder_id) == source:
                    yield reference
        else:
            # A document's own references, or those of all copies, which may be many.
            own = state is NodeState.STORED
            key = _OF_DOCUMENT if own else _OF_HOLDER
            rows = self._read(
                select(*_REFERENCE_COLUMNS)
                .where(key[0] == source.type, key[1] == source.id.encode())
                .order_by(document_references.c.number)
            )
            found = dict.fromkeys(map(_reference, rows))
            yield from sorted(
                (each for each in found if (each.holder_type, each.holder_id) == source),
                key=lambda each: (each.field, each.target_type, each.target_id.encode()),
            )

    def _referring(self, target: DocumentKey) -> Iterator[FieldReference]:
        """Yield references that may lead to a document, as many as there can be nodes."""
        columns = document_references.c
        key = target.id.encode()
        yield from self._limited(
            select(columns.number)
            .where(columns.target_type == target.type, columns.target_id == key)
            .order_by(columns.holder_type, columns.number)
        )
        for field in FEEDBACK_REFERENCES:
            if field.reference == target.type:
                yield from self._events(_event_refers(field.name, key), field.name)
        if target.type == _VERSION:
            yield from self._referring_by_version(target)

    def _referring_by_version(self, target: DocumentKey) -> Iterator[FieldReference]:
        """Yield the references that may lead to a model version by its version."""
        model, version = (self._value(target, field) for field in ("model_id", "version"))
        if model is None or version is None or version == target.id.encode():
            return
        columns = document_references.c
        deployments = self._deployments_of(model)
        for way, contexts in (
            (Resolution.BY_VERSION_OF_MODEL, [model]),
            (Resolution.BY_VERSION_OF_DEPLOYMENT, deployments),
        ):
            statement = select(columns.number).where(
                columns.target_type == _VERSION,
                columns.target_id == version,
                columns.context.in_(contexts),
            )
            yield from (each for each in self._limited(statement) if each.resolution is way)
        for field in FEEDBACK_REFERENCES:
            if resolution_by_version(field) is Resolution.BY_VERSION_OF_DEPLOYMENT:
                numbers = select(feedback_names.c.number).where(
                    feedback_names.c.name.in_(deployments)
                )
                condition = and_(
                    _event_refers(field.name, version), feedback_events.c.deployment.in_(numbers)
                )
                yield from self._events(condition, field.name)

    def _deployments_of(self, model: bytes) -> list[bytes]:
        """Return the deployments of the versions of a model, also those that only copies say."""
        known = self.deployments.get(model)
        if known is None:
            versions = self._holders(_VERSION, "model_id", "ModelRef", [model])
            known = self.deployments[model] = self._holders(
                "DeploymentConfig", "model_version_id", _VERSION, versions
            )
        return known

    def _holders(
        self, type_: str, field: str, target_type: str, targets: Sequence[bytes]
    ) -> list[bytes]:
        """Return the documents of a type with a field that refers to one of some documents."""
        columns = document_references.c
        rows = self._read(
            select(columns.holder_id, columns.field).where(
                columns.target_type == target_type,
                columns.target_id.in_(targets),
                columns.holder_type == type_,
            )
        )
        return list(dict.fromkeys(bytes(id_) for id_, name in rows if name == field))

    def _limited(self, numbers: Select[Any]) -> Iterator[FieldReference]:
        """Yield the references with some numbers, as many as there can be nodes.

        Those in copies of a document that is stored itself do not count: the stored document may
        differ.
        """
        columns = document_references.c
        chosen = [number for (number,) in self._read(numbers)]
        found: dict[FieldReference, None] = {}
        for start in range(0, len(chosen), _AT_A_TIME):
            some = columns.number.in_(chosen[start : start + _AT_A_TIME])
            found |= dict.fromkeys(map(_reference, self.connection.execute(_REFERRING.where(some))))
        self.truncated |= len(found) > self.query.max_nodes
        in_order = sorted(
            found, key=lambda each: (each.holder_type, each.holder_id.encode(), each.field)
        )
        yield from in_order[: self.query.max_nodes + 1]

    def _read(self, statement: Select[Any], most: int | None = None) -> Sequence[Any]:
        """Return the first rows of a statement: as many as a trace may still read."""
        limit = min(most or MAX_REFERENCES, self.unread)
        rows = self.connection.execute(statement.limit(limit + 1)).all()
        self.truncated |= len(rows) > limit
        self.unread -= min(len(rows), limit)
        return rows[:limit]

    def _events(self, condition: ColumnElement[bool], field: str) -> Iterator[FieldReference]:
        """Yield one reference of each event that satisfies a condition."""
        statement = select(*_EVENT_COLUMNS).where(condition).order_by(feedback_events.c.position)
        for row in self._read(statement, self.query.max_nodes):
            yield from (found for found in _references_of_event(row) if found.field == field)

    def _event_references(self, event: DocumentKey) -> list[FieldReference] | None:
        """Return the references of a feedback event; ``None`` if the event does not exist."""
        row = self.connection.execute(
            select(*_EVENT_COLUMNS).where(feedback_events.c.id == event.id.encode())
        ).one_or_none()
        return None if row is None else list(_references_of_event(row))

    def _resolve(self, reference: FieldReference) -> _Target:
        """Return what a reference leads to."""
        key = DocumentKey(reference.target_type, reference.target_id)
        if reference.resolution is None or self._state(key)[0] is not NodeState.MISSING:
            return _Target(key)
        if not reference.context:
            return _Target(key, self._versions_of_any_model(reference.target_id))
        models = [reference.context]
        if reference.resolution is Resolution.BY_VERSION_OF_DEPLOYMENT:
            models = self._models_of_deployment(reference.context)
        found = [
            DocumentKey(_VERSION, id_)
            for model in models
            for id_ in self._versions(model, reference.target_id)
            if (_VERSION, id_) != (reference.holder_type, reference.holder_id)
        ]
        if len(found) == 1:
            return _Target(found[0])
        return _Target(key, tuple(found[:MAX_CANDIDATES]), is_ambiguous=bool(found))

    def _models_of_deployment(self, deployment: str) -> list[str]:
        """Return the models whose versions a deployment serves; usually one, or none."""
        known = self.models.get(deployment)
        if known is None:
            version_ids = self._targets_of(
                DocumentKey("DeploymentConfig", deployment), "model_version_id"
            )
            known = self.models[deployment] = [
                model
                for id_ in version_ids
                for model in self._targets_of(DocumentKey(_VERSION, id_), "model_id")
            ]
        return known

    def _targets_of(self, source: DocumentKey, field: str) -> list[str]:
        if not self.query.scope.allows(*source):
            return []
        return [found.target_id for found in self._references(source) if found.field == field]

    def _versions(self, model: str, version: str) -> list[str]:
        """Return the documents of a model that have a version: two are enough to be ambiguous."""
        known = self.versions.get((model, version))
        if known is None:
            value = field_values.c.value == version_of_model(model, version).encode()
            known = self.versions[model, version] = self._found(VERSION_OF_MODEL, value)
        return known

    def _versions_of_any_model(self, version: str) -> tuple[DocumentKey, ...]:
        value = field_values.c.value == version.encode()
        found = self._found("version", value)[:MAX_CANDIDATES]
        return tuple(DocumentKey(_VERSION, id_) for id_ in found)

    def _found(self, field: str, condition: ColumnElement[bool]) -> list[str]:
        """Return the model versions in the scope whose field satisfies a condition; the first."""
        scope = self.query.scope
        if scope.types is not None and _VERSION not in scope.types:
            return []
        columns = field_values.c
        ids = self.connection.execute(
            select(columns.id)
            .where(columns.type == _VERSION, columns.field == field, condition)
            .where(within(scope, columns.id))
            .order_by(columns.id)
            # One more than are listed, since a reference excludes the document that has it.
            .limit(MAX_CANDIDATES + 1)
        ).scalars()
        return [bytes(id_).decode() for id_ in ids]

    def _value(self, document: DocumentKey, field: str) -> bytes | None:
        columns = field_values.c
        found = self.connection.execute(
            select(columns.value).where(
                columns.type == document.type,
                columns.id == document.id.encode(),
                columns.field == field,
            )
        ).scalar()
        return None if found is None else bytes(found)


_REFERENCE_COLUMNS = tuple(document_references.c[name] for name in FieldReference._fields)

_OF_DOCUMENT = (document_references.c.document_type, document_references.c.document_id)
_OF_HOLDER = (document_references.c.holder_type, document_references.c.holder_id)

#: Selects references that are in stored documents, or in copies of others.
_REFERRING = (
    select(*_REFERENCE_COLUMNS)
    .select_from(
        document_references.outerjoin(
            documents,
            and_(
                documents.c.type == document_references.c.holder_type,
                documents.c.id == document_references.c.holder_id,
                documents.c.deleted.is_(False),
            ),
        )
    )
    .where(
        or_(
            and_(*(one == other for one, other in zip(_OF_DOCUMENT, _OF_HOLDER, strict=True))),
            documents.c.id.is_(None),
        )
    )
)

#: The number of references whose rows one statement reads.
_AT_A_TIME = 500

_EVENT_COLUMNS = (
    feedback_events.c.id,
    *(
        name_of(_NUMBERS[field.name]) if field.name in _NUMBERS else feedback_events.c[field.name]
        for field in FEEDBACK_REFERENCES
    ),
)


def _event_refers(field: str, value: bytes) -> ColumnElement[bool]:
    """Return the condition that a reference of an event has a value."""
    number = _NUMBERS.get(field)
    return feedback_events.c[field] == value if number is None else number == number_of(value)


def _reference(row: Any) -> FieldReference:
    """Return the reference of a row of `_REFERENCE_COLUMNS`."""
    type_, id_, field, target_type, target_id, embedded, resolution, context = row
    return FieldReference(
        type_,
        bytes(id_).decode(),
        field,
        target_type,
        bytes(target_id).decode(),
        embedded,
        None if resolution is None else Resolution[resolution],
        "" if context is None else bytes(context).decode(),
    )


def _references_of_event(row: Any) -> Iterator[FieldReference]:
    """Yield the references in a row of `_EVENT_COLUMNS`."""
    id_, *texts = ("" if value is None else bytes(value).decode() for value in row)
    values = dict(zip((field.name for field in FEEDBACK_REFERENCES), texts, strict=True))
    for field in FEEDBACK_REFERENCES:
        if values[field.name]:
            assert field.reference is not None
            way = resolution_by_version(field)
            yield FieldReference(
                FEEDBACK,
                id_,
                field.name,
                field.reference,
                values[field.name],
                embedded=False,
                resolution=way,
                context="" if way is None else values[CONTEXT_FIELDS[way]],
            )
