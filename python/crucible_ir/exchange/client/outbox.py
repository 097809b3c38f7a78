"""What is to be sent over a stream that acknowledges each request: nothing lost when it breaks."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from crucible_ir import v1 as ir_v1
from crucible_ir.exchange import v1
from crucible_ir.exchange.client.batches import EventBatch
from crucible_ir.exchange.client.failures import ExchangeError
from crucible_ir.exchange.client.results import IngestReport, Outcome, RefusedEvent
from crucible_ir.exchange.client.statuses import error_of_item
from crucible_ir.exchange.content import identity_of

if TYPE_CHECKING:
    from crucible_ir.exchange.client.retrying import Attempts
    from crucible_ir.v1 import FeedbackEvent

RequestT = TypeVar("RequestT")

#: The most requests that wait for their acknowledgement, those not yet sent included.
MOST_OUTSTANDING: Final = 32

#: What a batch holds at most: far less than servers accept, so that acknowledgements keep coming.
BATCH_EVENTS: Final = 500
BATCH_BYTES: Final = 1024 * 1024
BATCH_SECONDS: Final = 0.5

#: How many events are taken at a time of those that are there already.
EVENTS_TOGETHER: Final = 100

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
        # When those that were postponed may be sent.
        self._due: dict[int, float] = {}
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
        now = time.monotonic()
        ready = (
            position
            for position, (number, _) in enumerate(self._waiting)
            if self._due.get(number, now) <= now and not self._is_held(number)
        )
        position = next(ready, None)
        if position is None:
            return None
        number, request = self._waiting[position]
        del self._waiting[position]
        self._due.pop(number, None)
        if not self._in_flight:
            self._progress = now
        self._in_flight[number] = request
        return request

    def _is_held(self, number: int) -> bool:
        """Tell whether a request has to wait for the answer to another."""
        return False

    @property
    def due_in(self) -> float | None:
        """The seconds until there will be something to send; ``None`` when nobody knows."""
        due = [moment for number, moment in self._due.items() if not self._is_held(number)]
        return max(0.0, min(due) - time.monotonic()) if due else None

    def postpone(self, number: int, request: RequestT, seconds: float) -> None:
        """Take a request to send after so many seconds."""
        self._due[number] = time.monotonic() + seconds
        self.put(number, request)

    def has_news(self) -> bool:
        """Tell whether what was put in since this was asked makes a difference to whoever sends."""
        return True

    @property
    def unsent(self) -> int:
        """How many requests wait to be sent, those that are postponed included."""
        return len(self._waiting)

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


class PublicationOutbox(Outbox[v1.BatchPublishRequest]):
    """Publications, each sent again while it is refused for a passing reason.

    What became of them comes out in the order in which they were put in. Of publications of one
    document only the oldest that has no outcome is sent: one that has to be sent again does not
    fall behind those that were to replace it.

    Args:
        attempts: Makes the attempts of one publication, from its first sending.
        most_outstanding: The most publications from the oldest without an outcome to the newest.

    Attributes:
        outcomes: What became of publications, and was not taken out yet.
    """

    def __init__(
        self, attempts: Callable[[], Attempts], most_outstanding: int = MOST_OUTSTANDING
    ) -> None:
        super().__init__(most_outstanding)
        self._new_attempts = attempts
        self._attempts: dict[int, Attempts] = {}
        self._documents: dict[int, _DocumentKey] = {}
        self._open: defaultdict[_DocumentKey, deque[int]] = defaultdict(deque)
        self._early: dict[int, Outcome] = {}
        self._added = 0
        self._concluded = 0
        self.outcomes: deque[Outcome] = deque()

    @property
    def has_room(self) -> bool:
        """Whether another publication may be put in."""
        return self._added - self._concluded < self._most

    def add(self, publication: v1.PublishRequest) -> None:
        """Take a publication to send."""
        number = self._added
        self._added += 1
        key = _document_key(publication)
        self._documents[number] = key
        self._open[key].append(number)
        self.put(number, v1.BatchPublishRequest(index=number, publish=publication))

    def _is_held(self, number: int) -> bool:
        return self._open[self._documents[number]][0] != number

    def take(self) -> v1.BatchPublishRequest | None:
        """Return the next publication to send, if there is one now."""
        request = super().take()
        if request is not None and request.index not in self._attempts:
            self._attempts[request.index] = self._new_attempts()
        return request

    def receive(self, answer: v1.BatchPublishResponse) -> None:
        """Take the result of a publication: it is its outcome, or the publication is sent again.

        Raises:
            ExchangeError: No such publication was sent.
        """
        number = answer.index
        request = self.settle(number)
        outcome = Outcome.of(answer)
        delay = self._attempts[number].next_delay() if outcome.retryable else None
        if delay is not None:
            self.postpone(number, request, delay)
            return
        del self._attempts[number]
        key = self._documents.pop(number)
        self._open[key].popleft()
        if not self._open[key]:
            del self._open[key]
        self._early[number] = outcome
        while self._concluded in self._early:
            self.outcomes.append(self._early.pop(self._concluded))
            self._concluded += 1


#: The type and the id of a document.
_DocumentKey = tuple[str | None, str | None]


def _document_key(publication: v1.PublishRequest) -> _DocumentKey:
    """Return what tells publications of one document from others."""
    member = publication.document.WhichOneof("content")
    if member is None or publication.HasField("id"):
        return member, publication.id
    return member, identity_of(getattr(publication.document, member))


class EventOutbox(Outbox[EventBatch]):
    """Feedback events in batches: one is sent when it is full, or has waited long enough.

    Events that are refused for a passing reason are sent again, in a batch of their own.

    Args:
        max_events: The most events in a batch.
        max_bytes: The most bytes of events in a batch, unless one event alone has more.
        max_seconds: How long an event waits for others.
        most_outstanding: The most batches to hold.
        attempts: Makes the attempts of one batch, from its first sending; ``None`` for one attempt.
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
        self._news = False
        self._next_batch = 0
        self._added = 0
        # The places of a batch's events among all events.
        self._indices: dict[int, Sequence[int]] = {}
        self.report = IngestReport()

    @property
    def is_empty(self) -> bool:
        """Whether every event was answered for."""
        return super().is_empty and not self._open.events

    @property
    def due_in(self) -> float | None:
        """The seconds until a batch will be due, or the events at hand have waited long enough."""
        due = [seconds for seconds in (super().due_in, self._full_in) if seconds is not None]
        return min(due, default=None)

    @property
    def _full_in(self) -> float | None:
        if not self._open.events:
            return None
        return max(0.0, self._opened + self._max_seconds - time.monotonic())

    def has_news(self) -> bool:
        """Tell whether a batch was finished, or one was begun, so that its time runs."""
        news, self._news = self._news, False
        return news

    def add(self, event: FeedbackEvent) -> None:
        """Take an event to send.

        Raises:
            TypeError: It is something else.
        """
        if not isinstance(event, ir_v1.FeedbackEvent):
            raise TypeError(f"expected a FeedbackEvent, got {type(event).__name__}")
        content = event.SerializeToString()
        size = self._open_bytes + len(content)
        events = self._open.events
        if events and size > self._max_bytes:
            self.seal()
            events = self._open.events
            size = len(content)
        if not events:
            self._opened = time.monotonic()
            self._news = True
        events.append(content)
        self._open_bytes = size
        self._added += 1
        if len(events) >= self._max_events or size >= self._max_bytes:
            self.seal()

    def add_all(self, events: Iterable[FeedbackEvent]) -> None:
        """Take events to send.

        Raises:
            TypeError: One is something else.
        """
        for event in events:
            self.add(event)

    def seal(self) -> None:
        """Send the events at hand without waiting for others."""
        if not self._open.events:
            return
        self._news = True
        batch, self._open, self._open_bytes = self._open, EventBatch(), 0
        self._number(batch, range(self._added - len(batch.events), self._added))
        self.put(batch.batch_id, batch)

    def _number(self, batch: EventBatch, indices: Sequence[int]) -> None:
        batch.batch_id = self._next_batch
        self._next_batch += 1
        self._indices[batch.batch_id] = indices

    def take(self) -> EventBatch | None:
        """Return the next batch to send, if one is full or has waited long enough."""
        if self.closed or self._full_in == 0.0:
            self.seal()
        batch = super().take()
        if batch is not None and self._new_attempts and batch.batch_id not in self._attempts:
            self._attempts[batch.batch_id] = self._new_attempts()
        return batch

    def acknowledge(self, answer: v1.IngestResponse) -> list[RefusedEvent]:
        """Enter what became of a batch into the report, and return the events that were refused.

        Those that are to be sent again are in neither.

        Raises:
            ExchangeError: No such batch was sent.
        """
        batch = self.settle(answer.batch_id)
        indices = self._indices.pop(answer.batch_id)
        attempts = self._attempts.pop(answer.batch_id, None)
        again = [item.index for item in answer.rejected if item.error.retryable]
        delay = attempts.next_delay() if attempts is not None and again else None
        if attempts is not None and delay is not None:
            rest = batch.chosen(again)
            self._number(rest, [indices[index] for index in again])
            self._attempts[rest.batch_id] = attempts
            self.postpone(rest.batch_id, rest, delay)
            self.report.retried += len(again)
        report = self.report
        report.batches += 1
        report.resent = self.resent
        report.accepted += answer.accepted
        report.duplicates += len(answer.duplicates)
        refused = [
            RefusedEvent(
                indices[item.index],
                batch.event(item.index).id,
                error_of_item(item.error),
                item.error.retryable,
            )
            for item in answer.rejected
            if delay is None or not item.error.retryable
        ]
        report.refused_count += len(refused)
        report.refused += refused[: KEPT_REFUSALS - len(report.refused)]
        return refused
