"""``crucible-ir console``: show an exchange in a browser."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING, Final

import click

from crucible_ir.cli.commands.exchange.connection import Server, server_options, silence_grpc
from crucible_ir.cli.commands.exchange.http_options import check_prefix
from crucible_ir.cli.program import Command
from crucible_ir.cli.session import GOOD, CannotRunError, Session

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.applications import Starlette

    from crucible_ir.exchange.server.listening import Address
    from crucible_ir.web.serving import WebApplication, WebServer

_EXAMPLES = (
    ("crucible-ir console", "Show the exchange on this machine at http://127.0.0.1:8080/."),
    (
        "crucible-ir console --server exchange.example.org:7551 --ca ca.pem",
        "Show an exchange on another machine; readers sign in with their tokens.",
    ),
)

#: The seconds that a client of the HTTP API may take to receive a part of a response.
_WRITE_SECONDS: Final = 60.0


@click.command(cls=Command, examples=_EXAMPLES)
@click.option(
    "--http",
    "address",
    default="127.0.0.1:8080",
    show_default=True,
    metavar="ADDRESS",
    help="Serve the console at HOST:PORT (port 0: any free port).",
)
@click.option(
    "--http-host",
    "hosts",
    multiple=True,
    metavar="NAME",
    help="A host name at which browsers reach the console; repeatable; by default this machine's.",
)
@click.option(
    "--http-prefix",
    "prefix",
    default="",
    metavar="PATH",
    help="The path below which a proxy serves the console, such as /console.",
)
@click.option(
    "--insecure",
    is_flag=True,
    help="Serve other machines without TLS, which a proxy in front of the console should add.",
)
@server_options
@click.pass_obj
def command(
    session: Session,
    address: str,
    hosts: tuple[str, ...],
    prefix: str,
    insecure: bool,
    server: Server,
) -> int:
    """Show an exchange in a browser, and offer its HTTP API.

    Readers sign in with their own tokens if the exchange requires one. With --token-file or
    CRUCIBLE_IR_TOKEN the console uses that token for readers who are not signed in, and serves this
    machine only. The console runs until it is interrupted.
    """
    silence_grpc()
    from crucible_ir.exchange.server.listening import parse_address
    from crucible_ir.extras import optional_module

    listening = parse_address(address)
    if listening.port is None:
        raise click.BadParameter("expected HOST:PORT", param_hint="--http")
    check_prefix(prefix)
    _check(listening, hosts, insecure, has_token=server.token() is not None)
    for module in ("jinja2", "starlette", "uvicorn"):
        optional_module(module, "web")
    from crucible_ir.web.console import application
    from crucible_ir.web.serving import HttpOptions, WebServer

    console = application(server.client, hosts=hosts, name=server.target)
    options = HttpOptions(listening, prefix, write_seconds=_WRITE_SECONDS)
    web = WebServer(_with_api(console, server, prefix, hosts), options)
    asyncio.run(_serve(web, lambda: session.out().print(f"console at {web.url}/")))
    return GOOD


async def _serve(web: WebServer, announce: Callable[[], None]) -> None:
    """Serve until SIGINT or SIGTERM.

    Raises:
        ServingError: The address cannot be used.
    """
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    await web.start()
    announce()
    await stopped.wait()
    web.drain()
    await web.stop()


def _with_api(
    console: Starlette, server: Server, prefix: str, hosts: tuple[str, ...]
) -> WebApplication:
    """Return the console and the HTTP API, whose calls are forwarded to the exchange."""
    from crucible_ir.exchange.client.addresses import is_loopback
    from crucible_ir.exchange.server.security.limits import CallLimits
    from crucible_ir.web.api.remote import RemoteCalls
    from crucible_ir.web.api.routes import api_routes
    from crucible_ir.web.console.security import ANY_HOST
    from crucible_ir.web.serving import web_application

    connection = server.connection()
    calls = RemoteCalls(
        connection.open_async,
        is_private=connection.tls is not None or is_loopback(connection.target),
        token=server.token(),
        seconds=server.timeout,
    )
    routes = api_routes(calls, CallLimits(), write_seconds=_WRITE_SECONDS, requires_token=False)
    return web_application(
        routes, console, prefix=prefix, hosts=None if ANY_HOST in hosts else hosts
    )


def _check(listening: Address, hosts: tuple[str, ...], insecure: bool, *, has_token: bool) -> None:
    """Check the address.

    Raises:
        CannotRunError: It would expose a token.
    """
    if listening.is_local:
        return
    if has_token:
        raise CannotRunError(
            f"{listening}: with a token of its own the console serves this machine only; leave the"
            " token out, so that readers sign in"
        )
    if not insecure:
        raise CannotRunError(
            f"{listening}: tokens would travel without TLS; serve 127.0.0.1 behind a proxy with"
            " TLS, or add --insecure"
        )
    if not hosts:
        raise CannotRunError(f"{listening}: name the host that browsers use with --http-host")
