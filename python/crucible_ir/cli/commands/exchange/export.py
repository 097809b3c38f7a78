"""``crucible-ir export``: write feedback events from an exchange to a file."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

import click

from crucible_ir.cli.commands.exchange.connection import Server, server_options
from crucible_ir.cli.files.inputs import STANDARD
from crucible_ir.cli.files.outputs import open_output
from crucible_ir.cli.options import FORMAT_NAME
from crucible_ir.cli.program import Command
from crucible_ir.cli.progress import StreamProgress
from crucible_ir.cli.session import GOOD, CannotRunError, Session
from crucible_ir.errors import printable
from crucible_ir.serialization.formats import UnknownFormatError
from crucible_ir.serialization.streams.compression import CompressionMissingError, compressed
from crucible_ir.serialization.streams.formats import STREAM_FORMATS, StreamFormat, format_of
from crucible_ir.serialization.streams.records import StreamCount

_EXAMPLES = (
    ("crucible-ir export -o events.binpbs", "Every event."),
    (
        "crucible-ir export --deployment deploy_prod --since 2025-12-01 -o december.jsonl",
        "Those of one deployment from a moment on.",
    ),
)


def _moment(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> datetime | None:
    """Read a moment in ISO 8601; without a time zone it is in UTC."""
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        reason = f'expected a moment such as 2025-12-26T12:00:00Z, got "{value}"'
        raise click.BadParameter(reason, context, parameter) from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


@click.command(cls=Command, examples=_EXAMPLES)
@click.option(
    "--output", "-o", required=True, metavar="FILE", help="Write here; `-` is standard output."
)
@click.option(
    "--to",
    "to_format",
    type=FORMAT_NAME,
    metavar="FORM",
    help=f"Form of the output: {', '.join(STREAM_FORMATS)}; by default told from FILE's ending.",
)
@click.option("--deployment", metavar="ID", help="Only events of this deployment.")
@click.option(
    "--type", "feedback_types", multiple=True, metavar="NAME", help="Only this type of feedback."
)
@click.option("--model-version", metavar="ID", help="Only events of this model version.")
@click.option("--since", callback=_moment, metavar="MOMENT", help="Only events from then on.")
@click.option("--until", callback=_moment, metavar="MOMENT", help="Only events before then.")
@server_options
@click.pass_obj
def command(
    session: Session,
    output: str,
    to_format: str | None,
    deployment: str | None,
    feedback_types: tuple[str, ...],
    model_version: str | None,
    since: datetime | None,
    until: datetime | None,
    server: Server,
) -> int:
    """Write feedback events from an exchange to a file.

    The events come in the order in which they were taken in. FILE appears only when it is complete;
    it is compressed if its name ends in .gz or .zst.
    """
    from crucible_ir.exchange import EventFilter

    format_ = _format(output, to_format)
    if output == STANDARD and format_.name == "delimited" and sys.stdout.isatty():
        raise click.UsageError("binary would garble the terminal: give a file, or redirect it")
    wanted = EventFilter(deployment, feedback_types, model_version, since, until)
    count = StreamCount()
    try:
        with (
            server.connect() as client,
            open_output(output) as raw,
            compressed(raw, output) as target,
            StreamProgress(0, None) as progress,
        ):
            for event in client.export(wanted, batch_size=1000):
                record = format_.encode(event)
                target.write(record)
                count.records += 1
                count.bytes += len(record)
                progress.show(count)
    except CompressionMissingError as error:
        raise CannotRunError(str(error)) from None
    if output != STANDARD:
        events = "event" if count.records == 1 else "events"
        session.out().print(f"{printable(output)}: {count.records} {events}", style="good")
    return GOOD


def _format(output: str, to_format: str | None) -> StreamFormat:
    if to_format is not None:
        if to_format not in STREAM_FORMATS:
            raise click.UsageError(f"--to takes a form of streams: {', '.join(STREAM_FORMATS)}")
        return STREAM_FORMATS[to_format]
    if output == STANDARD:
        raise click.UsageError(
            f"standard output has no ending: give --to {'|'.join(STREAM_FORMATS)}"
        )
    try:
        format_ = format_of(output)
    except UnknownFormatError as error:
        raise CannotRunError(f"{output}: {error}; give --to {'|'.join(STREAM_FORMATS)}") from None
    if not isinstance(format_, StreamFormat):
        raise CannotRunError(f"{output}: {format_.name} holds one document; events are a stream")
    return format_
