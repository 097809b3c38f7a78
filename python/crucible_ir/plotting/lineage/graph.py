"""What a graph of a lineage consists of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

#: The type and the id of a document.
Key = tuple[str, str]


class NodeState(Enum):
    """The state of a document, with its class in the style sheet and its word."""

    STORED = ("", "")
    EMBEDDED = ("emb", "a copy")
    FEEDBACK = ("", "")
    DELETED = ("gone", "deleted")
    MISSING = ("mis", "missing")
    AMBIGUOUS = ("amb", "ambiguous")


@dataclass(frozen=True, slots=True)
class LineageNode:
    """A document, or several of one type that are drawn as one.

    Attributes:
        type: The short name of the type.
        id: The id, or words that say which documents these are.
        state: The state in the exchange.
        href: Where a click leads. None: nowhere.
        count: The number of documents, if it is not one.
        more: The number of references that are not shown.
        more_href: Where they are shown.
    """

    type: str
    id: str
    state: NodeState = NodeState.STORED
    href: str | None = None
    count: int = 1
    more: int = 0
    more_href: str | None = None

    @property
    def key(self) -> Key:
        """The type and the id."""
        return self.type, self.id


@dataclass(frozen=True, slots=True)
class LineageEdge:
    """A reference: the field of the source names the target."""

    source: Key
    target: Key
    field: str


@dataclass(frozen=True, slots=True)
class LineageGraph:
    """Documents and the references between them.

    Attributes:
        title: The title, for screen readers and the caption.
        nodes: The documents, each key once.
        edges: The references. Those from or to other documents are left out.
        start: The document that the trace starts from.
        lit: A document whose path from the start is lit. None: the references of the start are.
    """

    title: str
    nodes: Sequence[LineageNode]
    edges: Sequence[LineageEdge]
    start: Key
    lit: Key | None = None


def lit_edges(graph: LineageGraph) -> frozenset[int]:
    """Return the indices of the edges that are lit.

    >>> nodes = [LineageNode("A", "1"), LineageNode("B", "2"), LineageNode("C", "3")]
    >>> edges = [LineageEdge(("A", "1"), ("B", "2"), "b"), LineageEdge(("B", "2"), ("C", "3"), "c")]
    >>> sorted(lit_edges(LineageGraph("", nodes, edges, ("A", "1"))))
    [0]
    >>> sorted(lit_edges(LineageGraph("", nodes, edges, ("A", "1"), lit=("C", "3"))))
    [0, 1]
    """
    ends = [(edge.source, edge.target) for edge in graph.edges]
    if graph.lit is None:
        return frozenset(index for index, pair in enumerate(ends) if graph.start in pair)
    # The shortest path, in either direction of the references.
    came: dict[Key, tuple[Key, int] | None] = {graph.start: None}
    queue = [graph.start]
    for key in queue:
        for index, (source, target) in enumerate(ends):
            if key in (source, target):
                other = target if key == source else source
                if other not in came:
                    came[other] = (key, index)
                    queue.append(other)
    path = set()
    step = came.get(graph.lit)
    while step is not None:
        key, index = step
        path.add(index)
        step = came[key]
    return frozenset(path)
