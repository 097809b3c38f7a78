"""``crucible-ir restore``: restore a store from a backup."""

from __future__ import annotations

from pathlib import Path

import click

from crucible_ir.cli.commands.exchange.backup import POSTGRESQL
from crucible_ir.cli.commands.exchange.connection import json_text
from crucible_ir.cli.files.outputs import check_overwriting
from crucible_ir.cli.options import force_option, format_option
from crucible_ir.cli.program import Command
from crucible_ir.cli.progress import PageProgress
from crucible_ir.cli.session import GOOD, CannotRunError, Session
from crucible_ir.extras import optional_module

_EXAMPLES = (
    ("crucible-ir restore exchange.backup", "As the store exchange.db in this folder."),
    ("crucible-ir restore exchange.backup --force", "Replace the store that is there."),
    (
        "crucible-ir restore --store postgresql://localhost/exchange",
        "Tell clients that pg_restore restored this database.",
    ),
)

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command(cls=Command, examples=_EXAMPLES)
@click.argument("file", type=_FILE, required=False)
@click.option(
    "--store",
    metavar="STORE",
    help="The file of the store, or postgresql://...; exchange.db if FILE is given.",
)
@force_option()
@click.option("--quiet", is_flag=True, help="Print no summary and no progress.")
@format_option("Format of the report.")
@click.pass_obj
def command(
    session: Session,
    file: Path | None,
    store: str | None,
    force: bool,
    quiet: bool,
    output_format: str,
) -> int:
    """Restore a store from a backup.

    Stop the servers of the store first. The backup is checked, and upgraded if it is of an older
    release. The store then begins a new epoch: watches and page tokens from before the restore get
    a gap or an error, since the backup may not have the changes that they saw. Without FILE, only
    that is done, for a database that another program restored and that --store names.
    """
    if store is None:
        if file is None:
            raise click.UsageError(
                "give the FILE to restore; or --store, to begin a new epoch in a store that another"
                " program restored"
            )
        store = "exchange.db"
    optional_module("sqlalchemy", "exchange")
    from crucible_ir.exchange.server.observability.logs import log_to
    from crucible_ir.exchange.store.engine import backups
    from crucible_ir.exchange.store.opening import begin_restored_epoch, file_of

    target = file_of(store)
    if not quiet:
        # An upgrade may take long, and says so in the log.
        log_to()
    if target is None:
        if file is not None:
            raise CannotRunError(POSTGRESQL)
        epoch = begin_restored_epoch(store)
    elif file is None:
        epoch = backups.begin_restored_epoch(target)
    else:
        check_overwriting([store], force=force)
        with PageProgress(is_wanted=not quiet) as progress:
            epoch = backups.restore(file, target, progress.show)
    if output_format == "json":
        numbers = {"kept_sequence": epoch.lost_after, "next_sequence": epoch.lost_through + 1}
        print(json_text({"command": "restore", "epoch": epoch.name, **numbers}))
    elif not quiet:
        kept = f"restored up to change {epoch.lost_after}"
        after = f"the next one is {epoch.lost_through + 1}, in the epoch {epoch.name}"
        session.out().print(f"{kept}; {after}", style="good")
    return GOOD
