"""What every response of the console has, and what every request must satisfy."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: No inline script or style, nothing of another origin, in no frame.
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)

_HEADERS: Final = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    # Of a form's own origin browsers say nothing under no-referrer: they send `Origin: null`.
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}

#: The hosts of a server that only this machine reaches.
LOOPBACK_HOSTS: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
#: A value of `hosts` that permits every host.
ANY_HOST: Final = "*"

_HOST: Final = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::[0-9]{1,5})?", re.IGNORECASE)
_SAFE_METHODS: Final = frozenset({"GET", "HEAD"})


class Security:
    """Middleware that checks the host and the origin of requests and adds headers to responses.

    The Host header must have a known name, since a page of another site could otherwise reach the
    console through a name that it lets point to this machine. A request that may change something
    must come from a page of the console: browsers say where it comes from, and no page of another
    origin can say otherwise.

    Args:
        app: The application.
        hosts: The permitted host names; empty for those of this machine only.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str] = ()) -> None:
        self.app = app
        self._hosts = frozenset(map(str.lower, hosts)) or LOOPBACK_HOSTS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check a request and answer it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        headers = Headers(scope=scope)
        problem = self._problem(scope["method"], headers)
        if problem is None:
            await self.app(scope, receive, send_with_headers)
        else:
            status, reason = problem
            await PlainTextResponse(f"{reason}\n", status)(scope, receive, send_with_headers)

    def _problem(self, method: str, headers: Headers) -> tuple[int, str] | None:
        """Return the status and the reason of a rejection; ``None`` for a good request."""
        host = headers.get("host", "")
        match = _HOST.fullmatch(host)
        if match is None or not {match["name"].lower(), ANY_HOST} & self._hosts:
            return 400, (
                f"unknown host {host[:100]!r}: use the console's own address, or permit the name"
                " with --http-host"
            )
        if method not in _SAFE_METHODS and not _is_same_origin(host, headers):
            return 403, (
                "the request does not come from a page of the console: reload the page."
                " Programs call the HTTP API of `crucible-ir serve --http`, whose paths"
                " `crucible-ir openapi` lists"
            )
        return None


def _is_same_origin(host: str, headers: Headers) -> bool:
    """Return whether a page of the console made a request.

    Every browser sends ``Origin`` with a form; ``Sec-Fetch-Site`` only over HTTPS and locally.
    """
    origin = headers.get("origin")
    if origin is None or urlsplit(origin).netloc.lower() != host.lower():
        return False
    return headers.get("sec-fetch-site", "same-origin") == "same-origin"
