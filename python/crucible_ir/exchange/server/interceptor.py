"""What the interceptors of a server have in common: each changes the handlers of calls."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio

if TYPE_CHECKING:
    # At run time the class takes no parameters.
    Handler = grpc.RpcMethodHandler[Any, Any]


class Interceptor(grpc.aio.ServerInterceptor):
    """Changes the handlers of calls."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """Return the handler of a call; nothing if there is no such method."""
        handler = await continuation(handler_call_details)
        if handler is None:
            self.miss(handler_call_details)
            return None
        return await self.intercept(handler, handler_call_details)

    @abstractmethod
    async def intercept(self, handler: Handler, details: grpc.HandlerCallDetails) -> Handler:
        """Return the handler to use in place of a call's own."""

    def miss(self, details: grpc.HandlerCallDetails) -> None:
        """Learn of a call to a method that does not exist."""
