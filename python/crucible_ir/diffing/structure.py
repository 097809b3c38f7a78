"""What the schema says about the plain values that differences are found in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from google.protobuf.descriptor import FieldDescriptor

from crucible_ir.paths import MapKey, Part
from crucible_ir.schema.fields import describe_field
from crucible_ir.schema.types import field_of, held_message, is_map
from crucible_ir.serialization.json import parsing

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor

#: A value of ProtoJSON, as the json module makes it, or `ABSENT`.
Plain: TypeAlias = Any

#: The fields that tell the elements of a list apart, the better one first.
IDENTITY_FIELDS: Final = ("id", "name")


class Absent(Enum):
    """The type of `ABSENT`."""

    ABSENT = "absent"

    def __repr__(self) -> str:
        return "ABSENT"


#: Stands where a message has no value, which is not the value ``null``.
ABSENT: Final = Absent.ABSENT


class Structure:
    """What is known of a value: by itself that it is one whole, like a string or a timestamp."""

    __slots__ = ()

    def of(self, *values: Plain) -> Structure:
        """Return the structure that values of this one have in common."""
        return self


class Number(Structure):
    """A double, to which a tolerance applies."""

    __slots__ = ()


class Opaque(Structure):
    """JSON of which the schema says nothing: every object is a map there, every array a list."""

    __slots__ = ()

    def of(self, *values: Plain) -> Structure:
        """Return the structure that values have in common, which their kinds tell."""
        for kind, structure in _OPAQUE_KINDS:
            if all(isinstance(value, kind) and not isinstance(value, bool) for value in values):
                return structure
        return WHOLE


@dataclass(frozen=True, slots=True)
class ListOf(Structure):
    """A list of elements."""

    item: Structure


@dataclass(frozen=True, slots=True)
class MapOf(Structure):
    """A map from text to values."""

    item: Structure


@dataclass(frozen=True, slots=True)
class Record(Structure):
    """A message."""

    descriptor: Descriptor

    @property
    def fields(self) -> Mapping[str, Field]:
        """The fields by name, in the order of the schema."""
        return _fields(self.descriptor)

    def field(self, name: str) -> Field:
        """Return the field of a name; an extension has one that is not among `fields`."""
        return self.fields.get(name, _EXTENSION)

    def part(self, name: str) -> Part:
        """Return the step that a field is in a path."""
        return name if name in self.fields else MapKey(name)

    def names(self, *values: Plain) -> list[str]:
        """Return the names of the fields that messages have set, in the order of the schema."""
        present = {name for value in values for name in value}
        known = [name for name in self.fields if name in present]
        return known + sorted(present.difference(known))


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a message.

    Attributes:
        structure: The structure of its value.
        empty: The value that it has when it is not set; `ABSENT` if it then has none.
        default: The value that the schema declares for when it is not set; `ABSENT` for none.
        oneof: The name of the oneof that it shares with other fields, if there is one.
        members: The names of the fields that exclude each other with it, itself included.
    """

    structure: Structure
    empty: Plain = ABSENT
    default: Plain = ABSENT
    oneof: str | None = None
    members: tuple[str, ...] = ()


WHOLE: Final = Structure()
NUMBER: Final = Number()
OPAQUE: Final = Opaque()

_EXTENSION: Final = Field(OPAQUE)

_OPAQUE_KINDS: Final = ((dict, MapOf(OPAQUE)), (list, ListOf(OPAQUE)), ((int, float), NUMBER))

_WELL_KNOWN: Final = {
    "google.protobuf.Any": OPAQUE,
    "google.protobuf.ListValue": OPAQUE,
    "google.protobuf.Struct": OPAQUE,
    "google.protobuf.Value": OPAQUE,
    "google.protobuf.DoubleValue": NUMBER,
    "google.protobuf.FloatValue": NUMBER,
    "google.protobuf.Duration": WHOLE,
    "google.protobuf.FieldMask": WHOLE,
    "google.protobuf.Timestamp": WHOLE,
    "google.protobuf.BoolValue": WHOLE,
    "google.protobuf.BytesValue": WHOLE,
    "google.protobuf.Int32Value": WHOLE,
    "google.protobuf.Int64Value": WHOLE,
    "google.protobuf.StringValue": WHOLE,
    "google.protobuf.UInt32Value": WHOLE,
    "google.protobuf.UInt64Value": WHOLE,
}


def structure_of(descriptor: Descriptor) -> Structure:
    """Return the structure of messages of a type."""
    return _WELL_KNOWN.get(descriptor.full_name) or Record(descriptor)


@cache
def _fields(descriptor: Descriptor) -> dict[str, Field]:
    return {field.name: _field(field) for field in descriptor.fields}


def _field(field: FieldDescriptor) -> Field:
    if is_map(field):
        return Field(MapOf(_item(field_of(held_message(field), "value"))), empty={})
    if field.is_repeated:
        # A default there is for construction alone: an empty list is empty.
        return Field(ListOf(_item(field)), empty=[])
    text = describe_field(field).default
    default = ABSENT if text is None else parsing.parse(text)
    oneof = field.containing_oneof
    if oneof is None or len(oneof.fields) == 1:
        return Field(_item(field), default=default)
    members = tuple(member.name for member in oneof.fields)
    return Field(_item(field), default=default, oneof=oneof.name, members=members)


def _item(field: FieldDescriptor) -> Structure:
    """Return the structure of a single value of a field."""
    if field.message_type is not None:
        return structure_of(field.message_type)
    is_number = field.cpp_type in (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT)
    return NUMBER if is_number else WHOLE


def identity(item: Structure, *lists: list[Plain]) -> str | None:
    """Return the field that tells the elements of each list apart, or ``None`` if there is none.

    Args:
        item: The structure of the elements.
        lists: The lists, of plain values.
    """
    if not isinstance(item, Record):
        return None
    names = _identities(item.descriptor)
    return next((name for name in names if all(_is_unique(name, each) for each in lists)), None)


@cache
def _identities(descriptor: Descriptor) -> tuple[str, ...]:
    fields = (descriptor.fields_by_name.get(name) for name in IDENTITY_FIELDS)
    return tuple(
        field.name
        for field in fields
        if field is not None and not field.is_repeated and field.type == field.TYPE_STRING
    )


def _is_unique(name: str, elements: list[Plain]) -> bool:
    values = {element.get(name) for element in elements}
    return len(values) == len(elements) and all(values)
