"""``crucible-ir watch``: print changes as they happen."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import click

from crucible_ir.cli.commands.exchange.connection import (
    Server,
    format_option,
    json_text,
    record_json,
    server_options,
)
from crucible_ir.cli.options import TYPE_NAME
from crucible_ir.cli.program import Command
from crucible_ir.cli.session import GOOD, Session
from crucible_ir.errors import printable

if TYPE_CHECKING:
    from crucible_ir.exchange import Change, Gap

_EXAMPLES = (
    ("crucible-ir watch ModelVersion DeploymentConfig", "New changes to these types."),
    (
        "crucible-ir watch --after 0 --format json",
        "All changes that the exchange has kept, and then new ones.",
    ),
)


@click.command(cls=Command, examples=_EXAMPLES)
@click.argument("types", nargs=-1, type=TYPE_NAME, metavar="[TYPE...]")
@click.option(
    "--after",
    type=click.IntRange(min=0),
    metavar="SEQUENCE",
    help="Start after this sequence number; by default with the next change.",
)
@click.option("--id-prefix", default="", metavar="TEXT", help="Only ids with this prefix.")
@click.option("--count", type=click.IntRange(min=1), metavar="N", help="Stop after N changes.")
@format_option("Text, or a line of JSON for each change.")
@server_options
@click.pass_obj
def command(
    session: Session,
    types: tuple[str, ...],
    after: int | None,
    id_prefix: str,
    count: int | None,
    output_format: str,
    server: Server,
) -> int:
    """Print changes in an exchange as they happen.

    Each change is printed exactly once and in order, until the watch is interrupted. The watch
    resumes when the connection is lost. A gap is printed for changes that the exchange no longer
    has.
    """
    with (
        server.connect() as client,
        client.watch(after, types=types, id_prefix=id_prefix) as watch,
    ):
        for event in islice(watch, count):
            if output_format == "json":
                print(json_text(_json(event), indent=None), flush=True)
            else:
                _print(session, event)
    return GOOD


def _json(event: Change | Gap) -> dict[str, object]:
    from crucible_ir.exchange import Gap

    if isinstance(event, Gap):
        return {
            "gap": {
                "after_sequence": event.after_sequence,
                "through_sequence": event.through_sequence,
            }
        }
    return {"change": record_json(event.record)}


def _print(session: Session, event: Change | Gap) -> None:
    from crucible_ir.exchange import Gap

    if isinstance(event, Gap):
        missing = f"{event.after_sequence + 1} to {event.through_sequence}"
        session.out().print(f"the changes {missing} are no longer available", style="warn")
        return
    record = event.record
    action = "deleted" if record.deleted else "published"
    by = f" by {record.publisher}" if record.publisher else ""
    line = (
        f"{record.sequence}: {action} {record.type} {record.id}, revision {record.revision}{by}"
        f" at {record.update_time:%Y-%m-%d %H:%M:%S}Z"
    )
    session.out().print(printable(line), style="bad" if record.deleted else "")
