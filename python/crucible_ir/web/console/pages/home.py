"""The first page: what changed since the reader looked."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from typing import TYPE_CHECKING, Final

from crucible_ir.web.console.attention import Attention, attention
from crucible_ir.web.console.page import Action, Goto, Link, Live, Page, View, Visit
from crucible_ir.web.console.reading import Revision, read_contents
from crucible_ir.web.console.recent import recent_changes
from crucible_ir.web.console.sentences import Sentence, sentence_of

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.exchange import Record

#: The number of sequence numbers on a page, and the most rows, which appends of a run may exceed.
_SPAN: Final = 200
_ROWS: Final = 40
#: The cookie with the sequence number up to which the reader has seen the changes.
_SEEN: Final = "seen"


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
        sentence: What it did.
        is_new: Whether the reader has not seen it.
    """

    sequence: int
    type: str
    id: str
    revision: int
    time: datetime
    publisher: str | None
    url: str
    sentence: Sentence
    is_new: bool


@dataclass(frozen=True, slots=True)
class Day:
    """The changes of a day in the zone of the reader, the latest first."""

    day: date
    changes: Sequence[ChangeRow]


@dataclass(frozen=True, slots=True)
class Home:
    """The changes in an exchange.

    Attributes:
        latest: The latest sequence number.
        seen: The sequence number that the reader has seen; 0 if the reader never said so.
        unseen: The number of changes since then.
        documents: The number of documents that they changed.
        publishers: The names of those who made them.
        since: The time of the first of them; ``None`` if there are none.
        is_complete: Whether these are all of them.
        days: The changes of this page by day, the latest first.
        earlier: The address of the changes before; empty if there are none.
        gap: Through which change the exchange has dropped its history; 0 for none.
        is_first: Whether the page shows the latest changes.
        attention: What needs a look, and what runs now; ``None`` on pages of earlier changes.
    """

    latest: int
    seen: int
    unseen: int
    documents: int
    publishers: Sequence[str]
    since: datetime | None
    is_complete: bool
    days: Sequence[Day]
    earlier: str
    gap: int
    is_first: bool
    attention: Attention | None


async def show(visit: Visit) -> View:
    """Show the latest changes."""
    before = visit.number("before")
    found = await recent_changes(visit.client, _SPAN, before=before)
    records = found.records[:_ROWS]
    seen = _seen(visit)
    unseen = [record for record in found.records if record.sequence > seen] if seen else []
    contents = await read_contents(visit.client, _revisions(records))

    def make_rows() -> list[ChangeRow]:
        return [_row(visit, record, contents, seen) for record in records]

    rows = await asyncio.to_thread(make_rows)
    # The next page begins below the last row, or below the span if it has fewer rows.
    is_cut = len(found.records) > len(records)
    end = records[-1].sequence if is_cut else found.after + 1
    data = Home(
        found.latest,
        seen,
        len(unseen),
        len({(record.type, record.id) for record in unseen}),
        sorted({record.publisher for record in unseen if record.publisher}),
        min((record.update_time for record in unseen), default=None),
        seen >= found.after,
        _days(visit, rows),
        visit.url("", before=end) if end > 1 else "",
        0 if found.gap is None else found.gap.through_sequence,
        before is None,
        await attention(visit) if before is None else None,
    )
    live = Live() if before is None else None
    return View("What changed", data, (Link("changes", visit.url("")),), live)


async def mark_seen(visit: Visit) -> Goto:
    """Remember up to where the reader has seen the changes."""
    text = visit.form.get("sequence", "")
    sequence = int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else 0
    return Goto(visit.url(""), {_SEEN: str(sequence)})


def _seen(visit: Visit) -> int:
    text = visit.cookie(_SEEN)
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else 0


def _revisions(records: Sequence[Record]) -> list[Revision]:
    """Return the revisions that the sentences are about."""
    wanted = []
    for record in records:
        if not record.deleted:
            earlier = max(1, record.revision - 1)
            wanted += [(record.type, record.id, each) for each in (earlier, record.revision)]
    return wanted


def _row(
    visit: Visit, record: Record, contents: Mapping[Revision, Message], seen: int
) -> ChangeRow:
    is_first = record.revision == 1 or record.deleted
    where = () if is_first else ("history",)
    query = {} if is_first else {"from": record.revision - 1, "to": record.revision}
    return ChangeRow(
        record.sequence,
        record.type,
        record.id,
        record.revision,
        record.update_time,
        record.publisher,
        visit.document_url(record.type, record.id, *where, **query),
        sentence_of(record, contents),
        bool(seen) and record.sequence > seen,
    )


def _days(visit: Visit, rows: Sequence[ChangeRow]) -> list[Day]:
    by_day = groupby(rows, lambda row: row.time.astimezone(visit.zone).date())
    return [Day(day, list(changes)) for day, changes in by_day]


PAGES = (Page("/", show, "home.html", label="Changes", key="h"),)
ACTIONS = (Action("/seen", mark_seen),)
