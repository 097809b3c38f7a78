"""Decides whether and when to retry a failed call."""

from __future__ import annotations

import logging
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from crucible_ir.schema.types import descriptor_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.message import Message

    from crucible_ir.exchange.client.errors import ExchangeError

#: The default timeout of a call in seconds, its retries included.
DEFAULT_TIMEOUT: Final = 30.0

#: For how many seconds a watch tries to reconnect by default.
MAX_OUTAGE: Final = 600.0

#: The `ExchangeError.reason` if no server listens on an address of this machine.
NO_SERVER: Final = "NO_SERVER"

#: Reports retries: the first after a success with the level INFO, the others with DEBUG.
_log: Final = logging.getLogger("crucible_ir.exchange.client")

#: The codes of transient errors. After DEADLINE_EXCEEDED no time is left for a retry.
_TRANSIENT: Final = frozenset({"UNAVAILABLE", "ABORTED"})

#: The message of grpc.aio for a write to a stream that the server has just ended.
_LOST_STREAM: Final = "Internal error from Core"

#: The field that lets a server recognize a repeated request.
_REQUEST_ID: Final = "request_id"
_COUNT: Final = "expected_count"


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The delays between the attempts of a call, and how many attempts there are.

    Calls that fail with a transient error are retried until their timeout. Each delay is random,
    between half of its bound and the bound, so that the clients of a server do not all reconnect at
    once. The bound grows with every failure in a row.

    Attributes:
        first_delay: The bound of the first delay, in seconds.
        factor: The factor by which the bound grows.
        longest_delay: The largest bound, in seconds.
        most_attempts: The maximum number of attempts; ``None`` for no limit but the timeout, 1 for
            no retries.

    >>> RetryPolicy(first_delay=1.0, most_attempts=3)
    RetryPolicy(first_delay=1.0, factor=2.0, longest_delay=5.0, most_attempts=3)
    """

    first_delay: float = 0.1
    factor: float = 2.0
    longest_delay: float = 5.0
    most_attempts: int | None = None

    def bound(self, failures: int) -> float:
        """Return the longest delay after a number of failures in a row, from 1.

        >>> [RetryPolicy().bound(failures) for failures in (1, 2, 3, 99)]
        [0.1, 0.2, 0.4, 5.0]
        """
        # The exponent is limited because the power would overflow.
        return min(self.longest_delay, self.first_delay * self.factor ** min(failures - 1, 64))


def is_transient(error: ExchangeError) -> bool:
    """Return whether the same call may succeed later."""
    return error.code in _TRANSIENT or (error.code == "INTERNAL" and error.message == _LOST_STREAM)


def is_resumable(error: ExchangeError) -> bool:
    """Return whether to resume a stream after an error; servers cut off slow readers."""
    return is_transient(error) or error.code in ("RESOURCE_EXHAUSTED", "CANCELLED")


def is_idempotent(request: Message) -> bool:
    """Return whether a request is safe to repeat.

    Requests that change a document are if they have a request id, or the number of snapshots that
    a run must have. All others are: they read, or drop history that the first one has already
    dropped.
    """
    fields = descriptor_of(request).fields_by_name
    if _REQUEST_ID not in fields:
        return True
    return any(name in fields and request.HasField(name) for name in (_REQUEST_ID, _COUNT))


@dataclass(slots=True)
class ServerState:
    """What the attempts of one client share.

    Attributes:
        was_reached: Whether the server has ever listened. Then it is probably being restarted.
    """

    was_reached: bool = False


class Attempts:
    """The attempts of one call or stream: counts failures in a row and computes delays.

    Args:
        policy: The delays and the number of attempts.
        timeout: After how many seconds without a success to give up; ``None`` for never.
        idempotent: Whether the call is safe to repeat.
        explain: Returns a more precise error for the first failure; it may take some seconds.
        server: The state of the server.
        wait_for_server: Whether to wait for a server on this machine that has never listened.
    """

    def __init__(
        self,
        policy: RetryPolicy,
        timeout: float | None,
        *,
        idempotent: bool = True,
        explain: Callable[[ExchangeError], ExchangeError] | None = None,
        server: ServerState | None = None,
        wait_for_server: bool = True,
    ) -> None:
        self._policy = policy
        self._timeout = timeout
        self._idempotent = idempotent
        self._explain = explain
        # The message of the first failure, and its explanation.
        self._explained: tuple[str, ExchangeError] | None = None
        self._server = server or ServerState()
        self._wait_for_server = wait_for_server
        self.reset()

    def succeeded(self) -> None:
        """Record an answer: failures are counted anew, and need no explanation any more."""
        self._explain = None
        self._server.was_reached = True
        self.reset()

    def reset(self) -> None:
        """Count failures and time anew."""
        self._failures = 0
        self._since = time.monotonic()

    @property
    def remaining(self) -> float | None:
        """The seconds until the timeout; ``None`` if there is none."""
        if self._timeout is None:
            return None
        return max(0.0, self._since + self._timeout - time.monotonic())

    def delay_after(self, error: ExchangeError) -> float:
        """Return how many seconds to wait before the next attempt.

        Raises:
            ExchangeError: The error is not transient, no attempt is left, or no server listens on
                an address of this machine.
        """
        error = self._explanation_of(error)
        if error.reason != NO_SERVER:
            self._server.was_reached = True
        can_succeed = is_transient(error) and (self._wait_for_server or self._server.was_reached)
        delay = self.next_delay() if can_succeed and self._idempotent else None
        if delay is None:
            raise error
        self._report(error)
        return delay

    def _explanation_of(self, error: ExchangeError) -> ExchangeError:
        if self._explain is not None:
            explain, self._explain = self._explain, None
            self._explained = error.message, explain(error)
        if self._explained is not None and error.message == self._explained[0]:
            return self._explained[1]
        return error

    def _report(self, error: ExchangeError) -> None:
        remaining = self.remaining
        limit = "" if remaining is None else f" for up to {remaining:.0f} s"
        level = logging.INFO if self._failures == 1 else logging.DEBUG
        _log.log(level, "%s; retrying%s", error.message, limit)

    def delay_before_resuming(self, error: ExchangeError) -> float:
        """Return how many seconds to wait before resuming a stream.

        The timeout begins with the first failure, so that a slow reader does not use it up.

        Raises:
            ExchangeError: The stream cannot be resumed, or no attempt is left.
        """
        if not self._failures:
            self._since = time.monotonic()
        delay = self.next_delay() if is_resumable(error) else None
        if delay is None:
            raise error
        self._report(error)
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
