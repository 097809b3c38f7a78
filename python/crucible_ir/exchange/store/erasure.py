"""The statements that find and erase feedback events, in pieces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import func, literal, or_, select

from crucible_ir import v1
from crucible_ir.exchange.store.audit_records import AuditEntry
from crucible_ir.exchange.store.records import EventSelection
from crucible_ir.exchange.store.statements import audit, names
from crucible_ir.exchange.store.statements.tables import feedback_events
from crucible_ir.exchange.store.summaries.roll_ups import delete_events

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection

#: The tables from which an erasure deletes rows with contents of events.
TABLES: Final = (feedback_events.name,)

_columns = feedback_events.c


class Found(NamedTuple):
    """The positions of events to erase, and the position up to which all were examined."""

    positions: list[int]
    reached: int


def find(
    connection: Connection, selection: EventSelection, after: int, through: int, limit: int
) -> Found:
    """Find the events of a selection among some of those after a position.

    No index has the ids of users and sessions. The database searches the bytes of the events for
    them, which takes less than a microsecond an event, and only events that contain one are parsed.
    """
    examined = [_columns.position > after, _columns.position <= through]
    ends = select(_columns.position).where(*examined).order_by(_columns.position)
    end = connection.execute(ends.offset(limit - 1).limit(1)).scalar_one_or_none()
    reached = through if end is None else int(end)
    conditions = [_columns.position > after, _columns.position <= reached]
    if selection.deployment_id is not None:
        name = selection.deployment_id.encode()
        number = names.numbers_of(connection, [name]).get(name)
        if number is None:
            return Found([], through)
        conditions.append(_columns.deployment == number)
    if selection.start_time is not None:
        conditions.append(_columns.time >= selection.start_time)
    if selection.end_time is not None:
        conditions.append(_columns.time < selection.end_time)
    wanted = {"user_id": selection.user_ids, "session_id": selection.session_ids}
    sought = {name: ids for name, ids in wanted.items() if ids is not None}
    for ids in sought.values():
        conditions.append(or_(*(_contains(connection, id_.encode()) for id_ in ids)))
    rows = connection.execute(
        select(_columns.position, *([_columns.event] if sought else [])).where(*conditions)
    )
    return Found([row.position for row in rows if not sought or _is_one(row, sought)], reached)


def _contains(connection: Connection, part: bytes) -> ColumnElement[bool]:
    """Return the condition that the bytes of an event contain some bytes."""
    if connection.dialect.name == "sqlite":
        return func.instr(_columns.event, literal(part)) > 0
    return func.position(literal(part).op("IN")(_columns.event)) > 0


def _is_one(row: Any, sought: dict[str, tuple[str, ...]]) -> bool:
    event = v1.FeedbackEvent.FromString(bytes(row.event))
    return all(getattr(event, name) in ids for name, ids in sought.items())


def erase(
    connection: Connection, positions: Sequence[int], entry: AuditEntry, number: int, erased: int
) -> tuple[int, int]:
    """Erase events, and write or update the entry of the erasure in the audit log.

    Args:
        connection: The connection.
        positions: The positions of the events.
        entry: The entry.
        number: The number of the entry; 0 if it is not written yet.
        erased: How many events were erased before.

    Returns:
        How many events were erased until now, and the number of the entry.
    """
    if positions:
        erased += delete_events(connection, positions)
    counts = {"events": erased}
    if number:
        audit.complete(connection, number, counts)
        return erased, number
    return erased, audit.write(connection, replace(entry, counts=counts))
