"""A document: as a tree, in each format, with its lints and what refers to it."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from crucible_ir.exchange.client.errors import ExchangeError, NotFoundError
from crucible_ir.linting import LintFinding, lint
from crucible_ir.schema.types import descriptor_of
from crucible_ir.serialization.formats import FORMATS
from crucible_ir.v1 import FeedbackEvent
from crucible_ir.web.console.columns import glyph_of, state_field, state_text
from crucible_ir.web.console.page import Download, Link, Live, Page, View, Visit
from crucible_ir.web.console.reading import has_history
from crucible_ir.web.console.tree import TreeRow, tree_of
from crucible_ir.web.console.values import filter_text

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.exchange import Record

#: The formats that pages show, in the order of the tabs.
_SHOWN: Final = ("yaml", "json", "crucible-json", "text")
#: The most lines of a format on a page; the file has all.
_MAX_LINES: Final = 3000
#: The most documents that refer to one, of which feedback events are only mentioned.
_REFERRERS: Final = 20
_MAX_NODES: Final = 200
_FEEDBACK: Final = "feedback"
#: The type of feedback events.
_EVENT: Final = FeedbackEvent.DESCRIPTOR.name
_NEAR: Final = 5


@dataclass(frozen=True, slots=True)
class Source:
    """A document in a format: its text, and whether the page has only its beginning."""

    format: str
    text: str
    is_cut: bool

    @property
    def lines(self) -> list[str]:
        """The lines."""
        return self.text.splitlines()


@dataclass(frozen=True, slots=True)
class Referrer:
    """A document that refers to this one: its key, its page, the field, and its state."""

    type: str
    id: str
    url: str
    field: str
    state: str


@dataclass(frozen=True, slots=True)
class DocumentPage:
    """A document.

    Attributes:
        record: The record of the revision.
        latest: The number of the latest revision.
        state: Its stage, status or state; empty if it has none.
        state_field: The name of that field; empty if its type has none.
        glyph: The glyph of the state.
        tree: The rows of the tree; empty if a format is shown.
        source: The document in a format; ``None`` if the tree is shown.
        formats: The names of the formats that pages show.
        lints: The lint findings.
        referrers: The documents that refer to it, the first few.
        has_more_referrers: Whether there are more.
        has_feedback: Whether feedback refers to it.
        snapshots: The number of metric snapshots of a training run; ``None`` for other types.
    """

    record: Record
    latest: int
    state: str
    state_field: str
    glyph: str = field(metadata={"json": False})
    tree: Sequence[TreeRow]
    source: Source | None
    formats: Sequence[str]
    lints: Sequence[LintFinding]
    referrers: Sequence[Referrer]
    has_more_referrers: bool
    has_feedback: bool
    snapshots: int | None


@dataclass(frozen=True, slots=True)
class Missing:
    """A document that does not exist.

    Attributes:
        type: The type.
        id: The id.
        near: The documents whose ids are near.
        deleted: The record of its deletion; ``None`` if it was not deleted.
        is_feedback: Whether it is a feedback event, which the exchange keeps apart from documents.
        refers_to: The documents that the feedback event refers to.
    """

    type: str
    id: str
    near: Sequence[Link]
    deleted: Record | None
    is_feedback: bool
    refers_to: Sequence[Referrer]


async def show(visit: Visit) -> View:
    """Show a document."""
    type_, id_ = visit.type_param(), visit.param("id")
    revision = visit.number("revision")
    format_ = visit.query("as")
    url = visit.document_url(type_, id_)
    trail = (Link(type_, visit.url("documents", type_)), Link(id_, url))
    try:
        record, content, snapshots = await _read(visit, type_, id_, revision)
    except NotFoundError:
        return await _missing(visit, type_, id_, trail)
    latest, (referrers, has_more, has_feedback) = await asyncio.gather(
        _latest(visit, record, revision), _referrers(visit, type_, id_)
    )
    source = await _source(visit, record, content, format_) if format_ in _SHOWN else None
    findings, tree = await asyncio.to_thread(_inspect, content, has_tree=source is None)
    state_of = state_field(descriptor_of(content))
    state = "" if state_of is None else state_text(content, state_of)
    data = DocumentPage(
        record,
        latest,
        state,
        "" if state_of is None else state_of.name,
        glyph_of(state),
        tree,
        source,
        _SHOWN,
        findings,
        referrers,
        has_more,
        has_feedback,
        snapshots,
    )
    live = Live((type_,), id_) if revision is None else None
    return View(id_, data, trail, live)


async def _read(
    visit: Visit, type_: str, id_: str, revision: int | None
) -> tuple[Record, Message, int | None]:
    """Return the record and the content, and the number of snapshots of a run.

    Raises:
        NotFoundError: The revision does not exist, or is a deletion.
    """
    if has_history(type_):
        metrics = await visit.client.read_metrics(id_, revision=revision, limit=1)
        return metrics.record, metrics.run, metrics.count
    stored = await visit.client.get(type_, id_, revision=revision)
    if stored.content is None:
        raise NotFoundError(f"revision {stored.record.revision} is a deletion", code="NOT_FOUND")
    return stored.record, stored.content, None


async def _latest(visit: Visit, record: Record, revision: int | None) -> int:
    """Return the number of the latest revision."""
    if revision is None:
        return record.revision
    async for entry in visit.client.list_revisions(record.type, record.id, page_size=1):
        return entry.record.revision
    return record.revision


async def _referrers(visit: Visit, type_: str, id_: str) -> tuple[list[Referrer], bool, bool]:
    """Return the documents that refer to a document, as far as the reader may trace it.

    Returns:
        The documents, whether there are more, and whether there is feedback.
    """
    try:
        lineage = await visit.client.trace(
            type_, id_, direction="downstream", max_depth=1, max_nodes=_MAX_NODES
        )
    except ExchangeError:
        return [], False, False
    start = lineage.nodes[0].reference
    fields = {edge.source: edge.field for edge in lineage.edges if edge.target == start}
    states = {node.reference: node.state for node in lineage.nodes}
    found = [
        Referrer(key.type, key.id, visit.document_url(key.type, key.id), name, states[key])
        for key, name in fields.items()
        if key in states and key != start
    ]
    stored = [each for each in found if each.state != _FEEDBACK]
    has_more = lineage.truncated or len(stored) > _REFERRERS
    return stored[:_REFERRERS], has_more, len(stored) < len(found)


async def _source(visit: Visit, record: Record, content: Message, format_: str) -> Source:
    """Return a document in a format, with the metrics of a run."""
    if has_history(record.type):
        stored = await visit.client.get(record.type, record.id, revision=record.revision)
        content = stored.content or content
    text = (await asyncio.to_thread(FORMATS[format_].write, content, 2)).decode()
    lines = text.split("\n", _MAX_LINES)
    return Source(format_, "\n".join(lines[:_MAX_LINES]), len(lines) > _MAX_LINES)


def _inspect(content: Message, *, has_tree: bool) -> tuple[list[LintFinding], list[TreeRow]]:
    """Return the lint findings on a message, and its rows."""
    findings = lint(content)
    return findings, tree_of(content, _by_path(findings)) if has_tree else []


def _by_path(findings: Sequence[LintFinding]) -> dict[str, list[str]]:
    by_path = defaultdict(list)
    for finding in findings:
        by_path[finding.path].append(finding.id)
    return by_path


async def _missing(visit: Visit, type_: str, id_: str, trail: tuple[Link, ...]) -> View:
    """Show that a document does not exist: whether it was deleted, and which ids are near."""
    deleted = None
    try:
        async for entry in visit.client.list_revisions(type_, id_, page_size=1):
            deleted = entry.record if entry.record.deleted else None
            break
    except NotFoundError:
        pass
    event = None if deleted or type_ != _EVENT else await _event(visit, id_)
    near = [] if deleted or event is not None else await _near(visit, type_, id_)
    data = Missing(type_, id_, near, deleted, event is not None, event or [])
    return View(id_, data, trail, Live((type_,), id_), 404, "missing.html")


async def _event(visit: Visit, id_: str) -> list[Referrer] | None:
    """Return what a feedback event refers to; ``None`` if there is no such event."""
    try:
        lineage = await visit.client.trace(_EVENT, id_, max_depth=1, max_nodes=_MAX_NODES)
    except ExchangeError:
        return None
    states = {node.reference: node.state for node in lineage.nodes}
    start = lineage.nodes[0].reference
    if states[start] != _FEEDBACK:
        return None
    return [
        Referrer(key.type, key.id, visit.document_url(key.type, key.id), edge.field, states[key])
        for edge in lineage.edges
        for key in [edge.target]
        if edge.source == start and key in states
    ]


async def _near(visit: Visit, type_: str, id_: str) -> list[Link]:
    """Return documents whose ids begin as an id does, the longer the common part the better."""
    for length in sorted({len(id_) * 3 // 4, len(id_) // 2, 3}, reverse=True):
        if 0 < length <= len(id_):
            condition = f'id = {filter_text(id_[:length])[:-1]}*"'
            page = await visit.client.list_page(type_, filter=condition, page_size=_NEAR)
            if page.entries:
                keys = [each.record for each in page.entries]
                return [Link(key.id, visit.document_url(key.type, key.id)) for key in keys]
    return []


async def download(visit: Visit) -> Download:
    """Return a document as a file."""
    type_, id_ = visit.type_param(), visit.param("id")
    format_ = FORMATS.get(visit.query("as", "yaml"), FORMATS["yaml"])
    stored = await visit.client.get(type_, id_, revision=visit.number("revision"))
    if stored.content is None:
        raise NotFoundError(f"revision {stored.record.revision} is a deletion", code="NOT_FOUND")
    body = await asyncio.to_thread(format_.write, stored.content, 2)
    return Download(body, f"{type_}-{id_}{format_.extensions[0]}")


PAGES = (
    Page("/documents/{type}/{id}", show, "document.html"),
    Page("/documents/{type}/{id}/file", download, ""),
)
ACTIONS = ()
