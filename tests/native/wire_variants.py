"""Rewrites encoded messages as other libraries, or hostile senders, may encode them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

VARINT, FIXED64, DELIMITED, START, END, FIXED32 = range(6)

#: How many bytes a scalar in a packed list has, by its type; others are varints.
_FIXED = {
    FieldDescriptor.TYPE_DOUBLE: (FIXED64, 8),
    FieldDescriptor.TYPE_FIXED64: (FIXED64, 8),
    FieldDescriptor.TYPE_SFIXED64: (FIXED64, 8),
    FieldDescriptor.TYPE_FLOAT: (FIXED32, 4),
    FieldDescriptor.TYPE_FIXED32: (FIXED32, 4),
    FieldDescriptor.TYPE_SFIXED32: (FIXED32, 4),
}
_NOT_PACKED = {
    FieldDescriptor.TYPE_STRING,
    FieldDescriptor.TYPE_BYTES,
    FieldDescriptor.TYPE_MESSAGE,
    FieldDescriptor.TYPE_GROUP,
}

#: Unknown fields, well formed and not: of every wire type, with the greatest number, and groups
#: that nest, hold the number 0, or end with another number.
_UNKNOWN = [
    *map(
        bytes.fromhex,
        (
            *(
                "f8ffffff0f01",
                "f8ff0705",
                "f9ff070000000000000000",
                "faff07036e6577",
                "fdff0700000000",
            ),
            *(
                "fbff07fcff07",
                "fbff070801fcff07",
                "fbff070b0cfcff07",
                "fbff070000fcff07",
                "0b0c",
                "130801140a0161",
            ),
            *("fbff07", "fcff07", "fbff070cfcff07", "0000", "f8ff07ffffffffffffffffff01"),
            *("f8ff07ffffffffffffffffffff01", "faff07ffffffff7f", "feff0700"),
        ),
    )
]


@dataclass
class _Field:
    """A field as it is encoded.

    Attributes:
        number: The field number.
        wire_type: The wire type.
        content: What follows the tag, less the length of a delimited field.
    """

    number: int
    wire_type: int
    content: bytes

    def encode(self, random: Random | None = None) -> bytes:
        """Encode the field; sometimes with varints that are longer than needed."""
        extra = random.choice((0, 0, 0, 1, 2)) if random else 0
        tag = varint(self.number << 3 | self.wire_type, extra)
        length = varint(len(self.content), extra) if self.wire_type == DELIMITED else b""
        return tag + length + self.content


def varint(value: int, extra: int = 0) -> bytes:
    """Encode a varint, with a number of bytes that it does not need."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    for _ in range(extra):
        encoded[-1] |= 0x80
        encoded.append(0)
    return bytes(encoded)


def rewritten(data: bytes, type_: Any, random: Random) -> bytes:
    """Rewrite an encoded message at random, at any depth.

    Args:
        data: The message.
        type_: Its descriptor.
        random: Decides what changes.

    Fields change their order, occur twice, or are split where they are messages; lists of numbers
    are packed or not; varints become longer; unknown fields are added. Most results can be read.
    """
    fields = list(_fields(data))
    changed: list[_Field] = []
    for field in fields:
        changed += _changed(field, type_.fields_by_number.get(field.number), random)
    match random.randrange(6):
        case 0:
            random.shuffle(changed)
        case 1:
            changed.sort(key=lambda field: -field.number)
        case 2 if changed:
            changed.insert(random.randrange(len(changed) + 1), random.choice(changed))
    long = random if random.random() < 0.1 else None
    parts = [field.encode(long) for field in changed]
    if random.random() < 0.1:
        parts.insert(random.randrange(len(parts) + 1), random.choice(_UNKNOWN))
    return b"".join(parts)


def _fields(data: bytes) -> Iterator[_Field]:
    """Yield the fields of a valid message, which has no groups."""
    at = 0
    while at < len(data):
        tag, at = _read_varint(data, at)
        start = at
        match tag & 7:
            case 0:
                _, at = _read_varint(data, at)
            case 1:
                at += 8
            case 2:
                length, start = _read_varint(data, at)
                at = start + length
            case 5:
                at += 4
            case other:
                raise ValueError(f"wire type {other}")
        yield _Field(tag >> 3, tag & 7, data[start:at])


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def _changed(field: _Field, described: FieldDescriptor | None, random: Random) -> list[_Field]:
    """Return what replaces a field."""
    if described is None or field.wire_type not in (DELIMITED, VARINT, FIXED64, FIXED32):
        return [field]
    if described.message_type is not None:
        if random.random() < 0.2 and field.content:
            inner = list(_fields(field.content))
            cut = random.randrange(len(inner) + 1)
            halves = (inner[:cut], inner[cut:])
            return [
                _Field(field.number, DELIMITED, b"".join(each.encode() for each in half))
                for half in halves
            ]
        return [
            _Field(
                field.number, DELIMITED, rewritten(field.content, described.message_type, random)
            )
        ]
    if described.is_repeated and described.type not in _NOT_PACKED:
        if field.wire_type == DELIMITED and random.random() < 0.5:
            return list(_unpacked(field, described))
        if field.wire_type != DELIMITED and random.random() < 0.5:
            return [_Field(field.number, DELIMITED, field.content)]
    return [field]


def _unpacked(field: _Field, described: FieldDescriptor) -> Iterator[_Field]:
    wire_type, size = _FIXED.get(described.type, (VARINT, 0))
    at = 0
    while at < len(field.content):
        end = at + size if size else _read_varint(field.content, at)[1]
        yield _Field(field.number, wire_type, field.content[at:end])
        at = end
