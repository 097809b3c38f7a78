"""Training runs as the exchange returns them for charts, read once for each state of a run."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

from crucible_ir.exchange.client.errors import ExchangeError
from crucible_ir.schema.defaults import defaults
from crucible_ir.schema.types import descriptor_of
from crucible_ir.v1 import TrainingConfig, TrainingRun

if TYPE_CHECKING:
    from datetime import datetime

    from crucible_ir.exchange import AsyncExchangeClient, Record
    from crucible_ir.exchange.client.results import MetricsPoint

#: The most points that one reading returns.
MOST_POINTS: Final = 10_000
#: The most snapshots of a part of a run that are all drawn.
_ALL_POINTS: Final = 3_000
#: The most points of all metrics that the exchange draws.
_POINTS_OF_ALL: Final = 200_000
#: The number of points of all remembered runs of one reader.
_REMEMBERED: Final = 60_000
#: The most runs that are read at a time for one reader.
_MOST_AT_ONCE: Final = 200


@dataclass(frozen=True, slots=True)
class Series:
    """The values of one metric, with the places at which they were measured.

    Attributes:
        positions: The positions in the metrics history.
        steps: The steps; of values without a step, the step before.
        epochs: The epochs; ``None`` for values without one.
        times: The times in seconds since 1970; ``None`` for values without one.
        values: The values; NaN and infinities are legal.
    """

    positions: list[int]
    steps: list[int | None]
    epochs: list[float | None]
    times: list[float | None]
    values: list[float]


@dataclass(frozen=True, slots=True)
class RunCurves:
    """A run with points of its metrics.

    Attributes:
        record: Its record.
        run: The run without its metrics history.
        count: The number of its snapshots.
        series: The points by the name of the metric, those of the configuration first.
    """

    record: Record
    run: TrainingRun
    count: int
    series: Mapping[str, Series]

    @property
    def size(self) -> int:
        """The number of points, and one for the run."""
        return 1 + sum(len(series.values) for series in self.series.values())


class RunReader:
    """Reads the runs that one reader of the console sees, and remembers them.

    A run with the same sequence number has the same snapshots, so it is never read twice.
    """

    def __init__(self, client: AsyncExchangeClient) -> None:
        self._client = client
        self._known: OrderedDict[tuple[object, ...], RunCurves] = OrderedDict()
        self._size = 0
        self._reading: dict[tuple[object, ...], asyncio.Task[RunCurves]] = {}

    async def head(self, id_: str, revision: int | None = None) -> RunCurves:
        """Return a run with its first snapshots only.

        Raises:
            ExchangeError: The call failed, for example because there is no such run.
        """
        found = await self._client.read_metrics(id_, limit=20, revision=revision)
        return RunCurves(found.record, found.run, found.count, series_of(found.run, found.points))

    async def curves(
        self, record: Record, keys: Iterable[str] = (), *, max_points: int, first: int = 0
    ) -> RunCurves:
        """Return the points of a run to draw.

        Args:
            record: The record of the run.
            keys: The names of the metrics; empty for all.
            max_points: The most points of each metric.
            first: The position of the first snapshot.

        Raises:
            ExchangeError: The call failed.
        """
        names = tuple(sorted(set(keys)))
        rest = (names, max_points, first)
        key = (record.id, record.revision, record.sequence, *rest)
        known = self._known.get(key)
        if known is not None:
            self._known.move_to_end(key)
            return known
        found = await self._client.read_metrics(
            record.id,
            keys=names,
            max_points=max_points,
            first=first,
            limit=MOST_POINTS,
            revision=record.revision,
        )
        read = RunCurves(found.record, found.run, found.count, series_of(found.run, found.points))
        # The run may have changed since its record was read.
        self._remember((record.id, record.revision, read.record.sequence, *rest), read)
        return read

    async def part(
        self, read: RunCurves, keys: Iterable[str], first: int, end: int, *, max_points: int
    ) -> RunCurves:
        """Return the points of a part of a run: all of them, if they are few.

        Args:
            read: The run.
            keys: The names of the metrics; empty for all.
            first: The position of the first snapshot of the part.
            end: The position after the last one.
            max_points: About how many points of each metric to draw.

        Raises:
            ExchangeError: The call failed.
        """
        if end - first <= _ALL_POINTS:
            found = await self._client.read_metrics(
                read.record.id,
                keys=tuple(keys),
                first=first,
                limit=end - first,
                revision=read.record.revision,
            )
            points = found.points
        else:
            # The exchange draws to the end of a run: its points must be so close together that
            # enough of them are in the part.
            closeness = (read.count - first) / (end - first)
            most = min(MOST_POINTS, _POINTS_OF_ALL // max(1, len(read.series)))
            wanted = max(5, min(most, round(max_points * closeness)))
            found = await self._client.read_metrics(
                read.record.id,
                keys=tuple(keys),
                max_points=wanted,
                first=first,
                limit=MOST_POINTS,
                revision=read.record.revision,
            )
            points = found.points
        inside = [point for point in points if first <= point.position < end]
        return RunCurves(found.record, found.run, found.count, series_of(found.run, inside))

    async def many(
        self, records: Iterable[Record], keys: Iterable[str], *, max_points: int, seconds: float
    ) -> dict[str, RunCurves]:
        """Return the points of those runs that can be read in a time; others are read meanwhile.

        The exchange may be slow, or a run long: a page does not wait for all, and has more of them
        when it is loaded again.
        """
        names = tuple(keys)
        tasks: dict[str, asyncio.Task[RunCurves]] = {}
        for record in records:
            key = (record.id, record.sequence, names, max_points)
            task = self._reading.get(key)
            if task is None and len(self._reading) < _MOST_AT_ONCE:
                reading = self.curves(record, names, max_points=max_points)
                task = self._reading[key] = asyncio.create_task(reading)
                task.add_done_callback(partial(self._finished, key))
            if task is not None:
                tasks[record.id] = task
        if not tasks:
            return {}
        await asyncio.wait(tasks.values(), timeout=seconds)
        return {
            id_: task.result()
            for id_, task in tasks.items()
            if task.done() and not task.cancelled() and task.exception() is None
        }

    def _finished(self, key: tuple[object, ...], task: asyncio.Task[RunCurves]) -> None:
        self._reading.pop(key, None)
        if not task.cancelled():
            # A run that cannot be read is left out; any other error is logged.
            error = task.exception()
            if error is not None and not isinstance(error, ExchangeError):
                raise error

    def _remember(self, key: tuple[object, ...], read: RunCurves) -> None:
        before = self._known.pop(key, None)
        self._size += read.size - (before.size if before is not None else 0)
        self._known[key] = read
        while self._size > _REMEMBERED and len(self._known) > 1:
            self._size -= self._known.popitem(last=False)[1].size


_READERS: Final[WeakKeyDictionary[AsyncExchangeClient, RunReader]] = WeakKeyDictionary()


def reader_of(client: AsyncExchangeClient) -> RunReader:
    """Return the reader of runs with the rights of a client."""
    return _READERS.setdefault(client, RunReader(client))


def series_of(run: TrainingRun, points: Sequence[MetricsPoint]) -> dict[str, Series]:
    """Return the metrics in some points, those that the configuration names first."""
    found: dict[str, Series] = {name: Series([], [], [], [], []) for name in tracked(run)}
    step: int | None = None
    for point in points:
        snapshot = point.snapshot
        if snapshot.HasField("step"):
            step = snapshot.step
        epoch = snapshot.epoch if snapshot.HasField("epoch") else None
        time = (
            snapshot.time.seconds + snapshot.time.nanos / 1e9 if snapshot.HasField("time") else None
        )
        for name, value in snapshot.values.items():
            series = found.get(name)
            if series is None:
                series = found[name] = Series([], [], [], [], [])
            series.positions.append(point.position)
            series.steps.append(step)
            series.epochs.append(epoch)
            series.times.append(time)
            series.values.append(value)
    named = set(tracked(run))
    others = sorted(name for name in found if name not in named)
    return {name: found[name] for name in (*tracked(run), *others) if found[name].values}


def tracked(run: TrainingRun) -> tuple[str, ...]:
    """Return the names of the metrics that the configuration of a run asks for."""
    return tuple(dict.fromkeys(run.config.metrics)) or default_metrics()


def default_metrics() -> tuple[str, ...]:
    """Return the names of the metrics that the schema gives as the default.

    >>> default_metrics()
    ('loss', 'accuracy')
    """
    field = next(
        field.name
        for field in descriptor_of(TrainingConfig).fields
        if field.number == TrainingConfig.METRICS_FIELD_NUMBER
    )
    names = defaults(TrainingConfig.DESCRIPTOR)[field]
    return tuple(map(str, names)) if isinstance(names, tuple) else ()


def ended_at(run: TrainingRun) -> datetime | None:
    """Return when a run ended; ``None`` if it has not."""
    from datetime import UTC

    return run.completed_at.ToDatetime(tzinfo=UTC) if run.HasField("completed_at") else None
