"""``crucible-ir ingest``: send feedback events to an exchange."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, cast

import click

from crucible_ir.cli.checking.bad_records import BadRecords, SimilarErrors
from crucible_ir.cli.commands.exchange.connection import (
    Server,
    json_text,
    server_options,
)
from crucible_ir.cli.files.inputs import (
    ReadOptions,
    any_format_for,
    input_files,
    read_document,
)
from crucible_ir.cli.files.stream_reader import open_records, print_file_error
from crucible_ir.cli.options import add_read_options, format_option
from crucible_ir.cli.program import Command
from crucible_ir.cli.session import (
    GOOD,
    INVALID,
    CannotRunError,
    Session,
)
from crucible_ir.errors import DecodeError, plural
from crucible_ir.serialization.streams.formats import StreamFormat
from crucible_ir.serialization.streams.records import StreamError

if TYPE_CHECKING:
    from crucible_ir.cli.files.inputs import InputFile
    from crucible_ir.exchange.client.results import IngestReport, RefusedEvent
    from crucible_ir.v1 import FeedbackEvent

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
    inputs = _Inputs(session, ReadOptions(_TYPE, read_options.format_name, read_options.limits))
    with server.connect() as client:
        try:
            report = client.ingest(
                inputs.events(input_files(documents, inputs.read_options)),
                on_refused=inputs.reject,
            )
        finally:
            inputs.print_rejected()
    if report.refused_count:
        inputs.status = max(inputs.status, INVALID)
    if output_format == "json":
        print(json_text(_json(report, inputs.unreadable)))
    elif not server.quiet:
        session.out().print(_summary(report), style="good" if not report.refused_count else "warn")
    return inputs.status


class _Inputs:
    """The events of the files; errors about files and records are printed.

    Args:
        session: The options of this run.
        read_options: How to read the files.
    """

    def __init__(self, session: Session, read_options: ReadOptions) -> None:
        self.session = session
        self.read_options = read_options
        self.status = GOOD
        self.unreadable = 0
        self._bad = BadRecords()
        self._rejected = SimilarErrors()

    def events(self, found: Iterator[InputFile]) -> Iterator[FeedbackEvent]:
        """Yield the events of the files; the exchange validates them."""
        for source in found:
            self._bad = BadRecords()
            try:
                yield from self._of_file(source)
            except StreamError as error:
                self._skip(error)
            except (CannotRunError, DecodeError) as error:
                status = print_file_error(self.session, source.name, error)
                self.unreadable += status == INVALID
                self.status = max(self.status, status)
            finally:
                for line in self._bad.lines(source.name):
                    self.session.print_error(line)

    def _of_file(self, source: InputFile) -> Iterator[FeedbackEvent]:
        format_ = any_format_for(source, self.read_options)
        if isinstance(format_, StreamFormat):
            with open_records(source, format_, self.read_options) as records:
                for message in records.messages(validate=False, on_bad=self._skip):
                    yield cast("FeedbackEvent", message)
            return
        message = read_document(source, format_, self.read_options, validate=False)
        yield cast("FeedbackEvent", message)

    def _skip(self, bad: StreamError) -> None:
        self.unreadable += 1
        self.status = max(self.status, INVALID)
        self._bad.add(bad)

    def reject(self, event: RefusedEvent) -> None:
        """Keep the error of an event that the exchange rejected."""
        self._rejected.add(f"event {event.index} ({event.id})", str(event.error))

    def print_rejected(self) -> None:
        """Print the errors of the events that the exchange rejected."""
        for line in self._rejected.lines():
            self.session.print_error(line)


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
