"""The values by which documents are found: the short fields at the root of their content."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor import FieldDescriptor

from crucible_ir.schema import vocabulary
from crucible_ir.schema.types import descriptor_of, held_enum

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message

#: The longest value that is indexed, in bytes of UTF-8: as long as a required string may be.
MAX_VALUE_BYTES = 512

_KINDS = (
    FieldDescriptor.CPPTYPE_STRING,
    FieldDescriptor.CPPTYPE_ENUM,
    FieldDescriptor.CPPTYPE_BOOL,
)


@cache
def indexed_fields(descriptor: Descriptor) -> dict[str, tuple[FieldDescriptor, ...]]:
    """Return the fields of a type that are indexed: the members that hold each one's values.

    They are the strings, lists of strings, flags and enums. An open vocabulary is one field.

    >>> from crucible_ir import v1
    >>> [member.name for member in indexed_fields(v1.ModelVersion.DESCRIPTOR)["stage"]]
    ['stage', 'custom_stage']
    """
    custom = vocabulary.custom_members(descriptor)
    found: dict[str, tuple[FieldDescriptor, ...]] = {}
    for field in descriptor.fields:
        is_bytes = field.type == FieldDescriptor.TYPE_BYTES
        if field.cpp_type not in _KINDS or is_bytes or field.name in custom:
            continue
        companion = vocabulary.custom_member(field)
        found[field.name] = (field,) if companion is None else (field, companion)
    return found


def field_values(message: Message) -> Iterator[tuple[str, str]]:
    """Yield each indexed field of a message that is set, with each of its values.

    >>> from crucible_ir import v1
    >>> dict(field_values(v1.ModelVersion(id="m1", model_id="m", stage="MODEL_STAGE_PRODUCTION")))
    {'id': 'm1', 'model_id': 'm', 'stage': 'production'}
    """
    for name, members in indexed_fields(descriptor_of(message)).items():
        for member in members:
            for value in set_values(message, member):
                spelled = spell(member)(value)
                if spelled is not None and len(spelled.encode()) <= MAX_VALUE_BYTES:
                    yield name, spelled


def set_values(message: Message, field: FieldDescriptor) -> list[Any]:
    """Return the values of a field that count as set, each once."""
    value = getattr(message, field.name)
    if field.is_repeated:
        return list(dict.fromkeys(value))
    if field.has_presence:
        return [value] if message.HasField(field.name) else []
    return [value] if value else []


def spell(field: FieldDescriptor) -> Callable[[Any], str | None]:
    """Return what spells a field's values as text; ``None`` is a value that counts as unset."""
    if field.cpp_type == FieldDescriptor.CPPTYPE_ENUM:
        names = vocabulary.names(held_enum(field))
        return lambda number: names.get(number, str(number)) if number else None
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return lambda flag: "true" if flag else "false"
    return str
