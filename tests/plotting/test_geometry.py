"""Scales, ticks, smoothing and intervals against calculations by hand and published values."""

from __future__ import annotations

import math
import sys
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crucible_ir.plotting import AxisKind, Scale, value_scale
from crucible_ir.plotting.geometry.intervals import wilson
from crucible_ir.plotting.geometry.placement import spread
from crucible_ir.plotting.geometry.scales import position_scale
from crucible_ir.plotting.geometry.smoothing import smooth

FINITE = st.floats(allow_nan=False, allow_infinity=False)


def labels(scale: Scale, most: int) -> list[str]:
    return [tick.label for tick in scale.ticks(most)]


@pytest.mark.parametrize(
    ("successes", "count", "low", "high"),
    [
        # Newcombe, Two-sided confidence intervals for the single proportion, Statistics in
        # Medicine 17 (1998), table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_intervals_are_the_published_ones(
    successes: int, count: int, low: float, high: float
) -> None:
    found = wilson(successes, count)
    assert [round(bound, 4) for bound in found] == [low, high]
    opposite = wilson(count - successes, count)
    assert opposite == pytest.approx([1 - found[1], 1 - found[0]])


@pytest.mark.parametrize(("successes", "count"), [(1, 0), (0, 0), (3, 2), (-1, 5)])
def test_a_share_must_be_a_proportion(successes: int, count: int) -> None:
    with pytest.raises(ValueError, match="is not a proportion"):
        wilson(successes, count)


def test_smoothing_is_a_centred_mean() -> None:
    # By hand, for a weight of one half: (2 + 4/2 + 8/4) / (1 + 1/2 + 1/4), and so on.
    assert smooth([0, 1, 2], [2, 4, 8], 0.5) == pytest.approx(
        [6 / 1.75, (1 + 4 + 4) / 2, (0.5 + 2 + 8) / 1.75]
    )
    assert smooth([0, 1], [1, 9], 0) == [1, 9]
    # Twice as far counts a quarter; in units of 2 it is half again.
    assert smooth([0, 2], [1, 9], 0.5) == pytest.approx([(1 + 9 / 4) / 1.25, (9 + 1 / 4) / 1.25])
    assert smooth([0, 2], [1, 9], 0.5, 2) == pytest.approx([(1 + 9 / 2) / 1.5, (9 + 1 / 2) / 1.5])
    # A rise in the middle stays in the middle: a one-sided mean would lag.
    step = [0.0] * 50 + [1.0] * 50
    smoothed = smooth(range(100), step, 0.9)
    assert smoothed[49] + smoothed[50] == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(
    ("scale", "most", "expected"),
    [
        (Scale(AxisKind.LINEAR, 0, 4200), 5, ["0", "1,000", "2,000", "3,000", "4,000"]),
        (Scale(AxisKind.LINEAR, -0.5, 0.5), 5, ["−0.4", "−0.2", "0.0", "0.2", "0.4"]),
        (Scale(AxisKind.LINEAR, 0, 3e-7), 3, ["0", "1e−7", "2e−7", "3e−7"]),
        (Scale(AxisKind.LINEAR, 0, 5e6), 3, ["0", "2e6", "4e6"]),
        (Scale(AxisKind.COUNT, 0, 2_100_000), 3, ["0", "1,000,000", "2,000,000"]),
        (Scale(AxisKind.COUNT, 6, 8), 7, ["6", "7", "8"]),
        (Scale(AxisKind.PERCENT, 0.74, 0.94), 5, ["75 %", "80 %", "85 %", "90 %"]),
        (Scale(AxisKind.LOG, 0.15, 30), 7, ["0.2", "0.5", "1", "2", "5", "10", "20"]),
        (Scale(AxisKind.LOG, 1e-9, 1e-3), 3, ["1e−8", "1e−6", "1e−4"]),
        (Scale(AxisKind.LOG, 3.1, 3.9), 4, ["3.2", "3.4", "3.6", "3.8"]),
        (Scale(AxisKind.DURATION, 0, 6000), 4, ["0", "30 min", "1 h", "1 h 30 min"]),
    ],
)
def test_ticks_are_round(scale: Scale, most: int, expected: list[str]) -> None:
    assert labels(scale, most) == expected


def times(start: str, end: str) -> Scale:
    return Scale(
        AxisKind.TIME,
        *(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() for text in (start, end)),
    )


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("2026-11-15T10:20", "2026-11-15T10:59", ["10:20", "10:30", "10:40", "10:50"]),
        (
            "2026-11-14T18:00",
            "2026-11-16T02:00",
            ["18:00", "15 Nov", "06:00", "12:00", "18:00", "16 Nov"],
        ),
        ("2024-02-26", "2024-03-04", ["27 Feb", "29 Feb", "2 Mar", "4 Mar"]),
        # 2026-11-02 is a Monday.
        ("2026-11-01", "2026-12-05", ["2 Nov", "9 Nov", "16 Nov", "23 Nov", "30 Nov"]),
        ("2025-11-20", "2026-06-10", ["2026", "1 Apr"]),
        ("2019-05-01", "2024-05-01", ["2020", "2021", "2022", "2023", "2024"]),
        ("0001-01-01", "9999-12-31", ["2000", "4000", "6000", "8000"]),
    ],
)
def test_time_ticks_follow_the_calendar(start: str, end: str, expected: list[str]) -> None:
    assert labels(times(start, end), 6) == expected


