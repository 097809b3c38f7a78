"""Changes that do not fit the message are refused, and nothing is lost."""

from __future__ import annotations

import pytest

import crucible_ir as ir
from crucible_ir.diffing import Change, ChangeKind, PatchError, apply_changes, diff

v1 = ir.v1
ADDED, REMOVED, CHANGED, MOVED = (
    ChangeKind.ADDED,
    ChangeKind.REMOVED,
    ChangeKind.CHANGED,
    ChangeKind.MOVED,
)

EXPERIMENT = v1.Experiment(
    id="e",
    tags=["a", "b"],
    metadata={"team": "x"},
    pipeline=[v1.StageDef(name="load"), v1.StageDef(name="score")],
)


def test_changes_can_be_written_by_hand() -> None:
    made = apply_changes(
        EXPERIMENT,
        [
            Change("owner", ADDED, new="me"),
            Change("id", CHANGED, "e", "f"),
            Change("tags[0]", REMOVED, old="a", index=0),
            Change("tags[1]", ADDED, new="c", index=1),
            Change('metadata["team"]', CHANGED, "x", None),
            Change('pipeline["load"]', MOVED, 0, 1, index=1),
            Change('pipeline["load"].enabled', ADDED, new=False),
        ],
    )
    expected = v1.Experiment(
        id="f",
        owner="me",
        tags=["b", "c"],
        metadata={"team": None},
        pipeline=[v1.StageDef(name="score"), v1.StageDef(name="load", enabled=False)],
    )
    assert made == expected


def test_the_order_of_the_changes_does_not_matter() -> None:
    other = v1.Experiment(tags=["b", "c", "d"], pipeline=EXPERIMENT.pipeline[::-1])
    changes = diff(EXPERIMENT, other)
    assert apply_changes(EXPERIMENT, changes[::-1]) == other


def test_a_message_can_be_replaced_as_a_whole() -> None:
    changes = diff(ir.from_dict(1, WRAPPER), ir.from_dict("text", WRAPPER))
    assert changes == [Change("", CHANGED, 1, "text")]
    assert apply_changes(ir.from_dict(1, WRAPPER), changes) == ir.from_dict("text", WRAPPER)


WRAPPER = type(v1.FeedbackEvent().feedback_value)

PATCHES = {
    "stale value": (
        [Change("id", CHANGED, "other", "f")],
        "id: it is 'e', and expected to be 'other'",
    ),
    "stale removal": (
        [Change("tags[0]", REMOVED, "z", index=0)],
        "tags[0]: it is 'a', and expected to be 'z'",
    ),
    "nothing there": (
        [Change("owner", REMOVED, "me")],
        "owner: the message does not have this",
    ),
    "nothing inside": (
        [Change("dataset.name", CHANGED, "a", "b")],
        "dataset: the message does not have this",
    ),
    "there already": ([Change("id", ADDED, new="f")], "id: it is there already: 'e'"),
    "unknown field": (
        [Change("ownr", ADDED, new="f")],
        'ownr: Experiment has no such field; did you mean "owner"?',
    ),
    "inside a scalar": (
        [Change("id.part", ADDED, new=1)],
        "id.part: there is nothing inside this value",
    ),
    "unquoted key": (
        [Change("metadata.team", CHANGED, "x", "y")],
        "metadata.team: this is a map, whose keys stand in brackets and quotes",
    ),
    "no such element": (
        [Change('pipeline["train"].enabled', ADDED, new=True)],
        'pipeline["train"]: the list has no such element',
    ),
    "beyond the end": (
        [Change("tags[2]", REMOVED, "c", index=2)],
        "tags[2]: the list has no such element",
    ),
    "a name for an element": (
        [Change("pipeline.load", CHANGED, {}, {})],
        "pipeline.load: the list has no such element",
    ),
    "two names for an element": (
        [
            Change('pipeline["load"].module', ADDED, new="M"),
            Change('pipeline["load"]', REMOVED, {"name": "load"}, index=0),
            Change("pipeline[0]", REMOVED, {"name": "load"}, index=0),
        ],
        "pipeline[0]: the element has been named in another way",
    ),
    "added beyond the end": (
        [Change("tags[7]", ADDED, new="c", index=7)],
        "tags[7]: no element can come to be at index 7",
    ),
    "added without an index": (
        [Change("tags[0]", ADDED, new="c")],
        "tags[0]: no element can come to be at index None",
    ),
    "two in one place": (
        [
            Change("tags[0]", ADDED, new="c", index=0),
            Change("tags[1]", ADDED, new="d", index=0),
        ],
        "tags[1]: no element can come to be at index 0",
    ),
    "moved from elsewhere": (
        [Change('pipeline["score"]', MOVED, 0, 0, index=0)],
        'pipeline["score"]: it is at index 1, and expected at 0',
    ),
    "a field moved": (
        [Change("id", MOVED, 0, 1, index=1)],
        "id: only an element of a list can be moved",
    ),
    "the message moved": (
        [Change("", MOVED, 0, 1, index=1)],
        "a message as a whole can only be changed",
    ),
    "the message added": ([Change("", ADDED, new={})], "a message as a whole can only be changed"),
    "changed inside of what is removed": (
        [
            Change('pipeline["load"]', REMOVED, {"name": "load"}, index=0),
            Change('pipeline["load"].name', CHANGED, "load", "x"),
        ],
        'pipeline["load"]: nothing else can be done to what is removed',
    ),
    "given twice": (
        [Change("id", CHANGED, "e", "f"), Change("id", REMOVED, "e")],
        "id: changed and removed cannot go together",
    ),
    "not a path": (
        [Change("tags[", REMOVED, "a")],
        "tags[: this is not the path of anything in a message",
    ),
}


@pytest.mark.parametrize(("changes", "reason"), PATCHES.values(), ids=PATCHES)
def test_changes_that_do_not_fit_are_refused_with_the_path_and_the_reason(
    changes: list[Change], reason: str
) -> None:
    with pytest.raises(PatchError) as caught:
        apply_changes(EXPERIMENT, changes)
    assert str(caught.value) == reason


def test_a_path_deeper_than_any_message_is_refused() -> None:
    with pytest.raises(PatchError, match="not the path of anything"):
        apply_changes(EXPERIMENT, [Change("a" + ".a" * 100_000, ADDED, new=1)])


def test_a_value_that_the_field_does_not_take_is_refused() -> None:
    with pytest.raises(ir.DecodeError) as caught:
        apply_changes(EXPERIMENT, [Change("pipeline[0].enabled", ADDED, new="yes")])
    assert caught.value.path == "pipeline[0].enabled"


def test_unknown_fields_are_not_lost_without_being_asked() -> None:
    newer = v1.BackendRef.FromString(b"\xf8\x07\x01")
    change = Change("id", ADDED, new="b")
    with pytest.raises(ir.EncodeError, match=r"unknown field 127"):
        apply_changes(newer, [change])
    assert apply_changes(newer, [change], allow_unknown_fields=True) == v1.BackendRef(id="b")
