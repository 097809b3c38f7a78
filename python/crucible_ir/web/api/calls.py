"""One call of the Connect protocol: its requests, its handler and its responses."""

from __future__ import annotations

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import grpc

from crucible_ir.errors import DecodeError, Violation
from crucible_ir.exchange.server.rpc.errors import RpcError, invalid_argument
from crucible_ir.exchange.server.rpc.in_process import (
    InProcessContext,
    is_rejected,
    no_requests,
    respond,
)
from crucible_ir.exchange.server.security.limits import (
    CallLimits,
    too_large_request,
    unreadable_request,
)
from crucible_ir.web.api.bodies import (
    COMPRESSED_FROM,
    END_FLAG,
    GZIP,
    DisconnectedError,
    TooLargeError,
    compress,
    decompress,
    envelope,
    read_body,
    read_envelopes,
)
from crucible_ir.web.api.codecs import Codec, for_callers
from crucible_ir.web.api.errors import error_values
from crucible_ir.web.api.requests import Headers, Query, content_type

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from starlette.types import Receive, Scope

    from crucible_ir.exchange.server.rpc.call_hooks import Handler
    from crucible_ir.web.api.responses import HeaderList, Sender

#: Larger messages than this are read and written on a thread, in bytes.
_THREAD_FROM: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Call:
    """A call that the interceptors have seen.

    Attributes:
        scope: The HTTP request.
        headers: Its headers.
        receive: Receives its body.
        sender: Sends the response.
        codec: How messages are written.
        handler: The handler.
        response: The class of the responses.
        request: The class of the requests.
        limits: The limits of the server.
    """

    scope: Scope
    headers: Headers
    receive: Receive
    sender: Sender
    codec: Codec
    handler: Handler
    request: type[Message]
    response: type[Message]
    limits: CallLimits

    async def read(self, data: bytes) -> Any:
        """Return a deserialized request, or one that ends the call."""
        deserialize: Any = self.handler.request_deserializer
        read = self.codec.read
        if read is None:
            return deserialize(data)
        try:
            if len(data) >= _THREAD_FROM:
                message = await asyncio.to_thread(read, data, self.request)
            else:
                message = read(data, self.request)
        except DecodeError as error:
            broken = [
                Violation(each.path, "readable", for_callers(each.reason)) for each in error.errors
            ]
            return unreadable_request(len(data), invalid_argument("invalid request", broken))
        return deserialize(message.SerializeToString())

    async def write(self, response: Any) -> bytes:
        """Return a response of the handler in the codec of the call."""
        if self.codec.read is None:
            serialize: Any = self.handler.response_serializer
            data: bytes = serialize(response)
            return data
        if isinstance(response, bytes):
            # Some methods serialize their responses themselves.
            response = self.response.FromString(response)
        if response.ByteSize() >= _THREAD_FROM:
            return await asyncio.to_thread(self.codec.write, response)
        return self.codec.write(response)


