"""The checks of ``validate`` and ``lint``, on one document and on many."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from crucible_ir.cli.checking.issues import (
    NEWER,
    CheckOutcome,
    FileReport,
    Issue,
    issue_from_lint,
    issue_from_spelling,
    issues_from_decode_error,
    issues_from_validation_error,
)
from crucible_ir.cli.files.inputs import (
    STANDARD,
    InputFile,
    ReadOptions,
    any_format_for,
    content_of,
    parse_content,
    type_for,
)
from crucible_ir.cli.session import CannotRunError
from crucible_ir.errors import DecodeError, ValidationError
from crucible_ir.schema.types import message_type
from crucible_ir.serialization.streams.formats import StreamFormat

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.linting import LintFinding, Selection
    from crucible_ir.serialization.formats import ParsedDocument

#: The number of documents that a worker process receives at a time.
_CHUNK: Final = 8


@dataclass(frozen=True, slots=True)
class Check:
    """The check of ``validate``, or with selections that of ``lint``. Worker processes receive it.

    Attributes:
        read_options: How to read the documents.
        selections: The selected lints for each file, by its name; ``None`` to validate.
        listed_issues: The most issues of a stream that are listed one by one; 0 for groups.
        release: The release of which ``lint`` reports what it does not read; ``None`` for none.
        threads: The number of threads of the native engine for each stream to validate.
    """

    read_options: ReadOptions
    selections: dict[str, Selection] | None = None
    listed_issues: int = 0
    release: str | None = None
    threads: int = 1

    @property
    def validates(self) -> bool:
        """Whether documents must satisfy the rules of the schema."""
        return self.selections is None

    def lint(self, message: Message, source: InputFile) -> tuple[list[LintFinding], bool]:
        """Return the selected findings about a message of a file, and whether the check fails."""
        if self.selections is None:
            return [], False
        from crucible_ir.linting import lint

        selection = self.selections[source.name]
        findings = selection.filter(lint(message))
        if self.release is not None:
            findings += _newer_than(self.release, message)
        return findings, selection.fails(findings)


def _newer_than(release: str, message: Message) -> list[LintFinding]:
    from crucible_ir.linting import LintFinding, Severity
    from crucible_ir.schema.releases import newer_parts

    return [
        LintFinding(
            NEWER,
            Severity.WARNING,
            part.path,
            f"{part.subject} is new in {part.since}",
            f"remove it if the reader has {release}",
        )
        for part in newer_parts(message, release)
    ]


def _check_file(check: Check, source: InputFile) -> FileReport:
    type_name = check.read_options.type_name
    if type_name is not None:
        type_name = message_type(type_name).DESCRIPTOR.name
    content = b""
    try:
        format_ = any_format_for(source, check.read_options)
        if isinstance(format_, StreamFormat):
            from crucible_ir.cli.checking.stream_checks import check_stream

            return check_stream(check, source, format_)
        content = content_of(source, check.read_options)
        document = parse_content(source, content, format_, check.read_options)
        type_ = type_for(document, format_, check.read_options)
        type_name = type_.DESCRIPTOR.name
        limits = check.read_options.limits
        message = document.read(type_, validate=check.validates, limits=limits)
    except CannotRunError as error:
        return FileReport(source.name, CheckOutcome.UNREADABLE, reason=str(error))
    except DecodeError as error:
        issues = issues_from_decode_error(error, _lines(content))
        return FileReport(source.name, CheckOutcome.INVALID, type_name or "", issues)
    except ValidationError as error:
        issues = issues_from_validation_error(error, _lines(content))
        return FileReport(source.name, CheckOutcome.INVALID, type_name or "", issues)
    findings, fails = check.lint(message, source)
    outcome = CheckOutcome.INVALID if fails else CheckOutcome.GOOD
    issues = _lint_issues(findings, document, type_, content) if findings else ()
    if check.validates and format_.name == "yaml":
        issues = _spelling_issues(document, message, content)
    return FileReport(source.name, outcome, type_name, issues)


def _lint_issues(
    findings: list[LintFinding], document: ParsedDocument, type_: type[Message], content: bytes
) -> tuple[Issue, ...]:
    from crucible_ir.paths import parse_path

    find = document.field_finder(type_)
    lines = _lines(content)
    return tuple(
        issue_from_lint(each, find(parse_path(each.path)) if find else None, lines)
        for each in findings
    )


def _spelling_issues(document: Any, message: Message, content: bytes) -> tuple[Issue, ...]:
    from crucible_ir.serialization.yaml import spelling_warnings

    lines = _lines(content)
    return tuple(issue_from_spelling(each, lines) for each in spelling_warnings(document, message))


def _lines(content: bytes) -> list[str]:
    text = content.decode("utf-8", errors="replace").removeprefix("\ufeff")
    # Positions count these line breaks only, unlike `str.splitlines`.
    return re.split("\r\n?|\n", text)


def check_all(check: Check, documents: Iterable[InputFile], *, jobs: int) -> Iterator[FileReport]:
    """Check documents and yield the reports in the order of the documents.

    Args:
        check: The check.
        documents: The documents.
        jobs: The number of processes: 1 uses this process, 0 uses one process for each CPU.

    Raises:
        CannotRunError: A worker process was killed.
    """
    jobs = jobs or os.cpu_count() or 1
    documents = list(documents)
    if jobs > 1 and any(each.name == STANDARD and each.content is None for each in documents):
        raise CannotRunError("a stream from standard input needs a single process: omit --jobs")
    check_file: Callable[[InputFile], FileReport] = partial(_check_file, check)
    if jobs == 1:
        yield from map(check_file, documents)
        return
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool
    from multiprocessing import get_context

    # A spawned process inherits no lock that a thread of this process holds.
    pool: Any = ProcessPoolExecutor(
        jobs, mp_context=get_context("spawn"), initializer=_ignore_interrupt
    )
    try:
        yield from pool.map(check_file, documents, chunksize=_CHUNK)
    except BrokenProcessPool:
        raise CannotRunError("a worker process died; it may have run out of memory") from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _ignore_interrupt() -> None:
    """Leave Ctrl-C to the main process, which then ends the workers."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
