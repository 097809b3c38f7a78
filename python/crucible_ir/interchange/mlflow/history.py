"""Histories of metrics: lists of points for each metric, and rows of a run.

MLflow keeps a list of points for each metric; a run has a row for each step and time. Rows are
written into the message directly, and reported as ranges, so that long histories are fast.
"""

from __future__ import annotations

import heapq
import math
import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, Final, NamedTuple

from crucible_ir import v1
from crucible_ir.interchange.mapping.exporting import Export
from crucible_ir.interchange.mapping.importing import Import
from crucible_ir.interchange.mapping.patterns import Path
from crucible_ir.interchange.mapping.report import SHOWN_VALUES, Outcome, Recorder
from crucible_ir.interchange.mapping.source import Account, Source
from crucible_ir.interchange.mapping.target import Target
from crucible_ir.interchange.mlflow.pairs import is_text, kept_in
from crucible_ir.paths import MapKey
from crucible_ir.serialization.json.opaque import MAX_EXACT_INTEGER
from crucible_ir.serialization.json.timestamps import MAX_SECONDS, MIN_SECONDS

#: The numbers that JSON does not have, as protobuf's JSON writes them.
NON_FINITE: Final = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}

#: What MLflow's databases make of an infinity.
LARGEST: Final = 1.7976931348623157e308

_MAX_STEP: Final = 2**31 - 1
_NO_NUMBER: Final = -(2**80)

_LARGEST_REASON = "MLflow's databases write an infinity as the largest number: kept as found"
_TIME_REASON = "milliseconds since 1970"
_TEXT_REASON = "JSON has no such number"
_STEP_REASON = "a step is 0 or more, with at most 31 bits: kept in other_values"


class Point(NamedTuple):
    """A measurement of one metric; the time is in milliseconds since 1970."""

    time: int | None
    step: int | None
    value: float


class _Row(NamedTuple):
    time: int | None
    step: int | None
    values: dict[str, float]


class _Field(NamedTuple):
    """What became of one field of a point."""

    outcome: Outcome
    reason: str
    value: object
    to: object


