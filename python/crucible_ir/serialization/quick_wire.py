"""The binary format of plain values, as byte text: what quick readers put messages together of.

A quick reader does not fill a message: it writes the message's bytes, which protobuf then parses
once. Making the object through which Python reaches a message inside a message takes 70 to 100 ns,
for each entry of an opaque map as well, and parsing all of a nested experiment 900. The bytes are
written as text (see `byte_text`); tags, lengths and enum values come from tables, so that a string
field takes 60 ns and an enum field 30.

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

from crucible_ir.serialization.byte_text import ENCODING
from crucible_ir.serialization.json.opaque import MAX_EXACT_INTEGER
from crucible_ir.serialization.json.scalars import INTEGER_RANGES
from crucible_ir.serialization.quick_values import ORDINARY_DEPTH, not_ordinary
from crucible_ir.serialization.varints import varint

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
#: The lengths and numbers that a table keeps are less than this.
_TABLE_SIZE = 1024
#: How many names a table keeps, and how long they are at most.
_MAX_NAMES, _MAX_NAME_LENGTH = 2048, 64
#: Below which number integers are kept as doubles.
_DOUBLES_KEPT = 4096

#: The tag of a map's value that is a double.
_DOUBLE_VALUE = "\x11"

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


@cache
def pack_tagged_double(size: int) -> Callable[[bytes, float], bytes]:
    """Return what packs a tag of a size in bytes and a double."""
    return Struct(f"<{size}sd").pack


class Table(dict[int, str]):
    """Byte text by a number: made when it is first asked for, and kept for small numbers.

    Attributes:
        make: Makes that of a number.
        size: Below which number it is kept.
    """

    def __init__(self, make: Callable[[int], str], size: int = _TABLE_SIZE) -> None:
        super().__init__()
        self.make = make
        self.size = size

    def __missing__(self, number: int) -> str:
        """Make that of a number."""
        made = self.make(number)
        if 0 <= number < self.size:
            self[number] = made
        return made


class NameTable(dict[str, str]):
    """Byte text by a name: made when it is first asked for, and kept while there is room.

    Documents that are read one after the other tend to have the same keys in their maps.

    Attributes:
        make: Makes that of a name.
    """

    def __init__(self, make: Callable[[str], str]) -> None:
        super().__init__()
        self.make = make

    def __missing__(self, name: str) -> str:
        """Make that of a name."""
        made = self.make(name)
        if len(self) < _MAX_NAMES and len(name) <= _MAX_NAME_LENGTH:
            self[name] = made
        return made


def tag(number: int, wire_type: int) -> str:
    """Return the tag of a field."""
    return _varint(number << 3 | wire_type)


def _varint(number: int) -> str:
    return varint(number).decode(ENCODING)


@cache
def heads(number: int) -> Table:
    """Return what stands before the bytes of a field, by how many these are."""
    start = tag(number, _LENGTH)
    return Table(lambda size: start + _varint(size))


@cache
def double_entry_heads(number: int) -> NameTable:
    """Return what stands before the double in a map's entry, by the name that is its key."""
    head, start = heads(number), heads(1)

    def make(name: str) -> str:
        inner = start[len(name)] + name + _DOUBLE_VALUE
        return head[len(inner) + 8] + inner

    return NameTable(make)


def fixed_tag(field: FieldDescriptor) -> str:
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

    def make(number: int) -> str:
        if not low <= number <= high:
            not_ordinary()
        if pack is not None:
            return start + pack(number).decode(ENCODING)
        if zigzag:
            number = number << 1 if number >= 0 else ~(number << 1)
        return start + _varint(number)

    return Table(make)


def flags(field: FieldDescriptor) -> tuple[str, str]:
    """Return a boolean field that is false, and one that is true."""
    start = tag(field.number, _VARINT)
    return start + "\0", start + "\1"


def enum_values(number: int, numbers: dict[str, int]) -> dict[str, str]:
    """Return an enum field by the name of its value.

    Args:
        number: The field's number.
        numbers: The numbers of the values by name.
    """
    return {name: tag(number, _VARINT) + _varint(value) for name, value in numbers.items()}


_ITEMS = ENTRIES = _KEYS_HEADS = heads(1)
_VALUES = heads(2)
_STRINGS = heads(3)
_NUMBER = "\x11"
_STRUCTS = heads(5)
_LISTS = heads(6)
_NULL, _FALSE, _TRUE = "\x08\0", "\x20\0", "\x20\1"


def _key(name: str) -> str:
    return _KEYS_HEADS[len(name)] + name


def _number_head(name: str) -> str:
    inner = _key(name) + _VALUES[9] + _NUMBER
    return ENTRIES[len(inner) + 8] + inner


def _exact_double(number: int) -> str:
    if not -MAX_EXACT_INTEGER <= number <= MAX_EXACT_INTEGER:
        not_ordinary()
    return pack_double(number).decode(ENCODING)


