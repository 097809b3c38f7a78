"""``crucible-ir validate``: check documents against the rules of the schema."""

from __future__ import annotations

import click

from crucible_ir.cli.checking.checks import Check, check_all
from crucible_ir.cli.checking.reports import VALIDATE, write_report
from crucible_ir.cli.files.inputs import ReadOptions, input_files
from crucible_ir.cli.options import add_check_options
from crucible_ir.cli.program import Command
from crucible_ir.cli.progress import with_progress
from crucible_ir.cli.session import Session

_EXAMPLES = (
    ("crucible-ir validate examples/experiment.yaml", "One document, whose type is detected."),
    ("crucible-ir validate examples 'runs/**/*.json'", "A folder, and a pattern."),
    (
        "crucible-ir validate --type TrainingRun --from json - < run.json",
        "Standard input, which has no file extension: give the format.",
    ),
    ("crucible-ir validate --format github examples", "Annotations in a pull request."),
)


@click.command(cls=Command, examples=_EXAMPLES)
@click.argument("documents", nargs=-1, required=True, metavar="FILE...")
@add_check_options
@click.pass_obj
def command(
    session: Session,
    documents: tuple[str, ...],
    read_options: ReadOptions,
    report_format: str,
    jobs: int,
    list_issues: int,
    quiet: bool,
) -> int:
    """Check documents against the rules of the schema.

    FILE is a file, a folder (all documents in it, at any depth), a pattern or `-`. In a folder,
    pipes, devices and loops of links are skipped with a line. The report has a line for each
    document, and a line for each rule that it breaks, with the position, the field and the id of
    the rule; `crucible-ir explain RULE` describes the rule. The exit status is 1 if a document is
    invalid, and 2 if a file cannot be read.
    """
    found = list(input_files(documents, read_options))
    # What is left of the jobs when each file has its process are threads of the native engine.
    threads = max(1, jobs // len(found)) if found else 1
    reports = check_all(
        Check(read_options, listed_issues=list_issues, threads=threads),
        found,
        jobs=min(jobs, len(found)) if jobs else 0,
    )
    shown = with_progress(reports, len(found))
    return write_report(report_format, shown, VALIDATE, session, quiet=quiet)
