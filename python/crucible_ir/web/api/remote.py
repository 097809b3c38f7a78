"""The calls of an exchange on another machine, or in another process, over gRPC."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import grpc
import grpc.aio
from google.protobuf import message_factory

from crucible_ir.exchange.server.observability.observing import REQUEST_ID_KEY, request_id_of
from crucible_ir.exchange.server.rpc import errors
from crucible_ir.exchange.server.rpc.errors import RpcError, rejecting_handler
from crucible_ir.exchange.server.services.registration import service_descriptors

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.exchange.server.rpc.call_hooks import Handler
    from crucible_ir.exchange.server.rpc.in_process import InProcessContext

_AUTHORIZATION: Final = "authorization"

#: The headers that the exchange gets.
_FORWARDED: Final = frozenset({_AUTHORIZATION, "traceparent", "tracestate"})

#: The error for a token that others could read.
_IN_PLAIN_TEXT: Final = RpcError(
    grpc.StatusCode.FAILED_PRECONDITION,
    "the token would be sent to another machine in plain text: connect the console with TLS (--ca)",
    [errors.error_info("INSECURE_CHANNEL")],
)


class RemoteCalls:
    """Forwards calls to an exchange, which authenticates and checks them.

    Args:
        open_channel: Opens the channel to the exchange, on the running event loop.
        is_private: Whether nobody else can read what is sent on the channel.
        token: The token of callers without one of their own; ``None`` for none.
        seconds: The timeout of unary calls that have none of their own.
    """

    def __init__(
        self,
        open_channel: Callable[[], grpc.aio.Channel],
        *,
        is_private: bool,
        token: str | None = None,
        seconds: float | None = None,
    ) -> None:
        self._open_channel = open_channel
        self._channel: grpc.aio.Channel | None = None
        self._is_private = is_private
        self._own = () if token is None else ((_AUTHORIZATION, f"Bearer {token}"),)
        self._seconds = seconds
        self._methods = {
            f"/{service.full_name}/{method.name}": method
            for service in service_descriptors()
            for method in service.methods
        }

    async def admit(
        self, method: str, metadata: Sequence[tuple[str, str]], *, protocol: str
    ) -> Handler | None:
        """Return the handler of a call, which forwards it.

        Args:
            method: The full name of the method.
            metadata: The metadata, with keys in lower case.
            protocol: The name of the protocol.

        Returns:
            The handler; ``None`` if the method does not exist.
        """
        found = self._methods.get(method)
        if found is None:
            return None
        if self._channel is None:
            self._channel = self._open_channel()
        request_id = request_id_of(metadata)
        forwarded = [
            (key, value)
            for key, value in metadata
            if key in _FORWARDED and value.isascii() and value.isprintable()
        ]
        if all(key != _AUTHORIZATION for key, _ in forwarded):
            forwarded += self._own
        elif not self._is_private:
            return rejecting_handler(_IN_PLAIN_TEXT)
        response = message_factory.GetMessageClass(found.output_type)
        call = _RemoteCall(
            self._channel,
            method,
            response,
            request_id,
            [*forwarded, (REQUEST_ID_KEY, request_id)],
            self._seconds,
        )
        kind: Any = {
            (False, False): grpc.unary_unary_rpc_method_handler,
            (False, True): grpc.unary_stream_rpc_method_handler,
            (True, True): grpc.stream_stream_rpc_method_handler,
        }[found.client_streaming, found.server_streaming]
        behavior: Any = call.unary
        if found.server_streaming:
            behavior = call.streams if found.client_streaming else call.stream
        handler: Handler = kind(behavior, bytes, response.SerializeToString)
        return handler


class _RemoteCall:
    """One call, which is forwarded."""

    def __init__(
        self,
        channel: grpc.aio.Channel,
        method: str,
        response: type[Message],
        request_id: str,
        metadata: list[tuple[str, str]],
        seconds: float | None,
    ) -> None:
        # The stubs know the types of generated code only.
        self._channel: Any = channel
        self._method = method
        self._read = response.FromString
        self._request_id = request_id
        self._metadata: Any = metadata
        self._seconds = seconds

    async def unary(self, request: Any, context: InProcessContext) -> Any:
        """Forward a unary call."""
        self._begin(context)
        try:
            seconds = context.time_remaining()
            return await self._channel.unary_unary(self._method, None, self._read)(
                _content_of(request),
                metadata=self._metadata,
                timeout=self._seconds if seconds is None else seconds,
            )
        except (grpc.aio.AioRpcError, RpcError) as error:
            await _abort(context, error)

    async def stream(self, request: Any, context: InProcessContext) -> None:
        """Forward a call with a stream of responses."""
        self._begin(context)
        try:
            call = self._channel.unary_stream(self._method, None, self._read)(
                _content_of(request), metadata=self._metadata, timeout=context.time_remaining()
            )
            await _forward(call, context)
        except (grpc.aio.AioRpcError, RpcError) as error:
            await _abort(context, error)

    async def streams(self, requests: AsyncIterator[Any], context: InProcessContext) -> None:
        """Forward a call with streams of requests and responses."""
        self._begin(context)
        failures: list[RpcError] = []

        async def contents() -> AsyncIterator[bytes]:
            try:
                async for request in requests:
                    yield _content_of(request)
            except RpcError as error:
                # gRPC would cancel the call; so the requests before it are answered.
                failures.append(error)

        try:
            call = self._channel.stream_stream(self._method, None, self._read)(
                contents(), metadata=self._metadata, timeout=context.time_remaining()
            )
            await _forward(call, context)
        except grpc.aio.AioRpcError as error:
            await _abort(context, error)
        if failures:
            await errors.abort(_as_grpc(context), failures[0])

    def _begin(self, context: InProcessContext) -> None:
        context.set_trailing_metadata(((REQUEST_ID_KEY, self._request_id),))


async def _forward(call: Any, context: InProcessContext) -> None:
    """Send the responses of a call."""
    try:
        await call.initial_metadata()
        await context.send_initial_metadata(())
        async for response in call:
            await context.write(response)
    finally:
        call.cancel()


def _content_of(request: Any) -> bytes:
    """Return a request that was read.

    Raises:
        RpcError: It could not be read.
    """
    content: bytes = request if isinstance(request, bytes) else request.readable()
    return content


async def _abort(context: InProcessContext, error: grpc.aio.AioRpcError | RpcError) -> None:
    """End a call with the error of the exchange, or of its request."""
    if isinstance(error, RpcError):
        await errors.abort(_as_grpc(context), error)
    trailers: Any = error.trailing_metadata() or ()
    await context.abort(error.code(), error.details() or "", tuple(trailers))


def _as_grpc(context: InProcessContext) -> Any:
    return context
