"""The statements that store and export feedback events."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import chain, count
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import func, select, true

from crucible_ir import v1
from crucible_ir.exchange.store.errors import FeedbackConfigsChangedError
from crucible_ir.exchange.store.records import (
    EventPage,
    EventQuery,
    EventRow,
    Microseconds,
    StoredEvent,
)
from crucible_ir.exchange.store.statements import names
from crucible_ir.exchange.store.statements.rows import PAGE_BYTES, Lookup, within
from crucible_ir.exchange.store.statements.tables import feedback_events
from crucible_ir.schema.types import descriptor_of

if TYPE_CHECKING:
    from sqlalchemy import Connection, Select

#: The columns of the references of an `EventRow`, in their order.
_REFERENCES: Final = ("request_id", "response_id", "supersedes")

#: The tag of an event's id, the first byte of its field; its size takes at most two bytes.
_ID_TAG: Final = descriptor_of(v1.FeedbackEvent).fields_by_name["id"].number << 3 | 2

#: Return the names of an `EventRow` that are stored as numbers.
_NAMES: Final = tuple(
    attrgetter(name) for name in ("deployment_id", "feedback_type", "model_version", "publisher")
)

#: How a database's driver inserts, and its placeholder of a value. A statement that may be undone
#: alone costs SQLite a copy of each page that it changes. With FAIL it is not: an error ends the
#: transaction anyway.
_DIALECTS: Final = {"sqlite": ("INSERT OR FAIL", "?"), "postgresql": ("INSERT", "%s")}

#: The numbers of events that one statement inserts, the largest first. SQLite runs a statement in
#: one call, during which other threads run. It accepts 32,766 values, and older versions 999.
_INSERT_SIZES = (500, 100, 20, 1) if sqlite3.sqlite_version_info >= (3, 32) else (90, 20, 1)


#: The most events that one step of an export examines.
EXAMINED = 20_000


@cache
def _insert(dialect: str, columns: tuple[str, ...], events: int) -> str:
    """Return the statement that inserts some columns of a number of events."""
    insert, placeholder = _DIALECTS[dialect]
    row = f"({', '.join([placeholder] * len(columns))})"
    return (
        f"{insert} INTO feedback_events ({', '.join(columns)}) "
        f"VALUES {', '.join([row] * events)} ON CONFLICT (id) DO NOTHING"
    )


def id_field(id_: bytes) -> bytes:
    r"""Return the encoded field of an event's id, with which most events begin.

    >>> id_field(b"evt")
    b'\n\x03evt'
    """
    size = len(id_)
    if size < 0x80:
        return bytes((_ID_TAG, size)) + id_
    return bytes((_ID_TAG, size & 0x7F | 0x80, size >> 7)) + id_


def _without_id(id_: bytes, event: bytes) -> bytearray:
    """Return the bytes of an event to store, without its id, which has a column of its own.

    To read it, `id_field` is put before it. If the id is not the first field, it is there twice
    then, which means the same.
    """
    size = len(id_)
    # The usual case, without the cost of `id_field`.
    if size < 0x80 and event.startswith(id_, 2) and event[0] == _ID_TAG and event[1] == size:
        return bytearray(event[size + 2 :])
    field = id_field(id_)
    return bytearray(event[len(field) :] if event.startswith(field) else event)


class _Insertion(NamedTuple):
    """One statement: its columns, its number of events, and their values, event by event."""

    columns: tuple[str, ...]
    events: int
    values: tuple[Any, ...]


class PreparedEvents(NamedTuple):
    """Events to store, and the statements that insert them.

    They are prepared before the transaction, so that the writing thread runs little Python between
    statements.

    Attributes:
        events: The events.
        insertions: The statements.
    """

    events: Sequence[EventRow]
    insertions: list[_Insertion]

    @classmethod
    def of(
        cls, events: Sequence[EventRow], now: Microseconds, numbers: Mapping[bytes | None, int]
    ) -> PreparedEvents:
        """Prepare events; those without a time get the current one.

        Args:
            events: The events.
            now: The current time.
            numbers: The numbers of their names.

        Raises:
            KeyError: The number of a name is missing.
        """
        rows = [event if event.time is not None else event._replace(time=now) for event in events]
        insertions = []
        done = 0
        for size in _INSERT_SIZES:
            while len(rows) - done >= size:
                insertions.append(_insertion(rows[done : done + size], numbers))
                done += size
        return cls(events, insertions)


def names_in(events: Sequence[EventRow]) -> set[bytes | None]:
    """Return the names of events that are stored as numbers, and ``None`` if one is absent."""
    return set().union(*(map(value, events) for value in _NAMES))


def ingest_with_names(
    connection: Connection,
    events: Sequence[EventRow],
    now: Microseconds,
    numbers: Mapping[bytes | None, int],
    configs_version: int | None,
) -> tuple[list[int], dict[bytes | None, int]]:
    """Store events of which some have new names, as `ingest` does.

    Args:
        connection: The connection.
        events: The events.
        now: The current time.
        numbers: The numbers of names that are known.
        configs_version: As for `Store.ingest`.

    Returns:
        The indices of duplicates, and the numbers of the other names.
    """
    _check_configs(connection, configs_version)
    unknown = [name for name in names_in(events) if name is not None and name not in numbers]
    added = names.add(connection, unknown)
    prepared = PreparedEvents.of(events, now, {**numbers, **added})
    return ingest(connection, prepared, None), added


_CONFIGS_VERSION: Final = "SELECT value FROM counters WHERE name = 'feedback_configs'"


def _check_configs(connection: Connection, version: int | None) -> None:
    """Raise `FeedbackConfigsChangedError` if the configurations have another version."""
    if version is not None:
        current = connection.exec_driver_sql(_CONFIGS_VERSION).scalar_one()
        if current != version:
            raise FeedbackConfigsChangedError("the configurations of feedback have changed")


def ingest(
    connection: Connection, prepared: PreparedEvents, configs_version: int | None
) -> list[int]:
    """Store events, as described in `Store.ingest`, and return the indices of duplicates.

    The statements bypass SQLAlchemy's expression layer, because this path must be fast.
    """
    _check_configs(connection, configs_version)
    events = prepared.events
    dialect = connection.dialect.name
    new_count = 0
    for columns, size, values in prepared.insertions:
        new_count += connection.exec_driver_sql(_insert(dialect, columns, size), values).rowcount
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


def _insertion(rows: Sequence[EventRow], numbers: Mapping[bytes | None, int]) -> _Insertion:
    """Return the statement that inserts rows, with values in the fastest types for a driver.

    SQLite's driver searches for an adapter for each value of `bytes`, but not of `bytearray`. It
    does so for each ``None`` as well, so columns without values are left out.
    """
    ids, deployments, types, versions, times, latencies, events, *others = zip(*rows, strict=True)
    *references, publishers, redacted = others
    number = numbers.__getitem__
    columns: dict[str, Iterable[Any]] = {
        "id": map(bytearray, ids),
        "deployment": map(number, deployments),
        "type": map(number, types),
        "version": map(number, versions),
        "publisher": map(number, publishers),
        "time": times,
        "event": map(_without_id, ids, events),
        "redacted": redacted,
    }
    if latencies.count(None) < len(rows):
        columns["latency_ms"] = latencies
    for name, values in zip(_REFERENCES, references, strict=True):
        if values.count(None) < len(rows):
            columns[name] = [None if value is None else bytearray(value) for value in values]
    values = tuple(chain.from_iterable(zip(*columns.values(), strict=True)))
    return _Insertion(tuple(columns), len(rows), values)


#: Selects the position of the latest event; null if there is none.
LAST_EVENT = Lookup(select(func.max(feedback_events.c.position)), {})


def export(
    connection: Connection, query: EventQuery, after: int, through: int, limit: int
) -> EventPage:
    """Return events in the order of arrival, as described in `Store.export`."""
    end = min(through, after + EXAMINED)
    columns = feedback_events.c
    statement = _filtered(
        connection,
        select(columns.position, columns.publisher, columns.redacted, columns.id, columns.event),
        query,
    )
    statement = (
        statement.where(columns.position > after, columns.position <= end)
        .order_by(columns.position)
        .limit(limit)
    )
    found: list[tuple[int, int, int, bytes]] = []
    size = 0
    options = {"stream_results": True, "max_row_buffer": 500}
    with connection.execute(statement, execution_options=options) as rows:
        for position, publisher, redacted, id_, event in rows:
            found.append((position, publisher, redacted, id_field(bytes(id_)) + bytes(event)))
            size += len(found[-1][3])
            if size >= PAGE_BYTES:
                break
    publishers = names.names_of(connection, {publisher for _, publisher, *_ in found})
    events = [
        StoredEvent(position, event, publishers.get(publisher), bool(redacted))
        for position, publisher, redacted, event in found
    ]
    is_cut = len(found) == limit or size >= PAGE_BYTES
    return EventPage(events, through=found[-1][0] if is_cut else end)


def _filtered(connection: Connection, statement: Select[Any], query: EventQuery) -> Select[Any]:
    """Add the conditions of a query to a statement."""
    columns = feedback_events.c
    scope = query.scope
    seen = scope.types is None or "FeedbackEvent" in scope.types
    statement = statement.where(within(scope, columns.id) if seen else ~true())
    # Numbers instead of expressions, so that the databases choose the index of the column.
    for column, wanted in (
        (columns.deployment, query.deployment_id),
        (columns.version, query.model_version),
    ):
        if wanted is not None:
            number = names.numbers_of(connection, [wanted.encode()]).get(wanted.encode())
            statement = statement.where(~true() if number is None else column == number)
    if query.feedback_types:
        wanted_types = [name.encode() for name in query.feedback_types]
        numbers = names.numbers_of(connection, wanted_types)
        statement = statement.where(columns.type.in_(numbers.values()))
    if query.start_time is not None:
        statement = statement.where(columns.time >= query.start_time)
    if query.end_time is not None:
        statement = statement.where(columns.time < query.end_time)
    return statement
