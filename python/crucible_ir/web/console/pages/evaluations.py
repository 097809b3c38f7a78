"""Evaluations side by side: the metrics of several models on one task, and their differences."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from crucible_ir.plotting import Result, ResultChart, draw_results
from crucible_ir.v1 import EvaluationResult
from crucible_ir.web.console.looks import Choice, with_query
from crucible_ir.web.console.page import Link, Live, Page, View, Visit

if TYPE_CHECKING:
    from crucible_ir.exchange import Record
    from crucible_ir.plotting import Figure
    from crucible_ir.v1 import MetricResult

#: The most results that are read, and the most that stand side by side.
_MOST_READ: Final = 500
_MOST_RESULTS: Final = 12
#: The most metrics that have a chart.
_MOST_CHARTS: Final = 9
#: The quantile of 95 % intervals.
_Z: Final = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A result.

    Attributes:
        id: Its id.
        url: Its page.
        subject: The model that was evaluated.
        subject_url: The page of the model; empty if it is not registered.
        time: When the evaluation ended, or else was published.
        samples: The number of samples.
        is_baseline: Whether the others are compared with it.
        as_baseline: The page that compares the others with it.
    """

    id: str
    url: str
    subject: str
    subject_url: str
    time: datetime
    samples: int | None
    is_baseline: bool
    as_baseline: str


@dataclass(frozen=True, slots=True)
class Cell:
    """A metric of a result.

    Attributes:
        value: The value; ``None`` if it was not computed.
        stderr: Its standard error; ``None`` if that is not known.
        difference: The difference from the baseline; ``None`` if one of them has no finite value.
        verdict: ``better`` or ``worse`` where the metric says which direction is better and, if
            both standard errors are known, the 95 % interval of the difference excludes 0; else
            empty.
        is_best: Whether it is the best value of all, where the direction is known.
    """

    value: float | None
    stderr: float | None
    difference: float | None
    verdict: str
    is_best: bool


@dataclass(frozen=True, slots=True)
class MetricRow:
    """A metric.

    Attributes:
        name: Its name.
        filter: How answers were filtered; empty if that is not stated.
        higher_is_better: Whether a greater value is better; ``None`` if that is not stated, or the
            results do not agree.
        cells: Its value in each result; ``None`` in those that do not have it.
    """

    name: str
    filter: str
    higher_is_better: bool | None
    cells: Sequence[Cell | None]


@dataclass(frozen=True, slots=True)
class Evaluations:
    """The page.

    Attributes:
        tasks: The tasks, with the number of results of each that were read.
        task: The task.
        results: The latest result of each model, the earliest first.
        left_out: The number of results of models that are left out.
        metrics: The metrics.
        charts: The metrics as pictures.
    """

    tasks: Sequence[tuple[Choice, int]]
    task: str
    results: Sequence[Evaluation]
    left_out: int
    metrics: Sequence[MetricRow]
    charts: Sequence[Figure] = field(default=(), metadata={"json": False})


_Found = tuple["Record", EvaluationResult]


async def show(visit: Visit) -> View:
    """Show the results of one task side by side."""
    found: list[_Found] = []
    async for stored in visit.client.list_documents(EvaluationResult, include_documents=True):
        if isinstance(stored.content, EvaluationResult):
            found.append((stored.record, stored.content))
        if len(found) == _MOST_READ:
            break
    counts: dict[str, int] = {}
    for _, result in found:
        counts[result.task] = counts.get(result.task, 0) + 1
    task = visit.query("task") or next(iter(counts), "")
    of_task = [each for each in found if each[1].task == task]
    latest: dict[str, _Found] = {}
    for each in sorted(of_task, key=_time):
        latest.pop(_subject(each[1]), None)
        latest[_subject(each[1])] = each
    # The latest ones fit; the earliest of them is the first.
    shown = list(latest.values())[-_MOST_RESULTS:]
    baseline = _baseline(visit, shown)
    rows = list(_rows(shown, baseline))
    data = Evaluations(
        [
            (Choice(name, visit.url("evaluations", task=name), name == task), count)
            for name, count in sorted(counts.items())
        ],
        task,
        [_evaluation(visit, each, index == baseline) for index, each in enumerate(shown)],
        len(latest) - len(shown),
        rows,
        [_draw(row, shown, baseline) for row in rows[:_MOST_CHARTS] if _has_values(row)],
    )
    trail = [Link("evaluations", visit.url("evaluations"))]
    if task:
        trail.append(Link(task, visit.url("evaluations", task=task)))
    return View(task or "Evaluations", data, tuple(trail), Live(("EvaluationResult",)))


