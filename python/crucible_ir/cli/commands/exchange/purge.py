"""``crucible-ir purge``: remove a deleted document from an exchange, with its history."""

from __future__ import annotations

import click

from crucible_ir.cli.commands.exchange.connection import Server, json_text, server_options
from crucible_ir.cli.commands.exchange.erase_feedback import is_terminal
from crucible_ir.cli.options import TYPE_NAME, format_option
from crucible_ir.cli.program import Command
from crucible_ir.cli.session import GOOD, INVALID, Session

_EXAMPLES = (
    ("crucible-ir purge Prompt req-1 --dry-run", "Count the revisions of a deleted document."),
    ("crucible-ir purge Prompt req-1 --yes", "Remove it for ever."),
)


@click.command(cls=Command, examples=_EXAMPLES)
@click.argument("type_name", type=TYPE_NAME, metavar="TYPE")
@click.argument("id_", metavar="ID")
@click.option("--dry-run", is_flag=True, help="Count the revisions and remove nothing.")
@click.option("--yes", is_flag=True, help="Purge without asking.")
@format_option("Format of the report.")
@server_options
@click.pass_obj
def command(
    session: Session,
    type_name: str,
    id_: str,
    dry_run: bool,
    yes: bool,
    output_format: str,
    server: Server,
) -> int:
    """Remove a deleted document from an exchange for ever, with all its revisions.

    Only the audit log still names it. "Pending" means that a reader keeps the database from
    removing the last copies: the server continues. A watch that resumes from before reports a gap
    in place of its changes. This requires the role admin. Erase backups yourself. The exit status
    is 1 if the exchange has nothing of the document, or if it is not deleted.
    """
    from crucible_ir.exchange import NotFoundError, PreconditionError

    try:
        with server.connect() as client:
            if not dry_run and not yes:
                if not is_terminal():
                    raise click.UsageError(
                        "give --yes to purge without asking, or --dry-run to count"
                    )
                count = _revisions(client.purge(type_name, id_, validate_only=True).revisions)
                question = f"Remove {type_name} {id_} with {count} for ever?"
                if not click.confirm(question, err=True):
                    return GOOD
            purged = client.purge(type_name, id_, validate_only=dry_run)
    except (NotFoundError, PreconditionError) as error:
        session.print_error(str(error))
        return INVALID
    if output_format == "json":
        report = {"revisions": purged.revisions, "pending": purged.pending, "dry_run": dry_run}
        print(json_text({"command": "purge", "type": type_name, "id": id_, **report}))
    elif not server.quiet:
        verb = "found" if dry_run else "purged"
        rest = ", pending: copies are still in the database's files" if purged.pending else ""
        style = "warn" if purged.pending else "good"
        session.out().print(f"{verb} {_revisions(purged.revisions)}{rest}", style=style)
    return GOOD


def _revisions(count: int) -> str:
    return f"{count} revision{'' if count == 1 else 's'}"
