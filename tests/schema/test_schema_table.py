"""The field table and the seed agree with the schema and its rules.

`make generate` writes the table from the schema. The seed's fields, the comments of the schema and
the boundaries of each rule below are written by hand.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import protovalidate
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

from crucible_ir import v1
from crucible_ir.v1 import options_pb2

TABLE: dict[str, Any] = json.loads(
    Path(__file__).with_name("field_table.json").read_text(encoding="utf-8")
)
MESSAGES: dict[str, dict[str, dict[str, Any]]] = TABLE["messages"]
SEED: dict[str, dict[str, Any]] = json.loads(
    Path(__file__).with_name("seed.json").read_text(encoding="utf-8")
)["structs"]
FIELDS = [(message, field) for message, fields in MESSAGES.items() for field in fields]

#: Oneofs that a rule of their message requires in some cases, with the id of the rule.
CONDITIONAL_ONEOFS = {"Message.content": "message.content_required"}
REQUIRED_ONEOFS = {group for group, need in TABLE["oneofs"].items() if need == "required"}

#: protovalidate's extension of the field, message and oneof options.
VALIDATION_OPTION = 1159

SCALARS = {
    FieldDescriptor.TYPE_STRING: "string",
    FieldDescriptor.TYPE_BYTES: "bytes",
    FieldDescriptor.TYPE_BOOL: "bool",
    FieldDescriptor.TYPE_INT32: "int32",
    FieldDescriptor.TYPE_INT64: "int64",
    FieldDescriptor.TYPE_DOUBLE: "double",
    FieldDescriptor.TYPE_ENUM: "enum",
}
WELL_KNOWN = {
    "google.protobuf.Timestamp": "ts",
    "google.protobuf.Struct": "map",
    "google.protobuf.Value": "Value",
}

RANGE_IN_WORDS = {
    ">0": "greater than 0",
    ">0, finite": "greater than 0, finite",
    ">=0": "0 or more",
    ">=0, finite": "0 or more, finite",
    "algorithm:encoded": "algorithm:encoded",
    "0..1": "0 to 1",
    "0..100": "0 to 100",
    "1..512 bytes": "1 to 512 bytes",
    "1..8192 bytes": "1 to 8192 bytes",
    "semver of 1..512 bytes": "a semantic version of 1 to 512 bytes",
    "1 item or more": "1 stage or more",
    "years 1..9999": "years 1 to 9999, the range of RFC 3339",
}

#: The schema types of each seed type. The seed's atoms are strings or vocabularies.
SEED_TYPES = {
    "atom": {"string", "open", "closed"},
    "atom | String": {"string"},
    "String": {"string"},
    "module": {"string"},
    "boolean": {"bool"},
    "integer": {"int64"},
    "pos_integer": {"int32"},
    "float": {"double"},
    "map": {"map", "map<string,double>"},
    "term": {"Value"},
    "DateTime": {"ts"},
    "[atom]": {"string[]", "open[]"},
    "[String]": {"string[]"},
    "[map]": {"MetricsSnapshot[]"},
}
SEED_RULES = {
    "> 0": {">0", ">0, finite"},
    "between 0 and 1": {"0..1"},
    "semver": {"semver of 1..512 bytes"},
    "valid": {"defined only"},
}

INT32_MAX = 2**31 - 1
SMALLEST_DOUBLE = 5e-324
LARGEST_DOUBLE = 1.7976931348623157e308
FIRST_SECOND = -62135596800  # 0001-01-01T00:00:00Z
LAST_SECOND = 253402300799  # 9999-12-31T23:59:59Z

#: Examples of the OCI image specification, and digests of git and MLflow in its grammar.
DIGESTS = [
    "sha256:6c3c624b58dbbcd3c0dd82b4c53f04194d1247c6eebdaab7c610cf7d66709b3b",
    "sha256+b64u:LCa0a2j_xo_5m0U8HTBBNBNCLXBkg7-g-YpeiGJm564=",
    "multihash+base58:QmRZxt2b1FVZPNqd8hsiykDL3TdBDeTSPX9Kv46HmX4Gx8",
    "sha1:0a4d55a8d778e5022fab701977c5d840bbc486d0",
    "mlflow:cf5a2d3e",
]
NOT_DIGESTS = ["", "sha256", "sha256:", ":abc", "SHA256:abc", "sha256:a b", "sha256:a\n", "a+:b"]

SEMANTIC_VERSIONS = [
    "0.0.0",
    "1.0.0",
    "10.20.30",
    "1.0.0-rc.1",
    "1.0.0-0a",
    "1.0.0--",
    "1.0.0+007",
    "1.0.0-alpha.1+build.5-x",
    "99999999999999999999999.0.0",
    "1.0.0-" + "a" * 506,
]
NOT_SEMANTIC_VERSIONS = [
    "1",
    "1.0",
    "1.0.0.0",
    "v1.0.0",
    "01.0.0",
    "1.00.0",
    "1.0.0-",
    "1.0.0+",
    "1.0.0-01",
    "1.0.0-a..b",
    "1.0.0-é",
    "1.0.0 ",
    "1.0.0\n",
    "-1.0.0",
    "latest",
]


def _schema_files() -> list[descriptor_pb2.FileDescriptorProto]:
    packed = resources.files("crucible_ir").joinpath("schema", "descriptors.binpb").read_bytes()
    files = descriptor_pb2.FileDescriptorSet.FromString(packed).file
    return [file for file in files if file.package == "crucible_ir.v1"]


def _comments(file: descriptor_pb2.FileDescriptorProto) -> Iterator[tuple[str, str]]:
    """Yield the name and the comment, on one line, of each declaration in a file."""
    text = {
        tuple(location.path): " ".join(location.leading_comments.split())
        for location in file.source_code_info.location
    }
    for index, message in enumerate(file.message_type):
        yield message.name, text.get((4, index), "")
        for inner, field in enumerate(message.field):
            yield f"{message.name}.{field.name}", text.get((4, index, 2, inner), "")
        for inner, oneof in enumerate(message.oneof_decl):
            yield f"{message.name}.{oneof.name}", text.get((4, index, 8, inner), "")
    for index, enum in enumerate(file.enum_type):
        yield enum.name, text.get((5, index), "")


SCHEMA_FILES = _schema_files()
COMMENTS = {name: comment for file in SCHEMA_FILES for name, comment in _comments(file)}


def _descriptor(message: str) -> Descriptor:
    descriptor: Descriptor = getattr(v1, message).DESCRIPTOR
    return descriptor


def _new(descriptor: Any) -> Any:
    return message_factory.GetMessageClass(descriptor)()


def _oneof(field: FieldDescriptor) -> str | None:
    """Return the declared oneof of a field; those of `optional` are synthetic."""
    oneof = field.containing_oneof
    return oneof.name if oneof and oneof.name != f"_{field.name}" else None


def _default(field: FieldDescriptor) -> str | None:
    """Return the ProtoJSON text of the field's default, or None when it declares none."""
    options: Any = field.GetOptions()
    declared = options.HasExtension(options_pb2.default)
    return str(options.Extensions[options_pb2.default]) if declared else None


