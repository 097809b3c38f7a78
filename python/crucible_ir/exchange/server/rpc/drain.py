"""Draining: while a server stops, it counts the calls in progress and rejects new ones."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, Final, TypeVar

import grpc
import grpc.aio

from crucible_ir.exchange.server.rpc.call_hooks import on_done
from crucible_ir.exchange.server.rpc.errors import RpcError, unavailable
from crucible_ir.exchange.server.rpc.interceptor import Interceptor
from crucible_ir.exchange.server.standard_services import OPEN_METHODS

if TYPE_CHECKING:
    from crucible_ir.exchange.server.rpc.call_hooks import CallHook, Context, Handler

T = TypeVar("T")

#: The error for a call that arrives too late.
_DRAINING: Final = unavailable("DRAINING", "the server is stopping; call another instance")


class DrainInterceptor(Interceptor):
    """Accepts calls until the drain begins; health checks are always accepted.

    gRPC drops calls that arrive while a server stops, and their clients get CANCELLED. A server
    that drains first has none to drop.
    """

    def __init__(self) -> None:
        self._draining = False
        self._in_progress = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def admit(self, details: grpc.HandlerCallDetails) -> None:
        """Accept a call, or reject it."""
        if self._draining and details.method not in OPEN_METHODS:
            raise _DRAINING

    def hook(self, handler: Handler, method: str) -> CallHook | None:
        """Count the calls of a method."""
        return None if method in OPEN_METHODS else self._enter

    def begin(self) -> None:
        """Accept no more calls."""
        self._draining = True

    async def wait_until_idle(self, seconds: float) -> None:
        """Return when every accepted call has ended, or after a timeout in seconds."""
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            return

    def _enter(self, request: Any, context: Context) -> Any:
        if self._draining:
            # The drain began while the request was in transit.
            raise _DRAINING
        if not self._in_progress:
            self._idle.clear()
        self._in_progress += 1
        on_done(context, self._leave)
        return request

    def _leave(self, _: object) -> None:
        self._in_progress -= 1
        if not self._in_progress:
            self._idle.set()


class Draining:
    """A signal to the streams in progress that the server is stopping."""

    def __init__(self) -> None:
        self._begun = asyncio.Event()

    def begin(self) -> None:
        """Request that every stream end."""
        self._begun.set()

    @property
    def has_begun(self) -> bool:
        """Whether streams must end."""
        return self._begun.is_set()

    async def wait(self) -> None:
        """Return when streams must end."""
        await self._begun.wait()

    async def unless_begun(self, work: Awaitable[T]) -> T:
        """Return the result of work, which is cancelled if streams must end before it is done.

        Raises:
            RpcError: Streams must end.
        """
        working = asyncio.ensure_future(work)
        stopping = asyncio.ensure_future(self.wait())
        try:
            await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if stopping.done():
                raise self.error()
            return working.result()
        finally:
            working.cancel()
            stopping.cancel()

    def error(self) -> RpcError:
        """Return the error that ends a stream; its client can resume the stream elsewhere."""
        return unavailable(
            "DRAINING", "the server is stopping; resume the stream on another instance"
        )
