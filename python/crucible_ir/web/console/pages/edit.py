"""Writing a document: checked while it is written, merged if another publisher was faster."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from crucible_ir.exchange.client.errors import (
    EtagMismatchError,
    ExchangeError,
    ImmutableFieldError,
    InvalidDocumentError,
    UnauthenticatedError,
)
from crucible_ir.schema.comments import summary
from crucible_ir.schema.rules import rules_of
from crucible_ir.schema.types import descriptor_of, message_type
from crucible_ir.serialization.formats import FORMATS
from crucible_ir.web.console.checking import (
    MAX_TEXT,
    TEXT_FORMATS,
    Issue,
    TextVerdict,
    check_text,
    issue,
    verdict_of,
)
from crucible_ir.web.console.conflicts import Conflicted, merge_with_latest
from crucible_ir.web.console.errors import Problem, ProblemError, problem_of
from crucible_ir.web.console.page import Action, Goto, Link, Page, View, Visit
from crucible_ir.web.console.reading import latest_record

if TYPE_CHECKING:
    from google.protobuf.message import Message

_FIRST_FORMAT: Final = "yaml"


@dataclass(frozen=True, slots=True)
class Editor:
    """A text that becomes a document.

    Attributes:
        type: The type of the document.
        id: Its id; empty for a new one.
        text: The text.
        format: Its format.
        formats: The formats.
        etag: The etag of the revision that the text replaces; empty for a new document.
        base: The number of that revision; 0 for a new document.
        verdict: The verdict on the text.
        conflict: The change of another publisher; ``None`` if there is none.
        problem: Why the exchange did not store the text; ``None`` if it was not asked, or did.
    """

    type: str
    id: str
    text: str
    format: str
    formats: Sequence[str]
    etag: str
    base: int
    verdict: TextVerdict
    conflict: Conflicted | None = None
    problem: Problem | None = None


async def show(visit: Visit) -> View:
    """Show the latest revision as a text, or with another one's text to restore it."""
    type_, id_ = visit.type_param(), visit.param("id")
    record = await latest_record(visit.client, type_, id_)
    # The last revision before a deletion is what there is to restore.
    number = visit.number("revision") or (record.revision - 1 if record.deleted else None)
    stored = await visit.client.get(type_, id_, revision=number)
    format_ = _format(visit.query("as"))
    if stored.content is None:
        raise ProblemError(Problem.bad_request(f"revision {number} is a deletion"))
    text = await _write(stored.content, format_)
    # After a deletion the document does not exist, and the text makes it anew.
    etag = "" if record.deleted else record.etag
    return await _editor(visit, type_, id_, text, format_, etag, record.revision)


async def show_new(visit: Visit) -> View:
    """Show an empty text with what a document of the type must have."""
    type_ = visit.type_param()
    message = descriptor_of(message_type(type_))
    required = [rule.field_path for rule in rules_of(message) if rule.rule_id == "required"]
    lines = [f"# {type_}: {summary(message)}", *(f"{name}: " for name in required)]
    text = "\n".join(lines) + "\n"
    return await _editor(visit, type_, "", text, _FIRST_FORMAT, "", 0)


def _format(name: str) -> str:
    return name if name in TEXT_FORMATS else _FIRST_FORMAT


async def _write(message: Message, format_: str) -> str:
    """Return a message as a text.

    Raises:
        ProblemError: It is too large.
    """
    text = (await asyncio.to_thread(FORMATS[format_].write, message, 2)).decode()
    if len(text) > MAX_TEXT:
        reason = f"the document has {len(text):,} characters, too many for a page"
        raise ProblemError(Problem.bad_request(reason, 413))
    return text


async def _editor(
    visit: Visit,
    type_: str,
    id_: str,
    text: str,
    format_: str,
    etag: str,
    base: int,
    *,
    verdict: TextVerdict | None = None,
    conflict: Conflicted | None = None,
    problem: Problem | None = None,
    status: int = 200,
) -> View:
    if verdict is None:
        _, verdict = await check_text(text, type_, format_)
    data = Editor(type_, id_, text, format_, TEXT_FORMATS, etag, base, verdict, conflict, problem)
    trail = [Link(type_, visit.url("documents", type_))]
    if id_:
        trail.append(Link(id_, visit.document_url(type_, id_)))
        trail.append(Link("edit", visit.document_url(type_, id_, "edit")))
    else:
        trail.append(Link("new", visit.url("new", type_)))
    title = f"Edit {id_}" if id_ else f"New {type_}"
    return View(title, data, tuple(trail), status=status)


