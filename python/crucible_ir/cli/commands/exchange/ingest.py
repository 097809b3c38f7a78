"""``crucible-ir ingest``: send feedback events to an exchange."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from crucible_ir.cli.checking.bad_records import SimilarErrors
from crucible_ir.cli.commands.exchange.connection import (
    Server,
    json_text,
    server_options,
)
from crucible_ir.cli.commands.exchange.event_reader import EventReader
from crucible_ir.cli.files.inputs import (
    ReadOptions,
    input_files,
)
from crucible_ir.cli.options import add_read_options, format_option
from crucible_ir.cli.program import Command
from crucible_ir.cli.session import (
    INVALID,
    Session,
)
from crucible_ir.errors import plural

if TYPE_CHECKING:
    from crucible_ir.exchange.client.results import IngestReport, RefusedEvent

_EXAMPLES = (
    ("crucible-ir ingest events.binpbs", "A stream of events, in constant memory."),
    ("zcat events.jsonl.gz | crucible-ir ingest --from jsonl -", "Standard input."),
)

_TYPE: Final = "FeedbackEvent"


@click.command(cls=Command, examples=_EXAMPLES)
@click.argument("documents", nargs=-1, required=True, metavar="FILE...")
@format_option("Format of the report.")
@server_options
@add_read_options
@click.pass_obj
def command(
    session: Session,
    documents: tuple[str, ...],
    output_format: str,
    server: Server,
    read_options: ReadOptions,
) -> int:
    """Send feedback events to an exchange.

    FILE is a stream of events or a single event. The exchange ignores events whose ids it already
    has, so a file can be sent again. The exit status is 1 if an event is rejected or a record is
    bad, and 2 if a file cannot be read or the exchange cannot be reached.
    """
    if read_options.type_name not in (None, _TYPE):
        raise click.UsageError(f"ingest takes a {_TYPE}; use publish for other documents")
    read_options = ReadOptions(_TYPE, read_options.format_name, read_options.limits)
    # The exchange validates the events.
    reader = EventReader(session, read_options, validate=False)
    rejected = SimilarErrors()

    def reject(event: RefusedEvent) -> None:
        rejected.add(f"event {event.index} ({event.id})", str(event.error))

    with server.connect() as client:
        try:
            report = client.ingest(
                reader.events(input_files(documents, read_options)), on_refused=reject
            )
        finally:
            for line in rejected.lines():
                session.print_error(line)
    if report.refused_count:
        reader.status = max(reader.status, INVALID)
    if output_format == "json":
        print(json_text(_json(report, reader.unreadable)))
    elif not server.quiet:
        session.out().print(_summary(report), style="good" if not report.refused_count else "warn")
    return reader.status


def _summary(report: IngestReport) -> str:
    rejected = f", {report.refused_count} rejected" if report.refused_count else ""
    batches = "batch" if report.resent == 1 else "batches"
    resent = f" ({report.resent} {batches} resent)" if report.resent else ""
    return f"{report.accepted} accepted, {plural(report.duplicates, 'duplicate')}{rejected}{resent}"


def _json(report: IngestReport, unreadable: int) -> dict[str, object]:
    return {
        "command": "ingest",
        "accepted": report.accepted,
        "duplicates": report.duplicates,
        "refused": report.refused_count,
        "unreadable": unreadable,
        "batches": report.batches,
        "resent": report.resent,
        "retried": report.retried,
        "refusals": [
            {
                "index": item.index,
                "id": item.id,
                "reason": str(item.error),
                "retryable": item.retryable,
            }
            for item in report.refused
        ],
    }
