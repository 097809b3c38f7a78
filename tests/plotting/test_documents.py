"""Charts of the documents of the schema, and files of charts."""

from __future__ import annotations

import math
import re
from collections import Counter
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from plotting.svg import HOSTILE

from crucible_ir import v1
from crucible_ir.plotting import (
    Curve,
    CurveChart,
    Figure,
    LineageGraph,
    LineageNode,
    Size,
    draw_curves,
    draw_lineage,
)
from crucible_ir.plotting.documents.evaluations import result_charts
from crucible_ir.plotting.documents.feedback import (
    MOST_SPANS,
    FeedbackTally,
    feedback_figures,
    percentile,
    usual_step,
)
from crucible_ir.plotting.documents.runs import Over, RunHistory, metric_chart, usual_axis
from crucible_ir.plotting.geometry.downsampling import thin
from crucible_ir.plotting.standalone import LegendEntry, html_page, svg_file
from crucible_ir.plotting.styles import svg_stylesheet

HOUR, DAY = 3600, 86400


def snapshot(**fields: object) -> v1.MetricsSnapshot:
    return v1.MetricsSnapshot(**fields)  # type: ignore[arg-type]


def test_a_snapshot_without_a_step_has_that_of_the_one_before() -> None:
    run = RunHistory(
        "a",
        [
            snapshot(values={"loss": 9.0}),
            snapshot(values={"loss": 3.0}, step=20),
            snapshot(values={"loss": 2.5}),
            snapshot(values={"acc": 0.5}, step=30),
            snapshot(values={"loss": 4.0}, step=10),
        ],
    )
    (curve,) = metric_chart("loss", [run]).curves
    assert (list(curve.xs), list(curve.ys)) == ([10, 20, 20], [4, 3, 2.5])


def test_times_count_from_the_start_of_each_run() -> None:
    def run(name: str, start: int) -> RunHistory:
        parts = []
        for seconds in (0, 90):
            part = snapshot(values={"loss": 1.0})
            part.time.seconds = start + seconds
            parts.append(part)
        return RunHistory(name, parts)

    runs = [run("a", 1_700_000_000), run("b", 1_800_000_000)]
    assert usual_axis(runs) is Over.TIME
    chart = metric_chart("loss", runs)
    assert [list(curve.xs) for curve in chart.curves] == [[0, 90], [0, 90]]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ([{"step": 1}, {"step": 2, "epoch": 0.5}], Over.STEP),
        ([{"step": 1, "epoch": 1}, {"epoch": 0.5}], Over.EPOCH),
        ([{"step": 1}, {}], Over.SNAPSHOT),
    ],
)
def test_the_axis_is_what_all_runs_state(fields: list[dict[str, float]], expected: Over) -> None:
    runs = [RunHistory("r", [snapshot(values={"a": 1.0}, **each)]) for each in fields]
    assert usual_axis([*runs, RunHistory("empty", [])]) is expected


def test_runs_keep_their_colours() -> None:
    runs = [
        RunHistory("a", [snapshot(values={"loss": 1.0}, step=1)]),
        RunHistory("b", [snapshot(values={"acc": 1.0}, step=1)], count=500),
    ]
    (curve,) = metric_chart("acc", runs).curves
    assert (curve.slot, curve.stored) == (2, 500)


def test_thinned_curves_keep_their_extremes() -> None:
    values = [math.sin(index / 7) for index in range(10_000)]
    values[123], values[4567], values[8888] = math.inf, -math.inf, math.nan
    xs, _ = thin(range(10_000), values, 300)
    assert len(xs) <= 300 and xs == sorted(set(xs))
    assert {0, 123, 4567, 8888, 9999} <= set(xs)
    assert thin([1, 2], [3, 4], 5) == ([1, 2], [3, 4])
    # The buckets are 1 to 4 and 5 to 8; of each the least and the greatest value.
    assert thin(range(10), [0, 5, 1, 2, 3, 9, 8, 7, 6, 0], 8)[0] == [0, 1, 2, 5, 8, 9]


