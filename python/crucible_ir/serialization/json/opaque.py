"""Opaque JSON: between JSON values and google.protobuf.Struct, Value and ListValue.

Numbers in them are doubles, so an integer beyond 2^53 is rejected rather than rounded, and so are
NaN and the infinities, which JSON cannot write.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from crucible_ir.paths import MapKey
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

#: The largest integer up to which a double holds every integer.
MAX_EXACT_INTEGER = 2**53
_LARGEST_EXACT = float(MAX_EXACT_INTEGER)

#: Fills a message, itself at a depth below the root, from a JSON value.
Reader: TypeAlias = Callable[[object, Any, int], None]

#: Turns a value of a field into a JSON value, given the depth of the message that has the field.
Writer: TypeAlias = Callable[[Any, int], object]


class OpaqueReaders(NamedTuple):
    """Readers of the messages of opaque JSON.

    Attributes:
        struct: Fills a Struct, itself at a depth below the root message, from a JSON object.
        value: Fills a Value from a JSON value.
        list: Fills a ListValue from a JSON list.
    """

    struct: Reader
    value: Reader
    list: Reader


def opaque_readers(*, consumes: bool) -> OpaqueReaders:
    """Return the readers of opaque JSON.

    Args:
        consumes: Whether lists are emptied while they are read, which saves memory.
    """

    def read_struct(value: object, struct: Struct, depth: int) -> None:
        """Fill a Struct, itself at a depth below the root message, from a JSON object."""
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
                first_error = add_error(first_error, not_a_key(key))
        if first_error is not None:
            raise first_error

    def read_list(value: object, target: ListValue, depth: int) -> None:
        """Fill a ListValue, itself at a depth below the root message, from a JSON list."""
        if type(value) is not list:
            raise ConversionError(f"expected a list, got {describe(value)}")
        if not value:
            target.SetInParent()
            return
        if depth + 1 > MAX_DEPTH:
            raise too_deep()
        values = target.values
        first_error: ConversionError | None = None
        for index, item in enumerate(_released(value) if consumes else value):
            try:
                read_value(item, values.add(), depth + 1)
            except ConversionError as error:
                first_error = add_error(first_error, error.under(index))
        if first_error is not None:
            raise first_error

    def read_value(value: object, target: Value, depth: int) -> None:
        """Fill a Value, itself at a depth below the root message, from a JSON value."""
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
                raise ConversionError(
                    f"the integer {shown_integer(value)} is beyond 2^53, which a number in opaque"
                    " JSON cannot hold exactly; write it as a string"
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

    return OpaqueReaders(read_struct, read_value, read_list)


def _released(values: list[object]) -> Iterator[object]:
    """Yield the items of a list, each of which leaves the list."""
    values.reverse()
    while values:
        yield values.pop()


class OpaqueWriters(NamedTuple):
    """Writers of the messages of opaque JSON.

    Attributes:
        struct: Writes a Struct, its keys in order.
        value: Writes a Value.
        list: Writes a ListValue.
    """

    struct: Writer
    value: Writer
    list: Writer


def opaque_writers(write_number: Callable[[float], float | int]) -> OpaqueWriters:
    """Return the writers of opaque JSON, which differ in how they write numbers."""

    def write_struct(struct: Struct, depth: int) -> dict[str, object]:
        made: dict[str, object] = {}
        fields = struct.fields
        # The struct is one level below, its entries two, their values three.
        if depth + 3 > MAX_DEPTH and (fields or depth + 1 > MAX_DEPTH):
            raise too_deep()
        # protobuf keeps no order of keys; sorted, a document comes out the same each time.
        for key in sorted(fields):
            value = fields[key]
            try:
                made[key] = value.string_value or write_value(value, depth + 2)
            except ConversionError as error:
                raise error.under(MapKey(key)) from None
        return made

    def write_list(values: ListValue, depth: int) -> list[object]:
        made: list[object] = []
        items = values.values
        if depth + 2 > MAX_DEPTH and (items or depth + 1 > MAX_DEPTH):
            raise too_deep()
        try:
            for item in items:
                made.append(write_value(item, depth + 1))
        except ConversionError as error:
            raise error.under(len(made)) from None
        return made

    def write_value(value: Value, depth: int) -> object:
        # Reading a member that is not set takes less time than asking which one is.
        if number := value.number_value:
            return write_number(number)
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
            return write_number(number)
        if kind is None:
            raise ConversionError(
                "a google.protobuf.Value with no kind set cannot be written as JSON"
            )
        return None

    return OpaqueWriters(write_struct, write_value, write_list)


def write_number(number: float) -> float | int:
    """Return a whole number up to 2^53 as an integer, and any other finite number as it is."""
    if number.is_integer() and -_LARGEST_EXACT <= number <= _LARGEST_EXACT:
        # Minus zero has no integer.
        return int(number) if number or math.copysign(1, number) > 0 else number
    if number - number != 0.0:
        raise ConversionError(f"a number in opaque JSON must be finite, got {number}")
    return number


def not_a_key(key: object) -> ConversionError:
    """Return the error for a key that is not a string, which JSON values in Python can have."""
    return ConversionError(f"a key must be a string, got {describe(key)}")


def unpaired_surrogate() -> ConversionError:
    """Return the error for text that UTF-8 cannot carry."""
    return ConversionError("the string holds an unpaired surrogate, which UTF-8 cannot carry")
