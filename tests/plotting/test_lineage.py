"""Graphs of lineages: their columns, routes and links."""

from __future__ import annotations

import random
import time
from itertools import combinations, pairwise
from xml.etree import ElementTree

import pytest
from plotting.svg import HOSTILE, by_class, parse

from crucible_ir.plotting import (
    Figure,
    LineageEdge,
    LineageGraph,
    LineageNode,
    NodeState,
    draw_lineage,
)
from crucible_ir.plotting.geometry.placement import stack
from crucible_ir.plotting.lineage.layout import lay_out

VERSION, RUN, CONFIG, DATA = "ModelVersion", "TrainingRun", "TrainingConfig", "DatasetRef"
EVENT = "FeedbackEvent"


def nodes(*keys: tuple[str, str]) -> list[LineageNode]:
    return [LineageNode(*key) for key in keys]


def drawn(
    documents: list[LineageNode], edges: list[LineageEdge], lit: tuple[str, str] | None = None
) -> Figure:
    return draw_lineage(LineageGraph("Lineage", documents, edges, documents[0].key, lit))


def rectangles(figure: Figure) -> list[tuple[float, float, float, float]]:
    return [
        (x, y, x + float(part.get("width", "")), y + float(part.get("height", "")))
        for part in by_class(parse(figure), "bx")
        for x, y in [(float(part.get("x", "")), float(part.get("y", "")))]
    ]


def test_references_lead_from_left_to_right() -> None:
    keys = [(VERSION, "v2"), (RUN, "r"), (CONFIG, "c"), (DATA, "d"), (EVENT, "e"), (VERSION, "v1")]
    edges = [
        LineageEdge(keys[0], keys[1], "training_run_id"),
        LineageEdge(keys[1], keys[2], "config"),
        LineageEdge(keys[2], keys[3], "dataset_ref"),
        LineageEdge(keys[4], keys[0], "model_version"),
        LineageEdge(keys[0], keys[5], "parent_version"),
    ]
    layout = lay_out(nodes(*keys), edges)
    assert layout.titles == [[EVENT], [VERSION], [RUN], [CONFIG], [DATA]]
    # Versions of one type are above each other, the parent below.
    assert [[box.key for box in column] for column in layout.columns][1] == [keys[0], keys[5]]


def test_types_that_refer_to_each_other_share_a_column() -> None:
    keys = [("A", "1"), ("B", "1"), ("C", "1")]
    edges = [LineageEdge(a, b, "to") for a, b in [(keys[0], keys[1]), (keys[1], keys[0])]]
    edges.append(LineageEdge(keys[1], keys[2], "c"))
    assert lay_out(nodes(*keys), edges).titles == [["A", "B"], ["C"]]
    parse(drawn(nodes(*keys), edges))


def test_edges_of_two_equal_halves_do_not_cross() -> None:
    # Two trees, whose documents come mixed.
    keys = [(kind, f"{kind}{half}{copy}") for copy in "ab" for kind in "ABC" for half in "xy"]
    edges = [
        LineageEdge((source, f"{source}{half}{copy}"), (target, f"{target}{half}{other}"), "to")
        for source, target in ("AB", "BC")
        for half in "yx"
        for copy in "ba"
        for other in "ab"
    ]
    layout = lay_out(nodes(*keys), edges)
    for column in layout.columns:
        halves = [str(box.key)[-4] for box in column]
        assert halves == sorted(halves) or halves == sorted(halves, reverse=True)


def test_boxes_never_overlap() -> None:
    source = random.Random(11)
    for _ in range(40):
        documents = [
            LineageNode(source.choice("ABCDE"), str(index), more=source.choice([0, 0, 3]))
            for index in range(source.randrange(1, 25))
        ]
        edges = [
            LineageEdge(source.choice(documents).key, source.choice(documents).key, field)
            for field in source.choices(["x", "y", "z"], k=source.randrange(30))
        ]
        figure = drawn(documents, edges)
        boxes = rectangles(figure)
        assert len(boxes) == len(documents)
        for a, b in combinations(boxes, 2):
            assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
        assert figure.svg == drawn(documents, edges).svg


