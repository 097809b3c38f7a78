"""Keeping feedback events, and reading and counting them, on a connection in a transaction."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, null, select, true

from crucible_ir.exchange.store.failures import TooMuchError
from crucible_ir.exchange.store.records import (
    EventQuery,
    EventRow,
    LatencyCount,
    Microseconds,
    StoredEvent,
)
from crucible_ir.exchange.store.rows import within
from crucible_ir.exchange.store.tables import feedback_events

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, Select

#: How a database's driver writes the place of a value.
_PLACE = {"sqlite": "?", "postgresql": "%s"}

_INSERT = (
    f"INSERT INTO feedback_events ({', '.join(EventRow._fields)}) "
    "VALUES ({places}) ON CONFLICT (id) DO NOTHING"
)


def ingest(connection: Connection, events: Sequence[EventRow], now: Microseconds) -> list[int]:
    """Keep events and return the indices of those that were there already.

    The statement goes to the driver as it is: this is the path that has to be fast.
    """
    places = ", ".join([_PLACE[connection.dialect.name]] * len(EventRow._fields))
    before = last_event(connection)
    rows: list[tuple[Any, ...]] = [
        event if event.time is not None else event._replace(time=now) for event in events
    ]
    if not rows:
        return []
    done = connection.exec_driver_sql(_INSERT.format(places=places), rows)
    if done.rowcount == len(rows):
        return []
    kept = connection.execute(
        select(feedback_events.c.id).where(feedback_events.c.position > before)
    ).scalars()
    new = {bytes(id_) for id_ in kept}
    duplicates = []
    for index, event in zip(count(), events, strict=False):
        if event.id in new:
            new.discard(event.id)
        else:
            duplicates.append(index)
    return duplicates


def last_event(connection: Connection) -> int:
    """Return the position of the latest event; 0 when there is none."""
    return connection.execute(select(func.max(feedback_events.c.position))).scalar_one() or 0


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
        raise TooMuchError(
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
