"""The gate that is shut when a server stops: calls in progress are counted, new ones refused."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import grpc
import grpc.aio

from crucible_ir.exchange.server.rpc.call_hooks import when_done
from crucible_ir.exchange.server.rpc.errors import RpcError, unavailable
from crucible_ir.exchange.server.rpc.interceptor import Interceptor
from crucible_ir.exchange.server.standard_services import OPEN_METHODS

if TYPE_CHECKING:
    from crucible_ir.exchange.server.rpc.call_hooks import Enter

    Handler = grpc.RpcMethodHandler[Any, Any]
    Context = grpc.aio.ServicerContext[Any, Any]

#: What a call is told that comes too late.
_SHUT: Final = unavailable("DRAINING", "the server is stopping; call another")


class DrainInterceptor(Interceptor):
    """Lets calls through until it is shut; those who watch a server's health always pass.

    A server of gRPC that stops drops calls that arrive in that moment, and their clients are told
    that they were cancelled. One that shuts its gate first has none to drop.
    """

    def __init__(self) -> None:
        self._is_shut = False
        self._inside = 0
        self._empty = asyncio.Event()
        self._empty.set()

    def admit(self, details: grpc.HandlerCallDetails) -> None:
        """Let a call through, or refuse it."""
        if self._is_shut and details.method not in OPEN_METHODS:
            raise _SHUT

    def entry(self, handler: Handler, method: str) -> Enter | None:
        """Count the calls of a method."""
        return None if method in OPEN_METHODS else self._enter

    def shut(self) -> None:
        """Let no more calls through."""
        self._is_shut = True

    async def wait_until_empty(self, seconds: float) -> None:
        """Return when every call that was let through has ended, or after so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                await self._empty.wait()
        except TimeoutError:
            return

    def _enter(self, request: Any, context: Context) -> Any:
        if self._is_shut:
            # It was shut while the request was on its way.
            raise _SHUT
        if not self._inside:
            self._empty.clear()
        self._inside += 1
        when_done(context, self._leave)
        return request

    def _leave(self, _: object) -> None:
        self._inside -= 1
        if not self._inside:
            self._empty.set()


class Draining:
    """Whether the server is to end its streams."""

    def __init__(self) -> None:
        self._begun = asyncio.Event()

    def begin(self) -> None:
        """Ask every stream to end."""
        self._begun.set()

    @property
    def has_begun(self) -> bool:
        """Whether streams are to end."""
        return self._begun.is_set()

    async def wait(self) -> None:
        """Return when streams are to end."""
        await self._begun.wait()

    def error(self) -> RpcError:
        """Return the error with which a stream ends that its client could resume elsewhere."""
        return unavailable("DRAINING", "the server is stopping; resume the stream on another")
