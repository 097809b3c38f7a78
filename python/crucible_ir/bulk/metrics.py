"""The metrics of training runs as a long table: a row for each value."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from crucible_ir.bulk.contents import TimestampContent, pa
from crucible_ir.bulk.sources import is_stream
from crucible_ir.errors import EncodeError, shorten
from crucible_ir.serialization.conversion_error import ConversionError
from crucible_ir.serialization.streams.bulk import stream_format
from crucible_ir.serialization.streams.records import read_records, stream_limits
from crucible_ir.v1 import MetricsSnapshot, TrainingRun
from crucible_ir.validation.check import validate as validate_message

if TYPE_CHECKING:
    from crucible_ir.serialization.limits import Limits
    from crucible_ir.serialization.streams.bulk import StreamFormatName
    from crucible_ir.serialization.streams.compression import StreamFile

#: The schema of the table.
METRICS: Final = pa.schema(
    [
        pa.field("run", pa.string(), nullable=False),
        pa.field("position", pa.int64(), nullable=False),
        pa.field("step", pa.int64()),
        pa.field("epoch", pa.float64()),
        pa.field("time", TimestampContent.type),
        pa.field("name", pa.string(), nullable=False),
        pa.field("value", pa.float64(), nullable=False),
    ]
)

#: A record batch ends with the first snapshot after so many rows.
_BATCH_ROWS: Final = 65_536


def metrics_table(
    source: Iterable[TrainingRun] | StreamFile | bytes,
    *,
    keys: Collection[str] = (),
    format: StreamFormatName | None = None,
    limits: Limits | None = None,
    validate: bool = True,
) -> Any:
    """Return the metrics of training runs as a long table, a `pyarrow.Table`.

    Its columns are ``run`` (the id), ``position`` (the number of the snapshot in the run, from 0),
    ``step``, ``epoch``, ``time`` (all null where the snapshot does not state it), ``name`` and
    ``value``. Times are cut to microseconds. The rows have the order of the runs and of their
    snapshots, and then that of the names.

    The runs may be the parts of one that a tracker wrote, with the same id: positions are counted
    through. A run that comes again with its whole history adds only what is new.

    Args:
        source: The runs, which can come from a generator, or a stream of them, as in `to_arrow`.
        keys: The names of the metrics; all by default.
        format: The format of the stream; by default that of the path's extension.
        limits: The limits on the records of the stream, their messages and compression.
        validate: Whether each run must satisfy the rules of the schema.

    Raises:
        EncodeError: The source has something else than runs, or a time is out of range.
        ValidationError: A run breaks rules of the schema.
        StreamError: A record of the stream is bad, or the next one cannot be found.
        UnknownFormatError: No stream format has this name or this extension.
        OSError: The file cannot be read.
        MissingExtraError: pyarrow is not installed.

    >>> run = TrainingRun(id="r1")
    >>> run.metrics_history.add(step=100).values.update({"loss": 0.5, "accuracy": 0.8})
    >>> table = metrics_table([run], validate=False)
    >>> table.select(["run", "step", "name", "value"]).to_pylist()[1]
    {'run': 'r1', 'step': 100, 'name': 'loss', 'value': 0.5}
    """
    histories = Histories()
    runs = _runs(source, format, limits, validate=validate)
    snapshots = (each for run in runs for each in histories.add(run))
    return pa.Table.from_batches(metrics_batches(snapshots, keys), METRICS)


def _runs(
    source: Iterable[TrainingRun] | StreamFile | bytes,
    format: StreamFormatName | None,
    limits: Limits | None,
    *,
    validate: bool,
) -> Iterator[Any]:
    if is_stream(source):
        stream: Any = source
        format_ = stream_format(stream, format)
        if isinstance(stream, (bytes, bytearray, memoryview)):
            stream = io.BytesIO(stream)
        reader = format_.reading(TrainingRun, validate)
        yield from read_records(
            stream, format_.split, reader, stream_limits(limits, None), None, None
        )
        return
    if not isinstance(source, Iterable):
        raise EncodeError(
            "expected training runs, or a path, an open binary file or bytes of a stream, got"
            f" {shorten(source)}"
        )
    for run in source:
        if not isinstance(run, TrainingRun):
            raise EncodeError(f"expected a TrainingRun, got {shorten(run)}")
        yield validate_message(run) if validate else run


class Snapshot(NamedTuple):
    """A snapshot of a run.

    Attributes:
        run: The id of the run.
        position: The number of the snapshot in the run, from 0.
        snapshot: The snapshot.
    """

    run: str
    position: int
    snapshot: MetricsSnapshot


#: A snapshot, and the name and the value of one of its metrics.
_Row: TypeAlias = tuple[Snapshot, str, float]


class Histories:
    """The histories of runs that may come in parts."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._firsts: dict[str, MetricsSnapshot] = {}

    def add(self, run: TrainingRun) -> Iterator[Snapshot]:
        """Yield the snapshots of a run, or of its next part, that are new."""
        history = run.metrics_history
        if not history:
            return
        count = self._counts.get(run.id, 0)
        first = self._firsts.setdefault(run.id, history[0])
        is_again = count > 0 and len(history) >= count and history[0] == first
        for snapshot in history[count:] if is_again else history:
            yield Snapshot(run.id, count, snapshot)
            count += 1
        self._counts[run.id] = count


def metrics_batches(snapshots: Iterable[Snapshot], keys: Collection[str] = ()) -> Iterator[Any]:
    """Yield the metrics of snapshots as record batches.

    Args:
        snapshots: The snapshots.
        keys: The names of the metrics; all by default.

    Raises:
        EncodeError: A time is out of range.
    """
    rows: list[_Row] = []
    for each in snapshots:
        values = each.snapshot.values
        rows += [(each, name, values[name]) for name in sorted(values) if not keys or name in keys]
        if len(rows) >= _BATCH_ROWS:
            yield _batch(rows)
            rows = []
    if rows:
        yield _batch(rows)


def _batch(rows: list[_Row]) -> Any:
    snapshots = [each.snapshot for each, _, _ in rows]
    try:
        times = TimestampContent().cells(
            [each.time if each.HasField("time") else None for each in snapshots]
        )
    except ConversionError as error:
        each, _, _ = rows[int(error.reversed_parts[-1])]
        path = f"metrics_history[{each.position}].time"
        raise EncodeError(f"{error.reason}, in the run {shorten(each.run)}", path=path) from None
    columns = [
        [each.run for each, _, _ in rows],
        [each.position for each, _, _ in rows],
        [each.step if each.HasField("step") else None for each in snapshots],
        [each.epoch if each.HasField("epoch") else None for each in snapshots],
        times.main,
        [name for _, name, _ in rows],
        [value for _, _, value in rows],
    ]
    arrays = [
        pa.array(column, field.type) if isinstance(column, list) else column
        for column, field in zip(columns, METRICS, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=METRICS)
