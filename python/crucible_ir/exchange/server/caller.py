"""Who makes a call, and which documents they may see and change."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass

from crucible_ir.exchange.server.errors import permission_denied
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
