"""The Connect protocol (connectrpc.com/docs/protocol) for the services of an exchange.

Unary calls are plain HTTP: the message is the body of a POST request, or a parameter of a GET
request for methods without side effects. In streams each message has a prefix with its length, and
the last one of the response has the status of the call.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import grpc
from google.protobuf import message_factory

from crucible_ir.exchange import v1
from crucible_ir.exchange.server.rpc.errors import RpcError
from crucible_ir.exchange.server.rpc.in_process import Calls
from crucible_ir.exchange.server.security.limits import CallLimits
from crucible_ir.web.api.bodies import DisconnectedError
from crucible_ir.web.api.calls import Call, StreamResponse, UnaryResponse
from crucible_ir.web.api.codecs import CODECS
from crucible_ir.web.api.requests import Headers, Query, codec_of, content_type
from crucible_ir.web.api.responses import Sender

if TYPE_CHECKING:
    from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
    from google.protobuf.message import Message
    from starlette.types import Receive, Scope, Send

#: The name of the protocol in logs and metrics.
PROTOCOL: Final = "connect"


#: The package of the services.
PACKAGE: Final = v1.GetRequest.DESCRIPTOR.file.package


@dataclass(frozen=True, slots=True)
class Method:
    """A method that can be called.

    Attributes:
        name: The full name, as ``/crucible_ir.exchange.v1.ExchangeService/Get``.
        request: The class of its requests.
        response: The class of its responses.
        is_stream: Whether its requests or responses are a stream.
        has_requests: Whether its requests are a stream.
        takes_get: Whether it can be called by GET.
    """

    name: str
    request: type[Message]
    response: type[Message]
    is_stream: bool
    has_requests: bool
    takes_get: bool

    @classmethod
    def of(cls, descriptor: MethodDescriptor) -> Method:
        """Return a method of a service."""
        options = descriptor.GetOptions()
        is_stream = descriptor.client_streaming or descriptor.server_streaming
        return cls(
            f"/{descriptor.containing_service.full_name}/{descriptor.name}",
            message_factory.GetMessageClass(descriptor.input_type),
            message_factory.GetMessageClass(descriptor.output_type),
            is_stream,
            descriptor.client_streaming,
            not is_stream and options.idempotency_level == options.NO_SIDE_EFFECTS,
        )


class ConnectService:
    """Serves the methods of one service, as an ASGI application with the path parameter ``method``.

    Args:
        calls: The handlers.
        service: The service.
        limits: The limits of the server.
        write_seconds: How long a client may take to receive a message.
    """

    def __init__(
        self,
        calls: Calls,
        service: ServiceDescriptor,
        limits: CallLimits,
        write_seconds: float,
    ) -> None:
        self._calls = calls
        self._service = service.full_name
        self._methods = {method.name: Method.of(method) for method in service.methods}
        self._limits = limits
        self._write_seconds = write_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        # The client does not wait for an answer any more.
        with suppress(DisconnectedError):
            await self._answer(scope, receive, Sender(scope, send, self._write_seconds))

    async def _answer(self, scope: Scope, receive: Receive, sender: Sender) -> None:
        headers = Headers(scope)
        name = scope["path_params"]["method"]
        method = self._methods.get(name)
        if method is None:
            await _unknown(self._calls, f"/{self._service}/{name}", headers, sender)
            return
        verbs = ("GET", "POST") if method.takes_get else ("POST",)
        if scope["method"] not in verbs:
            await sender.whole(405, [(b"allow", ", ".join(verbs).encode())], b"")
            return
        query = None
        if scope["method"] == "GET":
            try:
                query = Query.parse(scope)
            except RpcError as error:
                await sender.error(error, [])
                return
            codec = query.codec
        else:
            codec = codec_of(headers.media_type, is_stream=method.is_stream)
        if codec is None:
            types = [content_type(each, is_stream=method.is_stream) for each in CODECS.values()]
            await sender.whole(415, [(b"accept-post", ", ".join(types).encode())], b"")
            return
        handler = await self._calls.admit(method.name, headers.metadata, protocol=PROTOCOL)
        assert handler is not None, "the methods of a descriptor are registered"
        call = Call(
            scope=scope,
            headers=headers,
            receive=receive,
            sender=sender,
            codec=codec,
            handler=handler,
            request=method.request,
            response=method.response,
            limits=self._limits,
        )
        if method.is_stream:
            await StreamResponse(call).answer(has_requests=method.has_requests)
        else:
            await UnaryResponse(call).answer(query)


class UnknownMethods:
    """Answers calls to methods that do not exist, as an ASGI application.

    Args:
        calls: The handlers, which report the calls.
        write_seconds: How long a client may take to receive a message.
    """

    def __init__(self, calls: Calls, write_seconds: float) -> None:
        self._calls = calls
        self._write_seconds = write_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        path = f"/{PACKAGE}.{scope['path_params']['method']}"
        sender = Sender(scope, send, self._write_seconds)
        with suppress(DisconnectedError):
            await _unknown(self._calls, path, Headers(scope), sender)


async def _unknown(calls: Calls, path: str, headers: Headers, sender: Sender) -> None:
    """Answer a call to a method that does not exist."""
    await calls.admit(path, headers.metadata, protocol=PROTOCOL)
    error = RpcError(grpc.StatusCode.UNIMPLEMENTED, "there is no such method")
    await sender.error(error, [], 404)
