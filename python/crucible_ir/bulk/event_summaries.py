"""Summaries of feedback events in files, through DuckDB: those that the exchange would return.

Like the exchange, they count an event once by its id, the first one if there are several, and leave
out events that another one supersedes, whatever else is selected.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.struct_pb2 import Value

from crucible_ir.bulk.event_tables import columns
from crucible_ir.errors import DecodeError, shorten
from crucible_ir.exchange import v1
from crucible_ir.exchange.summaries import Group, Summary, summary_message
from crucible_ir.exchange.tally import CORRECTION, MAX_COUNTS, Tally, bucket_latency, latency_bucket
from crucible_ir.serialization.conversion_error import ConversionError

if TYPE_CHECKING:
    from google.protobuf.timestamp_pb2 import Timestamp

    from crucible_ir.bulk.contents import MessageContent
    from crucible_ir.bulk.event_tables import EventTable

#: The columns of a request's groupings.
_GROUPINGS: Final = {
    v1.SummaryGrouping.SUMMARY_GROUPING_DEPLOYMENT: "deployment",
    v1.SummaryGrouping.SUMMARY_GROUPING_MODEL_VERSION: "version",
    v1.SummaryGrouping.SUMMARY_GROUPING_NAME: "name",
}

#: How many rows of a result are fetched at a time.
_ROWS: Final = 10_000

#: More labels than this in memory are bounded before the end of their group.
_MANY_LABELS: Final = 50 * MAX_COUNTS

#: Finds the events that do not count: those whose id an earlier one has, and those that another of
#: the other events supersedes. Later queries do not read ids, which are the largest column.
_PREPARATION: Final = """
    CREATE TABLE repeated AS
        SELECT id, min(position) AS first FROM events GROUP BY id HAVING count(*) > 1;
    CREATE TABLE left_out AS
        SELECT position FROM events JOIN repeated USING (id) WHERE position > first;
    CREATE TABLE superseded AS
        SELECT DISTINCT supersedes AS id FROM events
        WHERE supersedes NOT IN ('', id) AND position NOT IN (SELECT position FROM left_out);
    INSERT INTO left_out
        SELECT position FROM events WHERE id IN (SELECT id FROM superseded);
    CREATE VIEW counted AS
        SELECT * FROM events WHERE NOT EXISTS (
            SELECT 1 FROM left_out WHERE left_out.position = events.position);
"""


class EventSummaries:
    """Summarizes the events of a table, to which no more are added.

    Args:
        table: The table.

    Raises:
        DecodeError: An event cannot be read.
    """

    def __init__(self, table: EventTable) -> None:
        self._table = table
        self._connection = table.connection
        table.create_view()
        with self._table.reading():
            self._connection.execute(_PREPARATION)

    def summarize(self, request: v1.SummarizeRequest) -> Iterator[Summary]:
        """Yield the summaries that a valid request asks for, in their order.

        Raises:
            DecodeError: An event cannot be read.
        """
        conditions, values = _conditions(request)
        if _needs_time(request):
            conditions.append("time IS NOT NULL")
        keys = ", ".join(_key_columns(request))
        events = f"(SELECT {keys}, latency, value FROM counted WHERE {' AND '.join(conditions)})"
        with self._table.reading():
            groups = self._rows(f"{_GROUPS} FROM {events} GROUP BY ALL ORDER BY ALL", values)
            of_values = groupby(
                self._streamed(
                    f"{_VALUES} FROM {events} WHERE value IS NOT NULL AND NOT"
                    f" (type = '{CORRECTION}' AND value[1] = '\"') GROUP BY ALL"
                    " ORDER BY start, type, deployment, version, name",
                    values,
                ),
                key=lambda row: row[:5],
            )
            following: Any = next(of_values, None)
            for row in groups:
                key, rest = row[:5], row[5:]
                tally = Tally(events=rest[0])
                if following is not None and following[0] == key:
                    _count_values(tally, following[1], key[1] or None)
                    following = next(of_values, None)
                tally.settle()
                start = key[0] if request.HasField("bucket") else None
                group = Group(start, *(name or None for name in key[1:]))
                yield Summary.of(summary_message(group, tally, _latency(*rest[1:])))

    def count_without_time(self, request: v1.SummarizeRequest) -> int:
        """Return how many events a request leaves out only since they have no timestamp."""
        if not _needs_time(request):
            return 0
        without = v1.SummarizeRequest()
        without.CopyFrom(request)
        without.ClearField("start_time")
        without.ClearField("end_time")
        conditions, values = _conditions(without)
        where = " AND ".join([*conditions, "time IS NULL"])
        with self._table.reading():
            [(count,)] = self._rows(f"SELECT count(*) FROM counted WHERE {where}", values)
        return int(count)

    def _rows(self, statement: str, values: list[Any]) -> list[Any]:
        rows: list[Any] = self._connection.execute(statement, values).fetchall()
        return rows

    def _streamed(self, statement: str, values: list[Any]) -> Iterator[Any]:
        result = self._connection.execute(statement, values)
        while rows := result.fetchmany(_ROWS):
            yield from rows


_KEYS: Final = "SELECT start, type, deployment, version, name"
_GROUPS: Final = f"""
    {_KEYS}, count(*), count(latency), sum(latency), min(latency),
        quantile_disc(latency, [0.5, 0.9, 0.95, 0.99]), max(latency)
