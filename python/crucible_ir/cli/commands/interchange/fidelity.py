"""The options about fidelity that imports and exports share, and the writing of their report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, Final

import click
from click.shell_completion import CompletionItem

from crucible_ir.cli.files.inputs import STANDARD
from crucible_ir.cli.files.outputs import check_overwriting, write_output
from crucible_ir.cli.options import TextParameter
from crucible_ir.cli.program import Command
from crucible_ir.cli.views import fidelity as view
from crucible_ir.interchange.mapping.report import Outcome

if TYPE_CHECKING:
    from crucible_ir.cli.session import Session
    from crucible_ir.interchange.mapping.report import Report

    _OutcomesParameter = click.ParamType[frozenset[Outcome]]
else:
    # Older releases of click have no type parameter here.
    _OutcomesParameter = click.ParamType

#: The most entries and errors that are printed; a report has all of them.
_MAX_PRINTED: Final = 10


class _ForeignFormat(TextParameter):
    """The name of a foreign format; the error for an unknown one names the nearest."""

    name = "format"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        from crucible_ir.interchange.mapping.format import (
            UnknownForeignFormatError,
            format_named,
        )

        try:
            return format_named(value).name
        except UnknownForeignFormatError as error:
            self.fail(str(error), param, ctx)

    def shell_complete(self, ctx: Any, param: Any, incomplete: str) -> list[CompletionItem]:
        from crucible_ir.interchange.mapping.format import FORMATS, format_named

        return [
            CompletionItem(name, help=format_named(name).title)
            for name in FORMATS
            if name.startswith(incomplete)
        ]


class _Outcomes(_OutcomesParameter):
    """Outcomes, separated by commas."""

    name = "outcomes"

    def convert(self, value: Any, param: Any, ctx: Any) -> frozenset[Outcome]:
        if isinstance(value, frozenset):
            return value
        try:
            return frozenset(Outcome(name.strip()) for name in value.split(","))
        except ValueError as error:
            self.fail(f"{error}: expected some of {', '.join(Outcome)}", param, ctx)

    def shell_complete(self, ctx: Any, param: Any, incomplete: str) -> list[CompletionItem]:
        first, comma, last = incomplete.rpartition(",")
        return [
            CompletionItem(f"{first}{comma}{name}") for name in Outcome if name.startswith(last)
        ]


FOREIGN_FORMAT = _ForeignFormat()


class InterchangeCommand(Command):
    """A command that takes the name of a foreign format, which its help lists."""

    def format_epilog(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, and the names of the formats."""
        super().format_epilog(context, formatter)
        from crucible_ir.interchange.mapping.format import FORMATS, format_named

        with formatter.section("Formats"):
            formatter.write_dl([(name, format_named(name).about) for name in FORMATS])


@dataclass(frozen=True, slots=True)
class Fidelity:
    """The options about fidelity.

    Attributes:
        fail_on: The outcomes of values that make a record an error.
        report: The file of the report; ``None`` for none, ``-`` for standard output.
        report_format: The format of the report.
        force: Whether an existing report is replaced.
    """

    fail_on: frozenset[Outcome]
    report: str | None
    report_format: str
    force: bool

    def check(self) -> None:
        """Check, before any work, that the report can be written.

        Raises:
            CannotRunError: The file exists, and is not to be replaced.
        """
        if self.report is not None:
            check_overwriting([self.report], force=self.force)

    def write(
        self,
        session: Session,
        report: Report,
        details: Mapping[str, object],
        sources: Sequence[str],
        *,
        quiet: bool,
    ) -> None:
        """Write the report to its file, and print a summary on standard error.

        Args:
            session: The options of this run.
            report: The report.
            details: More keys of the JSON report.
            sources: The names of the sources.
            quiet: Whether to print errors only.
        """
        name = ", ".join(sources)
        if self.report is not None:
            text = view.render(report, self.report_format, details, name)
            write_output(self.report, f"{text}\n".encode(), force=self.force)
        for error in report.errors[:_MAX_PRINTED]:
            session.print_error(str(error))
        more = report.error_count - _MAX_PRINTED
        if more > 0:
            session.print_error(f"{more:,} more records are left out; --report FILE has all errors")
        if quiet or self.report == STANDARD or not report.entries:
            return
        console = session.err()
        console.print(f"{view.summary(report)}")
        changed = view.changed(report)
        for line in view.text_lines(changed[:_MAX_PRINTED]):
            console.print(*line)
        if len(changed) > _MAX_PRINTED:
            more = len(changed) - _MAX_PRINTED
            console.print(f"  {more:,} more; --report FILE has all of them", style="aside")


def fidelity_options(command: Any) -> Any:
    """Add the options about fidelity, which the command receives as ``fidelity``."""

    @wraps(command)
    def with_fidelity(
        *arguments: Any,
        fail_on: frozenset[Outcome],
        report: str | None,
        report_format: str | None,
        force: bool,
        **options: Any,
    ) -> Any:
        if report_format is None:
            suffix = (report or "").lower().rpartition(".")[2]
            report_format = {"sarif": "sarif", "txt": "text"}.get(suffix, "json")
            if report == STANDARD:
                report_format = "text"
        fidelity = Fidelity(fail_on, report, report_format, force)
        return command(*arguments, fidelity=fidelity, force=force, **options)

    decorated: Any = with_fidelity
    for option in (
        click.option(
            "--fail-on",
            type=_Outcomes(),
            default=frozenset[Outcome](),
            metavar="OUTCOMES",
            help="Leave out each record that has a value of these outcomes, such as"
            " dropped,converted, and exit with 1.",
        ),
        click.option(
            "--report-format",
            type=click.Choice(view.REPORT_FORMATS),
            help="Format of the report; by default JSON, or that of the extension .sarif or .txt.",
        ),
        click.option(
            "--report",
            metavar="FILE",
            help="Write the fidelity report to this file; `-` is standard output.",
        ),
    ):
        decorated = option(decorated)
    return decorated
