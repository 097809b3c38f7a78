"""The metrics of training runs as charts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from crucible_ir.plotting.charts.curves import Curve, CurveChart, slot_of
from crucible_ir.plotting.figure import Size
from crucible_ir.plotting.geometry.downsampling import thin
from crucible_ir.plotting.geometry.scales import AxisKind

if TYPE_CHECKING:
    from crucible_ir.v1 import MetricsSnapshot


class Over(Enum):
    """What the level axis of a run's metrics shows: its kind and its name."""

    STEP = (AxisKind.COUNT, "step")
    EPOCH = (AxisKind.LINEAR, "epoch")
    TIME = (AxisKind.DURATION, "time")
    #: The place of a snapshot among those of its run.
    SNAPSHOT = (AxisKind.COUNT, "snapshot")


@dataclass(frozen=True, slots=True)
class RunHistory:
    """A run with its measurements.

    Attributes:
        id: The id of the run.
        snapshots: The measurements, or a part of them.
        count: The number of snapshots that the run has. None: `snapshots` has all.
    """

    id: str
    snapshots: Sequence[MetricsSnapshot]
    count: int | None = None


def metric_names(runs: Iterable[RunHistory]) -> list[str]:
    """Return the names of the metrics, in the order of their first values.

    >>> from crucible_ir.v1 import MetricsSnapshot
    >>> metric_names([RunHistory("a", [MetricsSnapshot(values={"loss": 1.0})])])
    ['loss']
    """
    return list(
        dict.fromkeys(
            name for run in runs for snapshot in run.snapshots for name in sorted(snapshot.values)
        )
    )


def usual_axis(runs: Sequence[RunHistory]) -> Over:
    """Return what every run states: steps, else epochs, else times, else nothing but an order."""
    for over, name in ((Over.STEP, "step"), (Over.EPOCH, "epoch"), (Over.TIME, "time")):
        if all(any(s.HasField(name) for s in run.snapshots) for run in runs if run.snapshots):
            return over
    return Over.SNAPSHOT


def metric_chart(
    name: str,
    runs: Sequence[RunHistory],
    *,
    over: Over | None = None,
    scale: AxisKind | None = None,
    smoothing: float = 0.0,
    max_points: int = 1000,
    size: Size = Size.MEDIUM,
) -> CurveChart:
    """Return the chart of a metric of several runs. A run keeps its colour in all charts.

    Args:
        name: The name of the metric.
        runs: The runs.
        over: What the level axis shows. None: what all runs state.
        scale: The kind of the upright axis. None: by the range of the values.
        smoothing: The weight of neighbours.
        max_points: The most points of each curve.
        size: The height.

    >>> from crucible_ir.v1 import MetricsSnapshot
    >>> run = RunHistory("a", [MetricsSnapshot(values={"loss": 1.0}, step=7)])
    >>> metric_chart("loss", [run]).curves[0].xs
    [7.0]
    """
    over = usual_axis(runs) if over is None else over
    kind, label = over.value
    curves = []
    for index, run in enumerate(runs):
        points = _points(name, run, over)
        if not points:
            continue
        # Each point once and in order, though snapshots may be appended late.
        points.sort(key=lambda point: point[0])
        xs, ys = [x for x, _ in points], [y for _, y in points]
        stored = len(ys) if run.count is None else max(len(ys), run.count)
        xs, ys = thin(xs, ys, max_points)
        curves.append(Curve(run.id, xs, ys, slot_of(index), stored=stored))
    return CurveChart(
        name, curves, x_kind=kind, x_label=label, scale=scale, smoothing=smoothing, size=size
    )


def _points(name: str, run: RunHistory, over: Over) -> list[tuple[float, float]]:
    """Return the values of a metric with their places.

    A snapshot without a step, an epoch or a time has that of the snapshot before it.
    """
    points = []
    place: float | None = None
    start: float | None = None
    for position, snapshot in enumerate(run.snapshots):
        if over is Over.SNAPSHOT:
            place = float(position)
        elif over is Over.STEP and snapshot.HasField("step"):
            place = float(snapshot.step)
        elif over is Over.EPOCH and snapshot.HasField("epoch"):
            place = snapshot.epoch
        elif over is Over.TIME and snapshot.HasField("time"):
            seconds = snapshot.time.seconds + snapshot.time.nanos / 1e9
            start = seconds if start is None else start
            place = seconds - start
        if place is not None and name in snapshot.values:
            points.append((place, snapshot.values[name]))
    return points
