"""The report as one JSON object."""

from __future__ import annotations

import json
from collections import Counter

from crucible_ir.cli.checking.issues import CheckOutcome, FileReport, Issue, IssueGroup
from crucible_ir.cli.checking.reports import Wording


def render(reports: list[FileReport], wording: Wording) -> str:
    """Return the report as text."""
    outcomes = Counter(report.outcome for report in reports)
    rules: Counter[str] = Counter()
    for report in reports:
        rules += report.rules
    content = {
        "command": wording.command,
        "documents": [_document(report, wording) for report in reports],
        "summary": {
            "documents": len(reports),
            wording.good: outcomes[CheckOutcome.GOOD],
            wording.bad: outcomes[CheckOutcome.INVALID],
            "unreadable": outcomes[CheckOutcome.UNREADABLE],
            "rules": dict(sorted(rules.items())),
        },
    }
    # ASCII only: JSON can escape a file name that is not UTF-8, but not contain it.
    return json.dumps(content, indent=2)


def _document(report: FileReport, wording: Wording) -> dict[str, object]:
    verdicts = {CheckOutcome.GOOD: wording.good, CheckOutcome.INVALID: wording.bad}
    issues, warnings = wording.split(report.issues)
    return {
        "file": report.name,
        "verdict": verdicts.get(report.outcome, "unreadable"),
        "type": report.type_name or None,
        "reason": report.reason or None,
        **_stream(report),
        wording.json_key: [issue_json(issue) for issue in issues],
        **(
            {"warnings": [issue_json(issue) for issue in warnings]}
            if wording.separates_warnings
            else {}
        ),
    }


def _stream(report: FileReport) -> dict[str, object]:
    """Return the keys that only the report of a stream has."""
    if report.records is None:
        return {}
    counts = {"records": report.records, "bad_records": report.bad_records}
    return {
        **counts,
        "findings": report.total,
        "omitted_findings": report.omitted,
        "groups": [_group(group) for group in report.groups],
        "ungrouped_findings": report.total - sum(group.count for group in report.groups),
    }


def _group(group: IssueGroup) -> dict[str, object]:
    first = group.issues[0]
    return {
        "rule": first.rule,
        "level": first.level.value,
        "path": group.path,
        "message": first.message,
        "count": group.count,
        "first": [issue_json(issue) for issue in group.issues],
    }


def issue_json(issue: Issue) -> dict[str, object]:
    """Return the JSON value of an issue."""
    return {
        "rule": issue.rule,
        "level": issue.level.value,
        "path": issue.path,
        **({"document": issue.entry} if issue.entry else {}),
        **({} if issue.record is None else {"record": issue.record, "offset": issue.offset}),
        "message": issue.message,
        "value": issue.value or None,
        "fix": issue.fix or None,
        "line": issue.position.line if issue.position else None,
        "column": issue.position.column if issue.position else None,
    }
