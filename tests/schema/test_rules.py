"""Rules read from descriptors are those that protovalidate enforces, with its texts."""

from __future__ import annotations

from typing import Any

import protovalidate
import pytest
from google.protobuf import (
    any_pb2,
    descriptor_pb2,
    descriptor_pool,
    duration_pb2,
    message_factory,
    text_format,
    timestamp_pb2,
)
from google.protobuf.message import Message
from schema_changes.mutations import rule_schema

from crucible_ir import v1
from crucible_ir.schema.rules import Rule, rules_of
from crucible_ir.schema.types import message_types
from crucible_ir.validation.check import violations

MAX_BYTES = ("string.max_bytes", {"max_bytes": 512})
REQUIRED = ("required", {"required": True})
FRACTION = ("double.gte_lte", {"gte": 0.0, "lte": 1.0})
YEARS = (
    "timestamp.gte_lte",
    {"gte": "0001-01-01T00:00:00Z", "lte": "9999-12-31T23:59:59.999999999Z"},
)


def declared(type_: type[Message], path: str) -> list[tuple[str, dict[str, Any]]]:
    rules = rules_of(type_.DESCRIPTOR)
    return [(rule.rule_id, dict(rule.parameters)) for rule in rules if rule.field_path == path]


@pytest.mark.parametrize(
    ("type_", "path", "expected"),
    [
        (v1.Experiment, "id", [REQUIRED, MAX_BYTES]),
        (v1.Experiment, "backend", [REQUIRED]),
        (v1.Experiment, "pipeline", [("repeated.min_items", {"min_items": 1})]),
        (v1.Experiment, "created_at", [YEARS]),
        (v1.Experiment, "description", []),
        (v1.TrainingConfig, "epochs", [("int32.gt", {"gt": 0})]),
        (
            v1.TrainingConfig,
            "learning_rate",
            [("double.gt", {"gt": 0.0}), ("double.finite", {"finite": True})],
        ),
        (v1.TrainingConfig, "validation_split", [FRACTION]),
        (v1.Hedging, "delay_ms", [("int32.gte", {"gte": 0})]),
        (v1.Hedging, "strategy", [("enum.defined_only", {"defined_only": True})]),
        (v1.ContentPart, "part", [REQUIRED]),
        (
            v1.Message,
            "",
            [
                (
                    "message.content_required",
                    {
                        "expression": "has(this.text) || has(this.parts) "
                        "|| size(this.tool_calls) > 0 || has(this.refusal) || this.role == 3"
                    },
                )
            ],
        ),
        (v1.MetricsSnapshot, "values", []),
    ],
)
def test_rules_are_read_as_the_schema_declares_them(
    type_: type[Message], path: str, expected: list[tuple[str, dict[str, Any]]]
) -> None:
    assert declared(type_, path) == expected


def test_every_type_of_the_schema_can_be_read() -> None:
    rules = [rule for cls in message_types().values() for rule in rules_of(cls.DESCRIPTOR)]
    assert all(rule.description and rule.meaning and rule.parameters for rule in rules)


@pytest.mark.parametrize("name", message_types())
def test_rules_have_the_texts_of_this_packages_violations(name: str) -> None:
    message = message_types()[name]()
    rules = rules_of(message.DESCRIPTOR)
    described = {(rule.field_path, rule.rule_id): rule.description for rule in rules}
    for violation in violations(message):
        assert described[violation.path, violation.rule_id] == violation.message