#: The key of an entry by its name, and what stands before a number by the name of its entry.
KEYS, NUMBER_HEADS = NameTable(_key), NameTable(_number_head)
#: Integers as doubles.
EXACT_DOUBLES = Table(_exact_double, _DOUBLES_KEPT)
#: What stands between the key of an entry and short text, by how many bytes that has.
SHORT_TEXT = 56
SHORT_TEXTS = [_VALUES[size + 2] + _STRINGS[size] for size in range(SHORT_TEXT)]
_TEXT_VALUES = Table(lambda size: _VALUES[len(_STRINGS[size]) + size] + _STRINGS[size])
#: What stands between the key of an entry and the object that is its value, by its bytes.
_STRUCT_VALUES = Table(lambda size: _VALUES[len(_STRUCTS[size]) + size] + _STRUCTS[size])


def struct_text(value: Any, depth: int) -> str:
    """Return the byte text of a Struct from a plain object."""
    if depth > ORDINARY_DEPTH:
        not_ordinary()
    made = ""
    for name, item in value.items():
        kind = type(item)
        # What is not finite makes NaN of its difference, which equals nothing.
        if kind is int:
            made += NUMBER_HEADS[name] + EXACT_DOUBLES[item]
        elif kind is float and item - item == 0.0:
            made += NUMBER_HEADS[name] + pack_double(item).decode(ENCODING)
        elif kind is str and len(item) < SHORT_TEXT:
            key, inner = KEYS[name], SHORT_TEXTS[len(item)]
            made += f"{ENTRIES[len(key) + len(inner) + len(item)]}{key}{inner}{item}"
        else:
            made += entry(name, item, depth)
    return made


def entry(name: str, item: Any, depth: int) -> str:
    """Return an entry of a Struct from its key and its plain value."""
    key, kind = KEYS[name], type(item)
    if kind is str:
        inner = _TEXT_VALUES[len(item)]
    elif kind is dict:
        item = struct_text(item, depth + 3)
        inner = _STRUCT_VALUES[len(item)]
    else:
        item = value_text(item, depth + 2)
        inner = _VALUES[len(item)]
    return f"{ENTRIES[len(key) + len(inner) + len(item)]}{key}{inner}{item}"


def list_text(value: Any, depth: int) -> str:
    """Return the byte text of a ListValue from a plain list."""
    if type(value) is not list or depth > ORDINARY_DEPTH:
        not_ordinary()
    parts: list[str] = []
    for item in value:
        made = value_text(item, depth + 1)
        parts += _ITEMS[len(made)], made
    return "".join(parts)


def value_text(value: Any, depth: int) -> str:
    """Return the byte text of a Value from a plain value."""
    kind = type(value)
    if kind is str:
        text: str = _STRINGS[len(value)] + value
        return text
    if kind is float:
        if value - value != 0.0:
            not_ordinary()
        return _NUMBER + pack_double(value).decode(ENCODING)
    if kind is int:
        return _NUMBER + EXACT_DOUBLES[value]
    if kind is bool:
        return _TRUE if value else _FALSE
    if value is None:
        return _NULL
    if kind is dict:
        made = struct_text(value, depth + 1)
        return _STRUCTS[len(made)] + made
    made = list_text(value, depth + 1)
    return _LISTS[len(made)] + made


def double_entries(value: Any, heads: NameTable) -> str:
    """Return the entries of a map of doubles by name, from a plain object."""
    made = ""
    for name, number in value.items():
        if type(number) is not float and type(number) is not int:
            not_ordinary()
        made += heads[name] + pack_double(number).decode(ENCODING)
    return made


_EPOCH = datetime(1970, 1, 1)
_SECOND_NUMBERS = {f"{second:02}": second for second in range(60)}
_ORDINARY_MINUTE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:", re.ASCII)
_SECONDS, _NANOS = tag(1, _VARINT), tag(2, _VARINT)


@lru_cache(maxsize=1024)
def _minute(text: str) -> NameTable:
    """Return the seconds field by the seconds' two digits."""
    if not _ORDINARY_MINUTE.fullmatch(text):
        not_ordinary()
    since = datetime.fromisoformat(f"{text}00") - _EPOCH
    start = since.days * 86_400 + since.seconds
    return NameTable(lambda digits: _SECONDS + _varint(start + _SECOND_NUMBERS[digits]))


@lru_cache(maxsize=4096)
def _nanos(rest: str) -> str:
    digits = rest[1:-1]
    ordinary = rest[0] == "." and rest[-1] == "Z" and digits.isascii() and digits.isdigit()
    if not ordinary or len(digits) > 9:
        not_ordinary()
    return _NANOS + _varint(int(digits.ljust(9, "0")))


def timestamp_text(value: Any, _: int) -> str:
    """Return the byte text of a Timestamp from RFC 3339 text in UTC."""
    # Moments that are read one after the other tend to share their minute.
    seconds = _minute(value[:17])[value[17:19]]
    rest = value[19:]
    return seconds if rest == "Z" else seconds + _nanos(rest)
