"""The search of the bar: a type, a document, or documents whose ids begin with a text."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from crucible_ir.exchange.client.errors import InvalidDocumentError, PermissionDeniedError
from crucible_ir.schema.types import document_members
from crucible_ir.web.console.page import Goto, Link, Page, View, Visit
from crucible_ir.web.console.rendering import identified_types
from crucible_ir.web.console.values import filter_text

#: The most documents of each type.
_HITS: Final = 5


@dataclass(frozen=True, slots=True)
class Hit:
    """A document that was found."""

    type: str
    id: str
    url: str
    time: datetime


@dataclass(frozen=True, slots=True)
class More:
    """A type with more documents than are shown, and the address of all of them."""

    type: str
    url: str


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found.

    Attributes:
        query: The text.
        hits: The documents, those whose id is the text first.
        more: The types with more documents.
    """

    query: str
    hits: Sequence[Hit]
    more: Sequence[More]


async def show(visit: Visit) -> View | Goto:
    """Show what a text finds, or go there if it is one thing."""
    text = visit.query("q").strip()
    by_name = {name.lower(): name for name in document_members()}
    if text.lower() in by_name and not visit.wants_json:
        return Goto(visit.url("documents", by_name[text.lower()]))
    type_, slash, id_ = text.partition("/")
    if slash and id_ and type_.lower() in by_name and not visit.wants_json:
        return Goto(visit.document_url(by_name[type_.lower()], id_))
    lists = await asyncio.gather(*(_hits(visit, name, text) for name in identified_types()))
    hits = [hit for found, _ in lists for hit in found]
    if len(hits) == 1 and not visit.wants_json:
        return Goto(hits[0].url)
    hits.sort(key=lambda hit: (hit.id != text, len(hit.id), hit.type, hit.id))
    more = [
        More(name, visit.url("documents", name, where=text))
        for name, (_, has_more) in zip(identified_types(), lists, strict=True)
        if has_more
    ]
    trail = (Link("find", visit.url("find", q=text)),)
    return View(f"Find {text}", Found(text, hits, more), trail)


async def _hits(visit: Visit, type_: str, text: str) -> tuple[list[Hit], bool]:
    """Return the first documents of a type, and whether there are more."""
    if not text:
        return [], False
    try:
        page = await visit.client.list_page(
            type_, filter=f'id = {filter_text(text)[:-1]}*"', page_size=_HITS
        )
    except (InvalidDocumentError, PermissionDeniedError):
        return [], False
    hits = [
        Hit(
            type_,
            each.record.id,
            visit.document_url(type_, each.record.id),
            each.record.update_time,
        )
        for each in page.entries
    ]
    return hits, bool(page.next_page_token)


PAGES = (Page("/find", show, "find.html", label="Find", key="s"),)
ACTIONS = ()
