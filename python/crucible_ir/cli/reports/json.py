"""The report as JSON: one object, for programs of any kind."""

from __future__ import annotations

import json
from collections import Counter

from crucible_ir.cli.findings import FileReport, Finding, Outcome
from crucible_ir.cli.reports.wording import Wording


def render(reports: list[FileReport], wording: Wording) -> str:
    """Return the report as text."""
    outcomes = Counter(report.outcome for report in reports)
    rules = Counter(finding.rule for report in reports for finding in report.findings)
    content = {
        "command": wording.command,
        "documents": [_document(report, wording) for report in reports],
        "summary": {
            "documents": len(reports),
            wording.good: outcomes[Outcome.GOOD],
            wording.bad: outcomes[Outcome.INVALID],
            "unreadable": outcomes[Outcome.UNREADABLE],
            "rules": dict(sorted(rules.items())),
        },
    }
    # ASCII only: a file's name that is not UTF-8 has no other way into JSON.
    return json.dumps(content, indent=2)


def _document(report: FileReport, wording: Wording) -> dict[str, object]:
    verdicts = {Outcome.GOOD: wording.good, Outcome.INVALID: wording.bad}
    return {
        "file": report.name,
        "verdict": verdicts.get(report.outcome, "unreadable"),
        "type": report.type_name or None,
        "reason": report.reason or None,
        **_stream(report),
        wording.findings[1]: [_finding(finding) for finding in report.findings],
    }


def _stream(report: FileReport) -> dict[str, object]:
    """Return what there is to say about a stream only."""
    if report.records is None:
        return {}
    counts = {"records": report.records, "bad_records": report.bad_records}
    return {**counts, "omitted_findings": report.omitted}


def _finding(finding: Finding) -> dict[str, object]:
    return {
        "rule": finding.rule,
        "level": finding.level.value,
        "path": finding.path,
        **({} if finding.record is None else {"record": finding.record}),
        "message": finding.message,
        "value": finding.value or None,
        "fix": finding.fix or None,
        "line": finding.position.line if finding.position else None,
        "column": finding.position.column if finding.position else None,
    }
