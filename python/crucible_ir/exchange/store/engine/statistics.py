"""What a store counts and measures for its operators."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(slots=True)
class Statistics:
    """Totals since a store was opened. Another thread may read them at any time.

    Attributes:
        transactions: The transactions of writes.
        transaction_seconds: The time that they took.
        events_stored: The feedback events that were stored.
        events_repeated: The feedback events that the store had already.
        compactions: The compactions of the history.
        compaction_seconds: The time that they took.
    """

    transactions: int = 0
    transaction_seconds: float = 0.0
    events_stored: int = 0
    events_repeated: int = 0
    compactions: int = 0
    compaction_seconds: float = 0.0


class Measurements(NamedTuple):
    """The size of a store at a time.

    Attributes:
        size_bytes: The size of the database.
        wal_bytes: The size of its write-ahead log; ``None`` if that is not the database's own.
        sequence: The sequence number of the latest change.
        compacted: The sequence number up to which the history was removed.
        last_event: The position of the latest feedback event.
    """

    size_bytes: int
    wal_bytes: int | None
    sequence: int
    compacted: int
    last_event: int
