"""Results of evaluations as charts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from crucible_ir.plotting.charts.evaluations import Result, ResultChart

if TYPE_CHECKING:
    from crucible_ir.v1 import EvaluationResult, MetricResult


def result_charts(
    results: Iterable[EvaluationResult], metrics: Iterable[str] = (), baseline: str | None = None
) -> list[ResultChart]:
    """Return a chart for each metric of each task.

    Args:
        results: The results.
        metrics: The names of the metrics. Empty: all.
        baseline: The id of the result that the others are compared with.

    >>> from crucible_ir.v1 import EvaluationResult, MetricResult
    >>> acc = MetricResult(name="acc", value=0.7, higher_is_better=True)
    >>> result = EvaluationResult(id="e1", task="mmlu", model_version_id="v1", metrics=[acc])
    >>> [chart] = result_charts([result])
    >>> chart.title, chart.notes, chart.results[0].name
    ('acc', ('mmlu',), 'v1')
    """
    wanted = set(metrics)
    rows: dict[tuple[str, ...], list[tuple[EvaluationResult, MetricResult]]] = {}
    for result in results:
        for metric in result.metrics:
            if not wanted or metric.name in wanted:
                notes = _notes(result, metric)
                rows.setdefault((metric.name, *notes), []).append((result, metric))
    return [_chart(key, entries, baseline) for key, entries in rows.items()]


def _notes(result: EvaluationResult, metric: MetricResult) -> list[str]:
    """Return what a value must have in common with others to be comparable."""
    notes = [f"{result.task} {result.task_version}".strip()]
    if result.HasField("num_shots"):
        notes.append(f"{result.num_shots} shots")
    if metric.filter:
        notes.append(metric.filter)
    return notes


def _chart(
    key: tuple[str, ...],
    entries: list[tuple[EvaluationResult, MetricResult]],
    baseline: str | None,
) -> ResultChart:
    subjects = [_subject(result) for result, _ in entries]
    results = [
        Result(
            # Two results of one model differ by their ids.
            result.id if subjects.count(subject) > 1 else subject,
            metric.value if metric.HasField("value") else None,
            metric.stderr if metric.HasField("stderr") else None,
        )
        for (result, metric), subject in zip(entries, subjects, strict=True)
    ]
    directions = {
        metric.higher_is_better for _, metric in entries if metric.HasField("higher_is_better")
    }
    ids = [result.id for result, _ in entries]
    title, *notes = key
    return ResultChart(
        title,
        results,
        # Results that contradict each other say nothing.
        higher_is_better=directions.pop() if len(directions) == 1 else None,
        baseline=ids.index(baseline) if baseline in ids else None,
        notes=tuple(notes),
    )


def _subject(result: EvaluationResult) -> str:
    """Return the model that was evaluated, or the id of the result."""
    if result.HasField("model_version_id"):
        return result.model_version_id
    return result.model_ref.id if result.HasField("model_ref") else result.id
