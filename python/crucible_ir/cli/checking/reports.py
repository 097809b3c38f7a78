"""Reports: what was found in the documents, in a format for people or for one kind of machine."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Final

from crucible_ir.cli.checking.issues import CheckOutcome, FileReport

if TYPE_CHECKING:
    from crucible_ir.cli.session import Session

#: The formats; ``text`` is for people. Each other is written by `NAME_report`.
REPORT_FORMATS = ("text", "json", "sarif", "github", "junit")


@dataclass(frozen=True, slots=True)
class Wording:
    """The words of one check.

    Attributes:
        command: The command's name.
        good: What a document is that passes.
        bad: What a document is that does not.
        findings: What the check finds: one, and many.
    """

    command: str
    good: str
    bad: str
    issues: tuple[str, str]

    def count(self, number: int) -> str:
        """Count findings.

        >>> VALIDATE.count(2)
        '2 violations'
        """
        return f"{number} {self.issues[number != 1]}"


VALIDATE: Final = Wording("validate", "valid", "invalid", ("violation", "violations"))
LINT: Final = Wording("lint", "passed", "failed", ("remark", "remarks"))


def write_report(
    name: str,
    reports: Iterable[FileReport],
    wording: Wording,
    session: Session,
    *,
    quiet: bool,
) -> CheckOutcome:
    """Write a report to standard output and return the outcome that decides the exit status.

    Args:
        name: The format, out of `REPORT_FORMATS`.
        reports: What was found, document by document; the text format shows each as it comes.
        wording: What the check calls its outcomes.
        session: The options of this run.
        quiet: Whether the text format leaves out what is good.
    """
    if name == "text":
        from crucible_ir.cli.checking.text_report import write_text

        return write_text(reports, wording, session.out(), quiet=quiet)
    gathered = list(reports)
    render: Callable[[list[FileReport], Wording], str]
    render = import_module(f"crucible_ir.cli.checking.{name}_report").render
    print(render(gathered, wording))
    return max((report.outcome for report in gathered), default=CheckOutcome.GOOD)
