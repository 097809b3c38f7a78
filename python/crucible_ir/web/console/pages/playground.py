"""The playground: a text in any format, its verdict, its lints, and itself in the other formats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from crucible_ir.errors import DecodeError
from crucible_ir.schema.types import document_members
from crucible_ir.serialization.formats import FORMATS
from crucible_ir.serialization.json.canonical import digest
from crucible_ir.serialization.type_detection import AmbiguousTypeError, detect_type
from crucible_ir.web.console.checking import (
    TEXT_FORMATS,
    Issue,
    TextVerdict,
    check_text,
    issue,
    on_worker,
    verdict_of,
)
from crucible_ir.web.console.page import Action, Link, Page, View, Visit

if TYPE_CHECKING:
    from google.protobuf.message import Message

#: The largest text of a conversion that a page shows, in characters.
_MAX_SHOWN: Final = 200_000


@dataclass(frozen=True, slots=True)
class Conversion:
    """The document in a format; the text is empty if it is too long for a page."""

    format: str
    text: str
    size: int


@dataclass(frozen=True, slots=True)
class Playground:
    """A text and what is known of it.

    Attributes:
        text: The text.
        format: Its format.
        formats: The formats to choose from.
        chosen_type: The type that the reader chose; empty to find it by the keys.
        types: The types to choose from.
        type: The type of the document; empty if it is not known.
        verdict: The verdict on the text; ``None`` without a text.
        digest: The digest of the document; empty if it is not valid.
        binary_size: Its size in the binary format, in bytes.
        conversions: The document in the other formats; empty if it is not valid.
    """

    text: str
    format: str
    formats: Sequence[str]
    chosen_type: str
    types: Sequence[str]
    type: str = ""
    verdict: TextVerdict | None = None
    digest: str = ""
    binary_size: int = 0
    conversions: Sequence[Conversion] = ()


async def show(visit: Visit) -> View:
    """Show the playground without a text."""
    return _view(visit, Playground("", TEXT_FORMATS[0], TEXT_FORMATS, "", _types()))


async def check(visit: Visit) -> View:
    """Check and convert a text; nothing is stored."""
    await visit.check_reader()
    # Browsers send the lines of a text with CR LF.
    text = visit.form.get("text", "").replace("\r\n", "\n")
    format_ = visit.form.get("format", "")
    format_ = format_ if format_ in TEXT_FORMATS else TEXT_FORMATS[0]
    chosen = visit.form.get("type", "")
    chosen = chosen if chosen in _types() else ""
    start = Playground(text, format_, TEXT_FORMATS, chosen, _types())
    if not text.strip():
        return _view(visit, start)
    type_: str | Issue = chosen or await on_worker(_detect, text, format_)
    if isinstance(type_, Issue):
        message, verdict, name = None, verdict_of([type_]), ""
    else:
        message, verdict = await check_text(text, type_, format_)
        name = type_
    more = ("", 0, ()) if message is None else await on_worker(_conversions, message, format_)
    return _view(
        visit,
        Playground(text, format_, TEXT_FORMATS, chosen, _types(), name, verdict, *more),
    )


def _types() -> Sequence[str]:
    return tuple(document_members())


def _view(visit: Visit, data: Playground) -> View:
    return View("Playground", data, (Link("playground", visit.url("playground")),))


def _detect(text: str, format_: str) -> str | Issue:
    """Return the type of a document, or why it cannot be found."""
    chosen = FORMATS[format_]
    try:
        return detect_type(chosen.parse(text.encode()), chosen).DESCRIPTOR.name
    except DecodeError as error:
        return issue("error", error.position, error.path, error.reason, "")
    except AmbiguousTypeError as error:
        return Issue("error", None, None, "", f"{error}: choose the type")
    except UnicodeEncodeError:
        return Issue("error", None, None, "", "the text is not Unicode")


def _conversions(message: Message, format_: str) -> tuple[str, int, Sequence[Conversion]]:
    """Return the digest, the size in bytes and the other formats of a message."""
    conversions = []
    for name in TEXT_FORMATS:
        if name != format_:
            text = FORMATS[name].write(message, 2).decode()
            conversions.append(Conversion(name, text if len(text) <= _MAX_SHOWN else "", len(text)))
    return digest(message), message.ByteSize(), conversions


PAGES = (Page("/playground", show, "playground.html", label="Playground", key="p"),)
ACTIONS = (Action("/playground", check, "playground.html"),)
