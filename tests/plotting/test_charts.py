"""Charts of feedback, evaluations and many runs."""

from __future__ import annotations

import math
from xml.etree import ElementTree

import pytest
from plotting.svg import HOSTILE, by_class, label_boxes, parse, points

from crucible_ir.plotting import (
    BarChart,
    Figure,
    Mark,
    ParallelChart,
    ParallelRun,
    Percentile,
    Rate,
    RateChart,
    RateSeries,
    Result,
    ResultChart,
    Scale,
    draw_bars,
    draw_curves,
    draw_parallel,
    draw_rates,
    draw_results,
    percentile_chart,
    sparkline,
    stylesheet,
)
from crucible_ir.plotting.geometry.scales import AxisKind

HOUR = 3600.0


def percent(low: float, high: float) -> Scale:
    return Scale(AxisKind.PERCENT, low, high)


def texts(figure: Figure) -> list[str]:
    return ["".join(part.itertext()) for part in parse(figure).iter("text")]


def test_bands_are_wilson_intervals() -> None:
    rates = [Rate(0, 81, 263), Rate(HOUR, 15, 148)]
    figure = draw_rates(RateChart("Thumbs", [RateSeries("1.3.0", rates)], y_scale=percent(0, 0.5)))
    root = parse(figure)
    (line,), (band,) = by_class(root, "ln"), by_class(root, "bd")
    # 81 / 263 and 15 / 148 on an axis to 0.5.
    assert points(line) == [(0, 384.0), (1000, 797.3)]
    # Newcombe's 0.2553 to 0.3662, and 0.0624 to 0.1605: the upper bounds, then back the lower ones.
    expected = [0.3662, 0.1605, 0.0624, 0.2553]
    assert [1000 - bound * 2000 for bound in expected] == pytest.approx(
        [y for _, y in points(band)], abs=0.2
    )
    assert figure.notes == ("95 % confidence",)


