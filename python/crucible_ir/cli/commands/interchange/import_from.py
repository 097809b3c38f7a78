"""``crucible-ir import-from``: import what other programs wrote."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Self, cast

import click

from crucible_ir.cli.commands.exchange.connection import Server, server_options
from crucible_ir.cli.commands.interchange.fidelity import (
    FOREIGN_FORMAT,
    Fidelity,
    InterchangeCommand,
    fidelity_options,
)
from crucible_ir.cli.files.inputs import STANDARD, unreadable
from crucible_ir.cli.files.outputs import (
    check_overwriting,
    check_terminal,
    open_output,
    output_format,
    write_output,
)
from crucible_ir.cli.options import FORMAT_NAME, force_option
from crucible_ir.cli.progress import StreamProgress
from crucible_ir.cli.session import COULD_NOT_RUN, GOOD, INVALID, CannotRunError, Session
from crucible_ir.interchange.mapping.report import Recorder
from crucible_ir.schema.references import identity_of
from crucible_ir.schema.types import descriptor_of, document_of
from crucible_ir.serialization.formats import FORMATS
from crucible_ir.serialization.formats import Format as DocumentFormat
from crucible_ir.serialization.streams.compression import Target, compressed
from crucible_ir.serialization.streams.formats import STREAM_FORMATS, StreamFormat
from crucible_ir.serialization.streams.records import StreamCount

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.exchange.client.blocking_client import ExchangeClient
    from crucible_ir.exchange.client.results import RefusedEvent
    from crucible_ir.interchange.mapping.format import Format
    from crucible_ir.interchange.mapping.reading import Record
    from crucible_ir.v1 import FeedbackEvent

_EXAMPLES = (
    (
        "crucible-ir import-from openai response.json -o completion.yaml",
        "One document, in the format of the extension.",
    ),
    (
        "crucible-ir import-from wandb wandb -o runs.jsonl --report report.json",
        "Everything in a folder, as lines of documents, with the fidelity report.",
    ),
    (
        "crucible-ir import-from wandb wandb --since report.json --publish",
        "Only what has changed since the import of that report, into an exchange.",
    ),
    (
        "crucible-ir import-from wandb wandb --fail-on dropped > runs.jsonl",
        "A record of which anything is lost is an error and left out.",
    ),
)

#: The most documents that are written or published at once.
_BATCH: Final = 1_000

#: The size of the documents, in bytes, from which on a batch gets no more: a run can be large.
_BATCH_BYTES: Final = 1_000_000

#: The most documents that an exchange rejected which are printed.
_MAX_ERRORS: Final = 20


@click.command(cls=InterchangeCommand, examples=_EXAMPLES)
@click.argument("format_name", type=FOREIGN_FORMAT, metavar="FORMAT")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option(
    "--output",
    "-o",
    metavar="FILE",
    help="Write the documents to this file; by default to standard output, unless they are"
    " published.",
)
@click.option(
    "--to",
    "to_format",
    type=FORMAT_NAME,
    metavar="FORMAT",
    help="Format of the documents: one of streams, or for a single document any other; by default"
    " inferred from FILE, and jsonl on standard output.",
)
@click.option("--publish", is_flag=True, help="Store the documents in an exchange.")
@click.option(
    "--since",
    metavar="TIME|REPORT",
    help="Leave out what has not changed since a time, or since the import that wrote a report.",
)
@fidelity_options
@force_option()
@server_options
@click.pass_obj
def command(
    session: Session,
    format_name: str,
    sources: tuple[str, ...],
    output: str | None,
    to_format: str | None,
    publish: bool,
    since: str | None,
    fidelity: Fidelity,
    force: bool,
    server: Server,
) -> int:
    """Import what other programs wrote, and report every change.

    SOURCE is a file, a folder, `-` for standard input, or the address of a service where the
    format has one. docs/interchange.md has a table of each FORMAT. Ids derive from those of the
    source, so a second import of the same source changes nothing, also in an exchange.

    A record that cannot be converted is reported and left out; then the exit status is 1. It is 2
    if a source cannot be read.
    """
    from crucible_ir.interchange.mapping.format import format_named
    from crucible_ir.interchange.mapping.http import without_secrets

    target = output if output is not None or publish else STANDARD
    fidelity.check()
    importing = _Importing(session, format_named(format_name), _Since.parse(since), fidelity)
    started = datetime.now(UTC)
    with ExitStack() as stack:
        takers: list[Callable[[Sequence[Message]], None]] = []
        if target is not None:
            takers.append(stack.enter_context(_Output.open(target, to_format, force=force)).take)
        published = _Published()
        if publish:
            published.client = stack.enter_context(server.connect())
            takers.append(published.take)
        progress = stack.enter_context(StreamProgress(0, None))
        documents = importing.documents(sources, progress)
        for batch in _batches(documents):
            for take in takers:
                take(batch)
    report = importing.recorder.report()
    details: dict[str, object] = {
        "command": "import-from",
        "format": format_name,
        "time": started.isoformat().replace("+00:00", "Z"),
        "documents": importing.count.records,
        "records": importing.records,
    }
    if publish:
        details["published"] = published.counts
    names = tuple(map(without_secrets, sources))
    fidelity.write(session, report, details, names, quiet=server.quiet)
    for line in published.errors:
        session.print_error(line)
    if not server.quiet:
        for line in published.warnings:
            session.err().print(f"warning: {line}", style="warn")
    if publish and not server.quiet:
        parts = ", ".join(f"{number} {name}" for name, number in published.counts.items())
        session.err().print(f"published: {parts}", style="warn" if published.errors else "good")
    is_good = not report.errors and not published.errors
    return max(importing.status, GOOD if is_good else INVALID)


def _batches(documents: Iterable[Message]) -> Iterator[list[Message]]:
    """Yield documents in batches of a limited number and size."""
    batch: list[Message] = []
    size = 0
    for document in documents:
        batch.append(document)
        size += document.ByteSize()
        if len(batch) == _BATCH or size > _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


@dataclass(frozen=True, slots=True)
class _Since:
    """Where an import goes on.

    Attributes:
        time: The time of the oldest change that is wanted.
        records: The number of records of each file of lines that an earlier import has read.
    """

    time: datetime | None = None
    records: dict[str, int] = field(default_factory=dict)

    @classmethod
    def parse(cls, value: str | None) -> _Since:
        """Parse the value of ``--since``: a time, or the name of a JSON report."""
        if value is None:
            return cls()
        try:
            return cls(_time(value))
        except ValueError:
            pass
        try:
            with open(value, encoding="utf-8") as file:
                report = json.load(file)
            return cls(_time(report["time"]), {**report["records"]})
        except OSError as error:
            reason = unreadable(value, error)
        except (ValueError, KeyError, TypeError):
            reason = "it is not a JSON report of import-from"
        raise click.UsageError(
            f"--since {value}: expected a time such as 2026-01-31T12:00:00Z or the file of a"
            f" report: {reason}"
        )


def _time(value: str) -> datetime:
    parsed = datetime.fromisoformat(value.upper())
    return parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=UTC)


class _Importing:
    """The import of all sources.

    Attributes:
        recorder: Collects the fidelity report.
        count: The number of documents.
        records: The number of records of each source.
        status: The exit status that the sources lead to.
    """

    def __init__(
        self, session: Session, format_: Format, since: _Since, fidelity: Fidelity
    ) -> None:
        self.recorder = Recorder()
        self.count = StreamCount()
        self.records: dict[str, int] = {}
        self.status = GOOD
        self._session = session
        self._format = format_
        self._since = since
        self._reject = fidelity.fail_on

    def documents(self, sources: Sequence[str], progress: StreamProgress) -> Iterator[Message]:
        """Yield the documents of the sources; a source that cannot be read is reported."""
        offset = 0 if len(sources) > 1 else None
        from crucible_ir.interchange.mapping.http import without_secrets

        for source in sources:
            name = without_secrets(source)
            self.records[name] = 0
            try:
                records = self._wanted(source, name, offset)
                for found in self._format.import_records(
                    records, self.recorder, reject=self._reject
                ):
                    self.count.records += len(found)
                    progress.show(self.count)
                    yield from found
            except OSError as error:
                self._fail(f"{name}: {unreadable(source, error)}")
            except CannotRunError as error:
                self._fail(f"{name}: {error}")
            else:
                if not self.records[name] and self._since == _Since():
                    self._session.print_error(f"{name}: nothing to import")
            if offset is not None:
                offset += self.records[name]

    def _wanted(self, source: str, name: str, offset: int | None) -> Iterator[Record]:
        """Yield the records that an earlier import has not read, numbered across all sources."""
        earlier = self._since.records.get(name, 0)
        goes_on = earlier and source.lower().endswith((".jsonl", ".ndjson"))
        since = None if goes_on else self._since.time
        for number, record in enumerate(self._format.records(source, since)):
            self.records[name] = number + 1
            if goes_on and number < earlier:
                continue
            if offset is None:
                yield record
            else:
                yield record._replace(number=offset + number)

    def _fail(self, reason: str) -> None:
        self.status = COULD_NOT_RUN
        self._session.print_error(reason)


class _Output:
    """The file of the documents.

    Args:
        target: The open file.
        format_: Its format; one of documents takes a single document.
    """

    def __init__(self, target: Target, format_: StreamFormat) -> None:
        self._target = target
        self._format = format_

    @classmethod
    def open(cls, name: str, to_format: str | None, *, force: bool) -> Any:
        """Open the file; the result is a context manager."""
        known: dict[str, DocumentFormat | StreamFormat] = {**STREAM_FORMATS, **FORMATS}
        format_ = output_format(name, to_format, known, default=STREAM_FORMATS["jsonl"])
        check_terminal(name, format_)
        check_overwriting([name], force=force)
        if isinstance(format_, StreamFormat):
            return _open_stream(name, format_, force=force)
        return _SingleDocument(name, format_, force)

    def take(self, documents: Sequence[Message]) -> None:
        """Write documents."""
        for message in documents:
            self._target.write(self._format.encode(document_of(message)))


@contextmanager
def _open_stream(name: str, format_: StreamFormat, *, force: bool) -> Iterator[_Output]:
    with open_output(name, force=force) as raw, compressed(raw, name) as target:
        yield _Output(target, format_)


class _SingleDocument:
    """A file of a document format, which is written once the only document is known."""

    def __init__(self, name: str, format_: DocumentFormat, force: bool) -> None:
        self._name = name
        self._format = format_
        self._force = force
        self._documents: list[Message] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None and self._documents:
            content = self._format.write(self._documents[0], 2)
            write_output(self._name, content, force=self._force)

    def take(self, documents: Sequence[Message]) -> None:
        """Keep the document.

        Raises:
            CannotRunError: There is more than one.
        """
        self._documents += documents
        if len(self._documents) > 1:
            raise CannotRunError(
                f"{self._name}: the source has more than one document, and"
                f" {self._format.name} holds a single one: give an output such as runs.jsonl"
            )


class _Published:
    """Documents that go to an exchange.

    Attributes:
        client: The client; set before the first document.
        counts: The number of documents of each result.
        errors: The errors about documents that the exchange rejected.
        warnings: The warnings about documents that replaced others of the same import.
    """

    client: ExchangeClient

    def __init__(self) -> None:
        self.counts = dict.fromkeys(("stored", "unchanged", "rejected"), 0)
        self.errors: list[str] = []
        self.warnings: list[str] = []
        # The digest of the content of each document so far, by the digest of its name.
        self._contents: dict[bytes, bytes] = {}

    def take(self, documents: Sequence[Message]) -> None:
        """Store documents, and send feedback events."""
        events = [each for each in documents if descriptor_of(each).name == "FeedbackEvent"]
        others = [each for each in documents if descriptor_of(each).name != "FeedbackEvent"]
        for outcome in self.client.publish_many(others):
            if outcome.published is None:
                self._reject(_name_of(others[outcome.index]), str(outcome.error))
            else:
                self.counts["unchanged" if outcome.published.unchanged else "stored"] += 1
                self._warn_of_replaced(others[outcome.index])
        if events:
            report = self.client.ingest(
                cast("list[FeedbackEvent]", events), on_refused=self._reject_event
            )
            self.counts["stored"] += report.accepted
            self.counts["unchanged"] += report.duplicates

    def _warn_of_replaced(self, document: Message) -> None:
        """Warn if an earlier document of the import had the same type and id, and other content."""
        name = _name_of(document)
        content = _digest(document.SerializeToString(deterministic=True))
        earlier = self._contents.get(_digest(name.encode()), content)
        self._contents[_digest(name.encode())] = content
        if earlier == content:
            return
        warning = (
            f"{name}: the source has several documents with this id; each became a revision, and"
            " the last one is the latest"
        )
        if warning not in self.warnings and len(self.warnings) < _MAX_ERRORS:
            self.warnings.append(warning)

    def _reject_event(self, event: RefusedEvent) -> None:
        self._reject(f"FeedbackEvent {event.id}", str(event.error))

    def _reject(self, name: str, reason: str) -> None:
        self.counts["rejected"] += 1
        if len(self.errors) < _MAX_ERRORS:
            self.errors.append(f"{name}: {reason}")


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).digest()


def _name_of(message: Message) -> str:
    return f"{descriptor_of(message).name} {identity_of(message) or ''}".strip()
