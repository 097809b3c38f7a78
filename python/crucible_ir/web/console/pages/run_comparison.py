"""Training runs side by side: one metric of up to 200 runs, and what differs in their settings."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from crucible_ir.exchange.client.errors import NotFoundError
from crucible_ir.plotting import (
    ParallelChart,
    ParallelRun,
    Size,
    draw_parallel,
    line_class,
    slot_of,
)
from crucible_ir.v1 import TrainingRun
from crucible_ir.web.console.errors import Problem, ProblemError
from crucible_ir.web.console.looks import Choice, Choices, Look, whole_axis, with_query
from crucible_ir.web.console.measurements.differences import Difference, differences
from crucible_ir.web.console.measurements.training import RunCurves, Series, reader_of
from crucible_ir.web.console.page import Link, Live, Page, View, Visit
from crucible_ir.web.console.pages.runs import Status, condition_of, status_of

if TYPE_CHECKING:
    from crucible_ir.plotting import Figure

#: The most runs of one comparison.
MOST_RUNS: Final = 200
#: The number of runs up to which each has a colour; with more all but one are grey.
_COLOURED: Final = 8
#: The most points of all curves, and of one.
_POINTS: Final = 40_000
_POINTS_OF_ONE: Final = 900
#: The most axes of the parallel coordinates, beside the metric.
_MOST_AXES: Final = 7
#: How long the page waits for curves, in seconds.
_SECONDS: Final = 12.0
_AXES: Final = ("step", "epoch", "elapsed")
#: The numbers that the list of runs is ordered by.
_ORDERS: Final = ("step", "last", "least", "greatest")


@dataclass(frozen=True, slots=True)
class Compared:
    """A run in a comparison.

    Attributes:
        id: Its id.
        url: Its page.
        light: The page with this run lit.
        is_lit: Whether it is lit.
        look: The class of its line.
        status: Its state.
        step: The step that it has reached.
        last: The last value of the metric.
        least: The least finite value.
        greatest: The greatest finite value.
        points: The points of the curve.
    """

    id: str
    url: str
    light: str
    is_lit: bool
    look: str
    status: Status
    step: int | None
    last: float | None
    least: float | None
    greatest: float | None
    points: Series | None


@dataclass(frozen=True, slots=True)
class Order:
    """An order of the list.

    Attributes:
        text: The name of the column.
        url: The page in this order, or in the opposite one if it is in this order.
        direction: ``ascending`` or ``descending`` if the list is in this order; else empty.
    """

    text: str
    url: str
    direction: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """The page.

    Attributes:
        runs: The runs.
        ranking: The indexes of the runs in the order of the list.
        orders: The orders to choose from: the numbers of the list, ascending or descending.
        missing: The ids of runs that were not read, because there are none or it took too long.
        metric: The metric of the curves.
        metrics: The metrics to choose from.
        whole: The page with all of the level axis; empty if that is this one.
        looks: The choices of how curves are drawn.
        fields: The fields in which the configurations differ.
        reference: The index of the run that the others are compared with.
        equal: The fields that are equal in all configurations.
        left_out: The number of fields that differ and are left out.
        chart: The curves as a picture.
        parallel: The settings and the metric as a picture; ``None`` if they have nothing to show.
    """

    runs: Sequence[Compared]
    ranking: Sequence[int]
    orders: Sequence[Order]
    missing: Sequence[str]
    metric: str
    metrics: Sequence[Choice]
    whole: str
    looks: Sequence[Choices]
    fields: Sequence[Difference]
    reference: int
    equal: Sequence[str]
    left_out: int
    chart: Figure | None = field(default=None, metadata={"json": False})
    parallel: Figure | None = field(default=None, metadata={"json": False})


async def show(visit: Visit) -> View:
    """Compare the runs that the address names, or that satisfy its condition."""
    look = Look.of(visit, _AXES)
    ids = await _ids(visit)
    reader = reader_of(visit.client)
    heads = await asyncio.gather(*map(reader.head, ids), return_exceptions=True)
    for error in heads:
        if isinstance(error, BaseException) and not isinstance(error, NotFoundError):
            raise error
    found = [head for head in heads if isinstance(head, RunCurves)]
    names = list(dict.fromkeys(name for head in found for name in _metrics_of(head)))
    metric = visit.query("metric") or next(iter(names), "")
    most = max(20, min(_POINTS_OF_ONE, _POINTS // max(1, len(found))))
    records = [head.record for head in found]
    read = await reader.many(records, [metric], max_points=most, seconds=_SECONDS)
    curves = [read[record.id] for record in records if record.id in read]
    missing = [id_ for id_ in ids if id_ not in read]
    # Drawing hundreds of curves takes a while.
    data = await asyncio.to_thread(_comparison, visit, look, metric, names, curves, missing)
    here = Link("comparison", visit.path)
    trail = (Link("training runs", visit.url("runs")), here)
    return View("Training runs compared", data, trail, Live(("TrainingRun",)))


def _comparison(
    visit: Visit,
    look: Look,
    metric: str,
    names: Sequence[str],
    curves: Sequence[RunCurves],
    missing: Sequence[str],
) -> Comparison:
    lit = _lit(visit, curves)
    compared = [
        _compared(visit, each, metric, index, lit, len(curves)) for index, each in enumerate(curves)
    ]
    found_fields = differences([each.run.config for each in curves])
    return Comparison(
        compared,
        _ranking(visit, compared),
        [_order(visit, name) for name in _ORDERS],
        missing,
        metric,
        [Choice(name, with_query(visit, "metric", name), name == metric) for name in names],
        whole_axis(visit) if look.is_part else "",
        look.choices(visit, _AXES),
        found_fields.different,
        lit or 0,
        found_fields.equal,
        found_fields.left_out,
        _draw(look, metric, curves, lit),
        _draw_parallel(metric, compared, found_fields.different, lit),
    )


async def _ids(visit: Visit) -> list[str]:
    """Return the ids of the runs: those in the address, or else those that satisfy a condition.

    Raises:
        ProblemError: There are too many.
    """
    ids = list(dict.fromkeys(visit.request.query_params.getlist("id")))
    if not ids:
        listed = visit.client.list_documents(
            TrainingRun, filter=condition_of(visit) or None, page_size=MOST_RUNS
        )
        async for stored in listed:
            ids.append(stored.record.id)
            if len(ids) == MOST_RUNS:
                break
    if len(ids) > MOST_RUNS:
        reason = f"{len(ids)} runs to compare; at most {MOST_RUNS} fit on a page"
        raise ProblemError(Problem.bad_request(reason))
    return ids


def _ranking(visit: Visit, compared: Sequence[Compared]) -> list[int]:
    """Return the indexes of runs in the order that the address names; without values last."""
    name = visit.query("sort").removeprefix("-")
    indexes = range(len(compared))
    if name not in _ORDERS:
        return list(indexes)
    numbers = [getattr(each, name) for each in compared]
    known = [
        index
        for index in indexes
        if numbers[index] is not None and numbers[index] == numbers[index]
    ]
    known.sort(key=lambda index: numbers[index], reverse=visit.query("sort").startswith("-"))
    return [*known, *(index for index in indexes if index not in set(known))]


def _order(visit: Visit, name: str) -> Order:
    chosen = visit.query("sort")
    is_chosen = chosen.removeprefix("-") == name
    direction = "descending" if chosen.startswith("-") else "ascending"
    other = f"-{name}" if is_chosen and direction == "ascending" else name
    return Order(name, with_query(visit, "sort", other), direction if is_chosen else "")


def _metrics_of(head: RunCurves) -> list[str]:
    return [*head.series, *sorted(head.run.best_metrics)]


def _lit(visit: Visit, curves: Sequence[RunCurves]) -> int | None:
    """Return the index of the run that stands out; with few runs each has a colour instead."""
    chosen = visit.query("lit")
    ids = [each.record.id for each in curves]
    if chosen in ids:
        return ids.index(chosen)
    return 0 if len(ids) > _COLOURED else None


def _slot(index: int, lit: int | None, count: int) -> int:
    if count <= _COLOURED:
        return slot_of(index)
    return 1 if index == lit else 0


def _compared(
    visit: Visit, read: RunCurves, metric: str, index: int, lit: int | None, count: int
) -> Compared:
    series = read.series.get(metric)
    values = series.values if series is not None else []
    finite = [value for value in values if math.isfinite(value)]
    run = read.run
    return Compared(
        read.record.id,
        visit.url("runs", read.record.id),
        with_query(visit, "lit", read.record.id),
        index == lit,
        line_class(_slot(index, lit, count)),
        status_of(run),
        run.current_step if run.HasField("current_step") else None,
        values[-1] if values else None,
        min(finite, default=None),
        max(finite, default=None),
        series,
    )


def _draw(look: Look, metric: str, curves: Sequence[RunCurves], lit: int | None) -> Figure | None:
    slots = [_slot(index, lit, len(curves)) for index in range(len(curves))]
    drawn = [
        (each.record.id, each.series[metric], slot)
        for each, slot in zip(curves, slots, strict=True)
        if metric in each.series
    ]
    if not drawn:
        return None
    # The first curve is on top.
    drawn.sort(key=lambda curve: curve[2] == 0)
    starts = {
        each.record.id: each.run.started_at.seconds + each.run.started_at.nanos / 1e9
        for each in curves
        if each.run.HasField("started_at")
    }
    return look.draw(metric, drawn, starts=starts, size=Size.LARGE)


def _draw_parallel(
    metric: str, compared: Sequence[Compared], fields: Sequence[Difference], lit: int | None
) -> Figure | None:
    shown = [each for each in fields if _is_axis(each)][:_MOST_AXES]
    if not shown or len(compared) < 3:
        return None
    axes = [*(each.path for each in shown), metric]
    runs = [
        ParallelRun(each.id, [*(_axis_value(one.values[index]) for one in shown), each.last])
        for index, each in enumerate(compared)
    ]
    return draw_parallel(ParallelChart("Settings and result", axes, runs, lit=lit))


def _is_axis(difference: Difference) -> bool:
    return all(
        value is None or isinstance(value, str | int | float | bool) for value in difference.values
    )


def _axis_value(value: object) -> float | str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return json.dumps(value)
    return float(value) if isinstance(value, int | float) else None


PAGES = (Page("/runs/compare", show, "run_comparison.html"),)
ACTIONS = ()
