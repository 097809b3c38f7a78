"""The chain of interceptors between gRPC and the services, assembled once for each method.

A call pays only for the checks that differ between calls, not for building handlers.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio

from crucible_ir.exchange.server.rpc.call_hooks import with_hooks
from crucible_ir.exchange.server.rpc.errors import RpcError, rejecting_handler

if TYPE_CHECKING:
    from crucible_ir.exchange.server.rpc.call_hooks import CallHook, ErrorTranslator, Handler


class Interceptor:
    """Accepts or rejects calls, and changes how they are handled."""

    def admit(self, details: grpc.HandlerCallDetails) -> Awaitable[None] | None:
        """Check a call before its request is read, in its task.

        Returns:
            An awaitable to await before the call is accepted, if there is one.

        Raises:
            RpcError: The call is rejected.
        """
        return None

    def hook(self, handler: Handler, method: str) -> CallHook | None:
        """Return the hook to run before each call of a method, if there is one."""
        return None

    def wrap(self, handler: Handler, method: str) -> Handler:
        """Return the handler to use in place of a method's own."""
        return handler

    def error_translator(self, method: str) -> ErrorTranslator | None:
        """Return the translator of the errors of a method, if there is one."""
        return None

    def unknown_method(self, details: grpc.HandlerCallDetails) -> None:
        """Handle a call to a method that does not exist."""


class InterceptorChain(grpc.aio.ServerInterceptor):
    """Applies interceptors to calls.

    Args:
        interceptors: The interceptors, the outermost first.
    """

    def __init__(self, interceptors: Sequence[Interceptor]) -> None:
        self._interceptors = tuple(interceptors)
        # The interceptors that override `admit`, with their positions.
        self._admitting = [
            (position, interceptor.admit)
            for position, interceptor in enumerate(self._interceptors)
            if type(interceptor).admit is not Interceptor.admit
        ]
        # Only of methods that exist: callers can invent any number of other names.
        self._handlers: dict[str, Handler] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """Return the handler of a call; ``None`` if the method does not exist."""
        method = handler_call_details.method
        handler = self._handlers.get(method)
        if handler is None:
            own = await continuation(handler_call_details)
            if own is None:
                for interceptor in self._interceptors:
                    interceptor.unknown_method(handler_call_details)
                return None
            handler = self._handlers[method] = _wrapped(self._interceptors, own, method)
        for position, admit in self._admitting:
            try:
                waiting = admit(handler_call_details)
                if waiting is not None:
                    await waiting
            except RpcError as error:
                rejection = rejecting_handler(error)
                return _wrapped(self._interceptors[:position], rejection, method)
        return handler


def _wrapped(interceptors: Sequence[Interceptor], handler: Handler, method: str) -> Handler:
    hooks = [interceptor.hook(handler, method) for interceptor in interceptors]
    translators = [interceptor.error_translator(method) for interceptor in interceptors]
    for interceptor in reversed(interceptors):
        handler = interceptor.wrap(handler, method)
    return with_hooks(
        handler,
        [hook for hook in hooks if hook is not None],
        next((translator for translator in translators if translator is not None), None),
    )
