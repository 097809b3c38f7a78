"""The report as workflow commands of GitHub, which annotate the lines of a pull request."""

from __future__ import annotations

from collections.abc import Iterator

from crucible_ir.cli.checking.issues import CheckOutcome, FileReport, Level
from crucible_ir.cli.checking.reports import Wording

_COMMANDS = {Level.ERROR: "error", Level.WARNING: "warning", Level.INFO: "notice"}


def render(reports: list[FileReport], wording: Wording) -> str:
    """Return a workflow command for each issue, a line each; nothing if there is none."""
    return "\n".join(line for report in reports for line in _lines(report))


def _lines(report: FileReport) -> Iterator[str]:
    if report.outcome is CheckOutcome.UNREADABLE:
        yield workflow_command("error", {"file": report.name}, f"{report.name}: {report.reason}")
    for issue in report.issues:
        place: dict[str, object] = {"file": report.name}
        if issue.position is not None:
            place |= {"line": issue.position.line, "col": issue.position.column}
        place["title"] = issue.rule
        fix = f"; {issue.fix}" if issue.fix else ""
        yield workflow_command(_COMMANDS[issue.level], place, f"{issue.subject}{issue.text}{fix}")


def workflow_command(name: str, properties: dict[str, object], message: str) -> str:
    """Return a workflow command: its name, its properties and its message, each escaped."""
    listed = ",".join(f"{key}={_property(str(value))}" for key, value in properties.items())
    return f"::{name} {listed}::{_data(message)}"


def _data(text: str) -> str:
    """Escape a message, as GitHub's documentation of workflow commands specifies."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    """Escape a property, including the characters that separate properties."""
    return _data(text).replace(":", "%3A").replace(",", "%2C")
