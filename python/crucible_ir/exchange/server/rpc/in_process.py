"""Calls from this process: other protocols than gRPC call the same handlers.

A call passes the interceptors as one over gRPC does, so authentication, limits, request validation,
logs and metrics are the same.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn, Protocol

import grpc
import grpc.aio
from google.rpc import status_pb2

from crucible_ir.exchange.server.rpc.call_context import ANYONE, CALLER
from crucible_ir.exchange.server.rpc.call_hooks import behavior_of
from crucible_ir.exchange.server.rpc.errors import DETAILS_TRAILER, RpcError, status_of, translate
from crucible_ir.exchange.server.rpc.interceptor import InterceptorChain

if TYPE_CHECKING:
    from crucible_ir.exchange.server.rpc.call_hooks import Handler

_CODES: Final = {code.value[0]: code for code in grpc.StatusCode}


class CallDetails(NamedTuple):
    """The method and the metadata of a call, as `grpc.HandlerCallDetails` has them."""

    method: str
    invocation_metadata: Sequence[tuple[str, str]]
    protocol: str


class InProcessContext:
    """The context of one call, as far as interceptors and services use that of gRPC.

    Args:
        peer: The address of the client, as gRPC writes it, such as ``ipv4:127.0.0.1:4242``.
        send: Sends a response.
        begin: Sends what precedes the first response.
        seconds: The timeout of the caller; ``None`` for none.
        certificate: The properties of the client's certificate, as `auth_context` returns them.
    """

    def __init__(
        self,
        peer: str,
        send: Callable[[Any], Awaitable[None]],
        *,
        begin: Callable[[], Awaitable[None]] | None = None,
        seconds: float | None = None,
        certificate: Mapping[str, Iterable[bytes]] | None = None,
    ) -> None:
        self._peer = peer
        self._send = send
        self._begin = begin
        self._due = None if seconds is None else time.monotonic() + seconds
        self._certificate = certificate or {}
        self._trailers: tuple[tuple[str, Any], ...] = ()
        self._callbacks: list[Callable[[Any], None]] = []
        self._status: status_pb2.Status | None = None
        self._done = False

    def peer(self) -> str:
        """Return the address of the client."""
        return self._peer

    def auth_context(self) -> Mapping[str, Iterable[bytes]]:
        """Return the properties of the client's certificate."""
        return self._certificate

    def time_remaining(self) -> float | None:
        """Return the seconds until the deadline; ``None`` if there is none."""
        return None if self._due is None else max(0.0, self._due - time.monotonic())

    def set_trailing_metadata(self, metadata: Sequence[tuple[str, Any]]) -> None:
        """Set the metadata at the end of the call."""
        self._trailers = tuple(metadata)

    def trailing_metadata(self) -> tuple[tuple[str, Any], ...]:
        """Return the metadata at the end of the call."""
        return self._trailers

    async def send_initial_metadata(self, metadata: Sequence[tuple[str, Any]]) -> None:
        """Send what precedes the first response; there is no metadata of services."""
        if self._begin is not None:
            await self._begin()

    async def write(self, message: Any) -> None:
        """Send a response."""
        await self._send(message)

    async def abort(
        self,
        code: grpc.StatusCode,
        details: str = "",
        trailing_metadata: Sequence[tuple[str, Any]] = (),
    ) -> NoReturn:
        """End the call with an error."""
        self._status = status_pb2.Status(code=code.value[0], message=details)
        for key, value in trailing_metadata:
            if key == DETAILS_TRAILER:
                self._status = status_pb2.Status.FromString(value)
        raise grpc.aio.AbortError

    def fail(self, error: RpcError) -> None:
        """Record the error with which the call ends."""
        self._status = status_of(error)

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        """Call a function when the call has ended."""
        self._callbacks.append(callback)

    def done(self) -> bool:
        """Return whether the call has ended."""
        return self._done

    def code(self) -> grpc.StatusCode:
        """Return the status code."""
        return grpc.StatusCode.OK if self._status is None else _CODES[self._status.code]

    @property
    def error(self) -> status_pb2.Status | None:
        """The error with which the call ended; ``None`` without one."""
        return self._status

    def end(self) -> None:
        """Report the end of the call to those who wait for it."""
        self._done = True
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback(self)


