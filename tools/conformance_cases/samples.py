"""Sample messages: the smallest valid message of each type, and a valid value of each field."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from google.protobuf import json_format, struct_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.timestamp_pb2 import Timestamp

from conformance_cases.oracle import message_class
from crucible_ir.schema.fields import OPAQUE_MESSAGES, Kind, describe_field, fields_of
from crucible_ir.schema.rules import Rule, rules_of
from crucible_ir.schema.types import PACKAGE, message_types

#: A valid required string, which is also a semantic version.
TEXT = "1.2.3"
#: A valid value of the fields for digests, which have a pattern.
DIGEST = "sha1:0a1b"

TIMESTAMP = "google.protobuf.Timestamp"


def types() -> dict[str, Descriptor]:
    """Return the descriptors of every message of the IR by short name."""
    found: dict[str, Any] = {name: cls.DESCRIPTOR for name, cls in message_types().items()}
    return found


def age(since: str | None) -> tuple[int, ...]:
    """Return a key that sorts messages and fields by the release in which they appeared.

    Cases that take turns are in this order, so that a newer message or field renames no older case.

    >>> sorted(["0.10.0", None, "0.3.0"], key=age)
    [None, '0.3.0', '0.10.0']
    """
    return tuple(map(int, since.split("."))) if since else ()


def rules_on(descriptor: Descriptor, path: str) -> list[Rule]:
    """Return the rules that a type declares on one of its fields or oneofs."""
    return [rule for rule in rules_of(descriptor) if rule.field_path == path]


def is_required(descriptor: Descriptor, path: str) -> bool:
    """Return whether a field or oneof is required."""
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
        # For the custom rule of the type.
        message.text = "hi"
    return message


def set_sample(message: Any, field: FieldDescriptor) -> None:
    """Set a field to a valid value other than its zero value."""
    if describe_field(field).is_map:
        value = fields_of(field.message_type)["value"].descriptor
        getattr(message, field.name)["loss"] = scalar_sample(value)
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
    """Return a valid message of a type of the IR or a well-known type."""
    if descriptor.full_name == TIMESTAMP:
        return Timestamp(seconds=1_735_732_800)
    if descriptor.full_name in OPAQUE_MESSAGES:
        made = getattr(struct_pb2, descriptor.name)()
        return json_format.Parse(
            '[{"k": 1}]' if descriptor.name == "ListValue" else '{"k": 1}', made
        )
    return minimal(descriptor)


def scalar_sample(field: FieldDescriptor) -> Any:
    """Return a value of a scalar field that satisfies every rule and is not the zero value."""
    if field.enum_type is not None:
        return field.enum_type.values[1].number
    match describe_field(field).kind:
        case Kind.BYTES:
            return b"\xff\x00"
        case Kind.STRING:
            return DIGEST if field.name == "digest" else TEXT
        case Kind.BOOL:
            return True
        case Kind.DOUBLE:
            return 0.5
        case _:
            return 7


def embeddings(descriptor: Descriptor) -> Iterator[tuple[Descriptor, FieldDescriptor]]:
    """Yield every field of the IR with messages of a type, and the parent type of the field."""
    for parent in types().values():
        for field in parent.fields:
            if field.message_type is not None and field.message_type == descriptor:
                yield parent, field
