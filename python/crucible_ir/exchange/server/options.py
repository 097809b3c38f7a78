"""What an operator may set: about the server, its connections and its services."""

from __future__ import annotations

from dataclasses import dataclass, field

from crucible_ir.errors import Error
from crucible_ir.exchange.server.listening import DEFAULT_ADDRESS, Address, TlsFiles, parse_address
from crucible_ir.exchange.server.security.limits import CallLimits
from crucible_ir.exchange.server.security.tokens import Role, TokenFile


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of the services.

    Attributes:
        heartbeat_seconds: The longest silence of a watch that does not ask for another.
        slow_consumer_seconds: How long a watch or an export waits for a client to take one message
            before it is cut off.
        batches_in_flight: The most batches or items of one stream that are held unanswered; no
            more are read before one is answered.
        feed_changes: The most changes that are kept in memory for watches.
        feed_bytes: The most bytes of documents that are kept in memory for watches.
        history_seconds: How long changes are kept, at least, before they are dropped from the
            history; ``None`` for ever. Latest revisions are kept in any case.
        request_days: For how many days request ids are remembered, at least.
        summary_counts: The most distinct counts that one summary may be made from.
        summaries: The most spans and types that one summary may have.
    """

    heartbeat_seconds: float = 15.0
    slow_consumer_seconds: float = 60.0
    batches_in_flight: int = 16
    feed_changes: int = 10_000
    feed_bytes: int = 16 * 1024 * 1024
    history_seconds: float | None = None
    request_days: int = 7
    summary_counts: int = 1_000_000
    summaries: int = 10_000


class ServingError(Error):
    """A server cannot serve as it was asked to."""


@dataclass(frozen=True, slots=True)
class Keepalive:
    """How a server finds connections that are dead, and which pings it puts up with.

    Attributes:
        ping_seconds: The silence after which the server asks whether the client is there.
        ping_timeout_seconds: The silence after that which ends the connection and its calls.
        least_client_ping_seconds: Clients that ping more often are disconnected.
        connection_seconds: The age at which a connection is ended in good order, so that clients
            spread over servers anew; ``None`` for never.
    """

    ping_seconds: float = 60.0
    ping_timeout_seconds: float = 20.0
    least_client_ping_seconds: float = 10.0
    connection_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """How to serve.

    Attributes:
        address: Where to listen.
        tls: The certificates; ``None`` for no encryption.
        tokens: The file of tokens; ``None`` to ask for none.
        certificate_role: The role of whoever shows a client certificate, where there are no tokens.
        insecure: Whether to listen beyond this machine without encryption or without asking who
            calls.
        limits: How much a caller may ask for.
        keepalive: How to find dead connections.
        grace_seconds: How long calls may take to end once the server stops.
        health: Whether to offer the standard health service.
        reflection: Whether to offer the standard reflection service.
        metrics_port: The port on which to serve figures to Prometheus; ``None`` for none.
        tracing: Whether to make spans for OpenTelemetry.
    """

    address: Address = field(default_factory=lambda: parse_address(DEFAULT_ADDRESS))
    tls: TlsFiles | None = None
    tokens: TokenFile | None = None
    certificate_role: Role = Role.READER
    insecure: bool = False
    limits: CallLimits = field(default_factory=CallLimits)
    keepalive: Keepalive = field(default_factory=Keepalive)
    grace_seconds: float = 30.0
    health: bool = False
    reflection: bool = False
    metrics_port: int | None = None
    tracing: bool = False

    @property
    def asks_for_certificates(self) -> bool:
        """Whether clients have to show a certificate."""
        return self.tls is not None and self.tls.client_ca is not None

    def check(self) -> None:
        """Refuse to be reachable by others without encryption and authentication.

        Raises:
            ServingError: The options would allow that, and do not say that it is meant.
        """
        if self.address.is_local or self.insecure:
            return
        missing = []
        if self.tls is None:
            missing.append("TLS (--tls-cert and --tls-key)")
        if self.tokens is None and not self.asks_for_certificates:
            missing.append("authentication (--tokens or --client-ca)")
        if missing:
            raise ServingError(
                f"{self.address} can be reached from other machines: that needs"
                f" {' and '.join(missing)}, or --insecure"
            )


def channel_arguments(options: ServerOptions) -> list[tuple[str, int]]:
    """Return the options in the terms of gRPC's core."""
    limits, keepalive = options.limits, options.keepalive
    arguments = {
        # Applies to what a message is after decompression, too.
        "grpc.max_receive_message_length": limits.transport_bytes,
        "grpc.max_metadata_size": limits.metadata_bytes,
        "grpc.absolute_max_metadata_size": limits.metadata_bytes,
        "grpc.max_concurrent_streams": limits.calls_per_connection,
        # Two servers on one port would share its connections without a word.
        "grpc.so_reuseport": 0,
        "grpc.keepalive_time_ms": _milliseconds(keepalive.ping_seconds),
        "grpc.keepalive_timeout_ms": _milliseconds(keepalive.ping_timeout_seconds),
        "grpc.http2.ping_timeout_ms": _milliseconds(keepalive.ping_timeout_seconds),
        "grpc.keepalive_permit_without_calls": 1,
        # A watch may be silent for long; its connection is asked about all the same.
        "grpc.http2.max_pings_without_data": 0,
        "grpc.http2.min_ping_interval_without_data_ms": _milliseconds(
            keepalive.least_client_ping_seconds
        ),
        # A connection that does not begin to speak HTTP/2 is closed.
        "grpc.server_handshake_timeout_ms": _milliseconds(keepalive.ping_timeout_seconds),
    }
    if keepalive.connection_seconds is not None:
        arguments["grpc.max_connection_age_ms"] = _milliseconds(keepalive.connection_seconds)
        arguments["grpc.max_connection_age_grace_ms"] = _milliseconds(options.grace_seconds)
    return list(arguments.items())


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))
