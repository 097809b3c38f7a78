"""The checks of ``validate`` and ``lint`` on the records of a stream."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from crucible_ir.cli.checking.issues import (
    DECODE,
    CheckOutcome,
    FileReport,
    Issue,
    Level,
    issue_from_lint,
    issues_from_validation_error,
)
from crucible_ir.cli.files.stream_reader import RecordStream, open_records
from crucible_ir.cli.session import with_options
from crucible_ir.errors import Position, ValidationError
from crucible_ir.serialization.streams.records import StreamError

if TYPE_CHECKING:
    from crucible_ir.cli.checking.checks import Check
    from crucible_ir.cli.files.inputs import InputFile
    from crucible_ir.serialization.streams.formats import StreamFormat

#: The most issues of one stream that are listed; the others are counted.
_MAX_ISSUES: Final = 1000


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


def check_stream(check: Check, source: InputFile, format_: StreamFormat) -> FileReport:
    """Check the records of a stream and return the report.

    Raises:
        CannotRunError: The stream cannot be read, or its type cannot be detected.
    """
    found = _StreamIssues()
    with open_records(source, format_, check.read_options) as records:
        try:
            _check_records(check, source, records, found)
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


def _check_records(
    check: Check, source: InputFile, records: RecordStream, found: _StreamIssues
) -> None:
    count = records.count
    for message in records.messages(validate=check.validates, on_bad=found.add_error):
        findings, fails = check.lint(message, source)
        number = count.records + count.skipped - 1
        issues = [replace(issue_from_lint(each, None, []), record=number) for each in findings]
        found.add(issues, is_bad=fails)


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
            with_options(error.reason, in_stream=True) + at,
            position=error.position,
            record=error.record,
        )


def _in_stream(position: Position | None, error: StreamError) -> Position | None:
    """Return the position in the stream, given a position in the document of one record."""
    if error.position is None:
        return None
    return error.position if position is None else replace(position, line=error.position.line)
