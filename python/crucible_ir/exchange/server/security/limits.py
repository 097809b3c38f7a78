"""How much a caller may ask of a server: calls, messages and time."""

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
from google.protobuf.message import DecodeError

from crucible_ir.errors import shorten
from crucible_ir.exchange.server.observability.logs import LOG_FIELDS
from crucible_ir.exchange.server.rpc import errors
from crucible_ir.exchange.server.rpc.call_context import current_call, current_caller
from crucible_ir.exchange.server.rpc.call_hooks import behavior_of, remade, when_done
from crucible_ir.exchange.server.rpc.interceptor import Interceptor
from crucible_ir.exchange.server.security.deadlines import Clock

if TYPE_CHECKING:
    from crucible_ir.exchange.server.rpc.call_hooks import Enter

    Handler = grpc.RpcMethodHandler[Any, Any]
    Context = grpc.aio.ServicerContext[Any, Any]

# Operators filter by this name, so it does not follow the module.
_log: Final = logging.getLogger("crucible_ir.exchange.server.limits")

#: By how much gRPC's own limit on a message is larger than ours, in bytes, at least.
_LEAST_MARGIN: Final = 1024 * 1024

#: For how long a stream of requests that came to its end is held, in seconds: where it was not its
#: client that ended it but the loss of the call, the call is cancelled in the meantime.
_END_SECONDS: Final = 0.01

#: How many callers' rates are remembered; the ones that called longest ago are forgotten.
_REMEMBERED_CALLERS: Final = 10_000


@dataclass(frozen=True, slots=True)
class CallLimits:
    """What a server allows; a limit that is ``None`` does not exist.

    Attributes:
        message_bytes: The largest message that is read, in bytes, after decompression.
        metadata_bytes: The most metadata of a call, in bytes.
        calls: The most calls at a time, of all callers.
        calls_per_connection: The most calls at a time on one connection; more of them wait.
        calls_per_caller: The most calls at a time of one caller, streams included.
        calls_per_second: The most calls that one caller begins in a second.
        burst: The most calls that one caller begins at once, where there is a rate.
        bytes_in_flight: The most bytes of messages that are read and not yet dealt with. A stream
            waits for room; a single request is refused.
        seconds: The longest that a call that is no stream may take.
        deadline_required: Whether calls that are no streams have to bring a deadline.
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
        """The largest message that gRPC hands over.

        What is larger gRPC refuses without a word to anybody but the client. It has to be more than
        the limit, so that a message a little too large is refused here, with details and a line in
        the log; and not much more, since that much is held of each message before it is refused.
        """
        return self.message_bytes + max(self.message_bytes, _LEAST_MARGIN)


class _Unreadable:
    """Stands for a message that is no message of its type."""

    __slots__ = ("reason",)

    def __init__(self, reason: str) -> None:
        self.reason = reason


@dataclass(frozen=True, slots=True)
class _TooLarge:
    """Stands for a message that is larger than allowed, in bytes."""

    size: int
    most: int


class _Received(NamedTuple):
    """A message and its size in bytes."""

    size: int
    message: Any

    def readable(self) -> Any:
        """Return the message.

        Raises:
            RpcError: It is too large or could not be read.
        """
        message = self.message
        if isinstance(message, _TooLarge):
            fields: dict[str, object] = {"bytes": message.size, "limit": message.most}
            if call := current_call():
                fields |= {"method": call.method, "request_id": call.request_id}
            _log.info("message too large", extra={LOG_FIELDS: fields})
            raise errors.quota(
                "message",
                f"a message of {message.size} bytes is larger than the {message.most} that are"
                " read",
            )
        if isinstance(message, _Unreadable):
            raise errors.RpcError(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"the request is no message of its type: {message.reason}",
                [errors.error_info("UNREADABLE", {})],
            )
        return message


class _Room:
    """How many bytes there is room for."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._held = 0
        self._waiting: list[asyncio.Future[None]] = []

    def take(self, size: int) -> bool:
        """Take some, if there is enough; one message fits whatever its size if nothing is held."""
        if self._held and self._held + size > self._size:
            return False
        self._held += size
        return True

    async def wait(self, size: int) -> None:
        """Take some as soon as there is enough."""
        while not self.take(size):
            freed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(freed)
            await freed

    def give_back(self, size: int) -> None:
        """Give some back."""
        self._held -= size
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        for freed in waiting:
            if not freed.done():
                freed.set_result(None)


class _Rates:
    """How many calls each caller may begin now: a bucket of tokens each."""

    def __init__(self, per_second: float, burst: int, clock: Callable[[], float]) -> None:
        self._per_second = per_second
        self._burst = float(burst)
        self._clock = clock
        # What was left, and when that was; the caller who called last is at the end.
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, caller: str) -> bool:
        """Tell whether a caller may begin a call, and count it."""
        now = self._clock()
        left, then = self._left.pop(caller, (self._burst, now))
        left = min(self._burst, left + (now - then) * self._per_second)
        allowed = left >= 1
        self._left[caller] = (left - 1 if allowed else left, now)
        if len(self._left) > _REMEMBERED_CALLERS:
            self._left.popitem(last=False)
        return allowed


