"""One training run: the curves of its metrics, their last values, and its checkpoints."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from crucible_ir.plotting import Size
from crucible_ir.v1 import TrainingRun, TrainingStatus
from crucible_ir.web.console.looks import Choices, Look, whole_axis, with_query
from crucible_ir.web.console.measurements.training import RunCurves, Series, ended_at, reader_of
from crucible_ir.web.console.page import Link, Live, Page, View, Visit
from crucible_ir.web.console.pages.runs import Status, model_of, seconds_of, status_of

if TYPE_CHECKING:
    from crucible_ir.plotting import Figure

#: The most points of each curve, and of the only one.
_POINTS: Final = 900
_POINTS_OF_ONE: Final = 2400
#: The most metrics that are drawn at once.
_MOST_CHARTS: Final = 13
#: The most metrics that a sentence names.
_MOST_NAMED: Final = 4
_AXES: Final = ("step", "epoch", "time")


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric of a run.

    Attributes:
        name: Its name.
        url: The page with its curve alone.
        last: The last value.
        step: The step of that; ``None`` if the run does not state steps.
        low: The smallest finite value.
        high: The largest finite value.
        best: The best value as the run states it.
        nan_from: The step of the first value that is not a number.
        infinite_from: The step of the first infinity.
        points: The points of the curve.
        chart: The curve as a picture.
    """

    name: str
    url: str
    last: float | None
    step: int | None
    low: float | None
    high: float | None
    best: float | None
    nan_from: int | None
    infinite_from: int | None
    points: Series | None
    chart: Figure | None = field(default=None, metadata={"json": False})


@dataclass(frozen=True, slots=True)
class Run:
    """The page.

    Attributes:
        id: The id of the run.
        revision: The revision that is shown.
        status: Its state.
        sentences: What is true of it now.
        model: The model that it trains.
        config: Its configuration.
        started: When it started.
        ended: When it ended.
        seconds: How long it took, or has taken so far.
        step: The step that it has reached.
        of_steps: The number of steps that it may take.
        epoch: The epoch that it has reached.
        version: The model version that it produced.
        experiment: The experiment that it belongs to.
        tags: Its labels.
        snapshots: The number of its snapshots.
        metrics: Its metrics.
        drawn: How many points of how many snapshots are drawn; empty for all.
        whole: The page with all of the level axis; empty if that is this one.
        looks: The choices of how curves are drawn.
        only: The metric that is shown alone, with the page of all; ``None`` if all are shown.
        checkpoints: The URIs of its checkpoints, the latest first.
        best_checkpoint: The URI of the best one.
        updated: When it last changed.
        document: The page of the document.
    """

    id: str
    revision: int
    status: Status
    sentences: Sequence[str]
    model: Link
    config: Link
    started: datetime | None
    ended: datetime | None
    seconds: float | None
    step: int | None
    of_steps: int | None
    epoch: int | None
    version: str
    experiment: str
    tags: Sequence[str]
    snapshots: int
    metrics: Sequence[Metric]
    drawn: str
    whole: str
    looks: Sequence[Choices]
    only: Link | None
    checkpoints: Sequence[str]
    best_checkpoint: str
    updated: datetime
    document: str


async def show(visit: Visit) -> View:
    """Show a run."""
    look = Look.of(visit, _AXES)
    id_, only = visit.param("id"), visit.query("metric")
    reader = reader_of(visit.client)
    head = await reader.head(id_, visit.number("revision"))
    keys = (only,) if only else ()
    most = _POINTS_OF_ONE if only else _POINTS
    read = drawn = await reader.curves(head.record, keys, max_points=most)
    if look.is_part:
        part = look.positions(read.series.values(), read.count)
        drawn = await reader.part(read, keys, *part, max_points=most)
    data = await asyncio.to_thread(_run, visit, look, read, drawn, only)
    trail = (Link("training runs", visit.url("runs")), Link(id_, visit.url("runs", id_)))
    return View(id_, data, trail, Live(("TrainingRun",), id_))


