"""The fidelity report of an import or export, as text, JSON or SARIF."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from crucible_ir.cli.checking.issues import CheckOutcome, FileReport, Issue, Level
from crucible_ir.cli.checking.reports import Wording
from crucible_ir.errors import printable
from crucible_ir.interchange.mapping.report import Entry, Outcome

if TYPE_CHECKING:
    from crucible_ir.cli.console import Line
    from crucible_ir.interchange.mapping.report import Report

#: The formats of the report.
REPORT_FORMATS: Final = ("text", "json", "sarif")

#: The severity of an outcome in SARIF. Values that come back unchanged are not listed.
_LEVELS: Final = {
    Outcome.CONVERTED: Level.INFO,
    Outcome.DEFAULTED: Level.INFO,
    Outcome.DROPPED: Level.WARNING,
}
_STYLES: Final = {
    Outcome.CONVERTED: "note",
    Outcome.DEFAULTED: "aside",
    Outcome.DROPPED: "warn",
}

_WORDING: Final = Wording("interchange", "faithful", "lossy", ("change", "changes"), "entries")


def summary(report: Report) -> str:
    """Return the number of values of each outcome as text.

    >>> from crucible_ir.interchange.mapping.report import Entry, Report
    >>> summary(Report((Entry("id", Outcome.KEPT, 2), Entry("x", Outcome.DROPPED, 1))))
    '3 values: 2 kept, 1 dropped'
    """
    counts = {name: number for name, number in report.counts.items() if number}
    total = sum(counts.values())
    parts = ", ".join(f"{number:,} {name}" for name, number in counts.items())
    values = "value" if total == 1 else "values"
    return f"{total:,} {values}: {parts}" if counts else "no values"


def changed(report: Report) -> list[Entry]:
    """Return the entries about values that do not come back unchanged, the lost ones first."""
    found = [entry for entry in report.entries if entry.outcome in _LEVELS]
    return sorted(found, key=lambda entry: -list(Outcome).index(entry.outcome))


def text_lines(entries: list[Entry]) -> list[Line]:
    """Return a line of text for each entry."""
    width = max((len(entry.outcome) for entry in entries), default=0)
    lines: list[Line] = []
    for entry in entries:
        style = _STYLES.get(entry.outcome, "")
        count = f" ({entry.count:,} times)" if entry.count > 1 else ""
        detail = printable(f"{_places(entry)}{count}{_values(entry)}{_reason(entry)}")
        lines.append(((f"  {entry.outcome:{width}}", style), f"  {detail}"))
    return lines


def render(report: Report, format_: str, details: Mapping[str, object], name: str) -> str:
    """Return a report as text.

    Args:
        report: The report.
        format_: One of `REPORT_FORMATS`.
        details: More keys of the JSON report.
        name: The name of the source.
    """
    if format_ == "json":
        return json.dumps({**details, **report.as_json()}, indent=2, ensure_ascii=False)
    if format_ == "sarif":
        from crucible_ir.cli.checking import sarif_report

        return sarif_report.render([_file_report(report, name)], _WORDING)
    lines = [summary(report)]
    lines += [
        "".join(part if isinstance(part, str) else part[0] for part in line)
        for line in text_lines(list(report.entries))
    ]
    lines += [f"error: {printable(str(error))}" for error in report.errors]
    return "\n".join(lines)


def _file_report(report: Report, name: str) -> FileReport:
    issues = [
        Issue(
            f"interchange.{entry.outcome}",
            _LEVELS[entry.outcome],
            entry.path or entry.target,
            f"{entry.outcome}{_values(entry)}{_reason(entry)}",
        )
        for entry in changed(report)
    ]
    issues += [
        Issue("interchange.error", Level.ERROR, error.path, error.reason) for error in report.errors
    ]
    outcome = CheckOutcome.INVALID if report.errors else CheckOutcome.GOOD
    return FileReport(name, outcome, issues=tuple(issues))


def _places(entry: Entry) -> str:
    if not entry.path:
        return entry.target
    return f"{entry.path} → {entry.target}" if entry.target else entry.path


def _values(entry: Entry) -> str:
    """Return the first value, and what it became."""
    if entry.outcome is Outcome.DEFAULTED:
        return f": {_shown(entry.target_values[0])}" if entry.target_values else ""
    if not entry.source_values or entry.outcome not in _LEVELS:
        return ""
    text = f": {_shown(entry.source_values[0])}"
    if entry.target_values and entry.outcome is Outcome.CONVERTED:
        text += f" → {_shown(entry.target_values[0])}"
    return text


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:59]}…"


def _reason(entry: Entry) -> str:
    return f" ({entry.reason})" if entry.reason else ""
