"""``crucible-ir compact``: drop old revisions from an exchange."""

from __future__ import annotations

from datetime import timedelta

import click

from crucible_ir.cli.commands.exchange.connection import (
    Server,
    json_text,
    server_options,
)
from crucible_ir.cli.options import DURATION, format_option
from crucible_ir.cli.program import Command
from crucible_ir.cli.session import GOOD, CannotRunError, Session

_EXAMPLES = (
    ("crucible-ir compact --keep-within 90d", "Keep the changes of the last ninety days."),
    ("crucible-ir compact --keep-after 1200", "Keep the changes after this sequence number."),
)


@click.command(cls=Command, examples=_EXAMPLES)
@click.option(
    "--keep-within",
    type=DURATION,
    metavar="DURATION",
    help="Keep the changes of this period, such as 90d.",
)
@click.option(
    "--keep-after",
    type=click.IntRange(min=0),
    metavar="SEQUENCE",
    help="Keep the changes after this sequence number.",
)
@format_option("Format of the report.")
@server_options
@click.pass_obj
def command(
    session: Session,
    keep_within: timedelta | None,
    keep_after: int | None,
    output_format: str,
    server: Server,
) -> int:
    """Drop old revisions from an exchange, and keep the latest ones.

    The latest revision of each document and all feedback events are kept. Dropped revisions can no
    longer be fetched, and a watch that resumes before them reports a gap. This requires the role
    admin. `crucible-ir serve --keep-history` does the same periodically.
    """
    from crucible_ir.exchange import InvalidDocumentError

    if (keep_within is None) == (keep_after is None):
        raise click.UsageError("give --keep-within or --keep-after")
    try:
        with server.connect() as client:
            oldest = client.compact(keep_after=keep_after, keep_within=keep_within)
    except InvalidDocumentError as error:
        raise CannotRunError(str(error)) from None
    if output_format == "json":
        print(json_text({"command": "compact", "oldest_sequence": oldest}))
    elif not server.quiet:
        session.out().print(f"kept every change from {oldest} on", style="good")
    return GOOD
