"""The bytes of the binary format for plain values: what the quick readers put messages together of.

A quick reader does not fill a message: it writes the message's bytes, which protobuf then parses
once. Making the object through which Python reaches a message inside a message takes 70 to 100 ns,
for each entry of an opaque map as well, and parsing all of a nested experiment 900. Tags, lengths
and enum values come from tables, so that a string field takes 75 ns and an enum field 40.

What is out of the ordinary raises `NotOrdinaryError`, or whatever Python raises.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from functools import cache, lru_cache
from struct import Struct
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from crucible_ir.serialization.opaque import MAX_EXACT_INTEGER
from crucible_ir.serialization.quick_values import ORDINARY_DEPTH, not_ordinary
from crucible_ir.serialization.scalars import INTEGER_RANGES
from crucible_ir.serialization.varints import varint

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
#: The lengths and numbers that a table keeps, those of one byte, are less than this.
_TABLE_SIZE = 128
#: How many names a table keeps, and how long they are at most.
_MAX_NAMES, _MAX_NAME_LENGTH = 2048, 64

#: The tag of a map's value that is a double.
_DOUBLE_VALUE = b"\x11"

_CPP = FieldDescriptor
#: How the numbers of a type are written whose varint is not simply the number, or that have none.
_LAYOUTS = {
    _CPP.TYPE_DOUBLE: "<d",
    _CPP.TYPE_FLOAT: "<f",
    _CPP.TYPE_FIXED32: "<I",
    _CPP.TYPE_SFIXED32: "<i",
    _CPP.TYPE_FIXED64: "<Q",
    _CPP.TYPE_SFIXED64: "<q",
}
_ZIGZAG = (_CPP.TYPE_SINT32, _CPP.TYPE_SINT64)

pack_double = Struct("<d").pack
join = b"".join


class Table(dict[int, bytes]):
    """Bytes by a number: made when they are first asked for, and kept for small numbers.

    Attributes:
        make: Makes the bytes of a number.
    """

    def __init__(self, make: Callable[[int], bytes]) -> None:
        super().__init__()
        self.make = make

    def __missing__(self, number: int) -> bytes:
        """Make the bytes of a number."""
        made = self.make(number)
        if 0 <= number < _TABLE_SIZE:
            self[number] = made
        return made


class NameTable(dict[str, bytes]):
    """Bytes by a name: made when they are first asked for, and kept while there is room.

    Documents that are read one after the other tend to have the same keys in their maps.

    Attributes:
        make: Makes the bytes of a name.
    """

    def __init__(self, make: Callable[[str], bytes]) -> None:
        super().__init__()
        self.make = make

    def __missing__(self, name: str) -> bytes:
        """Make the bytes of a name."""
        made = self.make(name)
        if len(self) < _MAX_NAMES and len(name) <= _MAX_NAME_LENGTH:
            self[name] = made
        return made


def tag(number: int, wire_type: int) -> bytes:
    """Return the tag of a field."""
    return varint(number << 3 | wire_type)


@cache
def heads(number: int) -> Table:
    """Return what stands before the bytes of a field, by how many these are."""
    start = tag(number, _LENGTH)
    return Table(lambda size: start + varint(size))


@cache
def double_entry_heads(number: int) -> NameTable:
    """Return what stands before the double in a map's entry, by the name that is its key."""
    head, start = heads(number), heads(1)

    def make(name: str) -> bytes:
        key = name.encode()
        inner = start[len(key)] + key + _DOUBLE_VALUE
        return head[len(inner) + 8] + inner

    return NameTable(make)


def fixed_tag(field: FieldDescriptor) -> bytes:
    """Return the tag of a field whose values take 4 or 8 bytes each."""
    wide = _LAYOUTS[field.type] in ("<d", "<Q", "<q")
    return tag(field.number, _FIXED64 if wide else _FIXED32)


@cache
def integers(field: FieldDescriptor) -> Table:
    """Return a field of an integer type by its value.

    Looking a number up that the type does not hold raises `NotOrdinaryError`.
    """
    low, high = INTEGER_RANGES[field.cpp_type]
    layout = _LAYOUTS.get(field.type)
    start = tag(field.number, _VARINT) if layout is None else fixed_tag(field)
    pack = None if layout is None else Struct(layout).pack
    zigzag = field.type in _ZIGZAG

    def make(number: int) -> bytes:
        if not low <= number <= high:
            not_ordinary()
        if pack is not None:
            return start + pack(number)
        if zigzag:
            number = number << 1 if number >= 0 else ~(number << 1)
        return start + varint(number)

    return Table(make)


def flags(field: FieldDescriptor) -> tuple[bytes, bytes]:
    """Return a boolean field that is false, and one that is true."""
    start = tag(field.number, _VARINT)
    return start + b"\0", start + b"\1"


def enum_values(number: int, numbers: dict[str, int]) -> dict[str, bytes]:
    """Return an enum field by the name of its value.

    Args:
        number: The field's number.
        numbers: The numbers of the values by name.
    """
    return {name: tag(number, _VARINT) + varint(value) for name, value in numbers.items()}


_ITEMS = _ENTRIES = _KEYS_HEADS = heads(1)
_VALUES = heads(2)
_STRINGS = heads(3)
_NUMBER = b"\x11"
_STRUCTS = heads(5)
_LISTS = heads(6)
_NULL, _FALSE, _TRUE = b"\x08\x00", b"\x20\x00", b"\x20\x01"


def _key(name: str) -> bytes:
    key = name.encode()
    return _KEYS_HEADS[len(key)] + key


