"""The boundary of the services: requests are checked here, and errors become statuses here."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio

from crucible_ir.errors import ValidationError
from crucible_ir.exchange.server.entry import behavior_of, remade
from crucible_ir.exchange.server.errors import abort, translate
from crucible_ir.validation.check import violations

#: The methods that are checked; others, such as those of health checks, answer for themselves.
PREFIX = "/crucible_ir.exchange.v1."

if TYPE_CHECKING:
    # At run time grpc's classes take no type arguments.
    Handler = grpc.RpcMethodHandler[Any, Any]
    Context = grpc.aio.ServicerContext[Any, Any]


class BoundaryInterceptor(grpc.aio.ServerInterceptor):
    """Holds requests to their rules and gives every error its status and details.

    It has to be the last interceptor, next to the services. A request of a stream is held to its
    rules by its service, which may refuse it and go on.
    """

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """Return the handler of a method, within the boundary."""
        handler = await continuation(handler_call_details)
        if handler is None or not handler_call_details.method.startswith(PREFIX):
            return handler
        return bounded(handler)


def bounded(handler: Handler) -> Handler:
    """Return a handler that checks requests and gives errors their status."""
    behavior = behavior_of(handler)
    is_checked = not handler.request_streaming

    async def answer(request: Any, context: Context) -> Any:
        try:
            if is_checked:
                check_request(request)
            return await behavior(request, context)
        except grpc.aio.AbortError:
            raise
        except Exception as error:
            await abort(context, translate(error))

    async def answer_with_stream(request: Any, context: Context) -> AsyncIterator[Any]:
        try:
            if is_checked:
                check_request(request)
            async with aclosing(behavior(request, context)) as responses:
                async for response in responses:
                    yield response
        except grpc.aio.AbortError:
            raise
        except Exception as error:
            await abort(context, translate(error))

    if handler.response_streaming and inspect.isasyncgenfunction(behavior):
        return remade(handler, answer_with_stream)
    return remade(handler, answer)


def check_request(request: Any) -> None:
    """Refuse a request that breaks a rule.

    Raises:
        ValidationError: It does; the error lists every violation.
    """
    broken = violations(request)
    if broken:
        raise ValidationError(request.DESCRIPTOR.full_name, broken)
