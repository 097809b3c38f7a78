"""The verdict on a text: whether it is a document, which rules it breaks, and what looks wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

from crucible_ir.errors import DecodeError, Position, ValidationError
from crucible_ir.linting import lint
from crucible_ir.paths import parse_path
from crucible_ir.schema.types import message_type
from crucible_ir.serialization.formats import FORMATS

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.serialization.formats import ParsedDocument

P = ParamSpec("P")
T = TypeVar("T")

#: The formats that people write, in the order of a choice.
TEXT_FORMATS: Final = tuple(name for name, format_ in FORMATS.items() if format_.is_text)
#: The largest text in characters that a page checks: it does so at every pause of the reader.
MAX_TEXT: Final = 1_000_000
#: The threads that read texts. The exchange may check tokens on the threads that asyncio has, and a
#: hostile text takes seconds.
_WORKERS: Final = ThreadPoolExecutor(2, "crucible-ir-texts")
#: The most issues of a verdict.
_MAX_ISSUES: Final = 200


@dataclass(frozen=True, slots=True)
class Issue:
    """One thing that is wrong with a text.

    Attributes:
        kind: ``error`` if the text is not a valid document; ``warning`` or ``info`` for a lint.
        line: The line, from 1; ``None`` if it is not known.
        column: The column, from 1.
        path: The path of the field; empty for the whole document.
        message: What is wrong.
        id: The id of the rule or the lint; empty if the text cannot be read.
    """

    kind: str
    line: int | None
    column: int | None
    path: str
    message: str
    id: str = ""


@dataclass(frozen=True, slots=True)
class TextVerdict:
    """The verdict on a text.

    Attributes:
        issues: What is wrong, errors first.
        errors: The number of errors.
        lints: The number of lint findings.
    """

    issues: Sequence[Issue]
    errors: int
    lints: int

    @property
    def is_valid(self) -> bool:
        """Whether the text is a valid document."""
        return not self.errors


async def check_text(text: str, type_: str, format_: str) -> tuple[Message | None, TextVerdict]:
    """Return the message that a text describes, if it is valid, and the verdict on the text."""
    if len(text) > MAX_TEXT:
        reason = f"the text has {len(text):,} characters, more than {MAX_TEXT:,}"
        return None, verdict_of([Issue("error", None, None, "", reason)])
    return await on_worker(_check, text, type_, format_)


async def on_worker(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a function that reads or writes a text of a reader on one of few threads."""
    work = partial(function, *args, **kwargs)
    return await asyncio.get_running_loop().run_in_executor(_WORKERS, work)


def _check(text: str, type_: str, format_: str) -> tuple[Message | None, TextVerdict]:
    class_ = message_type(type_)
    try:
        document = FORMATS[format_].parse(text.encode())
        message = document.read(class_, validate=True)
    except DecodeError as error:
        return None, verdict_of([_unreadable(each) for each in error.errors])
    except ValidationError as error:
        return None, verdict_of(
            [
                issue("error", each.position, each.path, each.message, each.rule_id)
                for each in error.violations
            ]
        )
    except UnicodeEncodeError:
        # A browser sends no lone surrogate, but a program may.
        return None, verdict_of([Issue("error", None, None, "", "the text is not Unicode")])
    return message, verdict_of(_lints(message, document, class_))


def _unreadable(error: DecodeError) -> Issue:
    return issue("error", error.position, error.path, error.reason, "")


def _lints(message: Message, document: ParsedDocument, class_: type[Message]) -> list[Issue]:
    find = document.field_finder(class_)
    return [
        issue(
            str(finding.severity),
            find(parse_path(finding.path)) if find is not None else None,
            finding.path,
            f"{finding.message}; {finding.fix}",
            finding.id,
        )
        for finding in lint(message)
    ]


def issue(kind: str, position: Position | None, path: str, message: str, id_: str) -> Issue:
    """Return an issue at a position."""
    if position is None:
        return Issue(kind, None, None, path, message, id_)
    return Issue(kind, position.line, position.column, path, message, id_)


def verdict_of(issues: Sequence[Issue]) -> TextVerdict:
    """Return the verdict with some issues."""
    errors = sum(each.kind == "error" for each in issues)
    return TextVerdict(issues[:_MAX_ISSUES], errors, len(issues) - errors)