def test_scales_place_values_proportionally() -> None:
    assert Scale(AxisKind.LINEAR, -10, 30).place(0) == 0.25
    assert Scale(AxisKind.LOG, 0.1, 1000).place(1) == 0.25
    assert Scale(AxisKind.LINEAR, -sys.float_info.max, sys.float_info.max).place(0) == 0.5


def test_the_upright_axis_is_logarithmic_from_two_decades_on() -> None:
    assert value_scale([0.5, 49]).kind is AxisKind.LINEAR
    assert value_scale([0.5, 50]).kind is AxisKind.LOG
    assert value_scale([0, 5000]).kind is AxisKind.LINEAR
    assert value_scale([0, 5000], AxisKind.LOG).kind is AxisKind.LOG


@settings(max_examples=150, deadline=None)
@given(values=st.lists(FINITE, max_size=5), kind=st.sampled_from([None, *AxisKind]))
def test_every_axis_shows_its_values(values: list[float], kind: AxisKind | None) -> None:
    if kind in (AxisKind.TIME, AxisKind.DURATION, AxisKind.PERCENT):
        values = [math.fmod(value, 1e11) for value in values]
    scales = [position_scale(values, kind or AxisKind.LINEAR)]
    if kind is not AxisKind.PERCENT:
        scales.append(value_scale(values, kind))
    for scale in scales:
        shown = [value for value in values if scale.kind is not AxisKind.LOG or value > 0]
        assert all(-1e-6 <= place <= 1 + 1e-6 for place in map(scale.place, shown))
        assert scale.places(shown, 1.0) == pytest.approx(list(map(scale.place, shown)))
        ticks = scale.ticks(5)
        assert len(ticks) <= 12
        assert all(-1e-6 <= scale.place(tick.value) <= 1 + 1e-6 for tick in ticks)
        if scale.kind not in (AxisKind.TIME, AxisKind.DURATION):
            assert len({tick.label for tick in ticks}) == len(ticks)


@given(
    wanted=st.lists(st.floats(-50, 300), max_size=15),
    high=st.floats(0, 250),
)
def test_spread_labels_do_not_overlap(wanted: list[float], high: float) -> None:
    placed = spread(wanted, 13, 0, high)
    ordered = sorted(placed)
    assert all(b - a > 13 - 1e-6 for a, b in pairwise(ordered))
    ranks = sorted(range(len(wanted)), key=lambda index: (wanted[index], index))
    assert [placed[index] for index in ranks] == ordered
    if 13 * (len(wanted) - 1) <= high:
        assert all(-1e-6 <= position <= high + 1e-6 for position in placed)


def test_labels_that_have_room_do_not_move() -> None:
    assert spread([90, 10, 50], 13, 0, 100) == [90, 10, 50]
    # Three that want one place share it around their mean.
    assert spread([50, 50, 50], 10, 0, 100) == [40, 50, 60]
