"""Feedback events in DuckDB, with what summaries need of each."""

from __future__ import annotations

import glob
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import islice
from tempfile import TemporaryDirectory
from typing import Any, Final

from crucible_ir import v1
from crucible_ir.bulk.columns import Column
from crucible_ir.bulk.contents import CUSTOM, NUMBER, pa
from crucible_ir.bulk.message_columns import built, columns_of
from crucible_ir.errors import DecodeError, near_miss, shorten_name
from crucible_ir.extras import optional_module
from crucible_ir.schema.types import descriptor_of
from crucible_ir.serialization.conversion_error import ConversionError

duckdb: Any = optional_module("duckdb", "duckdb")

#: The columns that are read.
_COLUMNS: Final = (
    "id",
    "deployment_id",
    "model_version",
    "feedback_type",
    "feedback_value",
    "latency_ms",
    "timestamp",
    "name",
    "supersedes",
)

#: How many events become a record batch.
BATCH_SIZE: Final = 8192

#: The position of an event has the number of its input above these bits, and that of its row below.
_ROW_BITS: Final = 40

#: A label has at most 128 bytes, which are at most so many in JSON. A longer text is counted, but
#: not by its content, so a short one stands in for it.
_LONGEST_LABEL: Final = 128 * len(r"\u0000") + len('""')
_LONG_LABEL: Final = f'"{"x" * 129}"'

#: Numbers that are not in JSON, and numbers that count like these: no number is counted from 2^53
#: on, and as a thumb only the sign matters. A NaN does not count at all.
_INFINITE: Final = 1e300

#: How many characters of the message of another library are shown.
_SHOWN: Final = 200

#: What DuckDB must not do: download extensions, and write to the current folder.
_SETTINGS: Final = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}

_EVENT_COLUMNS: Final = """
    position BIGINT, id VARCHAR, supersedes VARCHAR, type VARCHAR, deployment VARCHAR,
    version VARCHAR, name VARCHAR, time BIGINT, latency INTEGER, value VARCHAR
"""


@cache
def columns() -> dict[str, Column]:
    """Return the columns that are read, by name."""
    all_columns = columns_of(descriptor_of(v1.FeedbackEvent))
    found = {column.name: column for column in all_columns if column.name in _COLUMNS}
    assert len(found) == len(_COLUMNS)
    return found


