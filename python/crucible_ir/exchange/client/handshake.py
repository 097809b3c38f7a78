"""Why TLS with a server fails, as Python's own TLS tells it.

gRPC says of a handshake that failed that the server cannot be reached, in words of its library, and
tries again. Trying again mends nothing here, so that the reason is looked for.
"""

from __future__ import annotations

import os
import socket
import ssl
import sys
import time
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from crucible_ir.exchange.certificates import reason_of

if TYPE_CHECKING:
    from crucible_ir.exchange.client.connection import Tls

#: How long each connection may take, in seconds.
_PATIENCE: Final = 2.0

#: The pause before a server is asked again that closed a connection without a word, in seconds.
_PAUSE: Final = 0.2


class _End(Enum):
    """How a connection ended of which no error says that TLS failed."""

    GREETED = auto()
    CLOSED = auto()
    NOT_MADE = auto()


def tls_problem(host: str, port: int, tls: Tls | None) -> str | None:
    """Return why no connection can be made, if TLS is at fault and waiting does not mend it.

    Args:
        host: The server's name or number.
        port: Its port.
        tls: The certificates of the connection; ``None`` for plain text.
    """
    if tls is None:
        return _problem_of_plain_text(host, port)
    context = _checking(tls)
    try:
        is_shown = _show(tls, context)
    except ssl.SSLError as error:
        return f"this client's certificate and key cannot be used: {reason_of(error)}"
    try:
        end = _connect(host, port, context)
        if end is _End.CLOSED:
            # It may just have stopped.
            time.sleep(_PAUSE)
            end = _connect(host, port, context)
    except ssl.SSLCertVerificationError as error:
        return f"its certificate is not accepted: {error.verify_message.rstrip('.')}"
    except ssl.SSLError as error:
        return f"it does not speak TLS as it should: {reason_of(error)}"
    if end is not _End.CLOSED or not is_shown:
        return None
    if tls.certificate is None:
        return "it closed the connection: it may ask for a client's certificate"
    return "it closed the connection: it may not accept this client's certificate"


def _problem_of_plain_text(host: str, port: int) -> str | None:
    try:
        end = _connect(host, port, _trusting())
    except ssl.SSLError:
        return None
    return None if end is _End.NOT_MADE else "it speaks TLS, and this is plain text"


def _connect(host: str, port: int, context: ssl.SSLContext) -> _End:
    """Connect and wait for the server to say something.

    In TLS 1.3 a client learns that the server wants another certificate when it reads.

    Raises:
        ssl.SSLError: The handshake failed.
    """
    try:
        with (
            socket.create_connection((host, port), timeout=_PATIENCE) as plain,
            context.wrap_socket(plain, server_hostname=host) as connection,
        ):
            try:
                return _End.GREETED if connection.recv(1) else _End.CLOSED
            except TimeoutError:
                return _End.GREETED
            except OSError:
                return _End.CLOSED
    except ssl.SSLEOFError:
        return _End.NOT_MADE
    except ssl.SSLError as error:
        if "ALERT" in (error.reason or ""):
            # In TLS 1.2 the server says so while hands are shaken.
            return _End.CLOSED
        raise
    except (OSError, ValueError):
        return _End.NOT_MADE


def _checking(tls: Tls) -> ssl.SSLContext:
    """Return a context that checks the server as gRPC does."""
    roots = None if tls.ca is None else tls.ca.decode("ascii", "ignore")
    context = ssl.create_default_context(cadata=roots)
    context.set_alpn_protocols(["h2"])
    return context


def _show(tls: Tls, context: ssl.SSLContext) -> bool:
    """Have a context show the client's certificate, if there is one; tell whether it could be done.

    Python reads a key from files only. One that is in memory is not written to a disk for this.

    Raises:
        ssl.SSLError: They are no certificate and its key.
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


def _trusting() -> ssl.SSLContext:
    """Return a context that takes any certificate: nothing is said over such a connection."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    return context
