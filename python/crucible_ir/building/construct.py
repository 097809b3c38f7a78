"""From keyword arguments to a message: names checked, values converted, defaults filled in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from crucible_ir.building.json_values import plain, unwrap_scalar
from crucible_ir.errors import FieldError, near_miss, shorten
from crucible_ir.paths import MapKey, format_path
from crucible_ir.schema import vocabulary
from crucible_ir.schema.defaults import fill
from crucible_ir.schema.types import descriptor_of, field_of, held_enum, held_message, is_map
from crucible_ir.serialization.binary import reads_back
from crucible_ir.serialization.conversion_error import ConversionError, too_deep
from crucible_ir.serialization.json import opaque
from crucible_ir.serialization.json.protojson_codec import unknown_name
from crucible_ir.serialization.json.scalars import INTEGER_RANGES
from crucible_ir.serialization.json.timestamps import read_timestamp, set_datetime
from crucible_ir.serialization.limits import MAX_DEPTH

if TYPE_CHECKING:
    MessageT = TypeVar("MessageT", bound=Message)

#: Sets one field of a message, itself at a depth below the root, from a value.
_Setter = Callable[[Message, Any, int], None]
_CPP = FieldDescriptor


def construct(type_: type[MessageT], fields: Mapping[str, object]) -> MessageT:
    """Return a message with the given fields set and the others at their defaults.

    A field given as ``None`` stays unset and takes no default.

    Raises:
        FieldError: A name is not a field of the message, or a value does not fit its field; the
            error has the path and, where there is one, the near miss.
    """
    message = type_()
    try:
        _assign(message, fields, 0)
        if not reads_back(message):
            raise _unreadable(message)
    except ConversionError as error:
        path = format_path((type_.DESCRIPTOR.name, *error.parts))
        raise FieldError(error.reason, path=path) from None
    return message


def _unreadable(message: Message) -> ConversionError:
    """Return the error of a message that holds a given one too deep, with the field it is in."""
    names = [field.name for field, _ in message.ListFields()]
    for name in names:
        alone = type(message)()
        alone.CopyFrom(message)
        for other in names:
            if other != name:
                alone.ClearField(other)
        if not reads_back(alone):
            return too_deep().under(name)
    return too_deep()


def _assign(message: Message, fields: Mapping[str, object], depth: int) -> None:
    if depth > MAX_DEPTH:
        raise too_deep()
    descriptor = descriptor_of(message)
    setters = _setters(descriptor)
    for name, value in fields.items():
        setter = setters.get(name)
        if setter is None:
            raise _unknown_field(descriptor, str(name))
        if value is None:
            continue
        try:
            _refuse_second_member(message, field_of(descriptor, name))
            setter(message, value, depth)
        except ConversionError as error:
            raise error.under(name) from None
    fill(message, given=_decided(descriptor, fields), lists=True)


def _unknown_field(descriptor: Descriptor, name: str) -> ConversionError:
    hint = near_miss(name, _setters(descriptor))
    for oneof in descriptor.oneofs:
        if oneof.name == name:
            hint = f"; give one of {', '.join(member.name for member in oneof.fields)}"
    shown = name.encode(errors="backslashreplace").decode()
    return ConversionError(f"{descriptor.name} has no such field{hint}").under(shown)


def _decided(descriptor: Descriptor, fields: Mapping[str, object]) -> set[str]:
    """Return the given names, and for a custom list the list that it completes."""
    decided = set(fields)
    for field in descriptor.fields:
        custom = vocabulary.custom_member(field)
        if custom is not None and custom.name in decided:
            decided.add(field.name)
    return decided


def _refuse_second_member(message: Message, field: FieldDescriptor) -> None:
    oneof = field.containing_oneof
    if oneof is not None and len(oneof.fields) > 1:
        chosen = message.WhichOneof(oneof.name)
        if chosen is not None:
            raise ConversionError(
                f"{chosen} is set already, and only one member of {oneof.name} may be"
            )


@cache
def _setters(descriptor: Descriptor) -> dict[str, _Setter]:
    made = {field.name: _setter(field) for field in descriptor.fields}
    for field in descriptor.fields:
        custom = vocabulary.custom_member(field)
        if custom is not None:
            made[custom.name] = _custom_setter(custom, made[field.name])
    return made


def _setter(field: FieldDescriptor) -> _Setter:
    if is_map(field):
        return _map_setter(field)
    if field.is_repeated:
        return _list_setter(field)
    if field.message_type is not None:
        return lambda message, value, depth: set_message(
            getattr(message, field.name), value, depth + 1
        )
    custom = vocabulary.custom_member(field)
    if custom is not None:
        return _open_setter(field, custom)
    convert = _converter(field)
    return lambda message, value, depth: setattr(message, field.name, convert(value))


def _open_setter(field: FieldDescriptor, custom: FieldDescriptor) -> _Setter:
    def assign(message: Message, value: object, depth: int) -> None:
        number = _known(field, value)
        if number is None:
            setattr(message, custom.name, _text(value))
        else:
            setattr(message, field.name, number)

    return assign


def _custom_setter(custom: FieldDescriptor, assign: _Setter) -> _Setter:
    """Take strings alone, and leave it to the vocabulary's setter whether they are documented."""
    if not custom.is_repeated:
        return lambda message, value, depth: assign(message, _text(value), depth)

    def assign_all(message: Message, values: object, depth: int) -> None:
        for index, value in enumerate(_items(values)):
            try:
                assign(message, [_text(value)], depth)
            except ConversionError as error:
                raise error.under(index) from None

    return assign_all


