"""The service for the audit log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from crucible_ir.exchange import v1
from crucible_ir.exchange.server.rpc.call_context import current_caller
from crucible_ir.exchange.server.rpc.errors import permission_denied
from crucible_ir.exchange.server.services.commands import check_type
from crucible_ir.exchange.server.services.conversions import microseconds_of, timestamp_message
from crucible_ir.exchange.server.services.page_tokens import PageTokens, query_hash
from crucible_ir.exchange.store.audit_records import (
    AuditAction,
    AuditEntry,
    AuditQuery,
)
from crucible_ir.exchange.store.records import EVERYTHING
from crucible_ir.exchange.v1.audit_service_pb2_grpc import AuditServiceServicer

if TYPE_CHECKING:
    from crucible_ir.exchange.server.rpc.call_hooks import Context
    from crucible_ir.exchange.store import Store

#: The default of a request's page_size.
PAGE_SIZE: Final = 100

_ACTIONS: Final = {
    v1.AuditAction.Value(f"AUDIT_ACTION_{action.name}"): action for action in AuditAction
}


class AuditService(AuditServiceServicer):
    """Implements ``crucible_ir.exchange.v1.AuditService`` on a store."""

    def __init__(self, store: Store, page_tokens: PageTokens) -> None:
        self._store = store
        self._page_tokens = page_tokens

    async def ListAuditEntries(
        self, request: v1.ListAuditEntriesRequest, context: Context
    ) -> v1.ListAuditEntriesResponse:
        """Return one page of the audit log."""
        if current_caller().scope != EVERYTHING:
            raise permission_denied("the credentials do not cover all documents")
        has = request.HasField
        if has("type"):
            check_type(request.type)
        query = query_hash(request, "page_size", "page_token")
        after = await self._page_tokens.read(query, request.page_token)
        page = await self._store.list_audit(
            AuditQuery(
                start_time=microseconds_of(request.start_time) if has("start_time") else None,
                end_time=microseconds_of(request.end_time) if has("end_time") else None,
                caller=request.caller if has("caller") else None,
                actions=tuple(_ACTIONS[number] for number in request.actions if number),
                type=request.type if has("type") else None,
                id=request.id if has("id") else None,
                after=None if after is None else str(after),
                limit=request.page_size if has("page_size") else PAGE_SIZE,
            )
        )
        return v1.ListAuditEntriesResponse(
            entries=map(audit_entry_message, page.entries),
            next_page_token=await self._page_tokens.write(query, page.next),
        )


def audit_entry_message(entry: AuditEntry) -> v1.AuditEntry:
    """Return an entry of the audit log as a message."""
    return v1.AuditEntry(
        number=entry.number,
        time=timestamp_message(entry.time),
        action=f"AUDIT_ACTION_{entry.action.name}",
        caller=entry.actor.name,
        authentication=f"AUDIT_AUTHENTICATION_{entry.actor.authentication.name}",
        type=entry.type,
        id=entry.id,
        revision=entry.revision,
        counts=entry.counts,
        details=entry.details,
        request_id=entry.actor.request_id,
    )
