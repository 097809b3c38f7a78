"""Timestamps: between google.protobuf.Timestamp and RFC 3339 text."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from crucible_ir.serialization.conversion_error import ConversionError, describe

if TYPE_CHECKING:
    from google.protobuf.timestamp_pb2 import Timestamp

#: The first second of year 1 and the last of year 9999, counted from 1970 in UTC.
MIN_SECONDS = -62_135_596_800
MAX_SECONDS = 253_402_300_799
NANOS_PER_SECOND = 1_000_000_000

_EPOCH = datetime(1970, 1, 1)
_RFC3339 = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(?:Z|([+-])(\d\d):(\d\d))", re.ASCII
)
#: A date and time without a time zone, as ``str`` and ``isoformat`` of a naive datetime write it.
_WITHOUT_ZONE = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?", re.ASCII)


def read_timestamp(value: object, target: Timestamp, depth: int = 0) -> None:
    """Fill a Timestamp from RFC 3339 text, such as ``2025-12-26T12:00:00.5Z``."""
    if type(value) is not str:
        raise ConversionError(f"expected an RFC 3339 timestamp in a string, got {describe(value)}")
    match = _RFC3339.fullmatch(value)
    if match is None:
        advice = "; add a time zone, e.g. Z" if _WITHOUT_ZONE.fullmatch(value) else ""
        raise ConversionError(
            "expected an RFC 3339 timestamp such as 2025-12-26T12:00:00Z, got"
            f" {describe(value)}{advice}"
        )
    base, fraction, sign, hours, minutes = match.groups()
    if fraction is not None and len(fraction) > 9:
        raise ConversionError("a timestamp has at most nine digits after the second's point")
    try:
        moment = datetime.fromisoformat(base) - _EPOCH
    except ValueError as error:
        raise ConversionError(f"no such time as {value}: {error}") from None
    seconds = moment.days * 86_400 + moment.seconds
    if sign:
        if int(hours) > 23 or int(minutes) > 59:
            raise ConversionError(f"no such offset from UTC as {sign}{hours}:{minutes}")
        offset = int(hours) * 3600 + int(minutes) * 60
        seconds += -offset if sign == "+" else offset
        if not MIN_SECONDS <= seconds <= MAX_SECONDS:
            raise ConversionError(f"{value} is outside the years 1 to 9999 in UTC")
    target.seconds = seconds
    target.nanos = int(fraction.ljust(9, "0")) if fraction else 0


def write_timestamp(timestamp: Timestamp, depth: int = 0) -> str:
    """Return a Timestamp as RFC 3339 text in UTC, with no fraction or 3, 6 or 9 digits."""
    seconds, nanos = timestamp.seconds, timestamp.nanos
    text = _whole_seconds(seconds, nanos)
    if not nanos:
        return f"{text}Z"
    if nanos % 1_000_000 == 0:
        return f"{text}.{nanos // 1_000_000:03}Z"
    return f"{text}.{nanos:09}Z" if nanos % 1000 else f"{text}.{nanos // 1000:06}Z"


def write_shortest_timestamp(timestamp: Timestamp, depth: int = 0) -> str:
    """Return a Timestamp as RFC 3339 text in UTC, with as few digits as it needs."""
    seconds, nanos = timestamp.seconds, timestamp.nanos
    text = _whole_seconds(seconds, nanos)
    return f"{text}.{f'{nanos:09}'.rstrip('0')}Z" if nanos else f"{text}Z"


def _whole_seconds(seconds: int, nanos: int) -> str:
    if not (MIN_SECONDS <= seconds <= MAX_SECONDS and 0 <= nanos < NANOS_PER_SECOND):
        raise ConversionError(
            f"{seconds} s and {nanos} ns since 1970 is outside the range of RFC 3339"
        )
    return (_EPOCH + timedelta(0, seconds)).isoformat()


def set_datetime(moment: datetime, target: Timestamp) -> None:
    """Fill a Timestamp from a datetime that knows its offset from UTC."""
    if moment.tzinfo is None or moment.utcoffset() is None:
        raise ConversionError(
            "the datetime is naive; give it a time zone, for example"
            f" {moment.isoformat()} with tzinfo=datetime.UTC"
        )
    try:
        since = moment.astimezone(UTC).replace(tzinfo=None) - _EPOCH
    except OverflowError:
        raise ConversionError(
            f"{moment.isoformat()} is outside the years 1 to 9999 in UTC"
        ) from None
    target.SetInParent()
    target.seconds = since.days * 86_400 + since.seconds
    target.nanos = since.microseconds * 1000
