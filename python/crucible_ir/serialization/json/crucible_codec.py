"""Crucible JSON: the dialect of the Elixir services, defined in proto/README.md, "Crucible JSON".

It differs from ProtoJSON because those services exist: keys are the schema's own names, enum
values are plain names, both members of an open vocabulary share one key, every key is written,
and a missing key takes its default while ``null`` leaves it unset. For each message descriptor a
list of entries, one a key, is built once from the schema and kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from crucible_ir import v1
from crucible_ir.paths import MapKey, Part
from crucible_ir.schema import vocabulary
from crucible_ir.schema.defaults import defaults, prototype
from crucible_ir.schema.types import descriptor_of, field_of, held_enum, held_message, is_map
from crucible_ir.serialization.conversion_error import ConversionError, too_deep
from crucible_ir.serialization.json import opaque, scalars
from crucible_ir.serialization.json.protojson_codec import (
    oneof_name,
    read_items,
    second_member,
    unknown_key,
    unknown_name,
)
from crucible_ir.serialization.json.timestamps import read_timestamp, write_timestamp
from crucible_ir.serialization.limits import MAX_DEPTH

if TYPE_CHECKING:
    from google.protobuf.message import Message

_CPP = FieldDescriptor
_TYPE = "type"


@dataclass(frozen=True, slots=True)
class _Entry:
    """One key of a message's object.

    Attributes:
        key: The key.
        fields: The names of the fields that the key stands for.
        write: Gives the key's value, or ``None`` for null.
        read: Fills the fields from a value that is not null, at the message's depth.
        oneof: The oneof, other than an open vocabulary, whose member the field is; of its keys
            only the set member's is there.
    """

    key: str
    fields: tuple[str, ...]
    write: Callable[[Any], object]
    read: Callable[[Any, Any, int], None]
    oneof: str | None = None


def to_plain(message: Message) -> object:
    """Return a message's Crucible JSON as plain values.

    Raises:
        ConversionError: The message holds something that Crucible JSON cannot write.
    """
    special = _WRITERS.get(message.DESCRIPTOR.full_name)
    return special(message) if special is not None else _write_object(message)


def fill_from_plain(value: object, message: Message, depth: int = 0) -> None:
    """Fill an empty message from the plain values of its Crucible JSON.

    Raises:
        ConversionError: The values are not the Crucible JSON of such a message.
    """
    if depth > MAX_DEPTH:
        raise too_deep()
    special = _READERS.get(message.DESCRIPTOR.full_name)
    if special is not None:
        special(value, message, depth)
    else:
        _read_object(value, message, depth)


def document_path(message: Descriptor, path: tuple[Part, ...]) -> tuple[Part, ...]:
    """Return where the document has what a path of field names points at.

    >>> document_path(v1.Message.DESCRIPTOR, ("parts", "parts", 0, "image", "url"))
    ('content', 0, 'url')
    """
    return tuple(_document_parts(message, path))


def _document_parts(message: Descriptor, path: tuple[Part, ...]) -> Iterator[Part]:
    if not path:
        return
    name, *rest = path
    field = message.fields_by_name.get(str(name))
    if field is None:
        return
    key = next((entry.key for entry in _entries(message) if name in entry.fields), None)
    if key is not None and message.full_name not in _FLAT:
        yield key
    while rest and (isinstance(rest[0], int) or is_map(field)):
        yield rest.pop(0)
        if is_map(field):
            field = field_of(held_message(field), "value")
    if field.message_type is not None:
        yield from _document_parts(field.message_type, tuple(rest))


def _write_object(message: Message) -> dict[str, object]:
    made: dict[str, object] = {}
    for entry in _entries(descriptor_of(message)):
        try:
            value = entry.write(message)
        except ConversionError as error:
            raise error.under(entry.key) from None
        if value is not None or entry.oneof is None:
            made[entry.key] = value
    return made


def _read_object(value: object, message: Message, depth: int) -> None:
    if type(value) is not dict:
        raise ConversionError(f"expected an object, got {opaque.describe(value)}")
    descriptor = descriptor_of(message)
    entries = _entries_by_key(descriptor)
    declared = defaults(descriptor)
    if declared:
        message.CopyFrom(prototype(descriptor))
    else:
        message.SetInParent()
    for key, item in value.items():
        entry = entries.get(key)
        if entry is None:
            raise unknown_key(key, descriptor.name, entries)
        for name in entry.fields:
            if name in declared:
                message.ClearField(name)
        if item is None:
            continue
        try:
            if entry.oneof is not None and message.WhichOneof(entry.oneof) is not None:
                raise second_member(descriptor, entry.oneof, message.WhichOneof(entry.oneof))
            entry.read(item, message, depth)
        except ConversionError as error:
            raise error.under(key) from None
        except UnicodeEncodeError:
            raise opaque.unpaired_surrogate().under(key) from None


@cache
def _entries_by_key(message: Descriptor) -> dict[str, _Entry]:
    return {entry.key: entry for entry in _entries(message)}


@cache
def _entries(message: Descriptor) -> tuple[_Entry, ...]:
    """Return the entries of a message in the order of the schema."""
    made: list[_Entry] = []
    joined = {name for names in _JOINED.get(message.full_name, {}).values() for name in names}
    for field in message.fields:
        if field.name in joined:
            for key, names in _JOINED[message.full_name].items():
                if names[0] == field.name:
                    made.append(_Entry(key, names, *_JOINED_CODECS[message.full_name]))
        elif field.name not in vocabulary.custom_members(message):
            made.append(_entry(field))
    return tuple(made)


def _entry(field: FieldDescriptor) -> _Entry:
    custom = vocabulary.custom_member(field)
    if custom is not None:
        codec = _open_list if field.is_repeated else _open_vocabulary
        return _Entry(field.name, (field.name, custom.name), *codec(field, custom))
    if is_map(field):
        read_write = _map_codec(field)
    else:
        read_write = _list_codec(field) if field.is_repeated else _single_codec(field)
    return _Entry(field.name, (field.name,), *read_write, oneof=oneof_name(field))


_Codec = tuple[Callable[[Any], object], Callable[[Any, Any, int], None]]


def _open_vocabulary(field: FieldDescriptor, custom: FieldDescriptor) -> _Codec:
    enum = held_enum(field)
    numbers = vocabulary.numbers(enum)

    def write(message: Message) -> object:
        if message.HasField(custom.name):
            return getattr(message, custom.name)
        return _plain_name(enum, getattr(message, field.name))

    def read(value: object, message: Message, _: int) -> None:
        name = scalars.read_string(value)
        number = numbers.get(name)
        if number is None:
            setattr(message, custom.name, name)
        else:
            setattr(message, field.name, number)

    return write, read


def _open_list(field: FieldDescriptor, custom: FieldDescriptor) -> _Codec:
    enum = held_enum(field)
    numbers = vocabulary.numbers(enum)

    def write(message: Message) -> object:
        known = [_plain_name(enum, number) for number in getattr(message, field.name)]
        return [name for name in known if name is not None] + list(getattr(message, custom.name))

    def read(value: object, message: Message, _: int) -> None:
        for name in read_items(value, scalars.read_string):
            number = numbers.get(str(name))
            if number is None:
                getattr(message, custom.name).append(name)
            else:
                getattr(message, field.name).append(number)

    return write, read


def _plain_name(enum: EnumDescriptor, number: int) -> str | None:
    """Return an enum value's plain name; ``None`` for unset."""
    if number == 0:
        return None
    name = vocabulary.names(enum).get(number)
    if name is None:
        raise ConversionError(
            f"{enum.name} {number} has no name here, and Crucible JSON writes names"
        )
    return name


