"""Three-way merges with and without conflicts, written by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

import crucible_ir as ir
from crucible_ir.diffing import ABSENT, ComparisonError, Conflict, merge

v1 = ir.v1


def names(*order: str) -> ir.v1.Experiment:
    return v1.Experiment(pipeline=[v1.StageDef(name=name) for name in order])


def merged_names(base: Sequence[str], ours: Sequence[str], theirs: Sequence[str]) -> str:
    merged = merge(names(*base), names(*ours), names(*theirs))
    assert merged.conflicts == []
    return "".join(stage.name for stage in merged.message.pipeline)


def options(**values: Any) -> ir.v1.StageDef:
    return v1.StageDef(options=values)


def test_the_changes_of_each_side_are_merged() -> None:
    base = v1.Experiment(id="e", owner="o", description="d", tags=["a"])
    ours = v1.Experiment(id="e", owner="us", description="d", tags=["a", "b"])
    theirs = v1.Experiment(id="e", owner="o", metadata={"k": 1}, tags=["a"])
    merged = merge(base, ours, theirs)
    assert merged.message == v1.Experiment(id="e", owner="us", metadata={"k": 1}, tags=["a", "b"])
    assert merged.conflicts == []


def test_a_field_that_both_changed_differently_conflicts_and_ours_stays() -> None:
    merged = merge(v1.Stats(), v1.Stats(alpha=0.1), v1.Stats(alpha=0.2, confidence_level=0.9))
    assert merged.conflicts == [Conflict("alpha", ABSENT, 0.1, 0.2)]
    assert merged.message == v1.Stats(alpha=0.1, confidence_level=0.9)


def test_a_removal_conflicts_with_a_change() -> None:
    base, theirs = v1.BackendRef(profile="a"), v1.BackendRef(profile="b")
    merged = merge(base, v1.BackendRef(), theirs)
    assert merged.conflicts == [Conflict("profile", "a", ABSENT, "b")]
    assert merged.message == v1.BackendRef()


def test_messages_inside_are_merged_field_by_field_even_if_both_sides_added_them() -> None:
    ours = v1.Experiment(backend=v1.BackendRef(id="b", profile="p"))
    theirs = v1.Experiment(backend=v1.BackendRef(id="b", endpoint_url="u"))
    merged = merge(v1.Experiment(), ours, theirs)
    expected = v1.Experiment(backend=v1.BackendRef(id="b", profile="p", endpoint_url="u"))
    assert (merged.message, merged.conflicts) == (expected, [])


def test_maps_are_merged_key_by_key() -> None:
    base = v1.Ensemble(weights={"a": 1, "b": 1, "c": 1})
    ours = v1.Ensemble(weights={"a": 2, "b": 1, "d": 4})
    theirs = v1.Ensemble(weights={"a": 1, "c": 3, "e": 5})
    merged = merge(base, ours, theirs)
    assert merged.conflicts == [Conflict('weights["c"]', 1.0, ABSENT, 3.0)]
    assert merged.message == v1.Ensemble(weights={"a": 2, "d": 4, "e": 5})


def test_opaque_json_is_merged_key_by_key_with_lists_as_one_value() -> None:
    base = options(a={"x": 1, "y": 1}, steps=[1])
    merged = merge(
        base, options(a={"x": 2, "y": 1}, steps=[1, 2]), options(a={"x": 1}, steps=[1, 3])
    )
    assert merged.conflicts == [Conflict('options["steps"]', [1], [1, 2], [1, 3])]
    assert merged.message == options(a={"x": 2}, steps=[1, 2])


def test_null_differs_from_an_absent_value() -> None:
    merged = merge(options(a=1), options(), options(a=None))
    assert merged.conflicts == [Conflict('options["a"]', 1, ABSENT, None)]


def test_the_members_of_a_oneof_are_one_field() -> None:
    base = v1.DatasetRef(split=v1.DatasetSplit.DATASET_SPLIT_TEST)
    ours = v1.DatasetRef(split=v1.DatasetSplit.DATASET_SPLIT_TRAIN)
    theirs = v1.DatasetRef(custom_split="dev", name="d")
    merged = merge(base, ours, theirs)
    assert merged.conflicts == [
        Conflict(
            "split_kind",
            {"split": "DATASET_SPLIT_TEST"},
            {"split": "DATASET_SPLIT_TRAIN"},
            {"custom_split": "dev"},
        )
    ]
    expected = v1.DatasetRef(split=v1.DatasetSplit.DATASET_SPLIT_TRAIN, name="d")
    assert merged.message == expected
    assert merge(base, base, theirs).message == theirs
    (conflict,) = merge(v1.DatasetRef(custom_split="a"), v1.DatasetRef(), theirs).conflicts
    assert (conflict.path, conflict.ours) == ("split_kind", ABSENT)


def test_one_member_of_a_oneof_that_both_changed_is_merged_inside() -> None:
    base = v1.Document(experiment=v1.Experiment(id="e"))
    ours = v1.Document(experiment=v1.Experiment(id="e", owner="o"))
    theirs = v1.Document(experiment=v1.Experiment(id="e", description="d"))
    expected = v1.Document(experiment=v1.Experiment(id="e", owner="o", description="d"))
    assert merge(base, ours, theirs).message == expected
    theirs.experiment.owner = "them"
    (conflict,) = merge(base, ours, theirs).conflicts
    assert conflict == Conflict("experiment.owner", ABSENT, "o", "them")


def test_elements_with_an_identity_are_merged_one_by_one() -> None:
    base = v1.Experiment(pipeline=[v1.StageDef(name="a"), v1.StageDef(name="b")])
    ours = v1.Experiment(pipeline=[v1.StageDef(name="a", module="A"), v1.StageDef(name="b")])
    theirs = v1.Experiment(pipeline=[v1.StageDef(name="b", module="B"), v1.StageDef(name="a")])
    merged = merge(base, ours, theirs)
    assert merged.conflicts == []
    assert merged.message == v1.Experiment(
        pipeline=[v1.StageDef(name="b", module="B"), v1.StageDef(name="a", module="A")]
    )


def test_the_removal_of_an_element_conflicts_with_a_change_inside_it() -> None:
    theirs = v1.Experiment(pipeline=[v1.StageDef(name="a", module="A")])
    merged = merge(names("a"), names(), theirs)
    assert merged.conflicts == [
        Conflict('pipeline["a"]', {"name": "a"}, ABSENT, {"name": "a", "module": "A"})
    ]
    assert merged.message == names()


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "expected"),
    [
        ("abc", "xabc", "abcy", "xabcy"),
        ("abc", "cab", "abc", "cab"),
        ("abc", "cab", "axbc", "caxb"),
        ("abc", "ab", "bac", "ba"),
        ("abc", "cba", "cba", "cba"),
        ("ab", "aby", "abx", "abxy"),
        ("ab", "aqpb", "axb", "aqpxb"),
        ("", "ab", "cd", "abcd"),
        ("abc", "b", "ab", "b"),
    ],
)
def test_the_order_is_that_of_the_side_that_changed_it(
    base: str, ours: str, theirs: str, expected: str
) -> None:
    assert merged_names(base, ours, theirs) == expected
    assert merged_names(base, theirs, ours) == expected


@pytest.mark.parametrize(
    ("base", "ours", "theirs"), [("abc", "bca", "cab"), ("ab", "xaby", "yabx"), ("", "ab", "ba")]
)
def test_two_new_orders_conflict_and_ours_stays(base: str, ours: str, theirs: str) -> None:
    merged = merge(names(*base), names(*ours), names(*theirs))
    assert merged.conflicts == [Conflict("pipeline", list(base), list(ours), list(theirs))]
    assert merged.message == names(*ours)


def test_lists_without_identity_are_merged_as_one_value() -> None:
    merged = merge(
        v1.Experiment(tags=["a"]), v1.Experiment(tags=["a", "b"]), v1.Experiment(tags=["c"])
    )
    assert merged.conflicts == [Conflict("tags", ["a"], ["a", "b"], ["c"])]
    assert list(merged.message.tags) == ["a", "b"]


def test_messages_of_different_types_are_rejected() -> None:
    stats: Any = v1.Stats()
    with pytest.raises(ComparisonError, match=r"Hedging cannot be compared with a .*Stats"):
        merge(v1.Hedging(), v1.Hedging(), stats)


def test_unknown_fields_are_rejected_unless_allowed() -> None:
    newer = v1.BackendRef.FromString(b"\xf8\x07\x01")
    with pytest.raises(ir.EncodeError, match=r"unknown field 127"):
        merge(v1.BackendRef(), v1.BackendRef(), newer)
    merged = merge(v1.BackendRef(), v1.BackendRef(), newer, allow_unknown_fields=True)
    assert merged.message == v1.BackendRef()
