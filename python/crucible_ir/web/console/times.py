"""Times as people read them: in the reader's own zone, as short as the day permits."""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_ZONE_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+){0,2}")


def zone_named(name: str) -> tzinfo:
    """Return a time zone; UTC if there is none of the name.

    >>> str(zone_named("../etc/passwd"))
    'UTC'
    """
    if _ZONE_NAME.fullmatch(name):
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            pass
    return UTC


def short_time(time: datetime, zone: tzinfo, now: datetime) -> str:
    """Return a time with the date unless it is today, and with the year unless it is this one.

    >>> now = datetime(2026, 11, 29, 15, tzinfo=UTC)
    >>> short_time(datetime(2026, 11, 29, 14, 32, tzinfo=UTC), UTC, now)
    '14:32'
    >>> short_time(datetime(2025, 1, 2, 3, 4, tzinfo=UTC), UTC, now)
    '2 Jan 2025'
    """
    local, today = time.astimezone(zone), now.astimezone(zone)
    if local.date() == today.date():
        return f"{local:%H:%M}"
    if local.year == today.year:
        return f"{day(local)} {local:%H:%M}"
    return f"{day(local)} {local:%Y}"


def full_time(time: datetime) -> str:
    """Return a time to the second, in UTC.

    >>> full_time(datetime(2026, 11, 9, 14, 32, 7, tzinfo=UTC))
    '9 Nov 2026 14:32:07 UTC'
    """
    utc = time.astimezone(UTC)
    return f"{day(utc)} {utc:%Y %H:%M:%S} UTC"


def day(time: datetime) -> str:
    """Return the day and the month."""
    return f"{time.day} {time:%b}"