def _single_codec(field: FieldDescriptor) -> _Codec:
    name, write_item, read_item = field.name, _item_writer(field), _item_reader(field)

    def write(message: Message) -> object:
        if field.has_presence and not message.HasField(name):
            return None
        return write_item(getattr(message, name))

    def read(value: object, message: Message, depth: int) -> None:
        if field.message_type is not None:
            read_item(value, getattr(message, name), depth + 1)
        else:
            setattr(message, name, read_item(value))

    return write, read


def _list_codec(field: FieldDescriptor) -> _Codec:
    name, write_item, read_item = field.name, _item_writer(field), _item_reader(field)

    def write(message: Message) -> object:
        made: list[object] = []
        for index, item in enumerate(getattr(message, name)):
            try:
                made.append(write_item(item))
            except ConversionError as error:
                raise error.under(index) from None
        return made

    def read(value: object, message: Message, depth: int) -> None:
        target = getattr(message, name)
        if field.message_type is None:
            target.extend(read_items(value, read_item))
            return
        read_items(value, lambda item: read_item(item, target.add(), depth + 1))

    return write, read


def _map_codec(field: FieldDescriptor) -> _Codec:
    name = field.name
    value_field = field_of(held_message(field), "value")
    write_item, read_item = _item_writer(value_field), _item_reader(value_field)

    def write(message: Message) -> object:
        target = getattr(message, name)
        return {str(key): write_item(target[key]) for key in sorted(target)}

    def read(value: object, message: Message, _: int) -> None:
        if type(value) is not dict:
            raise ConversionError(f"expected an object, got {opaque.describe(value)}")
        target = getattr(message, name)
        for key, item in value.items():
            try:
                target[key] = read_item(item)
            except ConversionError as error:
                raise error.under(MapKey(key)) from None

    return write, read


