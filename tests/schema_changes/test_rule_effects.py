"""Every standard rule that protovalidate has is compared as protovalidate judges values.

The schema uses some of the rules only. Here each option of each kind of rules stands alone on a
field, in two versions with different parameters, and bounds stand in every combination.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import cache
from itertools import permutations, product
from typing import Any

import pytest
from effort import examples
from google.protobuf import duration_pb2, field_mask_pb2, timestamp_pb2
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorSet
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given, settings
from hypothesis import strategies as st
from schema_changes.mutations import edit_rules, rule_schema, rules_in
from schema_changes.witnesses import (
    NARROWING,
    WIDENING,
    boundary_values,
    is_promised,
    truth,
)

from crucible_ir.schema.rules import rules_of
from crucible_ir.schema.types import held_message
from crucible_ir.schema_changes import ChangeKind, SchemaVersion, compare

pytestmark = pytest.mark.slow

MESSAGE = "crucible_ir.v1.Held"
RULES = rule_schema().FindMessageTypeByName("buf.validate.FieldRules")
BOUNDS = ("gt", "gte", "lt", "lte")

#: The type of field for each kind of rules that is not the name of a scalar type.
WELL_KNOWN = {
    "any": ".google.protobuf.Any",
    "duration": ".google.protobuf.Duration",
    "field_mask": ".google.protobuf.FieldMask",
    "timestamp": ".google.protobuf.Timestamp",
}

#: Options whose verdict depends on when it is asked for.
OF_THE_TIME = {"lt_now", "gt_now", "within"}

#: Options that modify another, only document or are about what a field holds; and those above.
NOT_RULES = {"example", "strict", "items", "keys", "values", *OF_THE_TIME}

#: Options of which one value cannot be compared with another, so that any change breaks.
UNORDERED = {"const", "len", "len_bytes", "pattern", "well_known_regex"}


@pytest.fixture(autouse=True, scope="module")
def forget_versions() -> Iterator[None]:
    """Let go of the many versions that the rules were read of."""
    yield
    rules_of.cache_clear()


def add(items: Any, value: Any) -> None:
    if hasattr(value, "DESCRIPTOR"):
        items.add().ParseFromString(value.SerializeToString())
    else:
        items.append(value)


def option_of(kind: str, name: str) -> FieldDescriptor:
    return held_message(RULES.fields_by_name[kind]).fields_by_name[name]


def schema(kind: str, rules: dict[str, Any]) -> SchemaVersion:
    """Return a schema with one field, which has rules of a kind."""
    files = FileDescriptorSet()
    for module in (duration_pb2, timestamp_pb2, field_mask_pb2):
        files.file.add().ParseFromString(module.DESCRIPTOR.serialized_pb)
    files.file.add().ParseFromString(AnyMessage.DESCRIPTOR.file.serialized_pb)
    file = files.file.add(name="crucible_ir/v1/held.proto", package="crucible_ir.v1")
    file.syntax = "proto3"
    file.dependency.extend(each.name for each in files.file if each is not file)
    enum = file.enum_type.add(name="Letter")
    for number, name in enumerate(("LETTER_UNSPECIFIED", "A", "B", "C")):
        enum.value.add(name=name, number=number)
    message = file.message_type.add(name="Held")
    field = message.field.add(name="f", number=1, label=FieldDescriptorProto.LABEL_OPTIONAL)
    if kind in WELL_KNOWN:
        field.type, field.type_name = FieldDescriptorProto.TYPE_MESSAGE, WELL_KNOWN[kind]
    elif kind == "enum":
        field.type, field.type_name = FieldDescriptorProto.TYPE_ENUM, ".crucible_ir.v1.Letter"
    elif kind == "repeated":
        field.type = FieldDescriptorProto.TYPE_INT32
        field.label = FieldDescriptorProto.LABEL_REPEATED
    elif kind == "map":
        entry = message.nested_type.add(name="FEntry")
        entry.options.map_entry = True
        for number, (name, type_) in enumerate((("key", "STRING"), ("value", "INT32")), start=1):
            inner = entry.field.add(name=name, number=number)
            inner.label = FieldDescriptorProto.LABEL_OPTIONAL
            inner.type = FieldDescriptorProto.Type.Value(f"TYPE_{type_}")
        field.type, field.type_name = FieldDescriptorProto.TYPE_MESSAGE, f".{MESSAGE}.FEntry"
        field.label = FieldDescriptorProto.LABEL_REPEATED
    else:
        field.type = FieldDescriptorProto.Type.Value(f"TYPE_{kind.upper()}")

    def put(declared: Any) -> None:
        standard = getattr(declared, kind)
        standard.SetInParent()
        for name, value in rules.items():
            target = getattr(standard, name)
            if isinstance(value, list):
                for each in value:
                    add(target, each)
            elif hasattr(value, "DESCRIPTOR"):
                # The schema of the rules is in a pool of its own, and so are its classes.
                target.ParseFromString(value.SerializeToString())
            else:
                setattr(standard, name, value)

    edit_rules(field, put)
    return SchemaVersion.parse(f"{kind} {rules}", files.SerializeToString())


def parameters(option: FieldDescriptor) -> list[Any]:
    """Return some parameters of an option, by its type."""
    singles: list[Any]
    types: dict[str, Any] = {
        each.DESCRIPTOR.full_name: each for each in (AnyMessage, Duration, Timestamp)
    }
    inner = option.message_type
    if inner is not None:
        if inner.full_name == "google.protobuf.FieldMask":
            singles = [field_mask_pb2.FieldMask(paths=paths) for paths in (["a"], ["a", "b"])]
        else:
            singles = [types[inner.full_name](seconds=seconds) for seconds in (1, 3)]
    elif option.enum_type is not None:
        singles = [1, 2]
    elif option.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        singles = [False, True]
    elif option.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        texts = ["a", "ab", "b"]
        is_bytes = option.type == FieldDescriptor.TYPE_BYTES
        singles = [text.encode() for text in texts] if is_bytes else texts
    else:
        to = float if option.cpp_type in (5, 6) else int
        singles = [to(value) for value in (1, 3)]
    if option.is_repeated:
        return [singles[:1], singles[:2], singles[1:]]
    return singles


def options() -> list[tuple[str, str]]:
    return [
        (kind.name, option.name)
        for kind in RULES.oneofs_by_name["type"].fields
        for option in held_message(kind).fields
        if option.name not in NOT_RULES
    ]


def judged(kind: str, old: SchemaVersion, new: SchemaVersion) -> tuple[Any, set[ChangeKind]]:
    """Return the truth about a change, and what is said of it, less what must hold in any case."""
    rules = [rules_in(each.files.file[-1].message_type[0].field[0]) for each in (old, new)]
    field = old.message(MESSAGE).fields_by_name["f"]
    if kind in WELL_KNOWN and kind not in ("duration", "timestamp"):
        values = [None, *well_known_values(kind)]
    else:
        values = boundary_values(field, rules)
    real = truth(old, new, MESSAGE, "f", values)
    said = [each for each in compare(old, new) if each.kind is not ChangeKind.RULE_ID_REMOVED]
    kinds = {each.kind for each in said}
    if real.narrower or real.other_ids:
        assert not is_promised(said), (real, kinds)
    if kinds <= WIDENING:
        assert not real.narrower, kinds
    if kinds <= NARROWING:
        assert not real.wider, kinds
    return real, kinds


def well_known_values(kind: str) -> list[Any]:
    if kind == "any":
        return [AnyMessage(type_url=url) for url in ("", "a", "ab", "b")]
    masks: list[list[str]] = [[], ["a"], ["b"], ["ab"], ["a", "b"], ["a.b"], ["c"]]
    return [field_mask_pb2.FieldMask(paths=paths) for paths in masks]


@pytest.mark.parametrize(("kind", "option"), options())
def test_a_rule_that_comes_or_goes_is_said_to_be_added_or_removed(kind: str, option: str) -> None:
    declared = option_of(kind, option)
    for parameter in parameters(declared):
        if parameter is False and option != "const":
            continue
        without, having = schema(kind, {}), schema(kind, {option: parameter})
        closed = (kind, option) == ("enum", "defined_only")
        added = ChangeKind.VOCABULARY_CLOSED if closed else ChangeKind.RULE_ADDED
        removed = ChangeKind.VOCABULARY_OPENED if closed else ChangeKind.RULE_REMOVED
        assert judged(kind, without, having)[1] == {added}
        assert judged(kind, having, without)[1] == {removed}


@pytest.mark.parametrize(("kind", "option"), options())
def test_two_parameters_of_a_rule_are_compared_by_the_values_that_they_accept(
    kind: str, option: str
) -> None:
    declared = option_of(kind, option)
    for before, after in permutations(parameters(declared), 2):
        if declared.cpp_type == FieldDescriptor.CPPTYPE_BOOL and option != "const":
            continue
        real, kinds = judged(kind, schema(kind, {option: before}), schema(kind, {option: after}))
        if option in UNORDERED:
            assert kinds <= {ChangeKind.RULE_CHANGED, *NARROWING, *WIDENING}
            assert kinds or (real.wider, real.narrower) == (False, False)
        elif (real.wider, real.narrower) == (True, True):
            assert kinds & {ChangeKind.RULE_CHANGED}
        elif real.wider:
            assert kinds == {ChangeKind.RULE_LOOSENED}
        elif real.narrower:
            assert kinds == {ChangeKind.RULE_TIGHTENED}
        else:
            assert kinds <= {ChangeKind.RULE_CHANGED}


def bounded() -> list[str]:
    kinds = RULES.oneofs_by_name["type"].fields
    return [kind.name for kind in kinds if "gte" in held_message(kind).fields_by_name]


@cache
def combinations(kind: str) -> list[dict[str, Any]]:
    """Return bounds of a kind: a lower one, an upper one, both in either order, or none."""
    values = {name: [None, *parameters(option_of(kind, name))] for name in BOUNDS}
    lower = [("gt", v) for v in values["gt"]] + [("gte", v) for v in values["gte"][1:]]
    upper = [("lt", v) for v in values["lt"]] + [("lte", v) for v in values["lte"][1:]]
    return [
        {name: value for name, value in pair if value is not None} for pair in product(lower, upper)
    ]


@pytest.mark.parametrize("kind", bounded())
@settings(max_examples=examples(25))
@given(data=st.data())
def test_bounds_are_compared_by_the_values_that_they_accept(kind: str, data: st.DataObject) -> None:
    chosen = st.sampled_from([each for each in combinations(kind) if each])
    before, after = data.draw(chosen), data.draw(chosen)
    real, kinds = judged(kind, schema(kind, before), schema(kind, after))
    kinds -= {ChangeKind.RULE_ID_CHANGED}
    expected = {
        (True, True): {ChangeKind.RULE_CHANGED},
        (True, False): {ChangeKind.RULE_LOOSENED},
        (False, True): {ChangeKind.RULE_TIGHTENED},
        (False, False): set(),
    }
    assert kinds == expected[real.wider, real.narrower], (before, after)


def test_rules_of_the_time_of_day_are_added_and_removed_as_others_are() -> None:
    for option in ("lt_now", "gt_now"):
        without, having = schema("timestamp", {}), schema("timestamp", {option: True})
        assert [each.kind for each in compare(without, having)] == [ChangeKind.RULE_ADDED]
        assert ChangeKind.RULE_REMOVED in {each.kind for each in compare(having, without)}


def test_a_longer_time_around_now_is_wider() -> None:
    hour, day = (schema("timestamp", {"within": Duration(seconds=s)}) for s in (3_600, 86_400))
    half_a_day_ago = Timestamp(seconds=int(time.time()) - 43_200)
    assert truth(hour, day, MESSAGE, "f", [half_a_day_ago]).wider
    assert [each.kind for each in compare(hour, day)] == [ChangeKind.RULE_LOOSENED]
    assert [each.kind for each in compare(day, hour)] == [ChangeKind.RULE_TIGHTENED]


def test_a_header_that_is_no_longer_checked_strictly_has_changed() -> None:
    strict = schema("string", {"well_known_regex": 1})
    lax = schema("string", {"well_known_regex": 1, "strict": False})
    for old, new in ((strict, lax), (lax, strict)):
        assert [each.kind for each in compare(old, new)] == [ChangeKind.RULE_CHANGED]


@pytest.mark.parametrize("kind", ["keys", "values"])
def test_rules_of_keys_and_values_of_a_map_are_told_apart_in_the_place(kind: str) -> None:
    inner = "string" if kind == "keys" else "int32"
    option = {"string": ("min_len", 1), "int32": ("gte", 1)}[inner]

    def having(value: int) -> SchemaVersion:
        files = FileDescriptorSet()
        files.CopyFrom(schema("map", {}).files)
        field = files.file[-1].message_type[0].field[0]
        edit_rules(
            field,
            lambda rules: setattr(getattr(getattr(rules.map, kind), inner), option[0], value),
        )
        return SchemaVersion.parse("map", files.SerializeToString())

    (looser,) = compare(having(2), having(1))
    (tighter,) = compare(having(1), having(2))
    assert looser.place == tighter.place == f"{MESSAGE}.f{{{kind.removesuffix('s')}}}"
    assert looser.kind is ChangeKind.RULE_LOOSENED
    assert tighter.kind is ChangeKind.RULE_TIGHTENED


def test_rules_about_which_fields_go_together_are_compared() -> None:
    def having(*fields: str, required: bool = False) -> SchemaVersion:
        files = FileDescriptorSet()
        files.CopyFrom(schema("int32", {}).files)
        message = files.file[-1].message_type[0]
        for number, name in enumerate(("g", "h"), start=2):
            message.field.add(
                name=name, number=number, type=FieldDescriptorProto.TYPE_INT32
            ).label = FieldDescriptorProto.LABEL_OPTIONAL
        if fields:
            edit_rules(
                message,
                lambda rules: rules.oneof.add(fields=fields, required=required),
                "message",
            )
        return SchemaVersion.parse("oneof", files.SerializeToString())

    def kinds(old: SchemaVersion, new: SchemaVersion) -> set[ChangeKind]:
        return {each.kind for each in compare(old, new)} - {ChangeKind.RULE_ID_REMOVED}

    assert kinds(having(), having("f", "g")) == {ChangeKind.RULE_ADDED}
    assert kinds(having("f", "g"), having()) == {ChangeKind.RULE_REMOVED}
    must = having("f", "g", required=True)
    assert kinds(having("f", "g"), must) == {ChangeKind.RULE_TIGHTENED}
    assert kinds(must, having("f", "g")) == {ChangeKind.RULE_LOOSENED}
    assert kinds(having("f", "g"), having("f", "h")) == {
        ChangeKind.RULE_ADDED,
        ChangeKind.RULE_REMOVED,
    }
