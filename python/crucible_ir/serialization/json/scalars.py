"""Conversion between scalars and JSON values, as the ProtoJSON specification defines it."""

from __future__ import annotations

import base64
import binascii
import math
import re
import struct
from collections.abc import Callable, Mapping
from typing import TypeAlias

from crucible_ir.schema.fields import INTEGER_RANGES, Field, Kind
from crucible_ir.schema.rules import upper_bound
from crucible_ir.serialization.conversion_error import (
    ConversionError,
    describe,
    number_text,
    shown_integer,
)

_NUMBER = re.compile(r"(-?)(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?", re.ASCII)
_PERCENT = re.compile(r"(-?\d{1,9}(?:\.\d{1,9})?) ?%", re.ASCII)
_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}

#: What YAML 1.1 reads as booleans, and YAML 1.2 as strings.
_BOOLEAN_WORDS = dict.fromkeys(("true", "yes", "y", "on"), "true") | dict.fromkeys(
    ("false", "no", "n", "off"), "false"
)

#: Converts a JSON value to the value of a field, or raises a ConversionError.
ScalarReader: TypeAlias = Callable[[object], object]


def integer_reader(kind: Kind, *, quoted: bool = True) -> ScalarReader:
    """Return the reader of an integer type; with ``quoted``, it also accepts strings."""
    low, high = INTEGER_RANGES[kind]

    def read(value: object) -> int:
        if type(value) is int:
            number = value
        elif isinstance(value, float):
            number = _parse_integer(number_text(value))
        elif quoted and type(value) is str and _NUMBER.fullmatch(value) and len(value) <= 64:
            number = _parse_integer(value)
        else:
            raise ConversionError(
                f"expected an integer, got {describe(value)}{_quotes_advice(value, quoted)}"
            )
        if not low <= number <= high:
            shown = shown_integer(number)
            raise ConversionError(f"{shown} is out of range; expected {low} to {high}")
        return number

    return read


def _parse_integer(text: str) -> int:
    """Return the integer of a number in text; a double would lose digits."""
    # Imported here: few integers are written with a point or an exponent.
    from decimal import Decimal, InvalidOperation

    try:
        number = Decimal(text)
    except InvalidOperation:
        # Its exponent has more digits than Decimal reads, so it decides unless the digits are zero.
        digits, _, exponent = text.lower().partition("e")
        is_small = exponent.startswith("-")
        number = Decimal(0 if not digits.strip("-0.") else "1e-1" if is_small else "1e20")
    if not number.is_finite() or number != number.to_integral_value():
        raise ConversionError(f"expected an integer, got the number {text[:40]}")
    # The largest integer type ends below 10^20, and a large exponent would fill the memory.
    if number and number.adjusted() >= 20:
        raise ConversionError(f"{text[:40]} is out of range for an integer")
    return int(number)


def float_reader(*, single: bool, quoted: bool = True, field: Field | None = None) -> ScalarReader:
    """Return the reader of ``float`` (``single``) or ``double``.

    It always accepts the strings ``NaN``, ``Infinity`` and ``-Infinity``; with ``quoted``, it also
    accepts numbers in strings. The error about a percentage depends on the field.
    """

    def read(value: object) -> float:
        if type(value) is float and not single and value - value == 0.0:
            return value
        if type(value) is str:
            if value in _NOT_FINITE:
                return _NOT_FINITE[value]
            if not quoted or not _NUMBER.fullmatch(value):
                advice = _percent_advice(value, field) or _quotes_advice(value, quoted)
                raise ConversionError(
                    'expected a number, "NaN", "Infinity" or "-Infinity", got'
                    f" {describe(value)}{advice}"
                )
        elif not isinstance(value, float) and type(value) is not int:
            raise ConversionError(f"expected a number, got {describe(value)}")
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if math.isinf(number) or (single and single_bits(number) is None):
            shown = describe(value)
            raise ConversionError(f'{shown} is out of range; for infinity, write "Infinity"')
        return number

    return read


def _quotes_advice(value: object, quoted: bool) -> str:
    is_number = type(value) is str and not quoted and _NUMBER.fullmatch(value)
    return "; remove the quotes" if is_number else ""


