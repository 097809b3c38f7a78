"""Whether a dataclass message holds what its schema's fields can: betterproto2 does not look."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, NamedTuple, TypeAlias

import betterproto2
from google.protobuf.descriptor import FieldDescriptor

from crucible_ir.betterproto.classes import Field, fields_of, protobuf_class_of
from crucible_ir.betterproto.generated.google.protobuf import Duration
from crucible_ir.errors import near_miss, shorten
from crucible_ir.paths import MapKey
from crucible_ir.schema.fields import OPAQUE_MESSAGES
from crucible_ir.schema.types import descriptor_of, field_of, held_message, is_map
from crucible_ir.serialization.conversion_error import ConversionError, too_deep
from crucible_ir.serialization.json.opaque import shown_integer
from crucible_ir.serialization.json.scalars import INTEGER_RANGES
from crucible_ir.serialization.limits import MAX_DEPTH

#: Raises a ConversionError of a value, itself at a depth below the root message.
_Check: TypeAlias = Callable[[Any, int], None]

#: Where betterproto2 keeps the bytes of the fields that it does not know.
_UNKNOWN_FIELDS = "_unknown_fields"


class _Shape(NamedTuple):
    attributes: frozenset[str]
    checks: tuple[tuple[Field, _Check], ...]
    oneofs: tuple[tuple[str, ...], ...]
    is_opaque: bool


def refuse_misfits(message: betterproto2.Message, depth: int = 0) -> None:
    """Raise if a dataclass message holds what would be lost, changed or misread on the wire.

    Args:
        message: The message, of a class of this package.
        depth: How many messages it is below the root.

    Raises:
        ConversionError: It has a value of another type or out of range, an unknown attribute,
            two members of one oneof, a naive datetime.
    """
    if depth > MAX_DEPTH:
        raise too_deep()
    shape = _shape(type(message))
    attributes = vars(message)
    if not attributes.keys() <= shape.attributes:
        extra = min(attributes.keys() - shape.attributes)
        guess = near_miss(extra, shape.attributes)
        raise ConversionError(f"{type(message).__name__} has no such field{guess}", extra)
    for members in shape.oneofs:
        given = [name for name in members if attributes[name] is not None]
        if len(given) > 1:
            parts = () if shape.is_opaque else given[1:2]
            raise ConversionError(f"{given[0]} and {given[1]} exclude one another", *parts)
    for field, check in shape.checks:
        value = attributes[field.name]
        if value is not None:
            try:
                check(value, depth)
            except ConversionError as error:
                # A path names what is in an opaque map, not the fields that make up the map.
                if shape.is_opaque:
                    raise
                raise error.under(field.descriptor.name) from None


@cache
def _shape(class_: type[betterproto2.Message]) -> _Shape:
    fields = fields_of(class_)
    names = {field.descriptor.number: field.name for field in fields}
    descriptor = descriptor_of(protobuf_class_of(class_))
    return _Shape(
        frozenset(names.values()) | {_UNKNOWN_FIELDS},
        tuple((field, _field_check(field)) for field in fields),
        tuple(
            tuple(names[member.number] for member in oneof.fields) for oneof in descriptor.oneofs
        ),
        descriptor.full_name in OPAQUE_MESSAGES,
    )


def _field_check(field: Field) -> _Check:
    if is_map(field.descriptor):
        entry = held_message(field.descriptor)
        return _map_check(
            _value_check(field_of(entry, "key"), str),
            _value_check(field_of(entry, "value"), field.type),
        )
    check = _value_check(field.descriptor, field.type)
    if field.descriptor.is_repeated:
        return _list_check(check)
    if check is _check_double and not field.descriptor.has_presence:
        return _check_double_without_presence
    return check


def _map_check(check_key: _Check, check_value: _Check) -> _Check:
    def check(value: Any, depth: int) -> None:
        if not isinstance(value, dict):
            raise _unexpected("a dict", value)
        for key, item in value.items():
            try:
                check_key(key, depth)
                check_value(item, depth + 1)
            except ConversionError as error:
                raise error.under(MapKey(key)) from None

    return check


def _list_check(check_item: _Check) -> _Check:
    def check(value: Any, depth: int) -> None:
        if not isinstance(value, (list, tuple)):
            raise _unexpected("a list", value)
        for index, item in enumerate(value):
            try:
                check_item(item, depth)
            except ConversionError as error:
                raise error.under(index) from None

    return check


def _value_check(field: FieldDescriptor, type_: type) -> _Check:
    """Return the check of one value of a field, of its list or of its map."""
    kind = field.cpp_type
    if kind == FieldDescriptor.CPPTYPE_MESSAGE:
        if type_ in _MOMENT_CHECKS:
            return _MOMENT_CHECKS[type_]
        return _message_check(type_)
    if kind == FieldDescriptor.CPPTYPE_ENUM:
        return _enum_check(type_)
    if kind in INTEGER_RANGES:
        return _integer_check(*INTEGER_RANGES[kind])
    if field.type == FieldDescriptor.TYPE_BYTES:
        return _check_bytes
    return _SCALAR_CHECKS[kind]


def _message_check(class_: Any) -> _Check:
    def check(value: Any, depth: int) -> None:
        if type(value) is not class_:
            raise _unexpected(class_.__name__, value)
        refuse_misfits(value, depth + 1)

    return check


def _enum_check(class_: type) -> _Check:
    check_number = _integer_check(*INTEGER_RANGES[FieldDescriptor.CPPTYPE_INT32])

    def check(value: Any, depth: int) -> None:
        if isinstance(value, betterproto2.Enum) and not isinstance(value, class_):
            raise _unexpected(class_.__name__, value)
        check_number(value, depth)

    return check


def _integer_check(low: int, high: int) -> _Check:
    def check(value: Any, depth: int) -> None:
        if not isinstance(value, int) or isinstance(value, bool):
            raise _unexpected("an integer", value)
        if not low <= value <= high:
            shown = shown_integer(value)
            raise ConversionError(f"{shown} is out of range; an integer here is {low} to {high}")

    return check


def _check_double(value: Any, depth: int) -> None:
    if isinstance(value, int) and not isinstance(value, bool):
        try:
            exact = float(value) == value
        except OverflowError:
            exact = False
        if not exact:
            raise ConversionError(f"a double cannot hold {shown_integer(value)} exactly")
    elif not isinstance(value, float):
        raise _unexpected("a number", value)


def _check_double_without_presence(value: Any, depth: int) -> None:
    _check_double(value, depth)
    if value == 0 and math.copysign(1, value) < 0:
        raise ConversionError("betterproto2 would leave -0.0 out, as it does 0.0")


def _check_bool(value: Any, depth: int) -> None:
    if not isinstance(value, bool):
        raise _unexpected("a bool", value)


def _check_string(value: Any, depth: int) -> None:
    if not isinstance(value, str):
        raise _unexpected("a string", value)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ConversionError("holds an unpaired surrogate, which UTF-8 cannot write") from None


def _check_bytes(value: Any, depth: int) -> None:
    if not isinstance(value, bytes):
        raise _unexpected("bytes", value)


def _check_datetime(value: Any, depth: int) -> None:
    if not isinstance(value, datetime):
        raise _unexpected("a datetime", value)
    if getattr(value, "nanosecond", 0):
        # A datetime of pandas.
        raise ConversionError(f"betterproto2 would lose the nanoseconds of {value.isoformat()}")
    if value.utcoffset() is None:
        raise ConversionError(
            "the datetime is naive; give it a time zone, for example"
            f" {value.isoformat()} with tzinfo=datetime.UTC"
        )
    try:
        value.astimezone(UTC)
    except OverflowError:
        raise ConversionError(
            f"{value.isoformat()} is outside the years 1 to 9999 in UTC"
        ) from None


def _check_timedelta(value: Any, depth: int) -> None:
    if not isinstance(value, timedelta):
        raise _unexpected("a timedelta", value)
    back = Duration.from_wrapped(value).to_wrapped()
    if back != value:
        raise ConversionError(f"betterproto2 would write {back} for a timedelta of {value}")


_MOMENT_CHECKS: dict[type, _Check] = {datetime: _check_datetime, timedelta: _check_timedelta}

_SCALAR_CHECKS: dict[int, _Check] = {
    FieldDescriptor.CPPTYPE_DOUBLE: _check_double,
    FieldDescriptor.CPPTYPE_BOOL: _check_bool,
    FieldDescriptor.CPPTYPE_STRING: _check_string,
}


def _unexpected(what: str, value: object) -> ConversionError:
    return ConversionError(f"expected {what}, got {type(value).__name__} {shorten(value)}")
