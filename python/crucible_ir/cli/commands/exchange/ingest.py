"""``crucible-ir ingest``: hand feedback events over to an exchange."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, cast

import click

from crucible_ir.cli.commands.exchange.connection import (
    Server,
    format_option,
    json_text,
    server_options,
)
from crucible_ir.cli.files.inputs import (
    ReadOptions,
    any_format_for,
    input_files,
    read_document,
)
from crucible_ir.cli.files.stream_reader import error_lines, open_records
from crucible_ir.cli.options import add_read_options
from crucible_ir.cli.program import Command
from crucible_ir.cli.session import (
    COULD_NOT_RUN,
    GOOD,
    INVALID,
    CannotRunError,
    Session,
)
from crucible_ir.errors import DecodeError
from crucible_ir.serialization.streams.formats import StreamFormat
from crucible_ir.serialization.streams.records import StreamError

if TYPE_CHECKING:
    from crucible_ir.cli.files.inputs import InputFile
    from crucible_ir.exchange.client.results import IngestReport, RefusedEvent
    from crucible_ir.v1 import FeedbackEvent

_EXAMPLES = (
    ("crucible-ir ingest events.binpbs", "A stream of events, in constant memory."),
    ("zcat events.jsonl.gz | crucible-ir ingest --from jsonl -", "From a pipe."),
)

_TYPE: Final = "FeedbackEvent"

#: How many events that were refused, and bad records, are told of in full.
_MOST_TOLD: Final = 20


@click.command(cls=Command, examples=_EXAMPLES)
@click.argument("documents", nargs=-1, required=True, metavar="FILE...")
@format_option("Report for people, or for a machine.")
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
    """Hand feedback events over to an exchange.

    Files hold a stream of events or one event. Events that the exchange has already, by their ids,
    are left as they are, so that a file may be handed over again. The exit status is 1 if an event
    or a record is refused, and 2 if a file cannot be read or the exchange not be reached.
    """
    if read_options.type_name not in (None, _TYPE):
        raise click.UsageError(f"only a {_TYPE} can be ingested; publish other documents")
    inputs = _Inputs(session, ReadOptions(_TYPE, read_options.format_name, read_options.limits))
    with server.connect() as client:
        report = client.ingest(
            inputs.events(input_files(documents, inputs.read_options)),
            on_refused=inputs.tell_refused,
        )
    inputs.sum_up()
    if report.refused_count:
        inputs.status = max(inputs.status, INVALID)
    if output_format == "json":
        print(json_text(_json(report, inputs.unreadable)))
    else:
        session.out().print(_summary(report), style="good" if not report.refused_count else "warn")
    return inputs.status


class _Inputs:
    """The events of files; what is wrong with a file or a record is told and left out.

    Args:
        session: The options of this run.
        read_options: How the files are to be read.
    """

    def __init__(self, session: Session, read_options: ReadOptions) -> None:
        self.session = session
        self.read_options = read_options
        self.status = GOOD
        self.unreadable = 0
        self._told = 0

    def events(self, found: Iterator[InputFile]) -> Iterator[FeedbackEvent]:
        """Yield the events of files, which the exchange holds to their rules."""
        for source in found:
            try:
                yield from self._of_file(source)
            except CannotRunError as error:
                self.session.print_error(f"{source.name}: {error}")
                self.status = COULD_NOT_RUN
            except StreamError as error:
                self._leave_out(source.name, error)
            except DecodeError as error:
                self.session.print_document_error(source.name, error)
                self.unreadable += 1
                self.status = max(self.status, INVALID)

    def _of_file(self, source: InputFile) -> Iterator[FeedbackEvent]:
        format_ = any_format_for(source, self.read_options)
        if isinstance(format_, StreamFormat):
            with open_records(source, format_, self.read_options) as records:
                for message in records.messages(
                    validate=False, on_bad=lambda bad: self._leave_out(source.name, bad)
                ):
                    yield cast("FeedbackEvent", message)
            return
        message = read_document(source, format_, self.read_options, validate=False)
        yield cast("FeedbackEvent", message)

    def _leave_out(self, name: str, bad: StreamError) -> None:
        self.unreadable += 1
        self.status = max(self.status, INVALID)
        self._tell(error_lines(name, bad))

    def tell_refused(self, refused: RefusedEvent) -> None:
        """Tell of an event that the exchange refused."""
        self._tell([f"event {refused.index} ({refused.id}): {refused.error}"])

    def _tell(self, reasons: list[str]) -> None:
        self._told += 1
        if self._told <= _MOST_TOLD:
            for reason in reasons:
                self.session.print_error(reason)

    def sum_up(self) -> None:
        """Tell of what was not told in full."""
        if self._told > _MOST_TOLD:
            self.session.print_error(f"and {self._told - _MOST_TOLD} more")


def _summary(report: IngestReport) -> str:
    refused = f", {report.refused_count} refused" if report.refused_count else ""
    again = f" ({report.resent} batches sent again)" if report.resent else ""
    return f"{report.accepted} accepted, {report.duplicates} there already{refused}{again}"


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
