"""What is to be sent over a stream that acknowledges each request: nothing lost when it breaks."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from crucible_ir.exchange import v1
from crucible_ir.exchange.client.failures import ExchangeError
from crucible_ir.exchange.client.results import IngestReport, RefusedEvent
from crucible_ir.exchange.client.statuses import error_of_item

if TYPE_CHECKING:
    from crucible_ir.v1 import FeedbackEvent

RequestT = TypeVar("RequestT")

#: The most requests that wait for their acknowledgement, those not yet sent included.
MOST_OUTSTANDING: Final = 32

#: What a batch holds at most: far less than servers accept, so that acknowledgements keep coming.
BATCH_EVENTS: Final = 500
BATCH_BYTES: Final = 1024 * 1024
BATCH_SECONDS: Final = 0.5

#: The refusals that a report keeps; beyond, they are counted.
KEPT_REFUSALS: Final = 1000


class Outbox(Generic[RequestT]):
    """Numbered requests, each of which waits to be sent or, once sent, to be acknowledged.

    It does not wait itself and takes no lock: whoever drives it does.

    Args:
        most_outstanding: The most requests to hold.
    """

    def __init__(self, most_outstanding: int = MOST_OUTSTANDING) -> None:
        self._most = most_outstanding
        self._waiting: deque[tuple[int, RequestT]] = deque()
        self._in_flight: dict[int, RequestT] = {}
        self._progress = time.monotonic()
        self.closed = False
        self.resent = 0

    @property
    def has_room(self) -> bool:
        """Whether another request may be put in."""
        return len(self._waiting) + len(self._in_flight) < self._most

    @property
    def is_empty(self) -> bool:
        """Whether every request was acknowledged."""
        return not self._waiting and not self._in_flight

    @property
    def quiet_for(self) -> float:
        """For how many seconds the other side has owed an answer."""
        return time.monotonic() - self._progress if self._in_flight else 0.0

    def put(self, number: int, request: RequestT) -> None:
        """Take a request to send."""
        self._waiting.append((number, request))

    def take(self) -> RequestT | None:
        """Return the next request to send, if there is one now."""
        if not self._waiting:
            return None
        number, request = self._waiting.popleft()
        if not self._in_flight:
            self._progress = time.monotonic()
        self._in_flight[number] = request
        return request

    @property
    def due_in(self) -> float | None:
        """The seconds until there will be something to send; ``None`` when nobody knows."""
        return None

    def settle(self, number: int) -> RequestT:
        """Strike out a request that was acknowledged, and return it.

        Raises:
            ExchangeError: No such request was sent.
        """
        request = self._in_flight.pop(number, None)
        if request is None:
            raise ExchangeError(
                f"the server acknowledged {number}, which was not sent or was acknowledged before",
                code="INTERNAL",
            )
        self._progress = time.monotonic()
        return request

    def rewind(self) -> None:
        """Put what was sent and not acknowledged back in front, to be sent over a new stream."""
        self.resent += len(self._in_flight)
        self._waiting.extendleft(reversed(self._in_flight.items()))
        self._in_flight.clear()


class EventOutbox(Outbox[v1.IngestRequest]):
    """Feedback events in batches: one is sent when it is full, or has waited long enough.

    Args:
        max_events: The most events in a batch.
        max_bytes: The most bytes of events in a batch, unless one event alone has more.
        max_seconds: How long an event waits for others.
        most_outstanding: The most batches to hold.
    """

    def __init__(
        self,
        max_events: int = BATCH_EVENTS,
        max_bytes: int = BATCH_BYTES,
        max_seconds: float = BATCH_SECONDS,
        most_outstanding: int = MOST_OUTSTANDING,
    ) -> None:
        super().__init__(most_outstanding)
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._max_seconds = max_seconds
        self._open = v1.IngestRequest()
        self._open_bytes = 0
        self._opened = 0.0
        self._next_batch = 0
        self._added = 0
        self._first_index: dict[int, int] = {}
        self.report = IngestReport()

    @property
    def is_empty(self) -> bool:
        """Whether every event was answered for."""
        return super().is_empty and not self._open.events

    @property
    def due_in(self) -> float | None:
        """The seconds until the events at hand have waited long enough."""
        if not self._open.events:
            return None
        return max(0.0, self._opened + self._max_seconds - time.monotonic())

    def add(self, event: FeedbackEvent) -> None:
        """Take an event to send."""
        size = event.ByteSize()
        if self._open.events and self._open_bytes + size > self._max_bytes:
            self.seal()
        if not self._open.events:
            self._opened = time.monotonic()
        self._open.events.append(event)
        self._open_bytes += size
        self._added += 1
        if len(self._open.events) >= self._max_events or self._open_bytes >= self._max_bytes:
            self.seal()

    def seal(self) -> None:
        """Send the events at hand without waiting for others."""
        if not self._open.events:
            return
        batch, self._open, self._open_bytes = self._open, v1.IngestRequest(), 0
        batch.batch_id = self._next_batch
        self._first_index[batch.batch_id] = self._added - len(batch.events)
        self._next_batch += 1
        self.put(batch.batch_id, batch)

    def take(self) -> v1.IngestRequest | None:
        """Return the next batch to send, if one is full or has waited long enough."""
        if self.closed or self.due_in == 0.0:
            self.seal()
        return super().take()

    def acknowledge(self, answer: v1.IngestResponse) -> list[RefusedEvent]:
        """Enter what became of a batch into the report, and return the events that were refused.

        Raises:
            ExchangeError: No such batch was sent.
        """
        batch = self.settle(answer.batch_id)
        first = self._first_index.pop(answer.batch_id)
        report = self.report
        report.batches += 1
        report.resent = self.resent
        report.accepted += answer.accepted
        report.duplicates += len(answer.duplicates)
        refused = [
            RefusedEvent(
                first + item.index,
                batch.events[item.index].id,
                error_of_item(item.error),
                item.error.retryable,
            )
            for item in answer.rejected
        ]
        report.refused_count += len(refused)
        report.refused += refused[: KEPT_REFUSALS - len(report.refused)]
        return refused