def _known(field: FieldDescriptor, value: object) -> int | None:
    """Return the number of a value of an open vocabulary; ``None`` for a custom name."""
    enum = held_enum(field)
    if isinstance(value, str):
        name = _text(value)
        known = vocabulary.numbers(enum).get(name)
        if known is None and name in enum.values_by_name:
            known = enum.values_by_name[name].number
        return known
    return _enum_number(field, value)


def _list_setter(field: FieldDescriptor) -> _Setter:
    custom = vocabulary.custom_member(field)
    convert = None if field.message_type is not None else _converter(field)

    def assign(message: Message, values: object, depth: int) -> None:
        target = getattr(message, field.name)
        for index, value in enumerate(_items(values)):
            try:
                if custom is not None:
                    number = _known(field, value)
                    if number is None:
                        getattr(message, custom.name).append(_text(value))
                    else:
                        target.append(number)
                elif convert is not None:
                    target.append(convert(value))
                else:
                    set_message(target.add(), value, depth + 1)
            except ConversionError as error:
                raise error.under(index) from None

    return assign


def _items(values: object) -> Iterable[object]:
    if isinstance(values, (str, bytes, Mapping, Message)) or not isinstance(values, Iterable):
        raise ConversionError(f"expected a list, got {_shown(values)}")
    return values


def _map_setter(field: FieldDescriptor) -> _Setter:
    value_field = field_of(held_message(field), "value")
    convert = _converter(value_field)

    def assign(message: Message, values: object, depth: int) -> None:
        if not isinstance(values, Mapping):
            raise ConversionError(f"expected a mapping, got {_shown(values)}")
        target = getattr(message, field.name)
        for key, value in values.items():
            if not isinstance(key, str):
                raise ConversionError(f"a key must be a string, got {_shown(key)}")
            name = _text(key)
            try:
                target[name] = convert(value)
            except ConversionError as error:
                raise error.under(MapKey(name)) from None

    return assign


