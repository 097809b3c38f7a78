"""The history of a document, and the differences of any two revisions."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from crucible_ir.diffing import ComparisonError
from crucible_ir.errors import EncodeError
from crucible_ir.exchange.client.errors import NotFoundError
from crucible_ir.web.console.comparing import Differences, differences
from crucible_ir.web.console.page import Link, Live, Page, View, Visit
from crucible_ir.web.console.reading import Revision, read_contents
from crucible_ir.web.console.sentences import Sentence, sentence_of

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.exchange import Record

#: The most revisions of a page, and those whose changes are put into words.
_MAX_REVISIONS: Final = 100
_IN_WORDS: Final = 20


@dataclass(frozen=True, slots=True)
class RevisionRow:
    """A revision.

    Attributes:
        revision: Its number.
        time: When it was made.
        publisher: Who made it; ``None`` if the exchange does not know its callers.
        deleted: Whether it is a deletion.
        url: Its page; empty for a deletion.
        sentence: What it changed; ``None`` for the older ones.
    """

    revision: int
    time: datetime
    publisher: str | None
    deleted: bool
    url: str
    sentence: Sentence | None


@dataclass(frozen=True, slots=True)
class History:
    """The revisions of a document, and the differences of two of them.

    Attributes:
        type: The type of the document.
        id: Its id.
        revisions: The revisions, the latest first.
        old: The revision that the differences begin with; ``None`` if there is only one.
        new: The revision that they end with.
        differences: The differences; ``None`` if one of the revisions has no content.
        problem: Why there are none; empty if there are.
        is_latest: Whether the new one is the latest revision.
        older: The address of the older revisions; empty if there are none.
    """

    type: str
    id: str
    revisions: Sequence[RevisionRow]
    old: RevisionRow | None
    new: RevisionRow
    differences: Differences | None
    problem: str
    is_latest: bool
    older: str


async def show(visit: Visit) -> View:
    """Show the revisions, and the differences of the two in the query, by default the latest."""
    type_, id_ = visit.type_param(), visit.param("id")
    records, has_more = await _records(visit, type_, id_)
    by_number = {record.revision: record for record in records}
    latest = records[0].revision
    to = visit.number("to", latest) or latest
    start = visit.number("from", max(1, to - 1)) or 1
    for number in (start, to):
        if number not in by_number:
            by_number[number] = await _record(visit, type_, id_, number)
    wanted = {start, to, *(record.revision for record in records[: _IN_WORDS + 1])}
    keys = [(type_, id_, each) for each in wanted if not _is_deletion(by_number, each)]
    contents = await read_contents(visit.client, keys)
    in_words = set(records[:_IN_WORDS])

    def make_rows() -> dict[int, RevisionRow]:
        return {
            number: _row(visit, record, contents if record in in_words else None)
            for number, record in by_number.items()
        }

    rows = await asyncio.to_thread(make_rows)
    pair = contents.get((type_, id_, start)), contents.get((type_, id_, to))
    found, problem = await asyncio.to_thread(_compare, *pair)
    data = History(
        type_,
        id_,
        [rows[record.revision] for record in records],
        rows[start] if start != to else None,
        rows[to],
        found if start != to else None,
        problem,
        to == latest,
        visit.document_url(type_, id_, "history", before=records[-1].revision) if has_more else "",
    )
    trail = (
        Link(type_, visit.url("documents", type_)),
        Link(id_, visit.document_url(type_, id_)),
        Link("history", visit.document_url(type_, id_, "history")),
    )
    live = Live((type_,), id_) if not visit.query("before") else None
    return View(f"History of {id_}", data, trail, live)


async def _records(visit: Visit, type_: str, id_: str) -> tuple[list[Record], bool]:
    """Return the records of the page, the latest first, and whether there are older ones."""
    before = visit.number("before")
    records: list[Record] = []
    async for entry in visit.client.list_revisions(type_, id_, page_size=_MAX_REVISIONS + 1):
        if before is None or entry.record.revision < before:
            if len(records) == _MAX_REVISIONS:
                return records, True
            records.append(entry.record)
    if not records:
        raise NotFoundError(f"{type_} {id_} has no revision before {before}", code="NOT_FOUND")
    return records, False


async def _record(visit: Visit, type_: str, id_: str, number: int) -> Record:
    """Return the record of a revision that is not on the page.

    Raises:
        NotFoundError: It does not exist, or is not kept.
    """
    return (await visit.client.get(type_, id_, revision=number)).record


def _is_deletion(records: Mapping[int, Record], number: int) -> bool:
    return number in records and records[number].deleted


def _row(visit: Visit, record: Record, contents: Mapping[Revision, Message] | None) -> RevisionRow:
    return RevisionRow(
        record.revision,
        record.update_time,
        record.publisher,
        record.deleted,
        ""
        if record.deleted
        else visit.document_url(record.type, record.id, revision=record.revision),
        None if contents is None else sentence_of(record, contents),
    )


def _compare(old: Message | None, new: Message | None) -> tuple[Differences | None, str]:
    """Return the differences, or why there are none."""
    if old is None or new is None:
        return None, "A deletion has no content to compare."
    try:
        return differences(old, new), ""
    except (ComparisonError, EncodeError) as error:
        return None, f"These revisions cannot be compared: {error}"


PAGES = (Page("/documents/{type}/{id}/history", show, "history.html"),)
ACTIONS = ()
