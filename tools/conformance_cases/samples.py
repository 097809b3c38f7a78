"""Messages to start from: the smallest valid message of each type, and ways to get to a field."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from google.protobuf import json_format, struct_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.timestamp_pb2 import Timestamp

from conformance_cases.truth import message_class
from crucible_ir.schema.fields import OPAQUE_MESSAGES
from crucible_ir.schema.rules import Rule, rules_of
from crucible_ir.schema.types import PACKAGE, message_types

#: A required string, which must also be a semantic version where a pattern asks for one.
TEXT = "1.2.3"

TIMESTAMP = "google.protobuf.Timestamp"


def types() -> dict[str, Descriptor]:
    """Return the descriptors of every message of the IR by short name."""
    found: dict[str, Any] = {name: cls.DESCRIPTOR for name, cls in message_types().items()}
    return found


def rules_on(descriptor: Descriptor, path: str) -> list[Rule]:
    """Return the rules that a type declares on one of its fields or oneofs."""
    return [rule for rule in rules_of(descriptor) if rule.field_path == path]


def is_required(descriptor: Descriptor, path: str) -> bool:
    """Tell whether a field or oneof must be set."""
    return any(rule.rule_id == "required" for rule in rules_on(descriptor, path))


def minimal(descriptor: Descriptor) -> Any:
    """Return a new smallest valid message of a type."""
    message = message_class(descriptor.full_name)()
    message.CopyFrom(_minimal(descriptor))
    return message


@cache
def _minimal(descriptor: Descriptor) -> Any:
    message = message_class(descriptor.full_name)()
    for field in descriptor.fields:
        needed = is_required(descriptor, field.name) or any(
            rule.rule_id == "repeated.min_items" for rule in rules_on(descriptor, field.name)
        )
        if needed:
            set_sample(message, field)
    for oneof in descriptor.oneofs:
        if is_required(descriptor, oneof.name):
            set_sample(message, oneof.fields[0])
    if descriptor.full_name == f"{PACKAGE}.Message":
        # The type's own rule, which no table can tell how to keep.
        message.text = "hi"
    return message


def set_sample(message: Any, field: FieldDescriptor) -> None:
    """Give a field a valid value that is not its zero."""
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        getattr(message, field.name)["loss"] = 0.5
    elif field.is_repeated:
        held = getattr(message, field.name)
        if field.message_type is None:
            held.append(scalar_sample(field))
        else:
            held.add().CopyFrom(message_sample(field.message_type))
    elif field.message_type is not None:
        getattr(message, field.name).CopyFrom(message_sample(field.message_type))
        getattr(message, field.name).SetInParent()
    else:
        setattr(message, field.name, scalar_sample(field))


def message_sample(descriptor: Descriptor) -> Any:
    """Return a valid message of a type of the IR or a well-known one."""
    if descriptor.full_name == TIMESTAMP:
        return Timestamp(seconds=1_735_732_800)
    if descriptor.full_name in OPAQUE_MESSAGES:
        made = getattr(struct_pb2, descriptor.name)()
        return json_format.Parse(
            '[{"k": 1}]' if descriptor.name == "ListValue" else '{"k": 1}', made
        )
    return minimal(descriptor)


def scalar_sample(field: FieldDescriptor) -> Any:
    """Return a value for a scalar that keeps every rule of the schema and is not the zero."""
    if field.enum_type is not None:
        return field.enum_type.values[1].number
    match field.cpp_type:
        case FieldDescriptor.CPPTYPE_STRING:
            return b"\xff\x00" if field.type == FieldDescriptor.TYPE_BYTES else TEXT
        case FieldDescriptor.CPPTYPE_BOOL:
            return True
        case FieldDescriptor.CPPTYPE_DOUBLE:
            return 0.5
        case _:
            return 7


def embeddings(descriptor: Descriptor) -> Iterator[tuple[Descriptor, FieldDescriptor]]:
    """Yield every field of the IR that holds messages of a type, with the type that it is in."""
    for parent in types().values():
        for field in parent.fields:
            if field.message_type is not None and field.message_type == descriptor:
                yield parent, field
