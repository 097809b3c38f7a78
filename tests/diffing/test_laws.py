"""Properties of diff and merge on generated messages of every type."""

from __future__ import annotations

from typing import Any

import pytest
from diffing.applying import apply_changes
from effort import examples
from every_feature import EveryFeature
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import ListValue, Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given, settings
from hypothesis import strategies as st
from message_strategies import messages

import crucible_ir as ir
from crucible_ir.diffing import ChangeKind, diff, merge

WELL_KNOWN: dict[str, type[Message]] = {
    cls.DESCRIPTOR.name: cls for cls in (Struct, Value, ListValue, Timestamp)
}
TYPES: dict[str, type[Message]] = ir.MESSAGE_TYPES | WELL_KNOWN

every_type = pytest.mark.parametrize("type_", TYPES.values(), ids=TYPES)
few = settings(max_examples=examples(15))


def variants(type_: type[Message]) -> st.SearchStrategy[list[Any]]:
    """Generate three messages with much in common: each may copy fields from another."""

    @st.composite
    def draw_variants(draw: st.DrawFn) -> list[Message]:
        drawn = [draw(messages(type_)) for _ in range(3)]
        made = []
        for message in drawn:
            mixed = type_()
            mixed.CopyFrom(message)
            # Merging appends to lists and overrides single fields.
            mixed.MergeFrom(draw(st.sampled_from([*drawn, type_()])))
            made.append(draw(st.sampled_from([mixed, message])))
        return draw(st.permutations(made))

    return draw_variants()


@every_type
@few
@given(data=st.data())
def test_the_difference_applied_to_one_message_gives_the_other(
    type_: type[Message], data: st.DataObject
) -> None:
    a, b, _ = data.draw(variants(type_))
    before = a.SerializeToString(deterministic=True)
    changes = diff(a, b)
    assert apply_changes(a, changes) == b
    assert a.SerializeToString(deterministic=True) == before
    assert (changes == []) == (a == b)
    assert diff(a, type_.FromString(before)) == []


@few
@given(data=st.data())
def test_messages_of_any_schema_can_be_compared(data: st.DataObject) -> None:
    a, b, _ = data.draw(variants(EveryFeature))
    # The bytes packed in an Any can have fields in any order, so the JSON is compared.
    assert ir.to_dict(apply_changes(a, diff(a, b))) == ir.to_dict(b)


PIPELINES = st.lists(st.sampled_from("abcdefg"), unique=True).flatmap(
    lambda names: st.lists(
        st.sampled_from(["x", "y", "z"]), min_size=len(names), max_size=len(names)
    ).map(lambda modules: pipeline(dict(zip(names, modules, strict=True))))
)

#: Lists whose elements are identified by ids, names, both or neither.
CALLS = st.lists(
    st.builds(ir.v1.ToolCall, id=st.sampled_from(["", *"abc"]), name=st.sampled_from("abcde")),
    max_size=4,
).map(lambda calls: ir.v1.Message(tool_calls=calls))

LISTS = st.lists(st.sampled_from("abc"), max_size=8)


def pipeline(modules: dict[str, str]) -> ir.v1.Experiment:
    stages = [ir.v1.StageDef(name=name, module=module) for name, module in modules.items()]
    return ir.v1.Experiment(pipeline=stages)


@given(PIPELINES, PIPELINES)
def test_lists_with_identities_can_be_reordered_and_edited_at_once(
    a: ir.v1.Experiment, b: ir.v1.Experiment
) -> None:
    assert apply_changes(a, diff(a, b)) == b


@given(CALLS, CALLS)
def test_either_identity_field_can_identify_elements(a: ir.v1.Message, b: ir.v1.Message) -> None:
    assert apply_changes(a, diff(a, b)) == b


@given(PIPELINES, st.randoms(use_true_random=False))
def test_a_reordered_list_has_only_moves_and_as_few_as_possible(
    a: ir.v1.Experiment, random: Any
) -> None:
    stages = list(a.pipeline)
    random.shuffle(stages)
    b = ir.v1.Experiment(pipeline=stages)
    changes = diff(a, b)
    assert {change.kind for change in changes} <= {ChangeKind.MOVED}
    old = [stage.name for stage in a.pipeline]
    order = [old.index(stage.name) for stage in stages]
    assert len(changes) == len(order) - longest_rise(order)


def longest_rise(numbers: list[int]) -> int:
    """Return the length of a longest increasing subsequence, by trying every last number."""
    best: list[int] = []
    for index, number in enumerate(numbers):
        best.append(1 + max((best[i] for i in range(index) if numbers[i] < number), default=0))
    return max(best, default=0)


@given(LISTS, LISTS)
def test_a_list_without_identities_keeps_a_longest_common_subsequence(
    a: list[str], b: list[str]
) -> None:
    changes = diff(ir.v1.Experiment(tags=a), ir.v1.Experiment(tags=b))
    kinds = [change.kind for change in changes]
    touched = kinds.count(ChangeKind.REMOVED) + kinds.count(ChangeKind.CHANGED)
    assert len(a) - touched == longest_common(a, b)
    assert apply_changes(ir.v1.Experiment(tags=a), changes) == ir.v1.Experiment(tags=b)


def longest_common(a: list[str], b: list[str]) -> int:
    """Return the length of a longest common subsequence by its definition."""
    if not a or not b:
        return 0
    if a[0] == b[0]:
        return 1 + longest_common(a[1:], b[1:])
    return max(longest_common(a[1:], b), longest_common(a, b[1:]))


@every_type
@few
@given(data=st.data())
def test_a_side_without_changes_takes_those_of_the_other(
    type_: type[Message], data: st.DataObject
) -> None:
    base, other, _ = data.draw(variants(type_))
    for merged in (merge(base, base, other), merge(base, other, base), merge(base, other, other)):
        assert merged.message == other
        assert merged.conflicts == []


@every_type
@few
@given(data=st.data())
def test_swapping_the_sides_gives_the_same_merge_without_conflicts(
    type_: type[Message], data: st.DataObject
) -> None:
    base, ours, theirs = data.draw(variants(type_))
    merged, swapped = merge(base, ours, theirs), merge(base, theirs, ours)
    assert {each.path for each in merged.conflicts} == {each.path for each in swapped.conflicts}
    if not merged.conflicts:
        assert merged.message == swapped.message


@given(PIPELINES, PIPELINES, PIPELINES)
def test_merging_lists_with_identities_has_the_same_properties(
    base: ir.v1.Experiment, ours: ir.v1.Experiment, theirs: ir.v1.Experiment
) -> None:
    assert merge(base, base, theirs).message == theirs
    merged, swapped = merge(base, ours, theirs), merge(base, theirs, ours)
    assert bool(merged.conflicts) == bool(swapped.conflicts)
    if not merged.conflicts:
        assert merged.message == swapped.message
        names = [stage.name for stage in merged.message.pipeline]
        assert len(set(names)) == len(names)


@given(CALLS, CALLS, CALLS)
def test_swapping_the_sides_gives_the_same_merge_for_either_identity_field(
    base: ir.v1.Message, ours: ir.v1.Message, theirs: ir.v1.Message
) -> None:
    merged, swapped = merge(base, ours, theirs), merge(base, theirs, ours)
    assert bool(merged.conflicts) == bool(swapped.conflicts)
    if not merged.conflicts:
        assert merged.message == swapped.message