def _run(visit: Visit, look: Look, read: RunCurves, drawn: RunCurves, only: str) -> Run:
    run = read.run
    metrics = [
        _metric(visit, look, read, drawn, name, index) for index, name in enumerate(_names(read))
    ]
    return Run(
        read.record.id,
        read.record.revision,
        status_of(run),
        list(_sentences(run, metrics)),
        _model_link(visit, run),
        Link(run.config.id, visit.document_url("TrainingConfig", run.config.id)),
        run.started_at.ToDatetime(tzinfo=UTC) if run.HasField("started_at") else None,
        ended_at(run),
        seconds_of(run),
        run.current_step if run.HasField("current_step") else None,
        run.config.max_steps if run.config.HasField("max_steps") else None,
        run.current_epoch if run.HasField("current_epoch") else None,
        run.final_model_version,
        run.experiment_id,
        list(run.tags),
        read.count,
        metrics,
        _drawn(drawn) if not look.is_part else "",
        whole_axis(visit) if look.is_part else "",
        look.choices(visit, _AXES),
        Link(only, with_query(visit, "metric", "")) if only else None,
        list(reversed(run.checkpoint_uris)),
        run.best_checkpoint_uri,
        read.record.update_time,
        visit.document_url("TrainingRun", read.record.id),
    )


def _names(read: RunCurves) -> list[str]:
    """Return the names of the metrics: those with values, and those that have a best value only."""
    return list(dict.fromkeys((*read.series, *sorted(read.run.best_metrics))))


def _drawn(read: RunCurves) -> str:
    most = max((len(series.values) for series in read.series.values()), default=0)
    if most >= read.count:
        return ""
    return f"up to {most:,} points of each metric, with its extremes, of {read.count:,} snapshots"


def _metric(
    visit: Visit, look: Look, read: RunCurves, drawn: RunCurves, name: str, index: int
) -> Metric:
    series = read.series.get(name)
    points = drawn.series.get(name)
    values = series.values if series is not None else []
    finite = [value for value in values if math.isfinite(value)]
    chart = None
    if points is not None and index < _MOST_CHARTS:
        size = Size.LARGE if index == 0 else Size.SMALL
        chart = look.draw(name, [(read.record.id, points, None)], size=size)
    return Metric(
        name,
        with_query(visit, "metric", name),
        values[-1] if values else None,
        series.steps[-1] if series is not None and series.steps else None,
        min(finite, default=None),
        max(finite, default=None),
        read.run.best_metrics.get(name),
        _first(series, math.isnan),
        _first(series, math.isinf),
        points,
        chart,
    )


def _first(series: Series | None, matches: Callable[[float], bool]) -> int | None:
    """Return the step, or else the position, of the first value of a kind."""
    if series is None:
        return None
    for value, step, position in zip(series.values, series.steps, series.positions, strict=True):
        if matches(value):
            return position if step is None else step
    return None


def _sentences(run: TrainingRun, metrics: Sequence[Metric]) -> list[str]:
    """Say what is true of a run now: each sentence repeats fields of it."""
    said = []
    if run.error_message:
        end = "" if run.error_message.endswith((".", "!", "?")) else "."
        said.append(f"{status_of(run).name.capitalize()}: {run.error_message}{end}")
    nan = [
        f"{each.name} from step {each.nan_from:,}" for each in metrics if each.nan_from is not None
    ]
    if nan:
        more = f" and {len(nan) - _MOST_NAMED} more metrics" if len(nan) > _MOST_NAMED else ""
        said.append(f"NaN: {', '.join(nan[:_MOST_NAMED])}{more}.")
    is_running = run.status == TrainingStatus.TRAINING_STATUS_RUNNING
    if is_running and run.HasField("current_step"):
        of = f" of {run.config.max_steps:,}" if run.config.HasField("max_steps") else ""
        said.append(f"Running, at step {run.current_step:,}{of}.")
    return said


def _model_link(visit: Visit, run: TrainingRun) -> Link:
    model = run.config.model_ref
    return Link(model_of(run), visit.document_url("ModelRef", model.id) if model.id else "")


PAGES = (Page("/runs/{id}", show, "run.html"),)
ACTIONS = ()
