"""``crucible-ir watch``: print changes as they happen."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import click

from crucible_ir.cli.commands.exchange.connection import (
    Server,
    json_text,
    record_json,
    server_options,
)
from crucible_ir.cli.options import TYPE_NAME, format_option
from crucible_ir.cli.program import Command
from crucible_ir.cli.session import GOOD, Session
from crucible_ir.errors import printable

if TYPE_CHECKING:
    from crucible_ir.cli.console import Console
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
    has, with the reason. In a pipe or a file, each change is a line of tab-separated values:
    sequence, published or deleted, type, id, revision, time and publisher.
    """
    with (
        server.connect() as client,
        client.watch(after, types=types, id_prefix=id_prefix) as watch,
    ):
        for event in islice(watch, count):
            if output_format == "json":
                print(json_text(_json(event), indent=None), flush=True)
            else:
                _print(session.out(), event)
    return GOOD


def _json(event: Change | Gap) -> dict[str, object]:
    from crucible_ir.exchange import Gap

    if isinstance(event, Gap):
        return {
            "gap": {
                "after_sequence": event.after_sequence,
                "through_sequence": event.through_sequence,
                "reason": event.reason,
            }
        }
    return {"change": record_json(event.record)}


def _print(console: Console, event: Change | Gap) -> None:
    if console.stream.isatty():
        _print_sentence(console, event)
    else:
        console.print("\t".join(map(printable, _values(event))))


def _print_sentence(console: Console, event: Change | Gap) -> None:
    """Print an event in words, on one line of the terminal."""
    from crucible_ir.exchange import Gap

    if isinstance(event, Gap):
        missing = f"{event.after_sequence + 1} to {event.through_sequence}"
        reason = f": {event.reason.replace('_', ' ')}" if event.reason else ""
        console.print(f"the changes {missing} are no longer available{reason}", style="warn")
        return
    from crucible_ir.showing.widths import shortened_between

    record = event.record
    action = "deleted" if record.deleted else "published"
    by = f" by {printable(record.publisher)}" if record.publisher else ""
    line = shortened_between(
        f"{record.sequence}: {action} {record.type} ",
        printable(record.id),
        f", revision {record.revision}{by} at {record.update_time:%Y-%m-%d %H:%M:%S}Z",
        console.width,
    )
    console.print(line, style="bad" if record.deleted else "")


def _values(event: Change | Gap) -> list[str]:
    """Return an event as the values of a line for programs."""
    from crucible_ir.exchange import Gap

    if isinstance(event, Gap):
        return [f"{event.after_sequence + 1}-{event.through_sequence}", "gap", *[""] * 5]
    record = event.record
    return [
        str(record.sequence),
        "deleted" if record.deleted else "published",
        record.type,
        record.id,
        str(record.revision),
        f"{record.update_time:%Y-%m-%d %H:%M:%S}Z",
        record.publisher or "",
    ]
