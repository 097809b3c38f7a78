"""The report as SARIF 2.1.0 (OASIS), for code scanning services and editors."""

from __future__ import annotations

import json
import os
from pathlib import PurePath
from typing import Any, Final
from urllib.parse import quote

from crucible_ir.cli.checking.issues import CheckOutcome, FileReport, Issue, Level
from crucible_ir.cli.checking.reports import Wording
from crucible_ir.errors import Error
from crucible_ir.version import VERSION

_SCHEMA: Final = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)

_LEVELS: Final = {Level.ERROR: "error", Level.WARNING: "warning", Level.INFO: "note"}


def render(reports: list[FileReport], wording: Wording) -> str:
    """Return the report as text."""
    ids = sorted({issue.rule for report in reports for issue in report.issues})
    indexes = {rule: index for index, rule in enumerate(ids)}
    run = {
        "tool": {
            "driver": {
                "name": "crucible-ir",
                "semanticVersion": VERSION,
                "rules": [_rule(rule) for rule in ids],
            }
        },
        "columnKind": "unicodeCodePoints",
        "invocations": [_invocation(reports)],
        "results": [
            _result(report.name, issue, indexes[issue.rule])
            for report in reports
            for issue in report.issues
        ],
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def _rule(rule: str) -> dict[str, object]:
    return {"id": rule, "shortDescription": {"text": _meaning(rule)}}


def _meaning(rule: str) -> str:
    from crucible_ir.validation.explain import explain

    try:
        return explain(rule).meaning
    except Error:
        # protovalidate may have a rule that this release cannot explain.
        return rule


def _invocation(reports: list[FileReport]) -> dict[str, object]:
    """Return the documents that could not be read, which SARIF reports for the run."""
    unread = [report for report in reports if report.outcome is CheckOutcome.UNREADABLE]
    notifications = [
        {
            "level": "error",
            "message": {"text": report.reason},
            "locations": [{"physicalLocation": {"artifactLocation": _artifact(report.name)}}],
        }
        for report in unread
    ]
    return {"executionSuccessful": not unread, "toolExecutionNotifications": notifications}


def _result(name: str, issue: Issue, index: int) -> dict[str, object]:
    fix = f"; {issue.fix}" if issue.fix else ""
    place: dict[str, Any] = {"artifactLocation": _artifact(name)}
    if issue.position is not None:
        place["region"] = {
            "startLine": issue.position.line,
            "startColumn": issue.position.column,
        }
    location: dict[str, Any] = {"physicalLocation": place}
    if issue.path or issue.entry:
        name = ": ".join(part for part in (issue.entry, issue.path) if part)
        location["logicalLocations"] = [{"fullyQualifiedName": name, "kind": "member"}]
    return {
        "ruleId": issue.rule,
        "ruleIndex": index,
        "level": _LEVELS[issue.level],
        "message": {"text": f"{issue.subject}{issue.text}{fix}"},
        "locations": [location],
    }


def _artifact(name: str) -> dict[str, object]:
    """Return the location of a document, relative to the working folder or absolute."""
    path = PurePath(name)
    if path.is_absolute():
        return {"uri": "file://" + quote(os.fsencode(path.as_posix()))}
    return {"uri": quote(os.fsencode(path.as_posix()))}
