"""Conversion between google.protobuf.Timestamp and RFC 3339 text."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from crucible_ir.serialization.conversion_error import ConversionError, describe

if TYPE_CHECKING:
    from google.protobuf.timestamp_pb2 import Timestamp

#: The first second of year 1 and the last of year 9999 in UTC, counted from 1970.
MIN_SECONDS = -62_135_596_800
MAX_SECONDS = 253_402_300_799
NANOS_PER_SECOND = 1_000_000_000

_EPOCH = datetime(1970, 1, 1)
_RFC3339 = re.compile(
    # Python 3.14 reads the hour 24, which RFC 3339 does not have.
    r"(\d{4}-\d\d-\d\d[Tt ](?!24)\d\d:\d\d:\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))",
    re.ASCII,
)
#: The spellings of RFC 3339 that ProtoJSON does not have.
_NOT_IN_PROTOJSON = re.compile("[tz ]")
#: A date and time in the notation of another standard or library.
_SIMILAR = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)[Tt ](?P<minute>(?!24)\d\d:\d\d)(?P<second>:\d\d(?:\.\d{1,9})?)?"
    r"(?P<zone> ?(?:[Zz]|UTC|GMT|(?P<hours>[+-]\d\d)(?::?(?P<minutes>\d\d))?))?",
    re.ASCII,
)


def read_timestamp(value: object, target: Timestamp, depth: int = 0) -> None:
    """Fill a Timestamp from RFC 3339 text, such as ``2025-12-26T12:00:00.5Z``.

    It accepts what RFC 3339 permits: a space for the ``T``, and the letters in lower case.
    """
    if type(value) is not str:
        raise ConversionError(f"expected an RFC 3339 timestamp in a string, got {describe(value)}")
    match = _RFC3339.fullmatch(value)
    if match is None:
        raise _not_a_timestamp(value)
    base, fraction, sign, hours, minutes = match.groups()
    if fraction is not None and len(fraction) > 9:
        raise ConversionError("a timestamp has at most nine digits of fractional seconds")
    try:
        elapsed = datetime.fromisoformat(base) - _EPOCH
    except ValueError as error:
        raise ConversionError(f'invalid timestamp "{value}": {error}') from None
    seconds = elapsed.days * 86_400 + elapsed.seconds
    if sign:
        if int(hours) > 23 or int(minutes) > 59:
            raise ConversionError(f'invalid UTC offset "{sign}{hours}:{minutes}"')
        offset = int(hours) * 3600 + int(minutes) * 60
        seconds += -offset if sign == "+" else offset
        if not MIN_SECONDS <= seconds <= MAX_SECONDS:
            raise ConversionError(f"{value} is outside the years 1 to 9999 in UTC")
    target.seconds = seconds
    target.nanos = int(fraction.ljust(9, "0")) if fraction else 0


def read_protojson_timestamp(value: object, target: Timestamp, depth: int = 0) -> None:
    """Fill a Timestamp from RFC 3339 text with a ``T`` and, for UTC, a ``Z``.

    protobuf's conformance suite requires readers of ProtoJSON to reject other spellings.
    """
    if type(value) is str and _NOT_IN_PROTOJSON.search(value):
        raise _not_a_timestamp(value)
    read_timestamp(value, target)


def _not_a_timestamp(text: str) -> ConversionError:
    """Return the error for text that is not a timestamp, with the likely fix."""
    advice = ""
    match = _SIMILAR.fullmatch(text)
    if match is not None and match["zone"]:
        offset = f"{match['hours']}:{match['minutes'] or '00'}" if match["hours"] else "Z"
        advice = f"; write {match['date']}T{match['minute']}{match['second'] or ':00'}{offset}"
    elif match is not None:
        advice = "; add a time zone, e.g. Z"
    return ConversionError(
        f"expected an RFC 3339 timestamp such as 2025-12-26T12:00:00Z, got {describe(text)}{advice}"
    )


def write_timestamp(timestamp: Timestamp, depth: int = 0) -> str:
    """Return a Timestamp as RFC 3339 text in UTC, with 0, 3, 6 or 9 digits of fraction."""
    seconds, nanos = timestamp.seconds, timestamp.nanos
    text = _whole_seconds(seconds, nanos)
    if not nanos:
        return f"{text}Z"
    if nanos % 1_000_000 == 0:
        return f"{text}.{nanos // 1_000_000:03}Z"
    return f"{text}.{nanos:09}Z" if nanos % 1000 else f"{text}.{nanos // 1000:06}Z"


def write_shortest_timestamp(timestamp: Timestamp, depth: int = 0) -> str:
    """Return a Timestamp as RFC 3339 text in UTC, with as few digits of fraction as possible."""
    seconds, nanos = timestamp.seconds, timestamp.nanos
    text = _whole_seconds(seconds, nanos)
    return f"{text}.{f'{nanos:09}'.rstrip('0')}Z" if nanos else f"{text}Z"


def _whole_seconds(seconds: int, nanos: int) -> str:
    if not (MIN_SECONDS <= seconds <= MAX_SECONDS and 0 <= nanos < NANOS_PER_SECOND):
        raise ConversionError(
            f"a Timestamp of {seconds} seconds and {nanos} nanoseconds is outside the range of"
            " RFC 3339"
        )
    return (_EPOCH + timedelta(0, seconds)).isoformat()


def set_datetime(value: datetime, target: Timestamp) -> None:
    """Fill a Timestamp from a datetime with a time zone, which may be one of pandas."""
    if value != value:
        # NaT, the missing time of pandas, does not equal itself.
        raise ConversionError(f"expected a datetime with a time zone, got {value}")
    if value.tzinfo is None or value.utcoffset() is None:
        raise ConversionError(
            "the datetime is naive; give it a time zone, for example"
            f" {value.isoformat()} with tzinfo=datetime.UTC"
        )
    try:
        elapsed = value.astimezone(UTC).replace(tzinfo=None) - _EPOCH
    except OverflowError:
        raise ConversionError(
            f"{value.isoformat()} is outside the years 1 to 9999 in UTC"
        ) from None
    target.SetInParent()
    target.seconds = elapsed.days * 86_400 + elapsed.seconds
    target.nanos = elapsed.microseconds * 1000 + getattr(value, "nanosecond", 0)