def test_few_events_are_hollow_points_and_gaps_break_the_line() -> None:
    counts = [100, 100, 59, 100, 0, 100, 60]
    rates = [Rate(index * HOUR, count // 2, count) for index, count in enumerate(counts)]
    # One window is missing altogether.
    rates += [Rate(9 * HOUR, 50, 100), Rate(10 * HOUR, 50, 100)]
    figure = draw_rates(RateChart("Thumbs", [RateSeries("a", rates)], step=HOUR))
    root = parse(figure)
    (line,) = by_class(root, "ln")
    assert [x for x, _ in points(line)] == [0, 100, 500, 600, 900, 1000]
    assert line.get("d", "").count("M") == 3
    assert [part.get("cx") for part in by_class(root, "hol")] == ["20%"]
    # Enough events, but no neighbours.
    assert [part.get("cx") for part in by_class(root, "f1") if part.tag == "circle"] == ["30%"]
    assert "hollow below 60 events" in figure.notes


def test_wide_intervals_end_at_the_edge() -> None:
    many = RateSeries("old", [Rate(index * HOUR, 8100, 10_000) for index in range(5)])
    figure = draw_rates(RateChart("Thumbs", [RateSeries("new", [Rate(HOUR, 2, 3)]), many]))
    (interval,) = by_class(parse(figure), "iv")
    ends = float(interval.get("y1", "")), float(interval.get("y2", ""))
    assert ends[0] <= figure.height and ends[1] >= 0
    assert "wide intervals are cut off" in figure.notes
    only = draw_rates(RateChart("Thumbs", [RateSeries("new", [Rate(HOUR, 2, 3)])]))
    assert only.notes == ("95 % confidence", "hollow below 60 events")


def test_words_of_marks_do_not_overlap() -> None:
    rates = [Rate(index * HOUR, 80, 100) for index in range(11)]
    marks = [Mark(index * HOUR, f"v{index}") for index in (0, 5, 5.1, 5.2, 10)]
    root = parse(draw_rates(RateChart("Thumbs", [RateSeries("a", rates)], marks=marks)))
    words = by_class(root, "mkl")
    rows = [(part.get("x"), part.get("y")) for part in words]
    assert len(set(rows)) == 5 and rows[0][1] == rows[1][1] == "10"
    assert [part.get("y") for part in words[1:4]] == ["10", "23", "36"]
    assert [part.get("text-anchor") for part in words] == [None, *["end"] * 4]


def test_percentiles_have_the_colour_of_their_version() -> None:
    times = [0.0, HOUR, 2 * HOUR]
    chart = percentile_chart(
        "Latency of 1.2.1",
        [Percentile(f"p{rank}", times, [rank, rank + 1.0, math.nan]) for rank in (50, 90, 99)],
        slot=2,
    )
    root = parse(draw_curves(chart))
    classes = sorted(part.get("class", "") for part in by_class(root, "ln"))
    assert classes == ["ln c2", "ln c2 dash2", "ln c2 dash3"]
    assert {box.text for box in label_boxes(root, 300)} == {"p50", "p90", "p99"}


def test_bars_are_stacked_in_order() -> None:
    figure = draw_bars(
        BarChart("Events", [0, 86400], 86400, [("thumbs", [3, 0]), ("flag", [1, 2])])
    )
    # The axis is 0 to 4 on 116 pixels: 29 a unit.
    bars = [
        (part.get("class"), float(part.get("y", "")), float(part.get("height", "")))
        for part in by_class(parse(figure), "br")
    ]
    assert bars == [("br f1", 29, 87), ("br f2", 0, 29), ("br f2", 58, 58)]
    titles = [part.text for part in parse(figure).iter("title")]
    assert titles[1:] == ["1970-01-01 00:00 UTC: thumbs 3, flag 1", "1970-01-02 00:00 UTC: flag 2"]
    assert "no events" in texts(draw_bars(BarChart("Events", [], 60, [])))
    with pytest.raises(ValueError, match="'a' has 1 counts for 2 spans"):
        draw_bars(BarChart("Events", [0, 60], 60, [("a", [1])]))


def test_results_are_compared_in_the_direction_that_is_better() -> None:
    results = [Result("base", 0.5, 0.01), Result("up", 0.6, 0.01), Result("none", None)]
    expectations = {True: ("good", "higher"), False: ("worse", "lower"), None: ("hot", "")}
    for higher, (style, word) in expectations.items():
        figure = draw_results(ResultChart("acc", results, higher_is_better=higher, baseline=0))
        root = parse(figure)
        (difference,) = [part for part in by_class(root, "dif") if part.text == "+0.1"]
        assert style in difference.get("class", "").split()
        best = [part.text for part in by_class(root, "val") if "on" in part.get("class", "")]
        assert best == {True: ["0.6"], False: ["0.5"], None: []}[higher]
        assert (f"{word} is better" in figure.notes) is (higher is not None)


def test_intervals_of_results_are_95_percent() -> None:
    root = parse(draw_results(ResultChart("acc", [Result("a", 0.5, 0.1)])))
    (interval,) = by_class(root, "iv2")
    # 0.5 ± 1.96 * 0.1 on an axis from 0.3 to 0.7.
    ends = [float(interval.get(name, "")[:-1]) for name in ("x1", "x2")]
    assert ends == pytest.approx([1, 99], abs=0.02)


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([0.69, 0.7134], ["0.6900", "0.7134"]),
        ([1.0, 250.0], ["1", "250"]),
        ([1e-9, 1.0], ["1e−9", "1"]),
        ([math.nan, math.inf, -2.5], ["NaN", "+∞", "−2.5"]),
        ([None], ["none"]),
        ([], []),
    ],
)
def test_results_have_equal_decimals(values: list[float | None], shown: list[str]) -> None:
    results = [Result(str(index), value) for index, value in enumerate(values)]
    root = parse(draw_results(ResultChart("m", results)))
    assert [part.text for part in by_class(root, "val")] == shown


