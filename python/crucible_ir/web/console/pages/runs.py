"""The training runs: which there are, how they do, and the choice of those to compare."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final

from markupsafe import Markup

from crucible_ir.exchange.client.errors import InvalidDocumentError
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
#: The most calls that find them.
_CALLS: Final = 8
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
        problem: What is wrong with it; empty if nothing is.
        later: The page of the runs before these; empty if there are none.
        first: The page of the newest runs; empty if this is it.
        not_read: The number of runs that were not read in time.
        compare_all: The page that compares the runs of this one.
    """

    runs: Sequence[RunRow]
    statuses: Sequence[Choice]
    metric: str
    filter: str
    problem: str
    later: str
    first: str
    not_read: int
    compare_all: str


async def show(visit: Visit) -> View:
    """Show the newest runs."""
    status, condition = visit.query("status"), visit.query("filter")
    problem, token = "", ""
    records: list[Record] = []
    try:
        records, token = await _page(visit)
    except InvalidDocumentError as error:
        problem = error.message
    read = await reader_of(visit.client).many(
        records, default_metrics(), max_points=_SPARK_POINTS, seconds=_SPARK_SECONDS
    )
    rows = [_row(visit, record, read.get(record.id)) for record in records]
    choices = [
        Choice(name or "all", visit.url("runs", status=name, filter=condition), name == status)
        for name in ("", *vocabulary.numbers(TrainingStatus.DESCRIPTOR))
    ]
    compare_all = visit.url("runs", "compare", status=status, filter=condition)
    not_read = sum(row.status is None for row in rows)
    metrics = {row.metric for row in rows if row.metric}
    metric = metrics.pop() if len(metrics) == 1 else ""
    later = visit.url("runs", status=status, filter=condition, page=token) if token else ""
    first = visit.url("runs", status=status, filter=condition) if visit.query("page") else ""
    data = Runs(rows, choices, metric, condition, problem, later, first, not_read, compare_all)
    here = Link("training runs", visit.url("runs"))
    live = None if visit.query("page") else Live(("TrainingRun",))
    return View("Training runs", data, (here,), live, 400 if problem else 200)


def condition_of(visit: Visit) -> str:
    """Return the condition on runs in the address: on their state, and what the reader wrote."""
    status, written = visit.query("status"), visit.query("filter")
    parts = [f"({written})"] if written else []
    if status in vocabulary.numbers(TrainingStatus.DESCRIPTOR):
        parts.append(f"status = {status}")
    return " AND ".join(parts)


async def _page(visit: Visit) -> tuple[list[Record], str]:
    """Return the runs of the page, and the token of the next one.

    Raises:
        InvalidDocumentError: The condition is invalid.
    """
    condition = condition_of(visit)
    records: list[Record] = []
    token = visit.query("page")
    # Pages may be short where few runs satisfy a condition.
    for _ in range(_CALLS):
        page = await visit.client.list_page(
            TrainingRun,
            page_token=token,
            filter=condition or None,
            page_size=_PAGE - len(records),
        )
        records += [entry.record for entry in page.entries]
        token = page.next_page_token
        if not token or len(records) >= _PAGE:
            break
    return records, token


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
