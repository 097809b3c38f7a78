"""Requests to send over a stream that acknowledges each one, so that a broken stream loses none."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from crucible_ir.exchange import v1
from crucible_ir.exchange.client.errors import ExchangeError
from crucible_ir.exchange.client.results import Outcome
from crucible_ir.schema.references import identity_of

if TYPE_CHECKING:
    from crucible_ir.exchange.client.retrying import Attempts

RequestT = TypeVar("RequestT")

#: The maximum number of requests without an acknowledgement, unsent ones included.
MOST_OUTSTANDING: Final = 32


class Outbox(Generic[RequestT]):
    """Numbered requests, each of which is waiting, or sent and not yet acknowledged.

    It neither blocks nor locks; its owner does.

    Args:
        most_outstanding: The maximum number of requests.
    """

    def __init__(self, most_outstanding: int = MOST_OUTSTANDING) -> None:
        self._most = most_outstanding
        self._waiting: deque[tuple[int, RequestT]] = deque()
        self._in_flight: dict[int, RequestT] = {}
        # The times at which delayed requests become due.
        self._due: dict[int, float] = {}
        self._last_progress = time.monotonic()
        self.closed = False
        self.resent = 0

    @property
    def has_room(self) -> bool:
        """Whether another request may be added."""
        return len(self._waiting) + len(self._in_flight) < self._most

    @property
    def is_empty(self) -> bool:
        """Whether every request was acknowledged."""
        return not self._waiting and not self._in_flight

    @property
    def idle_seconds(self) -> float:
        """For how many seconds an acknowledgement has been outstanding without progress."""
        return time.monotonic() - self._last_progress if self._in_flight else 0.0

    @property
    def unsent(self) -> int:
        """The number of requests to send, delayed ones included."""
        return len(self._waiting)

    @property
    def due_in(self) -> float | None:
        """The seconds until a delayed request is due; ``None`` if there is none."""
        due = [time_ for number, time_ in self._due.items() if not self._is_blocked(number)]
        return max(0.0, min(due) - time.monotonic()) if due else None

    def put(self, number: int, request: RequestT) -> None:
        """Add a request to send."""
        self._waiting.append((number, request))

    def put_delayed(self, number: int, request: RequestT, seconds: float) -> None:
        """Add a request to send after a number of seconds."""
        self._due[number] = time.monotonic() + seconds
        self.put(number, request)

    def take(self) -> RequestT | None:
        """Return the next request to send, or ``None`` if none is ready."""
        now = time.monotonic()
        ready = (
            position
            for position, (number, _) in enumerate(self._waiting)
            if self._due.get(number, now) <= now and not self._is_blocked(number)
        )
        position = next(ready, None)
        if position is None:
            return None
        number, request = self._waiting[position]
        del self._waiting[position]
        self._due.pop(number, None)
        if not self._in_flight:
            self._last_progress = now
        self._in_flight[number] = request
        return request

    def acknowledge(self, number: int) -> RequestT:
        """Remove and return a request that the server acknowledged.

        Raises:
            ExchangeError: No such request is in flight.
        """
        request = self._in_flight.pop(number, None)
        if request is None:
            raise ExchangeError(
                f"the server acknowledged request {number}, which is not in flight", code="INTERNAL"
            )
        self._last_progress = time.monotonic()
        return request

    def requeue(self) -> None:
        """Move the requests in flight back to the front, to send them over a new stream."""
        self.resent += len(self._in_flight)
        self._waiting.extendleft(reversed(self._in_flight.items()))
        self._in_flight.clear()

    def take_news(self) -> bool:
        """Return whether requests added since the last call concern the sender."""
        return True

    def _is_blocked(self, number: int) -> bool:
        """Return whether a request must wait for the answer to another one."""
        return False


class PublicationOutbox(Outbox[v1.BatchPublishRequest]):
    """Publications; one that is rejected with a retryable error is sent again.

    Outcomes are in the order of the publications. Only the oldest publication of a document without
    an outcome is sent, so that a retry cannot overwrite a later revision.

    Args:
        attempts: Makes the attempts of one publication, when it is first sent.
        most_outstanding: The maximum number of publications from the oldest one without an outcome
            to the newest.

    Attributes:
        outcomes: The outcomes that the owner has not yet removed.
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
        """Whether another publication may be added."""
        return self._added - self._concluded < self._most

    def add(self, publication: v1.PublishRequest) -> None:
        """Add a publication to send."""
        number = self._added
        self._added += 1
        key = _document_key(publication)
        self._documents[number] = key
        self._open[key].append(number)
        self.put(number, v1.BatchPublishRequest(index=number, publish=publication))

    def _is_blocked(self, number: int) -> bool:
        return self._open[self._documents[number]][0] != number

    def take(self) -> v1.BatchPublishRequest | None:
        """Return the next publication to send, or ``None`` if none is ready."""
        request = super().take()
        if request is not None and request.index not in self._attempts:
            self._attempts[request.index] = self._new_attempts()
        return request

    def receive(self, answer: v1.BatchPublishResponse) -> None:
        """Record the answer to a publication: its outcome, or a reason to send it again.

        Raises:
            ExchangeError: No such publication is in flight.
        """
        number = answer.index
        request = self.acknowledge(number)
        outcome = Outcome.of(answer)
        delay = self._attempts[number].next_delay() if outcome.retryable else None
        if delay is not None:
            self.put_delayed(number, request, delay)
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
    member = publication.document.WhichOneof("content")
    if member is None or publication.HasField("id"):
        return member, publication.id
    return member, identity_of(getattr(publication.document, member))
