"""Opaque JSON: between plain values and google.protobuf.Struct, Value and ListValue.

Numbers in them are doubles, so an integer beyond 2^53 is refused rather than rounded, and so are
NaN and the infinities, which JSON cannot write.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from crucible_ir.paths import MapKey
from crucible_ir.serialization.conversion_error import ConversionError, too_deep
from crucible_ir.serialization.limits import MAX_DEPTH

if TYPE_CHECKING:
    from google.protobuf.struct_pb2 import ListValue, Struct, Value

#: The largest integer up to which a double holds every integer.
MAX_EXACT_INTEGER = 2**53


def read_struct(value: object, struct: Struct, depth: int) -> None:
    """Fill a Struct, itself at a depth below the root message, from a plain object."""
    if type(value) is not dict:
        raise ConversionError(f"expected an object, got {describe(value)}")
    if depth + (2 if value else 0) > MAX_DEPTH:
        raise too_deep()
    struct.SetInParent()
    fields = struct.fields
    for key, item in value.items():
        try:
            read_value(item, fields[key], depth + 2)
        except ConversionError as error:
            raise error.under(MapKey(key)) from None
        except ValueError:
            raise unpaired_surrogate().under(MapKey(ascii(key)[1:-1])) from None
        except TypeError:
            raise not_a_key(key) from None


def read_list(value: object, target: ListValue, depth: int) -> None:
    """Fill a ListValue, itself at a depth below the root message, from a plain list."""
    if type(value) is not list:
        raise ConversionError(f"expected a list, got {describe(value)}")
    if depth + (1 if value else 0) > MAX_DEPTH:
        raise too_deep()
    target.SetInParent()
    values = target.values
    for index, item in enumerate(value):
        try:
            read_value(item, values.add(), depth + 1)
        except ConversionError as error:
            raise error.under(index) from None


def read_value(value: object, target: Value, depth: int) -> None:
    """Fill a Value, itself at a depth below the root message, from a plain value."""
    kind = type(value)
    if kind is str:
        try:
            target.string_value = value  # type: ignore[assignment]  # mypy cannot follow `kind is`
        except ValueError:
            raise unpaired_surrogate() from None
    elif kind is bool:
        target.bool_value = value  # type: ignore[assignment]  # mypy cannot follow `kind is`
    elif isinstance(value, int):
        if not -MAX_EXACT_INTEGER <= value <= MAX_EXACT_INTEGER:
            raise ConversionError(
                f"the integer {shown_integer(value)} is beyond 2^53, which a number in opaque JSON"
                " cannot hold exactly; write it as a string"
            )
        target.number_value = value
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ConversionError("a number in opaque JSON must be finite")
        target.number_value = value
    elif value is None:
        target.null_value = 0  # type: ignore[assignment]  # the stub wants the enum's own type
    elif kind is dict:
        read_struct(value, target.struct_value, depth + 1)
    elif kind is list:
        read_list(value, target.list_value, depth + 1)
    else:
        raise ConversionError(f"expected a JSON value, got {describe(value)}")


def write_struct(struct: Struct) -> dict[str, object]:
    """Return a Struct as a plain object."""
    made: dict[str, object] = {}
    fields = struct.fields
    # protobuf keeps no order of keys; sorted, a document comes out the same each time.
    for key in sorted(fields):
        try:
            made[key] = write_value(fields[key])
        except ConversionError as error:
            raise error.under(MapKey(key)) from None
    return made


def write_list(values: ListValue) -> list[object]:
    """Return a ListValue as a plain list."""
    made: list[object] = []
    for index, item in enumerate(values.values):
        try:
            made.append(write_value(item))
        except ConversionError as error:
            raise error.under(index) from None
    return made


def write_value(value: Value) -> object:
    """Return a Value as a plain value; a number that is whole, up to 2^53, as an integer."""
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return value.string_value
    if kind == "number_value":
        return whole(value.number_value)
    if kind == "struct_value":
        return write_struct(value.struct_value)
    if kind == "list_value":
        return write_list(value.list_value)
    if kind == "bool_value":
        return value.bool_value
    if kind is None:
        raise ConversionError("a google.protobuf.Value with no kind set cannot be written as JSON")
    return None


def whole(number: float) -> float | int:
    """Return a whole number up to 2^53 as an integer, and any other finite number as it is."""
    if not math.isfinite(number):
        raise ConversionError(f"a number in opaque JSON must be finite, got {number}")
    if abs(number) <= MAX_EXACT_INTEGER and number.is_integer():
        return int(number) if number or math.copysign(1, number) > 0 else number
    return number


def describe(value: object) -> str:
    """Name a JSON value's kind, with the value itself where it is short, for an error."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, str):
        return f"the string {value!r}" if len(value) <= 40 else f"the string {value[:40]!r}…"
    if isinstance(value, int):
        return f"the number {shown_integer(value)}"
    if isinstance(value, float):
        return f"the number {value!r}"
    return f"a {type(value).__name__}"


def shown_integer(value: int) -> str:
    """Write an integer, or its magnitude where it is long."""
    return str(value) if value.bit_length() <= 128 else f"of {value.bit_length()} bits"


def not_a_key(key: object) -> ConversionError:
    """Return the error of a key that is not a string, which plain values can have."""
    return ConversionError(f"a key must be a string, got {describe(key)}")


def unpaired_surrogate() -> ConversionError:
    """Return the error of text that UTF-8 cannot carry."""
    return ConversionError("the string holds an unpaired surrogate, which UTF-8 cannot carry")
