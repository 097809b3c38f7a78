"""Converters of single values, and rules: rows of a mapping that work in both directions."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Any, Final

from google.protobuf.timestamp_pb2 import Timestamp

from crucible_ir.interchange.mapping.importing import Import
from crucible_ir.interchange.mapping.source import Source
from crucible_ir.interchange.mapping.target import Target
from crucible_ir.interchange.mapping.values import opaque_json, same
from crucible_ir.serialization.conversion_error import ConversionError
from crucible_ir.serialization.json.opaque import MAX_EXACT_INTEGER
from crucible_ir.serialization.json.timestamps import (
    MAX_SECONDS,
    MIN_SECONDS,
    NANOS_PER_SECOND,
    read_timestamp,
    write_timestamp,
)

#: The most bytes of an id or a name.
MAX_ID_BYTES: Final = 512


class NoConversionError(ValueError):
    """A value has no counterpart; it is kept in an opaque map.

    Attributes:
        reason: Why.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Converter:
    """A conversion of values between a foreign format and this one.

    Attributes:
        read: Converts a foreign value; raises `NoConversionError` for one without counterpart.
        write: Converts a value to the foreign format.
        reason: Why the two are not the same value.
    """

    read: Callable[[Any], Any]
    write: Callable[[Any], Any]
    reason: str


def _as_number(text: Any) -> float | int:
    if isinstance(text, bool) or not isinstance(text, (str, int, float)):
        raise NoConversionError("not a number")
    if not isinstance(text, str):
        return text
    stripped = text.strip()
    if re.fullmatch(r"[+-]?[0-9]{1,19}", stripped):
        return int(stripped)
    if re.fullmatch(
        r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|[+-]?(inf|infinity)|nan",
        stripped,
        re.IGNORECASE,
    ):
        return float(stripped)
    raise NoConversionError(f'"{text[:40]}" does not spell a number')


def _write_number(number: Any) -> str:
    return str(number)


#: A number that the foreign format writes as text, such as "0.001".
NUMBER_TEXT: Final = Converter(_as_number, _write_number, "text that spells a number")


def _read_integer(value: Any) -> int:
    number = _as_number(value)
    if isinstance(number, float):
        if not number.is_integer():
            raise NoConversionError("not a whole number")
        number = int(number)
    return number


def _as_double(value: Any) -> float:
    try:
        return float(_as_number(value))
    except OverflowError:
        raise NoConversionError("too large for a double") from None


