"""The audit log of the exchange, as the clients request and return it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

from crucible_ir.exchange import v1
from crucible_ir.exchange.client.requests import name_of, number_in, utc
from crucible_ir.schema import vocabulary

if TYPE_CHECKING:
    from crucible_ir.exchange.client.requests import TypeName


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One action that the exchange carried out.

    >>> message = v1.AuditEntry(number=7, action=v1.AuditAction.AUDIT_ACTION_PUBLISHED, id="m1")
    >>> entry = AuditEntry.of(message)
    >>> entry.action, entry.id, entry.caller
    ('published', 'm1', None)

    Attributes:
        number: Identifies the entry in its exchange; later entries have greater numbers.
        time: The time of the action.
        action: The action, such as ``published``; a number if the client does not know it.
        caller: The authenticated name of the caller; ``None`` if there is none.
        authentication: How the caller was authenticated: ``token``, ``certificate``, ``jwt``,
            ``none``, or ``server`` if the server acted by itself.
        type: The short name of the type of the document that was acted on; ``None`` for others.
        id: The id of the document, or of what else was acted on; ``None`` if there is none.
        revision: The revision that the action added; ``None`` for none.
        counts: The numbers of what was acted on, by name.
        details: Further details, by name.
        request_id: The id of the call, as in the log of requests.
    """

    number: int
    time: datetime
    action: str
    caller: str | None
    authentication: str
    type: str | None
    id: str | None
    revision: int | None
    counts: Mapping[str, int]
    details: Mapping[str, str]
    request_id: str | None

    @classmethod
    def of(cls, entry: v1.AuditEntry) -> AuditEntry:
        """Convert the message.

        >>> AuditEntry.of(v1.AuditEntry(number=7, caller="trainer")).caller
        'trainer'
        """
        has = entry.HasField
        actions = vocabulary.names(v1.AuditAction.DESCRIPTOR)
        ways = vocabulary.names(v1.AuditAuthentication.DESCRIPTOR)
        return cls(
            number=entry.number,
            time=entry.time.ToDatetime(tzinfo=UTC),
            action=actions.get(entry.action, str(entry.action)),
            caller=entry.caller if has("caller") else None,
            authentication=ways.get(entry.authentication, str(entry.authentication)),
            type=entry.type if has("type") else None,
            id=entry.id if has("id") else None,
            revision=entry.revision if has("revision") else None,
            counts=dict(entry.counts),
            details=dict(entry.details),
            request_id=entry.request_id if has("request_id") else None,
        )


def list_audit_entries(
    start_time: datetime | None,
    end_time: datetime | None,
    caller: str | None,
    actions: Iterable[str],
    type_: TypeName | None,
    id_: str | None,
    page_size: int | None,
) -> v1.ListAuditEntriesRequest:
    """Return a request for the first page of the audit log."""
    enum = v1.AuditAction.DESCRIPTOR
    return v1.ListAuditEntriesRequest(
        start_time=utc(start_time, "start_time"),
        end_time=utc(end_time, "end_time"),
        caller=caller,
        actions=[cast("v1.AuditAction", number_in(enum, name, "actions")) for name in actions],
        type=None if type_ is None else name_of(type_),
        id=id_,
        page_size=page_size,
    )