def _type(field: FieldDescriptor) -> str:
    if field.message_type is None:
        name = SCALARS[field.type]
    elif field.message_type.GetOptions().map_entry:
        entry = field.message_type.fields_by_name
        return f"map<{_type(entry['key'])},{_type(entry['value'])}>"
    else:
        name = WELL_KNOWN.get(field.message_type.full_name, field.message_type.name)
    return name + "[]" if field.is_repeated else name


def _expected_fields(message: str) -> dict[str, tuple[str, str | None]]:
    """Return the types and oneofs of the table's fields by name."""
    expected: dict[str, tuple[str, str | None]] = {}
    for name, entry in MESSAGES[message].items():
        match entry["type"]:
            case "open":
                expected[name] = ("enum", f"{name}_kind")
                expected[f"custom_{name}"] = ("string", f"{name}_kind")
            case "open[]":
                expected[name] = ("enum[]", None)
                expected[f"custom_{name}"] = ("string[]", None)
            case "closed":
                expected[name] = ("enum", entry.get("oneof"))
            case other:
                expected[name] = (other, entry.get("oneof"))
    return expected


def _short_names(enum: EnumDescriptor) -> list[str]:
    prefix = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", enum.name).upper() + "_"
    return [value.name.removeprefix(prefix).lower() for value in enum.values[1:]]


def _enum_value_names(field: FieldDescriptor, default: Any) -> Any:
    """Return a default as in ProtoJSON, with full enum names instead of short ones."""
    if field.enum_type is None:
        return default
    names = dict(
        zip(
            _short_names(field.enum_type), [v.name for v in field.enum_type.values[1:]], strict=True
        )
    )
    return [names[name] for name in default] if isinstance(default, list) else names[default]


