"""Canonical JSON and digests: the one text of a message that every language writes alike."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any

import orjson
import rfc8785

from crucible_ir.schema.unknown_fields import reject_unknown_fields
from crucible_ir.serialization.conversion_error import ConversionError
from crucible_ir.serialization.json import scalars
from crucible_ir.serialization.json.protojson import ProtoJson, to_dict

if TYPE_CHECKING:
    from google.protobuf.message import Message

#: What a digest begins with: the name of the hash function.
DIGEST_PREFIX = "sha256:"

#: The largest integer that rfc8785 takes as such; a double is written the same way beyond it.
_MAX_INTEGER = 2**53 - 1

#: Whole numbers up to this one are written as integers.
_LARGEST = float(_MAX_INTEGER)

#: Fractions of this size are written alike by orjson and RFC 8785.
_SMALLEST_FRACTION, _LARGEST_FRACTION = 1e-5, 1e15

#: The first byte of a character that UTF-16, by which RFC 8785 sorts keys, writes as two units.
_BEYOND_BMP = re.compile(b"[\xf0-\xff]")


def digest(message: Message, *, allow_unknown_fields: bool = False) -> str:
    """Return the digest of a message: what any language with a JCS library computes for it.

    It is the SHA-256 of the message's `canonical_json` (proto/README.md, "Digest"). Defaults are
    not filled in, so a message that spells a default out differs from one that leaves it unset.

    Args:
        message: Any protobuf message; it need not be valid.
        allow_unknown_fields: Whether to leave out fields that the schema does not know, rather
            than refuse a message that holds some.

    Returns:
        ``sha256:`` and 64 lower-case hexadecimal digits.

    Raises:
        EncodeError: ProtoJSON cannot write the message, or it holds unknown fields; the error names
            the path.

    >>> from crucible_ir import v1
    >>> digest(v1.BackendRef(id="gpt4", profile="default", options={"temperature": 0}))
    'sha256:84c640a093fa860f391457038b85cf2e3c01d99d1c2bc1f43ba366756f13b803'
    """
    canonical = canonical_json(message, allow_unknown_fields=allow_unknown_fields)
    return DIGEST_PREFIX + hashlib.sha256(canonical).hexdigest()


def canonical_json(message: Message, *, allow_unknown_fields: bool = False) -> bytes:
    """Return the RFC 8785 form of a message's ProtoJSON; arguments and errors as in `digest`.

    Numbers are written as ECMAScript does, so -0 becomes 0.

    >>> from crucible_ir import v1
    >>> canonical_json(v1.StageDef(name="score", options={"b": 1e21, "a": 1.0}))
    b'{"name":"score","options":{"a":1,"b":1e+21}}'
    """
    if not allow_unknown_fields:
        reject_unknown_fields(message, purpose="the digest")
    try:
        text = orjson.dumps(_CANONICAL.to_json_value(message), option=orjson.OPT_SORT_KEYS)
        if text.isascii() or not _BEYOND_BMP.search(text):
            return text
    except (ConversionError, RecursionError):
        # The message has a number of another size, or one that JSON cannot write.
        pass
    return rfc8785.dumps(_with_safe_integers(to_dict(message)))


class _Canonical(ProtoJson):
    """ProtoJSON with the numbers that orjson writes as RFC 8785 asks; it rejects all others."""

    def write_double(self, number: float, depth: int) -> float | int | str:
        """Write a double, a whole one as an integer."""
        if number - number != 0.0:
            return scalars.write_double(number)
        return self.write_opaque_number(number)

    def write_float(self, number: float, depth: int) -> float | int | str:
        """Write a 32-bit float."""
        written = scalars.write_float(number)
        return written if isinstance(written, str) else self.write_opaque_number(written)

    def write_opaque_number(self, number: float) -> float | int:
        """Write a number of opaque JSON."""
        if number.is_integer() and -_LARGEST <= number <= _LARGEST:
            return int(number)
        if _SMALLEST_FRACTION <= abs(number) < _LARGEST_FRACTION:
            return number
        raise ConversionError("a number that orjson may write in another way")

    def double_map_writer(self, values: Any, depth: int) -> dict[str, object]:
        """Write a map from strings to doubles."""
        return {key: self.write_double(values[key], depth) for key in values}


_CANONICAL = _Canonical()


def _with_safe_integers(value: Any) -> Any:
    """Return plain values in which an integer that rfc8785 would refuse is the same double."""
    if isinstance(value, dict):
        return {key: _with_safe_integers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_safe_integers(item) for item in value]
    if type(value) is int and abs(value) > _MAX_INTEGER:
        return float(value)
    return value
