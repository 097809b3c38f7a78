"""Checking documents one after the other or side by side, with the reports in the order given."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from crucible_ir.cli.findings import (
    FileReport,
    Outcome,
    of_advice,
    of_decode_error,
    of_validation_error,
)
from crucible_ir.cli.inputs import Reading, Source, content_of, form_for, type_for
from crucible_ir.cli.session import CannotRunError
from crucible_ir.errors import DecodeError, ValidationError

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.linting import Selection
    from crucible_ir.serialization.forms import Form

#: How many documents a process is handed at a time.
_CHUNK = 8

#: Checks one document. It must be something that another process can be sent.
Check: TypeAlias = Callable[[Source], FileReport]


@dataclass(frozen=True, slots=True)
class Validation:
    """The check of ``validate``: whether a document is what it should be, by the schema's rules."""

    reading: Reading

    def __call__(self, source: Source) -> FileReport:
        """Check one document."""
        return _check(source, self.reading, _validate)


@dataclass(frozen=True, slots=True)
class Linting:
    """The check of ``lint``: what there is to say about a document that can be decoded.

    Attributes:
        reading: How documents are to be read.
        selections: Which lints count, by the name of the file.
    """

    reading: Reading
    selections: dict[str, Selection]

    def __call__(self, source: Source) -> FileReport:
        """Check one document."""

        def lint_it(name: str, content: bytes, type_: type[Message], form: Form) -> FileReport:
            return _lint(name, content, type_, form, self.selections[source.name])

        return _check(source, self.reading, lint_it)


def _check(
    source: Source,
    reading: Reading,
    judge: Callable[[str, bytes, type[Message], Form], FileReport],
) -> FileReport:
    type_name = ""
    content = b""
    try:
        content = content_of(source, reading)
        form = form_for(source, reading)
        type_ = type_for(content, form, reading)
        type_name = type_.DESCRIPTOR.name
        return judge(source.name, content, type_, form)
    except CannotRunError as error:
        return FileReport(source.name, Outcome.UNREADABLE, reason=str(error))
    except DecodeError as error:
        finding = of_decode_error(error, lines_of(content))
        return FileReport(source.name, Outcome.INVALID, type_name, (finding,))


def _validate(name: str, content: bytes, type_: type[Message], form: Form) -> FileReport:
    try:
        form.read(content, type_, True)
    except ValidationError as error:
        findings = of_validation_error(error, lines_of(content))
        return FileReport(name, Outcome.INVALID, type_.DESCRIPTOR.name, findings)
    return FileReport(name, Outcome.GOOD, type_.DESCRIPTOR.name)


def _lint(
    name: str, content: bytes, type_: type[Message], form: Form, selection: Selection
) -> FileReport:
    from crucible_ir.linting import lint
    from crucible_ir.paths import parse_path

    message = form.read(content, type_, False)
    advice = selection.filter(lint(message))
    place = form.places(content, type_) if advice and form.places else None
    lines = lines_of(content) if advice else []
    findings = tuple(
        of_advice(item, place(parse_path(item.path)) if place else None, lines) for item in advice
    )
    outcome = Outcome.INVALID if selection.fails(advice) else Outcome.GOOD
    return FileReport(name, outcome, type_.DESCRIPTOR.name, findings)


def lines_of(content: bytes) -> list[str]:
    """Return the lines of a document, to be shown where a finding has a place in them."""
    return content.decode("utf-8", errors="replace").removeprefix("\ufeff").split("\n")


def check_all(check: Check, documents: Iterable[Source], *, jobs: int) -> Iterator[FileReport]:
    """Check documents and yield the reports in the order of the documents.

    Args:
        check: The check.
        documents: The documents.
        jobs: How many processes do the work; 1 for this one, 0 for as many as there are CPUs.

    Raises:
        CannotRunError: A process was ended by something else.
    """
    jobs = jobs or os.cpu_count() or 1
    if jobs == 1:
        yield from map(check, documents)
        return
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool
    from multiprocessing import get_context

    # A fresh process inherits no lock of a thread that does not exist in it.
    pool: Any = ProcessPoolExecutor(
        jobs, mp_context=get_context("spawn"), initializer=_ignore_interrupt
    )
    try:
        yield from pool.map(check, documents, chunksize=_CHUNK)
    except BrokenProcessPool:
        raise CannotRunError("a worker process died, perhaps for want of memory") from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _ignore_interrupt() -> None:
    """Leave Ctrl-C to the main process, which then ends the workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