@dataclass(frozen=True, slots=True)
class _Sent:
    """The form of the editor as it was sent."""

    type: str
    id: str
    text: str
    format: str
    etag: str
    base: int

    @classmethod
    def of(cls, visit: Visit) -> _Sent:
        base = visit.form.get("base", "0")
        return cls(
            visit.type_param(),
            visit.param("id") if "id" in visit.request.path_params else "",
            # Browsers send the lines of a text with CR LF.
            visit.form.get("text", "").replace("\r\n", "\n"),
            _format(visit.form.get("format", "")),
            visit.form.get("etag", ""),
            int(base) if base.isascii() and base.isdecimal() and len(base) < 10 else 0,
        )


async def check(visit: Visit) -> View:
    """Check a text and store nothing."""
    await visit.check_reader()
    sent = _Sent.of(visit)
    return await _again(visit, sent)


async def _again(
    visit: Visit,
    sent: _Sent,
    *,
    verdict: TextVerdict | None = None,
    problem: Problem | None = None,
    status: int = 200,
) -> View:
    """Return the editor with what was sent."""
    return await _editor(
        visit,
        sent.type,
        sent.id,
        sent.text,
        sent.format,
        sent.etag,
        sent.base,
        verdict=verdict,
        problem=problem,
        status=status,
    )


async def publish(visit: Visit) -> View | Goto:
    """Store a text as a document; if that is not possible, show the text again with the reason."""
    sent = _Sent.of(visit)
    try:
        await visit.check_reader()
    except UnauthenticatedError as error:
        return await _again(
            visit, sent, verdict=verdict_of([]), problem=problem_of(error), status=401
        )
    message, verdict = await check_text(sent.text, sent.type, sent.format)
    if message is None:
        return await _again(visit, sent, verdict=verdict, status=400)
    try:
        published = await visit.client.publish(message, id=sent.id or None, etag=sent.etag)
    except EtagMismatchError as error:
        if not sent.id or not error.latest:
            return await _again(visit, sent, problem=_exists(error), status=409)
        return await _conflict(visit, sent, message, is_theirs=False)
    except ImmutableFieldError as error:
        text = "keeps its value once the document is stored: publish it under a new id"
        issues = [issue("error", None, path, text, "immutable") for path in error.paths]
        return await _again(visit, sent, verdict=verdict_of(issues), status=409)
    except InvalidDocumentError as error:
        found = [issue("error", None, v.path, v.message, v.rule_id) for v in error.violations]
        rejected = found or [Issue("error", None, None, "", error.message)]
        return await _again(visit, sent, verdict=verdict_of(rejected), status=400)
    except ExchangeError as error:
        # The text must not be lost, whatever the error is.
        problem = problem_of(error)
        assert problem is not None
        return await _again(visit, sent, problem=problem, status=problem.status)
    return Goto(visit.document_url(published.record.type, published.record.id))


def _exists(error: EtagMismatchError) -> Problem:
    return Problem(
        409,
        "The document exists already",
        str(error),
        "Nothing was stored. Open the document and edit it, or choose another id.",
    )


async def take_theirs(visit: Visit) -> View:
    """Merge again, with the values of the other publisher where both changed one."""
    await visit.check_reader()
    sent = _Sent.of(visit)
    mine = visit.form.get("mine", "").replace("\r\n", "\n")
    base = visit.form.get("edited", "0")
    number = int(base) if base.isascii() and base.isdecimal() and len(base) < 10 else 0
    sent = _Sent(sent.type, sent.id, mine, sent.format, sent.etag, number)
    message, verdict = await check_text(sent.text, sent.type, sent.format)
    if message is None:
        return await _again(visit, sent, verdict=verdict, status=400)
    return await _conflict(visit, sent, message, is_theirs=visit.form.get("take") == "theirs")


async def _conflict(visit: Visit, sent: _Sent, mine: Message, *, is_theirs: bool) -> View:
    """Show the editor with the text merged with the latest revision, and what both changed."""
    latest = await latest_record(visit.client, sent.type, sent.id)
    merged, conflict = await merge_with_latest(
        visit.client, latest, sent.base, mine, sent.text, is_theirs=is_theirs
    )
    return await _editor(
        visit,
        sent.type,
        sent.id,
        sent.text if merged is None else await _write(merged, sent.format),
        sent.format,
        "" if latest.deleted else latest.etag,
        latest.revision,
        conflict=conflict,
        status=409,
    )


PAGES = (
    Page("/documents/{type}/{id}/edit", show, "edit.html"),
    Page("/new/{type}", show_new, "edit.html"),
)
ACTIONS = (
    Action("/documents/{type}/{id}/edit", publish, "edit.html"),
    Action("/documents/{type}/{id}/check", check, "edit.html"),
    Action("/documents/{type}/{id}/merge", take_theirs, "edit.html"),
    Action("/new/{type}", publish, "edit.html"),
    Action("/new/{type}/check", check, "edit.html"),
)
