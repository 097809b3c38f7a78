"""The checks of ``validate`` and ``lint`` on the records of a stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crucible_ir.cli.checking.issue_groups import IssueGroups
from crucible_ir.cli.checking.issues import CheckOutcome, FileReport
from crucible_ir.cli.files.stream_reader import RecordStream, open_records
from crucible_ir.serialization.streams.records import StreamError

if TYPE_CHECKING:
    from crucible_ir.cli.checking.checks import Check
    from crucible_ir.cli.files.inputs import InputFile
    from crucible_ir.serialization.streams.formats import StreamFormat


def check_stream(check: Check, source: InputFile, format_: StreamFormat) -> FileReport:
    """Check the records of a stream and return the report.

    Raises:
        CannotRunError: The stream cannot be read, or its type cannot be detected.
    """
    found = IssueGroups(check.listed_issues)
    failed = 0
    with open_records(source, format_, check.read_options) as records:
        try:
            failed = _check_records(check, source, records, found)
        except StreamError as error:
            # The start of the next record is unknown; the issues so far are reported.
            found.add_error(error)
            records.count.skipped += 1
    groups = found.groups()
    kept = (issue for group in groups for issue in group.issues)
    bad_records = records.count.skipped + failed
    return FileReport(
        source.name,
        CheckOutcome.INVALID if bad_records else CheckOutcome.GOOD,
        records.type_.DESCRIPTOR.name if records.type_ else "",
        tuple(found.listed or sorted(kept, key=lambda issue: issue.record or 0)),
        records=records.count.records + records.count.skipped,
        bad_records=bad_records,
        groups=groups,
        rule_counts=found.rules(),
        is_listed=bool(check.listed_issues),
    )


def _check_records(
    check: Check, source: InputFile, records: RecordStream, found: IssueGroups
) -> int:
    """Check the records, and return the number of those that the lints fail."""
    failed = 0
    count = records.count
    before = 0
    for message in records.messages(validate=check.validates, on_bad=found.add_error):
        findings, fails = check.lint(message, source)
        failed += fails
        for finding in findings:
            found.add_finding(finding, count.records + count.skipped - 1, before)
        before = count.bytes
    return failed
