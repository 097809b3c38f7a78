"""``crucible-ir serve``: run an exchange."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crucible_ir.cli.options import DURATION
from crucible_ir.cli.program import Command
from crucible_ir.cli.session import GOOD

if TYPE_CHECKING:
    from datetime import timedelta

    from crucible_ir.exchange.server.listening import Address
    from crucible_ir.exchange.server.options import ServerOptions, Settings

_EXAMPLES = (
    ("crucible-ir serve", "On this machine only, into exchange.db in this folder."),
    (
        "crucible-ir serve --listen 0.0.0.0:50551 --tls-cert cert.pem --tls-key key.pem"
        " --tokens tokens.json",
        "For other machines: encrypted, and for those who have a token.",
    ),
    (
        "crucible-ir serve --store postgresql://localhost/exchange --health --metrics-port 9464",
        "On PostgreSQL, with a health service and metrics.",
    ),
    (
        "crucible-ir serve --keep-history 90d",
        "Drop revisions that are older than ninety days and not the latest of their document.",
    ),
)

_FILE = click.Path(dir_okay=False, path_type=Path)

#: The options, in the order of the help. The defaults are those of the server's own settings.
_OPTIONS = (
    click.option(
        "--listen", metavar="ADDRESS", help="HOST:PORT (port 0 for a free one) or unix:PATH."
    ),
    click.option(
        "--store",
        default="exchange.db",
        show_default=True,
        metavar="STORE",
        help="A file, made on first use, or postgresql://...",
    ),
    click.option("--tls-cert", type=_FILE, metavar="FILE", help="The certificate chain, in PEM."),
    click.option("--tls-key", type=_FILE, metavar="FILE", help="The certificate's key, in PEM."),
    click.option(
        "--client-ca",
        type=_FILE,
        metavar="FILE",
        help="Ask clients for certificates of these roots.",
    ),
    click.option(
        "--certificate-role",
        type=click.Choice(["reader", "publisher", "admin"]),
        default="reader",
        show_default=True,
        help="What a client certificate allows, where no tokens are asked for.",
    ),
    click.option(
        "--tokens", type=_FILE, metavar="FILE", help="Ask for tokens (see `crucible-ir tokens`)."
    ),
    click.option(
        "--insecure",
        is_flag=True,
        help="Listen beyond this machine without TLS, or without asking who calls.",
    ),
    click.option(
        "--max-message-bytes",
        type=click.IntRange(1024, 2**30),
        metavar="N",
        help="The largest message.",
    ),
    click.option(
        "--max-bytes-in-flight",
        type=click.IntRange(1024),
        metavar="N",
        help="The most bytes of requests that are held at a time.",
    ),
    click.option(
        "--max-calls",
        type=click.IntRange(1),
        metavar="N",
        help="The most calls at a time of one caller.",
    ),
    click.option(
        "--max-rate",
        type=click.FloatRange(0, min_open=True),
        metavar="N",
        help="The most calls a second of one caller; without, there is no limit.",
    ),
    click.option(
        "--max-seconds",
        type=click.FloatRange(0, min_open=True),
        metavar="S",
        help="The longest that a call that is no stream may take.",
    ),
    click.option(
        "--require-deadline",
        is_flag=True,
        help="Refuse calls that are no streams and bring no deadline.",
    ),
    click.option(
        "--keep-history",
        type=DURATION,
        metavar="SPAN",
        help="Drop older revisions that are not the latest, such as after 90d; by default none.",
    ),
    click.option(
        "--heartbeat",
        type=click.FloatRange(0.1, 3600),
        metavar="S",
        help="The longest silence of a watch.",
    ),
    click.option(
        "--slow-consumer",
        type=click.FloatRange(0, min_open=True),
        metavar="S",
        help="Cut off a watch or an export whose client takes longer for one message.",
    ),
    click.option(
        "--ping",
        type=click.FloatRange(1),
        metavar="S",
        help="The silence after which a client is asked whether it is there.",
    ),
    click.option(
        "--grace",
        type=click.FloatRange(0),
        metavar="S",
        help="How long calls may take to end when the server stops.",
    ),
    click.option("--health", is_flag=True, help="Offer gRPC's health service."),
    click.option("--reflection", is_flag=True, help="Offer gRPC's reflection service."),
    click.option(
        "--metrics-port",
        type=click.IntRange(0, 65535),
        metavar="PORT",
        help="Serve metrics for Prometheus on this port of 127.0.0.1.",
    ),
    click.option(
        "--tracing",
        is_flag=True,
        help="Make spans for OpenTelemetry, as the process is set up for it.",
    ),
    click.option(
        "--log-format",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="Format of the log on standard error.",
    ),
)


def _with_options(command: Any) -> Any:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.command(cls=Command, examples=_EXAMPLES)
@_with_options
def command(store: str, log_format: str, **given: Any) -> int:
    """Run an exchange: a server that keeps documents and feedback for others.

    Clients reach it over gRPC. It listens on this machine only, unless it is told another address;
    that needs TLS, and tokens or client certificates. Once it listens it prints a line, "listening
    on ADDRESS". It stops in good order on SIGTERM and SIGINT: streams are ended, and what was taken
    in is acknowledged. A second signal ends it without waiting.
    """
    import asyncio

    from crucible_ir.extras import optional_module

    for module in ("grpc", "google.rpc.status_pb2", "sqlalchemy"):
        optional_module(module, "exchange")
    from crucible_ir.exchange.server.observability.logs import log_to

    log_to(log_format=log_format)
    asyncio.run(_serve(store, _options(given), _settings(given)))
    return GOOD


async def _serve(store_name: str, options: ServerOptions, settings: Settings) -> None:
    from crucible_ir.exchange.server.services.registration import Services, service_names
    from crucible_ir.exchange.server.serving import ExchangeServer, serve_until_signalled
    from crucible_ir.exchange.store.opening import open_store

    options.check()
    store = await open_store(store_name)
    try:
        services = Services(store, settings)
        await serve_until_signalled(ExchangeServer(services, service_names(), options), _announce)
    finally:
        await store.close()


def _announce(address: Address) -> None:
    print(f"listening on {address}", flush=True)


def _options(given: dict[str, Any]) -> ServerOptions:
    from crucible_ir.exchange.server.listening import DEFAULT_ADDRESS, TlsFiles, parse_address
    from crucible_ir.exchange.server.options import Keepalive, ServerOptions
    from crucible_ir.exchange.server.security.limits import CallLimits
    from crucible_ir.exchange.server.security.tokens import Role, TokenFile

    certificate, key, client_ca = given["tls_cert"], given["tls_key"], given["client_ca"]
    if (certificate is None) != (key is None):
        raise click.UsageError("--tls-cert and --tls-key belong together")
    if client_ca is not None and certificate is None:
        raise click.UsageError("--client-ca needs --tls-cert and --tls-key")
    limits = {
        "message_bytes": given["max_message_bytes"],
        "bytes_in_flight": given["max_bytes_in_flight"],
        "calls_per_caller": given["max_calls"],
        "calls_per_second": given["max_rate"],
        "seconds": given["max_seconds"],
        "deadline_required": given["require_deadline"],
    }
    others = {
        "keepalive": None if given["ping"] is None else Keepalive(ping_seconds=given["ping"]),
        "grace_seconds": given["grace"],
    }
    return ServerOptions(
        address=parse_address(given["listen"] or DEFAULT_ADDRESS),
        tls=None if certificate is None else TlsFiles(certificate, key, client_ca),
        tokens=None if given["tokens"] is None else TokenFile(given["tokens"]),
        certificate_role=Role[given["certificate_role"].upper()],
        insecure=given["insecure"],
        limits=CallLimits(**_set(limits)),
        health=given["health"],
        reflection=given["reflection"],
        metrics_port=given["metrics_port"],
        tracing=given["tracing"],
        **_set(others),
    )


def _settings(given: dict[str, Any]) -> Settings:
    from crucible_ir.exchange.server.options import Settings

    history: timedelta | None = given["keep_history"]
    return Settings(
        **_set(
            {
                "heartbeat_seconds": given["heartbeat"],
                "slow_consumer_seconds": given["slow_consumer"],
                "history_seconds": None if history is None else history.total_seconds(),
            }
        )
    )


def _set(options: dict[str, Any]) -> dict[str, Any]:
    """Leave out what was not given, so that the defaults are those of the server."""
    return {name: value for name, value in options.items() if value is not None}
