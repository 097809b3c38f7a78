"""Limits on calls: their number and rate, the size of messages, and the time."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import grpc
import grpc.aio
from google.protobuf.message import DecodeError as ProtobufDecodeError

from crucible_ir.errors import DecodeError, shorten
from crucible_ir.exchange.server.observability.logs import LOG_FIELDS
from crucible_ir.exchange.server.rpc import errors
from crucible_ir.exchange.server.rpc.call_context import current_call, current_caller
from crucible_ir.exchange.server.rpc.call_hooks import behavior_of, on_done, with_behavior
from crucible_ir.exchange.server.rpc.interceptor import Interceptor
from crucible_ir.exchange.server.security.deadlines import DeadlineTimer
from crucible_ir.exchange.store.engine.reads import READ_CALL, ReadCall

if TYPE_CHECKING:
    from crucible_ir.exchange.server.rpc.call_hooks import CallHook, Context, Handler

# Operators filter by this name, so it does not follow the module.
_log: Final = logging.getLogger("crucible_ir.exchange.server.limits")

#: The least difference between gRPC's own limit on messages and ours, in bytes.
_LEAST_MARGIN: Final = 1024 * 1024

#: The delay after a stream of requests has ended, in seconds: if the client did not end the stream
#: but the call was lost, the call is cancelled in this time.
_END_SECONDS: Final = 0.01

#: The most callers whose rates are tracked; the least recent callers are dropped first.
REMEMBERED_CALLERS: Final = 10_000


@dataclass(frozen=True, slots=True)
class CallLimits:
    """The limits of a server; ``None`` is no limit.

    Attributes:
        message_bytes: The largest message, in bytes, after decompression.
        metadata_bytes: The most metadata of a call, in bytes.
        calls: The most concurrent calls of all callers.
        calls_per_connection: The most concurrent calls on one connection; further calls wait.
        calls_per_caller: The most concurrent calls of one caller, streams included.
        calls_per_second: The most calls that one caller begins in a second.
        burst: The most calls that one caller begins at once, if there is a rate.
        bytes_in_flight: The most bytes of messages that are read and not yet processed. A stream
            waits for memory; a unary request is rejected.
        seconds: The longest duration of a unary call.
        deadline_required: Whether unary calls must have a deadline.
    """

    message_bytes: int = 4 * 1024 * 1024
    metadata_bytes: int = 16 * 1024
    calls: int | None = 10_000
    calls_per_connection: int = 2_000
    calls_per_caller: int | None = 4_000
    calls_per_second: float | None = None
    burst: int = 100
    bytes_in_flight: int | None = 256 * 1024 * 1024
    seconds: float | None = 60.0
    deadline_required: bool = False

    @property
    def transport_bytes(self) -> int:
        """The largest message that gRPC accepts.

        gRPC rejects larger messages without a log entry or error details. It is more than our
        limit, so that a message that is slightly too large is rejected here, with details and a log
        line; and not much more, since so many bytes are buffered before a message is rejected.
        """
        return self.message_bytes + max(self.message_bytes, _LEAST_MARGIN)


class _Unreadable:
    """A placeholder for bytes that cannot be parsed as the request type."""

    __slots__ = ("reason",)

    def __init__(self, reason: str) -> None:
        self.reason = reason


@dataclass(frozen=True, slots=True)
class _TooLarge:
    """A placeholder for a message that exceeds the limit, with sizes in bytes."""

    size: int
    most: int


class _Received(NamedTuple):
    """A message and its size in bytes."""

    size: int
    message: Any

    def readable(self) -> Any:
        """Return the message.

        Raises:
            RpcError: It is too large or cannot be parsed.
        """
        message = self.message
        if isinstance(message, errors.RpcError):
            raise message
        if isinstance(message, _TooLarge):
            fields: dict[str, object] = {"bytes": message.size, "limit": message.most}
            if call := current_call():
                fields |= {"method": call.method, "request_id": call.request_id}
            _log.info("message too large", extra={LOG_FIELDS: fields})
            raise errors.quota(
                "message",
                f"message too large: {message.size} bytes, and the limit is {message.most}",
            )
        if isinstance(message, _Unreadable):
            raise errors.RpcError(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"cannot parse the request: {message.reason}",
                [errors.error_info("UNREADABLE", {})],
            )
        return message


class _ByteBudget:
    """The bytes of requests that may be in memory."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._taken = 0
        self._waiting: list[asyncio.Future[None]] = []

    @property
    def taken(self) -> int:
        """The bytes that are taken."""
        return self._taken

    def take(self, size: int) -> bool:
        """Take bytes if enough are free; a first message always fits, whatever its size."""
        if self._taken and self._taken + size > self._size:
            return False
        self._taken += size
        return True

    async def wait(self, size: int) -> None:
        """Take bytes as soon as enough are free."""
        while not self.take(size):
            freed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(freed)
            await freed

    def release(self, size: int) -> None:
        """Return bytes."""
        self._taken -= size
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        for freed in waiting:
            if not freed.done():
                freed.set_result(None)


