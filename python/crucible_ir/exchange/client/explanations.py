"""The causes and remedies of errors that gRPC reports in the wording of its library."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from crucible_ir.exchange.client.addresses import endpoint_of, is_loopback, listens, serve_command
from crucible_ir.exchange.client.errors import (
    ExchangeError,
    TlsError,
    UnauthenticatedError,
    UnavailableError,
)
from crucible_ir.exchange.client.retrying import NO_SERVER
from crucible_ir.exchange.client.tls import tls_problem

if TYPE_CHECKING:
    from crucible_ir.exchange.client.connection import Connection

#: The message of gRPC when it cannot load a client's certificates.
_LOCAL_FAULT: Final = "Failed to create security handshaker"

#: The messages of gRPC when it finds no address for a name.
_NO_ADDRESS: Final = re.compile("errors resolving |DNS resolution failed ")

#: The message of gRPC when it cannot connect, and the reason in it.
_NO_CONNECTION: Final = "failed to connect to all addresses"
_REASON: Final = re.compile("Failed to connect to remote host: (?:connect: )?(.+)")

#: The `ExchangeError.reason` of servers for a call without a token.
_TOKEN_MISSING: Final = "TOKEN_MISSING"


def explained(error: ExchangeError, connection: Connection) -> ExchangeError:
    """Return an error with its cause and remedy if they are known, or else the error itself.

    This connects to the server, which may take some seconds.
    """
    target = connection.target
    if error.reason == _TOKEN_MISSING and connection.token is None:
        message = f"{target} requires a token: pass `token` to the client"
        return UnauthenticatedError(message, code=error.code, reason=error.reason)
    if _LOCAL_FAULT in error.message:
        return TlsError("this client's certificates or key cannot be used")
    if _NO_ADDRESS.search(error.message):
        message = f"cannot connect to {target}: the name cannot be resolved"
        return UnavailableError(message, code=error.code)
    if _NO_CONNECTION in error.message:
        return _no_connection(error, connection)
    return error


def _no_connection(error: ExchangeError, connection: Connection) -> ExchangeError:
    target = connection.target
    if is_loopback(target) and not listens(target):
        message = f"no exchange at {target}; start one with `{serve_command(target)}`"
        return UnavailableError(message, code=error.code, reason=NO_SERVER)
    endpoint = endpoint_of(target)
    problem = None if endpoint is None else tls_problem(*endpoint, connection.tls)
    if problem is not None:
        return TlsError(f"cannot connect to {target}: {problem}")
    reason = _REASON.search(error.message)
    if reason is None:
        return error
    return UnavailableError(f"cannot connect to {target}: {reason[1]}", code=error.code)
