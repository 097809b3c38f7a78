"""Changes of every standard rule of protovalidate are classified correctly.

The schema uses only some of the rules. Here, each option of each kind of rules is used alone on a
field, in two versions with different parameters, and bounds are used in every combination.
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
from schema_changes.oracle import (
    NARROWING,
    WIDENING,
    boundary_values,
    is_promised,
    observe,
)

from crucible_ir.schema.rules import rules_of
from crucible_ir.schema_changes import SchemaChangeKind, SchemaVersion, compare

pytestmark = pytest.mark.slow

MESSAGE = "crucible_ir.v1.Held"
RULES = rule_schema().FindMessageTypeByName("buf.validate.FieldRules")

#: The message of each kind of rules, such as ``Int32Rules`` for ``int32``.
KINDS = {
    kind.name: kind.message_type
    for kind in RULES.oneofs_by_name["type"].fields
    if kind.message_type is not None
}
BOUNDS = ("gt", "gte", "lt", "lte")

#: The field type for each kind of rules whose name is not that of a scalar type.
WELL_KNOWN = {
    "any": ".google.protobuf.Any",
    "duration": ".google.protobuf.Duration",
    "field_mask": ".google.protobuf.FieldMask",
    "timestamp": ".google.protobuf.Timestamp",
}

#: Options whose verdict depends on the current time.
OF_THE_TIME = {"lt_now", "gt_now", "within"}

#: Options that modify others, are documentation, or apply to items, keys and values; and the above.
NOT_RULES = {"example", "strict", "items", "keys", "values", *OF_THE_TIME}

#: Options whose values are not comparable, so that any change is breaking.
UNORDERED = {"const", "len", "len_bytes", "pattern", "well_known_regex"}


@pytest.fixture(autouse=True, scope="module")
def forget_versions() -> Iterator[None]:
    """Release the many versions in the cache."""
    yield
    rules_of.cache_clear()


def add(items: Any, value: Any) -> None:
    if hasattr(value, "DESCRIPTOR"):
        items.add().ParseFromString(value.SerializeToString())
    else:
        items.append(value)


def option_of(kind: str, name: str) -> FieldDescriptor:
    return KINDS[kind].fields_by_name[name]


def schema(kind: str, rules: dict[str, Any]) -> SchemaVersion:
    """Return a schema with one field with rules of a kind."""
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
                # The schema of the rules and its classes are in a separate pool.
                target.ParseFromString(value.SerializeToString())
            else:
                setattr(standard, name, value)

    edit_rules(field, put)
    return SchemaVersion.parse(f"{kind} {rules}", files.SerializeToString())


def parameters(option: FieldDescriptor) -> list[Any]:
    """Return parameters for an option, by its type."""
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
        (kind, option.name)
        for kind, rules in KINDS.items()
        for option in rules.fields
        if option.name not in NOT_RULES
    ]


def classified(
    kind: str, old: SchemaVersion, new: SchemaVersion
) -> tuple[Any, set[SchemaChangeKind]]:
    """Return the observed effect and the kinds of changes, after checking that they agree."""
    rules = [rules_in(each.files.file[-1].message_type[0].field[0]) for each in (old, new)]
    field = old.message(MESSAGE).fields_by_name["f"]
    if kind in WELL_KNOWN and kind not in ("duration", "timestamp"):
        values = [None, *well_known_values(kind)]
    else:
        values = boundary_values(field, rules)
    effect = observe(old, new, MESSAGE, "f", values)
    changes = [
        each for each in compare(old, new) if each.kind is not SchemaChangeKind.RULE_ID_REMOVED
    ]
    kinds = {each.kind for each in changes}
    if effect.narrower or effect.other_ids:
        assert not is_promised(changes), (effect, kinds)
    if kinds <= WIDENING:
        assert not effect.narrower, kinds
    if kinds <= NARROWING:
        assert not effect.wider, kinds
    return effect, kinds


def well_known_values(kind: str) -> list[Any]:
    if kind == "any":
        return [AnyMessage(type_url=url) for url in ("", "a", "ab", "b")]
    masks: list[list[str]] = [[], ["a"], ["b"], ["ab"], ["a", "b"], ["a.b"], ["c"]]
    return [field_mask_pb2.FieldMask(paths=paths) for paths in masks]


@pytest.mark.parametrize(("kind", "option"), options())
def test_a_new_rule_is_reported_as_added_and_an_old_one_as_removed(kind: str, option: str) -> None:
    declared = option_of(kind, option)
    for parameter in parameters(declared):
        if parameter is False and option != "const":
            continue
        without, having = schema(kind, {}), schema(kind, {option: parameter})
        closed = (kind, option) == ("enum", "defined_only")
        added = SchemaChangeKind.VOCABULARY_CLOSED if closed else SchemaChangeKind.RULE_ADDED
        removed = SchemaChangeKind.VOCABULARY_OPENED if closed else SchemaChangeKind.RULE_REMOVED
        assert classified(kind, without, having)[1] == {added}
        assert classified(kind, having, without)[1] == {removed}


@pytest.mark.parametrize(("kind", "option"), options())
def test_two_parameters_of_a_rule_are_compared_by_the_values_that_they_accept(
    kind: str, option: str
) -> None:
    declared = option_of(kind, option)
    for before, after in permutations(parameters(declared), 2):
        if declared.cpp_type == FieldDescriptor.CPPTYPE_BOOL and option != "const":
            continue
        effect, kinds = classified(
            kind, schema(kind, {option: before}), schema(kind, {option: after})
        )
        if option in UNORDERED:
            assert kinds <= {SchemaChangeKind.RULE_CHANGED, *NARROWING, *WIDENING}
            assert kinds or (effect.wider, effect.narrower) == (False, False)
        elif (effect.wider, effect.narrower) == (True, True):
            assert kinds & {SchemaChangeKind.RULE_CHANGED}
        elif effect.wider:
            assert kinds == {SchemaChangeKind.RULE_LOOSENED}
        elif effect.narrower:
            assert kinds == {SchemaChangeKind.RULE_TIGHTENED}
        else:
            assert kinds <= {SchemaChangeKind.RULE_CHANGED}


def bounded() -> list[str]:
    return [kind for kind, rules in KINDS.items() if "gte" in rules.fields_by_name]


@cache
def combinations(kind: str) -> list[dict[str, Any]]:
    """Return bounds of a kind: a lower one, an upper one, both in any order, or none."""
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
    effect, kinds = classified(kind, schema(kind, before), schema(kind, after))
    kinds -= {SchemaChangeKind.RULE_ID_CHANGED}
    expected = {
        (True, True): {SchemaChangeKind.RULE_CHANGED},
        (True, False): {SchemaChangeKind.RULE_LOOSENED},
        (False, True): {SchemaChangeKind.RULE_TIGHTENED},
        (False, False): set(),
    }
    assert kinds == expected[effect.wider, effect.narrower], (before, after)


def test_rules_relative_to_the_current_time_are_added_and_removed_like_others() -> None:
    for option in ("lt_now", "gt_now"):
        without, having = schema("timestamp", {}), schema("timestamp", {option: True})
        assert [each.kind for each in compare(without, having)] == [SchemaChangeKind.RULE_ADDED]
        assert SchemaChangeKind.RULE_REMOVED in {each.kind for each in compare(having, without)}


def test_a_longer_time_around_now_is_wider() -> None:
    hour, day = (schema("timestamp", {"within": Duration(seconds=s)}) for s in (3_600, 86_400))
    half_a_day_ago = Timestamp(seconds=int(time.time()) - 43_200)
    assert observe(hour, day, MESSAGE, "f", [half_a_day_ago]).wider
    assert [each.kind for each in compare(hour, day)] == [SchemaChangeKind.RULE_LOOSENED]
    assert [each.kind for each in compare(day, hour)] == [SchemaChangeKind.RULE_TIGHTENED]


def test_a_change_of_the_strictness_of_a_header_rule_is_reported() -> None:
    strict = schema("string", {"well_known_regex": 1})
    lax = schema("string", {"well_known_regex": 1, "strict": False})
    for old, new in ((strict, lax), (lax, strict)):
        assert [each.kind for each in compare(old, new)] == [SchemaChangeKind.RULE_CHANGED]


@pytest.mark.parametrize("kind", ["keys", "values"])
def test_the_place_distinguishes_rules_of_keys_and_values_of_a_map(kind: str) -> None:
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
    assert looser.kind is SchemaChangeKind.RULE_LOOSENED
    assert tighter.kind is SchemaChangeKind.RULE_TIGHTENED


def test_rules_for_several_fields_are_compared() -> None:
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

    def kinds(old: SchemaVersion, new: SchemaVersion) -> set[SchemaChangeKind]:
        return {each.kind for each in compare(old, new)} - {SchemaChangeKind.RULE_ID_REMOVED}

    assert kinds(having(), having("f", "g")) == {SchemaChangeKind.RULE_ADDED}
    assert kinds(having("f", "g"), having()) == {SchemaChangeKind.RULE_REMOVED}
    must = having("f", "g", required=True)
    assert kinds(having("f", "g"), must) == {SchemaChangeKind.RULE_TIGHTENED}
    assert kinds(must, having("f", "g")) == {SchemaChangeKind.RULE_LOOSENED}
    assert kinds(having("f", "g"), having("f", "h")) == {
        SchemaChangeKind.RULE_ADDED,
        SchemaChangeKind.RULE_REMOVED,
    }
