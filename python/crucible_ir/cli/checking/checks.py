"""Checking documents one after the other or side by side, with the reports in the order given."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

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

    from crucible_ir.linting import Selection
    from crucible_ir.serialization.parsed_document import ParsedDocument

#: How many documents a process is handed at a time.
_CHUNK: Final = 8
#: How many findings about one stream are kept; the others are counted.
_MAX_ISSUES: Final = 1000

#: Checks one document. It must be something that another process can be sent.
Check: TypeAlias = Callable[[InputFile], FileReport]


@dataclass(frozen=True, slots=True)
class _Opened:
    """A document that was parsed and whose type is known."""

    document: ParsedDocument
    type_: type[Message]
    content: bytes


@dataclass(frozen=True, slots=True)
class Validation:
    """The check of ``validate``: the rules of the schema."""

    read_options: ReadOptions

    def __call__(self, source: InputFile) -> FileReport:
        """Check one document."""
        return _check(source, self.read_options, self._check_document, _validate_records)

    def _check_document(self, opened: _Opened) -> tuple[CheckOutcome, tuple[Issue, ...]]:
        try:
            message_of(opened.document, opened.type_, self.read_options, validate=True)
        except ValidationError as error:
            return CheckOutcome.INVALID, issues_from_validation_error(
                error, lines_of(opened.content)
            )
        return CheckOutcome.GOOD, ()


@dataclass(frozen=True, slots=True)
class Linting:
    """The check of ``lint``: the lints, for a document that can be decoded.

    Attributes:
        read_options: How documents are to be read.
        selections: The lints that count, by the name of the file.
    """

    read_options: ReadOptions
    selections: dict[str, Selection]

    def __call__(self, source: InputFile) -> FileReport:
        """Check one document."""
        selection = self.selections[source.name]
        return _check(
            source,
            self.read_options,
            partial(self._check_document, selection=selection),
            partial(_lint_records, selection=selection),
        )

    def _check_document(
        self, opened: _Opened, *, selection: Selection
    ) -> tuple[CheckOutcome, tuple[Issue, ...]]:
        from crucible_ir.linting import lint
        from crucible_ir.paths import parse_path

        message = message_of(opened.document, opened.type_, self.read_options, validate=False)
        advice = selection.filter(lint(message))
        find = opened.document.field_finder(opened.type_)
        lines = lines_of(opened.content) if advice else []
        issues = tuple(
            issue_from_lint(item, find(parse_path(item.path)) if find else None, lines)
            for item in advice
        )
        return CheckOutcome.INVALID if selection.fails(advice) else CheckOutcome.GOOD, issues


def _check(
    source: InputFile,
    read_options: ReadOptions,
    check_document: Callable[[_Opened], tuple[CheckOutcome, tuple[Issue, ...]]],
    check_records: Callable[[RecordStream, _Found], None],
) -> FileReport:
    type_name = (
        message_type(read_options.type_name).DESCRIPTOR.name if read_options.type_name else ""
    )
    content = b""
    try:
        format_ = any_format_for(source, read_options)
        if isinstance(format_, StreamFormat):
            return _check_stream(source, format_, read_options, check_records)
        content = content_of(source, read_options)
        document = format_.parse(content)
        type_ = type_for(document, format_, read_options)
        type_name = type_.DESCRIPTOR.name
        outcome, issues = check_document(_Opened(document, type_, content))
    except CannotRunError as error:
        return FileReport(source.name, CheckOutcome.UNREADABLE, reason=str(error))
    except DecodeError as error:
        issue = issue_from_decode_error(error, lines_of(content))
        return FileReport(source.name, CheckOutcome.INVALID, type_name, (issue,))
    return FileReport(source.name, outcome, type_name, issues)


@dataclass(slots=True)
class _Found:
    """What is found in a stream, up to as much as is reported."""

    issues: list[Issue] = field(default_factory=list)
    bad_records: int = 0
    omitted: int = 0

    def add(self, issues: Iterable[Issue], *, is_bad: bool) -> None:
        """Add what is found in one record."""
        self.bad_records += is_bad
        for issue in issues:
            if len(self.issues) < _MAX_ISSUES:
                self.issues.append(issue)
            else:
                self.omitted += 1

    def add_bad(self, bad: StreamError) -> None:
        """Add what is wrong with a record."""
        self.add(_issues_from_stream_error(bad), is_bad=True)


def _issues_from_stream_error(bad: StreamError) -> Iterator[Issue]:
    if isinstance(bad.error, ValidationError):
        for issue in issues_from_validation_error(bad.error, []):
            yield replace(issue, record=bad.record, position=_in_stream(issue.position, bad))
    else:
        at = "" if bad.position else f", in the record at byte {bad.offset}"
        yield Issue(
            DECODE,
            Level.ERROR,
            bad.path,
            bad.reason + at,
            position=bad.position,
            record=bad.record,
        )


def _in_stream(position: Position | None, bad: StreamError) -> Position | None:
    """Return where a place in the document of a record is in the stream."""
    if bad.position is None:
        return None
    return bad.position if position is None else replace(position, line=bad.position.line)


def _check_stream(
    source: InputFile,
    format_: StreamFormat,
    read_options: ReadOptions,
    check_records: Callable[[RecordStream, _Found], None],
) -> FileReport:
    found = _Found()
    with open_records(source, format_, read_options) as records:
        try:
            check_records(records, found)
        except StreamError as error:
            # Nobody knows where the next record begins: what was found so far counts.
            found.add_bad(error)
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


def _validate_records(records: RecordStream, found: _Found) -> None:
    for _ in records.messages(validate=True, on_bad=found.add_bad):
        continue


def _lint_records(records: RecordStream, found: _Found, selection: Selection) -> None:
    from crucible_ir.linting import lint

    count = records.count
    for message in records.messages(validate=False, on_bad=found.add_bad):
        advice = selection.filter(lint(message))
        if advice:
            number = count.records + count.skipped - 1
            issues = (replace(issue_from_lint(item, None, []), record=number) for item in advice)
            found.add(issues, is_bad=selection.fails(advice))


def lines_of(content: bytes) -> list[str]:
    """Return the lines of a document, to be shown where a finding has a place in them."""
    return content.decode("utf-8", errors="replace").removeprefix("\ufeff").split("\n")


def check_all(check: Check, documents: Iterable[InputFile], *, jobs: int) -> Iterator[FileReport]:
    """Check documents and yield the reports in the order of the documents.

    Args:
        check: The check.
        documents: The documents.
        jobs: How many processes do the work; 1 for this one, 0 for as many as there are CPUs.

    Raises:
        CannotRunError: A process was ended by something else.
    """
    jobs = jobs or os.cpu_count() or 1
    documents = list(documents)
    if jobs > 1 and any(each.name == STANDARD and each.content is None for each in documents):
        raise CannotRunError("standard input as a stream is read by one process: leave out --jobs")
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
