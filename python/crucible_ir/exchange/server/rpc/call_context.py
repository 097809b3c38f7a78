"""The call in progress: its id, who makes it, and which documents they may see and change."""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final

import grpc

from crucible_ir.exchange.server.rpc.errors import permission_denied
from crucible_ir.exchange.store.records import EVERYTHING, Scope


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a call.

    Attributes:
        name: The name under which the caller was authenticated; ``None`` when nobody asked.
        scope: The documents that the caller may see and change.
    """

    name: str | None = None
    scope: Scope = EVERYTHING

    def check(self, type_: str, id_: str) -> None:
        """Refuse a call that is about a document outside the caller's scope.

        Raises:
            RpcError: It is outside.
        """
        if not self.scope.allows(type_, id_):
            raise permission_denied("the credentials do not cover this type and id")


#: A caller whom nobody asked for credentials.
ANYONE = Caller()

#: The caller of the call in progress: set before its handler begins, in the same task.
CALLER: ContextVar[Caller] = ContextVar("caller", default=ANYONE)


def current_caller() -> Caller:
    """Return who makes the call in progress."""
    return CALLER.get()


@dataclass(slots=True)
class CallInfo:
    """One call, for those who watch; nothing of what is said in it.

    Attributes:
        method: The full name, as ``/crucible_ir.exchange.v1.ExchangeService/Get``.
        request_id: Identifies the call in logs: the client's own id, or one made here.
        metadata: The call's metadata, which may hold secrets.
        started: When it began, in seconds of a clock that only goes forward.
        peer: The address that it comes from.
        caller: The name of the caller; ``None`` when nobody knows.
        has_begun: Whether its request has come, or the stream of its requests was opened.
        code: How it ended.
        seconds: How long it took.
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


#: The call in progress, from before its request is read; in its task.
CALL: Final[ContextVar[CallInfo | None]] = ContextVar("call", default=None)


def current_call() -> CallInfo | None:
    """Return the call in progress, where calls are observed."""
    return CALL.get()
