"""Draws the graph of a lineage."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Hashable, Iterator
from typing import Final

from crucible_ir.errors import plural, printable
from crucible_ir.plotting.figure import Figure, Space
from crucible_ir.plotting.lineage.graph import LineageGraph, NodeState, lit_edges
from crucible_ir.plotting.lineage.layout import GUTTER, PITCH, WIDTH, Box, Layout, Route, lay_out
from crucible_ir.plotting.markup import element, escape, number
from crucible_ir.showing.widths import shorten_middle

#: The most characters of an id, in a font of equal widths, and of other lines of a node.
_ID: Final = 19
_WORDS: Final = 25
#: The space above the nodes, for the titles of the columns.
_TOP: Final = 46
#: The distance between edges that end at one node.
_APART: Final = 9.0
_ARROW: Final = "M-6 -3l6 3l-6 3"
_DOWN: Final = "M-3 -6l3 6l3 -6"
_UP: Final = "M-3 6l3 -6l3 6"


def draw_lineage(graph: LineageGraph) -> Figure:
    """Draw documents in columns by their types, with the references between them.

    >>> from crucible_ir.plotting.lineage.graph import LineageEdge, LineageNode
    >>> version, run = ("ModelVersion", "v1"), ("TrainingRun", "r1")
    >>> edges = [LineageEdge(version, run, "training_run_id")]
    >>> graph = LineageGraph("v1", [LineageNode(*version), LineageNode(*run)], edges, version)
    >>> figure = draw_lineage(graph)
    >>> figure.width, figure.height
    (366.0, 115.0)
    """
    layout = lay_out(graph.nodes, graph.edges)
    lit = lit_edges(graph)
    ends = _ends(layout)
    # Lit edges are on top of the others.
    routes = sorted(layout.routes, key=lambda route: (route.index in lit, route.index))
    parts = [*_titles(layout)]
    parts += [_edge(route, layout, ends, route.index in lit) for route in routes]
    boxes = [box for column in layout.columns for box in column if box.node is not None]
    arrows = _arrows(layout)
    parts += [part for box in boxes for part in _node(box, graph, arrows)]
    # Edges around nodes of the first column are left of it.
    margin = GUTTER // 2 if any(route.boxes[-1].column == 0 for route in layout.routes) else 1
    width = max(1, len(layout.columns)) * PITCH - GUTTER + 1.0 + margin
    height = layout.height + _TOP + 2
    description = (
        f"{plural(len(graph.nodes), 'document')}, {plural(len(layout.routes), 'reference')}"
    )
    svg = element(
        "svg",
        element("desc", escape(description)),
        *parts,
        role="group",
        aria_label=f"{graph.title}. {description}",
        width=width,
        height=height,
        viewBox=f"-{margin} -{_TOP} {number(width)} {number(height)}",
        data_chart="lineage",
    )
    return Figure(graph.title, (), svg, height, Space(0, 0, 0, 0), width)


def _titles(layout: Layout) -> Iterator[str]:
    for column, names in enumerate(layout.titles):
        title = ", ".join(names)
        if len(title) > _WORDS:
            title = f"{shorten_middle(names[0], _WORDS - 4)} +{len(names) - 1}"
        yield element(
            "text",
            element("title", escape(", ".join(names))),
            escape(title),
            class_="ch",
            x=float(column * PITCH),
            y=-28.0,
        )


def _ends(layout: Layout) -> dict[int, float]:
    """Return at which height each edge enters its target: in the order in which they arrive."""
    arriving: dict[Hashable, list[Route]] = defaultdict(list)
    for route in layout.routes:
        if route.boxes[0].column != route.boxes[-1].column:
            arriving[route.boxes[-1].key].append(route)
    ends = {}
    for routes in arriving.values():
        target = routes[0].boxes[-1]
        routes.sort(key=lambda route: (_height_before(route), route.index))
        room = target.bottom - target.top - 20
        apart = min(_APART, room / max(1, len(routes) - 1))
        first = (target.top + target.bottom) / 2 - apart * (len(routes) - 1) / 2
        for place, route in enumerate(routes):
            ends[route.index] = first + apart * place
    return ends


def _height_before(route: Route) -> float:
    box = route.boxes[-2]
    return box.middle if box.node is None else box.port_top(route.edge.field)


def _edge(route: Route, layout: Layout, ends: dict[int, float], lit: bool) -> str:
    source, target = route.boxes[0], route.boxes[-1]
    assert target.node is not None
    style = {NodeState.AMBIGUOUS: " guess", NodeState.MISSING: " lost"}.get(target.node.state, "")
    style += " hot" if lit else ""
    if source.column == target.column:
        path, left, top, arrow = _upright(route, layout)
    else:
        path, left, top = _level(route, ends[route.index])
        arrow = _ARROW
    return element(
        "g",
        element("title", escape(f"{route.edge.source[1]}: {route.edge.field}")),
        element("path", class_=f"e{style}", d=path),
        element(
            "path",
            class_=f"ah{style}",
            d=arrow,
            transform=f"translate({number(left)} {number(top)})",
        ),
    )


def _level(route: Route, end: float) -> tuple[str, float, float]:
    """Return the path of an edge from left to right, and where it ends."""
    left = float(route.boxes[0].left + WIDTH)
    top = route.boxes[0].port_top(route.edge.field)
    path = f"M{number(left)} {number(top)}"
    for box in route.boxes[1:]:
        last = box is route.boxes[-1]
        right, height = box.left - (2 if last else 0), end if last else box.middle
        half = (right - left) / 2
        path += (
            f"C{number(left + half)} {number(top)} {number(left + half)} {number(height)}"
            f" {number(right)} {number(height)}"
        )
        left, top = right, height
        if not last:
            path += f"H{box.left + WIDTH}"
            left = float(box.left + WIDTH)
    return path, left, top


def _upright(route: Route, layout: Layout) -> tuple[str, float, float, str]:
    """Return the path of an edge within a column, where it ends, and its arrow."""
    source, target = route.boxes[0], route.boxes[-1]
    column = layout.columns[source.column]
    places = column.index(source), column.index(target)
    if abs(places[0] - places[1]) == 1:
        left = source.left + 16.0
        down = places[0] < places[1]
        start = source.bottom if down else source.top
        end = target.top - 2 if down else target.bottom + 2
        return f"M{number(left)} {number(start)}V{number(end)}", left, end, _DOWN if down else _UP
    # Around the nodes between them, in the gutter.
    side = source.left
    start, end = source.port_top(route.edge.field), target.top + 14
    out = side - GUTTER // 2
    path = (
        f"M{side} {number(start)}C{out} {number(start)} {out} {number(end)}"
        f" {side - 2} {number(end)}"
    )
    return path, side - 2.0, end, _ARROW


def _arrows(layout: Layout) -> dict[tuple[Hashable, str], str]:
    """Return the signs of references within a column, by their sources and fields."""
    arrows = {}
    for route in layout.routes:
        source, target = route.boxes[0], route.boxes[-1]
        if source.column == target.column:
            arrows[source.key, route.edge.field] = "↓" if target.top > source.top else "↑"
    return arrows


def _node(box: Box, graph: LineageGraph, arrows: dict[tuple[Hashable, str], str]) -> Iterator[str]:
    node = box.node
    assert node is not None
    style, word = node.state.value
    is_start = node.key == graph.start
    names = ["n", *([style] if style else []), *(["start"] if is_start else [])]
    left, top, height = box.left, box.top, box.bottom - box.top
    parts = [element("title", escape(f"{node.type} {node.id}"))]
    if node.count > 1:
        parts += [_rect(left + by, top - by, WIDTH - by, height) for by in (6, 3)]
    parts.append(_rect(left, top, WIDTH, height, "bx"))
    kind = node.type if node.count == 1 else f"{node.count:,} {node.type}"
    words = ", ".join([kind, *([word] if word else []), *(["start"] if is_start else [])])
    parts.append(_text("ty", left + 10, top + 17, shorten_middle(printable(words), _WORDS)))
    parts.append(_text("id", left + 10, top + 33, shorten_middle(printable(node.id), _ID)))
    if box.ports:
        line = top + 41.5
        parts.append(
            element("line", class_="pl", x1=left + 1, x2=left + WIDTH - 1, y1=line, y2=line)
        )
    parts += [_port(box, name, arrows.get((box.key, name))) for name in box.ports]
    if node.href is None:
        yield element("g", *parts, class_=" ".join(names))
    else:
        yield element("a", *parts, class_=" ".join(names), href=_safe(node.href))
    if node.more:
        yield _more(box)


def _port(box: Box, name: str, arrow: str | None) -> str:
    words = shorten_middle(printable(name), _WORDS - 2)
    height = box.port_top(name) + 4
    if arrow is None:
        return _text("pt", box.left + WIDTH - 8, height, words, "end")
    return _text("pt", box.left + 10, height, f"{words} {arrow}")


def _more(box: Box) -> str:
    node = box.node
    assert node is not None
    words = f"+{node.more:,}"
    width = max(34.0, 8.0 * len(words) + 14)
    left, top = box.left + WIDTH - width - 8.5, box.bottom - 6.5
    parts = [
        element("title", escape(f"Show {plural(node.more, 'more reference')}")),
        element("rect", x=left, y=top, width=width, height=24.0, rx=12.0),
        element("text", escape(words), x=left + width / 2, y=top + 16),
    ]
    if node.more_href is None:
        return element("g", *parts, class_="more")
    return element("a", *parts, class_="more", href=_safe(node.more_href))


def _rect(left: float, top: float, width: float, height: float, name: str | None = None) -> str:
    return element(
        "rect",
        class_=name,
        x=left + 0.5,
        y=top + 0.5,
        width=width - 1.0,
        height=height - 1.0,
        rx=3.0,
    )


def _text(name: str, left: float, top: float, words: str, anchor: str | None = None) -> str:
    return element("text", escape(words), class_=name, x=left, y=top, text_anchor=anchor)


def _safe(address: str) -> str:
    """Return an address if it cannot run a script."""
    scheme = re.split("[/?#]", address, maxsplit=1)[0]
    if ":" in scheme and not address.startswith(("https://", "http://")):
        raise ValueError(f"not an address of a page: {address!r}")
    return address
