"""The epochs of a store: a new one begins when acknowledged changes were lost."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from sqlalchemy import func, insert, select, update

from crucible_ir.exchange.store.audit_records import SERVER, AuditAction, AuditEntry
from crucible_ir.exchange.store.records import Epoch, GapReason, Microseconds
from crucible_ir.exchange.store.statements import audit
from crucible_ir.exchange.store.statements.changes import counter, took_sequence
from crucible_ir.exchange.store.statements.tables import counters, epochs, feedback_events

if TYPE_CHECKING:
    from sqlalchemy import Connection

#: The ids of epochs are below this: they fit into a database's integer.
MAX_EPOCH = 2**63


def read_epochs(connection: Connection) -> list[Epoch]:
    """Return all epochs, in order."""
    columns = epochs.c
    statement = select(
        *(columns.id, columns.reason, columns.lost_after, columns.lost_through, columns.last_event)
    )
    return [
        Epoch(id_, None if reason is None else GapReason(reason), *numbers)
        for id_, reason, *numbers in connection.execute(statement.order_by(columns.number))
    ]


def begin_epoch(
    connection: Connection, reason: GapReason, now: Microseconds, *, known: int = 0
) -> Epoch:
    """Begin a new epoch, after changes were lost.

    The sequence numbers jump to the time in microseconds. That is beyond every number that the
    store has used, however many changes it forgot: it never made a million changes a second.

    Args:
        connection: The connection.
        reason: Why changes were lost.
        now: The current time.
        known: A sequence number that the store is known to have used.
    """
    sequence = counter(connection, "sequence")
    last_event = connection.execute(select(func.max(feedback_events.c.position))).scalar_one()
    epoch = Epoch(
        id=secrets.randbelow(MAX_EPOCH),
        reason=reason,
        lost_after=sequence,
        lost_through=max(sequence + 1, known, now),
        last_event=last_event or 0,
    )
    number = connection.execute(select(func.max(epochs.c.number))).scalar_one()
    connection.execute(
        insert(epochs).values(
            number=number + 1,
            id=epoch.id,
            time=now,
            reason=reason.value,
            lost_after=epoch.lost_after,
            lost_through=epoch.lost_through,
            last_event=epoch.last_event,
        )
    )
    for name, value in (("sequence", epoch.lost_through), ("epoch", epoch.id)):
        connection.execute(update(counters).where(counters.c.name == name).values(value=value))
    took_sequence(connection, epoch.lost_through)
    counts = {"kept_sequence": epoch.lost_after, "next_sequence": epoch.lost_through + 1}
    details = {"reason": reason.value, "epoch": epoch.name}
    audit.write(
        connection, AuditEntry(AuditAction.RESTORED, SERVER, now, counts=counts, details=details)
    )
    return epoch