#: Rules of all kinds, most of which the schema does not use: the field's type, the rules in text
#: format, and a message in text format that breaks them.
RULES = {
    "int32": [
        ("int32 { const: 4 }", "f: 1"),
        ("int32 { lt: 4 }", "f: 9"),
        ("int32 { lte: 4 }", "f: 9"),
        ("int32 { gt: 4 }", "f: 1"),
        ("int32 { gte: 4 }", "f: 1"),
        ("int32 { gt: 1 lt: 4 }", "f: 9"),
        ("int32 { gt: 1 lte: 4 }", "f: 9"),
        ("int32 { gte: 1 lt: 4 }", "f: 9"),
        ("int32 { gte: 1 lte: 4 }", "f: 9"),
        ("int32 { gt: 4 lt: 1 }", "f: 2"),
        ("int32 { gt: 4 lte: 1 }", "f: 2"),
        ("int32 { gte: 4 lt: 1 }", "f: 2"),
        ("int32 { gte: 4 lte: 1 }", "f: 2"),
        ("int32 { gte: 4 lte: 4 }", "f: 2"),
        ("int32 { in: [1, 2] }", "f: 3"),
        ("int32 { not_in: [1, 2] }", "f: 1"),
        ("required: true int32 { gte: 1 }", ""),
        ('cel { id: "even" message: "must be even" expression: "this % 2 == 0" }', "f: 1"),
        ('cel_expression: "this % 2 == 0"', "f: 1"),
    ],
    "double": [
        ("double { gte: 0.5 lte: 2 }", "f: nan"),
        ("double { finite: true }", "f: inf"),
        ("double { in: [1, 2.5, 1e9] }", "f: 7"),
        ("double { lt: 1e9 }", "f: 1e10"),
        ("double { lt: 0.001 }", "f: 1e10"),
    ],
    "bool": [("bool { const: false }", "f: true")],
    "string": [
        ("string { len: 3 }", 'f: "a"'),
        ("string { min_len: 3 max_bytes: 9 }", 'f: "a"'),
        ('string { pattern: "^b+$" }', 'f: "a"'),
        ('string { in: ["b", "c"] }', 'f: "a"'),
        ('string { const: "b" }', 'f: "a"'),
        ('string { prefix: "b" }', 'f: "a"'),
        ("string { email: true }", 'f: "a"'),
        ("string { uuid: true }", 'f: "a"'),
        ("string { well_known_regex: KNOWN_REGEX_HTTP_HEADER_NAME strict: false }", 'f: "\\n"'),
        ("string { hostname: true }", 'f: " "'),
    ],
    "bytes": [
        ('bytes { const: "ab" }', 'f: "a"'),
        ('bytes { prefix: "b" }', 'f: "a"'),
        ('bytes { suffix: "b" }', 'f: "a"'),
        ('bytes { contains: "b" }', 'f: "a"'),
        ('bytes { in: ["ab", "c"] }', 'f: "a"'),
    ],
    "repeated string": [
        ("repeated { min_items: 2 }", 'f: "a"'),
        ("repeated { max_items: 1 }", 'f: "a" f: "b"'),
        ("repeated { unique: true }", 'f: "a" f: "a"'),
        ("repeated { items { string { min_len: 2 } } }", 'f: "a"'),
    ],
    "duration": [
        ("duration { gt { seconds: 1 } lt { seconds: 4 } }", "f { seconds: 9 }"),
        ("duration { gt { seconds: 4 } lt { seconds: 1 } }", "f { seconds: 2 }"),
        ("duration { in: { seconds: 4 } }", "f { seconds: 2 }"),
    ],
    "any": [
        ('any { in: ["b", "c"] }', 'f { type_url: "a" }'),
        ('any { not_in: ["a", "c"] }', 'f { type_url: "a" }'),
    ],
    "timestamp": [
        ("timestamp { lt_now: true }", "f { seconds: 253402300799 }"),
        ("timestamp { within { seconds: 60 } }", "f { seconds: 253402300799 }"),
    ],
}
CASES = [
    pytest.param(kind, rules, broken, id=f"{kind}: {rules}")
    for kind, cases in RULES.items()
    for rules, broken in cases
]
MESSAGES = {"any": any_pb2, "duration": duration_pb2, "timestamp": timestamp_pb2}


#: The texts that are this package's own, as in `crucible_ir.violations`.
OWN_TEXTS = {"required": "must be set"}


def options(kind: str, text: str) -> bytes:
    """Return the bytes of options whose extension has a value given in text format."""
    pool = rule_schema()
    class_ = message_factory.GetMessageClass(
        pool.FindMessageTypeByName(f"google.protobuf.{kind.capitalize()}Options")
    )
    made = text_format.Parse(f"[buf.validate.{kind}] {{ {text} }}", class_(), descriptor_pool=pool)
    return made.SerializeToString()


def message_class(file: descriptor_pb2.FileDescriptorProto) -> type[Message]:
    pool = descriptor_pool.DescriptorPool()
    for module in MESSAGES.values():
        pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
    file.name, file.package, file.syntax = "case.proto", "case", "proto3"
    file.dependency.extend(module.DESCRIPTOR.name for module in MESSAGES.values())
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("case.Case"))


def class_with_field(kind: str, rules: str) -> type[Message]:
    file = descriptor_pb2.FileDescriptorProto()
    field = file.message_type.add(name="Case").field.add(name="f", number=1)
    *repeated, type_name = kind.split()
    field.label = field.LABEL_REPEATED if repeated else field.LABEL_OPTIONAL
    if type_name in MESSAGES:
        field.type = field.TYPE_MESSAGE
        field.type_name = f".google.protobuf.{type_name.capitalize()}"
    else:
        field.type = field.Type.Value(f"TYPE_{type_name.upper()}")
    field.options.ParseFromString(options("field", rules))
    return message_class(file)


def violated(message: Message) -> list[tuple[str, str]]:
    # A validator caches types by name, and all cases have the same one.
    found = protovalidate.Validator().collect_violations(message)
    return [(item.proto.rule_id, item.proto.message) for item in found]


