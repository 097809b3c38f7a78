"""The audit log: who published, promoted, deleted, erased or exported what, and when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from crucible_ir.exchange import v1
from crucible_ir.schema import vocabulary
from crucible_ir.schema.types import document_members
from crucible_ir.web.console.errors import Problem, ProblemError
from crucible_ir.web.console.page import Link, Page, View, Visit

if TYPE_CHECKING:
    from crucible_ir.exchange import AuditEntry

_ROWS: Final = 100


@dataclass(frozen=True, slots=True)
class Row:
    """An entry of the log.

    Attributes:
        number: Its number.
        time: When it happened.
        caller: The name of the caller; ``None`` if there is none.
        authentication: How the caller was authenticated.
        action: The action, such as ``published``.
        type: The type of the document that was acted on; empty for others.
        id: Its id.
        url: Its page; empty if it is no document.
        revision: The revision that the action added; ``None`` for none.
        counts: The numbers of what was acted on.
        details: Further details.
        request_id: The id of the call in the log of requests; ``None`` for none.
    """

    number: int
    time: datetime
    caller: str | None
    authentication: str
    action: str
    type: str
    id: str
    url: str
    revision: int | None
    counts: Mapping[str, int]
    details: Mapping[str, str]
    request_id: str | None


@dataclass(frozen=True, slots=True)
class Log:
    """A page of the audit log.

    Attributes:
        caller: The caller to show; empty for all.
        action: The action to show; empty for all.
        type: The document type to show; empty for all.
        id: The id to show; empty for all.
        actions: The actions to choose from.
        types: The types to choose from.
        rows: The entries, newest first.
        next: The address of the older entries; empty if these are the last.
    """

    caller: str
    action: str
    type: str
    id: str
    actions: Sequence[str]
    types: Sequence[str]
    rows: Sequence[Row]
    next: str


async def show(visit: Visit) -> View:
    """Show the newest entries, or those before one."""
    caller, id_ = visit.query("caller").strip(), visit.query("id").strip()
    actions = vocabulary.names(v1.AuditAction.DESCRIPTOR)
    known = [name for number, name in sorted(actions.items()) if number]
    action = _choice(visit, "action", known)
    type_ = _choice(visit, "type", list(document_members()))
    until, below = _place(visit)
    entries: list[AuditEntry] = []
    has_more = False
    async for entry in visit.client.list_audit_entries(
        end_time=None if until is None else until + timedelta(microseconds=1),
        caller=caller or None,
        actions=[action] if action else (),
        type=type_ or None,
        id=id_ or None,
        page_size=_ROWS + 1,
    ):
        # Entries of one time are in the order of their numbers.
        if below is not None and entry.number >= below:
            continue
        if len(entries) == _ROWS:
            has_more = True
            break
        entries.append(entry)
    filters = {"caller": caller, "action": action, "type": type_, "id": id_}
    older = ""
    if has_more:
        last = entries[-1]
        place = {"until": last.time.isoformat(), "below": last.number}
        older = visit.url("audit", **filters, **place)
    rows = [_row(visit, entry) for entry in entries]
    data = Log(caller, action, type_, id_, known, list(document_members()), rows, older)
    return View("Audit", data, (Link("audit", visit.url("audit")),))


def _choice(visit: Visit, name: str, known: Sequence[str]) -> str:
    text = visit.query(name)
    if text and text not in known:
        reason = f"{name} must be one of {', '.join(known)}, got {text!r}"
        raise ProblemError(Problem.bad_request(reason))
    return text


def _place(visit: Visit) -> tuple[datetime | None, int | None]:
    """Return the time and the number of the entry before which the page begins."""
    text = visit.query("until")
    if not text:
        return None, None
    try:
        until = datetime.fromisoformat(text)
    except ValueError:
        until = None
    if until is None or until.tzinfo is None or not 1970 < until.year < 9999:
        reason = f"until must be a time with its zone, as 2026-01-31T12:00:00Z, got {text!r}"
        raise ProblemError(Problem.bad_request(reason))
    return until, visit.number("below")


def _row(visit: Visit, entry: AuditEntry) -> Row:
    is_document = entry.type in document_members() and entry.id is not None
    return Row(
        entry.number,
        entry.time,
        entry.caller,
        entry.authentication,
        entry.action,
        entry.type or "",
        entry.id or "",
        visit.document_url(entry.type or "", entry.id or "") if is_document else "",
        entry.revision,
        entry.counts,
        entry.details,
        entry.request_id,
    )


PAGES = (Page("/audit", show, "audit.html", label="Audit", key="a"),)
ACTIONS = ()