def _smallest(message: str) -> Any:
    """Return the smallest valid message, with the required fields only."""
    built = _new(_descriptor(message))
    for name, entry in MESSAGES[message].items():
        if entry["presence"] == "required":
            _fill(built, name, entry)
    for group in sorted(REQUIRED_ONEOFS | CONDITIONAL_ONEOFS.keys()):
        owner, oneof = group.split(".")
        if owner == message:
            member = next(n for n, e in MESSAGES[message].items() if e.get("oneof") == oneof)
            _fill(built, member, MESSAGES[message][member])
    return built


def _fill(built: Any, name: str, entry: dict[str, Any]) -> None:
    kind = entry["type"]
    if kind == "string":
        setattr(built, name, "1.0.0" if "semver" in entry.get("rule", "") else "a")
    elif kind == "closed":
        setattr(built, name, 1)
    elif kind.endswith("[]"):
        getattr(built, name).append(_smallest(kind.removesuffix("[]")))
    else:
        getattr(built, name).CopyFrom(_smallest(kind))


def _with(message: str, field: str, value: Any) -> Any:
    """Return the smallest valid message with one field set to ``value``."""
    built = _smallest(message)
    descriptor = built.DESCRIPTOR.fields_by_name[field]
    if field == "response_format":
        built.json_schema.SetInParent()  # or one of its values breaks the message's own rule
    if isinstance(value, Message):
        getattr(built, field).CopyFrom(value)
    elif _type(descriptor) == "ts":
        getattr(built, field).seconds, getattr(built, field).nanos = value
    elif isinstance(value, list):
        del getattr(built, field)[:]
        getattr(built, field).extend(value)
    elif isinstance(value, dict):
        getattr(built, field).update(value)
    else:
        setattr(built, field, value)
    return built


def _broken(message: Message) -> set[tuple[str, str]]:
    """Return the violations that protovalidate finds, as pairs of path and rule id."""
    return {
        (
            ".".join(element.field_name for element in violation.proto.field.elements)
            if violation.proto.field
            else "",
            violation.proto.rule_id,
        )
        for violation in protovalidate.collect_violations(message)
    }


