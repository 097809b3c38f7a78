"""Copies of the tables of the schema, each with one entry changed."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from native.core import TABLES

from native_tables.format import message_classes

#: The fields of tables.proto that contain what is changed in copies.
_INTEGERS = {
    FieldDescriptor.TYPE_UINT32,
    FieldDescriptor.TYPE_SINT32,
    FieldDescriptor.TYPE_SINT64,
}


#: The entries that are about rules.
_RULES = re.compile(r"\.(rules|required|min_items|max_items|unchecked|clauses)\b")


@dataclass(frozen=True)
class Mutant:
    """The tables with one entry changed.

    Attributes:
        description: The entry and its new value.
        edit: Changes the table of a message type or an enum.
    """

    description: str
    edit: Callable[[Any], None]


@cache
def tables() -> Any:
    """Return the tables of the schema."""
    return message_classes()["Tables"].FromString(TABLES.read_bytes())


def messages() -> dict[str, Any]:
    """Return the tables of the message types by their full names."""
    return {table.name: table for table in tables().messages}


def enums() -> dict[str, Any]:
    """Return the tables of the enums by their full names."""
    return {table.name: table for table in tables().enums}


def mutated(kind: str, index: int, mutant: Mutant) -> bytes:
    """Return the tables with a mutant of one table.

    Args:
        kind: ``messages`` or ``enums``.
        index: The index of the table.
        mutant: The mutant.
    """
    copy = type(tables())()
    copy.CopyFrom(tables())
    mutant.edit(getattr(copy, kind)[index])
    data: bytes = copy.SerializeToString()
    return data


def mutants(table: Any) -> Iterator[Mutant]:
    """Yield every mutant of the table of a message type or an enum that means something else.

    The core knows the types of google.protobuf by their names.
    """
    if table.name.startswith("google.protobuf."):
        return
    for mutant in _mutants(table, lambda root: root, table.name):
        # No message of a type with a rule that the tables cannot express is certainly valid.
        if not (getattr(table, "unsure", False) and _RULES.search(mutant.description)):
            yield mutant


def _mutants(table: Any, at: Callable[[Any], Any], path: str) -> Iterator[Mutant]:
    """Yield the mutants of a message inside a table.

    Args:
        table: The message.
        at: Returns the same message in a copy of the table.
        path: The path of the message, to describe it.
    """
    for field in table.DESCRIPTOR.fields:
        if _means_nothing(table, field.name, path):
            continue
        value, name = getattr(table, field.name), f"{path}.{field.name}"
        if field.is_repeated:
            yield from _list_mutants(value, at, field, name)
        elif field.message_type is not None:
            if table.HasField(field.name):
                yield Mutant(f"{name} is cleared", _clear(at, field.name))
                yield from _mutants(value, _inside(at, field.name), name)
        else:
            if field.has_presence and table.HasField(field.name):
                yield Mutant(f"{name} is cleared", _clear(at, field.name))
            if field.has_presence and not table.HasField(field.name):
                continue
            for other in _others(field, value):
                yield Mutant(f"{name} is {other!r}, not {value!r}", _assign(at, field.name, other))


def _means_nothing(table: Any, name: str, path: str) -> bool:
    """Return whether an entry of a table is not read because of another entry."""
    is_entry = re.match(r"[\w.]+Entry\b", path) is not None
    is_set: bool = any(field.name == name for field, _ in table.ListFields())
    match table.DESCRIPTOR.name, name:
        case "Enum", "name":
            return True
        case "Enum", "short_names":
            # Only documents have Crucible JSON.
            return path.startswith("crucible_ir.exchange.")
        case "Message", "name":
            # The tables refer to map entries by index, and nobody asks about them.
            return is_entry
        case "Field", "name" | "json_name" | "presence" if is_entry:
            return True
        case "Field", "cardinality" if is_entry:
            return bool(table.number == 1)
        case "Test", "value":
            return bool(table.kind in (table.KIND_SET, table.KIND_UNSET))
        case "CrucibleKey", "name":
            # The enum value of a choice is written without a key, and so is a list.
            return path.endswith(
                ("ToolChoice.crucible.keys[mode]", "ContentParts.crucible.keys[parts]")
            )
        case "CrucibleJson", "other":
            return bool(table.shape != table.SHAPE_PART)
        case "CrucibleKey", "empty_is_unset":
            return not is_set
        case "Rules", "max_nanos":
            # More nanoseconds than this are rejected in any case.
            return bool(table.max_nanos in (0, 999_999_999))
        case "Field", "required":
            # A list with a least number of items is required.
            return bool(table.min_items > 0)
        case "Field", "message" if table.cardinality == table.CARDINALITY_MAP:
            # The tables of the entries of other maps are often the same.
            return True
        case "Rules", _:
            return not is_set
        case "Field", "message":
            return bool(table.type != FieldDescriptor.TYPE_MESSAGE)
        case "Field", "enum":
            return bool(table.type != FieldDescriptor.TYPE_ENUM)
        case "Field", "presence":
            # Messages always have it, and lists and maps never.
            return bool(table.type == FieldDescriptor.TYPE_MESSAGE or table.cardinality > 0)
        case "Field", "packed" | "oneof" | "min_items" | "unchecked":
            return not is_set
    return False


def _list_mutants(
    items: Any, at: Callable[[Any], Any], field: FieldDescriptor, name: str
) -> Iterator[Mutant]:
    for index, item in enumerate(items):
        label = f"{name}[{getattr(item, 'name', '') or index}]"
        yield Mutant(f"{label} is removed", _remove(at, field.name, index))
        if field.message_type is not None:
            yield from _mutants(item, _inside(at, field.name, index), label)
        else:
            for other in _others(field, item):
                yield Mutant(f"{label} is {other!r}", _replace(at, field.name, index, other))


def _others(field: FieldDescriptor, value: Any) -> Iterator[Any]:
    """Yield other values of a scalar."""
    if field.enum_type is not None:
        yield from (each.number for each in field.enum_type.values if each.number != value)
    elif field.type == FieldDescriptor.TYPE_BOOL:
        yield not value
    elif field.type in _INTEGERS:
        yield value + 1
        if value > 0 or field.type != FieldDescriptor.TYPE_UINT32:
            yield value - 1
    elif field.type == FieldDescriptor.TYPE_DOUBLE:
        yield math.nextafter(value, math.inf)
        yield math.nextafter(value, -math.inf)
    elif field.type == FieldDescriptor.TYPE_STRING:
        # An empty string is the absence of a name or rule.
        if value:
            yield value + "x"
    elif value:
        yield value[:-1] + bytes([value[-1] ^ 1])


def _clear(at: Callable[[Any], Any], name: str) -> Callable[[Any], None]:
    return lambda root: at(root).ClearField(name)


def _assign(at: Callable[[Any], Any], name: str, value: Any) -> Callable[[Any], None]:
    return lambda root: setattr(at(root), name, value)


def _remove(at: Callable[[Any], Any], name: str, index: int) -> Callable[[Any], None]:
    return lambda root: getattr(at(root), name).pop(index)


def _replace(at: Callable[[Any], Any], name: str, index: int, value: Any) -> Callable[[Any], None]:
    return lambda root: getattr(at(root), name).__setitem__(index, value)


def _inside(at: Callable[[Any], Any], name: str, index: int | None = None) -> Callable[[Any], Any]:
    if index is None:
        return lambda root: getattr(at(root), name)
    return lambda root: getattr(at(root), name)[index]
