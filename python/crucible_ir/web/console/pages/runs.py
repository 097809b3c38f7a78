"""The training runs: which there are, how they do, and the choice of those to compare."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final

from markupsafe import Markup

from crucible_ir.plotting import AxisKind, sparkline, value_scale
from crucible_ir.schema import vocabulary
from crucible_ir.v1 import TrainingRun, TrainingStatus
from crucible_ir.web.console.looks import Choice
from crucible_ir.web.console.measurements.training import (
    RunCurves,
    default_metrics,
    ended_at,
    reader_of,
)
from crucible_ir.web.console.page import Link, Live, Page, View, Visit, now

if TYPE_CHECKING:
    from crucible_ir.exchange import Record

#: The number of runs on a page.
_PAGE: Final = 50
#: The most points of the small curve of a run.
_SPARK_POINTS: Final = 60
#: How long the page waits for the small curves, in seconds.
_SPARK_SECONDS: Final = 0.5

#: The glyphs of states.
_GLYPHS: Final = {
    TrainingStatus.TRAINING_STATUS_RUNNING: "run",
    TrainingStatus.TRAINING_STATUS_COMPLETED: "done",
    TrainingStatus.TRAINING_STATUS_FAILED: "bad",
    TrainingStatus.TRAINING_STATUS_PENDING: "none",
    TrainingStatus.TRAINING_STATUS_UNSPECIFIED: "none",
    TrainingStatus.TRAINING_STATUS_PAUSED: "warn",
    TrainingStatus.TRAINING_STATUS_PREEMPTED: "warn",
    TrainingStatus.TRAINING_STATUS_CANCELLED: "old",
}


@dataclass(frozen=True, slots=True)
class Status:
    """The state of a run.

    Attributes:
        name: Its short name; ``not known`` if it is not set.
        glyph: The glyph that goes with it.
    """

    name: str
    glyph: str


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run in a list.

    Attributes:
        id: Its id.
        url: Its page.
        sequence: The sequence number of its latest change.
        updated: When it last changed.
        status: Its state; ``None`` if it was not read in time.
        model: The name of the model that it trains.
        step: The step that it has reached.
        metric: The name of the metric of the curve.
        last: The last value of it.
        seconds: How long it took, or has taken so far.
        version: The model version that it produced.
        curve: The values of the curve.
        spark: The curve as a picture.
    """

    id: str
    url: str
    sequence: int
    updated: datetime
    status: Status | None = None
    model: str = ""
    step: int | None = None
    metric: str = ""
    last: float | None = None
    seconds: float | None = None
    version: str = ""
    curve: Sequence[float] = ()
    spark: Markup = field(default=Markup(), metadata={"json": False})


@dataclass(frozen=True, slots=True)
class Runs:
    """The page.

    Attributes:
        runs: The runs, the newest first.
        statuses: The states to choose from.
        metric: The metric of the curves, if it is the same one; else empty.
        filter: The condition that the reader wrote.
        has_more: Whether there are more runs.
        not_read: The number of runs that were not read in time.
        compare_all: The page that compares the runs of this one.
    """

    runs: Sequence[RunRow]
    statuses: Sequence[Choice]
    metric: str
    filter: str
    has_more: bool
    not_read: int
    compare_all: str


async def show(visit: Visit) -> View:
    """Show the newest runs."""
    where, condition = condition_of(visit)
    status = visit.query("status")
    listed = visit.client.list_documents(
        TrainingRun, where=where, filter=condition or None, page_size=_PAGE + 1
    )
    records = []
    async for stored in listed:
        records.append(stored.record)
        if len(records) > _PAGE:
            break
    shown = records[:_PAGE]
    read = await reader_of(visit.client).many(
        shown, default_metrics(), max_points=_SPARK_POINTS, seconds=_SPARK_SECONDS
    )
    rows = [_row(visit, record, read.get(record.id)) for record in shown]
    choices = [
        Choice(name or "all", visit.url("runs", status=name, filter=condition), name == status)
        for name in ("", *vocabulary.numbers(TrainingStatus.DESCRIPTOR))
    ]
    compare_all = visit.url("runs", "compare", status=status, filter=condition)
    not_read = sum(row.status is None for row in rows)
    metrics = {row.metric for row in rows if row.metric}
    metric = metrics.pop() if len(metrics) == 1 else ""
    data = Runs(rows, choices, metric, condition, len(records) > _PAGE, not_read, compare_all)
    here = Link("training runs", visit.url("runs"))
    return View("Training runs", data, (here,), Live(("TrainingRun",)))


def condition_of(visit: Visit) -> tuple[dict[str, str] | None, str]:
    """Return the conditions on runs in the address: on their state, and what the reader wrote."""
    status = visit.query("status")
    known = vocabulary.numbers(TrainingStatus.DESCRIPTOR)
    return {"status": status} if status in known else None, visit.query("filter")


def _row(visit: Visit, record: Record, read: RunCurves | None) -> RunRow:
    row = RunRow(record.id, visit.url("runs", record.id), record.sequence, record.update_time)
    if read is None:
        return row
    name, series = next(iter(read.series.items()), ("", None))
    run = read.run
    values = series.values if series is not None else []
    return RunRow(
        row.id,
        row.url,
        row.sequence,
        row.updated,
        status_of(run),
        model_of(run),
        run.current_step if run.HasField("current_step") else None,
        name,
        values[-1] if values else None,
        seconds_of(run),
        run.final_model_version,
        values,
        # The renderer escapes what it draws.
        Markup(sparkline(_seen(values))) if values else Markup(),
    )


def _seen(values: Sequence[float]) -> Sequence[float]:
    """Return values as a small curve shows them: by their logarithms as larger charts do."""
    is_log = value_scale(values).kind is AxisKind.LOG
    return (
        [math.log10(value) if math.isfinite(value) else value for value in values]
        if is_log
        else values
    )


def status_of(run: TrainingRun) -> Status:
    """Return the state of a run."""
    name = vocabulary.names(TrainingStatus.DESCRIPTOR).get(run.status, "not known")
    return Status(name, _GLYPHS.get(run.status, ""))


def model_of(run: TrainingRun) -> str:
    """Return the name or the id of the model that a run trains."""
    model = run.config.model_ref
    return model.name or model.id


def seconds_of(run: TrainingRun) -> float | None:
    """Return how long a run took, or has taken so far if it is running."""
    if not run.HasField("started_at"):
        return None
    end = ended_at(run)
    if end is None:
        if run.status != TrainingStatus.TRAINING_STATUS_RUNNING:
            return None
        end = now()
    seconds = end.timestamp() - run.started_at.seconds
    return max(0.0, seconds) if math.isfinite(seconds) else None


PAGES = (Page("/runs", show, "runs.html", label="Training runs", key="t"),)
ACTIONS = ()
