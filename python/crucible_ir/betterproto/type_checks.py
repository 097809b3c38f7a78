"""Checks of the types and values in a dataclass message, which betterproto2 does not check."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, NamedTuple, TypeAlias

import betterproto2

from crucible_ir.betterproto.classes import DataclassField, dataclass_fields, protobuf_class_of
from crucible_ir.betterproto.generated.google.protobuf import Duration
from crucible_ir.errors import near_miss, shorten
from crucible_ir.paths import MapKey
from crucible_ir.schema.fields import INTEGER_RANGES, OPAQUE_MESSAGES, Kind
from crucible_ir.schema.types import descriptor_of
from crucible_ir.serialization.conversion_error import ConversionError, shown_integer, too_deep
from crucible_ir.serialization.limits import MAX_DEPTH

#: Raises a ConversionError if a value is invalid. The arguments are the value and its depth.
_Check: TypeAlias = Callable[[Any, int], None]

#: The attribute with the bytes of unknown fields.
_UNKNOWN_FIELDS = "_unknown_fields"


class _ClassChecks(NamedTuple):
    attributes: frozenset[str]
    fields: tuple[tuple[DataclassField, _Check], ...]
    oneofs: tuple[tuple[str, ...], ...]
    is_opaque: bool


def check_types(message: betterproto2.Message, depth: int = 0) -> None:
    """Raise if a value of a dataclass message would be lost, changed or misread on the wire.

    Args:
        message: The message, of a class of this package.
        depth: The number of messages between the root and this message.

    Raises:
        ConversionError: A value has the wrong type or is out of range, an attribute is unknown, two
            members of a oneof are set, or a datetime is naive.
    """
    if depth > MAX_DEPTH:
        raise too_deep()
    checks = _class_checks(type(message))
    attributes = vars(message)
    if not attributes.keys() <= checks.attributes:
        extra = min(attributes.keys() - checks.attributes)
        guess = near_miss(extra, checks.attributes)
        raise ConversionError(f"{type(message).__name__} has no such field{guess}", extra)
    for members in checks.oneofs:
        given = [name for name in members if attributes[name] is not None]
        if len(given) > 1:
            parts = () if checks.is_opaque else given[1:2]
            raise ConversionError(f"{given[0]} and {given[1]} cannot both be set", *parts)
    for field, check in checks.fields:
        value = attributes[field.name]
        if value is not None:
            try:
                check(value, depth)
            except ConversionError as error:
                # In opaque JSON, a path contains keys and indexes, but not the fields of Struct.
                if checks.is_opaque:
                    raise
                raise error.under(field.schema.name) from None


@cache
def _class_checks(class_: type[betterproto2.Message]) -> _ClassChecks:
    fields = dataclass_fields(class_)
    names = {field.schema.descriptor.number: field.name for field in fields}
    descriptor = descriptor_of(protobuf_class_of(class_))
    return _ClassChecks(
        frozenset(names.values()) | {_UNKNOWN_FIELDS},
        tuple((field, _field_check(field)) for field in fields),
        tuple(
            tuple(names[member.number] for member in oneof.fields) for oneof in descriptor.oneofs
        ),
        descriptor.full_name in OPAQUE_MESSAGES,
    )


def _field_check(field: DataclassField) -> _Check:
    check = _value_check(field.schema.kind, field.type)
    if field.schema.key is not None:
        return _map_check(_value_check(field.schema.key, str), check)
    if field.schema.is_list:
        return _list_check(check)
    if check is _check_double and not field.schema.has_presence:
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


def _value_check(kind: Kind, type_: type) -> _Check:
    """Return the check of a value of a field, of an item of its list or of a value of its map."""
    if kind is Kind.MESSAGE:
        return _TIME_CHECKS.get(type_) or _message_check(type_)
    if kind is Kind.ENUM:
        return _enum_check(type_)
    if kind in INTEGER_RANGES:
        return _integer_check(*INTEGER_RANGES[kind])
    return _SCALAR_CHECKS[kind]


def _message_check(class_: Any) -> _Check:
    def check(value: Any, depth: int) -> None:
        if type(value) is not class_:
            raise _unexpected(class_.__name__, value)
        check_types(value, depth + 1)

    return check


def _enum_check(class_: type) -> _Check:
    check_number = _integer_check(*INTEGER_RANGES[Kind.INT32])

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
            raise ConversionError(f"the integer {shown} is out of range: expected {low} to {high}")

    return check


def _check_double(value: Any, depth: int) -> None:
    if isinstance(value, int) and not isinstance(value, bool):
        try:
            exact = float(value) == value
        except OverflowError:
            exact = False
        if not exact:
            raise ConversionError(
                f"a double cannot represent the integer {shown_integer(value)} exactly"
            )
    elif not isinstance(value, float):
        raise _unexpected("a number", value)


def _check_double_without_presence(value: Any, depth: int) -> None:
    _check_double(value, depth)
    if value == 0 and math.copysign(1, value) < 0:
        raise ConversionError("betterproto2 would omit -0.0, as it omits 0.0")


def _check_bool(value: Any, depth: int) -> None:
    if not isinstance(value, bool):
        raise _unexpected("a bool", value)


def _check_string(value: Any, depth: int) -> None:
    if not isinstance(value, str):
        raise _unexpected("a string", value)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ConversionError("contains an unpaired surrogate, which UTF-8 cannot encode") from None


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


_TIME_CHECKS: dict[type, _Check] = {datetime: _check_datetime, timedelta: _check_timedelta}

_SCALAR_CHECKS: dict[Kind, _Check] = {
    Kind.DOUBLE: _check_double,
    Kind.BOOL: _check_bool,
    Kind.STRING: _check_string,
    Kind.BYTES: _check_bytes,
}


def _unexpected(expected: str, value: object) -> ConversionError:
    return ConversionError(f"expected {expected}, got {type(value).__name__} {shorten(value)}")
