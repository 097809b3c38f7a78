"""Exports in the audit log: each has an entry from before its first event is sent."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.timestamp_pb2 import Timestamp

from crucible_ir.exchange.server.rpc.call_context import current_actor
from crucible_ir.exchange.server.rpc.errors import translate
from crucible_ir.exchange.store.audit_records import AuditAction
from crucible_ir.exchange.store.errors import StoreFailure

if TYPE_CHECKING:
    from crucible_ir.exchange import v1
    from crucible_ir.exchange.store import Store

_log: Final = logging.getLogger(__name__)

#: The fields of a request that do not select events.
_PAGING: Final = frozenset({"batch_size", "cursor"})


@dataclass(slots=True)
class ExportProgress:
    """An export in progress.

    Attributes:
        events: How many events were sent, including those in the message that is being sent.
    """

    events: int = 0


@asynccontextmanager
async def audited_export(store: Store, request: v1.ExportRequest) -> AsyncIterator[ExportProgress]:
    """Write an entry to the audit log, and complete it at the end, whatever ends the export.

    A server that is killed leaves the entry with the outcome ``unfinished`` and no events.
    """
    details = {
        field.name: _text(value)
        for field, value in request.ListFields()
        if field.name not in _PAGING
    }
    if request.cursor:
        details["resumed"] = "true"
    number = await store.audit(
        AuditAction.EXPORTED,
        current_actor(),
        counts={"events": 0},
        details={**details, "outcome": "unfinished"},
    )
    progress = ExportProgress()
    outcome = "complete"
    try:
        yield progress
    except asyncio.CancelledError:
        outcome = "abandoned"
        raise
    except Exception as error:
        outcome = translate(error).code.name.lower()
        raise
    finally:
        completing = store.complete_audit(number, {"events": progress.events}, {"outcome": outcome})
        try:
            # A second cancellation must not cancel it.
            await asyncio.shield(completing)
        except StoreFailure as error:
            _log.error("cannot complete entry %d of the audit log: %s", number, error)


def _text(value: Any) -> str:
    if isinstance(value, Timestamp):
        return value.ToJsonString()
    return value if isinstance(value, str) else json.dumps(list(value))