def set_message(target: Message, value: object, depth: int = 0) -> None:
    """Fill an empty message from one of its type, or from a mapping or value that stands for one.

    Args:
        target: The message to fill.
        value: What it is to hold.
        depth: How many messages the target lies below the root.

    Raises:
        ConversionError: The value does not fit.
    """
    name = target.DESCRIPTOR.full_name
    if isinstance(value, Message):
        if value.DESCRIPTOR.full_name != name:
            raise ConversionError(f"expected a {name}, got a {value.DESCRIPTOR.full_name}")
        target.CopyFrom(value)
        # CopyFrom alone leaves a field absent when the message that is copied is empty.
        target.SetInParent()
    elif name == "google.protobuf.Struct":
        if not isinstance(value, Mapping):
            raise ConversionError(f"expected a mapping, got {_shown(value)}")
        opaque.read_struct(plain(value), target, depth)  # type: ignore[arg-type]  # a Struct by name
    elif name == "google.protobuf.Value":
        opaque.read_value(plain(value), target, depth)  # type: ignore[arg-type]  # a Value by name
    elif isinstance(target, Timestamp):
        if isinstance(value, datetime):
            set_datetime(value, target)
        elif isinstance(value, str):
            read_timestamp(value, target)
        else:
            raise ConversionError(f"expected a datetime with a time zone, got {_shown(value)}")
    elif isinstance(value, Mapping):
        target.SetInParent()
        _assign(target, value, depth)
    else:
        raise ConversionError(f"expected a {name} or a mapping of its fields, got {_shown(value)}")


def _converter(field: FieldDescriptor) -> Callable[[Any], object]:
    kind = field.cpp_type
    if kind == _CPP.CPPTYPE_ENUM:
        return lambda value: _enum_number(field, value)
    if kind == _CPP.CPPTYPE_BOOL:
        return _boolean
    if kind in INTEGER_RANGES:
        low, high = INTEGER_RANGES[kind]
        return lambda value: _integer(value, low, high)
    if kind in (_CPP.CPPTYPE_DOUBLE, _CPP.CPPTYPE_FLOAT):
        return _number
    return _bytes if field.type == _CPP.TYPE_BYTES else _text


def _enum_number(field: FieldDescriptor, value: object) -> int:
    """Return the number of an enum value given by plain name, full name or number."""
    enum = held_enum(field)
    if isinstance(value, str):
        name = _text(value)
        numbers = vocabulary.numbers(enum)
        if name in numbers:
            return numbers[name]
        if name in enum.values_by_name:
            return int(enum.values_by_name[name].number)
        raise ConversionError(unknown_name(name, enum, numbers))
    value = unwrap_scalar(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ConversionError(f"expected a name or number of {enum.name}, got {_shown(value)}")
    return _integer(value, -(2**31), 2**31 - 1)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ConversionError(f"expected a string, got {_shown(value)}")
    text = str.__str__(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise opaque.unpaired_surrogate() from None
    return text


def _bytes(value: object) -> bytes:
    if not isinstance(value, (bytes, bytearray, memoryview)):
        raise ConversionError(f"expected bytes, got {_shown(value)}")
    return bytes(value)


def _boolean(value: object) -> bool:
    value = unwrap_scalar(value)
    if not isinstance(value, bool):
        raise ConversionError(f"expected True or False, got {_shown(value)}")
    return value


def _integer(value: object, low: int, high: int) -> int:
    value = unwrap_scalar(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ConversionError(f"expected an integer, got {_shown(value)}")
    if not low <= value <= high:
        shown = opaque.shown_integer(value)
        raise ConversionError(f"{shown} is out of range; an integer here is {low} to {high}")
    return int(value)


def _number(value: object) -> float:
    value = unwrap_scalar(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ConversionError(f"expected a number, got {_shown(value)}")
    try:
        return float(value)
    except OverflowError:
        raise ConversionError(f"{_shown(value)} is beyond what a double can hold") from None


def _shown(value: object) -> str:
    shown = opaque.shown_integer(value) if isinstance(value, int) else shorten(value)
    return f"{type(value).__name__} {shown}"
