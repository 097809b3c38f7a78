"""Times as people read them: in the reader's own zone, as short as the day permits."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, tzinfo
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


def clock_time(time: datetime, zone: tzinfo) -> str:
    """Return the time of the day, where a heading says the day.

    >>> clock_time(datetime(2026, 11, 29, 14, 32, tzinfo=UTC), UTC)
    '14:32'
    """
    return f"{time.astimezone(zone):%H:%M}"


def full_time(time: datetime) -> str:
    """Return a time to the second, in UTC.

    >>> full_time(datetime(2026, 11, 9, 14, 32, 7, tzinfo=UTC))
    '9 Nov 2026 14:32:07 UTC'
    """
    utc = time.astimezone(UTC)
    return f"{day(utc)} {utc:%Y %H:%M:%S} UTC"


def day_name(day_: date, zone: tzinfo, now: datetime) -> str:
    """Return a day in words if it is today or yesterday.

    >>> day_name(date(2026, 11, 28), UTC, datetime(2026, 11, 29, tzinfo=UTC))
    'Yesterday'
    """
    today = now.astimezone(zone).date()
    if today - day_ == timedelta():
        return "Today"
    if today - day_ == timedelta(days=1):
        return "Yesterday"
    return f"{day_:%A}, {day(day_)}" + ("" if day_.year == today.year else f" {day_:%Y}")


def day(time: date) -> str:
    """Return the day and the month."""
    return f"{time.day} {time:%b}"
