"""``crucible-ir publish``: store documents in an exchange."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from crucible_ir.cli.commands.exchange.connection import (
    Server,
    format_option,
    json_text,
    record_json,
    server_options,
)
from crucible_ir.cli.files.inputs import (
    ReadOptions,
    format_for,
    input_files,
    read_document,
)
from crucible_ir.cli.options import add_read_options
from crucible_ir.cli.program import Command
from crucible_ir.cli.progress import with_progress
from crucible_ir.cli.session import (
    COULD_NOT_RUN,
    GOOD,
    INVALID,
    CannotRunError,
    Session,
)
from crucible_ir.errors import DecodeError, FieldError, ValidationError, printable
from crucible_ir.serialization.streams.formats import stem_of

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.cli.files.inputs import InputFile
    from crucible_ir.exchange import Outcome, Publication, Published

_EXAMPLES = (
    ("crucible-ir publish examples/model_version.json", "Create it, or make a new revision of it."),
    ("crucible-ir publish --id-from-name examples", "Every document of a folder."),
    (
        "crucible-ir publish --etag 1-2ab3 version.yaml",
        "Only if nobody has changed it since; an empty etag says that it must not exist.",
    ),
)


@click.command(cls=Command, examples=_EXAMPLES)
@click.argument("documents", nargs=-1, required=True, metavar="FILE|DIR...")
@click.option("--id", "id_", metavar="ID", help="The document's id, where its content has none.")
@click.option(
    "--id-from-name",
    is_flag=True,
    help="Take a file's name, without its ending, as the id of a document that has none.",
)
@click.option(
    "--etag",
    metavar="ETAG",
    help="Store it only if this is the etag of the latest revision; empty: only if there is none.",
)
@click.option("--validate-only", is_flag=True, help="Have the server check all, and store nothing.")
@format_option("Report for people, or for a machine.")
@server_options
@add_read_options
@click.pass_obj
def command(
    session: Session,
    documents: tuple[str, ...],
    id_: str | None,
    id_from_name: bool,
    etag: str | None,
    validate_only: bool,
    output_format: str,
    server: Server,
    read_options: ReadOptions,
) -> int:
    """Store documents in an exchange.

    What differs from the revision that is there becomes a new one. Each document is stored by
    itself: one that is refused does not keep the others from being stored. The exit status is 1 if
    a document is refused, and 2 if one cannot be read or the exchange not be reached.
    """
    found = list(input_files(documents, read_options))
    if len(found) != 1 and (id_ is not None or etag is not None):
        raise click.UsageError("--id and --etag are about one document; these are several")
    batch = _Batch(session, read_options, id_, id_from_name, etag, validate_only)
    report: list[dict[str, object]] = []
    with server.connect() as client:
        outcomes = client.publish_many(batch.publications(found))
        for outcome in with_progress(outcomes, len(found)):
            name = batch.names[outcome.index]
            batch.take(name, outcome)
            if output_format == "json":
                report.append({"file": name, **_json(outcome)})
            else:
                _print(session, name, outcome)
    if output_format == "json":
        print(json_text({"command": "publish", "documents": report}))
    return batch.status


@dataclass(slots=True)
class _Batch:
    """Documents on their way to the exchange, with what was found wrong before they were sent."""

    session: Session
    read_options: ReadOptions
    id: str | None
    id_from_name: bool
    etag: str | None
    validate_only: bool
    names: list[str] = field(default_factory=list)
    status: int = GOOD

    def publications(self, found: list[InputFile]) -> Iterator[Publication]:
        """Yield what can be sent, and tell of what cannot be."""
        for source in found:
            try:
                publication = self._publication(source)
            except CannotRunError as error:
                self._refuse(source, str(error), COULD_NOT_RUN)
            except ValidationError as error:
                for violation in error.violations:
                    at = f"{violation.position}: " if violation.position else ""
                    self._refuse(source, f"{at}{violation}", INVALID)
            except DecodeError as error:
                self.session.print_document_error(source.name, error)
                self.status = max(self.status, INVALID)
            except FieldError as error:
                self._refuse(source, str(error), INVALID)
            else:
                self.names.append(source.name)
                yield publication

    def _publication(self, source: InputFile) -> Publication:
        from crucible_ir.exchange import Publication
        from crucible_ir.exchange.client.requests import document_of

        format_ = format_for(source, self.read_options)
        message = read_document(source, format_, self.read_options, validate=True)
        id_ = self.id
        if id_ is None and self.id_from_name and not _has_identity(message):
            id_ = stem_of(source.name)
        return Publication(document_of(message), id_, self.etag, None, self.validate_only)

    def _refuse(self, source: InputFile, reason: str, status: int) -> None:
        self.session.print_error(f"{source.name}: {reason}")
        self.status = max(self.status, status)

    def take(self, name: str, outcome: Outcome) -> None:
        """Enter what became of a document."""
        if outcome.error is not None:
            self.session.print_error(f"{name}: {outcome.error}")
            self.status = max(self.status, INVALID)


def _has_identity(message: Message) -> bool:
    from crucible_ir.exchange.client.results import content_of as content_of_document
    from crucible_ir.exchange.content import identity_of
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


def _print(session: Session, name: str, outcome: Outcome) -> None:
    if outcome.published is None:
        return
    record = outcome.published.record
    verdict = _verdict(outcome.published)
    etag = f", etag {record.etag}" if record.etag else ", not stored"
    line = f"{name}: {verdict} {record.type} {record.id}, revision {record.revision}{etag}"
    session.out().print(
        printable(line), style="aside" if verdict == "unchanged" else "good", soft_wrap=True
    )
