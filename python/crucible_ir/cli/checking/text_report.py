"""The report as text: a line for each document, a line for each issue, and a summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from typing import TYPE_CHECKING, Final

from crucible_ir.cli.checking.issues import (
    DECODE,
    CheckOutcome,
    FileReport,
    Issue,
    IssueGroup,
    Level,
)
from crucible_ir.errors import printable

if TYPE_CHECKING:
    from crucible_ir.cli.checking.reports import Wording
    from crucible_ir.cli.console import Console, Line, Segment

#: The most characters of a document's line that are shown.
_LINE_WIDTH: Final = 100

_STYLES: Final = {Level.ERROR: "bad", Level.WARNING: "warn", Level.INFO: "note"}


def write_text(
    reports: Iterable[FileReport], wording: Wording, console: Console, *, quiet: bool
) -> CheckOutcome:
    """Write the report of each document as soon as it is available, and a summary at the end."""
    outcomes: Counter[CheckOutcome] = Counter()
    rules: Counter[str] = Counter()
    warnings = 0
    for report in reports:
        outcomes[report.outcome] += 1
        rules.update(report.rules)
        warnings += len(wording.split(report.issues)[1])
        if not quiet or report.outcome is not CheckOutcome.GOOD or report.issues:
            _write_file(report, wording, console)
    if not quiet:
        _write_summary(outcomes, rules, warnings, wording, console)
    return max(outcomes, default=CheckOutcome.GOOD)


def _write_file(report: FileReport, wording: Wording, console: Console) -> None:
    name = printable(report.name)
    console.print((f"{name}: ", "name"), *_verdict(report, wording))
    omitted = report.omitted
    if report.groups and not report.is_listed:
        for group in report.groups:
            console.print(*_group_line(name, group))
        omitted = report.total - sum(group.count for group in report.groups)
    else:
        _write_issues(report, name, console)
    if omitted:
        console.print(f"{name}: and {wording.count(omitted)} more", style="aside")


def _write_issues(report: FileReport, name: str, console: Console) -> None:
    for issue, following in zip_longest(report.issues, report.issues[1:]):
        console.print(*_issue_line(name, issue))
        # Issues at the same position share one excerpt.
        if following is None or following.position != issue.position:
            _print_excerpt(issue, console)


def _verdict(report: FileReport, wording: Wording) -> Iterator[Segment]:
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
        if report.type_name:
            yield f" {report.type_name}"
        counts = wording.count_each(*map(len, wording.split(report.issues)))
        if counts:
            yield f", {counts}"


def _stream_verdict(report: FileReport, wording: Wording) -> Iterator[Segment]:
    good = report.outcome is CheckOutcome.GOOD
    yield (wording.good, "good") if good else (wording.bad, "bad")
    if report.type_name:
        yield f" {report.type_name}"
    records = f"{report.records} {wording.file[1]}{'' if report.records == 1 else 's'}"
    yield f", {records}" if good else f", {report.bad_records} of {records}"
    if report.total:
        yield f", {wording.count(report.total)}"


def _issue_line(name: str, issue: Issue) -> Line:
    return _line(printable(issue.place(name)), issue.path, issue, issue.text)


def _group_line(name: str, group: IssueGroup) -> Line:
    first = group.issues[0]
    if group.count == 1:
        return _issue_line(name, first)
    places = (
        f"{_record_place(issue)}{f', got {printable(issue.value)}' if issue.value else ''}"
        for issue in group.issues
    )
    more = "; ..." if group.count > len(group.issues) else ""
    line = _line(name, group.path, first, first.message)
    return (*line, f"; {group.count} times: ", ("; ".join(places) + more, "where"))


def group_text(name: str, group: IssueGroup) -> str:
    """Return the line of a group without styles, given the name of the stream."""
    segments = _group_line(name, group)
    return "".join(each if isinstance(each, str) else each[0] for each in segments)


def _record_place(issue: Issue) -> str:
    where = f"byte {issue.offset}" if issue.position is None else f"{issue.position}"
    return f"record {issue.record} at {where}"


def _line(place: str, path: str, issue: Issue, text: str) -> Line:
    style = _STYLES[issue.level]
    level = "" if issue.level is Level.ERROR else f"{issue.level.value}: "
    return (
        (f"{place}: ", "where"),
        (f"{printable(path)}: " if path else "", "name"),
        (level, style),
        printable(text),
        (f" [{printable(issue.rule)}]", style),
        f"; {printable(issue.fix)}" if issue.fix else "",
    )


def _print_excerpt(issue: Issue, console: Console) -> None:
    """Print the line of the document at an issue's position, and a caret below the position."""
    if issue.position is None or not issue.line.strip():
        return
    from rich.cells import cell_len

    column = issue.position.column - 1
    start = max(0, column - _LINE_WIDTH // 2) if len(issue.line) > _LINE_WIDTH else 0
    end = start + _LINE_WIDTH
    before = ("…" if start else "") + printable(issue.line[start:column])
    after = printable(issue.line[column:end].rstrip()) + ("…" if len(issue.line) > end else "")
    console.print((f"{issue.position.line:>5} | ", "aside"), before, after)
    caret = f"{'':{cell_len(before)}}^"
    console.print((f"{'':>5} | ", "aside"), (caret, _STYLES[issue.level]))


def _write_summary(
    outcomes: Counter[CheckOutcome],
    rules: Counter[str],
    warnings: int,
    wording: Wording,
    console: Console,
) -> None:
    total = outcomes.total()
    words = {
        CheckOutcome.GOOD: (wording.good, "good"),
        CheckOutcome.INVALID: (wording.bad, "bad"),
        CheckOutcome.UNREADABLE: ("not read", "bad"),
    }
    counts: list[Segment] = []
    for outcome, (word, style) in words.items():
        if outcomes[outcome]:
            counts += [", ", (f"{outcomes[outcome]} {word}", style)]
    console.print(
        f"{total} {wording.file[0]}{'' if total == 1 else 's'}: ",
        *(counts[1:] or ["nothing to do"]),
        f"; {wording.count_each(rules.total() - warnings, warnings)}" if rules else "",
    )
    width = max((len(rule) for rule in rules), default=0)
    for rule, count in sorted(rules.items(), key=lambda item: (-item[1], item[0])):
        console.print(f"  {printable(rule):{width}}  {count:>5}")
