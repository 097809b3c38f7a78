"""The order of all changes: sequence numbers, reading, compaction, and notification."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import bindparam, case, delete, exists, insert, null, select, update

from crucible_ir.exchange.store.records import (
    ChangePage,
    GapReason,
    Microseconds,
    MissingChanges,
    epoch_name,
)
from crucible_ir.exchange.store.statements import audit, chunks, deferred, prefixes
from crucible_ir.exchange.store.statements.rows import IS_LATEST, RECORD_COLUMNS, Lookup, page
from crucible_ir.exchange.store.statements.tables import (
    counters,
    epochs,
    purged_changes,
    revisions,
    secrets,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import ColumnElement, Connection

    from crucible_ir.exchange.store.audit_records import AuditEntry


class ChangeNotifier:
    """The latest known sequence number in this process, and a way to wait for the next."""

    def __init__(self) -> None:
        self._latest = 0
        self._count = 0
        self._changed = asyncio.Event()

    @property
    def latest(self) -> int:
        """The sequence number of the latest known change; 0 if none is known."""
        return self._latest

    @property
    def count(self) -> int:
        """The number of notifications."""
        return self._count

    def notify(self, sequence: int) -> None:
        """Wake all waiters; call it on the thread of the event loop."""
        self._count += 1
        if sequence > self._latest:
            self._latest = sequence
            self._changed.set()
            self._changed = asyncio.Event()

    async def wait(self, after: int, timeout: float) -> None:
        """Return when a change after a sequence number is known, or after a timeout in seconds."""
        if self._latest > after:
            return
        try:
            async with asyncio.timeout(timeout):
                await self._changed.wait()
        except TimeoutError:
            return


#: The key of a connection's info for the last sequence number that was taken.
_TAKEN = "crucible_ir.sequence"


#: Selects what `next_sequence` reads.
COUNTER: Final = Lookup(
    select(counters.c.value, prefixes.VERSION).where(counters.c.name == "sequence"), {}
)

# Making a statement takes longer than executing it.
_SET_SEQUENCE: Final = (
    update(counters).where(counters.c.name == "sequence").values(value=bindparam("new_value"))
)


@dataclass(slots=True)
class _Counter:
    """The sequence number of the latest change, while it is not written yet."""

    value: int

    def write(self, connection: Connection) -> None:
        """Write it."""
        deferred.change(connection, _SET_SEQUENCE, [{"new_value": self.value}], COUNTER.key)


def next_sequence(connection: Connection) -> int:
    """Take the next sequence number; a rollback of the transaction returns it.

    Writers exclude each other, so the number is counted here, and written once.
    """
    taken = deferred.pending(connection, COUNTER.key)
    if not isinstance(taken, _Counter):
        value, version = deferred.find(connection, COUNTER, COUNTER.key)
        prefixes.set_version(connection, version)
        taken = _Counter(int(value))
    taken.value += 1
    deferred.write_later(connection, COUNTER.key, taken)
    took_sequence(connection, taken.value)
    return taken.value


def took_sequence(connection: Connection, sequence: int) -> None:
    """Note that a sequence number was taken on a connection."""
    connection.info[_TAKEN] = sequence


def taken_sequence(connection: Connection) -> int:
    """Return the last number that was taken on a connection since the last call; 0 if none was."""
    return int(connection.info.pop(_TAKEN, 0))


#: Selects the sequence number of the latest change.
SEQUENCE = Lookup(select(counters.c.value).where(counters.c.name == "sequence"), {})


_PROGRESS: Final = select(counters.c.name, counters.c.value).where(
    counters.c.name.in_(["sequence", "compacted", "purges"])
)
_NEXT_PURGED: Final = (
    select(purged_changes)
    .where(purged_changes.c.missing_through > bindparam("after"))
    .order_by(purged_changes.c.missing_through)
    .limit(1)
)
_COUNTER: Final = select(counters.c.value).where(counters.c.name == bindparam("name"))


def counter(connection: Connection, name: str) -> int:
    """Return one of the store's counters."""
    value = connection.execute(_COUNTER, {"name": name})
    return int(value.scalar_one())


def secret(connection: Connection, name: str) -> bytes:
    """Return one of the store's keys."""
    value = connection.execute(select(secrets.c.value).where(secrets.c.name == name))
    return bytes(value.scalar_one())


def find_secret(connection: Connection, name: str) -> bytes | None:
    """Return one of the store's keys, if there is one."""
    value = connection.execute(select(secrets.c.value).where(secrets.c.name == name))
    found = value.scalar_one_or_none()
    return None if found is None else bytes(found)


def replace_secret(connection: Connection, name: str, value: bytes) -> None:
    """Set one of the store's keys."""
    connection.execute(delete(secrets).where(secrets.c.name == name))
    connection.execute(insert(secrets).values(name=name, value=value))


