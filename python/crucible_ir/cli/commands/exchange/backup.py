"""``crucible-ir backup``: copy a store into a file."""

from __future__ import annotations

from pathlib import Path

import click

from crucible_ir.cli.commands.exchange.connection import json_text
from crucible_ir.cli.files.outputs import check_overwriting
from crucible_ir.cli.options import force_option, format_option
from crucible_ir.cli.program import Command
from crucible_ir.cli.progress import PageProgress
from crucible_ir.cli.session import GOOD, CannotRunError, Session
from crucible_ir.extras import optional_module

_EXAMPLES = (
    ("crucible-ir backup exchange.backup", "The store exchange.db in this folder."),
    (
        "crucible-ir backup --store /var/lib/exchange.db --force /backups/exchange.backup",
        "Replace an earlier backup.",
    ),
)

#: How a store in PostgreSQL is copied and restored.
POSTGRESQL = (
    "a store in PostgreSQL is copied with PostgreSQL's own programs:"
    " pg_dump --format=custom --file=exchange.dump URL; after pg_restore, run"
    " crucible-ir restore --store URL"
)

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command(cls=Command, examples=_EXAMPLES)
@click.argument("file", type=_FILE)
@click.option(
    "--store",
    default="exchange.db",
    show_default=True,
    metavar="STORE",
    help="The file of the store.",
)
@force_option()
@click.option("--quiet", is_flag=True, help="Print no summary and no progress.")
@format_option("Format of the report.")
@click.pass_obj
def command(
    session: Session, file: Path, store: str, force: bool, quiet: bool, output_format: str
) -> int:
    """Copy a store into a file, while its server runs.

    The copy contains all changes that were acknowledged before the command began. It is checked
    before it gets its name, and only its owner can read it. Its size is that of the store. This
    works on the machine of the server, and for SQLite; PostgreSQL has its own programs.
    """
    optional_module("sqlalchemy", "exchange")
    from crucible_ir.exchange.store.engine.backups import back_up
    from crucible_ir.exchange.store.opening import file_of

    source = file_of(store)
    if source is None:
        raise CannotRunError(POSTGRESQL)
    check_overwriting([str(file)], force=force)
    with PageProgress(is_wanted=not quiet) as progress:
        report = back_up(source, file, progress.show)
    if output_format == "json":
        print(json_text({"command": "backup", "file": str(file), **report._asdict()}))
    elif not quiet:
        size = f"{report.bytes / 1e6:,.1f} MB"
        session.out().print(f"{file}: {size}, up to change {report.sequence}", style="good")
    return GOOD
