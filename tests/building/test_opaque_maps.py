"""Constructors convert mappings to opaque JSON and reject values that JSON cannot represent."""

from __future__ import annotations

from collections import OrderedDict
from datetime import UTC, date, datetime
from types import MappingProxyType
from typing import Any

import pytest
from google.protobuf import json_format, struct_pb2
from google.protobuf.message import DecodeError, Message
from hypothesis import given
from hypothesis import strategies as st

import crucible_ir as ir
from crucible_ir import v1

#: The tests name types and fields in ways that a type checker cannot follow.
new: Any = ir.new

EXACT = st.integers(-(2**53), 2**53)
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | EXACT | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


def rejected(**fields: object) -> ir.FieldError:
    with pytest.raises(ir.FieldError) as caught:
        new("FeedbackEvent", **fields)
    return caught.value


@given(options=st.dictionaries(TEXT, JSON_VALUES, max_size=4))
def test_a_mapping_becomes_the_struct_that_googles_json_makes(options: dict[str, Any]) -> None:
    expected = json_format.ParseDict(options, struct_pb2.Struct())
    assert ir.new("StageDef", partial=True, options=options).options == expected


@given(value=JSON_VALUES.filter(lambda value: value is not None))
def test_any_json_value_becomes_the_value_that_googles_json_makes(value: Any) -> None:
    expected = json_format.ParseDict(value, struct_pb2.Value())
    assert ir.new("FeedbackEvent", partial=True, feedback_value=value).feedback_value == expected


def test_none_is_null_inside_a_map_and_unset_for_the_field_itself() -> None:
    made = ir.new("FeedbackEvent", partial=True, metadata={"k": None}, feedback_value=None)
    assert made.metadata.fields["k"].WhichOneof("kind") == "null_value"
    assert not made.HasField("feedback_value")


@pytest.mark.parametrize(
    "mapping",
    [OrderedDict(k=(1, 2)), MappingProxyType({"k": (1, 2)}), {"k": [1, 2]}],
    ids=["ordered", "read-only", "plain"],
)
def test_any_mapping_is_an_object_and_a_tuple_is_a_list(mapping: Any) -> None:
    made = ir.new("StageDef", partial=True, options=mapping)
    assert json_format.MessageToDict(made.options) == {"k": [1.0, 2.0]}


def test_a_struct_is_accepted_unchanged() -> None:
    struct = json_format.ParseDict({"k": [1, None]}, struct_pb2.Struct())
    assert ir.new("StageDef", partial=True, options=struct).options == struct


@pytest.mark.parametrize("number", [2**53, -(2**53)])
def test_an_integer_up_to_2_to_the_53_is_accepted(number: int) -> None:
    assert ir.new("StageDef", partial=True, options={"n": number}).options["n"] == number


@pytest.mark.parametrize("number", [2**53 + 1, -(2**53) - 1, 10**30])
def test_an_integer_beyond_2_to_the_53_is_rejected_with_its_path(number: int) -> None:
    error = rejected(metadata={"ids": [1, {"big": number}]})
    assert error.path == 'FeedbackEvent.metadata["ids"][1]["big"]'
    assert error.reason == (
        f"the integer {number} is beyond 2^53, the limit of exact integers in opaque JSON; write"
        " it as a string"
    )


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_json_cannot_write_is_rejected_with_its_path(number: float) -> None:
    error = rejected(metadata={"loss": [0.5, number]})
    assert error.path == 'FeedbackEvent.metadata["loss"][1]'
    assert error.reason == "a number in opaque JSON must be finite"
    assert rejected(feedback_value=number).path == "FeedbackEvent.feedback_value"