def result(
    name: str, value: float | None, *, task: str = "mmlu", **fields: object
) -> v1.EvaluationResult:
    metric = v1.MetricResult(name="acc", value=value, stderr=0.01, higher_is_better=True)
    return v1.EvaluationResult(id=name, task=task, metrics=[metric], **fields)  # type: ignore[arg-type]


def test_results_of_one_task_are_compared() -> None:
    results = [
        result("e1", 0.5, model_version_id="v1"),
        result("e2", None, model_ref=v1.ModelRef(id="m")),
        result("e3", 0.6, model_version_id="v1"),
        result("e4", 0.7, task="gsm8k", num_shots=5),
    ]
    first, second = result_charts(results, baseline="e2")
    assert (first.title, first.notes, first.baseline) == ("acc", ("mmlu",), 1)
    # Two results of one model have their ids.
    assert [each.name for each in first.results] == ["e1", "m", "e3"]
    assert [each.value for each in first.results] == [0.5, None, 0.6]
    assert (second.notes, second.baseline) == (("gsm8k", "5 shots"), None)
    assert result_charts(results, ["f1"]) == []


def test_results_that_contradict_each_other_have_no_direction() -> None:
    metrics = [v1.MetricResult(name="x", higher_is_better=flag) for flag in (True, False)]
    results = [
        v1.EvaluationResult(id=str(index), task="t", metrics=[metric])
        for index, metric in enumerate(metrics)
    ]
    (chart,) = result_charts(results)
    assert chart.higher_is_better is None


def event(hours: float, version: str | None, value: object, **fields: object) -> v1.FeedbackEvent:
    made = v1.FeedbackEvent(id="e", model_version=version, **fields)  # type: ignore[arg-type]
    made.timestamp.seconds = int(hours * HOUR)
    if isinstance(value, str):
        made.feedback_value.string_value = value
    elif isinstance(value, float):
        made.feedback_value.number_value = value
    return made


def test_feedback_is_counted_by_version_and_time() -> None:
    tally = FeedbackTally()
    rating = {"feedback_type": v1.FeedbackType.FEEDBACK_TYPE_RATING}
    for each in (
        event(0.1, "v1", "up", latency_ms=10),
        event(0.9, "v1", "down", latency_ms=30),
        event(1.5, "v1", "up", latency_ms=20),
        event(1.6, "v2", 5.0, **rating),
        event(1.7, None, "thumbs_up"),
        v1.FeedbackEvent(id="e"),
    ):
        tally.add(each)
    step, counts = tally.counts()
    found = {(each.start, each.version): each for each in counts}
    assert step == HOUR and tally.without_time == 1
    assert set(found) == {(0.0, "v1"), (HOUR, "v1"), (HOUR, "v2"), (HOUR, None)}
    first = found[0.0, "v1"]
    assert (first.up, first.down, first.percentiles) == (1, 1, {50: 10, 90: 30, 99: 30})
    second = found[HOUR, "v2"]
    assert (second.up, second.down, second.types) == (0, 0, Counter(rating=1))
    titles = [figure.title for figure in feedback_figures(counts, step)]
    assert titles == ["Thumbs up", "Latency of v1", "Events by type, each 1 h"]


def test_windows_grow_with_the_time_that_they_span() -> None:
    tally = FeedbackTally()
    for hours in (0, 23, 24, 24 * 30):
        tally.add(event(hours, "v", "up"))
    step, counts = tally.counts()
    assert step == DAY
    assert sorted((each.start, each.up) for each in counts) == [(0, 2), (DAY, 1), (30 * DAY, 1)]
    for span in (0, 10 * DAY, 366 * DAY, 9998 * 366 * DAY):
        assert span / usual_step(span) <= MOST_SPANS
    assert FeedbackTally(60).counts() == (60, [])
    assert feedback_figures([], 60) == []


