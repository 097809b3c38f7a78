"""The statements that store, export and count feedback events."""

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
from crucible_ir.exchange.store.statements.rows import PAGE_BYTES, Lookup, within
from crucible_ir.exchange.store.statements.tables import feedback_events

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, Select

#: The placeholder of a value for a database's driver.
_PLACEHOLDERS = {"sqlite": "?", "postgresql": "%s"}

#: The numbers of events that one statement inserts, the largest first. SQLite runs a statement in
#: one call, during which other threads run. It accepts 32,766 values, and older versions 999.
_INSERT_SIZES = (500, 100, 20, 1) if sqlite3.sqlite_version_info >= (3, 32) else (90, 20, 1)


@cache
def _insert(dialect: str, events: int) -> str:
    """Return the statement that inserts a number of events."""
    row = f"({', '.join([_PLACEHOLDERS[dialect]] * len(EventRow._fields))})"
    return (
        f"INSERT INTO feedback_events ({', '.join(EventRow._fields)}) "
        f"VALUES {', '.join([row] * events)} ON CONFLICT (id) DO NOTHING"
    )


class PreparedEvents(NamedTuple):
    """Events to store, and the parameters of the statements that insert them.

    They are prepared before the transaction, so that the writing thread runs little Python between
    statements.

    Attributes:
        events: The events.
        values: For each statement, its number of events and their values.
    """

    events: Sequence[EventRow]
    values: list[tuple[int, tuple[Any, ...]]]

    @classmethod
    def of(cls, events: Sequence[EventRow], now: Microseconds) -> PreparedEvents:
        """Prepare events; those without a time get the current one."""
        rows = [event if event.time is not None else event._replace(time=now) for event in events]
        values = []
        done = 0
        for size in _INSERT_SIZES:
            while len(rows) - done >= size:
                values.append((size, _values(rows[done : done + size])))
                done += size
        return cls(events, values)


def ingest(connection: Connection, prepared: PreparedEvents) -> list[int]:
    """Store events, and return the indices of duplicates.

    The statements bypass SQLAlchemy's expression layer, because this path must be fast.
    """
    events = prepared.events
    dialect = connection.dialect.name
    new_count = 0
    for size, values in prepared.values:
        new_count += connection.exec_driver_sql(_insert(dialect, size), values).rowcount
    if new_count == len(events):
        return []
    # The new events have the last positions: no other writer runs at the same time.
    inserted = connection.execute(
        select(feedback_events.c.id).order_by(feedback_events.c.position.desc()).limit(new_count)
    ).scalars()
    new = {bytes(id_) for id_ in inserted}
    duplicates = []
    for index, event in zip(count(), events, strict=False):
        if event.id in new:
            new.discard(event.id)
        else:
            duplicates.append(index)
    return duplicates


def _values(rows: Sequence[EventRow]) -> tuple[Any, ...]:
    """Return the values of rows, one row after another, in the fastest types for a driver.

    SQLite's driver searches for an adapter for each value of `bytes`, but not of `bytearray`.
    """
    ids, deployments, types, versions, times, latencies, events, *others = zip(*rows, strict=True)
    known = {value: bytearray(value) for value in {*deployments, *types, *versions} if value}
    for column in others:
        known.update((value, bytearray(value)) for value in column if value)
    known_or_null = {None: None, b"": bytearray(), **known}.__getitem__
    columns = (
        map(bytearray, ids),
        map(known_or_null, deployments),
        map(known_or_null, types),
        map(known_or_null, versions),
        times,
        latencies,
        map(bytearray, events),
        *(map(known_or_null, column) for column in others),
    )
    return tuple(chain.from_iterable(zip(*columns, strict=True)))


#: Selects the position of the latest event; null if there is none.
LAST_EVENT = Lookup(select(func.max(feedback_events.c.position)), {})


def export(
    connection: Connection, query: EventQuery, after: int, through: int, limit: int
) -> list[StoredEvent]:
    """Return events in the order of arrival, as described in `Store.export`."""
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
            if size >= PAGE_BYTES:
                break
    return found


def summarize(
    connection: Connection, query: EventQuery, bucket: Microseconds | None, limit: int
) -> list[LatencyCount]:
    """Count events that none supersedes, as described in `Store.summarize`."""
    columns = feedback_events.c
    start: ColumnElement[Any] = null()
    if bucket is not None:
        # The remainder of a time before 1970 is negative: adding the bucket makes it positive.
        start = columns.time - (columns.time % bucket + bucket) % bucket
    keys = [start.label("bucket"), columns.feedback_type, columns.latency_ms]
    grouped: list[ColumnElement[Any]] = [columns.feedback_type, columns.latency_ms]
    if bucket is not None:
        grouped.append(keys[0])
    superseding = feedback_events.alias()
    superseded = select(superseding.c.supersedes).where(
        superseding.c.supersedes.is_not(None), superseding.c.supersedes != superseding.c.id
    )
    statement = _filtered(select(*keys, func.count().label("events")), query)
    statement = statement.where(columns.id.not_in(superseded))
    rows = connection.execute(statement.group_by(*grouped).limit(limit + 1)).all()
    if len(rows) > limit:
        raise ResultTooLargeError(
            "too many distinct latencies to summarize; choose fewer types or a shorter time"
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
