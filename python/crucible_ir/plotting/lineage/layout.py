"""Places for the nodes of a graph: columns by type, few crossings, edges that bend little."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from crucible_ir.plotting.geometry.placement import stack
from crucible_ir.plotting.lineage.graph import Key, LineageEdge, LineageNode

#: The size of nodes and the space between columns, in pixels.
WIDTH: Final = 160
GUTTER: Final = 44
PITCH: Final = WIDTH + GUTTER
_HEAD: Final = 45
_PORT: Final = 17
_GAP: Final = 24.0
#: The height that an edge takes where it passes through a column.
_PASS: Final = 6.0
#: The space for the link that opens more references.
_MORE: Final = 20.0
#: How often the order of the columns is improved.
_SWEEPS: Final = 8


@dataclass(slots=True, eq=False)
class Box:
    """A node, or the place where an edge passes through a column (`node` is None)."""

    key: Hashable
    column: int
    height: float
    node: LineageNode | None = None
    #: The fields with references, in the order of their rows.
    ports: list[str] = field(default_factory=list)
    #: Of these, the ones whose target is in the same column.
    upright: set[str] = field(default_factory=set)
    top: float = 0.0

    @property
    def left(self) -> int:
        """The left side."""
        return self.column * PITCH

    @property
    def bottom(self) -> float:
        """The lower side of what is drawn, without the link to more."""
        more = _MORE if self.node is not None and self.node.more else 0.0
        return self.top + self.height - more

    @property
    def middle(self) -> float:
        """The middle of the place that it takes."""
        return self.top + self.height / 2

    def port_top(self, name: str) -> float:
        """Return the height at which the edge of a field begins."""
        return self.top + _HEAD + 5 + _PORT * self.ports.index(name) + 3


@dataclass(frozen=True, slots=True)
class Route:
    """An edge with the places that it passes through, from its source to its target."""

    index: int
    edge: LineageEdge
    boxes: tuple[Box, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """The places of all parts of a graph."""

    columns: list[list[Box]]
    #: The types in each column.
    titles: list[list[str]]
    routes: list[Route]

    @property
    def height(self) -> float:
        """The lowest side of any node."""
        return max((box.top + box.height for column in self.columns for box in column), default=0)


def lay_out(nodes: Sequence[LineageNode], edges: Sequence[LineageEdge]) -> Layout:
    """Place the nodes: every type has its column, and references lead from left to right.

    Equal graphs have equal layouts.
    """
    keys = {node.key for node in nodes}
    known = [
        (index, edge)
        for index, edge in enumerate(edges)
        if edge.source in keys and edge.target in keys and edge.source != edge.target
    ]
    column_of = _columns_of_types(nodes, [edge for _, edge in known])
    boxes = {node.key: _box(node, column_of[node.type], known, column_of) for node in nodes}
    columns: list[list[Box]] = [[] for _ in range(max(column_of.values(), default=-1) + 1)]
    for box in boxes.values():
        columns[box.column].append(box)
    routes = [Route(index, edge, _route(index, edge, boxes, columns)) for index, edge in known]
    _order(columns, routes)
    _place(columns, routes)
    _order_ports(boxes.values(), routes)
    return Layout(columns, _titles(nodes, column_of, len(columns)), routes)


def _columns_of_types(nodes: Sequence[LineageNode], edges: Iterable[LineageEdge]) -> dict[str, int]:
    """Return the column of each type: left of all types that it refers to.

    Types that refer to each other share one.
    """
    types = list(dict.fromkeys(node.type for node in nodes))
    targets: dict[str, set[str]] = {name: set() for name in types}
    for edge in edges:
        targets[edge.source[0]].add(edge.target[0])
    reached = {name: _reached(name, targets) for name in types}
    groups = {
        name: frozenset([name, *(other for other in reached[name] if name in reached[other])])
        for name in types
    }
    levels: dict[frozenset[str], int] = {}

    def level(group: frozenset[str]) -> int:
        if group not in levels:
            beyond = {groups[other] for name in group for other in targets[name]} - {group}
            levels[group] = max((level(other) + 1 for other in beyond), default=0)
        return levels[group]

    last = max((level(group) for group in groups.values()), default=0)
    return {name: last - levels[groups[name]] for name in types}


def _reached(start: str, targets: Mapping[str, set[str]]) -> set[str]:
    reached: set[str] = set()
    queue = [start]
    for name in queue:
        new = targets[name] - reached
        reached |= new
        queue += sorted(new)
    return reached


def _box(
    node: LineageNode,
    column: int,
    edges: Sequence[tuple[int, LineageEdge]],
    column_of: Mapping[str, int],
) -> Box:
    own = [edge for _, edge in edges if edge.source == node.key]
    ports = list(dict.fromkeys(edge.field for edge in own))
    upright = {edge.field for edge in own if column_of[edge.target[0]] == column}
    height = _HEAD + (5 + _PORT * len(ports) if ports else 0) + (_MORE if node.more else 0)
    return Box(node.key, column, height, node, ports, upright)


def _route(
    index: int, edge: LineageEdge, boxes: Mapping[Key, Box], columns: Sequence[list[Box]]
) -> tuple[Box, ...]:
    """Return the places of an edge, with new ones in the columns that it passes through."""
    source, target = boxes[edge.source], boxes[edge.target]
    passes = [
        Box((index, column), column, _PASS) for column in range(source.column + 1, target.column)
    ]
    for box in passes:
        columns[box.column].append(box)
    return (source, *passes, target)


def _order(columns: list[list[Box]], routes: Sequence[Route]) -> None:
    """Sort the boxes of each column so that few edges cross."""
    before, after = _neighbours(routes)
    chains = _chains(columns, routes)
    best = [list(column) for column in columns]
    fewest = None
    for sweep in range(_SWEEPS):
        forward = sweep % 2 == 0
        neighbours = before if forward else after
        for index in range(len(columns)) if forward else reversed(range(len(columns))):
            beside = index - 1 if forward else index + 1
            if 0 <= beside < len(columns) or sweep == 0:
                ranks = {
                    box.key: rank
                    for rank, box in enumerate(
                        columns[beside] if 0 <= beside < len(columns) else ()
                    )
                }
                columns[index] = _sorted_column(columns[index], neighbours, ranks, chains)
        crossings = _crossings(columns, routes)
        if fewest is None or crossings < fewest:
            fewest, best = crossings, [list(column) for column in columns]
    columns[:] = best


def _neighbours(
    routes: Iterable[Route],
) -> tuple[dict[Hashable, list[Hashable]], dict[Hashable, list[Hashable]]]:
    before: dict[Hashable, list[Hashable]] = defaultdict(list)
    after: dict[Hashable, list[Hashable]] = defaultdict(list)
    for route in routes:
        for left, right in zip(route.boxes, route.boxes[1:], strict=False):
            if left.column != right.column:
                after[left.key].append(right.key)
                before[right.key].append(left.key)
    return before, after


def _chains(columns: Iterable[list[Box]], routes: Sequence[Route]) -> dict[Hashable, list[Box]]:
    """Return for each box those that references within its column connect it with, in order."""
    chains: dict[Hashable, list[Box]] = {box.key: [box] for column in columns for box in column}
    # Backwards, because each is inserted right below its source.
    for route in reversed(routes):
        source, target = route.boxes[0], route.boxes[-1]
        if source.column != target.column:
            continue
        left, right = chains[source.key], chains[target.key]
        if left is right:
            continue
        at = left.index(source) + 1
        left[at:at] = right
        for box in right:
            chains[box.key] = left
    return chains


def _sorted_column(
    column: Sequence[Box],
    neighbours: Mapping[Hashable, Sequence[Hashable]],
    ranks: Mapping[Hashable, int],
    chains: Mapping[Hashable, list[Box]],
) -> list[Box]:
    """Return a column by the mean rank of its neighbours; chains stay together."""
    own = {box.key: float(rank) for rank, box in enumerate(column)}
    groups: dict[int, tuple[float, int, list[Box]]] = {}
    for rank, box in enumerate(column):
        chain = chains[box.key]
        if id(chain) in groups:
            continue
        found = [
            ranks[key] for part in chain for key in neighbours.get(part.key, ()) if key in ranks
        ]
        mean = sum(found) / len(found) if found else own[box.key]
        groups[id(chain)] = (mean, rank, chain)
    return [box for _, _, chain in sorted(groups.values(), key=lambda g: g[:2]) for box in chain]


def _crossings(columns: Sequence[list[Box]], routes: Iterable[Route]) -> int:
    """Count the crossings between neighbouring columns."""
    ranks = {box.key: rank for column in columns for rank, box in enumerate(column)}
    pairs: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for route in routes:
        for left, right in zip(route.boxes, route.boxes[1:], strict=False):
            if left.column != right.column:
                pairs[left.column].append((ranks[left.key], ranks[right.key]))
    count = 0
    for ends in pairs.values():
        # The right ends so far, ascending: those above an end cross it.
        seen: list[int] = []
        for _, end in sorted(ends):
            at = bisect_right(seen, end)
            count += len(seen) - at
            seen.insert(at, end)
    return count


def _place(columns: Sequence[list[Box]], routes: Sequence[Route]) -> None:
    """Choose the heights: each box beside its neighbours, as far as the order permits."""
    by_key = {box.key: box for column in columns for box in column}
    before, after = _neighbours(routes)
    for column in columns:
        top = 0.0
        for box in column:
            box.top = top
            top += box.height + _GAP
    for sweep in range(_SWEEPS):
        forward = sweep % 2 == 0
        for column in columns if forward else reversed(columns):
            wanted = []
            for box in column:
                keys = [*before.get(box.key, ()), *after.get(box.key, ())]
                if sweep < _SWEEPS - 2:
                    keys = list(before.get(box.key, ()) if forward else after.get(box.key, ()))
                middles = [by_key[key].middle for key in keys]
                wanted.append(sum(middles) / len(middles) if middles else box.middle)
            for box, top in zip(
                column, stack(wanted, [box.height for box in column], _GAP), strict=True
            ):
                box.top = top
    highest = min((box.top for box in by_key.values()), default=0.0)
    for box in by_key.values():
        box.top = float(round(box.top - highest))


def _order_ports(boxes: Iterable[Box], routes: Iterable[Route]) -> None:
    """Sort the fields of each node by where their edges lead, so that these do not cross."""
    wanted: dict[tuple[Hashable, str], list[float]] = defaultdict(list)
    for route in routes:
        wanted[route.boxes[0].key, route.edge.field].append(route.boxes[1].middle)
    for box in boxes:

        def place(name: str, key: Hashable = box.key) -> float:
            middles = wanted[key, name]
            return sum(middles) / len(middles)

        # References within the column leave at the lower left.
        box.ports.sort(key=lambda name: (name in box.upright, place(name), name))


def _titles(
    nodes: Sequence[LineageNode], column_of: Mapping[str, int], count: int
) -> list[list[str]]:
    titles: list[list[str]] = [[] for _ in range(count)]
    for name in dict.fromkeys(node.type for node in nodes):
        titles[column_of[name]].append(name)
    return titles
