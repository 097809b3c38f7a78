"""The rate of requests of each caller, and of each address that has no valid token."""

from __future__ import annotations

import hashlib
import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from starlette.datastructures import Headers
from starlette.responses import JSONResponse

from crucible_ir.exchange.server.rpc.call_context import ANYONE, CALLER, current_caller
from crucible_ir.exchange.server.security.limits import REMEMBERED_CALLERS, RateLimiter

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: The bits of an IPv6 address that a provider assigns: whoever has one address has all of them.
_NETWORK_BITS: Final = 64


class Rates:
    """Counts the requests of each caller, and by address those without a token that is valid.

    A token is known once a call with it was authenticated. So a client that tries many tokens has
    one rate, and callers that share an address, such as that of a proxy, have one each.

    Args:
        per_second: The most requests in a second.
        burst: The most requests at once.
        clock: Returns the time in seconds.
    """

    def __init__(
        self, per_second: float, burst: int, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.per_second = per_second
        self._limiter = RateLimiter(per_second, burst, clock)
        # The names of callers by the digests of their tokens; the last that was used is last.
        self._callers: OrderedDict[bytes, str] = OrderedDict()

    def take(self, token: bytes | None, address: str) -> float:
        """Count a request.

        Args:
            token: The digest of its token, if it has one.
            address: The address of the client.

        Returns:
            The seconds to wait if it may not be answered, else 0.
        """
        caller = None if token is None else self._callers.get(token)
        key = f"address {address}" if caller is None else f"caller {caller}"
        return 0.0 if self._limiter.take(key) else self._limiter.seconds_until_free(key)

    def learn(self, token: bytes, caller: str | None) -> None:
        """Remember the caller with a token; ``None`` if the token is not valid."""
        self._callers.pop(token, None)
        if caller is not None:
            self._callers[token] = caller
            if len(self._callers) > REMEMBERED_CALLERS:
                self._callers.popitem(last=False)


class RateMiddleware:
    """Rejects requests beyond a rate with 429 and the header Retry-After.

    Args:
        app: The application.
        rates: The rates, which applications may share.
    """

    def __init__(self, app: ASGIApp, rates: Rates) -> None:
        self._app = app
        self._rates = rates

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        credentials = Headers(scope=scope).get("authorization")
        token = None
        if credentials is not None:
            token = hashlib.sha256(credentials.encode("latin-1")).digest()
        seconds = self._rates.take(token, address_of(scope))
        if seconds:
            await _rejection(self._rates.per_second, seconds)(scope, receive, send)
            return
        # The task may have the caller of another request on the connection.
        CALLER.set(ANYONE)

        async def learn(message: Message) -> None:
            if token is not None and message["type"] == "http.response.start":
                # The call was authenticated in this task.
                self._rates.learn(token, current_caller().name)
            await send(message)

        await self._app(scope, receive, learn)


def address_of(scope: Scope) -> str:
    """Return the address of a client, or its network if that has many addresses.

    >>> address_of({"client": ("127.0.0.1", 4242)}), address_of({"client": ("2001:db8::7", 1)})
    ('127.0.0.1', '2001:db8::/64')
    """
    host: str = scope["client"][0] if scope.get("client") else ""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        # The socket of a file has no address.
        return host
    if address.version == 6 and not address.is_loopback:
        return str(ipaddress.ip_network((address, _NETWORK_BITS), strict=False))
    return str(address)


def _rejection(per_second: float, seconds: float) -> JSONResponse:
    """Return the response to a request beyond the rate, as errors of the Connect protocol are."""
    wait = max(1, math.ceil(seconds))
    content = {
        "code": "resource_exhausted",
        "message": f"rate limit exceeded: {per_second:g} requests per second (--http-max-rate)",
    }
    return JSONResponse(content, 429, {"retry-after": str(wait), "cache-control": "no-store"})
