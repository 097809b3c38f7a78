"""The call in progress: its id, its caller, and the documents in the caller's scope."""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final

import grpc

from crucible_ir.exchange.server.rpc.errors import permission_denied
from crucible_ir.exchange.store.audit_records import Actor, Authentication
from crucible_ir.exchange.store.records import EVERYTHING, Scope


@dataclass(frozen=True, slots=True)
class Caller:
    """The client that makes a call.

    Attributes:
        name: The authenticated name; ``None`` without authentication.
        scope: The documents that the caller may see and change.
        authentication: How the caller was authenticated.
        is_admin: Whether the caller has the role admin.
    """

    name: str | None = None
    scope: Scope = EVERYTHING
    authentication: Authentication = Authentication.NONE
    is_admin: bool = False

    def check(self, type_: str, id_: str) -> None:
        """Reject a call about a document outside the caller's scope.

        Raises:
            RpcError: The document is outside the scope.
        """
        if not self.scope.allows(type_, id_):
            raise permission_denied("the credentials do not cover this type and id")

    def check_everything(self) -> None:
        """Reject a call about the whole store by a caller who does not see everything.

        Raises:
            RpcError: The caller has a scope.
        """
        if self.scope != EVERYTHING:
            raise permission_denied("the credentials do not cover all documents")


#: The caller on a server without authentication.
ANYONE = Caller(is_admin=True)

#: The caller of the call in progress: set before its handler begins, in the same task.
CALLER: ContextVar[Caller] = ContextVar("caller", default=ANYONE)


def current_caller() -> Caller:
    """Return the caller of the call in progress."""
    return CALLER.get()


@dataclass(slots=True)
class CallInfo:
    """One call as observers see it, without its messages.

    Attributes:
        method: The full name, as ``/crucible_ir.exchange.v1.ExchangeService/Get``.
        request_id: Identifies the call in logs: the client's own id, or a generated one.
        metadata: The call's metadata, which may contain secrets.
        started: The start, in seconds of a monotonic clock.
        peer: The client's address.
        caller: The name of the caller; ``None`` if it is unknown.
        has_begun: Whether the request has arrived, or the stream of requests was opened.
        code: The final status code.
        seconds: The duration.
        protocol: The protocol of the call; empty for gRPC.
    """

    method: str
    request_id: str
    metadata: Sequence[tuple[str, Any]] = field(repr=False)
    started: float
    peer: str = ""
    caller: str | None = None
    has_begun: bool = False
    code: grpc.StatusCode = grpc.StatusCode.OK
    seconds: float = 0.0
    protocol: str = ""


#: The call in progress: set before its request is read, in the same task.
CALL: Final[ContextVar[CallInfo | None]] = ContextVar("call", default=None)


def current_call() -> CallInfo | None:
    """Return the call in progress, where calls are observed."""
    return CALL.get()


def current_actor() -> Actor:
    """Return the caller of the call in progress, as the audit log records it."""
    caller, call = current_caller(), current_call()
    request_id = None if call is None else call.request_id
    return Actor(caller.name, caller.authentication, request_id)