def _time(found: _Found) -> datetime:
    record, result = found
    if result.HasField("completed_at"):
        return result.completed_at.ToDatetime(tzinfo=UTC)
    return record.update_time


def _subject(result: EvaluationResult) -> str:
    """Return what was evaluated: the version, or else the model, or else the training run."""
    model = result.model_ref
    return result.model_version_id or model.id or model.name or result.training_run_id or result.id


def _baseline(visit: Visit, shown: Sequence[_Found]) -> int:
    chosen = visit.query("baseline")
    return next((index for index, (record, _) in enumerate(shown) if record.id == chosen), 0)


def _evaluation(visit: Visit, found: _Found, is_baseline: bool) -> Evaluation:
    record, result = found
    version = result.model_version_id
    return Evaluation(
        record.id,
        visit.document_url("EvaluationResult", record.id),
        _subject(result),
        visit.document_url("ModelVersion", version) if version else "",
        _time(found),
        result.sample_count if result.HasField("sample_count") else None,
        is_baseline,
        with_query(visit, "baseline", record.id),
    )


def _rows(shown: Sequence[_Found], baseline: int) -> Iterator[MetricRow]:
    keys = dict.fromkeys(
        (metric.name, metric.filter) for _, result in shown for metric in result.metrics
    )
    for name, filter_ in keys:
        metrics = [_metric(result, name, filter_) for _, result in shown]
        stated = {
            metric.higher_is_better
            for metric in metrics
            if metric is not None and metric.HasField("higher_is_better")
        }
        higher = stated.pop() if len(stated) == 1 else None
        values = [value for metric in metrics if (value := _value(metric)) is not None]
        best = None if higher is None or not values else max(values) if higher else min(values)
        yield MetricRow(
            name,
            filter_,
            higher,
            [_cell(metric, metrics[baseline], higher, best) for metric in metrics],
        )


def _metric(result: EvaluationResult, name: str, filter_: str) -> MetricResult | None:
    for metric in result.metrics:
        if (metric.name, metric.filter) == (name, filter_):
            return metric
    return None


def _value(metric: MetricResult | None) -> float | None:
    """Return the value of a metric if it is finite."""
    if metric is None or not metric.HasField("value") or not math.isfinite(metric.value):
        return None
    return metric.value


def _cell(
    metric: MetricResult | None,
    baseline: MetricResult | None,
    higher: bool | None,
    best: float | None,
) -> Cell | None:
    if metric is None:
        return None
    value, base = _value(metric), _value(baseline)
    difference = None
    verdict = ""
    if metric is not baseline and value is not None and base is not None:
        difference = value - base
        if higher is not None and difference and not _is_within_error(metric, baseline, difference):
            verdict = "better" if (difference > 0) is higher else "worse"
    return Cell(
        metric.value if metric.HasField("value") else None,
        metric.stderr if metric.HasField("stderr") else None,
        difference,
        verdict,
        value is not None and value == best,
    )


def _is_within_error(
    metric: MetricResult, baseline: MetricResult | None, difference: float
) -> bool:
    """Return whether the 95 % interval of a difference has 0; false if it is not known."""
    if baseline is None or not (metric.HasField("stderr") and baseline.HasField("stderr")):
        return False
    error = math.hypot(metric.stderr, baseline.stderr)
    return math.isfinite(error) and abs(difference) <= _Z * error


def _has_values(row: MetricRow) -> bool:
    """Return whether there are values to see beside each other."""
    values = [cell.value for cell in row.cells if cell is not None and cell.value is not None]
    return sum(map(math.isfinite, values)) > 1


def _draw(row: MetricRow, shown: Sequence[_Found], baseline: int) -> Figure:
    results = [
        Result(
            _subject(result),
            cell.value if cell is not None else None,
            cell.stderr if cell is not None else None,
        )
        for (_, result), cell in zip(shown, row.cells, strict=True)
    ]
    notes = [row.filter] if row.filter else []
    return draw_results(
        ResultChart(row.name, results, row.higher_is_better, baseline=baseline, notes=notes)
    )


PAGES = (Page("/evaluations", show, "evaluations.html", label="Evaluations", key="e"),)
ACTIONS = ()
