"""Cases for unknown fields, unknown keys, conflicting oneof members and values of a wrong type."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.struct_pb2 import Struct

from conformance_cases.layout import compact
from conformance_cases.partial_cases import GOOGLE_READS_IT, PartialCase, of_message
from conformance_cases.samples import age, embeddings, minimal, set_sample, types
from crucible_ir.schema.fields import Kind, describe_field, message_since
from crucible_ir.serialization.wire import encode_varint

#: Encoded fields of each wire type, with numbers that no message of the schema uses.
UNKNOWN_FIELDS = {
    "varint": bytes.fromhex("f8ff0705"),
    "fixed64": bytes.fromhex("f9ff070102030405060708"),
    "bytes": bytes.fromhex("faff07036e6577"),
    "fixed32": bytes.fromhex("fdff0701020304"),
    "group": bytes.fromhex("fbff07 0801 fcff07"),
    "largest_number": bytes.fromhex("f8ffffff0f00"),
}


def unknown_fields() -> Iterator[PartialCase]:
    """Yield cases for fields of a newer schema, which binary readers preserve."""
    by_age = sorted(types().items(), key=lambda item: age(message_since(item[1])))
    for number, (name, descriptor) in enumerate(by_age):
        base = minimal(descriptor).SerializeToString(deterministic=True)
        labels = list(UNKNOWN_FIELDS)
        # Each message gets two wire types; together, the messages get all of them.
        for label in (labels[number % 6], labels[(number + 3) % 6]):
            data = base + UNKNOWN_FIELDS[label]
            yield PartialCase(f"{name}.{label}", descriptor.full_name, binary=data)
    stage = types()["StageDef"]
    base = minimal(stage).SerializeToString()
    everything = b"".join(UNKNOWN_FIELDS.values())
    for label, data in (
        ("several", base + everything),
        ("before_known", everything + base),
        ("twice", base + 2 * UNKNOWN_FIELDS["varint"]),
    ):
        yield PartialCase(f"StageDef.{label}", stage.full_name, binary=data)


def nested_unknown_fields() -> Iterator[PartialCase]:
    """Yield cases for fields of a newer schema in nested messages."""
    for descriptor in types().values():
        for parent, field in embeddings(descriptor):
            base = minimal(parent)
            held = getattr(base, field.name)
            if field.is_repeated:
                held.add().CopyFrom(minimal(descriptor))
                held = held[-1]
            else:
                held.CopyFrom(minimal(descriptor))
            held.MergeFromString(UNKNOWN_FIELDS["bytes"])
            yield of_message(f"{parent.name}.{field.name}", base, as_binary=True)


def map_entries() -> Iterator[PartialCase]:
    """Yield cases for unknown fields in map entries, which readers drop without the entry."""
    for name, descriptor in types().items():
        for field in descriptor.fields:
            described = describe_field(field)
            if described.is_map:
                base = minimal(descriptor)
                getattr(base, field.name).clear()
                data = base.SerializeToString(deterministic=True)
                yield from _entries(f"{name}.{field.name}", descriptor, data, field)
    stage = types()["StageDef"]
    options = stage.fields_by_name["options"]
    fields = Struct.DESCRIPTOR.fields_by_name["fields"]
    data = minimal(stage).SerializeToString(deterministic=True)
    for case in _entries("StageDef.options", stage, b"", fields):
        yield replace(case, binary=data + _length_delimited(options.number, case.binary or b""))


#: Two encoded values of map entries: true and false of opaque JSON, 1.0 and -0.5, and two texts.
_ENTRY_VALUES = {
    Kind.MESSAGE: ("12022001", "12022000"),
    Kind.DOUBLE: ("11000000000000f03f", "11000000000000e0bf"),
    Kind.STRING: ("12017a", "120179"),
}


def _entries(
    name: str, descriptor: Descriptor, data: bytes, field: FieldDescriptor
) -> Iterator[PartialCase]:
    """Yield cases that add an entry with the key "a" and an unknown field to encoded data."""
    key = bytes.fromhex("0a0161")
    value, other = map(bytes.fromhex, _ENTRY_VALUES[describe_field(field).kind])
    other = bytes.fromhex("0a0162") + other
    unknown = UNKNOWN_FIELDS["bytes"]
    last = _length_delimited(field.number, other)
    for label, entry in (
        ("last", key + value + unknown),
        ("first", unknown + key + value),
        ("group", key + UNKNOWN_FIELDS["group"] + value),
    ):
        made = data + _length_delimited(field.number, entry) + last
        yield PartialCase(f"{name}.{label}", descriptor.full_name, binary=made)


def _length_delimited(number: int, content: bytes) -> bytes:
    assert len(content) < 128
    return encode_varint(number << 3 | 2) + bytes([len(content)]) + content


def malformed_groups() -> Iterator[PartialCase]:
    """Yield cases for the field number 0 in unknown groups, which readers reject at any depth."""
    begin, end = bytes.fromhex("fbff07"), bytes.fromhex("fcff07")
    groups = {
        "varint": "0000",
        "fixed64": "010000000000000000",
        "bytes": "020161",
        "group": "0304",
        "fixed32": "0500000000",
        "long_tag": "80800000",
        "in_group": "0b00000c",
        "after_known": "08010000",
    }
    stage = types()["StageDef"]
    data = minimal(stage).SerializeToString(deterministic=True)
    options = stage.fields_by_name["options"].number
    for label, content in groups.items():
        group = begin + bytes.fromhex(content) + end
        for place, made in (
            ("own", data + group),
            ("nested", data + _length_delimited(options, group)),
        ):
            yield PartialCase(
                f"StageDef.{place}.{label}",
                stage.full_name,
                binary=made,
                decode_error=f"invalid field number 0 in an unknown group {GOOGLE_READS_IT}",
            )


def unknown_keys() -> Iterator[PartialCase]:
    """Yield cases for unknown keys, which ProtoJSON readers reject at any depth."""
    for name, descriptor in types().items():
        value = json_format.MessageToDict(minimal(descriptor))
        value["noSuchField"] = 1
        yield _rejected(name, descriptor, value, "unknown key")
        for parent, field in embeddings(descriptor):
            outer = json_format.MessageToDict(minimal(parent))
            inner = {**json_format.MessageToDict(minimal(descriptor)), "noSuchField": None}
            outer[field.json_name] = [inner] if field.is_repeated else inner
            if "text" in outer and parent.name in ("Message", "ContentPart"):
                del outer["text"]
            label = f"{parent.name}.{field.name}"
            yield _rejected(label, parent, outer, "unknown key in a nested message")


def oneofs() -> Iterator[PartialCase]:
    """Yield cases for two members of a oneof: ProtoJSON rejects them, binary keeps the last one."""
    for name, descriptor in types().items():
        for oneof in descriptor.oneofs:
            if len(oneof.fields) < 2:
                continue
            first, last = oneof.fields[0], oneof.fields[-1]
            with_first, with_last = minimal(descriptor), minimal(descriptor)
            set_sample(with_first, first)
            set_sample(with_last, last)
            both = json_format.MessageToDict(with_first)
            both[last.json_name] = json_format.MessageToDict(with_last)[last.json_name]
            words = f"two members of {oneof.name} are set"
            yield _rejected(f"{name}.{oneof.name}.both", descriptor, both, words)
            for label, one, other in (
                ("last_in_order", with_first, with_last),
                ("first_in_order", with_last, with_first),
            ):
                data = one.SerializeToString() + other.SerializeToString()
                yield PartialCase(f"{name}.{oneof.name}.{label}", descriptor.full_name, binary=data)


#: Invalid JSON values by the kind of the field. Only values that every reader rejects: a number in
#: quotes, for example, is valid in ProtoJSON.
_WRONG: dict[str, tuple[tuple[str, Any], ...]] = {
    "string": (("number", 1), ("bool", True), ("list", ["x"]), ("object", {})),
    "bool": (("word", "yes"), ("list", [True]), ("object", {})),
    "int": (("word", "many"), ("fraction", 1.5), ("bool", True), ("list", [1]), ("object", {})),
    "double": (("word", "much"), ("list", [0.5]), ("object", {}), ("bool", True)),
    "enum": (("bool", True), ("list", ["A"]), ("object", {}), ("fraction", 1.5)),
    "message": (("word", "x"), ("number", 1), ("bool", True), ("list", [])),
    "opaque": (("word", "x"), ("number", 1), ("bool", True), ("list", [])),
    "timestamp": (("word", "now"), ("list", []), ("object", {})),
    "repeated": (("word", "x"), ("number", 1), ("object", {}), ("bool", False)),
    "map": (("word", "x"), ("number", 1), ("list", [])),
}


#: The values that google's Python accepts although ProtoJSON does not.
_GOOGLE_READS = {("double", "bool"), ("enum", "bool"), ("enum", "fraction"), ("message", "list")}


def wrong_types() -> Iterator[PartialCase]:
    """Yield cases for JSON values of the wrong type."""
    for name, descriptor in types().items():
        seen: set[str] = set()
        for field in descriptor.fields:
            kind = _kind(field)
            # One field of each kind per message is enough.
            if kind is None or kind in seen:
                continue
            seen.add(kind)
            for label, value in _WRONG[kind]:
                document = json_format.MessageToDict(minimal(descriptor))
                if field.containing_oneof is not None:
                    for member in field.containing_oneof.fields:
                        document.pop(member.json_name, None)
                document[field.json_name] = value
                words = f"invalid value for {field.json_name}"
                if (kind, label) in _GOOGLE_READS:
                    words = f"{words} {GOOGLE_READS_IT}"
                # The name contains the kind, so that a pattern can select the values of one kind.
                case = f"{name}.{field.name}.{kind}_from_{label}"
                yield _rejected(case, descriptor, document, words)


def _kind(field: FieldDescriptor) -> str | None:
    described = describe_field(field)
    if described.is_map:
        return "map"
    if described.is_list:
        return "repeated"
    if field.message_type is not None:
        if field.message_type.full_name == "google.protobuf.Value":
            return None
        if described.is_opaque:
            return "opaque"
        is_own = field.message_type.full_name.startswith("crucible_ir.")
        return "message" if is_own else "timestamp"
    return {
        Kind.STRING: "string",
        Kind.BYTES: "string",
        Kind.BOOL: "bool",
        Kind.DOUBLE: "double",
        Kind.INT32: "int",
        Kind.INT64: "int",
        Kind.ENUM: "enum",
    }[described.kind]


def _rejected(name: str, descriptor: Descriptor, value: Any, reason: str) -> PartialCase:
    return PartialCase(name, descriptor.full_name, json=compact(value), decode_error=reason)
