"""Reports on checked documents, as text or in a format for programs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Final

from crucible_ir.cli.checking.issues import CheckOutcome, FileReport, Issue, Level

if TYPE_CHECKING:
    from crucible_ir.cli.session import Session

#: The formats. `text_report` writes ``text``, and so on.
REPORT_FORMATS = ("text", "json", "sarif", "github", "junit")


@dataclass(frozen=True, slots=True)
class Wording:
    """The words that reports on one check use.

    Attributes:
        command: The command's name.
        good: The verdict on a document that passes.
        bad: The verdict on a document that fails.
        issues: The word for an issue, in the singular and the plural.
        json_key: The key of the issues in the JSON report.
        separates_warnings: Whether warnings are counted and listed apart from other issues.
        file: The word for a checked file, and that for one of several records in it, in the
            singular; the plurals have an s.
    """

    command: str
    good: str
    bad: str
    issues: tuple[str, str]
    json_key: str
    separates_warnings: bool = False
    file: tuple[str, str] = ("document", "record")

    def split(self, issues: Iterable[Issue]) -> tuple[list[Issue], list[Issue]]:
        """Return the issues, and the warnings if they are listed apart from them."""
        found: tuple[list[Issue], list[Issue]] = ([], [])
        for issue in issues:
            found[self.separates_warnings and issue.level is Level.WARNING].append(issue)
        return found

    def count(self, number: int) -> str:
        """Return a number of issues as text.

        >>> VALIDATE.count(2)
        '2 violations'
        """
        return f"{number} {self.issues[number != 1]}"

    def count_each(self, issues: int, warnings: int) -> str:
        """Return the numbers of issues and of separate warnings as text; empty if both are 0.

        >>> VALIDATE.count_each(0, 1)
        '1 warning'
        """
        parts = [self.count(issues)] if issues else []
        if warnings:
            parts.append(f"{warnings} warning{'' if warnings == 1 else 's'}")
        return ", ".join(parts)


VALIDATE: Final = Wording(
    "validate", "valid", "invalid", ("violation", "violations"), "violations", True
)
BUNDLE_CHECK: Final = Wording(
    "bundle check",
    "consistent",
    "inconsistent",
    ("problem", "problems"),
    "problems",
    file=("bundle", "document"),
)
LINT: Final = Wording("lint", "passed", "failed", ("finding", "findings"), "remarks")


def write_report(
    name: str,
    reports: Iterable[FileReport],
    wording: Wording,
    session: Session,
    *,
    quiet: bool,
) -> CheckOutcome:
    """Write a report to standard output and return the worst outcome, which is the exit status.

    Args:
        name: The format, one of `REPORT_FORMATS`.
        reports: The report of each document; ``text`` writes each as soon as it is available.
        wording: The words for the outcomes of the check.
        session: The options of this run.
        quiet: Whether ``text`` leaves out documents without issues.
    """
    if name == "text":
        from crucible_ir.cli.checking.text_report import write_text

        return write_text(reports, wording, session.out(), quiet=quiet)
    gathered = list(reports)
    render: Callable[[list[FileReport], Wording], str]
    render = import_module(f"crucible_ir.cli.checking.{name}_report").render
    print(render(gathered, wording))
    return max((report.outcome for report in gathered), default=CheckOutcome.GOOD)
