"""The wire format: varints, and the errors for bytes that protobuf cannot parse."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.descriptor import FieldDescriptor

from crucible_ir.errors import DecodeError
from crucible_ir.schema.fields import describe_field
from crucible_ir.serialization.conversion_error import ConversionError, too_deep
from crucible_ir.serialization.limits import MAX_DEPTH

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor

_VARINT, _FIXED64, _LENGTH, _START_GROUP, _END_GROUP, _FIXED32 = range(6)
_MAX_FIELD_NUMBER = 2**29 - 1


def diagnose(data: object, descriptor: Descriptor, error: Exception) -> DecodeError:
    """Return the error for bytes that protobuf cannot parse, with the offset and the path.

    Args:
        data: The bytes.
        descriptor: The expected type.
        error: The error that protobuf raised.
    """
    if not isinstance(data, (bytes, bytearray, memoryview)):
        return DecodeError(f"expected bytes, got {type(data).__name__}")
    raw = bytes(data)
    try:
        _walk(raw, 0, len(raw), descriptor, 0)
    except ConversionError as found:
        reason, path = found.reason, found.decode_error().path
        return DecodeError(f"not a {descriptor.full_name}: {reason}", path=path)
    if isinstance(error, DecodeError):
        return error
    return DecodeError(f"not a {descriptor.full_name}: {error}")


def _walk(
    data: bytes,
    start: int,
    end: int,
    descriptor: Descriptor | None,
    depth: int,
    group: int | None = None,
) -> int:
    """Check the fields of a message, or of an unknown group, and return the offset after them."""
    if depth > MAX_DEPTH:
        raise too_deep()
    at = start
    counts: dict[str, int] = {}
    while at < end:
        tag, after = _read_varint(data, at, end)
        number, kind = tag >> 3, tag & 7
        if not 0 < number <= _MAX_FIELD_NUMBER:
            raise ConversionError(f"invalid field number {number} at byte {at}")
        if kind == _END_GROUP:
            if number != group:
                raise ConversionError(f"byte {at} ends a group {number} that was not begun")
            return after
        field = descriptor.fields_by_number.get(number) if descriptor is not None else None
        try:
            if kind == _START_GROUP:
                # The schema has no groups: this one is unknown, whatever its number.
                at = _walk(data, after, end, None, depth + 1, number)
            else:
                at = _value(data, after, end, kind, field, depth)
        except ConversionError as error:
            if field is None:
                raise
            if describe_field(field).is_list:
                error.under(counts.get(field.name, 0))
            raise error.under(field.name) from None
        if field is not None:
            counts[field.name] = counts.get(field.name, 0) + 1
    if group is not None:
        raise ConversionError(f"truncated at byte {end}, in the middle of a group {group}")
    return at


def _value(
    data: bytes, at: int, end: int, kind: int, field: FieldDescriptor | None, depth: int
) -> int:
    """Check one value and return the offset after it."""
    if kind == _VARINT:
        return _read_varint(data, at, end)[1]
    if kind in (_FIXED32, _FIXED64):
        after = at + (4 if kind == _FIXED32 else 8)
        if after > end:
            raise ConversionError(f"truncated at byte {end}: {after - end} more bytes expected")
        return after
    if kind == _LENGTH:
        size, at = _read_varint(data, at, end)
        if size > end - at:
            raise ConversionError(
                f"truncated at byte {end}: {size - (end - at)} more bytes expected"
            )
        _content(data, at, at + size, field, depth)
        return at + size
    raise ConversionError(f"invalid wire type {kind} at byte {at - 1}")


def _content(data: bytes, start: int, end: int, field: FieldDescriptor | None, depth: int) -> None:
    if field is None:
        return
    if field.type == FieldDescriptor.TYPE_STRING:
        try:
            data[start:end].decode("utf-8")
        except UnicodeDecodeError as error:
            bad = start + error.start
            raise ConversionError(f"byte {bad} (0x{data[bad]:02x}) is not UTF-8") from None
    elif field.message_type is not None:
        _walk(data, start, end, field.message_type, depth + 1)


def _read_varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    value = 0
    for shift in range(10):
        if at + shift >= end:
            raise ConversionError(f"truncated at byte {end}, in the middle of a varint")
        byte = data[at + shift]
        value |= (byte & 0x7F) << (7 * shift)
        if byte < 0x80:
            return value, at + shift + 1
    raise ConversionError(f"the varint at byte {at} is longer than ten bytes")


def encode_varint(number: int) -> bytes:
    """Return a number as a varint; a negative number has ten bytes, as protobuf requires.

    >>> encode_varint(300).hex()
    'ac02'
    """
    number &= 0xFFFF_FFFF_FFFF_FFFF
    data = bytearray()
    while number > 0x7F:
        data.append(number & 0x7F | 0x80)
        number >>= 7
    data.append(number)
    return bytes(data)
