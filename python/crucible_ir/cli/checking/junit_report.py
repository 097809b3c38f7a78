"""The report as JUnit XML: a test case for each document, for build servers."""

from __future__ import annotations

from xml.etree import ElementTree

from crucible_ir.cli.checking.issues import CheckOutcome, FileReport, Issue
from crucible_ir.cli.checking.reports import Wording
from crucible_ir.errors import printable


def render(reports: list[FileReport], wording: Wording) -> str:
    """Return the report as text."""
    name = f"crucible-ir {wording.command}"
    counts = {
        "tests": str(len(reports)),
        "failures": str(sum(report.outcome is CheckOutcome.INVALID for report in reports)),
        "errors": str(sum(report.outcome is CheckOutcome.UNREADABLE for report in reports)),
    }
    root = ElementTree.Element("testsuites", {"name": name, **counts})
    suite = ElementTree.SubElement(root, "testsuite", {"name": name, **counts})
    for report in reports:
        _add_case(suite, report, wording)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode")


def _add_case(suite: ElementTree.Element, report: FileReport, wording: Wording) -> None:
    # XML cannot contain control characters, so they are escaped as for a terminal.
    name = printable(report.name)
    attributes = {"name": name, "classname": report.type_name or "unknown"}
    case = ElementTree.SubElement(suite, "testcase", attributes)
    lines = "\n".join(_line(name, issue) for issue in report.issues)
    if report.omitted:
        lines += f"\nand {wording.count(report.omitted)} more"
    if report.outcome is CheckOutcome.UNREADABLE:
        ElementTree.SubElement(case, "error", {"message": printable(report.reason)})
    elif report.outcome is CheckOutcome.INVALID:
        message = wording.count(report.total)
        ElementTree.SubElement(case, "failure", {"message": message}).text = lines
    elif lines:
        ElementTree.SubElement(case, "system-out").text = lines


def _line(name: str, issue: Issue) -> str:
    path = f"{issue.path}: " if issue.path else ""
    fix = f"; {issue.fix}" if issue.fix else ""
    return printable(f"{issue.place(name)}: {path}{issue.text} [{issue.rule}]{fix}")