def changes(
    connection: Connection, after: int, limit: int, *, include_documents: bool
) -> ChangePage:
    """Return changes in order, as described in `Store.changes`."""
    counted = {name: int(value) for name, value in connection.execute(_PROGRESS)}
    last, compacted = counted["sequence"], counted["compacted"]
    document: ColumnElement[Any] = null()
    if include_documents:
        # A run that is appended to often would be read as a whole each time.
        document = case((revisions.c.snapshot_count.is_(None), revisions.c.document))
    losses = connection.execute(
        select(epochs.c.id, epochs.c.reason, epochs.c.lost_after, epochs.c.lost_through).order_by(
            epochs.c.number
        )
    ).all()
    begin, end, gap = after, None, None
    if after < compacted:
        begin, gap = compacted, MissingChanges(after, compacted, GapReason.COMPACTED)
    lost = [
        MissingChanges(lost_after, lost_through, GapReason(reason))
        for _, reason, lost_after, lost_through in losses
        if reason is not None
    ]
    while (missing := _missing_after(connection, begin, lost)) is not None:
        if begin < missing.after:
            # The next page begins with this gap.
            end = missing.after
            break
        is_purged = missing.reason is GapReason.PURGED
        if gap is not None:
            # The reason of a part that is not purged says more.
            reason = gap.reason if is_purged else missing.reason
            gap = MissingChanges(gap.after, missing.through, reason)
        elif is_purged:
            # What the client has of the range is not missing.
            gap = replace(missing, after=begin)
        else:
            gap = missing
        begin = missing.through
    statement = (
        select(*RECORD_COLUMNS, document)
        .where(revisions.c.sequence > begin)
        .order_by(revisions.c.sequence)
    )
    if end is not None:
        statement = statement.where(revisions.c.sequence <= end)
    entries, last_row = page(connection, statement, limit)
    if end is not None and last_row is None:
        through = end
    else:
        through = entries[-1].record.sequence if entries else max(last, begin)
    return ChangePage(
        entries, gap, through, epoch=epoch_name(losses[-1].id), purges=counted["purges"]
    )


def _missing_after(
    connection: Connection, after: int, lost: Iterable[MissingChanges]
) -> MissingChanges | None:
    """Return the first missing changes after a sequence number; they may begin before it.

    Args:
        connection: The connection.
        after: The sequence number.
        lost: The changes that were lost between epochs.
    """
    row = connection.execute(_NEXT_PURGED, {"after": after}).one_or_none()
    found = [missing for missing in lost if missing.through > after]
    if row is not None:
        found.append(MissingChanges(row.missing_after, row.missing_through, GapReason.PURGED))
    return min(found, key=lambda missing: missing.after, default=None)


def last_change_before(connection: Connection, time: Microseconds) -> int:
    """Return the last change before a time, as described in `Store.last_change_before`."""
    first_kept = connection.execute(
        select(revisions.c.sequence)
        .where(
            revisions.c.sequence > counter(connection, "compacted"),
            revisions.c.update_time >= time,
        )
        .order_by(revisions.c.sequence)
        .limit(1)
    ).scalar_one_or_none()
    return counter(connection, "sequence") if first_kept is None else int(first_kept) - 1


class CompactionStep(NamedTuple):
    """The result of one step of a compaction.

    Attributes:
        reached: The sequence number that the step reached.
        is_last: Whether it was the last step.
        removed: How many revisions it removed.
    """

    reached: int
    is_last: bool
    removed: int


class CompactionProgress(NamedTuple):
    """The steps of a compaction so far.

    Attributes:
        always_audited: Whether the compaction has an entry even if it removes nothing.
        reached: The sequence number that was reached.
        removed: How many revisions were removed.
        is_done: Whether no step remains.
        number: The number of the entry in the audit log; 0 if there is none yet.
    """

    always_audited: bool
    reached: int = 0
    removed: int = 0
    is_done: bool = False
    number: int = 0


def compact_audited(
    connection: Connection,
    *,
    progress: CompactionProgress,
    through: int,
    most: int,
    entry: AuditEntry,
) -> CompactionProgress:
    """Run one step of a compaction, and write or update its entry in the audit log."""
    step = compact(connection, after=progress.reached, through=through, most=most)
    removed, number = progress.removed + step.removed, progress.number
    counts = {"revisions": removed}
    if number:
        audit.complete(connection, number, counts)
    elif removed or (step.is_last and progress.always_audited):
        number = audit.write(connection, replace(entry, counts=counts))
    return CompactionProgress(progress.always_audited, step.reached, removed, step.is_last, number)


def compact(connection: Connection, *, after: int, through: int, most: int) -> CompactionStep:
    """Remove revisions that are not the latest, in one step of a compaction.

    A step also scans rows from before an earlier compaction: a revision that was the latest then
    may not be the latest now.

    Args:
        connection: The connection.
        after: The sequence number that the previous step reached; 0 for the first step.
        through: The sequence number to stop at.
        most: The most rows to scan.
    """
    end = min(through, counter(connection, "sequence"))
    scanned = select(revisions.c.sequence).where(
        revisions.c.sequence > after, revisions.c.sequence <= end
    )
    reached = connection.execute(
        scanned.order_by(revisions.c.sequence).offset(most - 1).limit(1)
    ).scalar_one_or_none()
    step = end if reached is None else int(reached)
    removed = (
        revisions.c.sequence > after,
        revisions.c.sequence <= step,
        ~exists().where(IS_LATEST).correlate(revisions),
    )
    appended = select(revisions.c.id, revisions.c.revision).where(
        *removed, revisions.c.snapshot_count.is_not(None)
    )
    chunks.remove(
        connection, [(bytes(row.id), row.revision) for row in connection.execute(appended)]
    )
    count = connection.execute(delete(revisions).where(*removed)).rowcount
    if step > counter(connection, "compacted"):
        connection.execute(
            update(counters).where(counters.c.name == "compacted").values(value=step)
        )
        connection.execute(delete(purged_changes).where(purged_changes.c.missing_through <= step))
    return CompactionStep(step, step >= end, count)
