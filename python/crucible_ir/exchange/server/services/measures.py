"""What the services and their store show among the metrics."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING

from crucible_ir.exchange.server.observability.measures import Measure

if TYPE_CHECKING:
    from crucible_ir.exchange.server.options import Settings
    from crucible_ir.exchange.server.services.change_broadcaster import ChangeBroadcaster
    from crucible_ir.exchange.server.services.retention import Retention
    from crucible_ir.exchange.server.services.workers import Workers
    from crucible_ir.exchange.store import Store
    from crucible_ir.exchange.store.engine.statistics import Measurements


def service_measures(
    store: Store,
    measured: Callable[[], Measurements | None],
    broadcaster: ChangeBroadcaster,
    retention: Retention,
    workers: Workers,
    settings: Settings,
) -> list[Measure]:
    """Return the measures of the services.

    Args:
        store: The store.
        measured: Returns the last measurements of the store; ``None`` if there are none.
        broadcaster: The changes for the watches.
        retention: The removal of old changes.
        workers: The threads that validate and convert.
        settings: The settings of the services.
    """

    def of_store(name: str) -> Callable[[], float | None]:
        read = attrgetter(name)

        def last() -> float | None:
            measurements = measured()
            return None if measurements is None else read(measurements)

        return last

    statistics = store.statistics
    return [
        Measure("store_size_bytes", "gauge", "Size of the database.", of_store("size_bytes")),
        Measure(
            "store_wal_bytes",
            "gauge",
            "Size of SQLite's write-ahead log.",
            of_store("wal_bytes"),
        ),
        Measure(
            "store_sequence",
            "gauge",
            "Sequence number of the latest change.",
            of_store("sequence"),
        ),
        Measure(
            "store_compacted_sequence",
            "gauge",
            "Sequence number up to which the history was removed.",
            of_store("compacted"),
        ),
        Measure(
            "store_event_position",
            "gauge",
            "Position of the latest feedback event: about as many were ever stored.",
            of_store("last_event"),
        ),
        Measure(
            "store_writes_waiting",
            "gauge",
            "Writes that wait for the next transaction.",
            lambda: store.writes_waiting,
        ),
        Measure(
            "store_transactions",
            "counter",
            "Transactions that wrote; each has one write or many.",
            lambda: statistics.transactions,
        ),
        Measure(
            "store_transaction_seconds",
            "counter",
            "Time of transactions that wrote, commits included.",
            lambda: statistics.transaction_seconds,
        ),
        Measure(
            "events_stored",
            "counter",
            "Feedback events that this server stored.",
            lambda: statistics.events_stored,
        ),
        Measure(
            "events_repeated",
            "counter",
            "Feedback events that the store had already.",
            lambda: statistics.events_repeated,
        ),
        Measure("watches", "gauge", "Open watches of changes.", lambda: broadcaster.watches),
        Measure(
            "watch_lag_changes",
            "gauge",
            "Changes that the slowest open watch has not been sent yet.",
            lambda: broadcaster.most_behind,
        ),
        Measure(
            "compactions",
            "counter",
            "Removals of history that this server made.",
            lambda: statistics.compactions,
        ),
        Measure(
            "compaction_seconds",
            "counter",
            "Time of removals of history.",
            lambda: statistics.compaction_seconds,
        ),
        Measure(
            "last_removal_timestamp_seconds",
            "gauge",
            "When this server last looked for old request ids and history to remove.",
            lambda: retention.last_removal,
        ),
        Measure(
            "validation_memory_bytes",
            "gauge",
            "Memory that calls take to validate or convert, by an estimate.",
            lambda: workers.memory_taken,
        ),
        Measure(
            "validation_memory_limit_bytes",
            "gauge",
            "Limit on the memory of validations (--max-validation-bytes).",
            lambda: settings.validation_bytes,
        ),
        Measure(
            "validations_waiting",
            "gauge",
            "Calls that wait for memory to validate or convert.",
            lambda: workers.waiting,
        ),
    ]
