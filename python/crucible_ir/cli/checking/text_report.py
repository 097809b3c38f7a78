"""The report for people: a line a document, a line a finding with its place, and a count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from typing import TYPE_CHECKING, Final

from rich.cells import cell_len
from rich.text import Text

from crucible_ir.cli.checking.issues import DECODE, CheckOutcome, FileReport, Issue, Level
from crucible_ir.errors import printable

if TYPE_CHECKING:
    from rich.console import Console

    from crucible_ir.cli.checking.reports import Wording

#: The most characters of a source line that are shown.
_LINE_WIDTH: Final = 100

_STYLES: Final = {Level.ERROR: "bad", Level.WARNING: "warn", Level.INFO: "note"}


def write_text(
    reports: Iterable[FileReport], wording: Wording, console: Console, *, quiet: bool
) -> CheckOutcome:
    """Write the report on each document as it comes, and what they come to at the end."""
    outcomes: Counter[CheckOutcome] = Counter()
    rules: Counter[str] = Counter()
    for report in reports:
        outcomes[report.outcome] += 1
        rules.update(issue.rule for issue in report.issues)
        if not quiet or report.outcome is not CheckOutcome.GOOD or report.issues:
            _write_file(report, wording, console)
    if not quiet:
        _write_summary(outcomes, rules, wording, console)
    return max(outcomes, default=CheckOutcome.GOOD)


def _write_file(report: FileReport, wording: Wording, console: Console) -> None:
    name = printable(report.name)
    line = Text.assemble((f"{name}: ", "name"), *_verdict(report, wording))
    console.print(line, soft_wrap=True)
    for issue, following in zip_longest(report.issues, report.issues[1:]):
        console.print(_issue_line(name, issue), soft_wrap=True)
        # Several findings in one place share its line.
        if following is None or following.position != issue.position:
            excerpt = _excerpt(issue)
            if excerpt is not None:
                console.print(excerpt, soft_wrap=True)
    if report.omitted:
        left = f"{name}: and {wording.count(report.omitted)} more"
        console.print(Text(left, "aside"), soft_wrap=True)


def _verdict(report: FileReport, wording: Wording) -> Iterator[str | tuple[str, str]]:
    if report.outcome is CheckOutcome.UNREADABLE:
        yield printable(report.reason), "bad"
    elif report.records is not None:
        yield from _stream_verdict(report, wording)
    elif any(issue.rule == DECODE for issue in report.issues):
        what = f" as {report.type_name}" if report.type_name else ""
        yield f"cannot be decoded{what}", "bad"
    else:
        good = report.outcome is CheckOutcome.GOOD
        yield (wording.good, "good") if good else (wording.bad, "bad")
        yield f" {report.type_name}"
        if report.issues:
            yield f", {wording.count(len(report.issues))}"


def _stream_verdict(report: FileReport, wording: Wording) -> Iterator[str | tuple[str, str]]:
    good = report.outcome is CheckOutcome.GOOD
    yield (wording.good, "good") if good else (wording.bad, "bad")
    if report.type_name:
        yield f" {report.type_name}"
    records = f"{report.records} record{'' if report.records == 1 else 's'}"
    yield f", {records}" if good else f", {report.bad_records} of {records}"
    issues = len(report.issues) + report.omitted
    if issues:
        yield f", {wording.count(issues)}"


def _issue_line(name: str, issue: Issue) -> Text:
    style = _STYLES[issue.level]
    line = Text()
    line.append(f"{issue.place(name)}: ", "where")
    if issue.path:
        line.append(f"{printable(issue.path)}: ", "name")
    if issue.level is not Level.ERROR:
        line.append(f"{issue.level.value}: ", style)
    line.append(printable(issue.words))
    line.append(f" [{printable(issue.rule)}]", style)
    if issue.fix:
        line.append(f"; {printable(issue.fix)}")
    return line


def _excerpt(issue: Issue) -> Text | None:
    """Return the line of the document that a finding is about, and a caret below the place."""
    if issue.position is None or not issue.line.strip():
        return None
    column = issue.position.column - 1
    start = max(0, column - _LINE_WIDTH // 2) if len(issue.line) > _LINE_WIDTH else 0
    end = start + _LINE_WIDTH
    before = ("…" if start else "") + printable(issue.line[start:column])
    after = printable(issue.line[column:end].rstrip()) + ("…" if len(issue.line) > end else "")
    return Text.assemble(
        (f"{issue.position.line:>5} | ", "aside"),
        before,
        after,
        (f"\n{'':>5} | ", "aside"),
        (f"{'':{cell_len(before)}}^", _STYLES[issue.level]),
    )


def _write_summary(
    outcomes: Counter[CheckOutcome], rules: Counter[str], wording: Wording, console: Console
) -> None:
    total = outcomes.total()
    words = {
        CheckOutcome.GOOD: (wording.good, "good"),
        CheckOutcome.INVALID: (wording.bad, "bad"),
        CheckOutcome.UNREADABLE: ("not read", "bad"),
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
