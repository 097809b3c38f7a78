"""The changes between small messages, written by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest

import crucible_ir as ir
from crucible_ir.diffing import Change, ChangeKind, ComparisonError, diff
from crucible_ir.diffing.comparing import MAX_PAIRS
from crucible_ir.diffing.matching import longest_common_subsequence

v1 = ir.v1
ADDED, REMOVED, CHANGED, MOVED = (
    ChangeKind.ADDED,
    ChangeKind.REMOVED,
    ChangeKind.CHANGED,
    ChangeKind.MOVED,
)


def stages(*names: str, **modules: str) -> ir.v1.Experiment:
    return v1.Experiment(
        pipeline=[v1.StageDef(name=name, module=modules.get(name)) for name in names]
    )


def opaque(**values: Any) -> ir.v1.StageDef:
    return v1.StageDef(options=values)


# Presence


def test_a_field_that_becomes_set_is_added_and_one_that_becomes_unset_is_removed() -> None:
    unset, zero = v1.Hedging(), v1.Hedging(delay_ms=0)
    assert diff(unset, zero) == [Change("delay_ms", ADDED, new=0)]
    assert diff(zero, unset) == [Change("delay_ms", REMOVED, old=0)]


def test_values_are_those_of_protojson_under_the_names_of_the_schema() -> None:
    a = v1.TrainingConfig(seed=1, device=v1.Device.DEVICE_CPU, learning_rate=math.nan)
    b = v1.TrainingConfig(seed=2**60, device=v1.Device.DEVICE_CUDA, learning_rate=0.5)
    b.early_stopping.update({"minDelta": 1})
    assert diff(a, b) == [
        Change("learning_rate", CHANGED, "NaN", 0.5),
        Change("device", CHANGED, "DEVICE_CPU", "DEVICE_CUDA"),
        Change("seed", CHANGED, "1", "1152921504606846976"),
        Change("early_stopping", ADDED, new={"minDelta": 1}),
    ]
    run = v1.TrainingRun(config=v1.TrainingConfig(model_ref=v1.ModelRef(id="m")))
    assert diff(v1.TrainingRun(), run) == [Change("config", ADDED, new={"model_ref": {"id": "m"}})]


def test_a_message_that_both_have_is_compared_field_by_field() -> None:
    a = v1.Experiment(backend=v1.BackendRef(id="a", fallback=v1.BackendRef(id="x")))
    b = v1.Experiment(backend=v1.BackendRef(id="a", fallback=v1.BackendRef(id="y")))
    assert diff(a, b) == [Change("backend.fallback.id", CHANGED, "x", "y")]


def test_an_empty_message_is_not_an_unset_one() -> None:
    empty = v1.Experiment(reliability=v1.ReliabilityConfig())
    assert diff(v1.Experiment(), empty) == [Change("reliability", ADDED, new={})]
    assert diff(opaque(), v1.StageDef()) == [Change("options", REMOVED, old={})]


def test_another_member_of_a_oneof_is_one_removed_and_one_added() -> None:
    a, b = (
        v1.DatasetRef(split=v1.DatasetSplit.DATASET_SPLIT_TEST),
        v1.DatasetRef(custom_split="dev"),
    )
    assert diff(a, b) == [
        Change("split", REMOVED, old="DATASET_SPLIT_TEST"),
        Change("custom_split", ADDED, new="dev"),
    ]


def test_changes_come_in_the_order_of_the_schema() -> None:
    b = v1.Experiment(owner="o", id="e", metadata={"b": 1, "a": 1}, description="d")
    assert [change.path for change in diff(v1.Experiment(metadata={}), b)] == [
        *("id", "description", "owner", 'metadata["a"]', 'metadata["b"]')
    ]


def test_messages_that_are_not_json_objects_change_themselves() -> None:
    value = type(v1.FeedbackEvent().feedback_value)
    assert diff(ir.from_dict(1, value), ir.from_dict("text", value)) == [
        Change("", CHANGED, 1, "text")
    ]


# Maps and opaque JSON


def test_maps_are_compared_key_by_key() -> None:
    a = v1.Ensemble(weights={"gpt-4": 0.5, "gone": 1, "same": 1})
    b = v1.Ensemble(weights={"gpt-4": 0.6, "new.one": 1, "same": 1})
    assert diff(a, b) == [
        Change('weights["gone"]', REMOVED, old=1.0),
        Change('weights["gpt-4"]', CHANGED, 0.5, 0.6),
        Change('weights["new.one"]', ADDED, new=1.0),
    ]


def test_opaque_json_is_compared_at_every_depth() -> None:
    a = opaque(model={"name": "m", "sizes": [1, 2, 3]}, mode="a")
    b = opaque(model={"name": "m", "sizes": [1, 3]}, mode=["a"])
    assert diff(a, b) == [
        Change('options["mode"]', CHANGED, "a", ["a"]),
        Change('options["model"]["sizes"][1]', REMOVED, old=2, index=1),
    ]


def test_null_false_true_and_one_all_differ() -> None:
    assert diff(opaque(), opaque(a=None)) == [Change('options["a"]', ADDED, new=None)]
    assert diff(opaque(a=None), opaque(a=False)) == [Change('options["a"]', CHANGED, None, False)]
    assert diff(opaque(a=True), opaque(a=1)) == [Change('options["a"]', CHANGED, True, 1)]


def test_keys_in_paths_are_quoted_and_escaped() -> None:
    (change,) = diff(opaque(), opaque(**{'a."b"\n': 1}))
    assert change.path == r'options["a.\"b\"\n"]'


def test_elements_of_opaque_lists_have_no_identity() -> None:
    a, b = opaque(steps=[{"id": "a"}, {"id": "b"}]), opaque(steps=[{"id": "b"}, {"id": "a"}])
    assert [change.kind for change in diff(a, b)] == [REMOVED, ADDED]


# Lists of messages with an identity


def test_elements_with_a_name_are_matched_by_it() -> None:
    a, b = stages("load", "score", score="A"), stages("score", "report", score="B")
    assert diff(a, b) == [
        Change('pipeline["load"]', REMOVED, old={"name": "load"}, index=0),
        Change('pipeline["score"].module', CHANGED, "A", "B"),
        Change('pipeline["report"]', ADDED, new={"name": "report"}, index=1),
    ]


def test_a_moved_element_is_one_change() -> None:
    assert diff(stages("a", "b", "c", "d"), stages("d", "a", "b", "c")) == [
        Change('pipeline["d"]', MOVED, 3, 0, index=0)
    ]


def test_an_element_can_move_and_change_at_once() -> None:
    assert diff(stages("a", "b", "c"), stages("b", "c", "a", a="M")) == [
        Change('pipeline["a"]', MOVED, 0, 2, index=2),
        Change('pipeline["a"].module', ADDED, new="M"),
    ]


def test_ids_are_preferred_to_names_as_identities() -> None:
    a = v1.Message(tool_calls=[v1.ToolCall(id="1", name="x"), v1.ToolCall(id="2", name="y")])
    b = v1.Message(tool_calls=[v1.ToolCall(id="1", name="y"), v1.ToolCall(id="2", name="x")])
    assert diff(a, b) == [
        Change('tool_calls["1"].name', CHANGED, "x", "y"),
        Change('tool_calls["2"].name', CHANGED, "y", "x"),
    ]


def test_names_identify_elements_without_ids() -> None:
    a = v1.Message(tool_calls=[v1.ToolCall(name="x"), v1.ToolCall(name="y")])
    b = v1.Message(tool_calls=[v1.ToolCall(name="y"), v1.ToolCall(name="x")])
    assert [change.kind for change in diff(a, b)] == [MOVED]


@pytest.mark.parametrize("names", [("a", "a"), ("a", "")])
def test_names_that_are_missing_or_not_unique_identify_nothing(names: tuple[str, ...]) -> None:
    (change,) = diff(stages(*names), stages(*names, "b"))
    assert change == Change("pipeline[2]", ADDED, new={"name": "b"}, index=2)


# Other lists


def test_elements_without_identity_are_matched_by_a_common_subsequence() -> None:
    a, b = v1.Experiment(tags=["a", "b", "c"]), v1.Experiment(tags=["x", "a", "c", "d"])
    assert diff(a, b) == [
        Change("tags[0]", ADDED, new="x", index=0),
        Change("tags[1]", REMOVED, old="b", index=1),
        Change("tags[3]", ADDED, new="d", index=3),
    ]


def test_elements_between_matches_are_paired_by_position() -> None:
    a, b = v1.Experiment(tags=["a", "b", "b2", "c"]), v1.Experiment(tags=["a", "x", "c"])
    assert diff(a, b) == [
        Change("tags[1]", CHANGED, "b", "x"),
        Change("tags[2]", REMOVED, old="b2", index=2),
    ]


def test_paths_are_those_of_the_first_message_except_for_added_values() -> None:
    system, user = v1.Message(text="s"), v1.Message(name="u", parts=v1.ContentParts())
    user.parts.parts.add(text="hello")
    a = v1.Prompt(messages=[system, user])
    user.name = "user"
    user.parts.parts.add(text="more")
    b = v1.Prompt(messages=[v1.Message(text="first"), system, user])
    assert diff(a, b) == [
        Change("messages[0]", ADDED, new={"text": "first"}, index=0),
        Change("messages[2].parts.parts[1]", ADDED, new={"text": "more"}, index=1),
        Change("messages[1].name", CHANGED, "u", "user"),
    ]


def test_lists_too_long_to_match_are_compared_by_position() -> None:
    assert longest_common_subsequence("abcx", "bcay", str.__eq__, max_cells=16)[0] == [
        (1, 0),
        (2, 1),
    ]
    assert longest_common_subsequence("abcx", "bcay", str.__eq__, max_cells=15) == ([], 0)


def test_the_limit_on_comparisons_covers_all_lists_together() -> None:
    size = 1_000
    lists = MAX_PAIRS // size**2 + 2
    a = opaque(**{str(n): [0, *range(1, size), -1] for n in range(lists)})
    b = opaque(**{str(n): [-2, *range(size, 1, -1), -3] for n in range(lists)})
    last = [change for change in diff(a, b) if change.path.startswith(f'options["{lists - 1}"]')]
    assert {change.kind for change in last} == {CHANGED}


# Tolerance and defaults


@pytest.mark.parametrize(
    ("one", "other", "tolerance", "equal"),
    [
        (0.5, 0.5009, 0.001, True),
        (0.5, 0.5011, 0.001, False),
        (1000.0, 1000.9, 0.001, True),
        (1000.0, 1002.0, 0.001, False),
        (-1000.0, 1000.0, 0.001, False),
        (0.0, -0.0, 0.0, False),
        (0.0, -0.0, 1e-9, True),
        (math.nan, math.nan, 0.0, True),
        (math.nan, 1.0, 1e9, False),
        (math.inf, 1e308, 1e9, False),
        (math.inf, math.inf, 0.0, True),
        (1e308, -1e308, 0.5, False),
    ],
)
def test_doubles_within_the_tolerance_are_equal(
    one: float, other: float, tolerance: float, equal: bool
) -> None:
    pairs: list[tuple[Any, Any]] = [
        (v1.Ensemble(min_agreement=one), v1.Ensemble(min_agreement=other)),
        (v1.MetricsSnapshot(values={"m": one}), v1.MetricsSnapshot(values={"m": other})),
    ]
    if math.isfinite(one) and math.isfinite(other):
        pairs.append((opaque(a=[one]), opaque(a=[other])))
    for a, b in pairs:
        assert (diff(a, b, tolerance=tolerance) == []) == equal
        assert (diff(b, a, tolerance=tolerance) == []) == equal


def test_the_tolerance_does_not_apply_to_integers() -> None:
    a, b = v1.TrainingConfig(epochs=1000, seed=1000), v1.TrainingConfig(epochs=1001, seed=1001)
    assert [change.path for change in diff(a, b, tolerance=0.5)] == ["epochs", "seed"]


def test_rows_within_the_tolerance_are_matched() -> None:
    def history(*losses: float) -> ir.v1.TrainingRun:
        rows = [v1.MetricsSnapshot(values={"loss": loss}) for loss in losses]
        return v1.TrainingRun(metrics_history=rows)

    assert diff(history(3, 2, 1), history(2.0000001, 1.0000001), tolerance=1e-6) == [
        Change("metrics_history[0]", REMOVED, old={"values": {"loss": 3.0}}, index=0)
    ]


@pytest.mark.parametrize("tolerance", [-1.0, math.nan, math.inf])
def test_an_invalid_tolerance_is_rejected(tolerance: float) -> None:
    with pytest.raises(ComparisonError, match="tolerance must be a finite number of at least 0"):
        diff(v1.Stats(), v1.Stats(), tolerance=tolerance)


def test_unset_fields_may_equal_their_defaults() -> None:
    a = v1.TrainingRun(config=v1.TrainingConfig())
    b = v1.TrainingRun(
        config=v1.TrainingConfig(epochs=1, device=v1.Device.DEVICE_CPU, batch_size=33)
    )
    b.status = v1.TrainingStatus.TRAINING_STATUS_PENDING
    expected = [Change("config.batch_size", ADDED, new=33)]
    assert diff(a, b, defaults_equal=True) == expected
    assert diff(a, ir.with_defaults(a), defaults_equal=True) == []
    assert len(diff(a, b)) == 4


def test_a_member_of_a_oneof_has_no_default_when_another_is_set() -> None:
    a, b = (
        v1.DatasetRef(custom_split="dev"),
        v1.DatasetRef(split=v1.DatasetSplit.DATASET_SPLIT_TRAIN),
    )
    assert [change.kind for change in diff(a, b, defaults_equal=True)] == [ADDED, REMOVED]
    assert diff(v1.DatasetRef(), b, defaults_equal=True) == []


def test_an_unset_message_equals_its_default_message() -> None:
    a, b = v1.Prompt(), v1.Prompt(options=v1.GenerationOptions(stream=False))
    assert diff(a, b, defaults_equal=True) == []
    b.options.top_k = 4
    assert [change.path for change in diff(a, b, defaults_equal=True)] == ["options"]


def test_an_empty_list_is_not_its_default() -> None:
    a, b = v1.OutputSpec(), v1.OutputSpec(formats=[v1.OutputFormat.OUTPUT_FORMAT_MARKDOWN])
    assert [change.path for change in diff(a, b, defaults_equal=True)] == ["formats[0]"]


# Errors


def test_messages_of_different_types_are_rejected() -> None:
    with pytest.raises(ComparisonError) as caught:
        diff(v1.BackendRef(), v1.StageDef())
    assert str(caught.value) == (
        "a crucible_ir.v1.BackendRef cannot be compared with a crucible_ir.v1.StageDef: the types"
        " must be the same"
    )


def test_unknown_fields_are_rejected_unless_allowed() -> None:
    newer = v1.Experiment(backend=v1.BackendRef.FromString(b"\xf8\x07\x01"))
    older = v1.Experiment(backend=v1.BackendRef())
    for a, b in ((newer, older), (older, newer)):
        with pytest.raises(ir.EncodeError, match=r"^backend: unknown field 127, .* the comparison"):
            diff(a, b)
        assert diff(a, b, allow_unknown_fields=True) == []


def test_a_message_that_protojson_cannot_write_is_rejected() -> None:
    message = opaque(a=[math.nan])
    with pytest.raises(ir.EncodeError) as caught:
        diff(message, message)
    assert caught.value.path == 'options["a"][0]'
