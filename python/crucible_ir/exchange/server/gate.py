"""The gate that is shut when a server stops: calls in progress are counted, new ones refused."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import grpc
import grpc.aio

from crucible_ir.exchange.server import errors
from crucible_ir.exchange.server.authentication import OPEN_METHODS, READS_NOTHING
from crucible_ir.exchange.server.entry import when_done, with_entry
from crucible_ir.exchange.server.interceptor import Interceptor

if TYPE_CHECKING:
    Handler = grpc.RpcMethodHandler[Any, Any]
    Context = grpc.aio.ServicerContext[Any, Any]

#: What a call is told that comes too late.
_SHUT: Final = errors.unavailable("DRAINING", "the server is stopping; call another")


class Gate(Interceptor):
    """Lets calls through until it is shut; those who watch a server's health always pass.

    A server of gRPC that stops drops calls that arrive in that moment, and their clients are told
    that they were cancelled. One that shuts its gate first has none to drop.
    """

    def __init__(self) -> None:
        self._is_shut = False
        self._inside = 0
        self._empty = asyncio.Event()
        self._empty.set()

    async def intercept(self, handler: Handler, details: grpc.HandlerCallDetails) -> Handler:
        """Let a call through, or refuse it."""
        if details.method in OPEN_METHODS:
            return handler
        if self._is_shut:
            return errors.denying_handler(_SHUT, READS_NOTHING)
        return with_entry(handler, self._enter)

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

    async def _enter(self, request: Any, context: Context) -> Any:
        if self._is_shut:
            # It was shut while the request was on its way.
            await errors.abort(context, _SHUT)
        self._inside += 1
        self._empty.clear()
        when_done(context, self._leave)
        return request

    def _leave(self, _: object) -> None:
        self._inside -= 1
        if not self._inside:
            self._empty.set()