class PointReader:
    """Reads a list of points of one metric, and notes what became of their fields."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.points: list[Point] = []
        #: For each field, the points in which something else became of it than usual; ``None`` if
        #: it is absent or not used.
        self._odd: dict[str, dict[int, _Field | None]] = {
            field: {} for field in ("key", "value", "timestamp", "step")
        }
        self.unused: list[tuple[Path, Any]] = []
        self.shown: list[dict[str, Any]] = []

    def read(self, items: Sequence[Any]) -> bool:
        """Read the points; return whether all are points of this metric."""
        for index, item in enumerate(items):
            if type(item) is not dict or not self._read(index, item):
                return False
        self.shown = list(items[:SHOWN_VALUES])
        return True

    def _read(self, index: int, item: dict[str, Any]) -> bool:
        value = item.get("value")
        if type(value) is not float:
            if type(value) is int and abs(value) <= MAX_EXACT_INTEGER:
                value = float(value)
            elif isinstance(value, str) and value in NON_FINITE:
                text, value = value, NON_FINITE[value]
                self._odd["value"][index] = _Field(Outcome.CONVERTED, _TEXT_REASON, text, value)
            else:
                return False
        elif value - value != 0.0:
            # Every NaN is the same one: JSON has no bits of it.
            value = math.nan if value != value else value
            self._odd["value"][index] = _Field(Outcome.CONVERTED, _TEXT_REASON, value, value)
        elif value in (LARGEST, -LARGEST):
            self._odd["value"][index] = _Field(Outcome.RENAMED, _LARGEST_REASON, value, value)
        used = 1
        key = item.get("key")
        if key == self.name:
            used += 1
        elif "key" in item:
            return False
        else:
            self._odd["key"][index] = None
        step = item.get("step")
        if type(step) is not int:
            step = None
            self._odd["step"][index] = None
        else:
            used += 1
            if not 0 <= step <= _MAX_STEP:
                to = step if abs(step) <= MAX_EXACT_INTEGER else str(step)
                self._odd["step"][index] = _Field(Outcome.CONVERTED, _STEP_REASON, step, to)
        time = item.get("timestamp")
        if type(time) is int and MIN_SECONDS <= time // 1000 <= MAX_SECONDS:
            used += 1
        else:
            time = None
            self._odd["timestamp"][index] = None
        if used != len(item):
            self._note_unused(index, item)
        self.points.append(Point(time, step, value))
        return True

    def _note_unused(self, index: int, item: dict[str, Any]) -> None:
        for field, value in item.items():
            odd = self._odd.get(field)
            if odd is None or odd.get(index, ...) is None:
                self.unused.append(((index, field), value))

    def record(self, recorder: Recorder, path: Path, document: Path) -> None:
        """Add what became of the points to a report."""
        row = (*document, "metrics_history", 0)
        value = (*row, "values", MapKey(self.name))
        self._record(recorder, path, "key", value, Outcome.RENAMED)
        self._record(recorder, path, "value", value, Outcome.RENAMED)
        time = (*row, "time")
        self._record(recorder, path, "timestamp", time, Outcome.CONVERTED, _TIME_REASON)
        self._record(recorder, path, "step", (*row, "step"), Outcome.KEPT)

    def _record(
        self,
        recorder: Recorder,
        path: Path,
        field: str,
        target: Path,
        outcome: Outcome,
        reason: str = "",
    ) -> None:
        first = 0
        odd = self._odd[field]
        for index in (*sorted(odd), len(self.points)):
            if first < index:
                shown = [(item[field],) for item in self.shown[first:index] if field in item]
                recorder.add_rows(
                    (*path, 0, field),
                    outcome,
                    target,
                    first=first,
                    last=index - 1,
                    reason=reason,
                    values=shown,
                )
            found = odd.get(index)
            if found is not None:
                if found.reason == _STEP_REASON:
                    place = (*target[:-1], "other_values", "step")
                else:
                    place = target
                recorder.add(
                    (*path, index, field),
                    found.outcome,
                    place,
                    reason=found.reason,
                    values=(found.value, found.to),
                )
            first = index + 1


def read_history(conversion: Import, data: Source, run: Target) -> None:
    """Import the histories of metrics, and the last value of those that have no history."""
    histories: dict[str, list[Point]] = {}
    found = data.member("metric_history")
    if found is not None and not (found.value and isinstance(found.value, dict)):
        found.drop("no histories of metrics")
    elif found is not None:
        conversion.keyed.add(found.path)
        for name, items in found.value.items():
            reader = PointReader(name)
            usable = isinstance(items, list) and items and is_text(name)
            if not usable or not reader.read(items):
                continue
            histories[name] = reader.points
            source = Source(items, (*found.path, MapKey(name)), conversion)
            _account(conversion, source, reader, run)
    _read_last(data, histories, run)
    if histories:
        conversion.complete(run, lambda message: _fill(message, _rows(histories)))


def _account(conversion: Import, source: Source, reader: PointReader, run: Target) -> None:
    unused = [((*source.path, *path), value) for path, value in reader.unused]

    def record(recorder: Recorder, path: Path) -> None:
        reader.record(recorder, path, run.path)

    conversion.account(source, Account(record, unused))


def _read_last(data: Source, histories: dict[str, list[Point]], run: Target) -> None:
    """Read the last values of metrics: points of their own where there is no history."""
    found = data.member("metrics")
    if found is not None and not isinstance(found.value, list):
        found.drop("not a list of metrics")
    items = data.items("metrics")
    readers: list[tuple[Source, PointReader]] = []
    for item in items:
        name = item.text("key")
        reader = PointReader(name or "")
        if name is None or not is_text(name) or not reader.read([item.value]):
            return
        readers.append((item, reader))
    names = [reader.name for _, reader in readers]
    if len(set(names)) < len(names) or ("metrics" in data.value and not items):
        return
    if names != sorted({*histories, *names}):
        kept_in(run).child("order").value["metrics"] = names
    for item, reader in readers:
        [point] = reader.points
        known = histories.get(reader.name)
        if known is None:
            histories[reader.name] = [point]
        elif not _same(last_of(known), point):
            continue
        row = (*run.path, "metrics_history", 0)
        key, number = item.get("key"), item.get("value")
        assert key is not None and number is not None
        key.use(Outcome.RENAMED, (*row, "values", MapKey(reader.name)))
        finite = isinstance(number.value, (int, float)) and math.isfinite(number.value)
        number.use(
            Outcome.RENAMED if finite else Outcome.CONVERTED,
            (*row, "values", MapKey(reader.name)),
            reason="" if finite else _TEXT_REASON,
            to=point.value,
        )
        step, time = item.get("step", int), item.get("timestamp", int)
        if step is not None:
            odd = not 0 <= step.value <= _MAX_STEP
            place = ("other_values", "step") if odd else ("step",)
            step.use(
                Outcome.CONVERTED if odd else Outcome.KEPT,
                (*row, *place),
                reason=_STEP_REASON if odd else "",
            )
        if time is not None and point.time is not None:
            time.use(Outcome.CONVERTED, (*row, "time"), reason=_TIME_REASON)


def _same(first: Point, second: Point) -> bool:
    return first[:2] == second[:2] and (
        first.value == second.value or (first.value != first.value and second.value != second.value)
    )


def last_of(points: list[Point]) -> Point:
    """Return the point that MLflow shows as the value of a metric.

    >>> last_of([Point(5, 1, 0.5), Point(4, 2, 0.25)]).step
    2
    """
    return max(points, key=_order_of_last)


def _order_of_last(point: Point) -> tuple[int, int, float]:
    time = _NO_NUMBER if point.time is None else point.time
    step = _NO_NUMBER if point.step is None else point.step
    return step, time, -math.inf if point.value != point.value else point.value


def _rows(histories: dict[str, list[Point]]) -> Iterator[_Row]:
    """Merge the lists of points into rows, in the order of each list.

    The points of one time and step are one row; of several of one metric, each has a row.
    """
    lists = [
        [(_place(point), name, point) for point in points]
        for name, points in sorted(histories.items())
    ]
    merged = heapq.merge(*lists, key=lambda each: each[0]) if len(lists) > 1 else iter(lists[0])
    for _, group in groupby(merged, key=lambda each: each[0]):
        rows: list[_Row] = []
        counts: dict[str, int] = {}
        for _, name, point in group:
            number = counts.get(name, 0)
            counts[name] = number + 1
            if number == len(rows):
                rows.append(_Row(point.time, point.step, {}))
            rows[number].values[name] = point.value
        yield from rows


def _place(point: Point) -> tuple[int, int]:
    return (
        _NO_NUMBER if point.time is None else point.time,
        _NO_NUMBER if point.step is None else point.step,
    )


def _fill(message: v1.TrainingRun, rows: Iterator[_Row]) -> None:
    """Add rows to a run's message."""
    add = message.metrics_history.add
    for time, step, values in rows:
        row = add()
        if step is not None:
            if 0 <= step <= _MAX_STEP:
                row.step = step
            elif abs(step) <= MAX_EXACT_INTEGER:
                row.other_values["step"] = step
            else:
                row.other_values["step"] = str(step)
        if time is not None:
            seconds, milliseconds = divmod(time, 1000)
            row.time.seconds = seconds
            row.time.nanos = milliseconds * 1_000_000
        for name, value in values.items():
            row.values[name] = value


