"""The checks of ``validate`` and ``lint`` on the records of a stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crucible_ir import v1
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
    if check.selections is None:
        for _ in records.chunks(validate=True, on_bad=found.add_error, threads=check.threads):
            pass
        return 0
    failed = 0
    count = records.count
    before = 0
    superseded: dict[str, tuple[str, int, int]] = {}
    for message in records.messages(validate=False, on_bad=found.add_error):
        findings, fails = check.lint(message, source)
        failed += fails
        number = count.records + count.skipped - 1
        for finding in findings:
            found.add_finding(finding, number, before)
        if isinstance(message, v1.FeedbackEvent) and message.supersedes:
            superseded.setdefault(message.id, (message.supersedes, number, before))
        before = count.bytes
    return failed + _check_circles(check, source, superseded, found)


def _check_circles(
    check: Check,
    source: InputFile,
    superseded: dict[str, tuple[str, int, int]],
    found: IssueGroups,
) -> int:
    """Report events of a stream that supersede each other, and return how many circles fail.

    Args:
        check: The check.
        source: The stream.
        superseded: For each event that supersedes another: the id of that one, and the number and
            offset of its record.
        found: Receives the issues.
    """
    if check.selections is None or not superseded:
        return 0
    from crucible_ir.linting.lints.feedback import circle_finding, circles

    failed = 0
    selection = check.selections[source.name]
    for circle in circles({event: other for event, (other, _, _) in superseded.items()}):
        for finding in selection.filter([circle_finding(circle)]):
            _, number, offset = superseded[circle[0]]
            found.add_finding(finding, number, offset)
            failed += selection.fails([finding])
    return failed