def _number_head(name: str) -> bytes:
    inner = _key(name) + _VALUES[9] + _NUMBER
    return _ENTRIES[len(inner) + 8] + inner


#: The key of an entry by its name, and what stands before a number by the name of its entry.
_KEYS, _NUMBER_HEADS = NameTable(_key), NameTable(_number_head)
#: What stands between the key of an entry and short text, by how many bytes that has.
_SHORT_TEXT = 56
_SHORT_TEXTS = [_VALUES[size + 2] + _STRINGS[size] for size in range(_SHORT_TEXT)]
_TEXT_VALUES = Table(lambda size: _VALUES[len(_STRINGS[size]) + size] + _STRINGS[size])
#: What stands between the key of an entry and the object that is its value, by its bytes.
_STRUCT_VALUES = Table(lambda size: _VALUES[len(_STRUCTS[size]) + size] + _STRUCTS[size])
_LEAST_EXACT, _MOST_EXACT = -MAX_EXACT_INTEGER, MAX_EXACT_INTEGER


def struct_bytes(value: Any, depth: int) -> bytes:
    """Return the bytes of a Struct from a plain object."""
    if depth > ORDINARY_DEPTH:
        not_ordinary()
    parts: list[bytes] = []
    for name, item in value.items():
        kind = type(item)
        # The most frequent of values take no call.
        if kind is int and _LEAST_EXACT <= item <= _MOST_EXACT:
            parts += _NUMBER_HEADS[name], pack_double(item)
            continue
        # What is not finite makes NaN of its difference, which equals nothing.
        if kind is float and item - item == 0.0:
            parts += _NUMBER_HEADS[name], pack_double(item)
            continue
        key = _KEYS[name]
        if kind is str:
            made = item.encode()
            size = len(made)
            inner = _SHORT_TEXTS[size] if size < _SHORT_TEXT else _TEXT_VALUES[size]
        elif kind is dict:
            made = struct_bytes(item, depth + 3)
            inner = _STRUCT_VALUES[len(made)]
        else:
            made = value_bytes(item, depth + 2)
            inner = _VALUES[len(made)]
        parts += _ENTRIES[len(key) + len(inner) + len(made)], key, inner, made
    return join(parts)


def list_bytes(value: Any, depth: int) -> bytes:
    """Return the bytes of a ListValue from a plain list."""
    if type(value) is not list or depth > ORDINARY_DEPTH:
        not_ordinary()
    parts: list[bytes] = []
    for item in value:
        made = value_bytes(item, depth + 1)
        parts += _ITEMS[len(made)], made
    return join(parts)


def value_bytes(value: Any, depth: int) -> bytes:
    """Return the bytes of a Value from a plain value."""
    kind = type(value)
    if kind is str:
        text: bytes = value.encode()
        return _STRINGS[len(text)] + text
    if kind is float:
        return _NUMBER + pack_double(value) if value - value == 0.0 else not_ordinary()
    if kind is int:
        if not _LEAST_EXACT <= value <= _MOST_EXACT:
            not_ordinary()
        return _NUMBER + pack_double(value)
    if kind is bool:
        return _TRUE if value else _FALSE
    if value is None:
        return _NULL
    if kind is dict:
        made = struct_bytes(value, depth + 1)
        return _STRUCTS[len(made)] + made
    made = list_bytes(value, depth + 1)
    return _LISTS[len(made)] + made


def double_entries(value: Any, heads: NameTable) -> bytes:
    """Return the entries of a map of doubles by name, from a plain object."""
    parts: list[bytes] = []
    for name, number in value.items():
        if type(number) is not float and type(number) is not int:
            not_ordinary()
        parts += heads[name], pack_double(number)
    return join(parts)


_EPOCH = datetime(1970, 1, 1)
_SECOND_NUMBERS = {f"{second:02}": second for second in range(60)}
_ORDINARY_MINUTE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:", re.ASCII)
_SECONDS, _NANOS = tag(1, _VARINT), tag(2, _VARINT)
#: The seconds field up to its first byte, by the lowest seven bits where more follow.
_LOWEST = [_SECONDS + bytes([bits | 0x80]) for bits in range(0x80)]
#: Seconds from here on take more bytes than that one.
_LEAST_OF_TWO_BYTES = 1 << 7


@lru_cache(maxsize=4096)
def _minute_seconds(minute: str) -> int:
    if not _ORDINARY_MINUTE.fullmatch(minute):
        not_ordinary()
    since = datetime.fromisoformat(f"{minute}00") - _EPOCH
    return since.days * 86_400 + since.seconds


_upper = lru_cache(maxsize=4096)(varint)


@lru_cache(maxsize=4096)
def _nanos(rest: str) -> bytes:
    digits = rest[1:-1]
    ordinary = rest[0] == "." and rest[-1] == "Z" and digits.isascii() and digits.isdigit()
    if not ordinary or len(digits) > 9:
        not_ordinary()
    return _NANOS + varint(int(digits.ljust(9, "0")))


def timestamp_bytes(value: Any, _: int) -> bytes:
    """Return the bytes of a Timestamp from RFC 3339 text in UTC."""
    # Moments that are read one after the other tend to share their minute.
    number = _minute_seconds(value[:17]) + _SECOND_NUMBERS[value[17:19]]
    if number < _LEAST_OF_TWO_BYTES:
        seconds = _SECONDS + varint(number)
    else:
        seconds = _LOWEST[number & 0x7F] + _upper(number >> 7)
    rest = value[19:]
    return seconds if rest == "Z" else seconds + _nanos(rest)
