"""The statements that read the snapshots of a training run: page by page, or fewer for a plot."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from math import isnan
from operator import lt
from typing import TYPE_CHECKING, Final, cast

from crucible_ir import v1
from crucible_ir.exchange.store.errors import ResultTooLargeError
from crucible_ir.exchange.store.records import MetricsPage, MetricsQuery
from crucible_ir.exchange.store.statements import chunks
from crucible_ir.exchange.store.statements.documents import entry_of, lookup
from crucible_ir.exchange.store.statements.rows import PAGE_BYTES

if TYPE_CHECKING:
    from sqlalchemy import Connection

#: The most points of all metrics of a downsampled run.
MAX_POINTS: Final = 200_000

_Point = tuple[int, v1.MetricsSnapshot]

#: The place of a snapshot in a downsampled run: its step, its time, and its position.
_Place = tuple[int, int, int, int]


def read(connection: Connection, query: MetricsQuery) -> MetricsPage:
    """Return a page of snapshots, as described in `Store.read_metrics`."""
    found = lookup(chunks.RUN, query.id, query.revision)
    row = connection.execute(found.statement, found.parameters).one_or_none()
    stored = entry_of(row, chunks.RUN, query.id, query.revision)
    record, document = stored.record, stored.document or b""
    run = v1.Document.FromString(document).training_run
    count = record.snapshot_count
    if count is None:
        count = len(run.metrics_history)
        del run.metrics_history[:]

    def snapshots(start: int, end: int = count) -> Iterator[_Point]:
        from_start = chunks.snapshots_from(connection, record, document, start)
        return islice(from_start, max(0, end - start))

    next_: str | None
    if query.max_points is None:
        start = query.first if query.after is None else int(query.after)
        points, rest = _page(_selected(snapshots(start), query.keys), query.limit)
        next_ = None if rest is None else str(rest[0])
    else:
        # Later pages are of the same snapshots as the first one.
        counted, skipped = (count, 0) if query.after is None else map(int, query.after.split(":"))
        reader = _Downsampler(lambda: snapshots(query.first, counted), query, counted)
        points, rest = _page(islice(reader.points(), skipped, None), query.limit)
        next_ = None if rest is None else f"{counted}:{skipped + len(points)}"
    return MetricsPage(record, run, count, points, next_)


def _page(points: Iterable[_Point], limit: int) -> tuple[list[_Point], _Point | None]:
    """Return the points of a page, and the first point of the next one."""
    page: list[_Point] = []
    size = 0
    for point in points:
        if len(page) == limit or size >= PAGE_BYTES:
            return page, point
        page.append(point)
        size += point[1].ByteSize()
    return page, None


def _selected(points: Iterable[_Point], keys: frozenset[str]) -> Iterator[_Point]:
    """Yield the snapshots that have one of some metrics, with only those metrics."""
    if not keys:
        yield from points
        return
    for position, snapshot in points:
        others = snapshot.other_values.fields
        for values in (snapshot.values, others):
            for key in [key for key in values if key not in keys]:
                del values[key]
        if not others:
            snapshot.ClearField("other_values")
        if snapshot.values or others:
            yield position, snapshot


@dataclass(slots=True)
class _Bucket:
    """The points of one metric in one bucket: of the smallest and the largest value, and NaN."""

    low: tuple[float, int] | None = None
    high: tuple[float, int] | None = None
    nan: int | None = None

    def add(self, value: float, position: int) -> None:
        if isnan(value):
            if self.nan is None:
                self.nan = position
            return
        if self.low is None or value < self.low[0]:
            self.low = (value, position)
        if self.high is None or value > self.high[0]:
            self.high = (value, position)

    def positions(self) -> Iterator[int]:
        for point in (self.low, self.high):
            if point is not None:
                yield point[1]
        if self.nan is not None:
            yield self.nan


@dataclass(slots=True)
class _Series:
    """One metric: its first and last point, and its buckets by their number."""

    first: tuple[int, int] | None = None
    last: tuple[int, int] | None = None
    buckets: dict[int, _Bucket] = field(default_factory=dict)


class _Order:
    """Checks that snapshots are ordered by step and time."""

    def __init__(self) -> None:
        self._step = -1
        self._timed: v1.MetricsSnapshot | None = None

    def continues(self, snapshots: Sequence[v1.MetricsSnapshot]) -> bool:
        """Return whether the next snapshots are in order, and after those before."""
        steps = [snapshot.step for snapshot in snapshots]
        # Of greater steps the times do not matter. A step that is not set reads as 0.
        if steps and steps[0] > max(self._step, 0) and all(map(lt, steps, islice(steps, 1, None))):
            self._step = steps[-1]
            timed = (each for each in reversed(snapshots) if each.HasField("time"))
            self._timed = next(timed, self._timed)
            return True
        return all(map(self._follows, snapshots))

    def _follows(self, snapshot: v1.MetricsSnapshot) -> bool:
        timed = self._timed
        if snapshot.HasField("time"):
            self._timed = snapshot
        if snapshot.HasField("step") and snapshot.step != self._step:
            is_after = snapshot.step > self._step
            self._step = snapshot.step
            return is_after
        if timed is None or not snapshot.HasField("time"):
            return True
        return _seconds(snapshot) >= _seconds(timed)


def _seconds(snapshot: v1.MetricsSnapshot) -> tuple[int, int]:
    return snapshot.time.seconds, snapshot.time.nanos


def _extremes(values: list[float]) -> list[int]:
    """Return the indexes of the smallest and the largest value, and of the first NaN."""
    if not isnan(sum(values)):
        return [values.index(min(values)), values.index(max(values))]
    # There is a NaN, or there are infinities of both signs.
    bucket = _Bucket()
    for index, value in enumerate(values):
        bucket.add(value, index)
    return list(bucket.positions())


def _with(snapshot: v1.MetricsSnapshot, keys: set[str]) -> v1.MetricsSnapshot:
    """Return a copy of a snapshot with some of its metrics only."""
    point = v1.MetricsSnapshot()
    point.CopyFrom(snapshot)
    point.ClearField("other_values")
    for key in [key for key in point.values if key not in keys]:
        del point.values[key]
    return point


class _Downsampler:
    """Chooses the points of a run to draw.

    Args:
        snapshots: Reads the snapshots from the first one on.
        query: The query.
        count: The number of snapshots of the run.
    """

    def __init__(
        self, snapshots: Callable[[], Iterator[_Point]], query: MetricsQuery, count: int
    ) -> None:
        self._snapshots = snapshots
        self._first = query.first
        self._keys = query.keys
        self._count = max(0, count - query.first)
        self._most = query.max_points or 0
        # The first and the last point, and three of each bucket.
        self._buckets = max(1, (self._most - 2) // 3)

    def points(self) -> Iterator[_Point]:
        """Yield the points, ordered by step, time and position.

        Raises:
            ResultTooLargeError: There are too many.
        """
        in_order = self._points_in_order()
        if in_order is not None:
            return iter(in_order)
        ranks = self._ranks()
        chosen = self._chosen(ranks)
        found: list[_Point] = []
        for position, snapshot in self._snapshots():
            keys = chosen.get(position)
            if keys is None:
                continue
            found.append((position, _with(snapshot, keys)))
        found.sort(key=lambda point: ranks[point[0] - self._first])
        return iter(found)

    def _points_in_order(self) -> list[_Point] | None:
        """Return the points of a run whose snapshots are in order, in one pass over it.

        Returns:
            The points; ``None`` if the snapshots are not in order.
        """
        found: list[_Point] = []
        last: dict[str, _Point] = {}
        order = _Order()
        snapshots = self._snapshots()
        start = 0
        for number in range(1, self._buckets + 1):
            end = -(-number * self._count // self._buckets)
            bucket = list(islice(snapshots, end - start))
            start = end
            if not order.continues([snapshot for _, snapshot in bucket]):
                return None
            chosen: dict[int, set[str]] = {}
            for key, indexes, values in self._columns(bucket, list(last)):
                extremes = _extremes(values)
                if key not in last:
                    self._check(len(last) + 1)
                    extremes.append(0)
                last[key] = bucket[indexes[-1]]
                for index in extremes:
                    chosen.setdefault(indexes[index], set()).add(key)
            for index in sorted(chosen):
                position, snapshot = bucket[index]
                found.append((position, _with(snapshot, chosen[index])))
        by_position = dict(found)
        for key, (position, snapshot) in last.items():
            # Copies, so that the snapshot of another metric stays as it is.
            if position in by_position:
                by_position[position].values[key] = snapshot.values[key]
            else:
                by_position[position] = _with(snapshot, {key})
        return sorted(by_position.items())

    def _columns(
        self, bucket: Sequence[_Point], known: Sequence[str]
    ) -> Iterator[tuple[str, Sequence[int], list[float]]]:
        """Yield the metrics of a bucket: the indexes of snapshots that have one, and its values.

        Args:
            bucket: The snapshots.
            known: The names of the metrics of the buckets before.
        """
        # Asking each for the names that are likely is faster than the items of a map of protobuf.
        maps = [snapshot.values for _, snapshot in bucket]
        names: Iterable[str] = self._keys or known
        missed = 0 if self._keys else sum(map(len, maps))
        while True:
            for key in names:
                column = [values.get(key) for values in maps]
                indexes: Sequence[int] = range(len(column))
                if None in column:
                    indexes = [index for index in indexes if column[index] is not None]
                    column = [column[index] for index in indexes]
                missed -= len(indexes)
                if indexes:
                    yield key, indexes, cast("list[float]", column)
            if missed <= 0:
                return
            names = set().union(*maps).difference(known)

    def _chosen(self, ranks: list[int]) -> dict[int, set[str]]:
        """Return the positions of the points, with the metrics of each."""
        series: dict[str, _Series] = {}
        for position, snapshot in self._snapshots():
            rank = ranks[position - self._first]
            number = rank * self._buckets // self._count
            for key, value in snapshot.values.items():
                if self._keys and key not in self._keys:
                    continue
                line = series.get(key)
                if line is None:
                    self._check(len(series) + 1)
                    line = series[key] = _Series()
                if line.first is None or rank < line.first[0]:
                    line.first = (rank, position)
                if line.last is None or rank > line.last[0]:
                    line.last = (rank, position)
                bucket = line.buckets.get(number)
                if bucket is None:
                    bucket = line.buckets[number] = _Bucket()
                bucket.add(value, position)
        chosen: dict[int, set[str]] = {}
        for key, line in series.items():
            ends = [end[1] for end in (line.first, line.last) if end is not None]
            for position in ends:
                chosen.setdefault(position, set()).add(key)
            for bucket in line.buckets.values():
                for position in bucket.positions():
                    chosen.setdefault(position, set()).add(key)
        return chosen

    def _check(self, metrics: int) -> None:
        if metrics * min(self._most, self._count) > MAX_POINTS:
            raise ResultTooLargeError(
                f"more than {MAX_POINTS} points to return: choose fewer keys or max_points"
            )

    def _ranks(self) -> list[int]:
        """Return the place of each snapshot in the order."""
        ranks = [0] * self._count
        for rank, place in enumerate(sorted(self._places())):
            ranks[place[-1] - self._first] = rank
        return ranks

    def _places(self) -> Iterator[_Place]:
        """Yield the place of each snapshot; it has the step or time before it if it has none."""
        step, seconds, nanos = -1, -(2**62), 0
        for position, snapshot in self._snapshots():
            if snapshot.HasField("step"):
                step = snapshot.step
            if snapshot.HasField("time"):
                seconds, nanos = snapshot.time.seconds, snapshot.time.nanos
            yield step, seconds, nanos, position
