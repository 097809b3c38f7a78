"""The documents of an exchange for a bundle. Requires the extra ``crucible-ir[exchange]``."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from crucible_ir.errors import EncodeError, FieldError
from crucible_ir.exchange.client.errors import NotFoundError
from crucible_ir.exchange.client.requests import EventFilter
from crucible_ir.interchange.bundle.documents import DocumentSet
from crucible_ir.interchange.bundle.findings import AMBIGUOUS, DANGLING, BundleFinding
from crucible_ir.schema.references import DocumentKey

if TYPE_CHECKING:
    from crucible_ir.exchange.client.blocking_client import ExchangeClient
    from crucible_ir.exchange.client.results import (
        Lineage,
        LineageEdge,
        LineageNode,
        Reference,
    )
    from crucible_ir.v1 import FeedbackEvent

#: The limits of one trace, which are the largest that an exchange accepts.
_MAX_DEPTH = 100
_MAX_NODES = 10_000

#: The states of what has no references of its own.
_ENDS = ("missing", "ambiguous", "deleted")


class ExchangeClosure(NamedTuple):
    """The documents of an exchange that some documents refer to, and these documents.

    Attributes:
        documents: The documents.
        findings: The references to what is not among them.
    """

    documents: DocumentSet
    findings: list[BundleFinding]


def closure_from_exchange(client: ExchangeClient, starts: Iterable[DocumentKey]) -> ExchangeClosure:
    """Return documents of an exchange and everything that they refer to.

    The exchange resolves the references: candidates of an ambiguous reference are not followed.
    Each document has the revision that was traced.

    Args:
        client: The client of the exchange.
        starts: The types and ids of the documents.

    Raises:
        FieldError: The exchange does not store one of the documents, but only copies of it.
        EncodeError: A document has no digest, for example because it is of a newer schema.
        NotFoundError: It has nothing with the type and the id.
        ExchangeError: A call failed.
    """
    starts = list(starts)
    trace = _Trace(client, starts)
    for start in starts:
        state = trace.nodes[start].state
        if state not in ("stored", "feedback"):
            raise FieldError(f"the exchange does not store {start}: it is {state}")
    documents = DocumentSet()
    for key, node in trace.nodes.items():
        if node.state == "stored" and node.record is not None:
            stored = client.get(key.type, key.id, revision=node.record.revision)
            if stored.document is None:
                continue
            try:
                documents.add(stored.document, id=key.id)
            except EncodeError as error:
                raise EncodeError(f"{key}: {error.reason}", path=error.path) from None
    for event in _events(client, trace):
        documents.add(event)
    return ExchangeClosure(documents, list(_unresolved(trace, documents)))


class _Trace:
    """The lineage of several documents upstream, beyond the limits of one call."""

    def __init__(self, client: ExchangeClient, starts: list[DocumentKey]) -> None:
        self.nodes: dict[DocumentKey, LineageNode] = {}
        self.edges: dict[LineageEdge, None] = {}
        for start in starts:
            lineage = client.trace(*start, max_depth=_MAX_DEPTH, max_nodes=_MAX_NODES)
            self._take(lineage)
            if lineage.truncated:
                self._trace_by_step(client, start)

    def _trace_by_step(self, client: ExchangeClient, start: DocumentKey) -> None:
        """Trace one reference at a time, which has no limit on the whole."""
        reached = {start}
        waiting = deque(reached)
        while waiting:
            lineage = client.trace(*waiting.popleft(), max_depth=1, max_nodes=_MAX_NODES)
            for key in self._take(lineage):
                if key not in reached:
                    reached.add(key)
                    if self.nodes[key].state not in _ENDS:
                        waiting.append(key)

    def _take(self, lineage: Lineage) -> list[DocumentKey]:
        """Add a lineage, and return its documents."""
        found = [_key(node.reference) for node in lineage.nodes]
        for key, node in zip(found, lineage.nodes, strict=True):
            if key not in self.nodes or node.candidates:
                self.nodes[key] = node
        self.edges |= dict.fromkeys(lineage.edges)
        return found


def _key(reference: Reference) -> DocumentKey:
    return DocumentKey(reference.type, reference.id)


def _events(client: ExchangeClient, trace: _Trace) -> Iterator[FeedbackEvent]:
    """Yield the feedback events of a trace, which an exchange exports but does not return by id."""
    deployments = {
        _key(edge.source): edge.target.id for edge in trace.edges if edge.field == "deployment_id"
    }
    wanted: defaultdict[str | None, set[str]] = defaultdict(set)
    for key, node in trace.nodes.items():
        if node.state == "feedback":
            wanted[deployments.get(key)].add(key.id)
    for deployment, ids in wanted.items():
        for event in client.export(EventFilter(deployment)):
            if event.id in ids:
                yield event
                ids.discard(event.id)
                if not ids:
                    break
        if ids:
            raise NotFoundError(f"the exchange no longer has the event {min(ids)}")


def _unresolved(trace: _Trace, documents: DocumentSet) -> Iterator[BundleFinding]:
    """Yield the references to what is not in the bundle, as the exchange resolves them."""
    for edge in trace.edges:
        key = _key(edge.target)
        node = trace.nodes[key]
        if node.state == "ambiguous":
            candidates = ", ".join(map(str, node.candidates))
            message = f"{key} is ambiguous in the exchange: {candidates}"
            yield BundleFinding(AMBIGUOUS, str(edge.source), edge.field, message)
        elif node.state == "embedded" and key not in documents.graph.copies:
            message = f"the exchange has only a copy of {key}, in a document outside the bundle"
            yield BundleFinding(DANGLING, str(edge.source), edge.field, message)
        elif node.state in ("missing", "deleted"):
            message = f"{key} is {node.state} in the exchange"
            if node.candidates:
                message += f"; {', '.join(map(str, node.candidates))} has this version"
            yield BundleFinding(DANGLING, str(edge.source), edge.field, message)
