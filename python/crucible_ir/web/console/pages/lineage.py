"""The lineage of a document: what it comes from and what came from it, opened hop by hop."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from crucible_ir import plotting
from crucible_ir.exchange.client.results import LineageEdge, Reference
from crucible_ir.plotting import Figure, LineageGraph, NodeState, draw_lineage
from crucible_ir.web.console.errors import Problem, ProblemError
from crucible_ir.web.console.page import Link, Live, Page, View, Visit

if TYPE_CHECKING:
    from crucible_ir.exchange.client.results import Lineage, LineageNode

_DIRECTIONS: Final = ("both", "upstream", "downstream")
#: The references from the start that a page follows, by default and at most.
_DEPTH: Final = 2
_MAX_DEPTH: Final = 10
#: The most documents of one trace, and the most documents whose references the reader opens.
_MAX_NODES: Final = 150
_MAX_OPEN: Final = 20
#: The most documents of one type with the same references that are shown one by one.
_MAX_ALIKE: Final = 5
#: The states of the documents at which a trace ends too early.
_ENDS: Final = ("missing", "ambiguous", "deleted")


@dataclass(frozen=True, slots=True)
class Choice:
    """A direction that can be traced."""

    name: str
    url: str


@dataclass(frozen=True, slots=True)
class Naming:
    """A document that refers to another one, and the field with the reference."""

    id: str
    url: str
    field: str


@dataclass(frozen=True, slots=True)
class Node:
    """A document of the lineage, or several of one type with the same references.

    Attributes:
        type: Its type.
        id: Its id, or how many these are.
        members: The ids, if it is several.
        url: Its page; empty if the exchange has no such document.
        state: The state in the exchange, such as ``stored`` or ``missing``.
        hidden: The number of documents behind it that are not shown.
        open_url: This page with these documents; empty if there are none.
        named_by: The documents that refer to it.
        candidates: The documents that an ambiguous reference may mean.
    """

    type: str
    id: str
    members: Sequence[str]
    url: str
    state: str
    hidden: int
    open_url: str
    named_by: Sequence[Naming]
    candidates: Sequence[Link]


@dataclass(frozen=True, slots=True)
class Edge:
    """A reference: a field of the source names the target."""

    source: str
    target: str
    field: str


@dataclass(frozen=True, slots=True)
class Traced:
    """The lineage of a document.

    Attributes:
        type: The type of the document.
        id: Its id.
        direction: The direction of the trace.
        directions: The directions to choose from.
        nodes: The documents, the start first.
        edges: The references between them.
        counts: The number of documents in each state, the commonest first.
        truncated: Whether there are more documents than a page shows.
        depth: The references from the start that are followed.
        deeper_url: This page with one reference more; empty if nothing is hidden.
        figure: The picture.
    """

    type: str
    id: str
    direction: str
    directions: Sequence[Choice]
    nodes: Sequence[Node]
    edges: Sequence[Edge]
    counts: Mapping[str, int]
    truncated: bool
    depth: int
    deeper_url: str
    figure: Figure = field(metadata={"json": False})

    @property
    def count(self) -> int:
        """The number of documents."""
        return sum(len(node.members) or 1 for node in self.nodes)

    @property
    def ends(self) -> Sequence[Node]:
        """The documents at which the trace ends too early."""
        return [node for node in self.nodes if node.state in _ENDS]


class _Traces:
    """The documents and references of several traces."""

    def __init__(self) -> None:
        self.nodes: dict[Reference, LineageNode] = {}
        self.edges: dict[LineageEdge, None] = {}
        self.shown: set[Reference] = set()
        self.truncated = False

    def add(self, lineage: Lineage, depth: int) -> None:
        """Add a trace, and show its documents up to a depth."""
        for node in lineage.nodes:
            self.nodes.setdefault(node.reference, node)
            if node.depth <= depth:
                self.shown.add(node.reference)
        self.edges.update(dict.fromkeys(lineage.edges))
        self.truncated |= lineage.truncated and len(lineage.nodes) >= _MAX_NODES

    def hidden(self) -> Mapping[Reference, int]:
        """Return how many documents behind each one are not shown."""
        behind: defaultdict[Reference, set[Reference]] = defaultdict(set)
        for edge in self.edges:
            for one, other in ((edge.source, edge.target), (edge.target, edge.source)):
                if one in self.shown and other not in self.shown:
                    behind[one].add(other)
        return {reference: len(others) for reference, others in behind.items()}


async def show(visit: Visit) -> View:
    """Show the lineage of a document."""
    type_, id_ = visit.type_param(), visit.param("id")
    direction = visit.query("direction") or _DIRECTIONS[0]
    if direction not in _DIRECTIONS:
        reason = f"direction must be {', '.join(_DIRECTIONS[:-1])} or {_DIRECTIONS[-1]}"
        raise ProblemError(Problem.bad_request(f"{reason}, got {direction!r}"))
    depth = min(visit.number("depth") or _DEPTH, _MAX_DEPTH)
    opened = _opened(visit)
    traces = _Traces()
    start, *others = await asyncio.gather(
        _trace(visit, type_, id_, direction, depth),
        *(_trace(visit, *key, direction, 1) for key in opened),
    )
    traces.add(start, depth)
    for other in others:
        traces.add(other, 1)
    address = _Address(visit, type_, id_, direction, depth, opened)
    data = _traced(visit, traces, address)
    trail = (
        Link(type_, visit.url("documents", type_)),
        Link(id_, visit.document_url(type_, id_)),
        Link("lineage", address.of()),
    )
    return View(f"Lineage of {id_}", data, trail, Live())


async def _trace(visit: Visit, type_: str, id_: str, direction: str, depth: int) -> Lineage:
    """Trace one reference further than is shown, to know what is behind the last documents."""
    return await visit.client.trace(
        type_, id_, direction=direction, max_depth=depth + 1, max_nodes=_MAX_NODES
    )


def _opened(visit: Visit) -> list[tuple[str, str]]:
    """Return the documents whose references the reader opened, from the address."""
    keys = [text.partition("/") for text in visit.request.query_params.getlist("open")]
    if len(keys) > _MAX_OPEN:
        reason = f"a page opens at most {_MAX_OPEN} documents: trace from one of them"
        raise ProblemError(Problem.bad_request(reason))
    return [(type_, id_) for type_, _, id_ in keys if type_ and id_]


@dataclass(frozen=True, slots=True)
class _Address:
    """The address of the page, with other parameters."""

    visit: Visit
    type: str
    id: str
    direction: str
    depth: int
    opened: Sequence[tuple[str, str]]

    def of(
        self, direction: str | None = None, depth: int | None = None, more: str | None = None
    ) -> str:
        """Return the address with a direction, a depth, or one more document opened."""
        opened = [f"{type_}/{id_}" for type_, id_ in self.opened]
        return self.visit.document_url(
            self.type,
            self.id,
            "lineage",
            direction=direction or self.direction,
            depth=depth or self.depth,
            open=[*opened, more] if more is not None else opened,
        )


def _traced(visit: Visit, traces: _Traces, address: _Address) -> Traced:
    hidden = traces.hidden()
    namings: defaultdict[Reference, list[Naming]] = defaultdict(list)
    for edge in traces.edges:
        url = _url(visit, traces.nodes.get(edge.source))
        namings[edge.target].append(Naming(edge.source.id, url, edge.field))
    edges = [
        edge for edge in traces.edges if edge.source in traces.shown and edge.target in traces.shown
    ]
    start = next(iter(traces.nodes))
    alike = _alike([each for each in traces.nodes if each in traces.shown], edges)
    names = {
        member: Reference(member.type, f"{len(members):,} documents")
        for members in alike
        for member in members
        if len(members) > _MAX_ALIKE and member != start
    }
    nodes: dict[Reference, Node] = {}
    counts: Counter[str] = Counter()
    for reference, node in traces.nodes.items():
        if reference not in traces.shown:
            continue
        counts[node.state] += 1
        shown = names.get(reference, reference)
        if shown not in nodes:
            members = [each.id for each, name in names.items() if name == shown]
            behind = hidden.get(reference, 0)
            nodes[shown] = _node(visit, node, shown, members, behind, namings[reference], address)
    edges = list(
        dict.fromkeys(
            LineageEdge(
                names.get(edge.source, edge.source), names.get(edge.target, edge.target), edge.field
            )
            for edge in edges
        )
    )
    return Traced(
        address.type,
        address.id,
        address.direction,
        [Choice(name, address.of(direction=name)) for name in _DIRECTIONS],
        list(nodes.values()),
        [Edge(_text(edge.source), _text(edge.target), edge.field) for edge in edges],
        counts,
        traces.truncated,
        address.depth,
        address.of(depth=address.depth + 1) if hidden and address.depth < _MAX_DEPTH else "",
        _draw(list(nodes.values()), edges, address),
    )


def _alike(
    shown: Iterable[Reference], edges: Iterable[LineageEdge]
) -> Iterable[Sequence[Reference]]:
    """Return the documents in groups of one type that have the same references."""
    ends: defaultdict[Reference, set[tuple[str, bool, Reference]]] = defaultdict(set)
    for edge in edges:
        ends[edge.source].add((edge.field, True, edge.target))
        ends[edge.target].add((edge.field, False, edge.source))
    groups: defaultdict[object, list[Reference]] = defaultdict(list)
    for reference in shown:
        groups[reference.type, frozenset(ends[reference])].append(reference)
    return groups.values()


def _text(reference: Reference) -> str:
    return f"{reference.type}/{reference.id}"


def _url(visit: Visit, node: LineageNode | None) -> str:
    if node is None or node.state not in ("stored", "deleted"):
        return ""
    return visit.document_url(node.reference.type, node.reference.id)


def _node(
    visit: Visit,
    node: LineageNode,
    shown: Reference,
    members: Sequence[str],
    hidden: int,
    named_by: Sequence[Naming],
    address: _Address,
) -> Node:
    reference = node.reference
    return Node(
        shown.type,
        shown.id,
        members,
        "" if members else _url(visit, node),
        node.state,
        hidden,
        address.of(more=_text(reference)) if hidden and len(address.opened) < _MAX_OPEN else "",
        named_by,
        [Link(each.id, visit.document_url(each.type, each.id)) for each in node.candidates],
    )


def _draw(nodes: Sequence[Node], edges: Iterable[LineageEdge], address: _Address) -> Figure:
    drawn = [
        plotting.LineageNode(
            node.type,
            node.id,
            NodeState.__members__.get(node.state.upper(), NodeState.STORED),
            node.url or None,
            count=len(node.members) or 1,
            more=node.hidden,
            more_href=node.open_url or None,
        )
        for node in nodes
    ]
    references = [
        plotting.LineageEdge(
            (edge.source.type, edge.source.id), (edge.target.type, edge.target.id), edge.field
        )
        for edge in edges
    ]
    title = f"Lineage of {address.id}"
    return draw_lineage(LineageGraph(title, drawn, references, (address.type, address.id)))


PAGES = (Page("/documents/{type}/{id}/lineage", show, "lineage.html"),)
ACTIONS = ()