def _item_writer(field: FieldDescriptor) -> Callable[[Any], object]:
    if field.message_type is not None:
        return to_plain
    if field.enum_type is not None:
        return lambda number: _plain_name(held_enum(field), number)
    if field.cpp_type in (_CPP.CPPTYPE_DOUBLE, _CPP.CPPTYPE_FLOAT):
        return scalars.write_double
    if field.type == _CPP.TYPE_BYTES:
        return scalars.write_bytes
    return lambda value: value


def _item_reader(field: FieldDescriptor) -> Callable[..., object]:
    """Return the reader of one value: into a message for messages, else to a field's value."""
    if field.message_type is not None:
        return fill_from_plain
    if field.enum_type is not None:
        return _closed_reader(field.enum_type)
    if field.cpp_type in (_CPP.CPPTYPE_DOUBLE, _CPP.CPPTYPE_FLOAT):
        return scalars.float_reader(single=field.cpp_type == _CPP.CPPTYPE_FLOAT, quoted=False)
    if field.cpp_type == _CPP.CPPTYPE_BOOL:
        return scalars.read_bool
    if field.cpp_type == _CPP.CPPTYPE_STRING:
        return scalars.read_bytes if field.type == _CPP.TYPE_BYTES else scalars.read_string
    return scalars.integer_reader(field.cpp_type, quoted=False)


def _closed_reader(enum: EnumDescriptor) -> Callable[[object], int]:
    numbers = vocabulary.numbers(enum)

    def read(value: object) -> int:
        name = scalars.read_string(value)
        if name not in numbers:
            raise ConversionError(unknown_name(name, enum, numbers))
        return numbers[name]

    return read


# The places where the dialect is not one key a field


def _write_content(message: v1.Message) -> object:
    if message.HasField("text"):
        return message.text
    if message.HasField("parts"):
        return to_plain(message.parts)
    return None


def _read_content(value: object, message: v1.Message, depth: int) -> None:
    if type(value) is str:
        message.text = value
    elif type(value) is list:
        message.parts.SetInParent()
        _read_parts(value, message.parts, depth + 1)
    else:
        raise ConversionError(f"expected a string or a list of parts, got {opaque.describe(value)}")


def _write_parts(parts: v1.ContentParts) -> object:
    made: list[object] = []
    for index, part in enumerate(parts.parts):
        try:
            made.append(to_plain(part))
        except ConversionError as error:
            raise error.under(index) from None
    return made


def _read_parts(value: object, parts: v1.ContentParts, depth: int) -> None:
    read_items(value, lambda item: fill_from_plain(item, parts.parts.add(), depth + 1))


def _write_part(part: v1.ContentPart) -> object:
    member = part.WhichOneof("part")
    if member is None:
        raise ConversionError("a content part with nothing in it has no type to write")
    value = getattr(part, member)
    if member == "text":
        return {_TYPE: member, member: value}
    return {_TYPE: member, **_write_object(value)}


def _read_part(value: object, part: v1.ContentPart, depth: int) -> None:
    if type(value) is not dict:
        raise ConversionError(f"expected an object, got {opaque.describe(value)}")
    members = [field.name for field in part.DESCRIPTOR.oneofs_by_name["part"].fields]
    kind = value.get(_TYPE)
    if kind not in members:
        got = "no type" if _TYPE not in value else opaque.describe(kind)
        raise ConversionError(f"expected a type out of {', '.join(members)}, got {got}")
    rest = {key: item for key, item in value.items() if key != _TYPE}
    if kind != "text":
        _read_object(rest, getattr(part, kind), depth + 1)
        return
    for key in rest:
        if key != "text":
            raise unknown_key(key, "a text part", {"text": None})
    try:
        part.text = scalars.read_string(rest.get("text"))
    except ConversionError as error:
        raise error.under("text") from None