class LimitsInterceptor(Interceptor):
    """Refuses calls beyond the limits, with RESOURCE_EXHAUSTED and what was exceeded.

    Args:
        limits: The limits.
        clock: Tells the time in seconds, for the rates.
    """

    def __init__(self, limits: CallLimits, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._calls: dict[str, int] = {}
        self._room = None if limits.bytes_in_flight is None else _Room(limits.bytes_in_flight)
        self._rates = (
            None
            if limits.calls_per_second is None
            else _Rates(limits.calls_per_second, limits.burst, clock)
        )

    def entry(self, handler: Handler, method: str) -> Enter:
        """Hold the calls of a method to the limits, before they begin."""
        if handler.request_streaming:
            return self._enter_stream
        if handler.response_streaming or not self._limits.deadline_required:
            return self._enter
        return self._enter_with_deadline

    def wrap(self, handler: Handler, method: str) -> Handler:
        """Measure the messages of a method, and give its calls an end."""
        is_stream = handler.request_streaming or handler.response_streaming
        behavior = behavior_of(handler) if is_stream else self._in_time(handler)
        return remade(handler, behavior, _measuring(handler, self._limits.message_bytes))

    def _enter_stream(self, requests: AsyncIterator[_Received], context: Context) -> Any:
        caller = self._count(context)
        when_done(context, lambda _: self._leave(caller))
        return self._readable(requests)

    def _enter(self, received: _Received, context: Context) -> Any:
        caller = self._count(context)
        room = self._room
        if room is None:
            when_done(context, lambda _: self._leave(caller))
            return received.readable()
        size = received.size
        taken = room.take(size)

        def leave(_: object) -> None:
            self._leave(caller)
            if taken:
                room.give_back(size)

        when_done(context, leave)
        request = received.readable()
        if not taken:
            raise errors.quota(
                "server", f"the server holds {self._limits.bytes_in_flight} bytes of other requests"
            )
        return request

    def _enter_with_deadline(self, received: _Received, context: Context) -> Any:
        if context.time_remaining() is None:
            raise errors.RpcError(
                grpc.StatusCode.INVALID_ARGUMENT,
                "this server wants a deadline for this call",
                [errors.error_info("DEADLINE_REQUIRED", {})],
            )
        return self._enter(received, context)

    def _count(self, context: Context) -> str:
        """Count a call, or refuse it; return for whom it counts."""
        caller = current_caller().name or host_of(context.peer())
        if self._rates is not None and not self._rates.take(caller):
            raise errors.quota(
                f"caller:{caller}",
                f"more than {self._limits.calls_per_second:g} calls a second",
            )
        calls = self._calls.get(caller, 0)
        most = self._limits.calls_per_caller
        if most is not None and calls >= most:
            raise errors.quota(f"caller:{caller}", f"more than {most} calls at a time")
        self._calls[caller] = calls + 1
        return caller

    def _leave(self, caller: str) -> None:
        calls = self._calls[caller] - 1
        if calls:
            self._calls[caller] = calls
        else:
            del self._calls[caller]

    def _in_time(self, handler: Handler) -> Any:
        """Return the function of a handler with an end to the time that it may take."""
        behavior = behavior_of(handler)
        seconds = self._limits.seconds
        if seconds is None:
            return behavior

        async def end(context: Context) -> None:
            await context.abort(
                grpc.StatusCode.DEADLINE_EXCEEDED, f"the server gives a call {seconds:g} seconds"
            )

        return Clock(seconds).limit(behavior, end)

    async def _readable(self, requests: AsyncIterator[_Received]) -> AsyncIterator[Any]:
        """Yield the requests of a stream; each has its room until the next is asked for."""
        room = self._room
        async for received in requests:
            request = received.readable()
            if room is None:
                yield request
                continue
            await room.wait(received.size)
            try:
                yield request
            finally:
                room.give_back(received.size)
        await asyncio.sleep(_END_SECONDS)


def host_of(peer: str) -> str:
    """Return the address of a peer without its port, which differs by connection.

    >>> host_of("ipv4:127.0.0.1:4242"), host_of("ipv6:%5B::1%5D:4242"), host_of("unix:")
    ('ipv4:127.0.0.1', 'ipv6:%5B::1%5D', 'unix')
    """
    return peer.rpartition(":")[0]


def _measuring(handler: Handler, most: int) -> Callable[[bytes], _Received]:
    """Return a reader of messages that tells their sizes, and whether they could be read."""
    read: Any = handler.request_deserializer

    def deserialize(content: bytes) -> _Received:
        size = len(content)
        if size > most:
            return _Received(size, _TooLarge(size, most))
        try:
            return _Received(size, read(content))
        except DecodeError as error:
            return _Received(size, _Unreadable(shorten(str(error))))

    return deserialize
