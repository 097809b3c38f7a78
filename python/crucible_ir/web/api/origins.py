"""Cross-origin requests (CORS): which web pages of other origins may call the API."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from starlette.middleware.cors import CORSMiddleware

if TYPE_CHECKING:
    from starlette.types import ASGIApp

#: Every origin.
ANY_ORIGIN: Final = "*"

#: The headers of requests that pages may set, besides those that they always may.
_REQUEST_HEADERS: Final = (
    "Authorization",
    "Connect-Accept-Encoding",
    "Connect-Content-Encoding",
    "Connect-Protocol-Version",
    "Connect-Timeout-Ms",
    "Content-Encoding",
    "Content-Type",
    "X-Request-Id",
)

#: The headers of responses that pages may read, besides those that they always may.
_RESPONSE_HEADERS: Final = (
    "Connect-Content-Encoding",
    "Content-Encoding",
    "Retry-After",
    "X-Request-Id",
)

#: How long a browser may keep the answer to a question about CORS, in seconds.
_MAX_AGE: Final = 3600


def with_origins(app: ASGIApp, origins: Collection[str]) -> ASGIApp:
    """Return an application that pages of some origins may call.

    Callers authenticate by tokens and not by cookies, so a page can do no more than its token
    permits.

    Args:
        app: The application.
        origins: The origins, or `ANY_ORIGIN`.
    """
    return CORSMiddleware(
        app,
        allow_origins=tuple(origins),
        allow_methods=("GET", "POST"),
        allow_headers=_REQUEST_HEADERS,
        expose_headers=_RESPONSE_HEADERS,
        max_age=_MAX_AGE,
    )


def is_origin(text: str) -> bool:
    """Return whether a text is an origin as browsers send it, or `ANY_ORIGIN`.

    >>> is_origin("https://app.example.com"), is_origin("http://localhost:5173"), is_origin("*")
    (True, True, True)
    >>> is_origin("app.example.com"), is_origin("https://app.example.com/")
    (False, False)
    """
    if text == ANY_ORIGIN:
        return True
    try:
        parts = urlsplit(text)
        port = "" if parts.port is None else f":{parts.port}"
    except ValueError:
        return False
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    is_http = parts.scheme in ("http", "https") and host != ""
    return is_http and text == f"{parts.scheme}://{host}{port}"
