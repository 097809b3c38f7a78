"""Canonical JSON (RFC 8785) and digests, which are the same in every language."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any

import orjson
import rfc8785

from crucible_ir import native
from crucible_ir.schema.unknown_fields import reject_unknown_fields
from crucible_ir.serialization.conversion_error import ConversionError
from crucible_ir.serialization.json import scalars
from crucible_ir.serialization.json.protojson import ProtoJson, to_dict

if TYPE_CHECKING:
    from google.protobuf.message import Message

#: The prefix of every digest, which names the hash function.
DIGEST_PREFIX = "sha256:"

#: The largest integer that rfc8785 accepts.
_MAX_INTEGER = 2**53 - 1

#: Whole doubles up to this one are written as integers.
_LARGEST = float(_MAX_INTEGER)

#: Within this range, orjson writes fractions as RFC 8785 requires.
_SMALLEST_FRACTION, _LARGEST_FRACTION = 1e-5, 1e15

#: The first byte in UTF-8 of a character beyond the BMP. RFC 8785 sorts keys by UTF-16 code units,
#: which gives another order than orjson's for such characters.
_BEYOND_BMP = re.compile(b"[\xf0-\xff]")


def digest(message: Message, *, allow_unknown_fields: bool = False) -> str:
    """Return the digest of a message, which any language with a JCS library can compute.

    It is the SHA-256 of the message's `canonical_json` (proto/README.md, "Digest"). Defaults are
    not filled in: setting a field to its default gives another digest than leaving it unset.

    Args:
        message: Any protobuf message; it need not be valid.
        allow_unknown_fields: Whether to omit unknown fields instead of raising an error.

    Returns:
        ``sha256:`` and 64 lower-case hexadecimal digits.

    Raises:
        EncodeError: ProtoJSON cannot write the message, or it has unknown fields; the error has
            the path.

    >>> from crucible_ir import v1
    >>> digest(v1.BackendRef(id="gpt4", profile="default", options={"temperature": 0}))
    'sha256:84c640a093fa860f391457038b85cf2e3c01d99d1c2bc1f43ba366756f13b803'
    """
    if (known := native.digest(message)) is not None:
        return known
    canonical = canonical_json(message, allow_unknown_fields=allow_unknown_fields)
    return DIGEST_PREFIX + hashlib.sha256(canonical).hexdigest()


def canonical_json(message: Message, *, allow_unknown_fields: bool = False) -> bytes:
    """Return a message as canonical JSON: its ProtoJSON, written as RFC 8785 requires.

    The arguments and errors are those of `digest`. Numbers are written as in ECMAScript, where -0
    becomes 0.

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
        # The message has a number that only rfc8785 writes correctly, or that JSON cannot write.
        pass
    return rfc8785.dumps(_with_safe_integers(to_dict(message)))


class _Canonical(ProtoJson):
    """ProtoJSON that accepts only the numbers that orjson writes as RFC 8785 requires."""

    def write_double(self, number: float, depth: int) -> float | int | str:
        """Write a double; a whole number becomes an integer."""
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
        raise ConversionError("orjson may write this number in another way than RFC 8785")

    def double_map_writer(self, values: Any, depth: int) -> dict[str, object]:
        """Write a map from strings to doubles."""
        return {key: self.write_double(values[key], depth) for key in values}


_CANONICAL = _Canonical()


def _with_safe_integers(value: Any) -> Any:
    """Return JSON values in which integers that rfc8785 rejects are replaced by doubles."""
    if isinstance(value, dict):
        return {key: _with_safe_integers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_safe_integers(item) for item in value]
    if type(value) is int and abs(value) > _MAX_INTEGER:
        return float(value)
    return value
