"""The certificates of a connection, and a diagnosis for a TLS handshake that failed.

gRPC reports a failed handshake as a server that cannot be reached, in the wording of its library,
and then retries. A retry does not help here, so Python's own TLS is asked for the cause.
"""

from __future__ import annotations

import os
import socket
import ssl
import sys
import time
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path
from typing import Final

from crucible_ir.exchange.certificates import (
    CertificateError,
    check_pair,
    check_roots,
    reason_of,
)
from crucible_ir.exchange.client.errors import ExchangeError, TlsError

#: The timeout of each connection that the diagnosis opens, in seconds.
_TIMEOUT: Final = 2.0

#: The pause before a second attempt where the server closed the first connection, in seconds.
_PAUSE: Final = 0.2


@dataclass(frozen=True, slots=True)
class Tls:
    """The certificates of a connection, in PEM.

    Attributes:
        ca: The root certificates to verify the server with; ``None`` for the roots that gRPC ships.
        certificate: The client's own certificate, for servers that require one.
        key: The private key of that certificate.

    >>> try:
    ...     _ = Tls(certificate=b"...")
    ... except ExchangeError as error:
    ...     print(error)
    give a client certificate and its private key together
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
            TlsError: A file has no certificate or no key, or the key does not match the
                certificate.
            OSError: A file cannot be read.
        """
        # The files are read first: Python's TLS does not name a file that does not exist.
        tls = cls(
            *(None if path is None else Path(path).read_bytes() for path in (ca, certificate, key))
        )
        try:
            if ca is not None:
                check_roots(ca)
            if certificate is not None and key is not None:
                check_pair(certificate, key)
        except CertificateError as error:
            raise TlsError(str(error)) from None
        return tls

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise ExchangeError("give a client certificate and its private key together")


class _Result(Enum):
    """The outcome of a connection on which no TLS error occurred."""

    CONNECTED = auto()
    CLOSED = auto()
    NOT_CONNECTED = auto()


def tls_problem(host: str, port: int, tls: Tls | None) -> str | None:
    """Return the TLS problem that prevents a connection, or ``None`` if there is none.

    A problem is one that a retry does not solve. A server that cannot be reached is not one.

    Args:
        host: The host name or IP address of the server.
        port: The port of the server.
        tls: The certificates of the connection; ``None`` for plain text.
    """
    if tls is None:
        return _plain_text_problem(host, port)
    context = _verifying_context(tls)
    try:
        is_loaded = _load_client_certificate(context, tls)
    except ssl.SSLError as error:
        return f"this client's certificate and key cannot be used: {reason_of(error)}"
    try:
        outcome = _connect(host, port, context)
        if outcome is _Result.CLOSED:
            # The server may have been shutting down.
            time.sleep(_PAUSE)
            outcome = _connect(host, port, context)
    except ssl.SSLCertVerificationError as error:
        return f"the server's certificate is not trusted: {error.verify_message.rstrip('.')}"
    except ssl.SSLError as error:
        return f"the TLS handshake failed: {reason_of(error)}"
    if outcome is not _Result.CLOSED or not is_loaded:
        return None
    if tls.certificate is None:
        return "the server closed the connection: it may require a client certificate"
    return "the server closed the connection: it may not trust this client's certificate"


def _plain_text_problem(host: str, port: int) -> str | None:
    try:
        outcome = _connect(host, port, _unverified_context())
    except ssl.SSLError:
        return None
    if outcome is _Result.NOT_CONNECTED:
        return None
    return "the server requires TLS, but this connection is plain text"


def _connect(host: str, port: int, context: ssl.SSLContext) -> _Result:
    """Connect and wait until the server sends something.

    In TLS 1.3 a client finds out only when it reads that the server rejected its certificate.

    Raises:
        ssl.SSLError: The handshake failed.
    """
    try:
        with (
            socket.create_connection((host, port), timeout=_TIMEOUT) as plain,
            context.wrap_socket(plain, server_hostname=host) as connection,
        ):
            try:
                return _Result.CONNECTED if connection.recv(1) else _Result.CLOSED
            except TimeoutError:
                return _Result.CONNECTED
            except OSError:
                return _Result.CLOSED
    except ssl.SSLEOFError:
        return _Result.NOT_CONNECTED
    except ssl.SSLError as error:
        if "ALERT" in (error.reason or ""):
            # In TLS 1.2 the server rejects a client certificate during the handshake.
            return _Result.CLOSED
        raise
    except (OSError, ValueError):
        return _Result.NOT_CONNECTED


def _verifying_context(tls: Tls) -> ssl.SSLContext:
    """Return a context that verifies the server as gRPC does."""
    roots = None if tls.ca is None else tls.ca.decode("ascii", "ignore")
    context = ssl.create_default_context(cadata=roots)
    context.set_alpn_protocols(["h2"])
    return context


def _load_client_certificate(context: ssl.SSLContext, tls: Tls) -> bool:
    """Load the client certificate into a context, and return whether that was possible.

    Python loads keys from files only. A key in memory is not written to a disk for the diagnosis,
    so this works on Linux only, which has files in memory.

    Raises:
        ssl.SSLError: The certificate or the key is invalid, or they do not match.
    """
    if tls.certificate is None or tls.key is None:
        return True
    if sys.platform != "linux":
        return False
    with (
        os.fdopen(os.memfd_create("certificate"), "wb") as certificate,
        os.fdopen(os.memfd_create("key"), "wb") as key,
    ):
        certificate.write(tls.certificate)
        certificate.flush()
        key.write(tls.key)
        key.flush()
        folder = "/proc/self/fd"
        context.load_cert_chain(
            f"{folder}/{certificate.fileno()}", f"{folder}/{key.fileno()}", password=""
        )
    return True


def _unverified_context() -> ssl.SSLContext:
    """Return a context that accepts any certificate; the diagnosis sends no data over it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    return context