@pytest.mark.parametrize(("kind", "rules", "broken"), CASES)
def test_the_id_and_text_of_any_rule_are_those_of_its_violation(
    kind: str, rules: str, broken: str
) -> None:
    class_ = class_with_field(kind, rules)
    [(rule_id, text)] = violated(text_format.Parse(broken, class_()))
    described = {rule.rule_id: rule.description for rule in rules_of(class_.DESCRIPTOR)}
    assert described[rule_id] == OWN_TEXTS.get(rule_id, text)


@pytest.mark.parametrize(
    ("kind", "rules", "expected"),
    [
        ("int32", "int32 { gt: 1 lt: 4 }", ["int32.gt_lt"]),
        ("int32", "int32 { gt: 4 lt: 1 }", ["int32.gt_lt_exclusive"]),
        ("int32", "int32 { gte: 4 lte: 4 }", ["int32.gte_lte"]),
        (
            "duration",
            "duration { gt { seconds: 4 } lt { nanos: 9 } }",
            ["duration.gt_lt_exclusive"],
        ),
        ("double", "double { finite: false }", []),
        ("double", "double { example: 3 }", []),
        ("string", "string { email: true }", ["string.email", "string.email_empty"]),
        ("string", "ignore: IGNORE_ALWAYS string { min_len: 2 }", []),
        ("string", "ignore: IGNORE_IF_ZERO_VALUE string { min_len: 2 }", ["string.min_len"]),
    ],
)
def test_only_the_rules_that_can_be_broken_are_listed(
    kind: str, rules: str, expected: list[str]
) -> None:
    class_ = class_with_field(kind, rules)
    assert [rule.rule_id for rule in rules_of(class_.DESCRIPTOR)] == expected


def test_rules_of_list_items_have_their_own_path() -> None:
    rules = "repeated { min_items: 2 items { string { min_len: 2 } } }"
    found = rules_of(class_with_field("repeated string", rules).DESCRIPTOR)
    assert [(rule.field_path, rule.rule_id) for rule in found] == [
        ("f", "repeated.min_items"),
        ("f[]", "string.min_len"),
    ]


def test_rules_of_map_entries_have_their_own_paths() -> None:
    file = descriptor_pb2.FileDescriptorProto()
    case = file.message_type.add(name="Case")
    field = case.field.add(name="f", number=1, type="TYPE_MESSAGE", label="LABEL_REPEATED")
    field.type_name = ".case.Case.FEntry"
    text = "map { min_pairs: 2 keys { string { min_len: 2 } } values { int32 { gt: 0 } } }"
    field.options.ParseFromString(options("field", text))
    entry = case.nested_type.add(name="FEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, type="TYPE_STRING", label="LABEL_OPTIONAL")
    entry.field.add(name="value", number=2, type="TYPE_INT32", label="LABEL_OPTIONAL")
    class_ = message_class(file)
    message = text_format.Parse('f { key: "a" value: 0 }', class_())
    found = rules_of(class_.DESCRIPTOR)
    assert [(rule.field_path, rule.rule_id) for rule in found] == [
        ("f", "map.min_pairs"),
        ("f{key}", "string.min_len"),
        ("f{value}", "int32.gt"),
    ]
    assert {(rule.rule_id, rule.description) for rule in found} == set(violated(message))


@pytest.mark.parametrize("required", [False, True])
def test_a_oneof_written_as_a_rule_of_the_message_is_listed(required: bool) -> None:
    file = descriptor_pb2.FileDescriptorProto()
    case = file.message_type.add(name="Case")
    for number, name in enumerate("ab", start=1):
        case.field.add(name=name, number=number, type="TYPE_INT32", label="LABEL_OPTIONAL")
    text = f'oneof {{ fields: "a" fields: "b" required: {str(required).lower()} }}'
    case.options.ParseFromString(options("message", text))
    class_ = message_class(file)
    broken = class_() if required else text_format.Parse("a: 1 b: 1", class_())
    [rule] = rules_of(class_.DESCRIPTOR)
    assert [(rule.rule_id, rule.description)] == violated(broken)
    assert rule.parameters == {"fields": ("a", "b"), "required": required}


def test_the_meaning_of_a_rule_has_the_names_of_its_parameters() -> None:
    [rule] = rules_of(class_with_field("int32", "int32 { gte: 1 lt: 4 }").DESCRIPTOR)
    assert rule == Rule(
        message_type="case.Case",
        field_path="f",
        rule_id="int32.gte_lt",
        parameters={"gte": 1, "lt": 4},
        description="must be greater than or equal to 1 and less than 4",
        meaning="must be greater than or equal to <gte> and less than <lt>",
    )