def test_parallel_coordinates_light_one_run() -> None:
    runs = [
        ParallelRun("a", [1e-5, "adam", True, 1.0, 7]),
        ParallelRun("b", [1e-3, "sgd", None, 2.0, 7]),
        ParallelRun("c", [1e-4, "adam", False, math.nan, 7]),
    ]
    chart = ParallelChart("Runs", ["rate", "optimizer", "mixed", "clip", "seed"], runs, lit=0)
    root = parse(draw_parallel(chart))
    lines = [(part.get("class"), points(part)) for part in by_class(root, "pl1")]
    # The lit one is last, and so on top. 1,080 is the place of what is unset.
    assert [name for name, _ in lines] == ["pl1", "pl1", "pl1 lit"]
    assert lines[0][1] == [(0, 0), (250, 60), (500, 1080), (750, 0), (1000, 500)]
    assert lines[1][1] == [(0, 500), (250, 940), (500, 940), (750, 1080), (1000, 500)]
    assert lines[2][1] == [(0, 1000), (250, 940), (500, 60), (750, 1000), (1000, 500)]
    with pytest.raises(ValueError, match="run 'a' has 1 values for 2 axes"):
        draw_parallel(ParallelChart("Runs", ["x", "y"], [ParallelRun("a", [1])]))


def test_parallel_coordinates_of_few_and_many() -> None:
    names = [f"value-{index}" for index in range(200)]
    many = [ParallelRun(name, [name, index]) for index, name in enumerate(names)]
    figure = draw_parallel(ParallelChart("Runs", ["name", "index"], many))
    assert len(by_class(parse(figure), "pl1")) == 200
    assert {"value-0", "value-99"} <= set(texts(figure)) and "value-5" not in texts(figure)
    for runs in ([], [ParallelRun("a", [])], [ParallelRun("a", [])] * 2):
        parse(draw_parallel(ParallelChart("Runs", [], runs)))
    parse(draw_parallel(ParallelChart("Runs", ["one"], [ParallelRun("a", [None])])))


def test_sparklines_have_gaps_and_an_end() -> None:
    root = ElementTree.fromstring(sparkline([0, 10, math.nan, 5, 10], "loss of a"))
    (line,) = by_class(root, "ln")
    assert line.get("d") == "M0 18L24 2M72 10L96 2"
    (end,) = root.iter("circle")
    assert (end.get("cx"), end.get("cy")) == ("96", "2")
    assert root.get("aria-label") == "loss of a"
    for values in ([], [math.nan], [3.0], [5.0, 5.0]):
        assert ElementTree.fromstring(sparkline(values)).get("aria-hidden") == "true"


def test_names_cannot_become_markup() -> None:
    rates = [Rate(0, 1, 2), Rate(HOUR, 90, 100), Rate(2 * HOUR, 90, 100)]
    mark = [Mark(1.0, HOSTILE)]
    figures = [
        draw_rates(RateChart(HOSTILE, [RateSeries(HOSTILE, rates)], [HOSTILE], marks=mark)),
        draw_bars(BarChart(HOSTILE, [0], 60, [(HOSTILE, [1])], [HOSTILE], x_label=HOSTILE)),
        draw_results(ResultChart(HOSTILE, [Result(HOSTILE, 1.0)], notes=[HOSTILE])),
        draw_parallel(ParallelChart(HOSTILE, [HOSTILE], [ParallelRun(HOSTILE, [HOSTILE])])),
    ]
    for figure in figures:
        parse(figure)
        assert "<script" not in figure.__html__()
    ElementTree.fromstring(sparkline([1, 2], HOSTILE))


def test_the_style_sheet_has_every_class() -> None:
    assert all(f".{name} " in stylesheet() for name in ("chart", "ln", "bd", "iv2", "pl1", "spark"))
    assert "--s1" in stylesheet() and "--s1:" not in stylesheet(tokens=False)
