"""Hooks that run before each call, once its peer is known, and the translation of its errors."""

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

    #: Takes the request, or the iterator of requests, and returns its replacement for the handler;
    #: or raises `RpcError`.
    CallHook = Callable[[Any, Context], Any]

    #: Returns the error that a caller gets for an exception.
    ErrorTranslator = Callable[[Exception], RpcError]


def with_hooks(
    handler: Handler, hooks: Sequence[CallHook], translate: ErrorTranslator | None = None
) -> Handler:
    """Return a handler that runs hooks first, in order, in the task of the call.

    Args:
        handler: The handler.
        hooks: The hooks.
        translate: Translates exceptions for the caller; ``None`` to report `RpcError` only.
    """
    behavior = behavior_of(handler)

    def run_hooks(request: Any, context: Context) -> Any:
        for hook in hooks:
            request = hook(request, context)
        return request

    async def fail(error: Exception, context: Context) -> NoReturn:
        if isinstance(error, RpcError):
            await abort(context, error)
        if isinstance(error, grpc.aio.AbortError) or translate is None:
            raise error
        await abort(context, translate(error))

    if not handler.response_streaming:

        async def answer(request: Any, context: Context) -> Any:
            try:
                return await behavior(run_hooks(request, context), context)
            except Exception as error:
                await fail(error, context)

        return with_behavior(handler, answer)
    if inspect.isasyncgenfunction(behavior):

        async def generate(request: Any, context: Context) -> AsyncIterator[Any]:
            try:
                # Closing it releases the resources of a cancelled call at once.
                async with aclosing(behavior(run_hooks(request, context), context)) as responses:
                    async for response in responses:
                        yield response
            except Exception as error:
                await fail(error, context)

        return with_behavior(handler, generate)

    async def write(request: Any, context: Context) -> None:
        try:
            await behavior(run_hooks(request, context), context)
        except Exception as error:
            await fail(error, context)

    return with_behavior(handler, write)


def on_done(context: Context, callback: Callable[[Any], None]) -> None:
    """Call a function when a call has ended for any reason.

    Args:
        context: The call.
        callback: The function, which gets the context.
    """
    # The stubs require a class of their own, which does not exist at run time.
    done: Any = callback
    context.add_done_callback(done)


def behavior_of(handler: Handler) -> Any:
    """Return the function of a handler."""
    return (
        handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream
    )


def with_behavior(
    handler: Handler, behavior: Any, deserialize: Any = None, serialize: Any = None
) -> Handler:
    """Return a copy of a handler with another function, or another codec for its messages.

    Args:
        handler: The handler.
        behavior: The function.
        deserialize: Reads a request; by default as the handler does.
        serialize: Writes a response; by default as the handler does.
    """
    make: Any = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }[handler.request_streaming, handler.response_streaming]
    result: Handler = make(
        behavior,
        deserialize or handler.request_deserializer,
        serialize or handler.response_serializer,
    )
    return result
