"""The JSON values that messages are compared as, and what the schema says about them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from crucible_ir.errors import Error
from crucible_ir.paths import MapKey, Part
from crucible_ir.schema.fields import Cardinality, Field, Kind, fields_of
from crucible_ir.schema.references import identity_fields
from crucible_ir.schema.types import descriptor_of
from crucible_ir.schema.unknown_fields import reject_unknown_fields
from crucible_ir.serialization.json.protojson import to_dict

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message

#: A value of ProtoJSON, as the json module returns it, or `ABSENT`.
JsonValue: TypeAlias = Any


class ComparisonError(Error, ValueError):
    """Messages cannot be compared, or not with the given options."""


def json_values(*messages: Message, allow_unknown_fields: bool) -> list[JsonValue]:
    """Return messages of one type as ProtoJSON with the schema's own names.

    Raises:
        ComparisonError: The messages are of different types.
        EncodeError: ProtoJSON cannot write one of them, or it has unknown fields.
    """
    names = [descriptor_of(message).full_name for message in messages]
    for name in names:
        if name != names[0]:
            raise ComparisonError(
                f"a {names[0]} cannot be compared with a {name}: the types must be the same"
            )
    if not allow_unknown_fields:
        for message in messages:
            reject_unknown_fields(message, purpose="the comparison")
    return [to_dict(message, original_names=True) for message in messages]


class Absent(Enum):
    """The type of `ABSENT`."""

    ABSENT = "absent"

    def __repr__(self) -> str:
        return "ABSENT"


#: Takes the place of a value that a message does not have; it differs from the value ``null``.
ABSENT: Final = Absent.ABSENT


class Structure:
    """The structure of a value; an instance of this class itself is for atomic values."""

    __slots__ = ()

    def of(self, *values: JsonValue) -> Structure:
        """Return the structure that values of this structure have in common."""
        return self


class Opaque(Structure):
    """The structure of JSON that the schema does not describe: objects are maps, arrays lists."""

    __slots__ = ()

    def of(self, *values: JsonValue) -> Structure:
        """Return the structure that values have in common, given by their JSON types."""
        for types, structure in _OPAQUE_TYPES:
            if all(isinstance(value, types) and not isinstance(value, bool) for value in values):
                return structure
        return ATOM


@dataclass(frozen=True, slots=True)
class ListOf(Structure):
    """The structure of a list, given that of its elements."""

    item: Structure


@dataclass(frozen=True, slots=True)
class MapOf(Structure):
    """The structure of a map, given that of its values."""

    item: Structure


@dataclass(frozen=True, slots=True)
class MessageOf(Structure):
    """The structure of a message, given its type."""

    descriptor: Descriptor

    @property
    def fields(self) -> Mapping[str, ComparedField]:
        """The fields by name, in the order of the schema."""
        return _compared_fields(self.descriptor)

    def field(self, name: str) -> ComparedField:
        """Return the field of a name; `fields` does not contain extensions."""
        return self.fields.get(name, _EXTENSION)

    def part(self, name: str) -> Part:
        """Return the step of a path that leads to a field."""
        return name if name in self.fields else MapKey(name)

    def names(self, *values: JsonValue) -> list[str]:
        """Return the names of the fields that messages have set, in the order of the schema."""
        present = {name for value in values for name in value}
        known = [name for name in self.fields if name in present]
        return known + sorted(present.difference(known))


@dataclass(frozen=True, slots=True)
class ComparedField:
    """A field of a message that is compared.

    Attributes:
        structure: The structure of its value.
        empty: The value of the unset field; `ABSENT` if it then has none.
        default: The schema's default for the unset field; `ABSENT` for none.
        oneof: The name of the oneof that it shares with other fields, if any.
        members: The names of the fields of its oneof, itself included.
    """

    structure: Structure
    empty: JsonValue = ABSENT
    default: JsonValue = ABSENT
    oneof: str | None = None
    members: tuple[str, ...] = ()


ATOM: Final = Structure()
#: The structure of a double, to which a tolerance applies.
NUMBER: Final = Structure()
OPAQUE: Final = Opaque()

_EXTENSION: Final = ComparedField(OPAQUE)

_OPAQUE_TYPES: Final = ((dict, MapOf(OPAQUE)), (list, ListOf(OPAQUE)), ((int, float), NUMBER))

_WELL_KNOWN: Final = {
    f"google.protobuf.{name}": structure
    for structure, names in {
        OPAQUE: ["Any", "ListValue", "Struct", "Value"],
        NUMBER: ["DoubleValue", "FloatValue"],
        ATOM: [
            *("Duration", "FieldMask", "Timestamp", "BoolValue", "BytesValue", "StringValue"),
            *("Int32Value", "Int64Value", "UInt32Value", "UInt64Value"),
        ],
    }.items()
    for name in names
}


def structure_of(descriptor: Descriptor) -> Structure:
    """Return the structure of messages of a type."""
    return _WELL_KNOWN.get(descriptor.full_name) or MessageOf(descriptor)


@cache
def _compared_fields(descriptor: Descriptor) -> dict[str, ComparedField]:
    return {name: _compared_field(field) for name, field in fields_of(descriptor).items()}


def _compared_field(field: Field) -> ComparedField:
    item: Structure = ATOM
    if field.message is not None:
        item = structure_of(field.message)
    elif field.kind in (Kind.DOUBLE, Kind.FLOAT):
        item = NUMBER
    match field.cardinality:
        case Cardinality.MAP:
            return ComparedField(MapOf(item), empty={})
        case Cardinality.LIST:
            # Only constructors apply the defaults of lists: an empty list is empty.
            return ComparedField(ListOf(item), empty=[])
        case Cardinality.SINGULAR:
            default = ABSENT if field.default is None else json.loads(field.default)
            return ComparedField(item, ABSENT, default, field.oneof, field.members)


def identity(item: Structure, *lists: list[JsonValue]) -> str | None:
    """Return the field that identifies the elements of each list, or ``None`` if there is none.

    Args:
        item: The structure of the elements.
        lists: The lists, of JSON values.
    """
    if not isinstance(item, MessageOf):
        return None
    names = _identities(item.descriptor)
    return next((name for name in names if all(_is_unique(name, each) for each in lists)), None)


@cache
def _identities(descriptor: Descriptor) -> tuple[str, ...]:
    fields = fields_of(descriptor)
    return tuple(
        name
        for name in identity_fields(descriptor)
        if fields[name].kind is Kind.STRING and fields[name].cardinality is Cardinality.SINGULAR
    )


def _is_unique(name: str, elements: list[JsonValue]) -> bool:
    values = {element.get(name) for element in elements}
    return len(values) == len(elements) and all(values)