class Calls(Protocol):
    """The handlers of an exchange."""

    async def admit(
        self, method: str, metadata: Sequence[tuple[str, str]], *, protocol: str
    ) -> Handler | None:
        """Return the handler of a call; `InProcessCalls` says more."""


class InProcessCalls:
    """The handlers of a server, for calls from this process. It registers services with gRPC too.

    Args:
        server: The server.
        chain: Its interceptors.
    """

    def __init__(self, server: grpc.aio.Server, chain: InterceptorChain) -> None:
        self._server = server
        self._chain = chain
        self._generic: list[grpc.GenericRpcHandler] = []

    def add_generic_rpc_handlers(self, handlers: Iterable[grpc.GenericRpcHandler]) -> None:
        """Add the handlers of a service."""
        added = tuple(handlers)
        self._generic += added
        self._server.add_generic_rpc_handlers(added)

    def add_registered_method_handlers(self, service: str, handlers: dict[str, Any]) -> None:
        """Add the handlers of a service that `add_generic_rpc_handlers` got as well."""
        server: Any = self._server
        server.add_registered_method_handlers(service, handlers)

    async def admit(
        self, method: str, metadata: Sequence[tuple[str, str]], *, protocol: str
    ) -> Handler | None:
        """Pass a call through the interceptors, in its task and before its request is read.

        Args:
            method: The full name, as ``/crucible_ir.exchange.v1.ExchangeService/Get``.
            metadata: The metadata, with keys in lower case.
            protocol: The name of the protocol, for observers.

        Returns:
            The handler, which ends a rejected call with its error; ``None`` if the method does not
            exist.
        """
        # Requests on one connection may be tasks that inherit the caller of the one before.
        CALLER.set(ANYONE)
        details: Any = CallDetails(method, metadata, protocol)
        handler: Handler | None = await self._chain.intercept_service(self._find, details)
        return handler

    async def _find(self, details: grpc.HandlerCallDetails) -> Handler | None:
        for generic in self._generic:
            handler = generic.service(details)
            if handler is not None:
                return handler
        return None


def is_rejected(handler: Handler) -> bool:
    """Return whether the interceptors have rejected a call, so that its request is not needed."""
    return handler.request_deserializer is None


async def respond(handler: Handler, request: Any, context: InProcessContext) -> None:
    """Run the handler of a call in its task; the context then has the error, if there was one.

    Args:
        handler: The handler that `InProcessCalls.admit` returned.
        request: The deserialized request, or an iterator of requests.
        context: The context.
    """
    scope = asyncio.timeout(context.time_remaining())
    try:
        async with scope:
            await _run(handler, request, context)
    except grpc.aio.AbortError:
        pass
    except asyncio.CancelledError:
        context.fail(RpcError(grpc.StatusCode.CANCELLED, "the call was cancelled"))
        raise
    except Exception as error:
        if scope.expired():
            context.fail(RpcError(grpc.StatusCode.DEADLINE_EXCEEDED, "the deadline has passed"))
        else:
            context.fail(translate(error))
    finally:
        context.end()


async def _run(handler: Handler, request: Any, context: Any) -> None:
    behavior = behavior_of(handler)
    if not handler.response_streaming:
        await context.write(await behavior(request, context))
    elif inspect.isasyncgenfunction(behavior):
        async with aclosing(behavior(request, context)) as responses:
            async for response in responses:
                await context.write(response)
    else:
        await behavior(request, context)


async def no_requests() -> AsyncIterator[Any]:
    """Yield nothing: the requests of a call that was rejected."""
    return
    yield
