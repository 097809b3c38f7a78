"""``crucible-ir serve``: run an exchange."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from crucible_ir.cli.commands.exchange.connection import silence_grpc
from crucible_ir.cli.commands.exchange.http_options import check_prefix
from crucible_ir.cli.configuration import ConfigurationError, config_option
from crucible_ir.cli.options import DURATION, FiniteRange
from crucible_ir.cli.program import Command
from crucible_ir.cli.session import GOOD

if TYPE_CHECKING:
    from datetime import timedelta

    from crucible_ir.exchange.server.listening import Address
    from crucible_ir.exchange.server.options import ServerOptions, Settings
    from crucible_ir.exchange.server.security.jwt_tokens import JwtOptions
    from crucible_ir.web.frontend import FrontendOptions
    from crucible_ir.web.serving import WebServer

_EXAMPLES = (
    ("crucible-ir serve", "On this machine only, with the store exchange.db in this folder."),
    (
        "crucible-ir serve --listen 0.0.0.0:7551 --tls-cert cert.pem --tls-key key.pem"
        " --tokens tokens.json",
        "For other machines, with TLS and tokens.",
    ),
    (
        "crucible-ir serve --store postgresql://localhost/exchange --health --metrics-port 9464",
        "With PostgreSQL, a health service and metrics.",
    ),
    (
        "crucible-ir serve --http 127.0.0.1:8080",
        "With the HTTP API and the console at http://127.0.0.1:8080/.",
    ),
    (
        "crucible-ir serve --keep-history 90d",
        "Drop revisions older than ninety days, except the latest of each document.",
    ),
    (
        "CRUCIBLE_IR_SERVE_LOG_LEVEL=warning crucible-ir serve --config exchange.toml",
        "With options from a file and from the environment.",
    ),
)

#: The beginning of the names of the environment variables for options.
ENVIRONMENT_PREFIX: Final = "CRUCIBLE_IR_SERVE_"

_FILE = click.Path(dir_okay=False, path_type=Path)

#: The options, in the order of the help. The server has the defaults.
_OPTIONS = (
    config_option(ENVIRONMENT_PREFIX, "max-calls = 100"),
    click.option(
        "--listen", metavar="ADDRESS", help="HOST:PORT (port 0: any free port) or unix:PATH."
    ),
    click.option(
        "--http",
        metavar="ADDRESS",
        help="Serve the HTTP API and the console too, on this HOST:PORT.",
    ),
    click.option(
        "--http-prefix",
        metavar="PATH",
        help="The path under which a proxy offers them, such as /exchange.",
    ),
    click.option(
        "--http-host",
        "http_hosts",
        multiple=True,
        metavar="NAME",
        help="Accept this name in the header Host; repeatable.",
    ),
    click.option(
        "--http-cors-origin",
        "http_cors_origins",
        multiple=True,
        metavar="ORIGIN",
        help="Let pages of this origin call the HTTP API, such as https://app.example.com;"
        " repeatable; * for every origin.",
    ),
    click.option(
        "--http-max-rate",
        type=FiniteRange(0, min_open=True),
        metavar="N",
        help="The most requests per second to the HTTP API of one caller, or of one address without"
        " a valid token; by default unlimited.",
    ),
    click.option(
        "--http-burst",
        type=click.IntRange(1),
        metavar="N",
        help="The most of these requests at once; by default 100.",
    ),
    click.option(
        "--store",
        default="exchange.db",
        show_default=True,
        metavar="STORE",
        help="A file, created on first use, or postgresql://...",
    ),
    click.option(
        "--accept-loss",
        is_flag=True,
        help="Start with a SQLite file that has lost acknowledged changes.",
    ),
    click.option("--tls-cert", type=_FILE, metavar="FILE", help="The certificate chain, in PEM."),
    click.option(
        "--tls-key", type=_FILE, metavar="FILE", help="The key of the certificate, in PEM."
    ),
    click.option(
        "--client-ca",
        type=_FILE,
        metavar="FILE",
        help="Require client certificates signed by these certificates.",
    ),
    click.option(
        "--certificate-role",
        type=click.Choice(["ingest", "reader", "publisher", "admin"]),
        default="reader",
        show_default=True,
        help="The role of a client certificate, if tokens are not required.",
    ),
    click.option(
        "--tokens",
        type=_FILE,
        metavar="FILE",
        help="Require a token of this file (see `crucible-ir tokens`).",
    ),
    click.option(
        "--jwt-keys",
        metavar="FILE|URL",
        help="Accept JSON Web Tokens that are signed with these keys (a JWKS document).",
    ),
    click.option("--jwt-issuer", metavar="ISSUER", help="Their issuer (iss)."),
    click.option("--jwt-audience", metavar="AUDIENCE", help="Their audience (aud)."),
    click.option(
        "--jwt-algorithm",
        "jwt_algorithms",
        multiple=True,
        metavar="ALGORITHM",
        help="Accept this algorithm; repeatable; by default RS256 and ES256.",
    ),
    click.option(
        "--jwt-leeway",
        type=FiniteRange(0, 600),
        metavar="S",
        help="Tolerate this difference between clocks, in seconds; by default 30.",
    ),
    click.option(
        "--jwt-name-claim",
        metavar="CLAIM",
        help="The claim with the name of the caller; by default sub.",
    ),
    click.option(
        "--jwt-role-claim", metavar="CLAIM", help="The claim with the role; by default role."
    ),
    click.option(
        "--jwt-types-claim",
        metavar="CLAIM",
        help="The claim with the document types of the scope; by default types.",
    ),
    click.option(
        "--jwt-prefixes-claim",
        metavar="CLAIM",
        help="The claim with the id prefixes of the scope; by default id_prefixes.",
    ),
    click.option(
        "--insecure",
        is_flag=True,
        help="Allow other machines to connect without TLS or without authentication.",
    ),
    click.option(
        "--max-message-bytes",
        type=click.IntRange(1024, 2**30),
        metavar="N",
        help="The largest message, in bytes.",
    ),
    click.option(
        "--max-bytes-in-flight",
        type=click.IntRange(1024),
        metavar="N",
        help="The most bytes of requests in memory at a time.",
    ),
    click.option(
        "--max-validation-bytes",
        type=click.IntRange(2**20),
        metavar="N",
        help="The most memory of calls that validate or convert at a time, by an estimate.",
    ),
    click.option(
        "--max-calls",
        type=click.IntRange(1),
        metavar="N",
        help="The most concurrent calls of one caller.",
    ),
    click.option(
        "--max-connections",
        type=click.IntRange(1, 2**31 - 1),
        metavar="N",
        help="The most connections; by default all file descriptors but 200, at most 10000.",
    ),
    click.option(
        "--max-idle",
        type=FiniteRange(0, min_open=True),
        metavar="S",
        help="Close a connection after this many seconds without a call.",
    ),
    click.option(
        "--max-rate",
        type=FiniteRange(0, min_open=True),
        metavar="N",
        help="The most calls per second of one caller; by default unlimited.",
    ),
    click.option(
        "--max-seconds",
        type=FiniteRange(0, min_open=True),
        metavar="S",
        help="The longest time for a unary call, in seconds.",
    ),
    click.option(
        "--require-deadline",
        is_flag=True,
        help="Reject unary calls without a deadline.",
    ),
    click.option(
        "--keep-history",
        type=DURATION,
        metavar="DURATION",
        help="Drop older revisions except the latest, such as 90d; by default keep all.",
    ),
    click.option(
        "--keep-audit",
        type=DURATION,
        metavar="DURATION",
        help="Drop older entries of the audit log, such as 365d; by default keep all.",
    ),
    click.option(
        "--redact-pattern",
        multiple=True,
        metavar="REGEX",
        help="Mask this too where feedback is redacted, in RE2's syntax; repeatable.",
    ),
    click.option(
        "--heartbeat",
        type=FiniteRange(0.1, 3600),
        metavar="S",
        help="Send a heartbeat on a watch after this many seconds without a change.",
    ),
    click.option(
        "--slow-consumer",
        type=FiniteRange(0, min_open=True),
        metavar="S",
        help="End a watch or an export whose client takes longer for one message.",
    ),
    click.option(
        "--ping",
        type=FiniteRange(1),
        metavar="S",
        help="Send a keepalive ping to a client after this many seconds without traffic.",
    ),
    click.option(
        "--grace",
        type=FiniteRange(0),
        metavar="S",
        help="The seconds that running calls get to finish when the server stops.",
    ),
    click.option(
        "--health",
        is_flag=True,
        help="Serve the gRPC health service, with the services liveness and readiness.",
    ),
    click.option("--reflection", is_flag=True, help="Serve the gRPC reflection service."),
    click.option(
        "--metrics-port",
        type=click.IntRange(0, 65535),
        metavar="PORT",
        help="Serve Prometheus metrics on this port of 127.0.0.1.",
    ),
    click.option(
        "--tracing",
        is_flag=True,
        help="Create OpenTelemetry spans; the environment configures their export.",
    ),
    click.option(
        "--log-format",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="Format of the log on standard error.",
    ),
    click.option(
        "--log-level",
        type=click.Choice(["debug", "info", "warning", "error"]),
        default="info",
        show_default=True,
        help="Least level of the log: debug adds transactions and checks of the health, warning"
        " leaves out calls that succeed.",
    ),
)


def _with_options(command: Any) -> Any:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.command(cls=Command, examples=_EXAMPLES)
@_with_options
def command(store: str, accept_loss: bool, log_format: str, log_level: str, **given: Any) -> int:
    """Run an exchange: a gRPC server that stores documents and feedback.

    By default it listens on this machine only. Other addresses require TLS, and tokens or client
    certificates. When it is ready it prints "listening on ADDRESS", and then "serving HTTP on URL"
    if it does. SIGTERM or SIGINT stops it: streams are ended, and everything that was received is
    acknowledged. A second signal stops it at once.
    """
    import asyncio

    from crucible_ir.extras import optional_module

    silence_grpc()
    for module in ("grpc", "google.rpc.status_pb2", "sqlalchemy"):
        optional_module(module, "exchange")
    from crucible_ir.exchange.server.observability.logs import log_to

    log_to(log_format=log_format, level=log_level)
    asyncio.run(_serve(store, accept_loss, _options(given), _settings(given), _http(given)))
    return GOOD


async def _serve(
    store_name: str,
    accept_loss: bool,
    options: ServerOptions,
    settings: Settings,
    http: FrontendOptions | None,
) -> None:
    from crucible_ir.exchange.server.descriptors import raise_descriptor_limit
    from crucible_ir.exchange.server.services.registration import Services, service_names
    from crucible_ir.exchange.server.serving import ExchangeServer, serve_until_signalled
    from crucible_ir.exchange.store.opening import open_store

    raise_descriptor_limit()
    options.check()
    if http is not None:
        options.check_reach(http.address)
        if options.connections is None:
            # Both kinds of connections need file descriptors.
            options = replace(options, connections=options.most_connections // 2)
    store = await open_store(store_name, accept_loss=accept_loss)
    try:
        services = Services(store, settings)
        server = ExchangeServer(services, service_names(), options)
        web = None
        if http is not None:
            from crucible_ir.web.frontend import add_http

            web = add_http(server, http, options, settings)
        await serve_until_signalled(server, partial(_announce, web=web))
    finally:
        await store.close()


def _announce(address: Address, web: WebServer | None) -> None:
    print(f"listening on {address}", flush=True)
    if web is not None:
        print(f"serving HTTP on {web.url}", flush=True)


def _http(given: dict[str, Any]) -> FrontendOptions | None:
    from crucible_ir.exchange.server.listening import parse_address
    from crucible_ir.extras import optional_module

    if given["http"] is None:
        for option, value in given.items():
            if option.startswith("http_") and value:
                raise click.UsageError(f"--{option.replace('_', '-').rstrip('s')} requires --http")
        return None
    for module in ("jinja2", "starlette", "uvicorn"):
        optional_module(module, "web")
    from crucible_ir.web.api.origins import is_origin
    from crucible_ir.web.frontend import FrontendOptions

    address = parse_address(given["http"])
    if address.port is None:
        raise click.BadParameter("expected HOST:PORT", param_hint="--http")
    prefix = given["http_prefix"] or ""
    check_prefix(prefix)
    origins = given["http_cors_origins"]
    for origin in origins:
        if not is_origin(origin):
            raise click.BadParameter(
                f"expected an origin such as https://app.example.com, or *, got {origin}",
                param_hint="--http-cors-origin",
            )
    if given["http_burst"] is not None and given["http_max_rate"] is None:
        raise click.UsageError("--http-burst requires --http-max-rate")
    rate = {"requests_per_second": given["http_max_rate"], "burst": given["http_burst"]}
    return FrontendOptions(address, prefix, given["http_hosts"], origins, **_set(rate))


def _options(given: dict[str, Any]) -> ServerOptions:
    from crucible_ir.exchange.server.listening import DEFAULT_ADDRESS, TlsFiles, parse_address
    from crucible_ir.exchange.server.options import Keepalive, ServerOptions
    from crucible_ir.exchange.server.security.limits import CallLimits
    from crucible_ir.exchange.server.security.tokens import Role, TokenFile

    certificate, key, client_ca = given["tls_cert"], given["tls_key"], given["client_ca"]
    if (certificate is None) != (key is None):
        raise click.UsageError("--tls-cert and --tls-key require each other")
    if client_ca is not None and certificate is None:
        raise click.UsageError("--client-ca requires --tls-cert and --tls-key")
    limits = {
        "message_bytes": given["max_message_bytes"],
        "bytes_in_flight": given["max_bytes_in_flight"],
        "calls_per_caller": given["max_calls"],
        "calls_per_second": given["max_rate"],
        "seconds": given["max_seconds"],
        "deadline_required": given["require_deadline"],
    }
    keepalive = {"ping_seconds": given["ping"], "idle_seconds": given["max_idle"]}
    others = {
        "connections": given["max_connections"],
        "grace_seconds": given["grace"],
    }
    return ServerOptions(
        address=parse_address(given["listen"] or DEFAULT_ADDRESS),
        tls=None if certificate is None else TlsFiles(certificate, key, client_ca),
        tokens=None if given["tokens"] is None else TokenFile(given["tokens"]),
        jwt=_jwt(given),
        certificate_role=Role[given["certificate_role"].upper()],
        insecure=given["insecure"],
        limits=CallLimits(**_set(limits)),
        keepalive=Keepalive(**_set(keepalive)),
        health=given["health"],
        reflection=given["reflection"],
        metrics_port=given["metrics_port"],
        tracing=given["tracing"],
        **_set(others),
    )


def _settings(given: dict[str, Any]) -> Settings:
    from crucible_ir.exchange.server.options import Settings

    history: timedelta | None = given["keep_history"]
    audit: timedelta | None = given["keep_audit"]
    return Settings(
        **_set(
            {
                "heartbeat_seconds": given["heartbeat"],
                "slow_consumer_seconds": given["slow_consumer"],
                "validation_bytes": given["max_validation_bytes"],
                "history_seconds": None if history is None else history.total_seconds(),
                "audit_seconds": None if audit is None else audit.total_seconds(),
                "redact_patterns": given["redact_pattern"],
            }
        )
    )


def _jwt(given: dict[str, Any]) -> JwtOptions | None:
    from dataclasses import fields

    from crucible_ir.exchange.server.security.jwt_tokens import ALGORITHMS, JwtOptions

    values = {name: value for name, value in given.items() if name.startswith("jwt_")}
    values["jwt_algorithms"] = values["jwt_algorithms"] or None
    values = _set(values)
    if not values:
        return None
    mistakes = [
        f"the options of JSON Web Tokens require {option}"
        for option in ("--jwt-keys", "--jwt-issuer", "--jwt-audience")
        if not values.get(option[2:].replace("-", "_"))
    ]
    mistakes += [
        f"--jwt-algorithm: expected one of {', '.join(ALGORITHMS)}, got {algorithm}"
        for algorithm in values.get("jwt_algorithms", ())
        if algorithm not in ALGORITHMS
    ]
    claims: dict[str, str] = {}
    for field in fields(JwtOptions):
        if not field.name.endswith("_claim"):
            continue
        option = f"--jwt-{field.name.replace('_', '-')}"
        claim = values.get(f"jwt_{field.name}", field.default)
        if not claim:
            mistakes.append(f"{option}: expected the name of a claim")
        elif claim in claims:
            mistakes.append(f"{claims[claim]} and {option} are both the claim {claim}")
        claims[claim] = option
    if mistakes:
        raise ConfigurationError(mistakes)
    if "jwt_leeway" in values:
        values["jwt_leeway_seconds"] = values.pop("jwt_leeway")
    return JwtOptions(**{name.removeprefix("jwt_"): value for name, value in values.items()})


def _set(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that were given; the server has defaults for the others."""
    return {name: value for name, value in options.items() if value is not None}
