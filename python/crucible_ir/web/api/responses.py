"""Sends the parts of an HTTP response."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import grpc
from google.rpc.status_pb2 import Status

from crucible_ir.exchange.server.rpc.errors import RpcError, status_of
from crucible_ir.web.api.bodies import DisconnectedError
from crucible_ir.web.api.errors import CODES, HTTP_STATUSES, error_body, retry_seconds

if TYPE_CHECKING:
    from starlette.types import Scope, Send

    HeaderList = list[tuple[bytes, bytes]]

#: Responses contain data that only the caller may see, and the next one may differ.
_HEADERS: Final = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
)

#: How long a connection may take to close after it was aborted, in seconds.
_CLOSE_SECONDS: Final = 1.0


class Sender:
    """Sends a response; a client that takes too long to receive it is disconnected.

    Args:
        scope: The request.
        send: Sends a message of ASGI.
        seconds: How long a client may take to receive a part of the response.

    Attributes:
        has_started: Whether the headers were sent.
    """

    def __init__(self, scope: Scope, send: Send, seconds: float) -> None:
        self._scope = scope
        self._send = send
        self._seconds = seconds
        self.has_started = False

    async def start(self, status: int, headers: HeaderList) -> None:
        """Send the status and the headers.

        Raises:
            DisconnectedError: The client did not receive it in time.
        """
        self.has_started = True
        headers = [*headers, *_HEADERS]
        await self._within({"type": "http.response.start", "status": status, "headers": headers})

    async def body(self, data: bytes, *, more: bool = False) -> None:
        """Send a part of the body.

        Args:
            data: The part.
            more: Whether more parts follow.

        Raises:
            DisconnectedError: The client did not receive it in time.
        """
        await self._within({"type": "http.response.body", "body": data, "more_body": more})

    async def whole(self, status: int, headers: HeaderList, body: bytes) -> None:
        """Send a whole response."""
        await self.start(status, [*headers, (b"content-length", str(len(body)).encode())])
        await self.body(body)

    async def error(
        self, error: RpcError | Status, headers: HeaderList, status: int | None = None
    ) -> None:
        """Send the error of a unary call.

        Args:
            error: The error.
            headers: The headers besides those of every error.
            status: The HTTP status; by default that of the code.
        """
        if isinstance(error, RpcError):
            error = status_of(error)
        code = CODES[error.code]
        if code is grpc.StatusCode.UNAUTHENTICATED:
            headers = [*headers, (b"www-authenticate", b"Bearer")]
        seconds = retry_seconds(error)
        if seconds is not None:
            headers = [*headers, (b"retry-after", str(seconds).encode())]
        headers = [*headers, (b"content-type", b"application/json")]
        await self.whole(status or HTTP_STATUSES[code], headers, error_body(error))

    async def _within(self, message: dict[str, Any]) -> None:
        try:
            async with asyncio.timeout(self._seconds):
                await self._send(message)
        except TimeoutError:
            if abort := self._scope.get("state", {}).get("abort"):
                abort()
                # The end of the connection cancels the call.
                await asyncio.sleep(_CLOSE_SECONDS)
            raise DisconnectedError from None
