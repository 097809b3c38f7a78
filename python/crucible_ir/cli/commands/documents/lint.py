"""``crucible-ir lint``: find values that the rules allow but that look like mistakes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crucible_ir.cli.checking.checks import Check, check_all
from crucible_ir.cli.checking.reports import LINT, write_report
from crucible_ir.cli.files.inputs import STANDARD, InputFile, ReadOptions, input_files
from crucible_ir.cli.options import add_check_options, release_option
from crucible_ir.cli.program import Command
from crucible_ir.cli.progress import with_progress
from crucible_ir.cli.session import Session

if TYPE_CHECKING:
    from crucible_ir.linting import Selection

_NEVER = "never"

_EXAMPLES = (
    ("crucible-ir lint examples", "Every document of a folder."),
    (
        "crucible-ir lint --ignore ensemble --fail-on never examples",
        "Without one group of lints, and with exit status 0 whatever is found.",
    ),
    (
        "crucible-ir lint --select opaque.secret examples/deployment.yaml",
        "One lint only; `crucible-ir explain` lists them all.",
    ),
    (
        "crucible-ir lint --for 0.2.0 examples/prompt.yaml",
        "Also report what readers of an older release reject.",
    ),
)


@click.command(cls=Command, examples=_EXAMPLES)
@click.argument("documents", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--select",
    multiple=True,
    metavar="LINT",
    help="Run only this lint: an id, or the part before its dot; repeatable.",
)
@click.option(
    "--ignore",
    multiple=True,
    metavar="LINT",
    help="Do not run this lint; repeatable.",
)
@click.option(
    "--fail-on",
    type=click.Choice(["info", "warning", _NEVER]),
    help="The lowest severity that gives exit status 1; by default warning.",
)
@release_option("Also report what this release, such as 0.2.0, does not read.")
@add_check_options
@click.pass_obj
def command(
    session: Session,
    documents: tuple[str, ...],
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    fail_on: str | None,
    release: str | None,
    read_options: ReadOptions,
    report_format: str,
    jobs: int,
    list_issues: int,
    quiet: bool,
) -> int:
    """Find values that the rules allow but that look like mistakes.

    Settings are read from the nearest crucible-ir.toml ([lint]) or pyproject.toml
    ([tool.crucible-ir.lint]), with the keys select, ignore and fail-on; options override them. To
    ignore lints in one document, list them as crucible_ir_lint_ignore in its metadata. The rules of
    the schema are not checked: use `crucible-ir validate`.
    """
    found = list(input_files(documents, read_options))
    options: dict[str, Any] = {"select": select, "ignore": ignore, "fail_on": fail_on}
    given = {name: value for name, value in options.items() if value}
    check = Check(read_options, _selections(found, given), list_issues, release)
    reports = check_all(check, found, jobs=min(jobs, len(found)) if jobs else 0)
    shown = with_progress(reports, len(found))
    return write_report(report_format, shown, LINT, session, quiet=quiet)


def _selections(found: list[InputFile], given: dict[str, Any]) -> dict[str, Selection]:
    """Return the selected lints for each file: the settings of its folder and the given options."""
    from crucible_ir.linting import Severity, load_settings

    if "fail_on" in given:
        given["fail_on"] = None if given["fail_on"] == _NEVER else Severity(given["fail_on"])
    by_folder: dict[Path, Selection] = {}
    selections: dict[str, Selection] = {}
    for source in found:
        folder = Path() if source.name == STANDARD else Path(source.name).parent
        if folder not in by_folder:
            by_folder[folder] = replace(load_settings(folder), **given)
        selections[source.name] = by_folder[folder]
    return selections