def double(value: object) -> float | None:
    """Return a number as a double; ``None`` for other values and integers that a double lacks.

    >>> double(3), double(True), double(2**60 + 1)
    (3.0, None, None)
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    if isinstance(value, int) and abs(value) > MAX_EXACT_INTEGER:
        return None
    return float(value)


def is_id(value: object) -> bool:
    """Return whether a value can be an id or a name: a text of 1 to 512 bytes."""
    return isinstance(value, str) and 0 < len(value.encode("utf-8", "replace")) <= MAX_ID_BYTES


#: A number that the foreign format writes as a number, or sometimes as text.
NUMBER: Final = Converter(_as_double, lambda number: number, "a number, as a double")

#: A whole number that the foreign format writes as a number, or sometimes as text.
WHOLE_NUMBER: Final = Converter(_read_integer, lambda number: number, "a whole number")

#: A whole number that the foreign format writes as text or with a point.
INTEGER_TEXT: Final = Converter(_read_integer, _write_number, "text that spells a whole number")


def _read_boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise NoConversionError("neither true nor false")


#: A boolean that the foreign format writes as text.
BOOLEAN_TEXT: Final = Converter(_read_boolean, str, "text that spells a boolean")


def write_time(nanoseconds: int) -> str:
    """Write a time, given in nanoseconds since 1970, as RFC 3339 in UTC.

    Raises:
        NoConversionError: It is outside the years 1 to 9999.

    >>> write_time(1_767_323_045_600_000_000)
    '2026-01-02T03:04:05.600Z'
    """
    seconds, nanos = divmod(nanoseconds, NANOS_PER_SECOND)
    if not MIN_SECONDS <= seconds <= MAX_SECONDS:
        raise NoConversionError("outside the years 1 to 9999")
    return write_timestamp(Timestamp(seconds=seconds, nanos=nanos))


def read_time(text: object) -> int:
    """Return a time in nanoseconds since 1970; text without offset from UTC is in UTC.

    Args:
        text: The time in RFC 3339, or in ISO 8601 without offset.

    Raises:
        NoConversionError: The text is not a time.

    >>> read_time("2026-01-02 03:04:05.5") == read_time("2026-01-02T04:04:05.5+01:00")
    True
    """
    if not isinstance(text, str):
        raise NoConversionError("not a time in RFC 3339")
    stamp = Timestamp()
    for spelled in (text, f"{text}Z", f"{text}T00:00:00Z"):
        try:
            read_timestamp(spelled, stamp)
        except ConversionError:
            continue
        return stamp.seconds * NANOS_PER_SECOND + stamp.nanos
    raise NoConversionError("not a time in RFC 3339")


def _unix(nanoseconds: int, name: str) -> Converter:
    def read(value: Any) -> str:
        number = _as_number(value)
        if not math.isfinite(number):
            raise NoConversionError("not a finite number")
        return write_time(round(Fraction(number) * nanoseconds))

    def write(text: str) -> int | float:
        elapsed = read_time(text)
        whole, rest = divmod(elapsed, nanoseconds)
        return whole if not rest else float(Fraction(elapsed, nanoseconds))

    return Converter(read, write, f"{name} since 1970")


#: A time in seconds since 1970, whole or with a fraction, as a number or text.
UNIX_SECONDS: Final = _unix(NANOS_PER_SECOND, "seconds")

#: A time in milliseconds since 1970, as a number or text.
UNIX_MILLISECONDS: Final = _unix(1_000_000, "milliseconds")

#: A time in nanoseconds since 1970, as a number or text.
UNIX_NANOSECONDS: Final = _unix(1, "nanoseconds")

#: A time in RFC 3339, or in ISO 8601 without offset.
TIME_TEXT: Final = Converter(
    lambda text: write_time(read_time(text)), lambda text: text, "a time, written in UTC"
)


def names(table: Mapping[str, str], reason: str, *, others: str | None = None) -> Converter:
    """Return a converter of names.

    Args:
        table: Our name for each foreign one; of several foreign ones, the first is written.
        reason: Why the names differ.
        others: What names outside the table become, both ways: ``"keep"`` keeps them; ``None``
            leaves them out.
    """
    back: dict[str, str] = {}
    for theirs, ours in table.items():
        back.setdefault(ours, theirs)

    def read(value: Any) -> Any:
        if isinstance(value, str) and value in table:
            return table[value]
        if others == "keep" and isinstance(value, str) and value:
            return value
        raise NoConversionError(f"no counterpart for {value!r:.60}")

    def write(value: Any) -> Any:
        if value in back:
            return back[value]
        if others == "keep":
            return value
        raise NoConversionError(f"no counterpart for {value!r:.60}")

    return Converter(read, write, reason)


_SEMANTIC_VERSION = re.compile(
    r"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)"
    r"(-(0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)"
    r"(\.(0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*))*)?(\+[0-9a-zA-Z-]+(\.[0-9a-zA-Z-]+)*)?"
)


def _read_version(value: Any) -> str:
    text = str(value).strip()
    if isinstance(value, bool) or not text:
        raise NoConversionError("not a version")
    if _SEMANTIC_VERSION.fullmatch(text):
        return text
    if re.fullmatch(r"(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))?", text):
        return text + ".0" * (2 - text.count("."))
    if re.fullmatch(r"[0-9a-f]{40}([0-9a-f]{24})?", text):
        return f"0.0.0+git.{text[:12]}"
    if text[0] in "vV" and _SEMANTIC_VERSION.fullmatch(text[1:]):
        return text[1:]
    allowed = re.sub(r"[^0-9A-Za-z-]+", ".", text).strip(".")
    if not allowed:
        raise NoConversionError("no character of it is allowed in a semantic version")
    return f"0.0.0+{allowed[:200].strip('.')}"


#: A version: 3 becomes 3.0.0, a git revision 0.0.0+git.<12 digits>, any other 0.0.0+<its text>.
VERSION: Final = Converter(_read_version, lambda text: text, "a semantic version is required")


def _read_digest(value: Any) -> str:
    text = str(value)
    if re.fullmatch(r"[a-z0-9]+([+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]+", text):
        return text
    if re.fullmatch(r"[0-9a-f]{40}", text):
        return f"sha1:{text}"
    if re.fullmatch(r"[0-9a-f]{64}", text):
        return f"sha256:{text}"
    if re.fullmatch(r"[0-9a-f]{32}", text):
        return f"md5:{text}"
    raise NoConversionError("not a digest")


#: A digest: a bare hash gets the name of its algorithm, by its length.
DIGEST: Final = Converter(
    _read_digest, lambda text: text, "a digest names its algorithm, as OCI writes it"
)


@dataclass(frozen=True, slots=True)
class Rule:
    """A row of a mapping: a key of a foreign object, and a field of a message.

    Attributes:
        theirs: The foreign key.
        ours: The name of the field; the same if it is empty.
        converter: Converts its values; ``None`` keeps them.
        types: The types of foreign values that the rule is for; any if there are none.
        opaque: Whether the field takes any JSON.
    """

    theirs: str
    ours: str = ""
    converter: Converter | None = None
    types: tuple[type, ...] = ()
    opaque: bool = False

    @property
    def field(self) -> str:
        """The name of the field."""
        return self.ours or self.theirs


def read_rules(conversion: Import, source: Source, target: Target, rules: Iterable[Rule]) -> None:
    """Import the keys of an object.

    A value without counterpart, or one that cannot be written back exactly, is kept as it is in
    the opaque map of the nearest message.

    Args:
        conversion: The import.
        source: The foreign object.
        target: The message.
        rules: The mapping of its keys.
    """
    for rule in rules:
        found = source.get(rule.theirs, *rule.types)
        if found is None or target.has(rule.field):
            continue
        if rule.opaque:
            target.put_opaque(rule.field, found)
        elif rule.converter is None:
            target.put(rule.field, found.value, found)
        else:
            try:
                value = rule.converter.read(found.value)
            except NoConversionError as error:
                conversion.keep_original(found, error.reason)
                continue
            target.put(rule.field, value, found, reason=rule.converter.reason)
            # A name of ours in the source is written as the foreign one.
            is_other = isinstance(found.value, str) or not same(value, found.value)
            is_lost = is_other and not same(rule.converter.write(value), found.value)
            # An original that opaque JSON does not hold would be another value on the way back.
            if is_lost and same(opaque_json(found.value, []), found.value):
                conversion.keep_original(found, rule.converter.reason)


def write_rules(source: Source, target: Target, rules: Iterable[Rule]) -> None:
    """Export the fields of a message.

    If an import kept a value as it was, `Target.restore` writes that one, unless the field has
    changed since.

    Args:
        source: The message.
        target: The foreign object.
        rules: The mapping of its keys.
    """
    for rule in rules:
        found = source.get(rule.field)
        if found is None or target.has(rule.theirs):
            continue
        if rule.opaque or rule.converter is None:
            target.put(rule.theirs, found.value, found)
        else:
            try:
                value = rule.converter.write(found.value)
            except NoConversionError as error:
                found.drop(error.reason)
                continue
            target.put(rule.theirs, value, found, reason=rule.converter.reason)
            is_original = partial(_reads_as, rule.converter, ours=found.value)
            target.prefer_original(rule.theirs, is_original)


def _reads_as(converter: Converter, theirs: object, *, ours: object) -> bool:
    try:
        return same(converter.read(theirs), ours)
    except NoConversionError:
        return False