def test_percentiles_are_by_nearest_rank() -> None:
    # The example of the nearest-rank method: 15, 20, 35, 40, 50.
    counts = Counter({15: 1, 20: 1, 35: 1, 40: 1, 50: 1})
    assert [percentile(counts, rank) for rank in (5, 30, 40, 50, 100)] == [15, 20, 20, 35, 50]


def test_many_types_are_summed_up() -> None:
    tally = FeedbackTally(HOUR)
    for index in range(12):
        for _ in range(12 - index):
            tally.add(event(0, "v", None, custom_feedback_type=f"type-{index:02}"))
    (bars,) = feedback_figures(tally.counts()[1], HOUR)
    # Seven types, and the others: 5 + 4 + 3 + 2 + 1.
    assert bars.keys[0] == ("12 type-00", 1)
    assert bars.keys[-2:] == (("6 type-06", 7), ("15 other", 8))
    assert bars.svg.count("<rect") == 8


def charts() -> list[Figure]:
    curves = [Curve(f"run-{index}", range(5), [index + x for x in range(5)]) for index in range(2)]
    start = ("A", "1")
    return [
        draw_curves(CurveChart("loss", curves, size=Size.LARGE)),
        draw_curves(CurveChart(HOSTILE, [Curve(HOSTILE, [0, 1], [1.0, math.nan])])),
        draw_lineage(LineageGraph("Lineage", [LineageNode(*start)], [], start)),
    ]


@pytest.mark.parametrize("theme", ["auto", "light", "dark"])
def test_files_need_nothing_else(theme: str) -> None:
    figures = charts()
    legend = [LegendEntry("run-0", 1), LegendEntry(HOSTILE * 3, 0)]
    picture = svg_file(HOSTILE, figures, legend=legend, theme=theme)
    page = html_page(HOSTILE, figures, legend=legend, notes=HOSTILE, theme=theme)
    root = ElementTree.fromstring(picture)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    for text in (picture, page):
        assert "<script" not in text and not re.search(r"\bon\w+=", text.replace(HOSTILE, ""))
        assert not re.search(r"(?:src|href)=|url\(|@import", text)
        text.encode()
    assert "Content-Security-Policy" in page
    # The media query that follows the reader's system.
    assert ("prefers-color-scheme: dark" in picture) is (theme == "auto")


def test_figures_of_a_file_are_below_each_other() -> None:
    figures = charts()
    root = ElementTree.fromstring(svg_file("t", figures))
    name = "{http://www.w3.org/2000/svg}svg"
    placed = [*root.findall(name), *root.findall(f"{{http://www.w3.org/2000/svg}}g/{name}")]
    tops = [(float(part.get("y", "")), float(part.get("height", ""))) for part in placed]
    assert len(tops) == 3
    for (top, height), (below, _) in pairwise(tops):
        assert top + height < below
    assert tops[-1][0] + tops[-1][1] <= float(root.get("height", ""))


def test_lines_in_files_are_in_pixels() -> None:
    # Not every program knows lines that keep their width when they are stretched.
    (figure, *_) = charts()
    text = svg_file("t", [figure])
    (plot,) = re.findall('<svg class="plot" viewBox="0 0 ([0-9.]+) ([0-9.]+)"', text)
    width = 960 - 2 * 24 - 40 - 84
    assert plot == (str(width), "256")
    (first, _) = re.findall(r'class="ln c\d(?: dash2)?" d="M([^"]*)"', text)
    # The values are 1 to 5 on an axis from 0 to 5.
    assert first.split("L")[0] == "0 204.8" and first.split("L")[-1] == f"{width} 0"


def test_the_style_of_files_has_no_functions_of_new_browsers() -> None:
    for theme in ("auto", "light", "dark"):
        assert not re.search(r"var\(|light-dark\(|--", svg_stylesheet(theme))
    assert "#0f1315" in svg_stylesheet("dark") and "#0f1315" not in svg_stylesheet("light")
