"""Cases for what the schema does not know: unknown fields, unknown keys, values of a wrong type."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from conformance_cases.drafts import GOOGLE_READS_IT, Draft, of_message
from conformance_cases.layout import compact
from conformance_cases.samples import embeddings, minimal, set_sample, types
from crucible_ir.schema.fields import OPAQUE_MESSAGES
from crucible_ir.schema.types import is_map

#: Fields of each wire type, with numbers that no message of the schema has: as name and bytes.
UNKNOWN_FIELDS = {
    "varint": bytes.fromhex("f8ff0705"),
    "fixed64": bytes.fromhex("f9ff070102030405060708"),
    "bytes": bytes.fromhex("faff07036e6577"),
    "fixed32": bytes.fromhex("fdff0701020304"),
    "group": bytes.fromhex("fbff07 0801 fcff07"),
    "largest_number": bytes.fromhex("f8ffffff0f00"),
}


def unknown_fields() -> Iterator[Draft]:
    """Yield cases for fields of a newer schema, which a reader of binary keeps."""
    for number, (name, descriptor) in enumerate(types().items()):
        base = minimal(descriptor).SerializeToString(deterministic=True)
        labels = list(UNKNOWN_FIELDS)
        # Each message gets two wire types, and together they get all.
        for label in (labels[number % 6], labels[(number + 3) % 6]):
            data = base + UNKNOWN_FIELDS[label]
            yield Draft(f"{name}.{label}", descriptor.full_name, binary=data)
    stage = types()["StageDef"]
    base = minimal(stage).SerializeToString()
    everything = b"".join(UNKNOWN_FIELDS.values())
    for label, data in (
        ("several", base + everything),
        ("before_known", everything + base),
        ("twice", base + 2 * UNKNOWN_FIELDS["varint"]),
    ):
        yield Draft(f"StageDef.{label}", stage.full_name, binary=data)


def nested_unknown_fields() -> Iterator[Draft]:
    """Yield cases for fields of a newer schema in messages that are inside others."""
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


def unknown_keys() -> Iterator[Draft]:
    """Yield cases for keys that ProtoJSON does not know, which a reader refuses at any depth."""
    for name, descriptor in types().items():
        plain = json_format.MessageToDict(minimal(descriptor))
        plain["noSuchField"] = 1
        yield _refused(name, descriptor, plain, "there is no such key")
        for parent, field in embeddings(descriptor):
            outer = json_format.MessageToDict(minimal(parent))
            inner = {**json_format.MessageToDict(minimal(descriptor)), "noSuchField": None}
            outer[field.json_name] = [inner] if field.is_repeated else inner
            if "text" in outer and parent.name in ("Message", "ContentPart"):
                del outer["text"]
            label = f"{parent.name}.{field.name}"
            yield _refused(label, parent, outer, "there is no such key inside")


def oneofs() -> Iterator[Draft]:
    """Yield cases for two members of a oneof: ProtoJSON refuses them, in binary the last holds."""
    for name, descriptor in types().items():
        for oneof in descriptor.oneofs:
            if len(oneof.fields) < 2:
                continue
            first, last = oneof.fields[0], oneof.fields[-1]
            with_first, with_last = minimal(descriptor), minimal(descriptor)
            set_sample(with_first, first)
            set_sample(with_last, last)
            plain = json_format.MessageToDict(with_first)
            plain[last.json_name] = json_format.MessageToDict(with_last)[last.json_name]
            words = f"two members of {oneof.name} are set"
            yield _refused(f"{name}.{oneof.name}.both", descriptor, plain, words)
            for label, one, other in (
                ("last_in_order", with_first, with_last),
                ("first_in_order", with_last, with_first),
            ):
                data = one.SerializeToString() + other.SerializeToString()
                yield Draft(f"{name}.{oneof.name}.{label}", descriptor.full_name, binary=data)


#: JSON values that are no value of a field, by the field's kind. Only what every reader refuses:
#: a number in quotes, for example, is a number to ProtoJSON.
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


#: What of it google's Python reads all the same, though ProtoJSON does not know it.
_GOOGLE_READS = {("double", "bool"), ("enum", "bool"), ("enum", "fraction"), ("message", "list")}


def wrong_types() -> Iterator[Draft]:
    """Yield cases for JSON values of a type that the field does not take."""
    for name, descriptor in types().items():
        seen: set[str] = set()
        for field in descriptor.fields:
            kind = _kind(field)
            # One field of each kind will do in each message.
            if kind is None or kind in seen:
                continue
            seen.add(kind)
            for label, value in _WRONG[kind]:
                plain = json_format.MessageToDict(minimal(descriptor))
                if field.containing_oneof is not None:
                    for member in field.containing_oneof.fields:
                        plain.pop(member.json_name, None)
                plain[field.json_name] = value
                words = f"{field.json_name} does not take this"
                if (kind, label) in _GOOGLE_READS:
                    words = f"{words} {GOOGLE_READS_IT}"
                # The kind is in the name, so that a pattern can name what a library gets wrong.
                case = f"{name}.{field.name}.{kind}_from_{label}"
                yield _refused(case, descriptor, plain, words)


def _kind(field: FieldDescriptor) -> str | None:
    if field.message_type is not None:
        if is_map(field):
            return "map"
        if field.is_repeated:
            return "repeated"
        if field.message_type.full_name == "google.protobuf.Value":
            return None
        if field.message_type.full_name in OPAQUE_MESSAGES:
            return "opaque"
        is_own = field.message_type.full_name.startswith("crucible_ir.")
        return "message" if is_own else "timestamp"
    if field.is_repeated:
        return "repeated"
    if field.enum_type is not None:
        return "enum"
    return {
        FieldDescriptor.CPPTYPE_STRING: "string",
        FieldDescriptor.CPPTYPE_BOOL: "bool",
        FieldDescriptor.CPPTYPE_DOUBLE: "double",
        FieldDescriptor.CPPTYPE_INT32: "int",
        FieldDescriptor.CPPTYPE_INT64: "int",
    }[field.cpp_type]


def _refused(name: str, descriptor: Descriptor, plain: Any, words: str) -> Draft:
    return Draft(name, descriptor.full_name, json=compact(plain), refused=words)
