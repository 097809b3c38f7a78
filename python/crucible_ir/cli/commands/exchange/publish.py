"""``crucible-ir publish``: store documents in an exchange."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from crucible_ir.cli.commands.exchange.connection import (
    Server,
    json_text,
    record_json,
    server_options,
)
from crucible_ir.cli.files.bundles import add_bundle_limits, open_bundle, print_findings
from crucible_ir.cli.files.inputs import (
    ReadOptions,
    format_for,
    input_documents,
    read_document,
)
from crucible_ir.cli.files.stream_reader import print_file_error
from crucible_ir.cli.options import add_read_options, format_option
from crucible_ir.cli.program import Command
from crucible_ir.cli.progress import with_progress
from crucible_ir.cli.session import (
    COULD_NOT_RUN,
    GOOD,
    INVALID,
    CannotRunError,
    Session,
)
from crucible_ir.errors import DecodeError, FieldError, ValidationError, plural, printable
from crucible_ir.interchange.bundle.documents import content_of
from crucible_ir.interchange.bundle.names import is_bundle_name
from crucible_ir.schema.types import document_of
from crucible_ir.serialization.streams.formats import stem_of

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.cli.files.inputs import InputFile
    from crucible_ir.exchange import ExchangeClient, Outcome, Publication, Published
    from crucible_ir.exchange.client.results import IngestReport, RefusedEvent
    from crucible_ir.interchange.bundle.limits import BundleLimits
    from crucible_ir.v1 import Document, FeedbackEvent

_EXAMPLES = (
    (
        "crucible-ir publish examples/model_version.json",
        "Create a document, or a new revision of it.",
    ),
    ("crucible-ir publish --id-from-name examples", "Every document in a folder."),
    (
        "crucible-ir publish --etag 1-2ab3 version.yaml",
        "Only if it has not changed since; an empty etag means that it must not exist.",
    ),
    ("crucible-ir publish llama.crucible.zip", "Every document of a bundle."),
)


@click.command(cls=Command, examples=_EXAMPLES)
@click.argument("documents", nargs=-1, required=True, metavar="FILE|DIR|BUNDLE...")
@click.option("--id", "id_", metavar="ID", help="The id of the document, if its content has none.")
@click.option(
    "--id-from-name",
    is_flag=True,
    help="Use the file name without its extension as the id, if the content has none.",
)
@click.option(
    "--etag",
    metavar="ETAG",
    help="Require this etag of the latest revision; empty: require that there is none.",
)
@click.option("--validate-only", is_flag=True, help="Validate on the server and store nothing.")
@click.option(
    "--override-immutable",
    is_flag=True,
    help="Store documents that change immutable fields; requires the role admin.",
)
@format_option("Format of the report.")
@server_options
@add_read_options
@add_bundle_limits(beside_read_options=True)
@click.pass_obj
def command(
    session: Session,
    documents: tuple[str, ...],
    id_: str | None,
    id_from_name: bool,
    etag: str | None,
    validate_only: bool,
    override_immutable: bool,
    output_format: str,
    server: Server,
    read_options: ReadOptions,
    limits: BundleLimits,
) -> int:
    """Store documents in an exchange.

    A document that differs from its latest revision becomes a new revision. Documents are stored
    independently: the rejection of one does not affect the others. Streams in a folder are skipped;
    the command ingest sends streams of feedback events. Of a bundle (.crucible.zip), whose digests
    are verified first, feedback events are ingested and all other documents published. The exit
    status is 1 if a document is rejected, and 2 if one cannot be read or the exchange cannot be
    reached.
    """
    found = list(input_documents(documents, read_options))
    is_single = len(found) == 1 and not is_bundle_name(found[0].name)
    if not is_single and (id_ is not None or etag is not None):
        raise click.UsageError("--id and --etag require a single document")
    batch = _Batch(
        session, read_options, limits, id_, id_from_name, etag, validate_only, override_immutable
    )
    report: list[dict[str, object]] = []
    with server.connect() as client:
        outcomes = client.publish_many(batch.publications(found))
        for outcome in with_progress(outcomes, len(found)):
            name = batch.names[outcome.index]
            batch.take(name, outcome)
            if output_format == "json":
                report.append({"file": name, **_json(outcome)})
            else:
                _print(session, name, outcome, quiet=server.quiet)
        ingested = batch.ingest(client) if batch.events else None
    if output_format == "json":
        content = {"command": "publish", "documents": report, "summary": batch.counts}
        if ingested is not None:
            content["events"] = _events_json(ingested)
        print(json_text(content))
    elif not is_single and not server.quiet:
        good = batch.status == GOOD
        if ingested is not None:
            session.out().print(_events_text(ingested))
        session.out().print(_summary(batch.counts), style="good" if good else "warn")
    return batch.status


@dataclass(slots=True)
class _Batch:
    """The documents to publish, and the outcomes of those that were sent and those that were not.

    Attributes:
        names: The names of the documents that were sent, by their index.
        status: The exit status.
        counts: The number of documents by their outcome.
        events: The feedback events of bundles.
    """

    session: Session
    read_options: ReadOptions
    limits: BundleLimits
    id: str | None
    id_from_name: bool
    etag: str | None
    validate_only: bool
    override_immutable: bool
    names: list[str] = field(default_factory=list)
    status: int = GOOD
    counts: dict[str, int] = field(init=False)
    events: list[FeedbackEvent] = field(default_factory=list)

    def __post_init__(self) -> None:
        stored = "valid" if self.validate_only else "stored"
        self.counts = dict.fromkeys((stored, "unchanged", "rejected", "unreadable"), 0)

    def publications(self, found: list[InputFile]) -> Iterator[Publication]:
        """Yield the documents that can be sent, and print errors about the others."""
        for source in found:
            if is_bundle_name(source.name):
                yield from self._of_bundle(source.name)
                continue
            try:
                publication = self._publication(source)
            except CannotRunError as error:
                self._skip(COULD_NOT_RUN)
                self.session.print_error(f"{source.name}: {error}")
            except ValidationError as error:
                self._skip(INVALID)
                for violation in error.violations:
                    at = f"{violation.position}: " if violation.position else ""
                    self.session.print_error(f"{source.name}: {at}{violation}")
            except DecodeError as error:
                self._skip(print_file_error(self.session, source.name, error))
            except FieldError as error:
                self._skip(INVALID)
                self.session.print_error(f"{source.name}: {error}")
            else:
                self.names.append(source.name)
                yield publication

    def _publication(self, source: InputFile) -> Publication:
        format_ = format_for(source, self.read_options)
        message = read_document(source, format_, self.read_options, validate=True)
        id_ = self.id
        if id_ is None and self.id_from_name and not _has_identity(message):
            id_ = stem_of(source.name)
        return self._options(document_of(message), id_, self.etag)

    def _options(self, document: Document, id_: str | None, etag: str | None) -> Publication:
        """Return a publication with the options that all documents have."""
        from crucible_ir.exchange import Publication

        return Publication(document, id_, etag, None, self.validate_only, self.override_immutable)

    def _of_bundle(self, name: str) -> Iterator[Publication]:
        """Yield the documents of a bundle, and keep its feedback events."""
        from crucible_ir.interchange.bundle import BundleError
        from crucible_ir.v1 import FeedbackEvent

        try:
            with open_bundle(name, self.limits) as bundle:
                for entry, document in bundle.documents():
                    content = content_of(document)
                    if isinstance(content, FeedbackEvent) and not self.validate_only:
                        self.events.append(content)
                        continue
                    self.names.append(f"{name}:{entry.name}")
                    yield self._options(document, entry.id, None)
        except CannotRunError as error:
            self._skip(COULD_NOT_RUN)
            self.session.print_error(f"{name}: {error}")
        except BundleError as error:
            self._skip(print_findings(self.session, name, error.findings))

    def ingest(self, client: ExchangeClient) -> IngestReport:
        """Send the feedback events of bundles, and return the report about them."""
        refused: list[RefusedEvent] = []
        report = client.ingest(self.events, on_refused=refused.append)
        self.counts["stored"] += report.accepted
        self.counts["unchanged"] += report.duplicates
        for event in refused:
            self._skip(INVALID)
            self.session.print_error(f"FeedbackEvent/{event.id}: {event.error}")
        return report

    def _skip(self, status: int) -> None:
        """Count a document that cannot be sent."""
        self.status = max(self.status, status)
        self.counts["rejected" if status == INVALID else "unreadable"] += 1

    def take(self, name: str, outcome: Outcome) -> None:
        """Take the result of a document, and print its error."""
        if outcome.published is not None:
            stored = "valid" if self.validate_only else "stored"
            self.counts["unchanged" if outcome.published.unchanged else stored] += 1
            return
        self.session.print_error(f"{name}: {outcome.error}")
        self.status = max(self.status, INVALID)
        self.counts["rejected"] += 1


def _has_identity(message: Message) -> bool:
    from crucible_ir.schema.references import identity_of
    from crucible_ir.schema.types import content_of as content_of_document
    from crucible_ir.v1 import Document

    content = content_of_document(message) if isinstance(message, Document) else message
    return content is not None and identity_of(content) is not None


def _verdict(published: Published) -> str:
    if published.unchanged:
        return "unchanged"
    return "created" if published.created else "revised"


def _json(outcome: Outcome) -> dict[str, object]:
    if outcome.published is None:
        return {"verdict": "refused", "reason": str(outcome.error), "retryable": outcome.retryable}
    return {
        "verdict": _verdict(outcome.published),
        "record": record_json(outcome.published.record),
    }


def _events_text(report: IngestReport) -> str:
    rejected = f", {report.refused_count} rejected" if report.refused_count else ""
    duplicates = plural(report.duplicates, "duplicate")
    return f"feedback events: {report.accepted} accepted, {duplicates}{rejected}"


def _events_json(report: IngestReport) -> dict[str, object]:
    return {
        "accepted": report.accepted,
        "duplicates": report.duplicates,
        "refused": report.refused_count,
    }


def _summary(counts: dict[str, int]) -> str:
    """Return the counts as text; documents that cannot be read are an exception."""
    parts = [
        f"{number} {name}" for name, number in counts.items() if number or name != "unreadable"
    ]
    return f"{sum(counts.values())} documents: {', '.join(parts)}"


def _print(session: Session, name: str, outcome: Outcome, *, quiet: bool) -> None:
    if outcome.published is None or quiet:
        return
    record = outcome.published.record
    verdict = _verdict(outcome.published)
    etag = f", etag {record.etag}" if record.etag else ", not stored"
    line = f"{name}: {verdict} {record.type} {record.id}, revision {record.revision}{etag}"
    session.out().print(printable(line), style="aside" if verdict == "unchanged" else "good")
