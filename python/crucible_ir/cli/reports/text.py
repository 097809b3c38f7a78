"""The report for people: a line a document, a line a finding with its place, and a count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from typing import TYPE_CHECKING, Final

from rich.cells import cell_len
from rich.text import Text

from crucible_ir.cli.findings import DECODE, FileReport, Finding, Level, Outcome
from crucible_ir.errors import printable

if TYPE_CHECKING:
    from rich.console import Console

    from crucible_ir.cli.reports.wording import Wording

#: The most characters of a source line that are shown.
_LINE_WIDTH: Final = 100

_STYLES: Final = {Level.ERROR: "bad", Level.WARNING: "warn", Level.INFO: "note"}


def write_text(
    reports: Iterable[FileReport], wording: Wording, console: Console, *, quiet: bool
) -> Outcome:
    """Write the report on each document as it comes, and what they come to at the end."""
    outcomes: Counter[Outcome] = Counter()
    rules: Counter[str] = Counter()
    for report in reports:
        outcomes[report.outcome] += 1
        rules.update(finding.rule for finding in report.findings)
        if not quiet or report.outcome is not Outcome.GOOD or report.findings:
            _write_file(report, wording, console)
    if not quiet:
        _write_summary(outcomes, rules, wording, console)
    return max(outcomes, default=Outcome.GOOD)


def _write_file(report: FileReport, wording: Wording, console: Console) -> None:
    name = printable(report.name)
    line = Text.assemble((f"{name}: ", "name"), *_verdict(report, wording))
    console.print(line, soft_wrap=True)
    for finding, following in zip_longest(report.findings, report.findings[1:]):
        console.print(_finding_line(name, finding), soft_wrap=True)
        # Several findings in one place share its line.
        if following is None or following.position != finding.position:
            excerpt = _excerpt(finding)
            if excerpt is not None:
                console.print(excerpt, soft_wrap=True)
    if report.omitted:
        left = f"{name}: and {wording.count(report.omitted)} more"
        console.print(Text(left, "aside"), soft_wrap=True)


def _verdict(report: FileReport, wording: Wording) -> Iterator[str | tuple[str, str]]:
    if report.outcome is Outcome.UNREADABLE:
        yield printable(report.reason), "bad"
    elif report.records is not None:
        yield from _stream_verdict(report, wording)
    elif any(finding.rule == DECODE for finding in report.findings):
        what = f" as {report.type_name}" if report.type_name else ""
        yield f"cannot be decoded{what}", "bad"
    else:
        good = report.outcome is Outcome.GOOD
        yield (wording.good, "good") if good else (wording.bad, "bad")
        yield f" {report.type_name}"
        if report.findings:
            yield f", {wording.count(len(report.findings))}"


def _stream_verdict(report: FileReport, wording: Wording) -> Iterator[str | tuple[str, str]]:
    good = report.outcome is Outcome.GOOD
    yield (wording.good, "good") if good else (wording.bad, "bad")
    if report.type_name:
        yield f" {report.type_name}"
    records = f"{report.records} record{'' if report.records == 1 else 's'}"
    yield f", {records}" if good else f", {report.bad_records} of {records}"
    findings = len(report.findings) + report.omitted
    if findings:
        yield f", {wording.count(findings)}"


def _finding_line(name: str, finding: Finding) -> Text:
    style = _STYLES[finding.level]
    line = Text()
    line.append(f"{finding.place(name)}: ", "where")
    if finding.path:
        line.append(f"{printable(finding.path)}: ", "name")
    if finding.level is not Level.ERROR:
        line.append(f"{finding.level.value}: ", style)
    line.append(printable(finding.words))
    line.append(f" [{printable(finding.rule)}]", style)
    if finding.fix:
        line.append(f"; {printable(finding.fix)}")
    return line


def _excerpt(finding: Finding) -> Text | None:
    """Return the line of the document that a finding is about, and a caret below the place."""
    if finding.position is None or not finding.line.strip():
        return None
    column = finding.position.column - 1
    start = max(0, column - _LINE_WIDTH // 2) if len(finding.line) > _LINE_WIDTH else 0
    end = start + _LINE_WIDTH
    before = ("…" if start else "") + printable(finding.line[start:column])
    after = printable(finding.line[column:end].rstrip()) + ("…" if len(finding.line) > end else "")
    return Text.assemble(
        (f"{finding.position.line:>5} | ", "aside"),
        before,
        after,
        (f"\n{'':>5} | ", "aside"),
        (f"{'':{cell_len(before)}}^", _STYLES[finding.level]),
    )


def _write_summary(
    outcomes: Counter[Outcome], rules: Counter[str], wording: Wording, console: Console
) -> None:
    total = outcomes.total()
    words = {
        Outcome.GOOD: (wording.good, "good"),
        Outcome.INVALID: (wording.bad, "bad"),
        Outcome.UNREADABLE: ("not read", "bad"),
    }
    summary = Text(f"{total} document{'' if total == 1 else 's'}: ")
    shown = [
        Text(f"{outcomes[outcome]} {word}", style)
        for outcome, (word, style) in words.items()
        if outcomes[outcome]
    ]
    summary.append_text(Text(", ").join(shown) if shown else Text("nothing to do"))
    if rules:
        summary.append(f"; {wording.count(rules.total())}")
    console.print(summary, soft_wrap=True)
    width = max((len(rule) for rule in rules), default=0)
    for rule, count in sorted(rules.items(), key=lambda item: (-item[1], item[0])):
        console.print(Text(f"  {printable(rule):{width}}  {count:>5}"), soft_wrap=True)