def _percent_advice(text: str, field: Field | None) -> str:
    """Return the advice for a percentage, or an empty string for other text."""
    match = _PERCENT.fullmatch(text)
    if match is None:
        return ""
    number = float(match[1])
    most = None if field is None else upper_bound(field)
    if most == 1.0:
        return f"; write {number / 100:.12g}"
    if most == 100.0 or (field is not None and "percent" in field.name):
        return f"; write {number:.12g}"
    return "; write a number without %"


def read_bool(value: object) -> bool:
    """Read a boolean."""
    if type(value) is not bool:
        word = _BOOLEAN_WORDS.get(value.lower()) if isinstance(value, str) else None
        advice = "" if word is None else f"; write {word}"
        if word is not None and value == word:
            advice = "; remove the quotes"
        raise ConversionError(f"expected true or false, got {describe(value)}{advice}")
    return value


def read_string(value: object) -> str:
    """Read a string."""
    if type(value) is not str:
        advice = "; put it in quotes" if isinstance(value, (int, float)) else ""
        raise ConversionError(f"expected a string, got {describe(value)}{advice}")
    return value


def read_bytes(value: object) -> bytes:
    """Read base64 in the standard or the URL-safe alphabet, with or without padding."""
    if type(value) is not str:
        raise ConversionError(f"expected base64 in a string, got {describe(value)}")
    text = value.replace("-", "+").replace("_", "/")
    bare = text.rstrip("=")
    try:
        if len(text) - len(bare) > 2 or (text != bare and len(text) % 4):
            raise binascii.Error("incorrect padding")
        return base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        reason = str(error)
        raise ConversionError(f"invalid base64: {reason[0].lower()}{reason[1:]}") from None


def write_double(number: float, depth: int = 0) -> float | str:
    """Write a double: a number, or the string for NaN or an infinity."""
    # For NaN and the infinities the difference is NaN.
    if number - number == 0.0:
        return number
    if number != number:
        return "NaN"
    return "Infinity" if number > 0 else "-Infinity"


def write_float(number: float, depth: int = 0) -> float | str:
    """Write a 32-bit float with as few digits as identify it."""
    if number - number != 0.0:
        return write_double(number)
    bits = single_bits(number)
    candidates = (float(f"{number:.{digits}g}") for digits in range(6, 9))
    short = (candidate for candidate in candidates if single_bits(candidate) == bits)
    return next(short, float(f"{number:.9g}"))


def single_bits(number: float) -> bytes | None:
    """Return the 32 bits of the nearest float, or ``None`` if that is infinite."""
    try:
        return struct.pack("<f", number)
    except OverflowError:
        return None


def write_bytes(value: bytes, depth: int = 0) -> str:
    """Write bytes as base64 in the standard alphabet with padding."""
    return base64.b64encode(value).decode("ascii")


def reader_of(field: Field, *, quoted: bool = True) -> ScalarReader:
    """Return the reader of a field that is neither an enum nor a message.

    Args:
        field: The field.
        quoted: Whether it also accepts numbers in strings.
    """
    if field.kind in (Kind.DOUBLE, Kind.FLOAT):
        return float_reader(single=field.kind is Kind.FLOAT, quoted=quoted, field=field)
    return (READERS if quoted else UNQUOTED_READERS)[field.kind]


#: The reader of each kind except enums and messages.
READERS: Mapping[Kind, ScalarReader] = {
    **{kind: integer_reader(kind) for kind in INTEGER_RANGES},
    Kind.BOOL: read_bool,
    Kind.BYTES: read_bytes,
    Kind.DOUBLE: float_reader(single=False),
    Kind.FLOAT: float_reader(single=True),
    Kind.STRING: read_string,
}

#: The same readers, but these reject numbers in strings.
UNQUOTED_READERS: Mapping[Kind, ScalarReader] = {
    **READERS,
    **{kind: integer_reader(kind, quoted=False) for kind in INTEGER_RANGES},
    Kind.DOUBLE: float_reader(single=False, quoted=False),
    Kind.FLOAT: float_reader(single=True, quoted=False),
}
