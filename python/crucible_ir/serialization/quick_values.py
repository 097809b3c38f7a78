"""The quick way to plain values of what every form writes alike: opaque JSON, timestamps.

A quick function handles what is ordinary and raises `NotOrdinaryError` (or whatever Python raises)
for the rest; the careful codec of the form then decides, and names the path.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache
from itertools import chain
from typing import Any, NoReturn

from crucible_ir.serialization.json.opaque import MAX_EXACT_INTEGER
from crucible_ir.serialization.json.timestamps import MAX_SECONDS, MIN_SECONDS, NANOS_PER_SECOND

#: The depth up to which a reader does not have to count exactly.
ORDINARY_DEPTH = 60
#: How far messages that hold their own type, and opaque JSON, nest before a writer has to count.
ORDINARY_NESTING = 8

#: The least and the greatest number that is written as an integer; floats, as what they bound is.
EXACT_INTEGERS = _LEAST_EXACT, _MOST_EXACT = float(-MAX_EXACT_INTEGER), float(MAX_EXACT_INTEGER)
_EPOCH = datetime(1970, 1, 1)
_SECONDS = [f"{second:02}" for second in range(60)]


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
        if number := value.number_value:
            made[key] = write_number(number)
        else:
            made[key] = value.string_value or write_other(value, nesting)
    return made


def write_list(values: Any, nesting: int) -> list[object]:
    """Return a ListValue as a plain list."""
    if nesting > ORDINARY_NESTING:
        not_ordinary()
    return [value.string_value or write_value(value, nesting) for value in values.values[:]]


def write_value(value: Any, nesting: int) -> object:
    """Return a Value as a plain value."""
    if number := value.number_value:
        return write_number(number)
    return value.string_value or write_other(value, nesting)


def write_number(number: float) -> float | int:
    """Return a number of opaque JSON other than zero: as an integer where it is one."""
    # Comparing floats with floats takes less time than with integers.
    if number.is_integer() and _LEAST_EXACT <= number <= _MOST_EXACT:
        return int(number)
    return finite(number)


def write_other(value: Any, nesting: int) -> object:
    """Return a Value that is neither text nor a number, or is empty or zero."""
    if "struct_value" in value:
        return write_struct(value.struct_value, nesting + 1)
    if value.bool_value:
        return True
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return ""
    if kind == "bool_value":
        return False
    if kind == "list_value":
        return write_list(value.list_value, nesting + 1)
    if kind == "number_value":
        number = value.number_value
        # Minus zero has no integer either.
        return number if str(number)[0] == "-" else 0
    return None if kind == "null_value" else not_ordinary()


@lru_cache(maxsize=4096)
def _minute(minutes: int) -> str:
    if not MIN_SECONDS <= minutes * 60 <= MAX_SECONDS:
        not_ordinary()
    return (_EPOCH + timedelta(minutes=minutes)).isoformat()[:-2]


def write_timestamp(moment: Any, _: int) -> str:
    """Return a Timestamp as ProtoJSON writes it: with no digits after the point, 3, 6 or 9."""
    seconds: int = moment.seconds
    nanos: int = moment.nanos
    # Moments that are written one after the other tend to share their minute.
    second = f"{_minute(seconds // 60)}{_SECONDS[seconds % 60]}"
    return f"{second}{_fraction(nanos)}" if nanos else f"{second}Z"


def write_shortest_timestamp(moment: Any, _: int) -> str:
    """Return a Timestamp with as few digits after the point as it needs."""
    seconds: int = moment.seconds
    nanos: int = moment.nanos
    second = f"{_minute(seconds // 60)}{_SECONDS[seconds % 60]}"
    return f"{second}{_shortest_fraction(nanos)}" if nanos else f"{second}Z"


@lru_cache(maxsize=4096)
def _fraction(nanos: int) -> str:
    if not 0 < nanos < NANOS_PER_SECOND:
        not_ordinary()
    if nanos % 1_000_000 == 0:
        return f".{nanos // 1_000_000:03}Z"
    return f".{nanos:09}Z" if nanos % 1000 else f".{nanos // 1000:06}Z"


@lru_cache(maxsize=4096)
def _shortest_fraction(nanos: int) -> str:
    return f"{_fraction(nanos)[:-1].rstrip('0')}Z"


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
    rows: list[dict[str, float]] = []
    for numbers in maps:
        # Up to Python 3.11 a comprehension for each would be a call for each.
        row: dict[str, float] = {}
        for key in numbers:
            row[key] = numbers[key]
        rows.append(row)
    total = sum(chain.from_iterable(map(dict.values, rows)))
    return rows if total - total == 0.0 else not_ordinary()
