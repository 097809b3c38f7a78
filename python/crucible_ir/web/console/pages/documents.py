"""The lists: of the types, of the documents of a type, and of what a search finds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from crucible_ir.exchange.client.errors import InvalidDocumentError
from crucible_ir.schema.comments import summary
from crucible_ir.schema.types import descriptor_of, document_members, message_type
from crucible_ir.web.console.columns import Cell, Column, cell_of, choice_field, columns_of
from crucible_ir.web.console.page import Link, Live, Page, View, Visit
from crucible_ir.web.console.reading import has_history, read_contents
from crucible_ir.web.console.rendering import identified_types
from crucible_ir.web.console.values import filter_text

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.exchange import ListPage, Stored

_ROWS: Final = 50
#: The most calls for one page: a page of the exchange may have few documents, or none.
_CALLS: Final = 8
#: A search that is the beginning of an id, and not a condition.
_ID: Final = re.compile(r"[^\s=<>:!()\"']+")

#: A number that the exchange can order by: its `order_by` ends at a space.
_ORDERED: Final = re.compile(r"[^\s]+")


@dataclass(frozen=True, slots=True)
class Heading:
    """The heading of a column.

    Attributes:
        name: The field, or a number in it.
        kind: The kind of the column.
        url: The address of the list in the order of the column; empty if it has none.
        order: ``ascending`` or ``descending`` if the list is in its order.
    """

    name: str
    kind: str
    url: str
    order: str


@dataclass(frozen=True, slots=True)
class Row:
    """A document of the list."""

    id: str
    url: str
    cells: Sequence[Cell]
    revision: int
    time: datetime
    publisher: str | None
    deleted: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """A value of the stage, the status or the state that the list can be narrowed to."""

    text: str
    url: str
    is_current: bool


@dataclass(frozen=True, slots=True)
class Documents:
    """The documents of a type.

    Attributes:
        type: The type.
        about: The first sentence of the schema about it.
        where: The search, as the reader wrote it.
        state: The field that the choices are about; empty if there is none.
        chosen: The chosen value; empty for all.
        sort: The order; empty for the newest first.
        problem: Why the exchange rejects the search; empty if it does not.
        choices: The values that the list can be narrowed to.
        columns: The columns between the id and the revision.
        id_order: The heading of the ids.
        rows: The documents.
        first: The number of the first row, from 1.
        next: The address of the next page; empty if this is the last.
        start: The address of the first page; empty if this is it.
        plain: The address of the list without search and choice.
    """

    type: str
    about: str
    where: str
    state: str
    chosen: str
    sort: str
    problem: str
    choices: Sequence[Choice]
    columns: Sequence[Heading]
    id_order: Heading
    rows: Sequence[Row]
    first: int
    next: str
    start: str
    plain: str


async def show(visit: Visit) -> View:
    """Show the documents of a type."""
    type_ = visit.type_param()
    where, chosen, sort = visit.query("where").strip(), visit.query("state"), visit.query("sort")
    first = visit.number("first", 1) or 1
    descriptor = descriptor_of(message_type(type_))
    field = choice_field(descriptor)
    state = "" if field is None else field.name
    choices = []
    if field is not None:
        names = ["", *field.short_names]
        choices = [Choice(name, _address(visit, state=name), name == chosen) for name in names]
    problem, token = "", ""
    entries: list[Stored] = []
    try:
        condition = _condition(where, state, chosen)
        entries, token = await _page(visit, type_, condition, sort)
    except InvalidDocumentError as error:
        problem = error.message
    contents = await _contents(visit, type_, entries)
    columns = columns_of(descriptor, list(contents.values()))
    base = visit.url("documents", type_)
    data = Documents(
        type_,
        summary(descriptor),
        where,
        state,
        chosen,
        sort,
        problem,
        choices,
        [_heading(visit, column, sort) for column in columns],
        Heading("id", "id", _address(visit, sort="id"), "ascending" if sort == "id" else ""),
        [_row(visit, entry, contents, columns) for entry in entries],
        first,
        _address(visit, page=token, first=first + len(entries)) if token else "",
        _address(visit) if visit.query("page") else "",
        base,
    )
    trail = (Link(type_, base),)
    live = None if visit.query("page") else Live((type_,))
    return View(type_, data, trail, live, 400 if problem else 200)


def _address(visit: Visit, **changes: object) -> str:
    """Return the address of this list with other parameters, from its first page on."""
    query = {name: visit.query(name) for name in ("where", "state", "sort")} | changes
    return visit.url("documents", visit.param("type"), **query)


def _condition(where: str, state: str, chosen: str) -> str:
    """Return the filter for a search and a choice."""
    if _ID.fullmatch(where):
        where = f'id = {filter_text(where)[:-1]}*"'
    parts = [f"({where})"] if where else []
    if state and chosen:
        parts.append(f"{state} = {filter_text(chosen)}")
    return " AND ".join(parts)


async def _page(visit: Visit, type_: str, condition: str, sort: str) -> tuple[list[Stored], str]:
    """Return the documents of the page and the token of the next one."""
    entries: list[Stored] = []
    token = visit.query("page")
    for _ in range(_CALLS):
        page: ListPage = await visit.client.list_page(
            type_,
            page_token=token,
            filter=condition or None,
            order="id" if sort == "id" else None,
            order_by=sort if sort not in ("", "id") else None,
            page_size=_ROWS - len(entries),
            include_documents=not has_history(type_),
        )
        entries += page.entries
        token = page.next_page_token
        if not token or len(entries) >= _ROWS:
            break
    return entries, token


async def _contents(visit: Visit, type_: str, entries: list[Stored]) -> dict[str, Message]:
    """Return the contents of documents by id."""
    if not has_history(type_):
        return {each.record.id: each.content for each in entries if each.content is not None}
    keys = [(type_, each.record.id, each.record.revision) for each in entries]
    contents = await read_contents(visit.client, keys)
    return {id_: content for (_, id_, _), content in contents.items()}


def _heading(visit: Visit, column: Column, sort: str) -> Heading:
    if column.kind != "number" or not _ORDERED.fullmatch(column.name):
        return Heading(column.name, column.kind, "", "")
    orders = {column.name: "ascending", f"{column.name} desc": "descending"}
    # The greatest first, then the least.
    other = column.name if sort == f"{column.name} desc" else f"{column.name} desc"
    return Heading(column.name, column.kind, _address(visit, sort=other), orders.get(sort, ""))


def _row(
    visit: Visit, entry: Stored, contents: dict[str, Message], columns: Sequence[Column]
) -> Row:
    record = entry.record
    content = contents.get(record.id)
    cells = [Cell("") if content is None else cell_of(visit, content, column) for column in columns]
    return Row(
        record.id,
        visit.document_url(record.type, record.id),
        cells,
        record.revision,
        record.update_time,
        record.publisher,
        record.deleted,
    )


@dataclass(frozen=True, slots=True)
class TypeRow:
    """A type of documents: its name, its list, and the first sentence of the schema about it."""

    type: str
    url: str
    about: str
    has_id: bool


@dataclass(frozen=True, slots=True)
class Types:
    """The types of documents."""

    types: Sequence[TypeRow]


async def show_types(visit: Visit) -> View:
    """Show the types of documents."""
    rows = [
        TypeRow(
            name,
            visit.url("documents", name),
            summary(descriptor_of(message_type(name))),
            name in identified_types(),
        )
        for name in document_members()
    ]
    return View("Documents", Types(rows), (Link("documents", visit.url("documents")),))


PAGES = (
    Page("/documents", show_types, "types.html", label="All types", key="d"),
    Page("/documents/{type}", show, "documents.html"),
)
ACTIONS = ()
