"""The order of all changes: reading it, forgetting its beginning, and waking those who wait."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sqlalchemy import delete, exists, null, select, update

from crucible_ir.exchange.store.records import ChangePage, Microseconds
from crucible_ir.exchange.store.statements.rows import (
    IS_LATEST,
    RECORD_COLUMNS,
    STREAMED,
    Lookup,
    bounded,
    entry,
)
from crucible_ir.exchange.store.statements.tables import counters, revisions

if TYPE_CHECKING:
    from sqlalchemy import Connection


class ChangeNotifier:
    """The sequence number of the latest change that is known of, and a way to wait for the next."""

    def __init__(self) -> None:
        self._latest = 0
        self._changed = asyncio.Event()

    @property
    def latest(self) -> int:
        """The sequence number of the latest change that is known of; 0 when none is."""
        return self._latest

    def announce(self, sequence: int) -> None:
        """Tell all who wait of a change; on the event loop's thread."""
        if sequence > self._latest:
            self._latest = sequence
            self._changed.set()
            self._changed = asyncio.Event()

    async def wait(self, after: int, timeout: float) -> None:
        """Return when a change after a sequence number is known of, or after so many seconds."""
        if self._latest > after:
            return
        try:
            async with asyncio.timeout(timeout):
                await self._changed.wait()
        except TimeoutError:
            return


#: Under this key a connection knows which sequence number was taken last.
_TAKEN = "crucible_ir.sequence"


def next_sequence(connection: Connection) -> int:
    """Take the next sequence number; it is given back if the transaction fails."""
    taken = connection.execute(
        update(counters)
        .where(counters.c.name == "sequence")
        .values(value=counters.c.value + 1)
        .returning(counters.c.value)
    )
    sequence = int(taken.scalar_one())
    connection.info[_TAKEN] = sequence
    return sequence


def taken_sequence(connection: Connection) -> int:
    """Return the last sequence number that was taken on a connection since this was asked; or 0."""
    return int(connection.info.pop(_TAKEN, 0))


#: Finds the sequence number of the latest change.
SEQUENCE = Lookup(select(counters.c.value).where(counters.c.name == "sequence"), {})


def counter(connection: Connection, name: str) -> int:
    """Return one of the store's counters."""
    value = connection.execute(select(counters.c.value).where(counters.c.name == name))
    return int(value.scalar_one())


def changes(
    connection: Connection, after: int, *, limit: int, max_bytes: int, include_documents: bool
) -> ChangePage:
    """Return changes in order, as `Store.changes` says."""
    last = counter(connection, "sequence")
    compacted = counter(connection, "compacted")
    document = revisions.c.document if include_documents else null()
    statement = (
        select(*RECORD_COLUMNS, document)
        .where(revisions.c.sequence > max(after, compacted))
        .order_by(revisions.c.sequence)
        .limit(limit)
    )
    with connection.execute(statement, execution_options=STREAMED) as rows:
        entries = list(bounded(map(entry, rows), limit, max_bytes))
    return ChangePage(
        entries,
        gap_through=compacted if after < compacted else 0,
        through=entries[-1].record.sequence if entries else max(last, after),
    )


def made_before(connection: Connection, moment: Microseconds) -> int:
    """Return the last change before all that were made later, as `Store.made_before` says."""
    first_kept = connection.execute(
        select(revisions.c.sequence)
        .where(
            revisions.c.sequence > counter(connection, "compacted"),
            revisions.c.update_time >= moment,
        )
        .order_by(revisions.c.sequence)
        .limit(1)
    ).scalar_one_or_none()
    return counter(connection, "sequence") if first_kept is None else int(first_kept) - 1


def compact(connection: Connection, *, after: int, through: int, most: int) -> tuple[int, bool]:
    """Forget revisions that are not the latest, in one step of a compaction.

    A step passes over rows from before an earlier compaction, too: what was the latest revision
    then need not be it any more.

    Args:
        connection: The connection.
        after: The sequence number that the step before has come to; 0 for the first.
        through: The sequence number to go up to.
        most: The most rows to pass over.

    Returns:
        The sequence number that this step has come to, and whether it was the last.
    """
    wanted = min(through, counter(connection, "sequence"))
    passed = select(revisions.c.sequence).where(
        revisions.c.sequence > after, revisions.c.sequence <= wanted
    )
    reached = connection.execute(
        passed.order_by(revisions.c.sequence).offset(most - 1).limit(1)
    ).scalar_one_or_none()
    step = wanted if reached is None else int(reached)
    connection.execute(
        delete(revisions).where(
            revisions.c.sequence > after,
            revisions.c.sequence <= step,
            ~exists().where(IS_LATEST).correlate(revisions),
        )
    )
    if step > counter(connection, "compacted"):
        connection.execute(
            update(counters).where(counters.c.name == "compacted").values(value=step)
        )
    return step, step >= wanted
