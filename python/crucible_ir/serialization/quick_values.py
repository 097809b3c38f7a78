"""The quick way between plain values and what every form writes alike: opaque JSON, timestamps.

A quick function handles what is ordinary and raises `NotOrdinaryError` (or whatever Python raises)
for the rest; the careful codec of the form then decides, and names the path.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import chain
from typing import Any, NoReturn

from crucible_ir.serialization.opaque import MAX_EXACT_INTEGER
from crucible_ir.serialization.timestamps import MAX_SECONDS, MIN_SECONDS, NANOS_PER_SECOND

#: The depth up to which a reader does not have to count exactly.
ORDINARY_DEPTH = 60
#: How far messages that hold their own type, and opaque JSON, nest before a writer has to count.
ORDINARY_NESTING = 8

_LEAST_EXACT, _MOST_EXACT = float(-MAX_EXACT_INTEGER), float(MAX_EXACT_INTEGER)
_EPOCH = datetime(1970, 1, 1)
_SECONDS = [f"{second:02}" for second in range(60)]
_SECOND_NUMBERS = {text: second for second, text in enumerate(_SECONDS)}
_MILLISECONDS = [f".{number:03}Z" for number in range(1000)]
_MILLISECOND_NANOS = {text: number * 1_000_000 for number, text in enumerate(_MILLISECONDS)}
_ORDINARY_MINUTE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:", re.ASCII)


class NotOrdinaryError(Exception):
    """The quick way does not know; the careful one does."""


def not_ordinary() -> NoReturn:
    """Leave the value to the careful codec."""
    raise NotOrdinaryError


def write_struct(struct: Any, nesting: int) -> dict[str, object]:
    """Return a Struct as a plain object."""
    if nesting > ORDINARY_NESTING:
        not_ordinary()
    fields = struct.fields
    made: dict[str, object] = {}
    for key in fields:
        value = fields[key]
        # Reading a member that is not set takes less time than asking which one is.
        number = value.number_value
        if number and number.is_integer() and _LEAST_EXACT <= number <= _MOST_EXACT:
            made[key] = int(number)
        else:
            made[key] = value.string_value or write_value(value, nesting)
    return made


def write_list(values: Any, nesting: int) -> list[object]:
    """Return a ListValue as a plain list."""
    if nesting > ORDINARY_NESTING:
        not_ordinary()
    return [value.string_value or write_value(value, nesting) for value in values.values[:]]


def write_number(number: float) -> float | int:
    """Return a number of opaque JSON other than zero: as an integer where it is one."""
    # Comparing floats with floats takes less time than with integers.
    if number.is_integer() and _LEAST_EXACT <= number <= _MOST_EXACT:
        return int(number)
    return finite(number)


def write_value(value: Any, nesting: int) -> object:
    """Return a Value as a plain value."""
    number = value.number_value
    if number:
        return write_number(number)
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return write_struct(value.struct_value, nesting + 1)
    if kind == "string_value":
        return value.string_value
    if kind == "bool_value":
        return value.bool_value
    if kind == "list_value":
        return write_list(value.list_value, nesting + 1)
    if kind == "number_value":
        # Minus zero has no integer either.
        return number if str(number)[0] == "-" else 0
    return None if kind == "null_value" else not_ordinary()


@lru_cache(maxsize=4096)
def _minute(minutes: int) -> str:
    if not MIN_SECONDS <= minutes * 60 <= MAX_SECONDS:
        not_ordinary()
    return (_EPOCH + timedelta(minutes=minutes)).isoformat()[:-2]


def write_timestamp(moment: Any, _: int) -> str:
    """Return a Timestamp as ProtoJSON writes it."""
    seconds: int = moment.seconds
    nanos: int = moment.nanos
    # Moments that are written one after the other tend to share their minute.
    second = f"{_minute(seconds // 60)}{_SECONDS[seconds % 60]}"
    if not nanos:
        return f"{second}Z"
    if not 0 < nanos < NANOS_PER_SECOND:
        not_ordinary()
    if nanos % 1_000_000 == 0:
        return second + _MILLISECONDS[nanos // 1_000_000]
    fraction = f"{nanos:09}" if nanos % 1000 else f"{nanos // 1000:06}"
    return f"{second}.{fraction}Z"


def write_shortest_timestamp(moment: Any, _: int) -> str:
    """Return a Timestamp with as few digits after the point as it needs."""
    text = write_timestamp(moment, 0)
    return f"{text[:-1].rstrip('0')}Z" if text[-2] == "0" and moment.nanos else text


def read_struct(value: Any, struct: Any, depth: int) -> None:
    """Fill a Struct from a plain object."""
    if type(value) is not dict or depth > ORDINARY_DEPTH:
        not_ordinary()
    if not value:
        struct.SetInParent()
        return
    fields = struct.fields
    for key, item in value.items():
        # The most frequent of values take no call.
        kind = type(item)
        if kind is str:
            fields[key].string_value = item
        elif (kind is float or kind is int) and _LEAST_EXACT < (
            number := float(item)
        ) < _MOST_EXACT:
            # Setting a float takes half the time of setting an integer.
            fields[key].number_value = number
        else:
            read_value(item, fields[key], depth + 2)


def read_list(value: Any, target: Any, depth: int) -> None:
    """Fill a ListValue from a plain list."""
    if type(value) is not list or depth > ORDINARY_DEPTH:
        not_ordinary()
    if not value:
        target.SetInParent()
        return
    values = target.values
    for item in value:
        read_value(item, values.add(), depth + 1)


def read_value(value: Any, target: Any, depth: int) -> None:
    """Fill a Value from a plain value."""
    kind = type(value)
    if kind is str:
        target.string_value = value
    elif kind is float:
        # What is not finite makes NaN of its difference, which equals nothing.
        target.number_value = value if value - value == 0.0 else not_ordinary()
    elif kind is int:
        if not -MAX_EXACT_INTEGER <= value <= MAX_EXACT_INTEGER:
            not_ordinary()
        target.number_value = float(value)
    elif kind is bool:
        target.bool_value = value
    elif value is None:
        target.null_value = 0
    elif kind is dict:
        read_struct(value, target.struct_value, depth + 1)
    else:
        read_list(value, target.list_value, depth + 1)


@lru_cache(maxsize=4096)
def _minute_seconds(minute: str) -> int:
    if not _ORDINARY_MINUTE.fullmatch(minute):
        not_ordinary()
    since = datetime.fromisoformat(f"{minute}00") - _EPOCH
    return since.days * 86_400 + since.seconds


def read_timestamp(value: Any, target: Any, _: int) -> None:
    """Fill a Timestamp from RFC 3339 text in UTC."""
    seconds = _minute_seconds(value[:17]) + _SECOND_NUMBERS[value[17:19]]
    rest = value[19:]
    target.seconds = seconds
    if rest == "Z":
        return
    if rest in _MILLISECOND_NANOS:
        target.nanos = _MILLISECOND_NANOS[rest]
        return
    digits = rest[1:-1]
    ordinary = rest[0] == "." and rest[-1] == "Z" and digits.isascii() and digits.isdigit()
    if not ordinary or len(digits) > 9:
        not_ordinary()
    target.nanos = int(digits.ljust(9, "0"))


def finite(number: float) -> float:
    """Return a number that JSON can write."""
    # The difference is NaN, which equals nothing, for what is not finite.
    return number if number - number == 0.0 else not_ordinary()


def write_doubles(numbers: Any) -> dict[str, float]:
    """Return a map of doubles as a plain object."""
    made = {key: numbers[key] for key in numbers}
    total = sum(made.values())
    # A sum that is finite had no part that is not.
    return made if total - total == 0.0 else not_ordinary()


def write_rows(maps: list[Any]) -> list[dict[str, float]]:
    """Return the maps of a table's rows as plain objects, checked together."""
    rows = [{key: numbers[key] for key in numbers} for numbers in maps]
    total = sum(chain.from_iterable(map(dict.values, rows)))
    return rows if total - total == 0.0 else not_ordinary()
