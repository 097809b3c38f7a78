"""``crucible-ir export``: write feedback events from an exchange to a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import click

from crucible_ir.bulk.table_formats import TABLE_EXTENSIONS, table_format_of
from crucible_ir.cli.commands.exchange.connection import Server, server_options
from crucible_ir.cli.commands.exchange.event_filter import event_filter_options
from crucible_ir.cli.files.inputs import STANDARD
from crucible_ir.cli.files.outputs import (
    check_overwriting,
    check_terminal,
    open_output,
    output_format,
)
from crucible_ir.cli.options import TABLE_FORMAT_NAME, force_option
from crucible_ir.cli.program import Command
from crucible_ir.cli.progress import StreamProgress
from crucible_ir.cli.session import GOOD, INVALID, CannotRunError, Session
from crucible_ir.errors import plural, printable
from crucible_ir.serialization.streams.compression import compressed
from crucible_ir.serialization.streams.formats import STREAM_FORMATS
from crucible_ir.serialization.streams.records import StreamCount

if TYPE_CHECKING:
    from crucible_ir.bulk.exports import ExportResult
    from crucible_ir.exchange import EventFilter

_EXAMPLES = (
    ("crucible-ir export -o events.binpbs", "Every event."),
    (
        "crucible-ir export --deployment deploy_prod --since 2025-12-01 -o december.jsonl",
        "The events of one deployment since a date.",
    ),
    (
        "crucible-ir export --to parquet -o tables",
        "A folder of Parquet files; run it again to add the events since.",
    ),
)


@click.command(cls=Command, examples=_EXAMPLES)
@click.option(
    "--output",
    "-o",
    required=True,
    metavar="FILE",
    help="Write to this file; `-` is standard output. A table is a folder.",
)
@click.option(
    "--to",
    "to_format",
    type=TABLE_FORMAT_NAME,
    metavar="FORMAT",
    help=f"Format of the output: {', '.join([*STREAM_FORMATS, *TABLE_EXTENSIONS])}; by default"
    " inferred from FILE.",
)
@click.option("--raw", is_flag=True, help="Add the bytes of each event to a table, as `raw`.")
@click.option(
    "--part-bytes",
    type=click.IntRange(min=1),
    metavar="N",
    help="Bytes of events for each part of a table.  [default: 67108864]",
)
@event_filter_options
@force_option()
@server_options
@click.pass_obj
def command(
    session: Session,
    output: str,
    to_format: str | None,
    raw: bool,
    part_bytes: int | None,
    events: Callable[[], EventFilter],
    force: bool,
    server: Server,
) -> int:
    """Write feedback events from an exchange to a file.

    The events are in the order in which the exchange received them. FILE appears only when the
    output is complete. It is compressed if its name ends in .gz or .zst.

    With --to parquet or --to arrow, FILE is a folder of parts, with a manifest that is written
    last. The same command adds the events that the exchange received since, and continues a run
    that was stopped. --force exports everything again.
    """
    if to_format in TABLE_EXTENSIONS:
        table = TableOptions(to_format, raw, part_bytes)
        return _add_to_tables(session, output, table, events(), server, force=force)
    if raw or part_bytes is not None:
        raise click.UsageError("--raw and --part-bytes are for tables: give --to parquet")
    format_ = output_format(output, to_format, STREAM_FORMATS)
    check_terminal(output, format_)
    check_overwriting([output], force=force)
    wanted = events()
    count = StreamCount()
    with (
        server.connect() as client,
        open_output(output, force=force) as file,
        compressed(file, output) as target,
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


class TableOptions(NamedTuple):
    """The options of a table; those that are ``None`` have their defaults."""

    format: str
    raw: bool
    part_bytes: int | None


def _add_to_tables(
    session: Session,
    output: str,
    table: TableOptions,
    events: EventFilter,
    server: Server,
    *,
    force: bool,
) -> int:
    if output == STANDARD or table_format_of(output) is not None:
        raise click.UsageError(f"{output}: expected a folder, to which later exports add parts")
    from crucible_ir.bulk.exports import open_export
    from crucible_ir.bulk.jobs.plan import PART_BYTES, JobOptions
    from crucible_ir.exchange import ExchangeError, InvalidDocumentError

    # The order has no meaning, but a cursor belongs to one.
    events = replace(events, feedback_types=sorted(set(events.feedback_types)))
    part_bytes = table.part_bytes or PART_BYTES
    options = JobOptions("FeedbackEvent", table.format, table.raw, part_bytes=part_bytes)
    count = StreamCount()
    with open_export(output, events.export(None, ""), options, force=force) as export:
        try:
            with server.connect() as client, StreamProgress(0, None) as progress:

                def report(records: int, size: int) -> None:
                    count.records += records
                    count.bytes += size
                    progress.show(count, records)

                batches = client.export_batches(events, batch_size=1000, cursor=export.cursor)
                export.write(batches, report)
        except ExchangeError as error:
            violations = error.violations if isinstance(error, InvalidDocumentError) else ()
            is_of_cursor = any(each.path == "cursor" for each in violations)
            if not is_of_cursor and error.reason != "EPOCH_ENDED":
                raise
            raise CannotRunError(
                f"{output}: {error}; give another folder for another exchange, or --force to export"
                " everything again"
            ) from None
        result = export.finish()
    if not server.quiet:
        session.out().print(
            f"{printable(output)}: {_summary(result)}",
            style="warn" if result.new_bad else "good",
        )
    return INVALID if result.new_bad else GOOD


def _summary(result: ExportResult) -> str:
    parts = f"{plural(result.records, 'event')} in {plural(result.parts, 'part')}"
    text = f"{result.new_records} new, {parts}" if result.new_records else f"up to date: {parts}"
    if not result.bad:
        return text
    return (
        f"{text}; {result.bad} bad, of which {result.new_bad} new: see _violations.parquet and"
        " _quarantine.binpbs in this folder"
    )
