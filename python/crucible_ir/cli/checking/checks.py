"""The checks of ``validate`` and ``lint``, on one document and on many."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

from crucible_ir.cli.checking.issues import (
    DECODE,
    CheckOutcome,
    FileReport,
    Issue,
    Level,
    issue_from_decode_error,
    issue_from_lint,
    issues_from_validation_error,
)
from crucible_ir.cli.files.inputs import (
    STANDARD,
    InputFile,
    ReadOptions,
    any_format_for,
    content_of,
    message_of,
    type_for,
)
from crucible_ir.cli.files.stream_reader import RecordStream, open_records
from crucible_ir.cli.session import CannotRunError
from crucible_ir.errors import DecodeError, Position, ValidationError
from crucible_ir.schema.types import message_type
from crucible_ir.serialization.streams.formats import StreamFormat
from crucible_ir.serialization.streams.records import StreamError

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.linting import LintFinding, Selection
    from crucible_ir.serialization.parsed_document import ParsedDocument

#: The number of documents that a worker process receives at a time.
_CHUNK: Final = 8
#: The most issues of one stream that are listed; the others are counted.
_MAX_ISSUES: Final = 1000


@dataclass(frozen=True, slots=True)
class _Opened:
    """A document that was parsed and whose type is known."""

    document: ParsedDocument
    type_: type[Message]
    content: bytes


@dataclass(slots=True)
class _StreamIssues:
    """The issues of a stream: the first ones, and the number of the others."""

    issues: list[Issue] = field(default_factory=list)
    bad_records: int = 0
    omitted: int = 0

    def add(self, issues: Iterable[Issue], *, is_bad: bool) -> None:
        """Add the issues of one record."""
        self.bad_records += is_bad
        for issue in issues:
            if len(self.issues) < _MAX_ISSUES:
                self.issues.append(issue)
            else:
                self.omitted += 1

    def add_error(self, error: StreamError) -> None:
        """Add the issues of a record that cannot be read or is invalid."""
        self.add(_issues_from_stream_error(error), is_bad=True)


class Check(Protocol):
    """A check; it must be picklable, since worker processes receive it."""

    @property
    def read_options(self) -> ReadOptions:
        """How to read the documents."""

    def check_document(
        self, source: InputFile, opened: _Opened
    ) -> tuple[CheckOutcome, tuple[Issue, ...]]:
        """Check one document."""

    def check_records(self, source: InputFile, records: RecordStream, found: _StreamIssues) -> None:
        """Check the records of a stream."""


@dataclass(frozen=True, slots=True)
class Validation:
    """The check of ``validate``: the rules of the schema.

    Attributes:
        read_options: How to read the documents.
    """

    read_options: ReadOptions

    def check_document(
        self, source: InputFile, opened: _Opened
    ) -> tuple[CheckOutcome, tuple[Issue, ...]]:
        """Check one document."""
        try:
            message_of(opened.document, opened.type_, self.read_options, validate=True)
        except ValidationError as error:
            issues = issues_from_validation_error(error, _lines(opened.content))
            return CheckOutcome.INVALID, issues
        return CheckOutcome.GOOD, ()

    def check_records(self, source: InputFile, records: RecordStream, found: _StreamIssues) -> None:
        """Check the records of a stream."""
        for _ in records.messages(validate=True, on_bad=found.add_error):
            continue


@dataclass(frozen=True, slots=True)
class Linting:
    """The check of ``lint``: the lints, on every document that can be decoded.

    Attributes:
        read_options: How to read the documents.
        selections: The selected lints for each file, by its name.
    """

    read_options: ReadOptions
    selections: dict[str, Selection]

    def check_document(
        self, source: InputFile, opened: _Opened
    ) -> tuple[CheckOutcome, tuple[Issue, ...]]:
        """Check one document."""
        from crucible_ir.paths import parse_path

        message = message_of(opened.document, opened.type_, self.read_options, validate=False)
        findings, fails = self._lint(message, source)
        find = opened.document.field_finder(opened.type_)
        lines = _lines(opened.content) if findings else []
        issues = tuple(
            issue_from_lint(each, find(parse_path(each.path)) if find else None, lines)
            for each in findings
        )
        return CheckOutcome.INVALID if fails else CheckOutcome.GOOD, issues

    def check_records(self, source: InputFile, records: RecordStream, found: _StreamIssues) -> None:
        """Check the records of a stream."""
        count = records.count
        for message in records.messages(validate=False, on_bad=found.add_error):
            findings, fails = self._lint(message, source)
            number = count.records + count.skipped - 1
            issues = [replace(issue_from_lint(each, None, []), record=number) for each in findings]
            found.add(issues, is_bad=fails)

    def _lint(self, message: Message, source: InputFile) -> tuple[list[LintFinding], bool]:
        from crucible_ir.linting import lint

        selection = self.selections[source.name]
        findings = selection.filter(lint(message))
        return findings, selection.fails(findings)


def _check_file(check: Check, source: InputFile) -> FileReport:
    type_name = check.read_options.type_name
    if type_name is not None:
        type_name = message_type(type_name).DESCRIPTOR.name
    content = b""
    try:
        format_ = any_format_for(source, check.read_options)
        if isinstance(format_, StreamFormat):
            return _check_stream(check, source, format_)
        content = content_of(source, check.read_options)
        document = format_.parse(content)
        type_ = type_for(document, format_, check.read_options)
        type_name = type_.DESCRIPTOR.name
        outcome, issues = check.check_document(source, _Opened(document, type_, content))
    except CannotRunError as error:
        return FileReport(source.name, CheckOutcome.UNREADABLE, reason=str(error))
    except DecodeError as error:
        issue = issue_from_decode_error(error, _lines(content))
        return FileReport(source.name, CheckOutcome.INVALID, type_name or "", (issue,))
    return FileReport(source.name, outcome, type_name, issues)


def _check_stream(check: Check, source: InputFile, format_: StreamFormat) -> FileReport:
    found = _StreamIssues()
    with open_records(source, format_, check.read_options) as records:
        try:
            check.check_records(source, records, found)
        except StreamError as error:
            # The start of the next record is unknown; the issues so far are reported.
            found.add_error(error)
            records.count.skipped += 1
    return FileReport(
        source.name,
        CheckOutcome.INVALID if found.bad_records else CheckOutcome.GOOD,
        records.type_.DESCRIPTOR.name if records.type_ else "",
        tuple(found.issues),
        records=records.count.records + records.count.skipped,
        bad_records=found.bad_records,
        omitted=found.omitted,
    )


def _issues_from_stream_error(error: StreamError) -> Iterator[Issue]:
    if isinstance(error.error, ValidationError):
        for issue in issues_from_validation_error(error.error, []):
            yield replace(issue, record=error.record, position=_in_stream(issue.position, error))
    else:
        at = "" if error.position else f", in the record at byte {error.offset}"
        yield Issue(
            DECODE,
            Level.ERROR,
            error.path,
            error.reason + at,
            position=error.position,
            record=error.record,
        )


def _in_stream(position: Position | None, error: StreamError) -> Position | None:
    """Return the position in the stream, given a position in the document of one record."""
    if error.position is None:
        return None
    return error.position if position is None else replace(position, line=error.position.line)


def _lines(content: bytes) -> list[str]:
    return content.decode("utf-8", errors="replace").removeprefix("\ufeff").split("\n")


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
    signal.signal(signal.SIGINT, signal.SIG_IGN)
