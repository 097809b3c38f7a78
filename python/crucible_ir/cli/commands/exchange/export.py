"""``crucible-ir export``: write feedback events from an exchange to a file."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from crucible_ir.cli.commands.exchange.connection import Server, server_options
from crucible_ir.cli.commands.exchange.event_filter import event_filter_options
from crucible_ir.cli.files.inputs import STANDARD
from crucible_ir.cli.files.outputs import (
    check_overwriting,
    check_terminal,
    open_output,
    output_format,
)
from crucible_ir.cli.options import FORMAT_NAME, force_option
from crucible_ir.cli.program import Command
from crucible_ir.cli.progress import StreamProgress
from crucible_ir.cli.session import GOOD, Session
from crucible_ir.errors import printable
from crucible_ir.serialization.streams.compression import compressed
from crucible_ir.serialization.streams.formats import STREAM_FORMATS
from crucible_ir.serialization.streams.records import StreamCount

if TYPE_CHECKING:
    from crucible_ir.exchange import EventFilter

_EXAMPLES = (
    ("crucible-ir export -o events.binpbs", "Every event."),
    (
        "crucible-ir export --deployment deploy_prod --since 2025-12-01 -o december.jsonl",
        "The events of one deployment since a date.",
    ),
)


@click.command(cls=Command, examples=_EXAMPLES)
@click.option(
    "--output",
    "-o",
    required=True,
    metavar="FILE",
    help="Write to this file; `-` is standard output.",
)
@click.option(
    "--to",
    "to_format",
    type=FORMAT_NAME,
    metavar="FORMAT",
    help=f"Format of the output: {', '.join(STREAM_FORMATS)}; by default inferred from FILE.",
)
@event_filter_options
@force_option()
@server_options
@click.pass_obj
def command(
    session: Session,
    output: str,
    to_format: str | None,
    events: Callable[[], EventFilter],
    force: bool,
    server: Server,
) -> int:
    """Write feedback events from an exchange to a file.

    The events are in the order in which the exchange received them. FILE appears only when the
    output is complete. It is compressed if its name ends in .gz or .zst.
    """
    format_ = output_format(output, to_format, STREAM_FORMATS)
    check_terminal(output, format_)
    check_overwriting([output], force=force)
    wanted = events()
    count = StreamCount()
    with (
        server.connect() as client,
        open_output(output, force=force) as raw,
        compressed(raw, output) as target,
        StreamProgress(0, None) as progress,
    ):
        for event in client.export(wanted, batch_size=1000):
            record = format_.encode(event)
            target.write(record)
            count.records += 1
            count.bytes += len(record)
            progress.show(count)
    if output != STANDARD and not server.quiet:
        noun = "event" if count.records == 1 else "events"
        session.out().print(f"{printable(output)}: {count.records} {noun}", style="good")
    return GOOD
