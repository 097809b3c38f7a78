"""``crucible-ir lint``: give advice on documents that may be valid but look like a mistake."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crucible_ir.cli.checking.checks import Linting, check_all
from crucible_ir.cli.checking.reports import LINT, write_report
from crucible_ir.cli.files.inputs import STANDARD, InputFile, ReadOptions, input_files
from crucible_ir.cli.options import add_check_options
from crucible_ir.cli.program import Command
from crucible_ir.cli.progress import with_progress
from crucible_ir.cli.session import Session

if TYPE_CHECKING:
    from crucible_ir.linting import Selection

_NEVER = "never"

_EXAMPLES = (
    ("crucible-ir lint examples", "Every document of a folder."),
    ("crucible-ir lint --ignore ensemble --fail-on never examples", "Leave some out; never fail."),
    (
        "crucible-ir lint --select opaque.secret examples/deployment.yaml",
        "One lint only; `crucible-ir explain` knows them all.",
    ),
)


@click.command(cls=Command, examples=_EXAMPLES)
@click.argument("documents", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--select",
    multiple=True,
    metavar="LINT",
    help="Give only this advice: an id, or the part before its dot; repeat for more.",
)
@click.option(
    "--ignore",
    multiple=True,
    metavar="LINT",
    help="Do not give this advice; repeat for more.",
)
@click.option(
    "--fail-on",
    type=click.Choice(["info", "warning", _NEVER]),
    help="The least severity for exit status 1; by default warning.",
)
@add_check_options
@click.pass_obj
def command(
    session: Session,
    documents: tuple[str, ...],
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    fail_on: str | None,
    read_options: ReadOptions,
    report_format: str,
    jobs: int,
    quiet: bool,
) -> int:
    """Give advice on documents that may be valid but look like a mistake.

    Settings come from the nearest crucible-ir.toml ([lint]) or pyproject.toml
    ([tool.crucible-ir.lint]) with the keys select, ignore and fail-on; options go before them. A
    document leaves advice out by the list crucible_ir_lint_ignore in its metadata. Rules of the
    schema are not checked here: that is `crucible-ir validate`.
    """
    found = list(input_files(documents, read_options))
    asked: dict[str, Any] = {"select": select, "ignore": ignore, "fail_on": fail_on}
    check = Linting(read_options, _selections(found, {key: it for key, it in asked.items() if it}))
    reports = check_all(check, found, jobs=min(jobs, len(found)) if jobs else 0)
    shown = with_progress(reports, len(found))
    return write_report(report_format, shown, LINT, session, quiet=quiet)


def _selections(found: list[InputFile], asked: dict[str, Any]) -> dict[str, Selection]:
    """Return for each document the selection of its folder, with what the user asked for."""
    from crucible_ir.linting import Severity, load_settings

    if "fail_on" in asked:
        asked["fail_on"] = None if asked["fail_on"] == _NEVER else Severity(asked["fail_on"])
    by_folder: dict[Path, Selection] = {}
    selections: dict[str, Selection] = {}
    for source in found:
        folder = Path() if source.name == STANDARD else Path(source.name).parent
        if folder not in by_folder:
            by_folder[folder] = replace(load_settings(folder), **asked)
        selections[source.name] = by_folder[folder]
    return selections