"""
_VALUES: Final = f"{_KEYS}, value, count(*)"


def _key_columns(request: v1.SummarizeRequest) -> Iterator[str]:
    start = "0"
    if request.HasField("bucket"):
        length = request.bucket.ToMicroseconds()
        # The rest of a division has the sign of the time in DuckDB.
        start = f"time - ((time % {length}) + {length}) % {length}"
    yield f"{start} AS start"
    yield "type"
    wanted = {_GROUPINGS[number] for number in request.group_by}
    for column in _GROUPINGS.values():
        yield column if column in wanted else f"'' AS {column}"


def _conditions(request: v1.SummarizeRequest) -> tuple[list[str], list[Any]]:
    """Return the conditions on events, and the values in them."""
    conditions, values = ["true"], []
    for field, column in (("deployment_id", "deployment"), ("model_version", "version")):
        if request.HasField(field):
            # An absent text is empty, and selects nothing.
            conditions.append(f"{column} <> '' AND {column} = ?")
            values.append(getattr(request, field))
    if request.feedback_types:
        conditions.append("type <> '' AND list_contains(?::VARCHAR[], type)")
        values.append(list(request.feedback_types))
    for field, comparison in (("start_time", ">="), ("end_time", "<")):
        if request.HasField(field):
            conditions.append(f"time {comparison} ?")
            values.append(_microseconds(getattr(request, field)))
    return conditions, values


def _needs_time(request: v1.SummarizeRequest) -> bool:
    return any(map(request.HasField, ("bucket", "start_time", "end_time")))


def _microseconds(timestamp: Timestamp) -> int:
    return timestamp.seconds * 1_000_000 + timestamp.nanos // 1000


def _count_values(tally: Tally, rows: Iterator[Any], type_: str | None) -> None:
    for *_, text, number in rows:
        tally.count_value(_value_of(text), type_, number)
        if len(tally.labels) > _MANY_LABELS:
            # It keeps the shortest ones, so it does not matter when.
            tally.settle()


# Values such as ratings are few.
@lru_cache(maxsize=1024)
def _value_of(text: str) -> Value:
    content: MessageContent = columns()["feedback_value"].content  # type: ignore[assignment]
    value = Value()
    try:
        content.fill(text, {}, value)
    except ConversionError as error:
        reason = f"expected JSON, got {shorten(text)}: {error.reason}"
        raise DecodeError(reason, path="feedback_value") from None
    return value


def _latency(
    count: int,
    total: int | None,
    least: int | None,
    percentiles: list[int] | None,
    most: int | None,
) -> v1.LatencySummary | None:
    if total is None or least is None or percentiles is None or most is None:
        return None
    rounded = [bucket_latency(latency_bucket(latency)) for latency in (least, *percentiles, most)]
    return v1.LatencySummary(
        count=count,
        mean_ms=int(total) / count,
        min_ms=rounded[0],
        p50_ms=rounded[1],
        p90_ms=rounded[2],
        p95_ms=rounded[3],
        p99_ms=rounded[4],
        max_ms=rounded[5],
    )
