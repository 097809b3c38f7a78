"""Conversion between JSON values and opaque JSON: google.protobuf.Struct, Value and ListValue.

Their numbers are doubles. An integer beyond 2^53 is rejected instead of rounded; NaN and the
infinities are rejected because JSON has no such numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from google.protobuf.unknown_fields import UnknownFieldSet

from crucible_ir.paths import MapKey
from crucible_ir.schema.unknown_fields import show_entries
from crucible_ir.serialization.conversion_error import (
    ConversionError,
    add_error,
    describe,
    shown_integer,
    too_deep,
)
from crucible_ir.serialization.limits import MAX_DEPTH

if TYPE_CHECKING:
    from google.protobuf.struct_pb2 import ListValue, Struct, Value

#: A double represents every integer up to this one exactly.
MAX_EXACT_INTEGER = 2**53
_LARGEST_EXACT = float(MAX_EXACT_INTEGER)

#: Fills a message from a JSON value, given the depth of the message below the root.
Reader: TypeAlias = Callable[[object, Any, int], None]

#: Converts a value of a field to a JSON value, given the depth of the message with the field.
Writer: TypeAlias = Callable[[Any, int], object]


class OpaqueReaders(NamedTuple):
    """Readers of the messages of opaque JSON.

    Attributes:
        struct: Fills a Struct from a JSON object.
        value: Fills a Value from a JSON value.
        list: Fills a ListValue from a JSON list.
    """

    struct: Reader
    value: Reader
    list: Reader


def opaque_readers(*, consumes: bool) -> OpaqueReaders:
    """Return the readers of opaque JSON.

    Args:
        consumes: Whether reading empties the lists of the JSON values, to save memory.
    """

    def read_struct(value: object, struct: Struct, depth: int) -> None:
        if type(value) is not dict:
            raise ConversionError(f"expected an object, got {describe(value)}")
        if not value:
            struct.SetInParent()
            return
        if depth + 2 > MAX_DEPTH:
            raise too_deep()
        fields = struct.fields
        depth += 2
        first_error: ConversionError | None = None
        for key, item in value.items():
            try:
                kind = type(item)
                if kind is str:
                    fields[key].string_value = item
                elif kind is dict:
                    read_struct(item, fields[key].struct_value, depth + 1)
                elif (kind is int or kind is float) and -_LARGEST_EXACT <= item <= _LARGEST_EXACT:
                    fields[key].number_value = item
                else:
                    read_value(item, fields[key], depth)
            except ConversionError as error:
                first_error = add_error(first_error, error.under(MapKey(key)))
            except ValueError:
                shown = MapKey(key.encode(errors="backslashreplace").decode())
                first_error = add_error(first_error, unpaired_surrogate().under(shown))
            except TypeError:
                first_error = add_error(first_error, invalid_key(key))
        if first_error is not None:
            raise first_error

    def read_list(value: object, target: ListValue, depth: int) -> None:
        if type(value) is not list:
            raise ConversionError(f"expected a list, got {describe(value)}")
        if not value:
            target.SetInParent()
            return
        if depth + 1 > MAX_DEPTH:
            raise too_deep()
        values = target.values
        first_error: ConversionError | None = None
        for index, item in enumerate(_consume(value) if consumes else value):
            try:
                read_value(item, values.add(), depth + 1)
            except ConversionError as error:
                first_error = add_error(first_error, error.under(index))
        if first_error is not None:
            raise first_error

    def read_value(value: object, target: Value, depth: int) -> None:
        kind = type(value)
        if kind is float and value - value == 0.0:  # type: ignore[operator]  # mypy cannot follow
            target.number_value = value  # type: ignore[assignment]
        elif kind is str:
            try:
                target.string_value = value  # type: ignore[assignment]
            except ValueError:
                raise unpaired_surrogate() from None
        elif kind is bool:
            target.bool_value = value  # type: ignore[assignment]
        elif isinstance(value, int):
            if not -MAX_EXACT_INTEGER <= value <= MAX_EXACT_INTEGER:
                raise ConversionError(beyond_exact_integers(value))
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

    return OpaqueReaders(read_struct, read_value, read_list)


def _consume(values: list[object]) -> Iterator[object]:
    """Yield the items of a list and remove them from it."""
    values.reverse()
    while values:
        yield values.pop()


class OpaqueWriters(NamedTuple):
    """Writers of the messages of opaque JSON.

    Attributes:
        struct: Writes a Struct, with sorted keys.
        value: Writes a Value.
        list: Writes a ListValue.
    """

    struct: Writer
    value: Writer
    list: Writer


def opaque_writers(write_number: Callable[[float], float | int]) -> OpaqueWriters:
    """Return the writers of opaque JSON that write numbers with a function."""

    def write_struct(struct: Struct, depth: int) -> dict[str, object]:
        result: dict[str, object] = {}
        if UnknownFieldSet(struct):
            struct = show_entries(struct)
        fields = struct.fields
        # The Struct is one level below the message, its entries two, and their values three.
        if depth + 3 > MAX_DEPTH and (fields or depth + 1 > MAX_DEPTH):
            raise too_deep()
        key = ""
        try:
            # The order of keys in protobuf is random. Sorted, the same message gives the same text.
            for key in sorted(fields):
                value = fields[key]
                if text := value.string_value:
                    result[key] = text
                elif number := value.number_value:
                    result[key] = write_number(number)
                else:
                    result[key] = write_other(value, depth + 2)
        except ConversionError as error:
            raise error.under(MapKey(key)) from None
        return result

    def write_list(values: ListValue, depth: int) -> list[object]:
        result: list[object] = []
        items = values.values
        if depth + 2 > MAX_DEPTH and (items or depth + 1 > MAX_DEPTH):
            raise too_deep()
        try:
            for item in items:
                result.append(write_value(item, depth + 1))
        except ConversionError as error:
            raise error.under(len(result)) from None
        return result

    def write_value(value: Value, depth: int) -> object:
        # Reading a member that is unset is faster than WhichOneof.
        if number := value.number_value:
            return write_number(number)
        return write_other(value, depth)

    def write_other(value: Value, depth: int) -> object:
        """Write a value that is no number but zero."""
        kind = value.WhichOneof("kind")
        if kind == "string_value":
            return value.string_value
        if kind == "struct_value":
            return write_struct(value.struct_value, depth + 1)
        if kind == "list_value":
            return write_list(value.list_value, depth + 1)
        if kind == "bool_value":
            return value.bool_value
        if kind == "number_value":
            return write_number(value.number_value)
        if kind is None:
            raise ConversionError(
                "a google.protobuf.Value with no kind set cannot be written as JSON"
            )
        return None

    return OpaqueWriters(write_struct, write_value, write_list)


def write_number(number: float) -> float | int:
    """Return a whole number up to 2^53 as an integer, and any other finite number unchanged."""
    if number.is_integer() and -_LARGEST_EXACT <= number <= _LARGEST_EXACT:
        # Integers have no negative zero, so -0.0 is not converted.
        return int(number) if number or math.copysign(1, number) > 0 else number
    if number - number != 0.0:
        raise ConversionError(f"a number in opaque JSON must be finite, got {number}")
    return number


def invalid_key(key: object) -> ConversionError:
    """Return the error for a key of a Python dictionary that is not a string."""
    return ConversionError(f"a key must be a string, got {describe(key)}")


def beyond_exact_integers(value: int) -> str:
    """Return the error text for an integer that a double may not represent."""
    return (
        f"the integer {shown_integer(value)} is beyond 2^53, the limit of exact integers in opaque"
        " JSON; write it as a string"
    )


def unpaired_surrogate() -> ConversionError:
    """Return the error for text that UTF-8 cannot encode."""
    return ConversionError("the string contains an unpaired surrogate, which UTF-8 cannot encode")
