"""What stands between gRPC and the services: a chain of interceptors, put together once a method.

A call pays for what has to be asked anew each time, and not for the making of handlers.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import grpc
import grpc.aio

from crucible_ir.exchange.server.rpc.call_hooks import with_entries
from crucible_ir.exchange.server.rpc.errors import RpcError, denying_handler

if TYPE_CHECKING:
    from crucible_ir.exchange.server.rpc.call_hooks import Enter, Explain

    # At run time the class takes no parameters.
    Handler = grpc.RpcMethodHandler[Any, Any]

#: A refusal in this shape does not wait for a request that may never come, or be large.
READS_NOTHING: Final[grpc.RpcMethodHandler[Any, Any]] = grpc.stream_stream_rpc_method_handler(
    lambda _, __: ()
)


class Interceptor:
    """Lets calls through or refuses them, and changes how they are handled."""

    def admit(self, details: grpc.HandlerCallDetails) -> Awaitable[None] | None:
        """Look at a call before its request is read, in its task.

        Returns:
            What has to be awaited to know whether the call is let through, if anything.

        Raises:
            RpcError: The call is refused.
        """
        return None

    def entry(self, handler: Handler, method: str) -> Enter | None:
        """Return what is to be done first in the calls of a method, if anything."""
        return None

    def wrap(self, handler: Handler, method: str) -> Handler:
        """Return the handler to use in place of a method's own."""
        return handler

    def explanation(self, method: str) -> Explain | None:
        """Return what says what callers are told of the errors in the calls of a method."""
        return None

    def miss(self, details: grpc.HandlerCallDetails) -> None:
        """Learn of a call to a method that does not exist."""


class InterceptorChain(grpc.aio.ServerInterceptor):
    """Applies interceptors to calls.

    Args:
        interceptors: The interceptors, the outermost first.
    """

    def __init__(self, interceptors: Sequence[Interceptor]) -> None:
        self._interceptors = tuple(interceptors)
        # Those that have something to look at, with their places.
        self._admitting = [
            (place, interceptor.admit)
            for place, interceptor in enumerate(self._interceptors)
            if type(interceptor).admit is not Interceptor.admit
        ]
        # Of methods that exist only: callers can make up other names without end.
        self._handlers: dict[str, Handler] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """Return the handler of a call; nothing if there is no such method."""
        method = handler_call_details.method
        handler = self._handlers.get(method)
        if handler is None:
            own = await continuation(handler_call_details)
            if own is None:
                for interceptor in self._interceptors:
                    interceptor.miss(handler_call_details)
                return None
            handler = self._handlers[method] = _applied(self._interceptors, own, method)
        for place, admit in self._admitting:
            try:
                waiting = admit(handler_call_details)
                if waiting is not None:
                    await waiting
            except RpcError as error:
                refusal = denying_handler(error, READS_NOTHING)
                return _applied(self._interceptors[:place], refusal, method)
        return handler


def _applied(interceptors: Sequence[Interceptor], handler: Handler, method: str) -> Handler:
    entries = [interceptor.entry(handler, method) for interceptor in interceptors]
    explanations = [interceptor.explanation(method) for interceptor in interceptors]
    for interceptor in reversed(interceptors):
        handler = interceptor.wrap(handler, method)
    return with_entries(
        handler,
        [enter for enter in entries if enter is not None],
        next((explain for explain in explanations if explain is not None), None),
    )
