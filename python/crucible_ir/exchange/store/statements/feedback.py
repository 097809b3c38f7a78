"""Keeping feedback events, and reading and counting them, on a connection in a transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from functools import cache
from itertools import chain, count
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import func, null, select, true

from crucible_ir.exchange.store.errors import ResultTooLargeError
from crucible_ir.exchange.store.records import (
    EventQuery,
    EventRow,
    LatencyCount,
    Microseconds,
    StoredEvent,
)
from crucible_ir.exchange.store.statements.rows import Lookup, within
from crucible_ir.exchange.store.statements.tables import feedback_events

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, Select

#: How a database's driver writes the place of a value.
_PLACE = {"sqlite": "?", "postgresql": "%s"}

#: How many events a statement keeps: as many as fit. SQLite takes such a statement in one call,
#: during which other threads run; for the last few, a statement each. It takes 32,766 values at a
#: time, and older versions 999.
_TOGETHER = (500, 100, 20, 1) if sqlite3.sqlite_version_info >= (3, 32) else (100, 20, 1)


@cache
def _insert(dialect: str, events: int) -> str:
    """Return the statement that keeps so many events."""
    row = f"({', '.join([_PLACE[dialect]] * len(EventRow._fields))})"
    return (
        f"INSERT INTO feedback_events ({', '.join(EventRow._fields)}) "
        f"VALUES {', '.join([row] * events)} ON CONFLICT (id) DO NOTHING"
    )


class PreparedEvents(NamedTuple):
    """Events to keep, as statements take them.

    They are made before the transaction, so that the one thread that writes has little to do in
    Python between one statement and the next.

    Attributes:
        events: The events.
        values: The values of some of them after another, and how many these are.
    """

    events: Sequence[EventRow]
    values: list[tuple[int, tuple[Any, ...]]]

    @classmethod
    def of(cls, events: Sequence[EventRow], now: Microseconds) -> PreparedEvents:
        """Take events; those that state no time get the present one."""
        rows = [event if event.time is not None else event._replace(time=now) for event in events]
        values = []
        done = 0
        for size in _TOGETHER:
            while len(rows) - done >= size:
                values.append((size, _values(rows[done : done + size])))
                done += size
        return cls(events, values)


def ingest(connection: Connection, ingestion: PreparedEvents) -> list[int]:
    """Keep events and return the indices of those that were there already.

    The statements go to the driver as they are: this is the path that has to be fast.
    """
    events = ingestion.events
    dialect = connection.dialect.name
    new_count = 0
    for size, values in ingestion.values:
        new_count += connection.exec_driver_sql(_insert(dialect, size), values).rowcount
    if new_count == len(events):
        return []
    # Those that are new have the last positions, since nobody else keeps any meanwhile.
    kept = connection.execute(
        select(feedback_events.c.id).order_by(feedback_events.c.position.desc()).limit(new_count)
    ).scalars()
    new = {bytes(id_) for id_ in kept}
    duplicates = []
    for index, event in zip(count(), events, strict=False):
        if event.id in new:
            new.discard(event.id)
        else:
            duplicates.append(index)
    return duplicates


def _values(rows: Sequence[EventRow]) -> tuple[Any, ...]:
    """Return the values of rows, one after another, as a driver takes them quickest.

    SQLite's driver looks for an adapter for each value of `bytes`, and there is none; it takes a
    `bytearray` as it is.
    """
    ids, deployments, types, versions, times, latencies, events = zip(*rows, strict=True)
    known = {value: bytearray(value) for value in {*deployments, *types, *versions} if value}
    known_or_null = {None: None, b"": bytearray(), **known}.__getitem__
    columns = (
        map(bytearray, ids),
        map(known_or_null, deployments),
        map(known_or_null, types),
        map(known_or_null, versions),
        times,
        latencies,
        map(bytearray, events),
    )
    return tuple(chain.from_iterable(zip(*columns, strict=True)))


#: Finds the position of the latest event, null when there is none.
LAST_EVENT = Lookup(select(func.max(feedback_events.c.position)), {})


def export(
    connection: Connection,
    query: EventQuery,
    *,
    after: int,
    through: int,
    limit: int,
    max_bytes: int,
) -> list[StoredEvent]:
    """Return events in the order of arrival, as `Store.export` says."""
    statement = (
        _filtered(select(feedback_events.c.position, feedback_events.c.event), query)
        .where(feedback_events.c.position > after, feedback_events.c.position <= through)
        .order_by(feedback_events.c.position)
        .limit(limit)
    )
    found: list[StoredEvent] = []
    size = 0
    options = {"stream_results": True, "max_row_buffer": 500}
    with connection.execute(statement, execution_options=options) as rows:
        for position, event in rows:
            found.append(StoredEvent(position, bytes(event)))
            size += len(found[-1].event)
            if size >= max_bytes:
                break
    return found


def summarize(
    connection: Connection, query: EventQuery, *, bucket: Microseconds | None, limit: int
) -> list[LatencyCount]:
    """Count events, as `Store.summarize` says."""
    columns = feedback_events.c
    start: ColumnElement[Any] = null()
    if bucket is not None:
        # The remainder of a moment before 1970 is negative: the bucket is added to have none.
        start = columns.time - (columns.time % bucket + bucket) % bucket
    keys = [start.label("bucket"), columns.feedback_type, columns.latency_ms]
    grouped: list[ColumnElement[Any]] = [columns.feedback_type, columns.latency_ms]
    if bucket is not None:
        grouped.append(keys[0])
    statement = _filtered(select(*keys, func.count().label("events")), query)
    rows = connection.execute(statement.group_by(*grouped).limit(limit + 1)).all()
    if len(rows) > limit:
        raise ResultTooLargeError(
            "the events differ too much to be summed up at once; ask for fewer types or less time"
        )
    return [
        LatencyCount(
            bucket=row[0],
            feedback_type=None if row[1] is None else bytes(row[1]).decode(),
            latency_ms=row[2],
            events=row[3],
        )
        for row in rows
    ]


def _filtered(statement: Select[Any], query: EventQuery) -> Select[Any]:
    columns = feedback_events.c
    scope = query.scope
    seen = scope.types is None or "FeedbackEvent" in scope.types
    statement = statement.where(within(scope, columns.id) if seen else ~true())
    if query.deployment_id is not None:
        statement = statement.where(columns.deployment_id == query.deployment_id.encode())
    if query.feedback_types:
        types = [name.encode() for name in query.feedback_types]
        statement = statement.where(columns.feedback_type.in_(types))
    if query.model_version is not None:
        statement = statement.where(columns.model_version == query.model_version.encode())
    if query.start_time is not None:
        statement = statement.where(columns.time >= query.start_time)
    if query.end_time is not None:
        statement = statement.where(columns.time < query.end_time)
    return statement
