"""The statements that find the feedback events to delete."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select, tuple_

from crucible_ir.exchange.store.records import EventTime, Microseconds
from crucible_ir.exchange.store.statements import names
from crucible_ir.exchange.store.statements.tables import feedback_events, revisions

if TYPE_CHECKING:
    from sqlalchemy import Connection

_columns = feedback_events.c


def latest_time(connection: Connection, now: Microseconds) -> Microseconds | None:
    """Return the latest time of a change or an event, as described in `Store.latest_time`."""
    change = connection.execute(
        select(revisions.c.update_time).order_by(revisions.c.sequence.desc()).limit(1)
    ).scalar_one_or_none()
    event = connection.execute(
        select(func.max(_columns.time)).where(_columns.time <= now)
    ).scalar_one()
    return max((time for time in (change, event) if time is not None), default=None)


def events_before(
    connection: Connection, time: Microseconds, after: tuple[Microseconds, int] | None, limit: int
) -> list[EventTime]:
    """Return events from before a time, as described in `Store.events_before`."""
    statement = select(_columns.time, _columns.position, _columns.deployment).where(
        _columns.time < time
    )
    if after is not None:
        statement = statement.where(tuple_(_columns.time, _columns.position) > tuple_(*after))
    statement = statement.order_by(_columns.time, _columns.position).limit(limit)
    rows = connection.execute(statement).all()
    deployments = names.names_of(connection, {row.deployment for row in rows})
    return [EventTime(row.time, row.position, deployments.get(row.deployment)) for row in rows]
