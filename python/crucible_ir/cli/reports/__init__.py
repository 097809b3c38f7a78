"""Reports: what was found in the documents, in a format for people or for one kind of machine."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module
from typing import TYPE_CHECKING

from crucible_ir.cli.findings import FileReport, Outcome

if TYPE_CHECKING:
    from crucible_ir.cli.reports.wording import Wording
    from crucible_ir.cli.session import Session

#: The formats; ``text`` is for people. The module of the same name writes a machine's.
REPORT_FORMATS = ("text", "json", "sarif", "github", "junit")


def write_report(
    name: str,
    reports: Iterable[FileReport],
    wording: Wording,
    session: Session,
    *,
    quiet: bool,
) -> Outcome:
    """Write a report to standard output and return the outcome that decides the exit status.

    Args:
        name: The format, out of `REPORT_FORMATS`.
        reports: What was found, document by document; the text format shows each as it comes.
        wording: What the check calls its outcomes.
        session: The options of this run.
        quiet: Whether the text format leaves out what is good.
    """
    if name == "text":
        from crucible_ir.cli.reports.text import write_text

        return write_text(reports, wording, session.out(), quiet=quiet)
    gathered = list(reports)
    render: Callable[[list[FileReport], Wording], str]
    render = import_module(f"crucible_ir.cli.reports.{name}").render
    print(render(gathered, wording))
    return max((report.outcome for report in gathered), default=Outcome.GOOD)
