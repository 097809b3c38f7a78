"""Something to be done before each call, once it is known where the call comes from."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, NoReturn

import grpc
import grpc.aio

from crucible_ir.exchange.server.rpc.errors import RpcError, abort

if TYPE_CHECKING:
    Handler = grpc.RpcMethodHandler[Any, Any]
    Context = grpc.aio.ServicerContext[Any, Any]

    #: What is done first. It is given the request, or the iterator of requests, and returns what
    #: the handler is to have instead; or it raises `RpcError`.
    Enter = Callable[[Any, Context], Any]

    #: Says what a caller is told of an error.
    Explain = Callable[[Exception], RpcError]


def with_entries(
    handler: Handler, entries: Sequence[Enter], explain: Explain | None = None
) -> Handler:
    """Return a handler that does some things first, one after another, in the task of the call.

    Args:
        handler: The handler.
        entries: What is done first.
        explain: What the caller is told of an error; ``None`` to tell of `RpcError` only.
    """
    behavior = behavior_of(handler)

    def enter(request: Any, context: Context) -> Any:
        for each in entries:
            request = each(request, context)
        return request

    async def end(error: Exception, context: Context) -> NoReturn:
        if isinstance(error, RpcError):
            await abort(context, error)
        if isinstance(error, grpc.aio.AbortError) or explain is None:
            raise error
        await abort(context, explain(error))

    if not handler.response_streaming:

        async def answer(request: Any, context: Context) -> Any:
            try:
                return await behavior(enter(request, context), context)
            except Exception as error:
                await end(error, context)

        return remade(handler, answer)
    if inspect.isasyncgenfunction(behavior):

        async def generate(request: Any, context: Context) -> AsyncIterator[Any]:
            try:
                # Closed with this one: a call that is cancelled lets go of what it holds at once.
                async with aclosing(behavior(enter(request, context), context)) as responses:
                    async for response in responses:
                        yield response
            except Exception as error:
                await end(error, context)

        return remade(handler, generate)

    async def write(request: Any, context: Context) -> None:
        try:
            await behavior(enter(request, context), context)
        except Exception as error:
            await end(error, context)

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


def remade(handler: Handler, behavior: Any, read: Any = None, write: Any = None) -> Handler:
    """Return a handler that is like another but for its function, or its way with messages.

    Args:
        handler: The other one.
        behavior: The function.
        read: Reads a request.
        write: Writes a response.
    """
    make: Any = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }[handler.request_streaming, handler.response_streaming]
    result: Handler = make(
        behavior, read or handler.request_deserializer, write or handler.response_serializer
    )
    return result
