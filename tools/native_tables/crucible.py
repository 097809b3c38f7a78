"""Describes the message types in Crucible JSON for the tables, as the Python dialect has them.

The decisions are those of `crucible_ir.serialization.json.crucible`: this module asks its functions
and tables. A message type that the format of the tables cannot describe is left out, and so to
Python.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

import orjson
from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor

from crucible_ir.schema.defaults import defaults
from crucible_ir.schema.fields import OPAQUE_MESSAGES, Field, Kind, fields_of
from crucible_ir.schema.types import descriptor_of, message_types
from crucible_ir.schema.walk import reachable_types
from crucible_ir.serialization.json import crucible
from crucible_ir.serialization.json.crucible import CRUCIBLE

#: The message types of google.protobuf that the core writes and reads.
_WELL_KNOWN = {*OPAQUE_MESSAGES, "google.protobuf.Timestamp"}

#: The JSON values that the fields of a snapshot take from its members, by the type of the field.
_SNAPSHOT_VALUES: Mapping[tuple[Kind, str | None], Callable[[object], bool]] = {
    (Kind.INT32, None): crucible._is_step,
    (Kind.DOUBLE, None): crucible._is_epoch,
    (Kind.MESSAGE, "google.protobuf.Timestamp"): crucible._is_time,
}


class UnsupportedError(Exception):
    """The tables cannot describe a message type."""


@cache
def described_types() -> frozenset[str]:
    """Return the full names of the message types that documents of the IR can contain."""
    roots = [descriptor_of(type_) for type_ in message_types().values()]
    return frozenset(each.full_name for root in roots for each in (root, *reachable_types(root)))


def describe(message: Descriptor, indexes: Mapping[str, int], table: Any) -> None:
    """Fill the table of a message type in Crucible JSON.

    Args:
        message: The message type.
        indexes: The indexes of its fields by name.
        table: Its `CrucibleJson`.

    Raises:
        UnsupportedError: The tables cannot describe it.
    """
    name = message.full_name
    fields = fields_of(message)
    for field in fields.values():
        _require(_is_supported(field), f"the type of {field.name}")
    if name == crucible._PARTS:
        _require(len(fields) == 1 and all(field.is_list for field in fields.values()), "its fields")
        table.shape = _shape(table, "SHAPE_LIST")
        _add_key(table.keys, next(iter(fields)), "FORM_VALUE", [*fields], indexes)
    elif name == crucible._TOOL_CHOICE:
        mode, chosen = fields.values()
        _require(mode.enum is not None and chosen.kind is Kind.STRING, "its fields")
        table.shape = _shape(table, "SHAPE_CHOICE")
        for field in (mode, chosen):
            _add_key(table.keys, field.name, "FORM_VALUE", [field.name], indexes)
    elif name == crucible._PART:
        _describe_part(fields, indexes, table)
    elif name == crucible._SNAPSHOT:
        _describe_snapshot(fields, indexes, table)
    else:
        _require(name not in CRUCIBLE.writers and name not in CRUCIBLE.readers, "its shape")
        _describe_object(message, indexes, table)


def _describe_object(message: Descriptor, indexes: Mapping[str, int], table: Any) -> None:
    fields = fields_of(message)
    unset = CRUCIBLE.unset_values(message)
    keys = CRUCIBLE.fields_by_key(message)
    encoded = dict(_encoded_defaults(message))
    members = {key: [f for f in fields.values() if crucible._key(f) == key] for key in keys}
    joined = {field.name for field in fields.values() if _joined_into(field) is not None}
    _require(unset.keys() - joined <= keys.keys(), "the keys of unset fields")
    # The object starts with the keys of unset fields. Others are added as their fields are set.
    order = [key for key in unset if key in keys]
    order += sorted(
        (key for key in keys if key not in unset),
        key=lambda key: min(field.descriptor.number for field in members[key]),
    )
    _require_same_order(order[len(order) - len(keys.keys() - unset.keys()) :], members)
    for key in order:
        form, names = _form(members[key])
        if key not in unset:
            _require(form not in ("FORM_VOCABULARY_LIST", "FORM_PAIR"), f"{key}: it may be absent")
        row = _add_key(table.keys, key, form, names, indexes)
        _require(form != "FORM_PAIR" or unset[key] is None, f"{key}: an empty pair is null")
        if key in unset:
            row.unset = orjson.dumps(unset[key]).decode()
        row.empty_is_unset = fields[names[0]].descriptor.full_name in crucible._EMPTY_OBJECTS
        row.default = encoded.pop(key, b"")
    _require(not encoded, "defaults without a key")


def _describe_part(fields: Mapping[str, Field], indexes: Mapping[str, int], table: Any) -> None:
    table.shape = _shape(table, "SHAPE_PART")
    for name in crucible._BESIDE_PART:
        field = fields[name]
        is_string = field.kind is Kind.STRING and field.has_presence and not field.is_list
        _require(is_string or _is_struct(field), name)
        _add_key(table.keys, name, "FORM_VALUE", [name], indexes)
    for name in crucible._PART_KINDS:
        field, inside = fields[name], fields[name].message
        taken = {crucible._TYPE, *crucible._BESIDE_PART}
        if inside is not None:
            _require(inside.full_name not in CRUCIBLE.writers, name)
            _require(taken.isdisjoint(CRUCIBLE.fields_by_key(inside)), f"the keys of {name}")
        else:
            # Python writes and reads the only kind that is not a message by its name.
            _require(name == "text" and field.kind is Kind.STRING, name)
        _add_key(table.kinds, name, "FORM_VALUE", [name], indexes)
    other = fields[crucible._OTHER_KIND]
    _require(_is_struct(other), other.name)
    table.other = indexes[other.name]
    _require(len(fields) == len(table.keys) + len(table.kinds) + 1, "its fields")


def _describe_snapshot(fields: Mapping[str, Field], indexes: Mapping[str, int], table: Any) -> None:
    table.shape = _shape(table, "SHAPE_SNAPSHOT")
    for name, is_field in crucible._SNAPSHOT_FIELDS.items():
        field = fields[name]
        inside = None if field.message is None else field.message.full_name
        _require(_SNAPSHOT_VALUES.get((field.kind, inside)) is is_field, name)
        _require(field.has_presence and not field.is_list, name)
        _add_key(table.keys, name, "FORM_VALUE", [name], indexes)
    (pair,) = ([n, f.name] for f in fields.values() if (n := crucible._numbers_of(f)) is not None)
    _add_key(table.keys, "", "FORM_PAIR", pair, indexes)
    _require(len(fields) == len(table.keys) + 1, "its fields")


def _form(members: list[Field]) -> tuple[str, list[str]]:
    """Return the form of a key, and the names of its fields in the order of the form."""
    first = members[0]
    if len(members) == 1:
        return "FORM_VALUE", [first.name]
    _require(len(members) == 2, f"{first.name}: its key is that of more than two fields")
    other = members[1]
    if first.custom == other.name:
        form = "FORM_VOCABULARY_LIST" if first.is_list else "FORM_VOCABULARY"
        return form, [first.name, other.name]
    if crucible._numbers_of(other) == first.name:
        return "FORM_PAIR", [first.name, other.name]
    if crucible._shared_key(first) is not None and first.oneof == other.oneof:
        strings = [field for field in members if field.kind is Kind.STRING]
        others = [field for field in members if field.message is not None]
        _require(len(strings) == len(others) == 1, f"{first.name}: the members of its oneof")
        is_parts = others[0].message is not None and others[0].message.full_name == crucible._PARTS
        _require(is_parts or _is_struct(others[0]), others[0].name)
        return "FORM_STRING_OR", [strings[0].name, others[0].name]
    raise UnsupportedError(f"{first.name}: its key is also that of {other.name}")


def _joined_into(field: Field) -> str | None:
    """Return the field whose value a field is added to when an object is finished."""
    return field.custom_of if field.is_list else crucible._numbers_of(field)


def _require_same_order(keys: list[str], members: Mapping[str, list[Field]]) -> None:
    """Require the order of keys to be the same whichever of their fields are set."""
    last = 0
    for key in keys:
        numbers = [field.descriptor.number for field in members[key]]
        _require(min(numbers) > last, f"{key}: its place depends on the fields that are set")
        last = max(numbers)


def _encoded_defaults(message: Descriptor) -> Iterator[tuple[str, bytes]]:
    """Yield the keys with a default, each with the encoded field."""
    fields = fields_of(message)
    finish = CRUCIBLE.finish_reading(message)
    if finish is None:
        return
    for name in defaults(message):
        # A message that has only this field has its encoding.
        target: Any = message_factory.GetMessageClass(message)()
        key = crucible._key(fields[name])
        finish({other: None for other in CRUCIBLE.fields_by_key(message) if other != key}, target)
        yield key, target.SerializeToString(deterministic=True)


def _is_supported(field: Field) -> bool:
    """Return whether the core writes and reads the values of a field."""
    if field.is_map:
        return field.key is Kind.STRING and field.kind in (Kind.STRING, Kind.DOUBLE)
    if field.message is not None and field.message.full_name.startswith("google.protobuf."):
        return field.message.full_name in _WELL_KNOWN
    return field.kind is not Kind.FLOAT


def _is_struct(field: Field) -> bool:
    is_struct = field.message is not None and field.message.full_name == "google.protobuf.Struct"
    return is_struct and not field.is_list and not field.is_map


def _add_key(keys: Any, name: str, form: str, fields: list[str], indexes: Mapping[str, int]) -> Any:
    row = keys.add(name=name, fields=[indexes[field] for field in fields])
    row.form = _number(row, "Form", form)
    return row


def _shape(table: Any, name: str) -> int:
    return _number(table, "Shape", name)


def _number(table: Any, enum: str, name: str) -> int:
    number: int = table.DESCRIPTOR.enum_types_by_name[enum].values_by_name[name].number
    return number


def _require(condition: bool, reason: str) -> None:
    if not condition:
        raise UnsupportedError(reason)
