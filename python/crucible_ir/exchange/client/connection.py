"""The address of an exchange, the credentials for it, and its gRPC channels."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, cast

import grpc
import grpc.aio

from crucible_ir.errors import printable
from crucible_ir.exchange import v1
from crucible_ir.exchange.client.addresses import DEFAULT_TARGET, is_loopback
from crucible_ir.exchange.client.batches import INGEST, EventBatch
from crucible_ir.exchange.client.errors import ExchangeError, InsecureChannelError
from crucible_ir.exchange.client.explanations import explained
from crucible_ir.exchange.client.tls import Tls
from crucible_ir.exchange.v1.audit_service_pb2_grpc import AuditServiceStub
from crucible_ir.exchange.v1.exchange_service_pb2_grpc import ExchangeServiceStub
from crucible_ir.exchange.v1.feedback_service_pb2_grpc import FeedbackServiceStub
from crucible_ir.exchange.v1.validation_service_pb2_grpc import ValidationServiceStub
from crucible_ir.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crucible_ir.exchange.v1.audit_service_pb2_grpc import AuditServiceAsyncStub
    from crucible_ir.exchange.v1.exchange_service_pb2_grpc import ExchangeServiceAsyncStub
    from crucible_ir.exchange.v1.feedback_service_pb2_grpc import FeedbackServiceAsyncStub
    from crucible_ir.exchange.v1.validation_service_pb2_grpc import ValidationServiceAsyncStub

#: An idle connection is pinged after so many seconds, and closed when the ping is not answered
#: within so many more. Together they leave time for another attempt within the default timeout of
#: a call. Servers of the exchange accept a ping every ten seconds.
PING_SECONDS = 15.0
PING_TIMEOUT_SECONDS = 5.0

#: A connection without calls is closed after so many seconds, at the latest after twice as many.
#: That is before a server of the exchange closes it, which a call might meet halfway.
IDLE_SECONDS = 10.0

#: The largest message that a client accepts, in bytes: a document and its record, with a margin.
MAX_RECEIVED_BYTES: Final = 16 * 1024 * 1024

#: The syntax of a bearer token in RFC 6750, which an HTTP header can carry.
_TOKEN: Final = re.compile(r"[A-Za-z0-9\-._~+/]+=*")

#: The beginning of an address of the web, which gRPC would look up as the name of a host.
_WEB_SCHEME: Final = re.compile(r"https?://", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Connection:
    """The address of an exchange and the credentials for it.

    Attributes:
        target: The address, as ``host:port`` or any other name that gRPC resolves.
        token: The token that authenticates the caller, for servers that require one.
        tls: The certificates; ``None`` for a connection in plain text.

    Raises:
        InsecureChannelError: The token would be sent to another machine in plain text.
        ExchangeError: The address begins with ``http://`` or ``https://``, or the token has an
            invalid character or is empty.
    """

    target: str = DEFAULT_TARGET
    token: str | None = field(default=None, repr=False)
    tls: Tls | None = None

    def __post_init__(self) -> None:
        scheme = _WEB_SCHEME.match(self.target)
        if scheme is not None:
            raise ExchangeError(
                f'invalid address "{printable(self.target)}": expected HOST:PORT,'
                f' remove "{scheme[0]}"'
            )
        if self.token is None:
            return
        if not _TOKEN.fullmatch(self.token):
            raise ExchangeError(
                "invalid token: it is empty or has an invalid character, such as a space"
            )
        if self.tls is None and not is_loopback(self.target):
            raise InsecureChannelError(
                f"the token would be sent to {self.target} in plain text: connect with TLS"
            )

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """The metadata of every call."""
        return () if self.token is None else (("authorization", f"Bearer {self.token}"),)

    def explained(self, error: ExchangeError) -> ExchangeError:
        """Return the error with its cause and remedy if they are known, or else the error itself.

        This connects to the server, which may take some seconds.
        """
        return explained(error, self)

    def open(self) -> grpc.Channel:
        """Return a blocking channel with a connection of its own, made on first use."""
        if self.tls is None:
            return grpc.insecure_channel(self.target, self._options)
        return grpc.secure_channel(self.target, self._credentials(self.tls), self._options)

    def open_async(self) -> grpc.aio.Channel:
        """Return an asyncio channel with a connection of its own, made on first use."""
        if self.tls is None:
            return grpc.aio.insecure_channel(self.target, self._options)
        return grpc.aio.secure_channel(self.target, self._credentials(self.tls), self._options)

    @staticmethod
    def _credentials(tls: Tls) -> grpc.ChannelCredentials:
        return grpc.ssl_channel_credentials(tls.ca, tls.key, tls.certificate)

    @property
    def _options(self) -> Sequence[tuple[str, str | int]]:
        return (
            ("grpc.max_receive_message_length", MAX_RECEIVED_BYTES),
            # By default, channels to one server share a connection, even a dead one.
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.primary_user_agent", f"crucible-ir/{VERSION}"),
            # Reconnect to a restarted server within seconds; gRPC's own limit is two minutes.
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 3000),
            # Detect a connection whose other end vanished. If a server objects to the rate, gRPC
            # reduces it.
            ("grpc.keepalive_time_ms", round(PING_SECONDS * 1000)),
            ("grpc.keepalive_timeout_ms", round(PING_TIMEOUT_SECONDS * 1000)),
            ("grpc.client_idle_timeout_ms", round(IDLE_SECONDS * 1000)),
            # The first timeout covers data that is not acknowledged, this one unanswered pings.
            ("grpc.http2.ping_timeout_ms", round(PING_TIMEOUT_SECONDS * 1000)),
            # gRPC would reduce the pings of a client that only receives data to one a minute.
            ("grpc.http2.max_pings_without_data", 0),
            # The client retries by itself: it knows which calls are safe to repeat.
            ("grpc.enable_retries", 0),
            # Traffic to this machine does not go through a proxy.
            ("grpc.enable_http_proxy", 0 if is_loopback(self.target) else 1),
        )


class Stubs:
    """The services of the exchange over a blocking channel.

    Args:
        connection: Opens the channel.
    """

    def __init__(self, connection: Connection) -> None:
        self._channel = channel = connection.open()
        self.exchange = ExchangeServiceStub(channel)
        self.feedback = FeedbackServiceStub(channel)
        self.validation = ValidationServiceStub(channel)
        self.audit = AuditServiceStub(channel)
        # Sends batches as they are, without the messages of the generated stub.
        self.ingest = channel.stream_stream(INGEST, EventBatch.encode, v1.IngestResponse.FromString)

    def close(self) -> None:
        """Cancel every call and close the channel."""
        self._channel.close()


class AsyncStubs:
    """The services of the exchange over an asyncio channel.

    Args:
        connection: Opens the channel.
    """

    def __init__(self, connection: Connection) -> None:
        self._channel = connection.open_async()
        # The generated stubs work on either kind of channel, but are typed for one.
        channel = cast("grpc.Channel", self._channel)
        self.exchange = cast("ExchangeServiceAsyncStub", ExchangeServiceStub(channel))
        self.feedback = cast("FeedbackServiceAsyncStub", FeedbackServiceStub(channel))
        self.validation = cast("ValidationServiceAsyncStub", ValidationServiceStub(channel))
        self.audit = cast("AuditServiceAsyncStub", AuditServiceStub(channel))
        # Sends batches as they are, without the messages of the generated stub.
        self.ingest = self._channel.stream_stream(
            INGEST, EventBatch.encode, v1.IngestResponse.FromString
        )

    async def close(self) -> None:
        """Cancel every call and close the channel."""
        await self._channel.close(None)
