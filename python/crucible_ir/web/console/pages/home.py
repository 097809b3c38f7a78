"""The first page: what changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from crucible_ir.web.console.page import Link, Live, Page, View, Visit
from crucible_ir.web.console.recent import recent_changes

if TYPE_CHECKING:
    from crucible_ir.exchange import Record

#: The number of sequence numbers on a page.
_SPAN = 60


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """A change.

    Attributes:
        sequence: Its sequence number.
        type: The type of the document.
        id: Its id.
        revision: The revision.
        time: When it was made.
        publisher: Who made it; ``None`` if the exchange does not know its callers.
        url: The page about it.
        deleted: Whether the document was deleted.
    """

    sequence: int
    type: str
    id: str
    revision: int
    time: datetime
    publisher: str | None
    url: str
    deleted: bool


@dataclass(frozen=True, slots=True)
class Home:
    """The changes in an exchange.

    Attributes:
        latest: The latest sequence number.
        changes: The changes of this page, the latest first.
        earlier: The address of the changes before; empty if there are none.
    """

    latest: int
    changes: Sequence[ChangeRow]
    earlier: str


async def show(visit: Visit) -> View:
    """Show the latest changes."""
    found = await recent_changes(visit.client, _SPAN, before=visit.number("before"))
    rows = [_row(visit, record) for record in found.records]
    earlier = visit.url("", before=found.after + 1) if found.after else ""
    return View(
        "What changed",
        Home(found.latest, rows, earlier),
        (Link("changes", visit.url("")),),
        Live(),
    )


def _row(visit: Visit, record: Record) -> ChangeRow:
    return ChangeRow(
        record.sequence,
        record.type,
        record.id,
        record.revision,
        record.update_time,
        record.publisher,
        visit.document_url(record.type, record.id),
        record.deleted,
    )


PAGES = (Page("/", show, "home.html", label="Changes", key="h"),)
ACTIONS = ()
