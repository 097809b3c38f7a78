"""The parameters and results of a store's audit log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from crucible_ir.exchange.store.records import Microseconds


class Authentication(Enum):
    """How a caller was authenticated; the values are in the database."""

    NONE = "none"
    TOKEN = "token"
    CERTIFICATE = "certificate"
    JWT = "jwt"
    SERVER = "server"


class AuditAction(Enum):
    """The actions of ``crucible_ir.exchange.v1.AuditAction``; the values are in the database."""

    PUBLISHED = "published"
    PROMOTED = "promoted"
    DELETED = "deleted"
    COMPACTED = "compacted"
    ERASED = "erased"
    PURGED = "purged"
    EXPORTED = "exported"
    CONFIGURED = "configured"
    CREDENTIALS_CHANGED = "credentials_changed"
    OVERRIDDEN = "overridden"
    EXPIRED = "expired"
    BACKED_UP = "backed_up"
    RESTORED = "restored"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, as the audit log records it.

    Attributes:
        name: The authenticated name of the caller, if it has one.
        authentication: How the caller was authenticated.
        request_id: The id of the call, as in the log of requests.
    """

    name: str | None = None
    authentication: Authentication = Authentication.NONE
    request_id: str | None = None


#: The server itself, which acts as it is configured.
SERVER: Final = Actor(authentication=Authentication.SERVER)

#: A caller on a server without authentication.
UNKNOWN_ACTOR: Final = Actor()


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """An entry of the audit log, which contains no content of documents and events.

    Attributes:
        action: The action.
        actor: Who acted.
        time: The time of the action.
        type: The short name of the type of the document that was acted on, if it was one.
        id: The id of the document, or of what else was acted on.
        revision: The revision that the action added.
        counts: The numbers of what was acted on, by name.
        details: Further details, by name.
        number: Identifies the entry in its store; 0 before it is stored.
    """

    action: AuditAction
    actor: Actor
    time: Microseconds
    type: str | None = None
    id: str | None = None
    revision: int | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    details: Mapping[str, str] = field(default_factory=dict)
    number: int = 0


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """A query for a page of the audit log; ``None`` and empty are no condition.

    Attributes:
        start_time: The earliest time.
        end_time: The end of the time range, excluded.
        caller: The name of the caller.
        actions: The actions, any of them.
        type: The short name of the type of the document that was acted on.
        id: The id that was acted on.
        after: The key of the entry before the first, as in `AuditPage.next`.
        limit: The most entries to return.
    """

    start_time: Microseconds | None = None
    end_time: Microseconds | None = None
    caller: str | None = None
    actions: tuple[AuditAction, ...] = ()
    type: str | None = None
    id: str | None = None
    after: str | None = None
    limit: int = 100


@dataclass(frozen=True, slots=True)
class AuditPage:
    """A page of the audit log, newest first, and the key after which the next page begins."""

    entries: list[AuditEntry]
    next: str | None
