"""HTTP beside an exchange: the API and the console of a server in this process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crucible_ir.exchange.client.async_client import AsyncExchangeClient
from crucible_ir.web.api.origins import with_origins
from crucible_ir.web.api.rates import RateMiddleware, Rates
from crucible_ir.web.api.routes import api_routes
from crucible_ir.web.console import application as console
from crucible_ir.web.console.security import ANY_HOST
from crucible_ir.web.serving import HttpOptions, WebServer, web_application

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp

    from crucible_ir.exchange.server.listening import Address
    from crucible_ir.exchange.server.options import ServerOptions, Settings
    from crucible_ir.exchange.server.serving import ExchangeServer


@dataclass(frozen=True, slots=True)
class FrontendOptions:
    """The options of HTTP beside an exchange.

    Attributes:
        address: The address to listen on.
        prefix: The path under which a proxy offers the application.
        hosts: The names by which clients may address the server, besides IP addresses and
            ``localhost``. They are checked if names are given, or the server requires no
            credentials.
        origins: The origins whose pages may call the API (CORS).
        requests_per_second: The most requests to the API of one caller in a second; ``None`` for
            any number.
        burst: The most requests of one caller at once, if there is a rate.
    """

    address: Address
    prefix: str = ""
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    requests_per_second: float | None = None
    burst: int = 100


def add_http(
    server: ExchangeServer, http: FrontendOptions, options: ServerOptions, settings: Settings
) -> WebServer:
    """Serve HTTP beside an exchange, which starts and stops it.

    Args:
        server: The exchange, not yet started.
        http: The options of HTTP.
        options: The options of the exchange.
        settings: The settings of its services.

    Raises:
        ServingError: The address can be reached by others, and the options do not permit that.
    """
    options.check_reach(http.address)
    is_checked = bool(http.hosts) or not options.requires_credentials

    def connect(token: str | None) -> AsyncExchangeClient:
        return AsyncExchangeClient(server.private_target, token=token)

    server.listen_privately()
    # Readers cannot sign in without tokens, and the console has no certificate of theirs.
    has_console = options.requires_token or not options.requires_credentials
    application = web_application(
        api_routes(
            server.calls,
            options.limits,
            write_seconds=settings.slow_consumer_seconds,
            requires_token=options.requires_token,
            guard=_guard(http),
        ),
        # The hosts are checked already.
        console(connect, hosts=(ANY_HOST,)) if has_console else None,
        is_ready=lambda: server.is_ready,
        prefix=http.prefix,
        hosts=http.hosts if is_checked else None,
        header_bytes=options.limits.metadata_bytes,
    )
    web_options = HttpOptions(
        http.address,
        http.prefix,
        tls=options.tls,
        connections=options.most_connections,
        idle_seconds=options.keepalive.idle_seconds or 3600.0,
        write_seconds=settings.slow_consumer_seconds,
        header_bytes=options.limits.metadata_bytes,
    )
    found = WebServer(application, web_options)
    server.add(found)
    return found


def _guard(http: FrontendOptions) -> Callable[[ASGIApp], ASGIApp]:
    """Return a function that adds the rate and the origins to an application of the API."""
    rate = http.requests_per_second
    rates = None if rate is None else Rates(rate, http.burst)

    def guard(app: ASGIApp) -> ASGIApp:
        if rates is not None:
            app = RateMiddleware(app, rates)
        # A page must be able to read the rejections of the rate too.
        return with_origins(app, http.origins) if http.origins else app

    return guard