def test_long_edges_pass_between_the_nodes() -> None:
    keys = [("A", "1"), ("B", "1"), ("B", "2"), ("C", "1")]
    edges = [
        LineageEdge(keys[0], keys[1], "b"),
        LineageEdge(keys[0], keys[2], "b2"),
        LineageEdge(keys[1], keys[3], "c"),
        LineageEdge(keys[2], keys[3], "c"),
        LineageEdge(keys[0], keys[3], "c"),
    ]
    layout = lay_out(nodes(*keys), edges)
    (long,) = [route for route in layout.routes if len(route.boxes) == 3]
    column = layout.columns[1]
    assert long.boxes[1] in column and len(column) == 3
    for upper, lower in pairwise(column):
        assert upper.top + upper.height <= lower.top


def test_states_have_their_looks() -> None:
    states = [
        LineageNode("A", "start", href="a"),
        LineageNode("B", "embedded", NodeState.EMBEDDED),
        LineageNode("B", "deleted", NodeState.DELETED),
        LineageNode("B", "missing", NodeState.MISSING),
        LineageNode("B", "ambiguous", NodeState.AMBIGUOUS),
    ]
    edges = [LineageEdge(states[0].key, node.key, node.id) for node in states[1:]]
    root = parse(drawn(states, edges, lit=states[1].key))
    found = {}
    for part in by_class(root, "n"):
        (name,) = by_class(part, "id")
        (words,) = by_class(part, "ty")
        found[name.text] = (part.get("class"), words.text)
    assert found == {
        "start": ("n start", "A, start"),
        "embedded": ("n emb", "B, a copy"),
        "deleted": ("n gone", "B, deleted"),
        "missing": ("n mis", "B, missing"),
        "ambiguous": ("n amb", "B, ambiguous"),
    }
    styles = sorted(part.get("class", "") for part in by_class(root, "e"))
    assert styles == ["e", "e guess", "e hot", "e lost"]
    assert [part.get("href") for part in root.iter("a")] == ["a"]


def test_more_references_are_a_link() -> None:
    root = parse(drawn([LineageNode("A", "1", more=2, more_href="?open=a:1")], []))
    (link,) = by_class(root, "more")
    assert (link.get("href"), link.findtext("text")) == ("?open=a:1", "+2")
    assert link.findtext("title") == "Show 2 more references"


def test_several_documents_are_a_stack() -> None:
    documents = [LineageNode("A", "1"), LineageNode(EVENT, "on 1.3.0", count=2246)]
    root = parse(drawn(documents, []))
    assert [part.text for part in by_class(root, "ty")] == ["A, start", "2,246 FeedbackEvent"]
    assert len(list(root.iter("rect"))) == 4


def test_ids_cannot_become_markup() -> None:
    documents = nodes((HOSTILE, HOSTILE), ("B", HOSTILE))
    figure = drawn(documents, [LineageEdge(documents[0].key, documents[1].key, HOSTILE)])
    parse(figure)
    assert "<script" not in figure.__html__()


@pytest.mark.parametrize("address", ["javascript:alert(1)", "data:text/html,x", " javascript:1"])
def test_addresses_cannot_run_scripts(address: str) -> None:
    for node in (
        LineageNode("A", "1", href=address),
        LineageNode("A", "1", more=1, more_href=address),
    ):
        with pytest.raises(ValueError, match="not an address of a page"):
            drawn([node], [])


def test_references_to_other_documents_and_to_itself_are_left_out() -> None:
    documents = nodes(("A", "1"))
    edges = [LineageEdge(("A", "1"), ("B", "gone"), "b"), LineageEdge(("A", "1"), ("A", "1"), "a")]
    assert not by_class(parse(drawn(documents, edges)), "e")
    ElementTree.fromstring(draw_lineage(LineageGraph("", [], [], ("A", "1"))).svg)


def test_a_thousand_documents_are_laid_out_in_time() -> None:
    source = random.Random(3)
    documents = [LineageNode(source.choice("ABCDEF"), str(index)) for index in range(1000)]
    edges = [
        LineageEdge(source.choice(documents).key, source.choice(documents).key, "to")
        for _ in range(1500)
    ]
    edges = [edge for edge in edges if edge.source[0] < edge.target[0]]
    start = time.process_time()
    drawn(documents, edges)
    # About 0.3 s.
    assert time.process_time() - start < 3


def test_stacked_boxes_are_beside_their_wishes() -> None:
    # Two that want the same place share it: 10 and 20 high with 2 between are 32.
    assert stack([50, 50], [10, 20], 2) == pytest.approx([36.5, 48.5])
    assert stack([5, 100], [10, 10], 4) == [0, 95]
