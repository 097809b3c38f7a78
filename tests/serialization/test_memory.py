"""Reading a large document frees its JSON values, but never changes the values of the caller."""

from __future__ import annotations

import copy
import tracemalloc

import crucible_ir as ir
from crucible_ir import v1
from crucible_ir.serialization.formats import FORMATS


def test_json_values_of_the_caller_are_not_changed() -> None:
    options = {"a": [1, [2, {"b": [3]}]], "c": {"d": []}}
    before = copy.deepcopy(options)
    ir.from_dict({"name": "s", "options": options}, "StageDef")
    ir.new("StageDef", name="s", options=options)
    assert options == before


def test_values_that_yaml_aliases_share_are_read_everywhere() -> None:
    text = "name: s\noptions: {a: &shared [1, [2]], b: *shared, c: *shared}\n"
    stage = ir.from_yaml(text, "StageDef")
    assert ir.to_dict(stage) == {
        "name": "s",
        "options": {"a": [1, [2]], "b": [1, [2]], "c": [1, [2]]},
    }


def test_the_values_of_a_document_are_freed_while_it_is_read() -> None:
    data = b'{"name":"s","options":{"a":[' + b",".join([b"[]"] * 200_000) + b"]}}"
    tracemalloc.start()
    try:
        document = FORMATS["json"].parse(data)
        parsed, _ = tracemalloc.get_traced_memory()
        stage = document.read(v1.StageDef, validate=True)
        left, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # tracemalloc does not see the memory of protobuf.
    assert len(stage.options.fields["a"].list_value.values) == 200_000  # type: ignore[attr-defined]
    assert left < parsed / 10
