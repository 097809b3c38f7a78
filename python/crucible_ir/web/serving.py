"""The HTTP listener of an exchange: one application of the API and the console, and its server."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import socket
import ssl
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Mount, Route

from crucible_ir.exchange.server.listening import Address, TlsFiles, bind_problem
from crucible_ir.exchange.server.options import ServingError
from crucible_ir.web.connections import LimitedConnection
from crucible_ir.web.prefix import Prefixed

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

_log: Final = logging.getLogger("crucible_ir.exchange.http")

#: The connections that wait to be accepted.
_BACKLOG: Final = 1024

#: The most bytes of the headers of a request by default.
HEADER_BYTES: Final = 16 * 1024

#: The most bytes of the path and the query of a request, roughly: a GET request has the message of
#: a call there.
_TARGET_BYTES: Final = 64 * 1024

#: How long open responses such as live pages may take to end, in seconds.
_STOP_SECONDS: Final = 2


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """The options of a listener for HTTP.

    Attributes:
        address: The address to listen on.
        prefix: The path under which a proxy offers the application, such as ``/exchange``.
        hosts: The names by which clients may address the server; empty for any. IP addresses and
            ``localhost`` are always permitted.
        tls: The certificates; ``None`` for plain text.
        connections: The most connections.
        idle_seconds: How long a connection may be idle.
        write_seconds: How long a client may take to receive a part of a response.
        header_bytes: The most bytes of the headers of a request.
    """

    address: Address
    prefix: str = ""
    hosts: Collection[str] | None = None
    tls: TlsFiles | None = None
    connections: int = 10_000
    idle_seconds: float = 20.0
    write_seconds: float = 60.0
    header_bytes: int = HEADER_BYTES


def web_application(
    routes: Sequence[BaseRoute],
    console: Starlette | None = None,
    *,
    is_ready: Callable[[], bool] = lambda: True,
    prefix: str = "",
    hosts: Collection[str] | None = None,
    header_bytes: int = HEADER_BYTES,
) -> WebApplication:
    """Return one application of the API and the console.

    Args:
        routes: The routes of the API.
        console: The console, which gets every other path.
        is_ready: Returns whether the server can answer calls.
        prefix: The path under which a proxy offers the application. The proxy may remove it or not.
        hosts: The names that the header Host may have, besides IP addresses and ``localhost``;
            ``None`` for any.
        header_bytes: The most bytes of the headers of a request.
    """

    async def healthz(request: Request) -> PlainTextResponse:
        return PlainTextResponse("ok\n")

    async def readyz(request: Request) -> PlainTextResponse:
        if is_ready():
            return PlainTextResponse("ready\n")
        return PlainTextResponse("not ready\n", 503)

    all_routes = [Route("/healthz", healthz), Route("/readyz", readyz), *routes]
    if console is not None:
        all_routes.append(Mount("/", console))
    application = Starlette(routes=all_routes)
    return WebApplication(Prefixed(application, prefix), console, hosts, header_bytes)


class WebApplication:
    """The API and the console; it checks the host and the size of the headers of each request."""

    def __init__(
        self,
        application: ASGIApp,
        console: Starlette | None,
        hosts: Collection[str] | None,
        header_bytes: int,
    ) -> None:
        self._header_bytes = header_bytes
        self._application = application
        self._console = console
        self._hosts = None if hosts is None else {host.lower() for host in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "lifespan":
            # Mounted applications do not get it.
            await (self._console or self._application)(scope, receive, send)
            return
        if sum(len(name) + len(value) for name, value in scope["headers"]) > self._header_bytes:
            text = f"the headers have more than {self._header_bytes} bytes\n"
            await PlainTextResponse(text, 431, {"connection": "close"})(scope, receive, send)
            return
        if not self._is_permitted(Headers(scope=scope).get("host", "")):
            # Otherwise a page of another site could reach the server under a name of its own.
            text = "unknown host; name it with --http-host\n"
            await PlainTextResponse(text, 421)(scope, receive, send)
            return
        await self._application(scope, receive, send)

    def drain(self) -> None:
        """End the live pages of the console."""
        if self._console is not None:
            self._console.state.drain()

    def _is_permitted(self, host: str) -> bool:
        if self._hosts is None:
            return True
        name = host.rpartition(":")[0] if _has_port(host) else host
        name = name.strip("[]").lower().rstrip(".")
        if name == "localhost" or name in self._hosts:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


def _has_port(host: str) -> bool:
    return host.rpartition(":")[2].isdigit() and not host.endswith("]") and host.count(":") >= 1


class _Forwarding(logging.Handler):
    """Sends what uvicorn logs to the log of the exchange; only its errors matter to operators."""

    def emit(self, record: logging.LogRecord) -> None:
        is_error = record.levelno >= logging.ERROR
        level = record.levelno if is_error else logging.DEBUG
        _log.log(level, "%s", record.getMessage().strip(), exc_info=record.exc_info)


def _forward_log() -> None:
    found = logging.getLogger("uvicorn.error")
    found.propagate = False
    found.handlers[:] = [_Forwarding()]


class _Uvicorn(uvicorn.Server):
    """A server that leaves signals to the exchange."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class WebServer:
    """Serves an application over HTTP in the running event loop.

    Args:
        application: The application.
        options: The options.

    Attributes:
        address: The address, with the actual port once the server has started.
    """

    def __init__(self, application: WebApplication, options: HttpOptions) -> None:
        self._application = application
        self._options = options
        self.address = options.address
        self._listening: socket.socket | None = None
        self._ssl: ssl.SSLContext | None = None
        self._server: _Uvicorn | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """The URL of the application."""
        scheme = "http" if self._options.tls is None else "https"
        return f"{scheme}://{self.address}{self._options.prefix}"

    async def start(self) -> None:
        """Start to answer requests.

        Raises:
            ServingError: It cannot listen on its address.
        """
        options = self._options
        if self._listening is None:
            self.bind()
        assert self._listening is not None
        config = uvicorn.Config(
            self._application,
            http=LimitedConnection,
            ws="none",
            loop="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            backlog=_BACKLOG,
            # It rejects requests from this number on.
            limit_concurrency=options.connections + 1,
            timeout_keep_alive=max(1, round(options.idle_seconds)),
            timeout_graceful_shutdown=_STOP_SECONDS,
            h11_max_incomplete_event_size=_TARGET_BYTES + options.header_bytes,
        )
        config.load()
        _forward_log()
        config.ssl = self._ssl = self._context()
        self._server = _Uvicorn(config)
        self._task = asyncio.create_task(self._server.serve(sockets=[self._listening]))
        while not self._server.started:
            if self._task.done():
                self._task.result()
                raise ServingError(f"cannot serve HTTP on {self.address}")
            await asyncio.sleep(0.005)
        _log.info("serving HTTP on %s", self.url)

    def drain(self) -> None:
        """End the live pages of the console; calls end by themselves."""
        self._application.drain()

    async def stop(self) -> None:
        """Stop to listen, and close the connections."""
        if self._server is None or self._task is None:
            return
        self._server.should_exit = True
        await self._task

    def reload(self) -> None:
        """Read the certificates again; new connections use them."""
        if self._ssl is not None and self._options.tls is not None:
            _load(self._ssl, self._options.tls)

    def bind(self) -> None:
        """Take the address.

        Raises:
            ServingError: It cannot listen on its address.
        """
        address = self._options.address
        if address.port is None:
            raise ServingError(f"cannot serve HTTP on {address}: expected HOST:PORT")
        try:
            [(family, *_), *_] = socket.getaddrinfo(address.host, address.port)
            found = socket.create_server((address.host, address.port), family=family)
        except OSError:
            reason = bind_problem(address)
            raise ServingError(f"cannot serve HTTP on {address}: {reason}") from None
        found.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        found.setblocking(False)
        self.address = Address(address.host, found.getsockname()[1])
        self._listening = found

    def _context(self) -> ssl.SSLContext | None:
        tls = self._options.tls
        if tls is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        _load(context, tls)
        if tls.client_ca is not None:
            context.verify_mode = ssl.CERT_REQUIRED
        return context


def _load(context: ssl.SSLContext, tls: TlsFiles) -> None:
    context.load_cert_chain(tls.certificate, tls.key)
    if tls.client_ca is not None:
        context.load_verify_locations(cadata=Path(tls.client_ca).read_text("ascii"))
