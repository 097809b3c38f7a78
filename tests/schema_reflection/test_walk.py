"""The walk over a message, with paths written by hand."""

from __future__ import annotations

from crucible_ir import v1
from crucible_ir.paths import format_path
from crucible_ir.schema.walk import items, messages_in, walk


def test_every_message_is_visited_before_those_inside_it_with_its_path() -> None:
    run = v1.TrainingRun(
        id="r",
        config=v1.TrainingConfig(id="c", model_ref=v1.ModelRef(id="m")),
        metrics_history=[v1.MetricsSnapshot(values={"a": 1}), v1.MetricsSnapshot()],
    )
    assert [format_path(path) for path, _ in walk(run)] == [
        "",
        "config",
        "config.model_ref",
        "metrics_history[0]",
        "metrics_history[1]",
    ]


def test_paths_in_opaque_json_have_keys_and_indexes_alone() -> None:
    stage = v1.StageDef(name="s")
    stage.options.update({"b": [1, {"c": 2}], "a.x": True})
    [(path, struct)] = messages_in(stage)
    assert path == ("options",)
    paths = {format_path((*path, *steps)) for steps, _ in walk(struct)}
    assert {'options["a.x"]', 'options["b"][0]', 'options["b"][1]["c"]'} <= paths


def test_maps_are_walked_in_the_order_of_their_keys() -> None:
    version = v1.ModelVersion(metrics={"z": 1, "a": 2, "m": 3})
    assert [steps[1] for steps, _, _ in items(version)] == ["a", "m", "z"]


def test_a_message_may_be_nested_deeper_than_the_stack() -> None:
    root = v1.BackendRef(id="0")
    current = root
    for number in range(1, 3000):
        current = current.fallback
        current.id = str(number)
    assert sum(1 for _ in walk(root)) == 3000
