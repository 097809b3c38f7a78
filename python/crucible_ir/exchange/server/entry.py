"""Something to be done before each call, once it is known where the call comes from."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio

if TYPE_CHECKING:
    Handler = grpc.RpcMethodHandler[Any, Any]
    Context = grpc.aio.ServicerContext[Any, Any]

    #: What is done first. It is given the request, or the iterator of requests, and returns what
    #: the handler is to have instead; or it aborts the call.
    Enter = Callable[[Any, Context], Awaitable[Any]]


def with_entry(handler: Handler, enter: Enter) -> Handler:
    """Return a handler that does something first, in the task of the call."""
    behavior = behavior_of(handler)
    if not handler.response_streaming:

        async def answer(request: Any, context: Context) -> Any:
            return await behavior(await enter(request, context), context)

        return remade(handler, answer)
    if inspect.isasyncgenfunction(behavior):

        async def generate(request: Any, context: Context) -> AsyncIterator[Any]:
            # Closed with this one: a call that is cancelled lets go of what it holds at once.
            async with aclosing(behavior(await enter(request, context), context)) as responses:
                async for response in responses:
                    yield response

        return remade(handler, generate)

    async def write(request: Any, context: Context) -> None:
        await behavior(await enter(request, context), context)

    return remade(handler, write)


def when_done(context: Context, callback: Callable[[Any], None]) -> None:
    """Have something done when a call has ended, however that comes about.

    Args:
        context: The call.
        callback: Is given the context.
    """
    # The stubs ask for a class of theirs, which does not exist at run time.
    done: Any = callback
    context.add_done_callback(done)


def behavior_of(handler: Handler) -> Any:
    """Return the function of a handler."""
    return (
        handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream
    )


def remade(handler: Handler, behavior: Any, deserializer: Any = None) -> Handler:
    """Return a handler that is like another but for its function, or how it reads messages."""
    make: Any = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }[handler.request_streaming, handler.response_streaming]
    result: Handler = make(
        behavior, deserializer or handler.request_deserializer, handler.response_serializer
    )
    return result
