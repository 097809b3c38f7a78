"""HTTP connections: time limits that uvicorn does not have, and what requests know of theirs."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from typing import Any, ClassVar, Final, cast

from uvicorn.protocols.http.h11_impl import H11Protocol

#: How long the headers of a request may take, from the connection or their first byte, in seconds.
HEADER_SECONDS: Final = 20.0

#: The options of TCP connections, as far as the system has them. The first one sends a body without
#: waiting for the acknowledgement of its headers, which clients delay by 40 ms; asyncio sets it for
#: some sockets only. The others detect a client that vanished, as the pings of gRPC do: from 60
#: seconds without traffic on, or if it does not acknowledge what was sent.
_TCP_OPTIONS: Final = {
    "TCP_NODELAY": 1,
    "TCP_KEEPIDLE": 60,
    "TCP_KEEPINTVL": 10,
    "TCP_KEEPCNT": 3,
    "TCP_USER_TIMEOUT": 60_000,
}


def certificate_of(connection: ssl.SSLObject | None) -> dict[str, list[bytes]]:
    """Return the properties of the client's certificate, with the names that gRPC has for them.

    Args:
        connection: The TLS connection; ``None`` for plain text.
    """
    found: dict[str, list[bytes]] = {}
    leaf = None if connection is None else connection.getpeercert(binary_form=True)
    if connection is None or not leaf:
        return found
    found["x509_pem_cert"] = [ssl.DER_cert_to_PEM_cert(leaf).encode()]
    chain = "".join(map(ssl.DER_cert_to_PEM_cert, _chain_of(connection)))
    found["x509_pem_cert_chain"] = [chain.encode()]
    values: Any = connection.getpeercert() or {}
    for part in values.get("subject", ()):
        for key, value in part:
            if key == "commonName":
                found.setdefault("x509_common_name", []).append(value.encode())
    for _, value in values.get("subjectAltName", ()):
        found.setdefault("x509_subject_alternative_name", []).append(str(value).encode())
    return found


def _chain_of(connection: Any) -> list[bytes]:
    """Return the certificates that the client sent, its own first."""
    if hasattr(connection, "get_unverified_chain"):
        return list(connection.get_unverified_chain())
    # Python 3.11 and 3.12 have it, but not under a public name.
    der = 2
    return [each.public_bytes(der) for each in connection._sslobj.get_unverified_chain()]


class LimitedConnection(H11Protocol):
    """A connection whose client sends headers and receives responses within time limits.

    The state of each request has `abort`, which closes the connection at once, and `certificate`,
    the properties of the client's certificate.
    """

    #: How long a client may take to receive the rest of a response, in seconds.
    write_seconds: ClassVar[float] = 60.0

    _header_timer: asyncio.TimerHandle | None = None
    _stalled_since: float | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin."""
        super().connection_made(transport)
        most = self.limit_concurrency
        if most is not None and len(self.connections) >= most:
            # uvicorn answers such requests with an error, and would keep idle connections.
            transport.abort()
            return
        connection = transport.get_extra_info("socket")
        if connection.family != getattr(socket, "AF_UNIX", None):
            for name, value in _TCP_OPTIONS.items():
                if hasattr(socket, name):
                    connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        self.app_state = {
            **self.app_state,
            "abort": transport.abort,
            "certificate": certificate_of(transport.get_extra_info("ssl_object")),
        }
        self._limit_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._unlimit_headers()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Receive a part of a request."""
        super().data_received(data)
        # While a request is read or answered, its application limits the time. After the response
        # the rest of a body may come, as slowly as headers.
        if self._is_idle:
            self._limit_headers()
        else:
            self._unlimit_headers()

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection; one that still receives a response gets more time."""
        if self.transport.get_write_buffer_size():
            now = time.monotonic()
            self._stalled_since = self._stalled_since or now
            if now - self._stalled_since < self.write_seconds:
                self.timeout_keep_alive_task = self.loop.call_later(
                    self.timeout_keep_alive, self.timeout_keep_alive_handler
                )
            else:
                self.transport.abort()
            return
        super().timeout_keep_alive_handler()

    @property
    def _is_idle(self) -> bool:
        cycle = cast("Any", self.cycle)
        return cycle is None or cycle.response_complete

    def _limit_headers(self) -> None:
        if self._header_timer is None:
            self._header_timer = self.loop.call_later(HEADER_SECONDS, self.transport.abort)

    def _unlimit_headers(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None