def _strings_of(longest: int) -> tuple[list[Any], list[tuple[Any, set[str]]]]:
    inside = ["a", " ", "\0", "\n", "数据", "a" * longest, "é" * (longest // 2)]
    too_long = ["a" * (longest + 1), "é" * (longest // 2) + "a"]
    outside: list[tuple[Any, set[str]]] = [("", {"required"})]
    outside += [(value, {"string.max_bytes"}) for value in too_long]
    return list(inside), outside


def _boundaries(entry: dict[str, Any]) -> tuple[list[Any], list[tuple[Any, set[str]]]]:
    """Return values just inside the field's rule, and values outside with the rules they break."""
    nan, inf = math.nan, math.inf
    match (entry["type"], entry.get("rule")):
        case ("int32", ">0"):
            return [1, INT32_MAX], [(0, {"int32.gt"}), (-1, {"int32.gt"})]
        case ("int32", ">=0"):
            return [0, INT32_MAX], [(-1, {"int32.gte"}), (-(2**31), {"int32.gte"})]
        case ("double", ">0"):
            broken = {"double.gt"}
            return [SMALLEST_DOUBLE, inf], [
                (0.0, broken),
                (-SMALLEST_DOUBLE, broken),
                (nan, broken),
            ]
        case ("double", ">=0"):
            broken = {"double.gte"}
            return [0.0, inf], [(-SMALLEST_DOUBLE, broken), (nan, broken)]
        case ("int64", ">=0"):
            return [0, 2**63 - 1], [(-1, {"int64.gte"}), (-(2**63), {"int64.gte"})]
        case ("string", "algorithm:encoded"):
            return list(DIGESTS), [(text, {"string.pattern"}) for text in NOT_DIGESTS]
        case ("double", ">=0, finite"):
            either = {"double.gte", "double.finite"}
            return [0.0, -0.0, LARGEST_DOUBLE], [
                (-SMALLEST_DOUBLE, {"double.gte"}),
                (inf, {"double.finite"}),
                (-inf, either),
                (nan, either),
            ]
        case ("double", ">0, finite"):
            both = {"double.gt", "double.finite"}
            outside = [(0.0, {"double.gt"}), (inf, {"double.finite"}), (-inf, both), (nan, both)]
            return [SMALLEST_DOUBLE, LARGEST_DOUBLE], outside
        case ("double", ("0..1" | "0..100") as rule):
            high = float(rule.removeprefix("0.."))
            beyond = (-SMALLEST_DOUBLE, math.nextafter(high, inf), nan, inf, -inf)
            return [0.0, -0.0, high], [(value, {"double.gte_lte"}) for value in beyond]
        case ("string", ("1..512 bytes" | "1..8192 bytes") as rule):
            return _strings_of(int(re.findall(r"\d+", rule)[1]))
        case ("string", "semver of 1..512 bytes"):
            return list(SEMANTIC_VERSIONS), [
                *((value, {"string.pattern"}) for value in NOT_SEMANTIC_VERSIONS),
                ("1.0.0-" + "a" * 507, {"string.max_bytes"}),
                ("", {"required"}),
            ]
        case ("ts", "years 1..9999"):
            broken = {"timestamp.gte_lte"}
            return [(FIRST_SECOND, 0), (LAST_SECOND, 999_999_999), (0, 0)], [
                ((FIRST_SECOND - 1, 999_999_999), broken),
                ((LAST_SECOND + 1, 0), broken),
            ]
        case ("closed", "defined only"):
            known = len(entry["names"])
            unset: tuple[list[Any], list[tuple[Any, set[str]]]] = ([0], [])
            if entry["presence"] == "required":
                unset = ([], [(0, {"required"})])
            unknown = (known + 1, -1, INT32_MAX)
            return [*range(1, known + 1), *unset[0]], [
                *((value, {"enum.defined_only"}) for value in unknown),
                *unset[1],
            ]
        case (kind, "1 item or more"):
            item = _smallest(kind.removesuffix("[]"))
            return [[item], [item] * 3], [([], {"repeated.min_items"})]
        case (kind, rule):
            raise AssertionError(f"no boundary values are known for {kind} [{rule}]")


def _anything(field: FieldDescriptor) -> list[Any]:
    """Return odd values of the field's type, for fields without rules."""
    match _type(field):
        case "string":
            return ["", "a" * 10_000, "\0", "not a uri: {}", "\u202e"]
        case "string[]":
            return [["", "", "a" * 10_000], []]
        case "bytes":
            return [b"", b"\xff\0"]
        case "bool":
            return [True, False]
        case "int64":
            return [-(2**63), 0, 2**63 - 1]
        case "double":
            return [math.nan, math.inf, -math.inf, -1.5, 0.0]
        case "enum":
            return [0, 1, 99_999, -1]
        case "enum[]":
            return [[1, 1, 0, 99_999], []]
        case "map<string,string>":
            return [{"": "", "a": "\u202e"}, {}]
        case "map<string,double>":
            return [{"": math.nan, "a": -math.inf}, {}]
        case "map":
            return [{}, {"": None, "\0": [{"a": math.nan}], "id": ""}]
        case "map[]":
            return [[_new(field.message_type), _new(field.message_type)], []]
        case "Value":
            some = ("null", "0", '""', "true", "[[]]", '{"a": {}}')
            values = [json_format.Parse(value, _new(field.message_type)) for value in some]
            return [*values, _new(field.message_type)]
        case kind:
            raise AssertionError(f"no values are known for {kind}")


def _comment_of(message: str, field: str) -> str:
    """Return the comment of a field; for an open vocabulary, that of the oneof."""
    suffix = "_kind" if MESSAGES[message][field]["type"] == "open" else ""
    return COMMENTS[f"{message}.{field}{suffix}"]


def _shown(default: Any) -> str:
    if isinstance(default, list):
        return f"[{', '.join(default)}]"
    return default if isinstance(default, str) else json.dumps(default)


def test_the_schema_has_exactly_the_messages_of_the_table() -> None:
    in_schema = {message.name for file in SCHEMA_FILES for message in file.message_type}
    assert in_schema == set(MESSAGES)


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_has_exactly_the_fields_of_the_table_with_their_types(message: str) -> None:
    fields = {f.name: (_type(f), _oneof(f)) for f in _descriptor(message).fields}
    assert fields == _expected_fields(message)


@pytest.mark.parametrize(("message", "field"), FIELDS)
def test_a_field_has_presence_if_the_table_says_so(message: str, field: str) -> None:
    entry = MESSAGES[message][field]
    descriptor = _descriptor(message).fields_by_name[field]
    without_presence = ("string", "closed", "StageDef[]")
    expected = {
        "required": entry["type"] not in without_presence,
        "optional": True,
        "implicit": False,
    }
    assert descriptor.has_presence is expected[entry["presence"]]


def test_the_oneofs_are_those_of_the_table() -> None:
    oneofs = {
        f"{message}.{name}"
        for message in MESSAGES
        for field in _descriptor(message).fields
        if (name := _oneof(field)) and not name.endswith("_kind")
    }
    assert oneofs == TABLE["oneofs"].keys()


@pytest.mark.parametrize(
    ("message", "field"), [(m, f) for m, f in FIELDS if "names" in MESSAGES[m][f]]
)
def test_a_vocabulary_has_exactly_the_names_of_the_table(message: str, field: str) -> None:
    enum = _descriptor(message).fields_by_name[field].enum_type
    assert enum is not None
    assert _short_names(enum) == MESSAGES[message][field]["names"]


def test_every_enum_of_the_schema_is_a_vocabulary_of_the_table() -> None:
    used = {
        enum.name
        for message, field in FIELDS
        if "names" in MESSAGES[message][field]
        and (enum := _descriptor(message).fields_by_name[field].enum_type)
    }
    enums = {enum.name for file in SCHEMA_FILES for enum in file.enum_type}
    assert used == enums - {"ReferenceResolution"}


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_has_exactly_the_defaults_of_the_table(message: str) -> None:
    declared = {
        field.name: json.loads(default)
        for field in _descriptor(message).fields
        if (default := _default(field)) is not None
    }
    by_name = _descriptor(message).fields_by_name
    assert declared == {
        name: _enum_value_names(by_name[name], entry["default"])
        for name, entry in MESSAGES[message].items()
        if "default" in entry
    }


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_filled_with_its_defaults_is_valid(message: str) -> None:
    filled = _smallest(message)
    for field in filled.DESCRIPTOR.fields:
        if (default := _default(field)) is not None:
            json_format.ParseDict({field.name: json.loads(default)}, filled)
    assert _broken(filled) == set()


@pytest.mark.parametrize("message", MESSAGES)
def test_the_smallest_message_is_valid_and_invalid_without_any_required_field(message: str) -> None:
    assert _broken(_smallest(message)) == set()
    for name, entry in MESSAGES[message].items():
        if entry["presence"] == "required":
            without = _smallest(message)
            without.ClearField(name)
            rule_id = "repeated.min_items" if entry["type"].endswith("[]") else "required"
            assert _broken(without) == {(name, rule_id)}


@pytest.mark.parametrize(
    ("message", "field"), [(m, f) for m, f in FIELDS if MESSAGES[m][f].get("rule")]
)
def test_a_rule_accepts_its_bounds_and_rejects_values_just_outside(
    message: str, field: str
) -> None:
    inside, outside = _boundaries(MESSAGES[message][field])
    for legal in inside:
        assert _broken(_with(message, field, legal)) == set(), legal
    for illegal, rule_ids in outside:
        expected = {(field, rule_id) for rule_id in rule_ids}
        assert _broken(_with(message, field, illegal)) == expected, illegal


def test_the_standard_rule_ids_of_the_schema_are_those_of_the_table() -> None:
    outside = [
        rule_ids
        for message, field in FIELDS
        if MESSAGES[message][field].get("rule")
        for _, rule_ids in _boundaries(MESSAGES[message][field])[1]
    ]
    assert set().union(*outside) == set(TABLE["rule_ids"])


@pytest.mark.parametrize("message", MESSAGES)
def test_a_field_without_a_rule_accepts_any_value_of_its_type(message: str) -> None:
    ruled = {name for name, entry in MESSAGES[message].items() if entry.get("rule")}
    for field in _descriptor(message).fields:
        if field.name in ruled or _type(field).removesuffix("[]") in MESSAGES:
            continue
        for value in _anything(field):
            built = _with(message, field.name, value)
            assert _broken(built) == set(), (field.name, value)


@pytest.mark.parametrize(
    ("message", "field"),
    [(m, f) for m, f in FIELDS if MESSAGES[m][f]["type"].removesuffix("[]") in MESSAGES],
)
def test_a_nested_message_must_satisfy_its_own_rules(message: str, field: str) -> None:
    kind = MESSAGES[message][field]["type"]
    empty = _new(_descriptor(kind.removesuffix("[]")))
    value = [empty] if kind.endswith("[]") else empty
    built = _smallest(message)
    built.ClearField(field)
    if isinstance(value, list):
        getattr(built, field).append(empty)
    else:
        getattr(built, field).CopyFrom(empty)
        getattr(built, field).SetInParent()
    assert _broken(built) == {
        (f"{field}.{path}" if path else field, rule_id) for path, rule_id in _broken(empty)
    }


@pytest.mark.parametrize("group", sorted(REQUIRED_ONEOFS | CONDITIONAL_ONEOFS.keys()))
def test_a_required_oneof_must_have_a_member(group: str) -> None:
    message, oneof = group.split(".")
    built = _smallest(message)
    built.ClearField(built.WhichOneof(oneof))
    own_rule = CONDITIONAL_ONEOFS.get(group)
    assert _broken(built) == {("", own_rule) if own_rule else (oneof, "required")}


@pytest.mark.parametrize(
    "group", sorted(TABLE["oneofs"].keys() - REQUIRED_ONEOFS - CONDITIONAL_ONEOFS.keys())
)
def test_an_optional_oneof_may_be_empty(group: str) -> None:
    message, oneof = group.split(".")
    built = _smallest(message)
    assert built.WhichOneof(oneof) is None
    assert _broken(built) == set()


def test_only_the_assistant_may_say_nothing_without_a_tool_call_or_a_refusal() -> None:
    for role in v1.MessageRole.values()[1:]:
        message = v1.Message(role=v1.MessageRole.Name(role))
        if role == v1.MessageRole.MESSAGE_ROLE_ASSISTANT:
            assert _broken(message) == set()
            continue
        assert _broken(message) == {("", "message.content_required")}
        message.refusal = ""
        assert _broken(message) == set()
        message.ClearField("refusal")
        message.tool_calls.add(name="search")
        assert _broken(message) == set()
    assert _broken(v1.Message(role=v1.MessageRole.MESSAGE_ROLE_USER, text="")) == set()
    assert (
        _broken(v1.Message(role=v1.MessageRole.MESSAGE_ROLE_USER, parts=v1.ContentParts())) == set()
    )


def test_a_tool_returns_text_or_parts() -> None:
    result = v1.ToolResultContent(tool_call_id="c1", content="")
    assert _broken(result) == set()
    result.parts.add(text="")
    assert _broken(result) == {("", "message.oneof")}
    result.ClearField("content")
    assert _broken(result) == set()


def test_the_json_schema_response_format_needs_a_json_schema() -> None:
    for response_format in (
        v1.ResponseFormat.RESPONSE_FORMAT_UNSPECIFIED,
        v1.ResponseFormat.RESPONSE_FORMAT_TEXT,
        v1.ResponseFormat.RESPONSE_FORMAT_JSON,
    ):
        assert _broken(v1.GenerationOptions(response_format=response_format)) == set()
    options = v1.GenerationOptions(response_format=v1.ResponseFormat.RESPONSE_FORMAT_JSON_SCHEMA)
    assert _broken(options) == {("", "generation_options.json_schema_required")}
    options.json_schema.SetInParent()
    assert _broken(options) == set()


def _has_rules(options: Any) -> bool:
    unknown: Any = UnknownFieldSet(options)
    numbers = {field.number for field, _ in options.ListFields()}
    return VALIDATION_OPTION in numbers | {field.field_number for field in unknown}


@pytest.mark.parametrize("message", MESSAGES)
def test_every_rule_of_the_schema_is_in_the_table(message: str) -> None:
    descriptor = _descriptor(message)
    ruled = {field.name for field in descriptor.fields if _has_rules(field.GetOptions())}
    assert ruled == {
        name
        for name, entry in MESSAGES[message].items()
        if entry.get("rule") or entry["presence"] == "required"
    }
    ruled_oneofs = {
        f"{message}.{oneof.name}" for oneof in descriptor.oneofs if _has_rules(oneof.GetOptions())
    }
    assert ruled_oneofs == {group for group in REQUIRED_ONEOFS if group.startswith(f"{message}.")}
    assert _has_rules(descriptor.GetOptions()) is (message in TABLE["message_rules"])


@pytest.mark.parametrize(("message", "field"), FIELDS)
def test_a_comment_states_the_default_of_the_table(message: str, field: str) -> None:
    entry, comment = MESSAGES[message][field], _comment_of(message, field)
    if "default" not in entry:
        assert "Default:" not in comment
        return
    expected = f"Default: {_shown(entry['default'])}."
    assert expected in comment
    assert expected in COMMENTS[f"{message}.{field}"]


@pytest.mark.parametrize(("message", "field"), FIELDS)
def test_a_comment_states_the_range_of_the_table(message: str, field: str) -> None:
    rule, comment = MESSAGES[message][field].get("rule"), _comment_of(message, field)
    if rule in (None, "defined only"):
        assert "Range:" not in comment
    else:
        assert f"Range: {RANGE_IN_WORDS[rule]}." in comment


@pytest.mark.parametrize(("message", "field"), FIELDS)
def test_a_comment_says_whether_the_field_is_required_and_what_unset_means(
    message: str, field: str
) -> None:
    entry, comment = MESSAGES[message][field], _comment_of(message, field)
    is_list = entry["type"].endswith("[]")
    can_be_unset = entry["presence"] == "optional" or entry["type"] == "closed"
    required = entry["presence"] == "required"
    assert bool(re.search(r"\bRequired\.", comment)) is required
    if can_be_unset and not required and "oneof" not in entry:
        assert "Unset:" in comment
    if required or is_list:
        assert "Unset:" not in comment
    assert ("An empty list and an absent one are the same." in comment) is is_list


@pytest.mark.parametrize("group", TABLE["oneofs"])
def test_the_comment_of_a_oneof_says_whether_it_is_required(group: str) -> None:
    opening = "Required." if group in REQUIRED_ONEOFS else "Unset:"
    if group in CONDITIONAL_ONEOFS:
        opening = (
            "Unset only when there are tool calls or a refusal, or the assistant said nothing."
        )
    assert opening in COMMENTS[group]


@pytest.mark.parametrize(("message", "field"), FIELDS)
def test_a_comment_says_whether_a_vocabulary_is_open_or_closed(message: str, field: str) -> None:
    kind, comment = MESSAGES[message][field]["type"], _comment_of(message, field)
    is_open, is_closed = kind in ("open", "open[]"), kind == "closed"
    assert ("Open vocabulary" in comment) is is_open
    assert ("Closed vocabulary" in comment) is is_closed
    enum = _descriptor(message).fields_by_name[field].enum_type
    if enum is not None:
        assert ("Open vocabulary:" in COMMENTS[enum.name]) is is_open
        assert ("Closed vocabulary:" in COMMENTS[enum.name]) is is_closed


@pytest.mark.parametrize(("message", "field"), FIELDS)
def test_a_comment_says_that_opaque_json_is_never_validated(message: str, field: str) -> None:
    comment = _comment_of(message, field)
    is_opaque = MESSAGES[message][field]["type"] in ("map", "map[]", "Value")
    assert ("Opaque:" in comment and "never validated" in comment) is is_opaque


def test_the_default_option_has_its_documented_number_and_type() -> None:
    option = descriptor_pool.Default().FindExtensionByName("crucible_ir.v1.default")
    assert option.number == 50331
    assert option.type == FieldDescriptor.TYPE_STRING
    assert option.containing_type is not None
    assert option.containing_type.full_name == "google.protobuf.FieldOptions"


@pytest.mark.parametrize("struct", SEED)
def test_every_field_default_and_rule_of_the_seed_is_in_the_table(struct: str) -> None:
    fields = MESSAGES[SEED[struct]["message"]]
    messages = {name: entry["message"] for name, entry in SEED.items()}
    for name, seed in SEED[struct]["fields"].items():
        here = fields[name]
        element = seed["type"].strip("[]")
        as_message = seed["type"].replace(element, messages.get(element, element))
        wanted = {re.sub(r"^\[(.+)\]$", r"\1[]", as_message)}
        assert here["type"] in SEED_TYPES.get(seed["type"], wanted), name
        assert (here["presence"] == "required") is seed.get("required", False), name
        assert here.get("default") == seed.get("default"), name
        assert set(seed.get("names", ())) <= set(here.get("names", ())), name
        assert "rule" not in seed or here.get("rule") in SEED_RULES[seed["rule"]], name