class RateLimiter:
    """The rate of calls of each caller: a token bucket for each.

    Args:
        per_second: The most calls in a second.
        burst: The most calls at once.
        clock: Returns the time in seconds.
    """

    def __init__(self, per_second: float, burst: int, clock: Callable[[], float]) -> None:
        self._per_second = per_second
        self._burst = float(burst)
        self._clock = clock
        # The tokens left and the time of the last call; the most recent caller is last.
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, caller: str) -> bool:
        """Count a call, and return whether the caller may begin it."""
        now = self._clock()
        left, then = self._left.pop(caller, (self._burst, now))
        left = min(self._burst, left + (now - then) * self._per_second)
        allowed = left >= 1
        self._left[caller] = (left - 1 if allowed else left, now)
        if len(self._left) > REMEMBERED_CALLERS:
            self._left.popitem(last=False)
        return allowed

    def seconds_until_free(self, caller: str) -> float:
        """Return the seconds until a caller that may not begin a call may begin one."""
        left, _ = self._left.get(caller, (1.0, 0.0))
        return max(0.0, (1 - left) / self._per_second)


class LimitsInterceptor(Interceptor):
    """Rejects calls beyond the limits, with RESOURCE_EXHAUSTED and the exceeded limit.

    Args:
        limits: The limits.
        clock: Returns the time in seconds, for the rates.
    """

    def __init__(self, limits: CallLimits, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._calls: dict[str, int] = {}
        self._budget = (
            None if limits.bytes_in_flight is None else _ByteBudget(limits.bytes_in_flight)
        )
        self._rates = (
            None
            if limits.calls_per_second is None
            else RateLimiter(limits.calls_per_second, limits.burst, clock)
        )

    @property
    def bytes_in_flight(self) -> int:
        """The bytes of requests in memory; another thread may ask."""
        return 0 if self._budget is None else self._budget.taken

    def hook(self, handler: Handler, method: str) -> CallHook:
        """Apply the limits to the calls of a method before they begin."""
        if handler.request_streaming:
            return self._enter_stream
        if handler.response_streaming or not self._limits.deadline_required:
            return self._enter
        return self._enter_with_deadline

    def wrap(self, handler: Handler, method: str) -> Handler:
        """Measure the messages of a method, and limit the duration of its calls."""
        is_stream = handler.request_streaming or handler.response_streaming
        behavior = behavior_of(handler) if is_stream else self._timed(handler)
        return with_behavior(handler, behavior, _measuring(handler, self._limits.message_bytes))

    def _enter_stream(self, requests: AsyncIterator[_Received], context: Context) -> Any:
        caller = self._count(context)
        on_done(context, lambda _: self._leave(caller))
        return self._readable(requests)

    def _enter(self, received: _Received, context: Context) -> Any:
        caller = self._count(context)
        budget = self._budget
        if budget is None:
            on_done(context, lambda _: self._leave(caller))
            return received.readable()
        size = received.size
        taken = budget.take(size)

        def leave(_: object) -> None:
            self._leave(caller)
            if taken:
                budget.release(size)

        on_done(context, leave)
        request = received.readable()
        if not taken:
            raise errors.quota(
                "server",
                "requests in progress use all of the server's"
                f" {self._limits.bytes_in_flight} bytes; retry later",
            )
        return request

    def _enter_with_deadline(self, received: _Received, context: Context) -> Any:
        if context.time_remaining() is None:
            raise errors.RpcError(
                grpc.StatusCode.INVALID_ARGUMENT,
                "this server requires a deadline; set a timeout for the call",
                [errors.error_info("DEADLINE_REQUIRED", {})],
            )
        return self._enter(received, context)

    def _count(self, context: Context) -> str:
        """Count a call or reject it; return the caller that it counts for."""
        caller = current_caller().name or host_of(context.peer())
        if self._rates is not None and not self._rates.take(caller):
            raise errors.quota(
                f"caller:{caller}",
                f"rate limit exceeded: {self._limits.calls_per_second:g} calls per second",
            )
        calls = self._calls.get(caller, 0)
        most = self._limits.calls_per_caller
        if most is not None and calls >= most:
            raise errors.quota(
                f"caller:{caller}", f"too many concurrent calls: the limit is {most}"
            )
        self._calls[caller] = calls + 1
        READ_CALL.set(ReadCall(caller, context.time_remaining))
        return caller

    def _leave(self, caller: str) -> None:
        calls = self._calls[caller] - 1
        if calls:
            self._calls[caller] = calls
        else:
            del self._calls[caller]

    def _timed(self, handler: Handler) -> Any:
        """Return the function of a handler with a limit on its duration."""
        behavior = behavior_of(handler)
        seconds = self._limits.seconds
        if seconds is None:
            return behavior

        async def end(context: Context) -> None:
            message = f"the call exceeded the server's limit of {seconds:g} seconds"
            error = errors.RpcError(grpc.StatusCode.DEADLINE_EXCEEDED, message)
            await errors.abort(context, error)

        return DeadlineTimer(seconds).limit(behavior, end)

    async def _readable(self, requests: AsyncIterator[_Received]) -> AsyncIterator[Any]:
        """Yield the requests of a stream; each counts as in memory until the next is requested."""
        budget = self._budget
        async for received in requests:
            request = received.readable()
            if budget is None:
                yield request
                continue
            await budget.wait(received.size)
            try:
                yield request
            finally:
                budget.release(received.size)
        await asyncio.sleep(_END_SECONDS)


def host_of(peer: str) -> str:
    """Return the address of a peer without its port, which differs by connection.

    >>> host_of("ipv4:127.0.0.1:4242"), host_of("ipv6:%5B::1%5D:4242"), host_of("unix:")
    ('ipv4:127.0.0.1', 'ipv6:%5B::1%5D', 'unix')
    """
    return peer.rpartition(":")[0]


def unreadable_request(size: int, error: errors.RpcError) -> Any:
    """Return a deserialized request whose call ends with an error when the limits have counted it.

    Args:
        size: The number of received bytes.
        error: The error.
    """
    return _Received(size, error)


def too_large_request(size: int, most: int) -> Any:
    """Return a deserialized request whose call ends because it is too large.

    Args:
        size: The size of the message as far as it is known, in bytes.
        most: The limit.
    """
    return _Received(0, _TooLarge(size, most))


def _measuring(handler: Handler, most: int) -> Callable[[bytes], _Received]:
    """Return a deserializer that measures messages and does not raise for invalid ones."""
    read: Any = handler.request_deserializer

    def deserialize(content: bytes) -> _Received:
        size = len(content)
        if size > most:
            return _Received(size, _TooLarge(size, most))
        try:
            return _Received(size, read(content))
        except (ProtobufDecodeError, DecodeError) as error:
            return _Received(size, _Unreadable(shorten(str(error))))

    return deserialize
