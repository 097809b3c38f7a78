"""Messages from keyword arguments: checks names, converts values, fills in defaults."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from functools import cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from google.protobuf.descriptor import Descriptor, EnumDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from crucible_ir.building.json_values import json_value, unwrap_scalar
from crucible_ir.errors import FieldError, near_miss, shorten, warn
from crucible_ir.paths import MapKey, Part, format_path
from crucible_ir.schema import vocabulary
from crucible_ir.schema.defaults import fill
from crucible_ir.schema.fields import INTEGER_RANGES, Field, Kind, fields_of
from crucible_ir.schema.required_fields import required_fields
from crucible_ir.schema.spelling import misspelled, respelled
from crucible_ir.schema.types import descriptor_of
from crucible_ir.serialization.binary import reads_back
from crucible_ir.serialization.conversion_error import ConversionError, shown_integer, too_deep
from crucible_ir.serialization.json.enum_names import misspelling, respelled_name, unknown_name
from crucible_ir.serialization.json.opaque import opaque_readers, unpaired_surrogate
from crucible_ir.serialization.json.timestamps import read_timestamp, set_datetime
from crucible_ir.serialization.limits import MAX_DEPTH

if TYPE_CHECKING:
    MessageT = TypeVar("MessageT", bound=Message)

_OPAQUE = opaque_readers(consumes=False)


class Place(NamedTuple):
    """The place of a message below the root, where a setter fills it.

    Attributes:
        depth: The depth below the root.
        parts: The path from the root.
        missing: The required fields that were not given, of all messages so far; shared.
    """

    depth: int
    parts: tuple[Part, ...]
    missing: list[str]

    def below(self, *parts: Part, steps: int = 1) -> Place:
        """Return the place of a message in this one."""
        return Place(self.depth + steps, (*self.parts, *parts), self.missing)


#: Sets one field of a message from a value, given the place of the message.
_Setter = Callable[[Message, Any, Place], None]


def construct(
    type_: type[MessageT],
    fields: Mapping[str, object],
    *,
    partial: bool = False,
    fix: str | None = None,
) -> MessageT:
    """Return a message with the given fields set and the others at their defaults.

    A field given as ``None`` stays unset and takes no default.

    Args:
        type_: The class of the message.
        fields: The values by field name; mappings stand for messages and follow the same rules.
        partial: Whether required fields may be missing.
        fix: How to correct a call with missing fields, at the end of the error; ``None`` names
            the call that makes an unfinished message.

    Raises:
        FieldError: A name is not a field of the message, a value does not fit its field, or
            required fields are missing; the error has the path and, if there is one, a suggestion.
    """
    message = type_()
    place = Place(0, (), [])
    try:
        _assign(message, fields, place)
        if not reads_back(message):
            raise _unreadable(message)
    except ConversionError as error:
        path = format_path((type_.DESCRIPTOR.name, *error.parts))
        raise FieldError(error.reason, path=path) from None
    if place.missing and not partial:
        name = type_.DESCRIPTOR.name
        if fix is None:
            fix = f'; ir.new("{name}", ..., partial=True) makes an unfinished message'
        plural = "s" if len(place.missing) > 1 else ""
        reason = f"missing required field{plural}: {', '.join(place.missing)}{fix}"
        raise FieldError(reason, path=name)
    return message


def _unreadable(message: Message) -> ConversionError:
    """Return the error of a message that is nested too deeply, with the field that is."""
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


def _assign(message: Message, fields: Mapping[str, object], place: Place) -> None:
    if place.depth > MAX_DEPTH:
        raise too_deep()
    descriptor = descriptor_of(message)
    setters = _setters(descriptor)
    place.missing.extend(_missing(descriptor, fields, place.parts))
    for name, value in fields.items():
        setter = setters.get(name)
        if setter is None:
            raise _unknown_field(descriptor, str(name))
        if value is None:
            continue
        try:
            _ensure_oneof_unset(message, fields_of(descriptor)[name])
            setter(message, value, place)
        except ConversionError as error:
            raise error.under(name) from None
    fill(message, given=_decided(descriptor, fields), lists=True)


def _missing(
    descriptor: Descriptor, fields: Mapping[str, object], parts: tuple[Part, ...]
) -> Iterator[str]:
    """Yield the paths of the required fields that have no value, in the order of the schema."""
    groups = [
        group
        for group in required_fields(descriptor)
        if all(fields.get(name) is None for name in group)
    ]
    if groups:
        order = list(fields_of(descriptor))
        for group in sorted(groups, key=lambda names: min(map(order.index, names))):
            names = sorted(group, key=order.index)
            yield " or ".join(format_path((*parts, name)) for name in names)


def _unknown_field(descriptor: Descriptor, name: str) -> ConversionError:
    hint = near_miss(name, _setters(descriptor))
    for oneof in descriptor.oneofs:
        if oneof.name == name:
            hint = f"; give one of {', '.join(member.name for member in oneof.fields)}"
    shown = name.encode(errors="backslashreplace").decode()
    return ConversionError(f"{descriptor.name} has no such field{hint}").under(shown)


def _decided(descriptor: Descriptor, fields: Mapping[str, object]) -> set[str]:
    """Return the given names, and for a custom list the list that it completes."""
    completed = (field.name for field in fields_of(descriptor).values() if field.custom in fields)
    return {*fields, *completed}


def _ensure_oneof_unset(message: Message, field: Field) -> None:
    chosen = None if field.oneof is None else message.WhichOneof(field.oneof)
    if chosen is not None:
        raise ConversionError(
            f"{chosen} is already set; only one member of {field.oneof} may be set"
        )


@cache
def _setters(descriptor: Descriptor) -> dict[str, _Setter]:
    made = {name: _setter(field) for name, field in fields_of(descriptor).items()}
    for field in fields_of(descriptor).values():
        if field.custom is not None:
            made[field.custom] = _open_setter(field, partial(_number_of_custom, field))
    return made


def _setter(field: Field) -> _Setter:
    name = field.name
    if field.is_map:
        return _map_setter(field)
    if field.custom is not None:
        return _open_setter(field, partial(_number_or_custom, field))
    if field.is_list:
        return _list_setter(field)
    if field.kind is Kind.MESSAGE:
        return lambda message, value, place: set_message(
            getattr(message, name), value, place.below(name)
        )
    convert = _converter(field)
    return lambda message, value, place: setattr(message, name, convert(value))


def _open_setter(field: Field, number_of: Callable[[object], int | None]) -> _Setter:
    """Return the setter of an open vocabulary.

    Args:
        field: The enum field.
        number_of: Returns the number of a value; ``None`` for a custom name.
    """
    custom = str(field.custom)

    def assign(message: Message, value: object, place: Place) -> None:
        number = number_of(value)
        if number is None:
            setattr(message, custom, _text(value))
        else:
            setattr(message, field.name, number)

    def assign_all(message: Message, values: object, place: Place) -> None:
        for index, value in enumerate(_items(values)):
            try:
                number = number_of(value)
                if number is None:
                    getattr(message, custom).append(_text(value))
                else:
                    getattr(message, field.name).append(number)
            except ConversionError as error:
                raise error.under(index) from None

    return assign_all if field.is_list else assign


def _number_or_custom(field: Field, value: object) -> int | None:
    """Return the number of a value of an open vocabulary; ``None`` for a custom name.

    Raises:
        ConversionError: The name is a documented name in another spelling.
    """
    assert field.enum is not None
    if not isinstance(value, str):
        return _enum_number(field.enum, value)
    name = _text(value)
    number = _number_of(name, field.enum)
    if number is None:
        if respelled(field.enum, name) is not None:
            raise ConversionError(respelled_name(name, field, glue="="))
        known = misspelled(field.enum, name)
        if known is not None:
            owner: Any = field.descriptor.containing_type
            warn(misspelling(name, known, f"{owner.name}.{field.name}"))
    return number


def _number_of_custom(field: Field, value: object) -> int | None:
    """Return the number of a value of a custom field, which takes documented names as well."""
    assert field.enum is not None
    return _number_of(_text(value), field.enum)


def _list_setter(field: Field) -> _Setter:
    convert = None if field.kind is Kind.MESSAGE else _converter(field)

    def assign(message: Message, values: object, place: Place) -> None:
        target = getattr(message, field.name)
        for index, value in enumerate(_items(values)):
            try:
                if convert is not None:
                    target.append(convert(value))
                else:
                    set_message(target.add(), value, place.below(field.name, index))
            except ConversionError as error:
                raise error.under(index) from None

    return assign


def _items(values: object) -> Iterable[object]:
    if isinstance(values, (str, bytes, Mapping, Message)) or not isinstance(values, Iterable):
        raise ConversionError(f"expected a list, got {_shown(values)}")
    return values


def _map_setter(field: Field) -> _Setter:
    convert = None if field.kind is Kind.MESSAGE else _converter(field)

    def assign(message: Message, values: object, place: Place) -> None:
        if not isinstance(values, Mapping):
            raise ConversionError(f"expected a mapping, got {_shown(values)}")
        target = getattr(message, field.name)
        for key, value in values.items():
            if not isinstance(key, str):
                raise ConversionError(f"a key must be a string, got {_shown(key)}")
            name = _text(key)
            try:
                if convert is not None:
                    target[name] = convert(value)
                else:
                    entry = place.below(field.name, MapKey(name), steps=2)
                    set_message(target[name], value, entry)
            except ConversionError as error:
                raise error.under(MapKey(name)) from None

    return assign


def set_message(target: Message, value: object, place: Place) -> None:
    """Fill an empty message from a message of its type or from a value that it can be given as.

    Args:
        target: The message to fill.
        value: A message, a mapping of fields, JSON values for opaque JSON, or a time.
        place: The place of the target below the root message.

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
        _OPAQUE.struct(json_value(value), target, place.depth)
    elif name == "google.protobuf.Value":
        _OPAQUE.value(json_value(value), target, place.depth)
    elif isinstance(target, Timestamp):
        if isinstance(value, datetime):
            set_datetime(value, target)
        elif isinstance(value, str):
            read_timestamp(_text(value), target)
        else:
            raise ConversionError(f"expected a datetime with a time zone, got {_shown(value)}")
    elif isinstance(value, Mapping):
        target.SetInParent()
        _assign(target, value, place)
    else:
        raise ConversionError(f"expected a {name} or a mapping of its fields, got {_shown(value)}")