def write_history(conversion: Export, rest: Source | None, data: Target) -> None:
    """Export the rows of a run as histories of metrics, with the last value of each."""
    found = conversion.source.get("metrics_history", list)
    kept = rest.get("data", dict) if rest is not None else None
    if found is None or not isinstance(conversion.message, v1.TrainingRun):
        return
    histories = kept.get("metric_history", dict) if kept is not None else None
    whole = {
        name
        for name, items in (histories.value.items() if histories is not None else ())
        if isinstance(items, list)
    }
    writer = _RowWriter(whole, (*data.path, "metric_history"))
    for index, row in enumerate(conversion.message.metrics_history):
        writer.write(index, row)
    unused = [((*found.path, *path), value) for path, value in writer.unused(found.value)]
    conversion.account(found, Account(writer.record, unused))
    if writer.points:
        data.value["metric_history"] = {
            name: [point_json(name, point) for point in points]
            for name, points in writer.points.items()
            if name not in whole
        }
    if kept is None or kept.get("metrics", list) is None:
        _write_last(rest, kept, writer.points, data)


def point_json(name: str, point: Point) -> dict[str, Any]:
    """Write a point as the REST API does.

    >>> point_json("loss", Point(0, 1, math.nan))
    {'key': 'loss', 'value': 'NaN', 'timestamp': 0, 'step': 1}
    """
    result = {
        "key": name,
        "value": json_number(point.value),
        "timestamp": point.time,
        "step": point.step,
    }
    return {key: item for key, item in result.items() if item is not None}


def json_number(value: float) -> float | str:
    """Return a number as protobuf's JSON writes it.

    >>> json_number(0.5), json_number(-math.inf)
    (0.5, '-Infinity')
    """
    if value - value == 0.0:
        return value
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


