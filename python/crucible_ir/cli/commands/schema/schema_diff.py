"""``crucible-ir schema diff``: say what changed between two versions of the schema."""

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
        "What this package changed since a descriptor set was exported.",
    ),
    (
        "crucible-ir schema diff old/crucible_ir-0.2.0-py3-none-any.whl installed",
        "The same against the wheel of another release.",
    ),
    (
        "crucible-ir schema diff 0.2.0 installed --releases tests/compat",
        "The same against a release that is kept in a folder, its lints included.",
    ),
    (
        "crucible-ir schema diff installed - < ir.binpb",
        "The same for what another program writes, such as buf build.",
    ),
    (
        "crucible-ir schema diff --format json a.binpb b.binpb",
        "For a program: each change with the release that may make it.",
    ),
)


def _complete(context: Any, parameter: Any, incomplete: str) -> list[CompletionItem]:
    """Complete `installed` beside the names of files, which the shell completes."""
    words = [CompletionItem(_INSTALLED)] if _INSTALLED.startswith(incomplete) else []
    return [*words, CompletionItem(incomplete, type="file")]


@click.command(cls=Command, examples=_EXAMPLES)
@click.argument("old", shell_complete=_complete)
@click.argument("new", shell_complete=_complete)
@click.option(
    "--releases",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Where the release of a version number is: crucible_ir-VERSION.binpb, or its wheel.",
)
@click.option(
    "--format",
    "report_format",
    type=click.Choice(["text", "json", "github"]),
    default="text",
    show_default=True,
    help="Format of the report: for people, or for a machine.",
)
@click.pass_obj
def command(session: Session, old: str, new: str, releases: Path | None, report_format: str) -> int:
    """Say what changed between two versions of the schema, and which release may change it.

    OLD and NEW are each a binary descriptor set, as `crucible-ir schema --export descriptor-set`
    or `buf build` writes it, `-` for one from standard input; a wheel of this package; `installed`
    for the schema of this package; or, with --releases, a version number. Fields, vocabularies,
    rules, defaults and JSON names are compared, and lints where they are recorded beside OLD.
    Comments are not changes.

    The exit status is 0 if a release of this schema version may make every change, 1 if one of them
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
        console = session.out()
        for line in schema_changes.schema_change_lines(changes, *versions):
            console.print(line, soft_wrap=True)