class CallResponse(ABC):
    """The response to a call."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._task = asyncio.current_task()
        self._body_read = asyncio.Event()
        self._is_disconnected = False

    @abstractmethod
    async def _send(self, response: Any) -> None:
        """Handle a response of the handler."""

    @abstractmethod
    async def _begin(self) -> None:
        """Send what precedes the first response."""

    async def _run(self, request: Any, seconds: float | None) -> None:
        """Run the handler until it ends, or the client disconnects.

        Raises:
            DisconnectedError: The client closed the connection.
        """
        self._context = InProcessContext(
            _peer(self._call.scope),
            self._send,
            begin=self._begin,
            seconds=seconds,
            certificate=self._call.scope.get("state", {}).get("certificate"),
        )
        watching = asyncio.create_task(self._watch())
        try:
            await respond(self._call.handler, request, self._context)
        except asyncio.CancelledError:
            if not self._is_disconnected or self._task is None or self._task.uncancel():
                # Something else cancelled the task as well.
                raise
            raise DisconnectedError from None
        finally:
            watching.cancel()

    async def _watch(self) -> None:
        """Cancel the call when the client disconnects."""
        await self._body_read.wait()
        while (await self._call.receive())["type"] != "http.disconnect":
            pass
        self._disconnect()

    def _disconnect(self) -> None:
        assert self._task is not None, "a coroutine runs in a task"
        self._is_disconnected = True
        self._task.cancel()

    def _timeout(self) -> float | None:
        """Check the headers of the protocol, and return the timeout of the call in seconds."""
        self._call.headers.check_version()
        return self._call.headers.timeout()

    def _headers(self) -> HeaderList:
        """Return the headers with the metadata of the call, such as its request id."""
        return [
            (key.encode("latin-1"), value.encode("latin-1"))
            for key, value in self._context.trailing_metadata()
            if isinstance(value, str)
        ]


class UnaryResponse(CallResponse):
    """The response to a unary call."""

    _body = b""

    async def answer(self, query: Query | None) -> None:
        """Answer the call.

        Args:
            query: The parameters of a GET request; ``None`` for a POST request.

        Raises:
            DisconnectedError: The client closed the connection.
        """
        call = self._call
        request, seconds = await self._request(query)
        self._body_read.set()
        await self._run(request, seconds)
        headers = self._headers()
        if self._context.error is not None:
            await call.sender.error(self._context.error, headers)
            return
        body = self._body
        headers.append((b"vary", b"accept-encoding"))
        if len(body) >= COMPRESSED_FROM and call.headers.accepts_gzip("accept-encoding"):
            body = compress(body)
            headers.append((b"content-encoding", GZIP.encode()))
        headers.append((b"content-type", content_type(call.codec, is_stream=False).encode()))
        await call.sender.whole(200, headers, body)

    async def _request(self, query: Query | None) -> tuple[Any, float | None]:
        """Return the deserialized request, or one that ends the call, and the timeout."""
        call = self._call
        if is_rejected(call.handler):
            return no_requests(), None
        most = call.limits.message_bytes
        seconds = None
        try:
            seconds = self._timeout()
            async with asyncio.timeout(_shorter(seconds, call.limits.seconds)):
                if query is None:
                    body = await read_body(call.receive, most)
                    data = decompress(body, call.headers.get("content-encoding"), most)
                else:
                    data = query.message(most)
                return await call.read(data), seconds
        except TooLargeError as error:
            return too_large_request(error.size, most), seconds
        except RpcError as error:
            return unreadable_request(0, error), seconds
        except TimeoutError:
            return unreadable_request(0, late()), seconds

    async def _begin(self) -> None:
        """Do nothing: the headers depend on whether the call succeeds."""

    async def _send(self, response: Any) -> None:
        """Keep the response."""
        self._body = await self._call.write(response)


class StreamResponse(CallResponse):
    """The response to a call with a stream of requests, of responses, or of both."""

    async def answer(self, *, has_requests: bool) -> None:
        """Answer the call.

        Args:
            has_requests: Whether there is a stream of requests, or one.

        Raises:
            DisconnectedError: The client closed the connection.
        """
        call = self._call
        async with aclosing(self._requests()) as requests:
            request: Any = requests
            seconds = None
            if not is_rejected(call.handler):
                try:
                    seconds = self._timeout()
                    if not has_requests:
                        async with asyncio.timeout(_shorter(seconds, call.limits.seconds)):
                            request = await _only(requests)
                except RpcError as error:
                    request = unreadable_request(0, error)
                except TimeoutError:
                    request = unreadable_request(0, late())
                if has_requests and request is not requests:
                    request = _single(request)
            await self._run(request, seconds)
        await self._begin()
        values: dict[str, Any] = {}
        if self._context.error is not None:
            values["error"] = error_values(self._context.error)
        end = json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode()
        await call.sender.body(envelope(end, END_FLAG))

    async def _requests(self) -> AsyncGenerator[Any]:
        """Yield the deserialized requests; the last one may end the call."""
        call = self._call
        most = call.limits.message_bytes
        compression = call.headers.get("connect-content-encoding")
        try:
            async with aclosing(read_envelopes(call.receive, compression, most)) as messages:
                async for data in messages:
                    yield await call.read(data)
            self._body_read.set()
        except TooLargeError as error:
            yield too_large_request(error.size, most)
        except RpcError as error:
            yield unreadable_request(0, error)
        except DisconnectedError:
            # As gRPC does, so that nothing takes this for the end of the requests.
            self._disconnect()
            await asyncio.Event().wait()

    async def _send(self, response: Any) -> None:
        data = await self._call.write(response)
        await self._begin()
        await self._call.sender.body(envelope(data, compressed=self._is_compressed), more=True)

    async def _begin(self) -> None:
        """Send the headers, once."""
        call = self._call
        if call.sender.has_started:
            return
        headers = self._headers()
        headers.append((b"content-type", content_type(call.codec, is_stream=True).encode()))
        # A proxy would keep messages back.
        headers.append((b"x-accel-buffering", b"no"))
        if self._is_compressed:
            headers.append((b"connect-content-encoding", GZIP.encode()))
        await call.sender.start(200, headers)

    @property
    def _is_compressed(self) -> bool:
        return self._call.headers.accepts_gzip("connect-accept-encoding")


async def _only(requests: AsyncIterator[Any]) -> Any:
    """Return the only request of a stream.

    Raises:
        RpcError: There is none, or another one.
    """
    found = [request async for request in requests]
    if len(found) != 1:
        raise RpcError(
            grpc.StatusCode.UNIMPLEMENTED,
            f"this method takes one request message, and the stream has {len(found)}",
        )
    return found[0]


async def _single(request: Any) -> AsyncIterator[Any]:
    yield request


def late() -> RpcError:
    """Return the error for a request that has not arrived in time."""
    return RpcError(grpc.StatusCode.DEADLINE_EXCEEDED, "the request has not arrived in time")


def _shorter(*seconds: float | None) -> float | None:
    """Return the shortest of some timeouts; ``None`` if there is none."""
    return min((each for each in seconds if each is not None), default=None)


def _peer(scope: Scope) -> str:
    """Return the address of the client as gRPC writes it."""
    client = scope.get("client")
    if client is None:
        return "unix:"
    host, port = client
    if ":" in host:
        return f"ipv6:{quote(f'[{host}]')}:{port}"
    return f"ipv4:{host}:{port}"