class EventTable:
    """A table of feedback events in DuckDB; use `open_event_table`.

    Each event has a position, which orders events by input and row. The view ``events`` has all
    events, with absent texts as empty ones.

    Args:
        connection: A connection to an empty database.

    Attributes:
        connection: The connection.
    """

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        #: The names of the inputs, by their numbers.
        self._names: list[str] = []
        #: The Parquet files, with the numbers of their inputs.
        self._files: list[tuple[str, int]] = []
        self._file_columns: set[str] = set()
        connection.execute(f"CREATE TABLE loaded ({_EVENT_COLUMNS})")

    def add_parquet(self, path: str) -> None:
        """Add a Parquet file, whose rows are read when they are needed.

        Raises:
            DecodeError: It is not one, or its columns are not those of feedback events.
            OSError: It cannot be read.
        """
        import pyarrow.parquet as pq

        with open(path, "rb") as file, _translated(pa.ArrowException, "not a Parquet file"):
            schema = pq.read_schema(file)
        self._file_columns |= _usable(schema)
        self._files.append((path, self._next_input(path)))

    def add_arrow(self, path: str) -> None:
        """Add the rows of an Arrow file or stream.

        Raises:
            DecodeError: It is not one, or its columns are not those of feedback events.
            OSError: It cannot be read.
        """
        with (
            open(path, "rb") as file,
            _translated(pa.ArrowException, "not an Arrow file, or a corrupt one"),
        ):
            is_file = file.read(6) == b"ARROW1"
            file.seek(0)
            reader = pa.ipc.open_file(file) if is_file else pa.ipc.open_stream(file)
            names = [name for name in reader.schema.names if name in _usable(reader.schema)]
            batches = map(reader.get_batch, range(reader.num_record_batches)) if is_file else reader
            self._load(path, (batch.select(names) for batch in batches))

    def add_events(self, events: Iterable[v1.FeedbackEvent]) -> None:
        """Add valid events."""
        waiting = iter(events)
        chunks = iter(lambda: list(islice(waiting, BATCH_SIZE)), [])
        self._load("events", map(_batch_of, chunks))

    def create_view(self) -> None:
        """Create the view ``events`` of all events that were added.

        Raises:
            DecodeError: An event has no id.
        """
        select = "SELECT * FROM loaded"
        if self._files:
            names = ", ".join(_quoted(_pattern(path)) for path, _ in self._files)
            inputs = ", ".join(str(number) for _, number in self._files)
            position = (
                f"([{inputs}][file_index::BIGINT + 1]::BIGINT << {_ROW_BITS}) + file_row_number"
            )
            source = f"read_parquet([{names}], union_by_name=true, hive_partitioning=false)"
            select += " UNION ALL " + _normalized(self._file_columns, position, source)
        with self.reading():
            self.connection.execute(f"CREATE VIEW events AS {select}")
            missing = self.connection.execute(
                "SELECT count(*), min(position) FROM events WHERE id IS NULL OR id = ''"
            ).fetchall()
        [(count, position)] = missing
        if count:
            name, row = self._names[position >> _ROW_BITS], position & ((1 << _ROW_BITS) - 1)
            raise DecodeError(f"{name}: the event in row {row} has no id; {count} in all have none")

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Turn errors of DuckDB into errors of this package, which name the file.

        Raises:
            DecodeError: A file is corrupt.
        """
        try:
            yield
        except duckdb.Error as error:
            name = next((f"{path}: " for path, _ in self._files if not self._can_read(path)), "")
            raise DecodeError(f"{name}the events cannot be read: {_message(error)}") from None

    def _can_read(self, path: str) -> bool:
        source = f"read_parquet({_quoted(_pattern(path))}, hive_partitioning=false)"
        try:
            self.connection.execute(f"SELECT max(hash(COLUMNS(*))) FROM {source}").fetchall()
        except duckdb.Error:
            return False
        return True

    def _load(self, name: str, batches: Iterable[Any]) -> None:
        base = self._next_input(name) << _ROW_BITS
        done = 0
        for batch in batches:
            present = set(batch.schema.names)
            start = base + done
            table = pa.Table.from_batches([batch]).append_column(
                "position", pa.array(range(start, start + len(batch)), pa.int64())
            )
            done += len(batch)
            self.connection.register("batch", table)
            with self.reading():
                select = _normalized(present, "position", "batch")
                self.connection.execute(f"INSERT INTO loaded {select}")
            self.connection.unregister("batch")

    def _next_input(self, name: str) -> int:
        self._names.append(name)
        return len(self._names) - 1


@contextmanager
def open_event_table() -> Iterator[EventTable]:
    """Open an empty table, which uses a temporary folder for what does not fit into memory."""
    with TemporaryDirectory(prefix="crucible-ir-") as folder:
        connection = duckdb.connect(config={**_SETTINGS, "temp_directory": folder})
        try:
            yield EventTable(connection)
        finally:
            connection.close()


@contextmanager
def _translated(kind: type[Exception], what: str) -> Iterator[None]:
    try:
        yield
    except kind as error:
        raise DecodeError(f"{what}: {_message(error)}") from None


def _message(error: Exception) -> str:
    """Return the start of the message of an error, on one line."""
    return " ".join(str(error).split())[:_SHOWN] or type(error).__name__


def _batch_of(events: Sequence[v1.FeedbackEvent]) -> Any:
    wanted = list(columns().values())
    try:
        fields, arrays = built(wanted, events)
    except ConversionError:
        fields, arrays = built(wanted, list(map(_in_json, events)))
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))


def _in_json(event: v1.FeedbackEvent) -> v1.FeedbackEvent:
    """Return an event whose value can be written in JSON and counts like that of another event."""
    changed = v1.FeedbackEvent()
    changed.CopyFrom(event)
    value = changed.feedback_value
    number = value.number_value
    if value.WhichOneof("kind") != "number_value" or math.isnan(number):
        if value.WhichOneof("kind") not in ("string_value", "bool_value"):
            changed.ClearField("feedback_value")
    elif math.isinf(number):
        value.number_value = math.copysign(_INFINITE, number)
    return changed


def _usable(schema: Any) -> set[str]:
    """Return the names of the columns that are read and present.

    Raises:
        DecodeError: One has another type, or there is no column of ids.
    """
    beside = {
        NUMBER.format("feedback_type"): pa.int32(),
        CUSTOM.format("feedback_type"): pa.string(),
    }
    expected = {name: column.field().type for name, column in columns().items()} | beside
    if "id" not in schema.names:
        guess = near_miss("id", schema.names)
        raise DecodeError(f'no column "id": these are not feedback events{guess}')
    for name in expected:
        if schema.names.count(name) > 1:
            raise DecodeError(f'two columns have the name "{name}"')
        if name in schema.names and not _fits(schema.field(name).type, expected[name]):
            found = shorten_name(str(schema.field(name).type))
            raise DecodeError(f"expected {_plain(expected[name])}, got {found}", path=name)
    return expected.keys() & set(schema.names)


def _fits(found: Any, expected: Any) -> bool:
    """Return whether the values of a type can be those of another."""
    if pa.types.is_null(found):
        return True
    kinds: Sequence[Callable[[Any], bool]] = (
        _is_text,
        pa.types.is_integer,
        pa.types.is_timestamp,
    )
    return any(kind(_plain(found)) and kind(_plain(expected)) for kind in kinds)


def _is_text(type_: Any) -> bool:
    return bool(
        pa.types.is_string(type_)
        or pa.types.is_large_string(type_)
        or pa.types.is_string_view(type_)
    )


def _plain(type_: Any) -> Any:
    """Return the type of the values of a dictionary or an extension."""
    if pa.types.is_dictionary(type_):
        return type_.value_type
    return type_.storage_type if isinstance(type_, pa.BaseExtensionType) else type_


def _normalized(present: Iterable[str], position: str, source: str) -> str:
    """Return the statement that selects the columns of ``loaded`` from those of messages."""
    there = set(present)

    def column(name: str, type_: str = "VARCHAR") -> str:
        return f'"{name}"::{type_}' if name in there else f"NULL::{type_}"

    def text(name: str) -> str:
        return f"coalesce({column(name)}, '')"

    number = f"nullif({column(NUMBER.format('feedback_type'), 'INTEGER')}, 0)"
    custom = column(CUSTOM.format("feedback_type"))
    time = 'epoch_us("timestamp")' if "timestamp" in there else "NULL"
    value = column("feedback_value")
    return f"""
        SELECT {position} AS position, {column("id")} AS id, {text("supersedes")} AS supersedes,
            coalesce({number}::VARCHAR, {custom}, {column("feedback_type")}, '') AS type,
            {text("deployment_id")} AS deployment, {text("model_version")} AS version,
            {text("name")} AS name, {time}::BIGINT AS time,
            {column("latency_ms", "INTEGER")} AS latency,
            CASE WHEN strlen({value}) > {_LONGEST_LABEL} AND {value} LIKE '"%'
                THEN {_quoted(_LONG_LABEL)}
                WHEN {value} LIKE '[%' OR {value} LIKE '{{%' THEN NULL
                ELSE {value} END AS value
        FROM {source}
    """


def _pattern(path: str) -> str:
    """Return the pattern that matches only this path, since DuckDB takes each for a pattern."""
    return glob.escape(os.path.abspath(path))


def _quoted(text: str) -> str:
    """Return a text as a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"