@pytest.mark.parametrize(("key", "shown"), [(3, "3"), (None, "None"), (("a", 1), "('a', 1)")])
def test_a_key_that_is_not_a_string_is_rejected_with_its_path(key: object, shown: str) -> None:
    error = rejected(metadata={"by_id": {key: 1}})
    assert error.path == 'FeedbackEvent.metadata["by_id"]'
    assert error.reason == f"a key of opaque JSON must be a string, got {shown}"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({1}, "opaque JSON cannot represent set; use a list"),
        (b"x", "opaque JSON cannot represent bytes; use base64 text"),
        (date(2025, 1, 1), "opaque JSON cannot represent datetime.date; use its isoformat()"),
        (
            datetime(2025, 1, 1, tzinfo=UTC),
            "opaque JSON cannot represent datetime.datetime; use its isoformat()",
        ),
        (1j, "opaque JSON cannot represent complex"),
    ],
)
def test_a_value_that_json_cannot_represent_is_rejected_with_a_suggestion(
    value: object, reason: str
) -> None:
    error = rejected(metadata={"at": value})
    assert error.path == 'FeedbackEvent.metadata["at"]'
    assert error.reason == reason


def test_a_map_that_contains_itself_is_rejected() -> None:
    cycle: dict[str, Any] = {"name": "loop"}
    cycle["children"] = [cycle]
    error = rejected(metadata=cycle)
    assert error.path == 'FeedbackEvent.metadata["children"][0]'
    assert error.reason == "the value contains itself"


def test_a_list_that_contains_itself_is_rejected() -> None:
    cycle: list[Any] = []
    cycle.append(cycle)
    assert rejected(feedback_value=cycle).reason == "the value contains itself"


def test_a_value_given_in_two_places_without_containing_itself_is_written_twice() -> None:
    shared = {"k": 1}
    made = ir.new("StageDef", partial=True, options={"a": shared, "b": [shared]})
    assert json_format.MessageToDict(made.options) == {"a": {"k": 1.0}, "b": [{"k": 1.0}]}


# Depth


def objects(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels):
        value = {"a": value}
    return value


def lists(levels: int) -> dict[str, Any]:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return {"a": value}


def scalars(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {"n": 1}
    for _ in range(levels):
        value = {"a": value}
    return value


def is_read_back(message: Message) -> bool:
    try:
        type(message).FromString(message.SerializeToString())
    except DecodeError:
        return False
    return True


@pytest.mark.parametrize("nest", [objects, lists, scalars])
@pytest.mark.parametrize(
    ("cls", "place"),
    [
        (v1.StageDef, lambda value: {"options": value}),
        (v1.Experiment, lambda value: {"pipeline": [{"options": value, "enabled": True}]}),
        (v1.Prompt, lambda value: {"tools": [value], "options": {}}),
        (v1.Document, lambda value: {"backend_ref": {"fallback": {"options": value}}}),
    ],
    ids=["StageDef", "Experiment", "Prompt", "Document"],
)
def test_a_map_is_rejected_exactly_if_protobuf_could_not_read_it_back(
    cls: Any, place: Any, nest: Any
) -> None:
    verdicts = []
    for levels in range(20, 55):
        fields = place(nest(levels))
        readable = is_read_back(json_format.ParseDict(fields, cls(), max_recursion_depth=1000))
        if readable:
            made = new(cls, partial=True, **fields)
            assert is_read_back(made)
        else:
            with pytest.raises(ir.FieldError) as caught:
                new(cls, **fields)
            assert "nested deeper than 100 levels" in caught.value.reason
            assert caught.value.path.startswith(f"{cls.DESCRIPTOR.name}.")
        verdicts.append(readable)
    assert {True, False} == set(verdicts)


def test_a_map_thousands_of_levels_deep_is_rejected() -> None:
    for value in (objects(5000), lists(5000)):
        assert "nested deeper" in rejected(metadata=value).reason


def test_an_endless_chain_of_mappings_is_rejected() -> None:
    endless: dict[str, Any] = {"id": "again"}
    endless["fallback"] = endless
    with pytest.raises(ir.FieldError, match="nested deeper"):
        new("BackendRef", **endless)


def test_a_message_nested_too_deep_in_another_is_rejected_with_its_field() -> None:
    chain = deepest = v1.BackendRef()
    for _ in range(100):
        deepest = deepest.fallback
    deepest.SetInParent()
    assert is_read_back(chain)
    with pytest.raises(ir.FieldError) as caught:
        ir.new("Experiment", partial=True, id="e", backend=chain)
    assert caught.value.path == "Experiment.backend"
    assert "nested deeper" in caught.value.reason
