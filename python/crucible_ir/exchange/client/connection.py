"""Where the exchange is, and how a client makes itself known to it."""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import grpc
import grpc.aio

from crucible_ir.exchange.certificates import CertificateError, check_pair, check_roots
from crucible_ir.exchange.client.failures import ExchangeError, InsecureChannelError, TlsError
from crucible_ir.exchange.client.handshake import tls_problem
from crucible_ir.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Sequence

#: The address that a server listens on unless it is told otherwise.
DEFAULT_TARGET: Final = "127.0.0.1:50551"

#: The silence after which a client asks whether the server is there, and the silence after that
#: which ends the connection, in seconds. Together they leave time for another attempt until the
#: deadline that calls have by default; servers want no pings more often than every ten seconds.
PING_SECONDS = 15.0
PING_TIMEOUT_SECONDS = 5.0

#: The largest message that a client takes, in bytes: a document beside its record, with room.
MAX_RECEIVED_BYTES: Final = 16 * 1024 * 1024

#: An address as gRPC spells it. One that looks otherwise does not count as this machine's.
_ADDRESS: Final = re.compile(
    r"(?:dns:(?:///)?|ipv4:|ipv6:)?(?:\[(?P<bracketed>[^\]]+)\]|(?P<host>[^:/,\[\]]+))"
    r"(?::(?P<port>[0-9]{1,5}))?"
)

#: The port that gRPC takes where an address has none.
_DEFAULT_PORT: Final = 443

#: What gRPC says when no connection was made, and when it cannot use what a client has for TLS.
_NO_CONNECTION: Final = "failed to connect to all addresses"
_LOCAL_FAULT: Final = "Failed to create security handshaker"

#: What HTTP can carry in a header, as RFC 6750 spells a bearer token.
_TOKEN: Final = re.compile(r"[A-Za-z0-9\-._~+/]+=*")


@dataclass(frozen=True, slots=True)
class Tls:
    """The certificates of a connection, in PEM.

    Attributes:
        ca: The certificates that the server's has to be signed by; ``None`` for those that gRPC
            brings along.
        certificate: The client's own certificate, for a server that asks for one.
        key: The private key of that certificate.
    """

    ca: bytes | None = None
    certificate: bytes | None = None
    key: bytes | None = field(default=None, repr=False)

    @classmethod
    def from_files(
        cls,
        ca: str | os.PathLike[str] | None = None,
        certificate: str | os.PathLike[str] | None = None,
        key: str | os.PathLike[str] | None = None,
    ) -> Tls:
        """Read the certificates from files.

        Raises:
            TlsError: A file is not what it should be, or the key is not the certificate's.
            OSError: A file cannot be read.
        """
        # They are read first: an error of Python's TLS does not name a file that is not there.
        made = cls(*(_content(path) for path in (ca, certificate, key)))
        try:
            if ca is not None:
                check_roots(ca)
            if certificate is not None and key is not None:
                check_pair(certificate, key)
        except CertificateError as error:
            raise TlsError(str(error)) from None
        return made

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise ExchangeError("a client's certificate and its key go together")


def _content(path: str | os.PathLike[str] | None) -> bytes | None:
    if path is None:
        return None
    with open(path, "rb") as file:
        return file.read()


@dataclass(frozen=True, slots=True)
class Connection:
    """Where the exchange is, and how a client makes itself known to it.

    Attributes:
        target: The address, as ``host:port`` or any other name that gRPC resolves.
        token: What the server knows the caller by, if it asks.
        tls: The certificates; ``None`` for a connection in plain text.

    Raises:
        InsecureChannelError: A token would leave this machine in plain text.
        ExchangeError: The token cannot be one.
    """

    target: str = DEFAULT_TARGET
    token: str | None = field(default=None, repr=False)
    tls: Tls | None = None

    def __post_init__(self) -> None:
        if self.token is None:
            return
        if not _TOKEN.fullmatch(self.token):
            raise ExchangeError(
                "the token is empty or has characters that a token cannot have, such as a space"
            )
        if self.tls is None and not is_loopback(self.target):
            raise InsecureChannelError(
                f"the token would go to {self.target} in plain text: connect with TLS"
            )

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What every call carries."""
        return () if self.token is None else (("authorization", f"Bearer {self.token}"),)

    def explained(self, error: ExchangeError) -> ExchangeError:
        """Return an error that says why, where no connection could be made and TLS is at fault.

        This connects to the server, which may take some seconds.
        """
        if _LOCAL_FAULT in error.message:
            return TlsError("the certificates or the key of this client cannot be used")
        endpoint = _endpoint(self.target)
        if endpoint is None or _NO_CONNECTION not in error.message:
            return error
        problem = tls_problem(*endpoint, self.tls)
        return error if problem is None else TlsError(f"no connection to {self.target}: {problem}")

    def open(self) -> grpc.Channel:
        """Return a channel that blocks; its connection is its own, and made on first use."""
        if self.tls is None:
            return grpc.insecure_channel(self.target, self._options)
        return grpc.secure_channel(self.target, self._credentials(self.tls), self._options)

    def open_async(self) -> grpc.aio.Channel:
        """Return a channel for asyncio; its connection is its own, and made on first use."""
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
            # Channels to one server share a connection otherwise, also one that is dead.
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.primary_user_agent", f"crucible-ir/{VERSION}"),
            # A server that comes back is found within seconds, not within gRPC's two minutes.
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 3000),
            # A connection whose other end is gone without a word is noticed. Servers of the
            # exchange put up with being asked this often; where others object, gRPC asks less.
            ("grpc.keepalive_time_ms", round(PING_SECONDS * 1000)),
            ("grpc.keepalive_timeout_ms", round(PING_TIMEOUT_SECONDS * 1000)),
            # gRPC takes this one for a ping that is not answered, and the other for data.
            ("grpc.http2.ping_timeout_ms", round(PING_TIMEOUT_SECONDS * 1000)),
            # A client that only listens sends no data, after which gRPC would ask once a minute.
            ("grpc.http2.max_pings_without_data", 0),
            # Retries are made by the client, which knows what may be repeated.
            ("grpc.enable_retries", 0),
            # What is meant for this machine is not sent to a proxy.
            ("grpc.enable_http_proxy", 0 if is_loopback(self.target) else 1),
        )


def is_loopback(target: str) -> bool:
    """Tell whether an address is one of this machine, that nobody else can listen in on.

    >>> [is_loopback(target) for target in ("127.0.0.1:50551", "[::1]:1", "localhost", "unix:x")]
    [True, True, True, True]
    >>> [is_loopback(target) for target in ("10.0.0.7:50551", "localhost.example.com:443")]
    [False, False]
    """
    if target.startswith("unix:"):
        return True
    endpoint = _endpoint(target)
    if endpoint is None:
        return False
    host, _ = endpoint
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _endpoint(target: str) -> tuple[str, int] | None:
    """Return the host and the port of an address, where it is spelled as one of these."""
    address = _ADDRESS.fullmatch(target)
    if address is None:
        return None
    return address["bracketed"] or address["host"], int(address["port"] or _DEFAULT_PORT)
