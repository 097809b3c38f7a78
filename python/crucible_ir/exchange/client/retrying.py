"""When to call again, after how long, and when to give up."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from crucible_ir.schema.types import descriptor_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.message import Message

    from crucible_ir.exchange.client.failures import ExchangeError

#: The seconds that a call may take, its repetitions included, unless the caller says otherwise.
DEFAULT_TIMEOUT: Final = 30.0

#: The seconds for which a watch tries to come back after its connection broke.
MAX_OUTAGE: Final = 600.0

#: The codes after which the same call may succeed. A deadline that has passed leaves no time.
_PASSING: Final = frozenset({"UNAVAILABLE", "ABORTED"})

#: What grpc.aio itself says, not the server, of a write to a stream that the other side just ended.
_LOST_STREAM: Final = "Internal error from Core"

#: The field by which a server knows a request that changes something when it comes again.
_REQUEST_ID: Final = "request_id"


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How calls that fail for a passing reason are made again, until their deadline.

    Each delay is drawn evenly from between half of its bound and all of it, so that clients that
    lost one server do not all come back at once; the bound grows with every failure in a row.

    Attributes:
        first_delay: The bound of the first delay, in seconds.
        factor: What the bound grows by.
        longest_delay: What it grows up to, in seconds.
        most_attempts: How often a call is made at most; ``None`` to go by the deadline alone, 1 for
            never again.
    """

    first_delay: float = 0.1
    factor: float = 2.0
    longest_delay: float = 5.0
    most_attempts: int | None = None

    def bound(self, failures: int) -> float:
        """Return the longest delay after so many failures in a row, from 1.

        >>> [RetryPolicy().bound(failures) for failures in (1, 2, 3, 99)]
        [0.1, 0.2, 0.4, 5.0]
        """
        # Beyond some twenty doublings the power only overflows.
        return min(self.longest_delay, self.first_delay * self.factor ** min(failures - 1, 64))


def is_passing(error: ExchangeError) -> bool:
    """Tell whether the same call may succeed when it is made again."""
    return error.code in _PASSING or (error.code == "INTERNAL" and error.message == _LOST_STREAM)


def is_resumable(error: ExchangeError) -> bool:
    """Tell whether a stream that ended so goes on: a server cuts off whoever reads slowly."""
    return is_passing(error) or error.code in ("RESOURCE_EXHAUSTED", "CANCELLED")


def is_repeatable(request: Message) -> bool:
    """Tell whether a request does nothing more when it comes twice.

    Those that change a document carry a request id to be told apart by; all others only read, or
    drop what the first one has dropped already.
    """
    has_id = _REQUEST_ID in descriptor_of(request).fields_by_name
    return not has_id or request.HasField(_REQUEST_ID)


class Attempts:
    """The attempts of one call: counts failures in a row and says how long to wait.

    Args:
        policy: How to retry.
        patience: The seconds after which to give up, counted from now and again from each success;
            ``None`` for never.
        repeatable: Whether the call may be made twice at all.
        explained: Returns what the first failure of all comes from, if that is known better; it may
            take a while.
    """

    def __init__(
        self,
        policy: RetryPolicy,
        patience: float | None,
        *,
        repeatable: bool = True,
        explained: Callable[[ExchangeError], ExchangeError] | None = None,
    ) -> None:
        self._policy = policy
        self._patience = patience
        self._repeatable = repeatable
        self._explained = explained
        self.begin_anew()

    def succeeded(self) -> None:
        """Begin anew after an answer: there is nothing to explain about a server that answers."""
        self._explained = None
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forget the failures: whatever fails next is the first in a row."""
        self._failures = 0
        self._since = time.monotonic()

    @property
    def remaining(self) -> float | None:
        """The seconds until it is given up; ``None`` for never."""
        if self._patience is None:
            return None
        return max(0.0, self._since + self._patience - time.monotonic())

    async def delay_after_on_loop(self, error: ExchangeError) -> float:
        """Do what `delay_after` does without holding up the event loop."""
        if self._explained is None:
            return self.delay_after(error)
        return await asyncio.to_thread(self.delay_after, error)

    def delay_after(self, error: ExchangeError) -> float:
        """Return how many seconds to wait before the next attempt.

        Raises:
            ExchangeError: There is to be no further attempt: this is the error of the last one.
        """
        if self._explained is not None:
            explained, self._explained = self._explained, None
            error = explained(error)
        delay = self.next_delay() if self._repeatable and is_passing(error) else None
        if delay is None:
            raise error
        return delay

    def delay_before_resuming(self, error: ExchangeError) -> float:
        """Return how many seconds to wait before a stream goes on where it broke off.

        What its reader takes between two messages counts for nothing: time begins with a failure.

        Raises:
            ExchangeError: It is not to go on: this is the error that ended it.
        """
        if not self._failures:
            self._since = time.monotonic()
        delay = self.next_delay() if is_resumable(error) else None
        if delay is None:
            raise error
        return delay

    def next_delay(self) -> float | None:
        """Count a failure; return how many seconds to wait, or ``None`` to give up."""
        self._failures += 1
        most = self._policy.most_attempts
        if most is not None and self._failures >= most:
            return None
        delay = self._policy.bound(self._failures) * random.uniform(0.5, 1.0)
        remaining = self.remaining
        return delay if remaining is None or delay < remaining else None
