"""``crucible-ir erase-feedback``: erase feedback events from an exchange."""

from __future__ import annotations

import sys
from datetime import datetime
from functools import partial

import click

from crucible_ir.cli.commands.exchange.connection import Server, json_text, server_options
from crucible_ir.cli.options import format_option, timestamp
from crucible_ir.cli.program import Command
from crucible_ir.cli.session import GOOD, Session

_EXAMPLES = (
    ("crucible-ir erase-feedback --user ann --dry-run", "Count the events of a user."),
    ("crucible-ir erase-feedback --user ann --yes", "Erase them."),
    (
        "crucible-ir erase-feedback --deployment old --until 2025-01-01",
        "The events of a deployment from before a date.",
    ),
)


@click.command(cls=Command, examples=_EXAMPLES)
@click.option("--user", metavar="ID", help="Only events of this user.")
@click.option("--session", "session_id", metavar="ID", help="Only events of this session.")
@click.option("--deployment", metavar="ID", help="Only events of this deployment.")
@click.option(
    "--since", callback=timestamp, metavar="TIME", help="Only events at or after this time."
)
@click.option("--until", callback=timestamp, metavar="TIME", help="Only events before this time.")
@click.option("--dry-run", is_flag=True, help="Count the events and erase nothing.")
@click.option("--yes", is_flag=True, help="Erase without asking.")
@format_option("Format of the report.")
@server_options
@click.pass_obj
def command(
    session: Session,
    user: str | None,
    session_id: str | None,
    deployment: str | None,
    since: datetime | None,
    until: datetime | None,
    dry_run: bool,
    yes: bool,
    output_format: str,
    server: Server,
) -> int:
    """Erase feedback events of a user, a session, a deployment or a time.

    Events are erased that satisfy all of the conditions, of which one is required. Redacted events
    are found by the original ids. "Pending" means that a reader keeps the database from removing
    the last copies: the server continues, and the same command says when it is done. This requires
    the role admin. Erase backups yourself.
    """
    if not any((user, session_id, deployment, since, until)):
        raise click.UsageError("give --user, --session, --deployment, --since or --until")
    with server.connect() as client:
        erase = partial(
            client.erase_feedback,
            user_id=user,
            session_id=session_id,
            deployment_id=deployment,
            start_time=since,
            end_time=until,
        )
        if not dry_run and not yes:
            if not is_terminal():
                raise click.UsageError("give --yes to erase without asking, or --dry-run to count")
            count = _events(erase(validate_only=True).events)
            if not click.confirm(f"Erase {count} for ever?", err=True):
                return GOOD
        erased = erase(validate_only=dry_run)
    if output_format == "json":
        report = {"events": erased.events, "pending": erased.pending, "dry_run": dry_run}
        print(json_text({"command": "erase-feedback", **report}))
    elif not server.quiet:
        verb = "found" if dry_run else "erased"
        rest = ", pending: copies are still in the database's files" if erased.pending else ""
        style = "warn" if erased.pending else "good"
        session.out().print(f"{verb} {_events(erased.events)}{rest}", style=style)
    return GOOD


def is_terminal() -> bool:
    """Return whether somebody can be asked."""
    return sys.stdin.isatty()


def _events(count: int) -> str:
    return f"{count} event{'' if count == 1 else 's'}"
