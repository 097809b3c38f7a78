"""Converters of single values, and rules: rows of a mapping that work in both directions."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from crucible_ir.interchange.mapping.conversion import Import, Source, Target, same
from crucible_ir.interchange.mapping.report import Outcome

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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


def timestamp(moment: datetime) -> str:
    """Write a time as RFC 3339, in UTC.

    >>> timestamp(datetime(2026, 1, 2, 3, 4, 5, 600000, UTC))
    '2026-01-02T03:04:05.600Z'
    """
    text = moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S").rjust(20 - 1, "0")
    micros = moment.microsecond
    if micros:
        text += f".{micros // 1000:03d}" if micros % 1000 == 0 else f".{micros:06d}"
    return f"{text}Z"


def parse_timestamp(text: str) -> datetime:
    """Read a time in RFC 3339 or ISO 8601; one without offset is in UTC.

    Raises:
        NoConversionError: The text is not a time.

    >>> parse_timestamp("2026-01-02T03:04:05").isoformat()
    '2026-01-02T03:04:05+00:00'
    """
    try:
        moment = datetime.fromisoformat(text)
    except (ValueError, TypeError):
        raise NoConversionError("not a time in RFC 3339") from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _unix(unit: timedelta, name: str) -> Converter:
    def read(value: Any) -> str:
        number = _as_number(value)
        if not math.isfinite(number):
            raise NoConversionError("not a finite number")
        try:
            return timestamp(_EPOCH + number * unit)
        except OverflowError:
            raise NoConversionError("outside the years 1 to 9999") from None

    def write(text: str) -> int | float:
        elapsed = parse_timestamp(text) - _EPOCH
        whole, rest = divmod(elapsed, unit)
        return whole if not rest else elapsed / unit

    return Converter(read, write, f"{name} since 1970")


#: A time in seconds since 1970, whole or with a fraction, as a number or text.
UNIX_SECONDS: Final = _unix(timedelta(seconds=1), "seconds")

#: A time in milliseconds since 1970, as a number or text.
UNIX_MILLISECONDS: Final = _unix(timedelta(milliseconds=1), "milliseconds")


def _read_time(value: Any) -> str:
    if not isinstance(value, str):
        raise NoConversionError("not a time in RFC 3339")
    try:
        return timestamp(parse_timestamp(value))
    except OverflowError:
        raise NoConversionError("outside the years 1 to 9999") from None


#: A time in RFC 3339 or ISO 8601, with or without offset, to the microsecond.
TIME_TEXT: Final = Converter(_read_time, lambda text: text, "a time, written in UTC")


def names(table: Mapping[str, str], reason: str, *, others: str | None = None) -> Converter:
    """Return a converter of names.

    Args:
        table: Our name for each foreign one; of several foreign ones, the first is written.
        reason: Why the names differ.
        others: What names outside the table become: ``"keep"`` keeps them; ``None`` leaves them
            out.
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

    return Converter(read, lambda value: back.get(value, value), reason)


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
            if not same(value, found.value) and not same(rule.converter.write(value), found.value):
                conversion.keep_original(found, rule.converter.reason)


def write_rules(source: Source, target: Target, rules: Iterable[Rule]) -> None:
    """Export the fields of a message.

    A value that an import kept as it was is written again, unless the field has changed since.

    Args:
        source: The message.
        target: The foreign object.
        rules: The mapping of its keys.
    """
    rest = source.rest()
    for rule in rules:
        found = source.get(rule.field)
        if found is None or target.has(rule.theirs):
            continue
        if rule.opaque or rule.converter is None:
            target.put(rule.theirs, found.value, found)
            continue
        value = rule.converter.write(found.value)
        original = rest.get(rule.theirs) if rest is not None else None
        if original is not None and _reads_as(rule.converter, original.value, found.value):
            value = original.value
            original.use(Outcome.OPAQUE, (*target.path, rule.theirs))
        target.put(rule.theirs, value, found, reason=rule.converter.reason)


def _reads_as(converter: Converter, theirs: object, ours: object) -> bool:
    try:
        return same(converter.read(theirs), ours)
    except NoConversionError:
        return False