def _write_arguments(call: v1.ToolCall) -> object:
    member = call.WhichOneof("arguments")
    if member == "map":
        return opaque.write_struct(call.map)
    return call.raw if member == "raw" else None


def _read_arguments(value: object, call: v1.ToolCall, depth: int) -> None:
    if type(value) is str:
        call.raw = value
    elif type(value) is dict:
        opaque.read_struct(value, call.map, depth + 1)
    else:
        raise ConversionError(f"expected an object or a string, got {opaque.describe(value)}")


def _write_tool_choice(choice: v1.ToolChoice) -> object:
    if choice.WhichOneof("choice") == "name":
        return {"name": choice.name}
    return _plain_name(v1.ToolChoiceMode.DESCRIPTOR, choice.mode)


def _read_tool_choice(value: object, choice: v1.ToolChoice, _: int) -> None:
    if type(value) is str:
        # protoc's stub wants the enum's own type, which does not exist at run time.
        mode: Any = _closed_reader(v1.ToolChoiceMode.DESCRIPTOR)(value)
        choice.mode = mode
    elif type(value) is dict:
        choice.SetInParent()
        for key in value:
            if key != "name":
                raise unknown_key(key, "a tool choice", {"name": None})
        choice.name = scalars.read_string(value.get("name"))
    elif value is not None:
        # Null is a choice that is not made: a whole document can be one.
        modes = ", ".join(vocabulary.numbers(v1.ToolChoiceMode.DESCRIPTOR))
        got = opaque.describe(value)
        raise ConversionError(f'expected one of {modes}, or {{"name": ...}}, got {got}')


def _write_snapshot(snapshot: v1.MetricsSnapshot) -> object:
    write, _ = _map_codec(field_of(descriptor_of(snapshot), "values"))
    return write(snapshot)


def _read_snapshot(value: object, snapshot: v1.MetricsSnapshot, depth: int) -> None:
    snapshot.SetInParent()
    _, read = _map_codec(field_of(descriptor_of(snapshot), "values"))
    read(value, snapshot, depth)


#: Keys that stand for several fields: message, key, fields.
_JOINED: dict[str, dict[str, tuple[str, ...]]] = {
    v1.Message.DESCRIPTOR.full_name: {"content": ("text", "parts")},
    v1.ToolCall.DESCRIPTOR.full_name: {"arguments": ("map", "raw")},
}
_JOINED_CODECS: dict[str, _Codec] = {
    v1.Message.DESCRIPTOR.full_name: (_write_content, _read_content),
    v1.ToolCall.DESCRIPTOR.full_name: (_write_arguments, _read_arguments),
}

#: Messages whose value is not an object with a key for each field.
_WRITERS: dict[str, Callable[[Any], object]] = {
    v1.ContentParts.DESCRIPTOR.full_name: _write_parts,
    v1.ContentPart.DESCRIPTOR.full_name: _write_part,
    v1.ToolChoice.DESCRIPTOR.full_name: _write_tool_choice,
    v1.MetricsSnapshot.DESCRIPTOR.full_name: _write_snapshot,
    "google.protobuf.Struct": opaque.write_struct,
    "google.protobuf.Value": opaque.write_value,
    "google.protobuf.Timestamp": lambda moment: write_timestamp(moment, shortest=True),
}
_READERS: dict[str, Callable[[Any, Any, int], None]] = {
    v1.ContentParts.DESCRIPTOR.full_name: _read_parts,
    v1.ContentPart.DESCRIPTOR.full_name: _read_part,
    v1.ToolChoice.DESCRIPTOR.full_name: _read_tool_choice,
    v1.MetricsSnapshot.DESCRIPTOR.full_name: _read_snapshot,
    "google.protobuf.Struct": opaque.read_struct,
    "google.protobuf.Value": opaque.read_value,
    "google.protobuf.Timestamp": lambda value, message, _: read_timestamp(value, message),
}

#: Messages of the IR that are not spelled one key a field.
SPECIAL_MESSAGES = frozenset(
    name for name in (*_JOINED, *_WRITERS) if not name.startswith("google.protobuf.")
)

#: Messages whose fields' names do not show in the document, for `document_path`.
_FLAT = frozenset(
    message.DESCRIPTOR.full_name
    for message in (v1.ContentParts, v1.ContentPart, v1.MetricsSnapshot)
)
