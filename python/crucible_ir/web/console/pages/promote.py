"""Changing the stage, the status or the state of a document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crucible_ir.exchange.client.errors import EtagMismatchError, NotFoundError
from crucible_ir.schema.comments import summary
from crucible_ir.schema.fields import Field
from crucible_ir.schema.types import descriptor_of, message_type
from crucible_ir.web.console.columns import glyph_of, state_field, state_text
from crucible_ir.web.console.errors import Problem, ProblemError
from crucible_ir.web.console.page import Action, Goto, Link, Page, View, Visit

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.exchange import Record


@dataclass(frozen=True, slots=True)
class Option:
    """A value to choose: its name, its glyph, what the schema says of it, whether it is set now."""

    name: str
    glyph: str
    about: str
    is_current: bool


@dataclass(frozen=True, slots=True)
class Promotion:
    """A change of one field.

    Attributes:
        type: The type of the document.
        id: Its id.
        field: The field.
        now: Its present value; empty if it is not set.
        options: The values of the schema.
        custom: Whether another name may be written.
        etag: The etag of the revision that the change replaces.
        revision: The number of that revision.
        overtaken: The record of a revision that was published meanwhile; ``None`` if there is none.
        seen: The revision that the reader saw, if there is one.
        problem: Why the choice is not possible; empty if it is.
    """

    type: str
    id: str
    field: str
    now: str
    options: Sequence[Option]
    custom: bool
    etag: str
    revision: int
    overtaken: Record | None
    seen: str
    problem: str


async def show(visit: Visit) -> View:
    """Show the values to choose from."""
    return await _view(visit)


async def _view(
    visit: Visit, *, is_overtaken: bool = False, problem: str = "", status: int = 200
) -> View:
    field = _field(visit)
    record, content = await _read(visit)
    now = state_text(content, field)
    assert field.enum is not None
    values = {value.number: value for value in field.enum.values}
    options = [
        Option(name, glyph_of(name), summary(values[number]), name == now)
        for name, number in field.short_names.items()
    ]
    data = Promotion(
        record.type,
        record.id,
        field.name,
        now,
        options,
        field.custom is not None,
        record.etag,
        record.revision,
        record if is_overtaken else None,
        visit.form.get("revision", ""),
        problem,
    )
    trail = (
        Link(record.type, visit.url("documents", record.type)),
        Link(record.id, visit.document_url(record.type, record.id)),
        Link("promote", visit.document_url(record.type, record.id, "promote")),
    )
    return View(f"Change {field.name} of {record.id}", data, trail, status=status)


def _field(visit: Visit) -> Field:
    """Return the field that says the stage, the status or the state.

    Raises:
        ProblemError: The type has none.
    """
    type_ = visit.type_param()
    field = state_field(descriptor_of(message_type(type_)))
    if field is None:
        raise ProblemError(Problem.bad_request(f"a {type_} has no stage, status or state", 404))
    return field


async def _read(visit: Visit) -> tuple[Record, Message]:
    """Return the latest revision.

    Raises:
        NotFoundError: The document does not exist.
    """
    stored = await visit.client.get(visit.type_param(), visit.param("id"))
    if stored.content is None:
        raise NotFoundError("the document is too large, or deleted", code="NOT_FOUND")
    return stored.record, stored.content


async def promote(visit: Visit) -> View | Goto:
    """Publish the document with the chosen value, if it is still the revision that was seen."""
    field = _field(visit)
    name, custom = visit.form.get("to", ""), visit.form.get("custom", "").strip()
    record, content = await _read(visit)
    if record.etag != visit.form.get("etag"):
        return await _view(visit, is_overtaken=True, status=409)
    changed: Any = content
    if name in field.short_names:
        setattr(changed, field.name, field.short_names[name])
    elif name == "custom" and custom and field.custom is not None:
        setattr(changed, field.custom, custom)
    else:
        return await _view(visit, problem="Choose one of the values.", status=400)
    try:
        await visit.client.publish(changed, id=record.id, etag=record.etag)
    except EtagMismatchError:
        return await _view(visit, is_overtaken=True, status=409)
    return Goto(visit.document_url(record.type, record.id))


PAGES = (Page("/documents/{type}/{id}/promote", show, "promote.html"),)
ACTIONS = (Action("/documents/{type}/{id}/promote", promote, "promote.html"),)