def _converter(field: Field) -> Callable[[Any], object]:
    """Return the conversion of one value of a field that is not a message."""
    if field.enum is not None:
        enum = field.enum
        return lambda value: _enum_number(enum, value)
    if field.kind in INTEGER_RANGES:
        low, high = INTEGER_RANGES[field.kind]
        return lambda value: _integer(value, low, high)
    return _CONVERTERS[field.kind]


def _enum_number(enum: EnumDescriptor, value: object) -> int:
    """Return the number of an enum value given by short name, full name or number."""
    if isinstance(value, str):
        name = _text(value)
        number = _number_of(name, enum)
        if number is None:
            raise ConversionError(unknown_name(name, enum, vocabulary.numbers(enum)))
        return number
    value = unwrap_scalar(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ConversionError(f"expected a name or number of {enum.name}, got {_shown(value)}")
    return _integer(value, *INTEGER_RANGES[Kind.INT32])


def _number_of(name: str, enum: EnumDescriptor) -> int | None:
    """Return the number of a short or full name; ``None`` for an unknown one."""
    number = vocabulary.numbers(enum).get(name)
    if number is None and name in enum.values_by_name:
        number = enum.values_by_name[name].number
    return number


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ConversionError(f"expected a string, got {_shown(value)}")
    text = str.__str__(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise unpaired_surrogate() from None
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
        shown = shown_integer(value)
        raise ConversionError(f"{shown} is out of range; expected {low} to {high}")
    return int(value)


def _number(value: object) -> float:
    value = unwrap_scalar(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ConversionError(f"expected a number, got {_shown(value)}")
    try:
        return float(value)
    except OverflowError:
        raise ConversionError(f"{_shown(value)} is too large for a double") from None


def _shown(value: object) -> str:
    shown = shown_integer(value) if isinstance(value, int) else shorten(value)
    return f"{type(value).__name__} {shown}"


_CONVERTERS: dict[Kind, Callable[[Any], object]] = {
    Kind.BOOL: _boolean,
    Kind.FLOAT: _number,
    Kind.DOUBLE: _number,
    Kind.STRING: _text,
    Kind.BYTES: _bytes,
}