class _RowWriter:
    """Collects the points of rows, and what became of the fields of the rows."""

    def __init__(self, whole: set[str], path: Path) -> None:
        self.points: dict[str, list[Point]] = {}
        self._whole = whole
        self._path = path
        self._uses: list[tuple[Path, Path, Outcome, str, object]] = []
        self._used: set[Path] = set()

    def write(self, index: int, row: v1.MetricsSnapshot) -> None:
        """Add the points of a row."""
        values = {name: row.values[name] for name in row.values}
        sources: dict[str, tuple[Path, str]] = {
            name: (("values", MapKey(name)), "") for name in values
        }
        if row.HasField("epoch") and "epoch" not in {*values, *self._whole}:
            values["epoch"] = row.epoch
            sources["epoch"] = ("epoch",), "MLflow has no epoch of a row: a metric of this name"
        time, step, step_path = _time_of(row), *_step_of(row)
        for name in sorted(values):
            points = self.points.setdefault(name, [])
            points.append(Point(time, step, values[name]))
            path, reason = sources[name]
            finite = math.isfinite(values[name])
            outcome = Outcome.RENAMED if finite and not reason else Outcome.CONVERTED
            if name in self._whole:
                target: Path = (*self._path[:-1], "metrics", 0)
            else:
                target = (*self._path, MapKey(name), len(points) - 1)
            reason = reason or ("" if finite else _TEXT_REASON)
            self._use((index, *path), (*target, "value"), outcome, reason, values[name])
        if values and time is not None:
            self._use((index, "time"), (*target, "timestamp"), Outcome.CONVERTED, _TIME_REASON)
        if values and step is not None:
            kept = step_path == ("step",)
            outcome = Outcome.KEPT if kept else Outcome.CONVERTED
            reason = "" if kept else _STEP_REASON
            self._use((index, *step_path), (*target, "step"), outcome, reason, step)

    def _use(
        self, path: Path, target: Path, outcome: Outcome, reason: str, value: object = None
    ) -> None:
        self._uses.append((path, target, outcome, reason, value))
        self._used.add(path)

    def unused(self, rows: list[dict[str, Any]]) -> list[tuple[Path, Any]]:
        """Return the paths and values in the rows that are not written."""
        result: list[tuple[Path, Any]] = []
        for index, row in enumerate(rows):
            for field, value in row.items():
                if field in ("values", "other_values"):
                    for name, item in value.items():
                        step = MapKey(name) if field == "values" else name
                        if (index, field, step) not in self._used:
                            result.append(((index, field, step), item))
                elif (index, field) not in self._used:
                    result.append(((index, field), value))
        return result

    def record(self, recorder: Recorder, path: Path) -> None:
        """Add what became of the fields to a report."""
        for steps, target, outcome, reason, value in self._uses:
            shown = () if value is None else (value,)
            recorder.add((*path, *steps), outcome, target, reason=reason, values=shown)


def _time_of(row: v1.MetricsSnapshot) -> int | None:
    if not row.HasField("time"):
        return None
    return row.time.seconds * 1000 + row.time.nanos // 1_000_000


def _step_of(row: v1.MetricsSnapshot) -> tuple[int | None, Path]:
    """Return the step of a row, and the path of the field that has it."""
    if row.HasField("step"):
        return row.step, ("step",)
    kept = row.other_values.fields.get("step")
    if kept is not None and kept.HasField("number_value") and kept.number_value.is_integer():
        return int(kept.number_value), ("other_values", "step")
    if kept is not None and re.fullmatch(r"-?[0-9]{1,25}", kept.string_value):
        return int(kept.string_value), ("other_values", "step")
    return None, ()


def _write_last(
    rest: Source | None, kept: Source | None, histories: dict[str, list[Point]], data: Target
) -> None:
    """Write the last value of each metric, in the order of the source of the import."""
    names: list[Any] = sorted(histories)
    order = rest.get("order", dict) if rest is not None else None
    listed = order.get("metrics", list) if order is not None else None
    if listed is not None:
        listed.use(Outcome.CONVERTED, (*data.path, "metrics"), reason="the order of the metrics")
        names = listed.value
    entries = kept.get("metrics", dict) if kept is not None else None
    for index, name in enumerate(names):
        item = data.append("metrics")
        entry = entries.get(str(index), dict) if entries is not None else None
        if name in histories and (entry is None or "value" not in entry.value):
            item.value.update(point_json(name, last_of(histories[name])))
