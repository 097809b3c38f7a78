"""Round times for axes, in UTC, and round durations."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from crucible_ir.plotting.geometry.ticks import linear_ticks

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MINUTE: Final = 60.0
_HOUR: Final = 3600.0
_DAY: Final = 86400.0

#: The steps between ticks, in seconds, up to two weeks. Longer ones follow the calendar.
_STEPS: Final = (
    *(1.0, 2.0, 5.0, 10.0, 15.0, 30.0),
    *(_MINUTE * count for count in (1, 2, 5, 10, 15, 30)),
    *(_HOUR * count for count in (1, 2, 3, 6, 12)),
    *(_DAY * count for count in (1, 2, 3, 7, 14)),
)
#: The steps that follow the calendar, in months.
_MONTHS: Final = (1, 3, 6, 12, 24, 60, 120, 240, 600, 1200, 2400, 6000, 12000, 24000)
#: A Monday, where weeks begin.
_FIRST_MONDAY: Final = 4 * _DAY
#: The first and the last second of the years 1 and 9999.
EARLIEST: Final = -62135596800.0
LATEST: Final = 253402300799.0


def utc(seconds: float) -> datetime:
    """Return a time from its seconds since 1970, limited to the years 1 to 9999.

    >>> utc(1.5).isoformat()
    '1970-01-01T00:00:01.500000+00:00'
    """
    return _EPOCH + timedelta(seconds=min(max(seconds, EARLIEST), LATEST))


def time_ticks(low: float, high: float, most: int) -> list[float]:
    """Return the round times of a range, at most about so many.

    >>> [utc(tick).strftime("%H:%M") for tick in time_ticks(0, 4 * 3600, 5)]
    ['00:00', '01:00', '02:00', '03:00', '04:00']
    """
    span = high - low
    for step in _STEPS:
        if span / step <= most:
            origin = _FIRST_MONDAY if step >= 7 * _DAY else 0.0
            first = -((origin - low) // step)
            count = int((high - origin) // step - first) + 1
            return [origin + (first + index) * step for index in range(count)]
    return _calendar_ticks(low, high, most)


def _calendar_ticks(low: float, high: float, most: int) -> list[float]:
    start, end = utc(low), utc(high)
    months = (end.year - start.year) * 12 + end.month - start.month
    step = next((count for count in _MONTHS if months / count <= most), _MONTHS[-1])
    ticks = []
    index = (start.year * 12 + start.month - 1) // step * step
    while (year := index // 12) <= end.year:
        if year >= 1:
            time = datetime(year, index % 12 + 1, 1, tzinfo=UTC)
            if start <= time <= end:
                ticks.append((time - _EPOCH).total_seconds())
        index += step
    # A range outside of the years 1 to 9999 has none.
    return [tick for tick in ticks if low <= tick <= high]


def time_labels(ticks: list[float]) -> list[str]:
    """Return the labels of times: of each, what distinguishes it from its neighbour.

    >>> time_labels([86400.0, 129600.0, 172800.0]), time_labels([0.0, 86400.0 * 365])
    (['2 Jan', '12:00', '3 Jan'], ['1970', '1971'])
    """
    times = [utc(tick) for tick in ticks]
    if all(
        (time.month, time.day, time.hour, time.minute, time.second) == (1, 1, 0, 0, 0)
        for time in times
    ):
        return [f"{time.year}" for time in times]
    return [_label(time) for time in times]


def _label(time: datetime) -> str:
    if time.second:
        return f"{time:%H:%M:%S}"
    if time.hour or time.minute:
        return f"{time:%H:%M}"
    return f"{time.day} {time:%b}" if (time.month, time.day) != (1, 1) else f"{time.year}"


def duration_ticks(low: float, high: float, most: int) -> list[float]:
    """Return the round durations of a range of seconds.

    >>> duration_ticks(0, 7000, 5)
    [0.0, 1800.0, 3600.0, 5400.0]
    """
    span = high - low
    if span < 2 or span > _STEPS[-1] * most:
        unit = _DAY if span > _DAY else 1.0
        return [tick * unit for tick in linear_ticks(low / unit, high / unit, most)]
    step = next(step for step in _STEPS if span / step <= most)
    first = -(-low // step)
    return [(first + index) * step for index in range(int(high // step - first) + 1)]


def duration_text(seconds: float) -> str:
    """Return a duration in at most two units.

    >>> duration_text(0), duration_text(5400), duration_text(90061), duration_text(0.25)
    ('0', '1 h 30 min', '1 d 1 h', '0.25 s')
    """
    if seconds == 0:
        return "0"
    if seconds < _MINUTE:
        return f"{seconds:.3g} s"
    whole = round(seconds)
    for unit, name, part, part_name in (
        (86400, "d", 3600, "h"),
        (3600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if whole >= unit:
            count, rest = divmod(whole, unit)
            rest //= part
            return f"{count:,} {name}" + (f" {rest} {part_name}" if rest else "")
    raise AssertionError("a minute or more")
