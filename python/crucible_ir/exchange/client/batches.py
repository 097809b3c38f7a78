"""Batches of feedback events, and the outbox that fills and sends them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Final

from crucible_ir import v1 as ir_v1
from crucible_ir.exchange import v1
from crucible_ir.exchange.client.outbox import MOST_OUTSTANDING, Outbox
from crucible_ir.exchange.client.results import IngestReport, RefusedEvent
from crucible_ir.exchange.client.statuses import error_of_item
from crucible_ir.schema.types import descriptor_of
from crucible_ir.serialization.wire import encode_varint

if TYPE_CHECKING:
    from crucible_ir.exchange.client.retrying import Attempts
    from crucible_ir.v1 import FeedbackEvent

#: The full name of the method that receives batches.
INGEST: Final = "/crucible_ir.exchange.v1.FeedbackService/Ingest"

#: The default limits of a batch: far below those of servers, so that acknowledgements keep coming.
BATCH_EVENTS: Final = 500
BATCH_BYTES: Final = 1024 * 1024
BATCH_SECONDS: Final = 0.5

#: The number of rejected events that a report lists; further ones are only counted.
MAX_LISTED: Final = 1000

#: The wire type of messages, and the tag of the events in a request.
_LENGTH_DELIMITED: Final = 2
_EVENT_TAG: Final = encode_varint(
    descriptor_of(v1.IngestRequest).fields_by_name["events"].number << 3 | _LENGTH_DELIMITED
)


@dataclass(slots=True)
class EventBatch:
    """An ``IngestRequest`` whose events are encoded once, when they are added.

    Attributes:
        batch_id: The client's number of the batch.
        events: The events in binary.
    """

    batch_id: int = 0
    events: list[bytes] = field(default_factory=list)

    def event(self, index: int) -> FeedbackEvent:
        """Return an event as a message."""
        return ir_v1.FeedbackEvent.FromString(self.events[index])

    def subset(self, indices: Sequence[int]) -> EventBatch:
        """Return a batch of some of the events."""
        return EventBatch(events=[self.events[index] for index in indices])

    def encode(self) -> bytes:
        """Return the ``IngestRequest`` in binary.

        >>> batch = EventBatch(7, [ir_v1.FeedbackEvent(id="a").SerializeToString()])
        >>> v1.IngestRequest.FromString(batch.encode()).events[0].id
        'a'
        """
        start = v1.IngestRequest(batch_id=self.batch_id).SerializeToString()
        prefixes = map(_prefix, map(len, self.events))
        return start + b"".join(chain.from_iterable(zip(prefixes, self.events, strict=True)))


@lru_cache(maxsize=4096)
def _prefix(size: int) -> bytes:
    """Return the tag and the length that precede an event in a request."""
    return _EVENT_TAG + encode_varint(size)


class EventOutbox(Outbox[EventBatch]):
    """Feedback events in batches; a batch is sent when it is full or old enough.

    Events that are rejected with a retryable error are sent again, in a batch of their own.

    Args:
        max_events: The maximum number of events in a batch.
        max_bytes: The maximum size of a batch in bytes, unless a single event is larger.
        max_seconds: For how long an event waits for others.
        most_outstanding: The maximum number of batches.
        attempts: Makes the attempts of one batch, when it is first sent; ``None`` for no retries.
    """

    def __init__(
        self,
        max_events: int = BATCH_EVENTS,
        max_bytes: int = BATCH_BYTES,
        max_seconds: float = BATCH_SECONDS,
        most_outstanding: int = MOST_OUTSTANDING,
        attempts: Callable[[], Attempts] | None = None,
    ) -> None:
        super().__init__(most_outstanding)
        self._new_attempts = attempts
        self._attempts: dict[int, Attempts] = {}
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._max_seconds = max_seconds
        self._open = EventBatch()
        self._open_bytes = 0
        self._opened = 0.0
        self._has_news = False
        self._next_batch = 0
        self._added = 0
        # The index of each of a batch's events among all events.
        self._indices: dict[int, Sequence[int]] = {}
        self.report = IngestReport()

    @property
    def is_empty(self) -> bool:
        """Whether every event was acknowledged or rejected."""
        return super().is_empty and not self._open.events

    @property
    def due_in(self) -> float | None:
        """The seconds until a delayed batch is due or the open batch is old enough."""
        due = [seconds for seconds in (super().due_in, self._open_due_in) if seconds is not None]
        return min(due, default=None)

    @property
    def _open_due_in(self) -> float | None:
        if not self._open.events:
            return None
        return max(0.0, self._opened + self._max_seconds - time.monotonic())

    def take_news(self) -> bool:
        """Return whether a batch was closed or opened since the last call."""
        news, self._has_news = self._has_news, False
        return news

    def add(self, event: FeedbackEvent) -> None:
        """Add an event to send.

        Raises:
            TypeError: It is not a ``FeedbackEvent``.
        """
        if not isinstance(event, ir_v1.FeedbackEvent):
            raise TypeError(f"expected a FeedbackEvent, got {type(event).__name__}")
        content = event.SerializeToString()
        size = self._open_bytes + len(content)
        events = self._open.events
        if events and size > self._max_bytes:
            self.close_batch()
            events = self._open.events
            size = len(content)
        if not events:
            self._opened = time.monotonic()
            self._has_news = True
        events.append(content)
        self._open_bytes = size
        self._added += 1
        if len(events) >= self._max_events or size >= self._max_bytes:
            self.close_batch()

    def add_all(self, events: Iterable[FeedbackEvent]) -> None:
        """Add events to send.

        Raises:
            TypeError: One is not a ``FeedbackEvent``.
        """
        for event in events:
            self.add(event)

    def close_batch(self) -> None:
        """Make the open batch ready to send, without waiting for more events."""
        if not self._open.events:
            return
        self._has_news = True
        batch, self._open, self._open_bytes = self._open, EventBatch(), 0
        self._number(batch, range(self._added - len(batch.events), self._added))
        self.put(batch.batch_id, batch)

    def _number(self, batch: EventBatch, indices: Sequence[int]) -> None:
        batch.batch_id = self._next_batch
        self._next_batch += 1
        self._indices[batch.batch_id] = indices

    def take(self) -> EventBatch | None:
        """Return the next batch to send, or ``None`` if none is full or old enough."""
        if self.closed or self._open_due_in == 0.0:
            self.close_batch()
        batch = super().take()
        if batch is not None and self._new_attempts and batch.batch_id not in self._attempts:
            self._attempts[batch.batch_id] = self._new_attempts()
        return batch

    def receive(self, answer: v1.IngestResponse) -> list[RefusedEvent]:
        """Record the answer to a batch in the report, and return the rejected events.

        Events to send again are not among them, and not in the report.

        Raises:
            ExchangeError: No such batch is in flight.
        """
        batch = self.acknowledge(answer.batch_id)
        indices = self._indices.pop(answer.batch_id)
        attempts = self._attempts.pop(answer.batch_id, None)
        again = [item.index for item in answer.rejected if item.error.retryable]
        delay = attempts.next_delay() if attempts is not None and again else None
        if attempts is not None and delay is not None:
            rest = batch.subset(again)
            self._number(rest, [indices[index] for index in again])
            self._attempts[rest.batch_id] = attempts
            self.put_delayed(rest.batch_id, rest, delay)
            self.report.retried += len(again)
        report = self.report
        report.batches += 1
        report.resent = self.resent
        report.accepted += answer.accepted
        report.duplicates += len(answer.duplicates)
        rejected = [
            RefusedEvent(
                indices[item.index],
                batch.event(item.index).id,
                error_of_item(item.error),
                item.error.retryable,
            )
            for item in answer.rejected
            if delay is None or not item.error.retryable
        ]
        report.refused_count += len(rejected)
        report.refused += rejected[: MAX_LISTED - len(report.refused)]
        return rejected
