"""What an operator may set about the services themselves."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of the services.

    Attributes:
        heartbeat_seconds: The longest silence of a watch that does not ask for another.
        slow_consumer_seconds: How long a watch or an export waits for a client to take one message
            before it is cut off.
        batches_in_flight: The most batches or items of one stream that are held unanswered; no
            more are read before one is answered.
        feed_changes: The most changes that are kept in memory for watches.
        feed_bytes: The most bytes of documents that are kept in memory for watches.
        history_seconds: How long changes are kept, at least, before they are dropped from the
            history; ``None`` for ever. Latest revisions are kept in any case.
        request_days: For how many days request ids are remembered, at least.
        summary_counts: The most distinct counts that one summary may be made from.
        summaries: The most spans and types that one summary may have.
    """

    heartbeat_seconds: float = 15.0
    slow_consumer_seconds: float = 60.0
    batches_in_flight: int = 16
    feed_changes: int = 10_000
    feed_bytes: int = 16 * 1024 * 1024
    history_seconds: float | None = None
    request_days: int = 7
    summary_counts: int = 1_000_000
    summaries: int = 10_000
