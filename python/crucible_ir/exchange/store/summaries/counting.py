"""Counts events of the store in tallies, one for each hour and combination of names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from google.protobuf.message import DecodeError
from sqlalchemy import exists, func, select

from crucible_ir import v1
from crucible_ir.exchange.store.records import Microseconds
from crucible_ir.exchange.store.statements.names import NO_NAME, numbers_of, parts
from crucible_ir.exchange.store.statements.tables import feedback_events
from crucible_ir.exchange.tally import CORRECTION, THUMBS, Tally

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, Executable

#: An hour, in microseconds.
HOUR: Final = 3_600_000_000

_columns = feedback_events.c

#: How many rows are in memory at a time.
ROWS_AT_A_TIME: Final = 500

#: What is read of an event to count it.
COUNTED_COLUMNS: Final = (
    _columns.deployment,
    _columns.version,
    _columns.type,
    _columns.time,
    _columns.latency_ms,
    _columns.event,
    func.nullif(_columns.supersedes, _columns.id),
)


class Key(NamedTuple):
    """What the events of a tally have in common.

    Attributes:
        period: The number of the period since 1970, which is an hour for roll-ups.
        deployment: The number of the deployment's name.
        version: The number of the model version's name.
        type: The number of the type's name.
        name: The criterion; empty if there is none.
    """

    period: int
    deployment: int
    version: int
    type: int
    name: bytes


class Counter:
    """Counts rows of `COUNTED_COLUMNS`.

    Args:
        connection: The connection.
        period: The length of the periods; ``None`` for one.

    Attributes:
        tallies: The tallies.
    """

    def __init__(self, connection: Connection, period: Microseconds | None = HOUR) -> None:
        self._period = period
        self.tallies: dict[Key, Tally] = {}
        known = numbers_of(connection, [name.encode() for name in (THUMBS, CORRECTION)])
        # Other types are treated alike.
        self._types: dict[int, str | None] = {NO_NAME: None}
        self._types.update(
            (known[name.encode()], name) for name in (THUMBS, CORRECTION) if name.encode() in known
        )

    def count(self, row: Any, sign: int = 1) -> None:
        """Count an event, or with the sign -1 subtract it."""
        deployment, version, type_, time, latency, content, *_ = row
        event: v1.FeedbackEvent | None
        try:
            event = v1.FeedbackEvent.FromString(bytes(content))
        except DecodeError:
            event = None
        name = b"" if event is None else event.name.encode()
        period = 0 if self._period is None else time // self._period
        # It equals a `Key`, which takes longer to create.
        key: Any = (period, deployment, version, type_, name)
        tally = self.tallies.get(key)
        if tally is None:
            tally = self.tallies[Key(*key)] = Tally()
        tally.count(latency, event, self._types.get(type_, ""), sign)


def is_superseded(through: int | None = None) -> ColumnElement[bool]:
    """Return the condition that another event supersedes an event.

    Args:
        through: The last position of the events that may supersede; ``None`` for all.
    """
    superseding = feedback_events.alias().c
    condition = exists().where(superseding.supersedes == _columns.id, superseding.id != _columns.id)
    return condition if through is None else condition.where(superseding.position <= through)


def superseded_by(rows: Iterable[Any]) -> set[bytes]:
    """Return the ids of the other events that rows of `COUNTED_COLUMNS` supersede."""
    return {bytes(row[6]) for row in rows if row[6]}


def count_between(connection: Connection, after: int, through: int) -> Counter:
    """Count the difference that events make to the counts of all events before them.

    Events that are superseded do not count, so an event may subtract an earlier one.

    Args:
        connection: The connection.
        after: The position before the first event.
        through: The position of the last event.
    """
    counter = Counter(connection)
    superseded: set[bytes] = set()
    statement = (
        select(*COUNTED_COLUMNS, is_superseded(through).label("is_superseded"))
        .where(_columns.position > after, _columns.position <= through)
        .order_by(_columns.position)
    )
    for row in streamed(connection, statement):
        if not row[7]:
            counter.count(row)
        if row[6]:
            superseded |= superseded_by([row])
    for row in counted(connection, superseded, after):
        counter.count(row, -1)
    return counter


def counted(connection: Connection, ids: Iterable[bytes], through: int) -> Iterable[Any]:
    """Yield events with some ids that no other supersedes, considering events up to a position."""
    for part in parts(ids):
        yield from connection.execute(
            select(*COUNTED_COLUMNS).where(
                _columns.id.in_(part), _columns.position <= through, ~is_superseded(through)
            )
        )


def streamed(connection: Connection, statement: Executable) -> Iterator[Any]:
    """Yield the rows of a statement, of which only some are in memory at a time."""
    options = {"yield_per": ROWS_AT_A_TIME}
    with connection.execute(statement, execution_options=options) as rows:
        # A result yields parts faster than single rows.
        for part in rows.partitions():
            yield from part
