"""Roll-ups: tallies of hours and days, which are stored up to a position in the order of events.

They count exactly the events up to that position that no event up to that position supersedes.
Each transaction that changes them also changes the position or the number of edits, so that a
difference that was computed before can be applied only once, whichever server did it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from sqlalchemy import delete, func, select, tuple_, update

from crucible_ir.exchange.store.statements import names
from crucible_ir.exchange.store.statements.tables import (
    counters,
    feedback_events,
    feedback_roll_ups,
)
from crucible_ir.exchange.store.summaries.counting import (
    COUNTED_COLUMNS,
    Counter,
    Key,
    count_between,
    counted,
    is_superseded,
    superseded_by,
)
from crucible_ir.exchange.tally import Tally

if TYPE_CHECKING:
    from sqlalchemy import Connection

#: The lengths of the stored tallies, in hours.
HOURS_OF_DAY: Final = 24
SPANS: Final = (1, HOURS_OF_DAY)

#: The most events that one transaction rolls up.
EVENTS_AT_A_TIME: Final = 5_000

#: The number of keys in one condition: each has six values.
_KEYS_AT_A_TIME: Final = 100

_events = feedback_events.c
_columns = feedback_roll_ups.c

#: The key of a row: its span and the number of its start, in spans since 1970; and the numbers of
#: the names in a `Key`.
RowKey = tuple[int, ...]
_KEY_COLUMNS: Final = (
    _columns.span,
    _columns.start,
    _columns.deployment,
    _columns.version,
    _columns.type,
    _columns.name,
)


class State(NamedTuple):
    """The last position that is rolled up, and how often roll-ups were edited otherwise."""

    rolled: int
    edits: int


class Change(NamedTuple):
    """A change of a stored tally.

    Attributes:
        span: The length in hours.
        start: The number of the start since 1970, in spans.
        key: The key of its events.
        is_stored: Whether the tally was stored before.
        content: The encoded tally; ``None`` if it has no events any more.
    """

    span: int
    start: int
    key: Key
    is_stored: bool
    content: bytes | None


class RollUp(NamedTuple):
    """A change of the roll-ups.

    Attributes:
        state: The state that it applies to.
        through: The position that is rolled up then.
        changes: The tallies.
    """

    state: State
    through: int
    changes: list[Change]


def state_of(connection: Connection) -> State:
    """Return the state of the roll-ups."""
    wanted = ("rolled", "roll_up_edits")
    statement = select(counters.c.name, counters.c.value).where(counters.c.name.in_(wanted))
    values = {name: int(value) for name, value in connection.execute(statement)}
    return State(*(values[name] for name in wanted))


def prepare(connection: Connection) -> RollUp | None:
    """Count the next events that are not rolled up; ``None`` if there are none."""
    state = state_of(connection)
    some = (
        select(_events.position)
        .where(_events.position > state.rolled)
        .order_by(_events.position)
        .limit(EVENTS_AT_A_TIME)
    )
    through = connection.execute(select(func.max(some.subquery().c.position))).scalar()
    if through is None:
        return None
    tallies = count_between(connection, state.rolled, through).tallies
    return RollUp(state, through, _merged(connection, tallies))


def apply(connection: Connection, roll_up: RollUp) -> bool:
    """Apply a change; return whether it still applied to the state of the roll-ups."""
    if state_of(connection) != roll_up.state:
        return False
    _store(connection, roll_up.changes)
    _set(connection, "rolled", roll_up.through)
    return True


def delete_events(connection: Connection, positions: Sequence[int]) -> int:
    """Delete events, and subtract them from the roll-ups; return how many there were.

    An event that only deleted ones superseded counts again.
    """
    state = state_of(connection)
    counter = Counter(connection)
    superseded: set[bytes] = set()
    count = 0
    for part in names.parts(positions):
        is_chosen = _events.position.in_(part)
        rows = connection.execute(
            select(*COUNTED_COLUMNS, is_superseded(state.rolled)).where(
                is_chosen, _events.position <= state.rolled
            )
        )
        for row in rows.all():
            superseded |= superseded_by([row])
            if not row[7]:
                counter.count(row, -1)
    for part in names.parts(positions):
        count += connection.execute(
            delete(feedback_events).where(_events.position.in_(part))
        ).rowcount
    for row in counted(connection, superseded, state.rolled):
        counter.count(row)
    _store(connection, _merged(connection, counter.tallies))
    # Even if no roll-up has changed: a prepared one may count the deleted events.
    _set(connection, "roll_up_edits", state.edits + 1)
    return count


def _merged(connection: Connection, tallies: Mapping[Key, Tally]) -> list[Change]:
    """Add tallies to those that are stored, and return the changes."""
    numbers: dict[bytes | None, int] = {b"": names.NO_NAME}
    numbers.update(names.numbers_of(connection, {key.name for key in tallies if key.name}))
    changed: dict[tuple[int, Key], Tally] = {}
    for key, tally in tallies.items():
        for span in SPANS:
            longer = key._replace(period=key.period // span * span)
            if (span, longer) not in changed:
                changed[span, longer] = Tally()
            changed[span, longer].merge(tally)
    # A criterion without a number is new, and so no tally of it is stored.
    by_row = {
        _row_key(span, key, numbers[key.name]): (span, key)
        for span, key in changed
        if key.name in numbers
    }
    stored: set[tuple[int, Key]] = set()
    for keys in _key_parts(by_row):
        statement = select(*_KEY_COLUMNS, _columns.tally).where(tuple_(*_KEY_COLUMNS).in_(keys))
        for *row, content in connection.execute(statement):
            where = by_row[tuple(row)]
            changed[where].merge(Tally.decode(bytes(content)))
            stored.add(where)
    return [
        Change(
            span,
            key.period // span,
            key,
            (span, key) in stored,
            tally.encode() if tally.events else None,
        )
        for (span, key), tally in changed.items()
    ]


def _store(connection: Connection, changes: Iterable[Change]) -> None:
    """Store the changes of tallies."""
    changes = list(changes)
    numbers: dict[bytes | None, int] = {b"": names.NO_NAME}
    numbers.update(
        names.add(connection, {change.key.name for change in changes if change.key.name})
    )
    keyed = [
        (_row_key(change.span, change.key, numbers[change.key.name]), change) for change in changes
    ]
    for keys in _key_parts(row for row, change in keyed if change.is_stored):
        connection.execute(delete(feedback_roll_ups).where(tuple_(*_KEY_COLUMNS).in_(keys)))
    rows = [
        {
            **{column.name: value for column, value in zip(_KEY_COLUMNS, row, strict=True)},
            "tally": change.content,
        }
        for row, change in keyed
        if change.content is not None
    ]
    if rows:
        connection.execute(feedback_roll_ups.insert(), rows)


def _row_key(span: int, key: Key, name: int) -> RowKey:
    return span, key.period // span, key.deployment, key.version, key.type, name


def _key_parts(keys: Iterable[RowKey]) -> Iterator[Sequence[RowKey]]:
    ordered = sorted(keys)
    for start in range(0, len(ordered), _KEYS_AT_A_TIME):
        yield ordered[start : start + _KEYS_AT_A_TIME]


def _set(connection: Connection, name: str, value: int) -> None:
    connection.execute(update(counters).where(counters.c.name == name).values(value=value))
