"""The audit log: entries are written in the transaction of the change that they record."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, delete, insert, select, tuple_, update

from crucible_ir.exchange.store.audit_records import (
    Actor,
    AuditAction,
    AuditEntry,
    AuditPage,
    AuditQuery,
    Authentication,
)
from crucible_ir.exchange.store.statements import deferred
from crucible_ir.exchange.store.statements.tables import audit_entries

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection

    from crucible_ir.exchange.store.records import Microseconds

#: The most entries that one page examines: a page with rare entries is short, and its key continues
#: the list.
MAX_EXAMINED: Final = 3_000

_columns = audit_entries.c

# Making a statement takes longer than executing it.
_INSERT: Final = insert(audit_entries)


def add(connection: Connection, entry: AuditEntry) -> None:
    """Add an entry to the transaction in progress.

    The entries of a transaction are inserted together before it is committed, which costs each of
    many publications little.
    """
    deferred.change(connection, _INSERT, [_values(entry)], None)


def write(connection: Connection, entry: AuditEntry) -> int:
    """Insert an entry at once, and return its number, so that `complete` can complete it."""
    inserted = connection.execute(
        insert(audit_entries).values(_values(entry)).returning(_columns.number)
    )
    return int(inserted.scalar_one())


def complete(
    connection: Connection,
    number: int,
    counts: Mapping[str, int],
    details: Mapping[str, str] | None = None,
) -> None:
    """Replace the counts of an entry that describes an action in progress, and add details."""
    content = connection.execute(
        select(_columns.content).where(_columns.number == number)
    ).scalar_one_or_none()
    _, earlier = _parsed(content)
    changed = _encoded(counts, {**earlier, **(details or {})})
    connection.execute(
        update(audit_entries).where(_columns.number == number).values(content=changed)
    )


def entries(connection: Connection, query: AuditQuery) -> AuditPage:
    """Return a page of the log, as described in `Store.list_audit`."""
    limits = list(_index_conditions(query))
    newest_first = (_columns.time.desc(), _columns.number.desc())
    conditions = list(_other_conditions(query))
    examined = select(audit_entries).where(*limits).order_by(*newest_first)
    statement, last_examined = examined, None
    if conditions:
        ends = select(_columns.time, _columns.number).where(*limits).order_by(*newest_first)
        last_examined = connection.execute(ends.offset(MAX_EXAMINED - 1).limit(1)).one_or_none()
        if last_examined is not None:
            # All that this page examines: the entries up to the last one, by the index.
            statement = examined.where(_key_column >= tuple_(*last_examined))
        statement = statement.where(and_(*conditions))
    rows = connection.execute(statement.limit(query.limit + 1)).all()
    found = [_entry(row) for row in rows[: query.limit]]
    if len(rows) > query.limit:
        return AuditPage(found, _key(found[-1].time, found[-1].number))
    return AuditPage(found, None if last_examined is None else _key(*last_examined))


def remove_before(connection: Connection, time: Microseconds) -> None:
    """Remove the entries from before a time."""
    connection.execute(delete(audit_entries).where(_columns.time < time))


_key_column = tuple_(_columns.time, _columns.number)


def _index_conditions(query: AuditQuery) -> Iterable[ColumnElement[bool]]:
    """Yield the conditions that an index in the order of the list satisfies."""
    if query.type is not None and query.id is not None:
        yield _columns.type == query.type
        yield _columns.id == query.id.encode()
    if query.start_time is not None:
        yield _columns.time >= query.start_time
    if query.end_time is not None:
        yield _columns.time < query.end_time
    if query.after is not None:
        time, _, number = query.after.partition(":")
        yield _key_column < tuple_(int(time), int(number))


def _other_conditions(query: AuditQuery) -> Iterable[ColumnElement[bool]]:
    if query.caller is not None:
        yield _columns.caller == query.caller.encode()
    if query.actions:
        yield _columns.action.in_([action.value for action in query.actions])
    if query.type is not None and query.id is None:
        yield _columns.type == query.type
    if query.id is not None and query.type is None:
        yield _columns.id == query.id.encode()


def _key(time: Microseconds, number: int) -> str:
    return f"{time}:{number}"


def _values(entry: AuditEntry) -> dict[str, Any]:
    actor = entry.actor
    return {
        "time": entry.time,
        "action": entry.action.value,
        "caller": None if actor.name is None else actor.name.encode(),
        "authentication": actor.authentication.value,
        "type": entry.type,
        "id": None if entry.id is None else entry.id.encode(),
        "revision": entry.revision,
        "request_id": None if actor.request_id is None else actor.request_id.encode(),
        "content": _encoded(entry.counts, entry.details),
    }


def _encoded(counts: Mapping[str, int], details: Mapping[str, str]) -> bytes | None:
    if not counts and not details:
        return None
    return json.dumps([dict(counts), dict(details)]).encode()


def _parsed(content: bytes | None) -> tuple[dict[str, int], dict[str, str]]:
    if content is None:
        return {}, {}
    counts, details = json.loads(bytes(content))
    return counts, details


def _entry(row: Any) -> AuditEntry:
    counts, details = _parsed(row.content)
    return AuditEntry(
        action=AuditAction(row.action),
        actor=Actor(
            None if row.caller is None else bytes(row.caller).decode(),
            Authentication(row.authentication),
            None if row.request_id is None else bytes(row.request_id).decode(),
        ),
        time=row.time,
        type=row.type,
        id=None if row.id is None else bytes(row.id).decode(),
        revision=row.revision,
        counts=counts,
        details=details,
        number=row.number,
    )
