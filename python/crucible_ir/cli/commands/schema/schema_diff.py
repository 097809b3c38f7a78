"""``crucible-ir schema diff``: list the changes between two versions of the schema."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from crucible_ir.cli.files.inputs import STANDARD
from crucible_ir.cli.program import Command
from crucible_ir.cli.session import GOOD, INVALID, Session

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crucible_ir.schema_changes import SchemaChange, SchemaVersion

_INSTALLED = "installed"

_EXAMPLES = (
    (
        "crucible-ir schema diff ir.binpb installed",
        "The changes of this package since a descriptor set was exported.",
    ),
    (
        "crucible-ir schema diff old/crucible_ir-0.2.0-py3-none-any.whl installed",
        "The changes since another release, read from its wheel.",
    ),
    (
        "crucible-ir schema diff 0.2.0 installed --releases tests/compat",
        "The changes since a release that is kept in a folder, with its lints.",
    ),
    (
        "crucible-ir schema diff installed - < ir.binpb",
        "The changes to the output of another program, such as buf build.",
    ),
    (
        "crucible-ir schema diff --format json a.binpb b.binpb",
        "As JSON, with the release that may make each change.",
    ),
)


def _complete(context: Any, parameter: Any, incomplete: str) -> list[CompletionItem]:
    """Complete `installed`, and leave the names of files to the shell."""
    words = [CompletionItem(_INSTALLED)] if _INSTALLED.startswith(incomplete) else []
    return [*words, CompletionItem(incomplete, type="file")]


@click.command(cls=Command, examples=_EXAMPLES)
@click.argument("old", shell_complete=_complete)
@click.argument("new", shell_complete=_complete)
@click.option(
    "--releases",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="The folder with crucible_ir-VERSION.binpb, or the wheel, of a version number.",
)
@click.option(
    "--format",
    "report_format",
    type=click.Choice(["text", "json", "github"]),
    default="text",
    show_default=True,
    help="Format of the report.",
)
@click.pass_obj
def command(session: Session, old: str, new: str, releases: Path | None, report_format: str) -> int:
    """List the changes between two versions of the schema, and the release that may make each.

    OLD and NEW are each a binary descriptor set, as `crucible-ir schema --export descriptor-set`
    and `buf build` write it, or `-` for one from standard input; a wheel of this package;
    `installed` for the schema of this package; or, with --releases, a version number. Fields,
    vocabularies, rules, defaults and JSON names are compared, and lints if OLD has a record of
    them. Comments are not compared.

    The exit status is 0 if a release of this schema version may make every change, 1 if a change
    breaks its promises, and 2 if the versions cannot be compared.
    """
    from crucible_ir.schema_changes import compare

    if old == new == STANDARD:
        raise click.UsageError("only one version can come from standard input")
    versions = _find(old, releases), _find(new, releases)
    changes = compare(*versions)
    _print(session, changes, versions, report_format)
    return INVALID if any(change.is_breaking for change in changes) else GOOD


def _find(name: str, releases: Path | None) -> SchemaVersion:
    from crucible_ir.schema_changes import find_schema, read_schema

    if name == STANDARD:
        return read_schema("standard input", sys.stdin.buffer)
    return find_schema(name, releases)


def _print(
    session: Session,
    changes: Sequence[SchemaChange],
    versions: tuple[SchemaVersion, SchemaVersion],
    report_format: str,
) -> None:
    from crucible_ir.cli.views import schema_changes

    if report_format == "json":
        print(schema_changes.schema_changes_json(changes, *versions))
    elif report_format == "github":
        if changes:
            print(schema_changes.schema_changes_github(changes))
    else:
        session.out().print_lines(schema_changes.schema_change_lines(changes, *versions))
