"""The report as JUnit XML: a test case a document, for the test pages of build servers."""

from __future__ import annotations

from xml.etree import ElementTree

from crucible_ir.cli.findings import FileReport, Finding, Outcome
from crucible_ir.cli.reports.wording import Wording
from crucible_ir.errors import printable


def render(reports: list[FileReport], wording: Wording) -> str:
    """Return the report as text."""
    name = f"crucible-ir {wording.command}"
    counts = {
        "tests": str(len(reports)),
        "failures": str(sum(report.outcome is Outcome.INVALID for report in reports)),
        "errors": str(sum(report.outcome is Outcome.UNREADABLE for report in reports)),
    }
    root = ElementTree.Element("testsuites", {"name": name, **counts})
    suite = ElementTree.SubElement(root, "testsuite", {"name": name, **counts})
    for report in reports:
        _add_case(suite, report, wording)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode")


def _add_case(suite: ElementTree.Element, report: FileReport, wording: Wording) -> None:
    # XML cannot hold control characters at all, so they are escaped as for a terminal.
    name = printable(report.name)
    attributes = {"name": name, "classname": report.type_name or "unknown"}
    case = ElementTree.SubElement(suite, "testcase", attributes)
    lines = "\n".join(_line(name, finding) for finding in report.findings)
    if report.outcome is Outcome.UNREADABLE:
        ElementTree.SubElement(case, "error", {"message": printable(report.reason)})
    elif report.outcome is Outcome.INVALID:
        message = wording.count(len(report.findings))
        ElementTree.SubElement(case, "failure", {"message": message}).text = lines
    elif lines:
        ElementTree.SubElement(case, "system-out").text = lines


def _line(name: str, finding: Finding) -> str:
    path = f"{finding.path}: " if finding.path else ""
    fix = f"; {finding.fix}" if finding.fix else ""
    return printable(f"{finding.place(name)}: {path}{finding.words} [{finding.rule}]{fix}")
