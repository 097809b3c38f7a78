"""``GET /openapi.json``: the OpenAPI document of this server."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import orjson

from crucible_ir.web.api.bodies import GZIP, DisconnectedError, compress
from crucible_ir.web.api.openapi import openapi
from crucible_ir.web.api.requests import Headers
from crucible_ir.web.api.responses import Sender

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send


class OpenApiEndpoint:
    """Describes the HTTP API, as an ASGI application.

    Args:
        requires_token: Whether callers must send a token.
        write_seconds: How long a client may take to receive the response.
    """

    def __init__(self, *, requires_token: bool, write_seconds: float) -> None:
        self._requires_token = requires_token
        self._write_seconds = write_seconds
        # The document and its compressed bytes, by the path that its paths begin with.
        self._bodies: dict[str, tuple[bytes, bytes]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        # The client does not wait for an answer any more.
        with suppress(DisconnectedError):
            await self._answer(scope, Sender(scope, send, self._write_seconds))

    async def _answer(self, scope: Scope, sender: Sender) -> None:
        if scope["method"] not in ("GET", "HEAD"):
            await sender.whole(405, [(b"allow", b"GET, HEAD")], b"")
            return
        url = scope.get("root_path") or "/"
        if url not in self._bodies:
            # It takes half a second.
            self._bodies[url] = await asyncio.to_thread(self._made, url)
        body, compressed = self._bodies[url]
        headers = [(b"content-type", b"application/json"), (b"vary", b"accept-encoding")]
        if Headers(scope).accepts_gzip("accept-encoding"):
            headers.append((b"content-encoding", GZIP.encode()))
            body = compressed
        await sender.whole(200, headers, body)

    def _made(self, url: str) -> tuple[bytes, bytes]:
        body = orjson.dumps(openapi(url=url, requires_token=self._requires_token))
        return body, compress(body)
