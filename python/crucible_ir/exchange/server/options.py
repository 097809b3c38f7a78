"""The options of a server, its connections and its services."""

from __future__ import annotations

from dataclasses import dataclass, field

from crucible_ir.errors import Error
from crucible_ir.exchange.server.descriptors import (
    RESERVED,
    default_connections,
    descriptor_limit,
)
from crucible_ir.exchange.server.listening import DEFAULT_ADDRESS, Address, TlsFiles, parse_address
from crucible_ir.exchange.server.security.jwt_tokens import JwtOptions
from crucible_ir.exchange.server.security.limits import CallLimits
from crucible_ir.exchange.server.security.tokens import Role, TokenFile
from crucible_ir.exchange.store.records import SummaryLimits


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of the services.

    Attributes:
        heartbeat_seconds: The time between heartbeats of a watch without its own interval.
        slow_consumer_seconds: How long a watch or an export waits for a client to receive one
            message before it ends the stream.
        batches_in_flight: The most unanswered batches or items of one stream; no more are read
            before one is answered.
        recent_changes: The most changes that are kept in memory for watches.
        recent_bytes: The most bytes of documents that are kept in memory for watches.
        history_seconds: How long changes are kept in the history, at least; ``None`` for ever.
            Latest revisions are always kept.
        audit_seconds: How long entries are kept in the audit log; ``None`` for ever.
        request_days: For how many days request ids are kept, at least.
        summary_limits: The limits of one call that summarizes feedback.
        validation_bytes: The most memory in bytes that calls to validate or convert may take at a
            time, by an estimate; further calls wait, and a call that takes more is rejected.
        redact_patterns: Further patterns that redaction masks in texts, in the syntax of RE2.
    """

    heartbeat_seconds: float = 15.0
    slow_consumer_seconds: float = 60.0
    batches_in_flight: int = 16
    recent_changes: int = 10_000
    recent_bytes: int = 16 * 1024 * 1024
    history_seconds: float | None = None
    audit_seconds: float | None = None
    request_days: int = 7
    summary_limits: SummaryLimits = field(default_factory=SummaryLimits)
    validation_bytes: int = 512 * 1024 * 1024
    redact_patterns: tuple[str, ...] = ()


class ServingError(Error):
    """A server cannot start with the given options."""


@dataclass(frozen=True, slots=True)
class Keepalive:
    """How a server detects dead connections, and how often clients may ping.

    Attributes:
        ping_seconds: The idle time after which the server pings the client.
        ping_timeout_seconds: The time without an answer after which the connection and its calls
            end.
        least_client_ping_seconds: Clients that ping more often are disconnected.
        idle_seconds: The time without a call after which a connection is closed, at the latest
            after twice that; ``None`` for never. The default is less than the timeout of the Python
            clients: if idle connections take all places, they get in before they give up.
        connection_seconds: The age at which a connection is closed gracefully, so that clients
            spread over servers again; ``None`` for never.
    """

    ping_seconds: float = 60.0
    ping_timeout_seconds: float = 20.0
    least_client_ping_seconds: float = 10.0
    idle_seconds: float | None = 20.0
    connection_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """The options of a server.

    Attributes:
        address: The address to listen on.
        tls: The certificates; ``None`` for no encryption.
        tokens: The token file; ``None`` for none.
        jwt: The JSON Web Tokens to accept; ``None`` for none. Without both, no token is required.
        certificate_role: The role of callers with a client certificate, if no tokens are required.
        insecure: Whether to listen beyond this machine without encryption or authentication.
        limits: The limits on calls.
        keepalive: The detection of dead connections.
        connections: The most connections, of callers with and without a token; further ones are
            closed. By default as many as the file descriptors permit, and at most 10,000.
        grace_seconds: How long calls may take to end when the server stops.
        health: Whether to offer the standard health service.
        reflection: Whether to offer the standard reflection service.
        metrics_port: The port of the metrics for Prometheus; ``None`` for no metrics.
        tracing: Whether to create spans for OpenTelemetry.
    """

    address: Address = field(default_factory=lambda: parse_address(DEFAULT_ADDRESS))
    tls: TlsFiles | None = None
    tokens: TokenFile | None = None
    jwt: JwtOptions | None = None
    certificate_role: Role = Role.READER
    insecure: bool = False
    limits: CallLimits = field(default_factory=CallLimits)
    keepalive: Keepalive = field(default_factory=Keepalive)
    connections: int | None = None
    grace_seconds: float = 30.0
    health: bool = False
    reflection: bool = False
    metrics_port: int | None = None
    tracing: bool = False

    @property
    def requires_certificates(self) -> bool:
        """Whether clients must have a certificate."""
        return self.tls is not None and self.tls.client_ca is not None

    @property
    def requires_token(self) -> bool:
        """Whether clients must send a token."""
        return self.tokens is not None or self.jwt is not None

    @property
    def requires_credentials(self) -> bool:
        """Whether callers must authenticate themselves."""
        return self.requires_token or self.requires_certificates

    @property
    def most_connections(self) -> int:
        """The most connections."""
        return self.connections or default_connections(descriptor_limit())

    def check(self) -> None:
        """Check that a server which others can reach has encryption and authentication.

        Raises:
            ServingError: It does not, and `insecure` is not set; or there are not enough file
                descriptors for the connections.
        """
        descriptors = descriptor_limit()
        if (
            self.connections is not None
            and descriptors is not None
            and self.connections > default_connections(descriptors)
            and self.connections + RESERVED > descriptors
        ):
            raise ServingError(
                f"{self.connections} connections need {self.connections + RESERVED} file"
                f" descriptors, and the limit is {descriptors}: raise it with ulimit -n, or lower"
                " --max-connections"
            )
        self.check_reach(self.address)

    def check_reach(self, address: Address) -> None:
        """Check that an address which others can reach has encryption and authentication.

        Raises:
            ServingError: It does not, and `insecure` is not set.
        """
        if address.is_local or self.insecure:
            return
        missing = []
        if self.tls is None:
            missing.append("TLS (--tls-cert and --tls-key)")
        if not self.requires_credentials:
            missing.append("authentication (--tokens, --jwt-keys or --client-ca)")
        if missing:
            raise ServingError(
                f"{address} is reachable from other machines: add {' and '.join(missing)}, or"
                " disable this check with --insecure"
            )


def channel_arguments(options: ServerOptions) -> list[tuple[str, int]]:
    """Return the options as arguments of gRPC's core."""
    limits, keepalive = options.limits, options.keepalive
    arguments = {
        # This limit applies to decompressed messages too.
        "grpc.max_receive_message_length": limits.transport_bytes,
        "grpc.max_metadata_size": limits.metadata_bytes,
        "grpc.absolute_max_metadata_size": limits.metadata_bytes,
        # Callers without a token can open connections too, so that this also limits what they take.
        "grpc.max_allowed_incoming_connections": options.most_connections,
        "grpc.max_concurrent_streams": limits.calls_per_connection,
        # Otherwise two servers on one port would silently share its connections.
        "grpc.so_reuseport": 0,
        "grpc.keepalive_time_ms": _milliseconds(keepalive.ping_seconds),
        "grpc.keepalive_timeout_ms": _milliseconds(keepalive.ping_timeout_seconds),
        "grpc.http2.ping_timeout_ms": _milliseconds(keepalive.ping_timeout_seconds),
        "grpc.keepalive_permit_without_calls": 1,
        # A watch may be idle for long; its connection is pinged nevertheless.
        "grpc.http2.max_pings_without_data": 0,
        "grpc.http2.min_ping_interval_without_data_ms": _milliseconds(
            keepalive.least_client_ping_seconds
        ),
        # A connection that does not start the HTTP/2 handshake is closed.
        "grpc.server_handshake_timeout_ms": _milliseconds(keepalive.ping_timeout_seconds),
    }
    if keepalive.idle_seconds is not None:
        arguments["grpc.max_connection_idle_ms"] = _milliseconds(keepalive.idle_seconds)
    if keepalive.connection_seconds is not None:
        arguments["grpc.max_connection_age_ms"] = _milliseconds(keepalive.connection_seconds)
        arguments["grpc.max_connection_age_grace_ms"] = _milliseconds(options.grace_seconds)
    return list(arguments.items())


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))
