"""The journey of documents and feedback through an exchange, on a throwaway server."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from google.protobuf.message import Message
from rich.console import Console
from rich.text import Text

import crucible_ir as ir
from crucible_ir import v1
from crucible_ir.cli.commands.exchange.trace import print_lineage
from crucible_ir.exchange import EtagMismatchError, ExchangeClient, Publication
from crucible_ir.exchange.client.requests import document_of
from crucible_ir.exchange.client.results import content_of
from crucible_ir.exchange.content import identity_of
from crucible_ir.serialization.json.canonical import digest
from crucible_ir.serialization.streams.records import read_delimited, write_delimited

#: How many feedback events are handed over.
EVENTS = 10_000

#: What the server says once it can be called, before its address.
LISTENING = "listening on "


class Detour(Exception):
    """Something on the way was not as it should be."""


@contextmanager
def throwaway_server() -> Iterator[str]:
    """Run a server on a free port of this machine, in a folder that is gone afterwards."""
    command = [sys.executable, "-m", "crucible_ir", "serve", "--listen", "127.0.0.1:0"]
    with (
        tempfile.TemporaryDirectory() as folder,
        tempfile.TemporaryFile("w+") as log,
        subprocess.Popen(
            command, cwd=folder, stdout=subprocess.PIPE, stderr=log, text=True
        ) as process,
    ):
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line.startswith(LISTENING):
                log.seek(0)
                raise Detour(f"the server did not start: {log.read().strip()}")
            yield line.removeprefix(LISTENING).strip()
        finally:
            process.terminate()
            process.communicate()


def make_journey(console: Console, documents: dict[str, Message]) -> None:
    """Take documents and feedback through an exchange.

    Raises:
        Detour: Something on the way was not as it should be.
        ExchangeError: A call failed.
    """
    with throwaway_server() as address, ExchangeClient(address) as client:
        journey = Journey(console, client, documents)
        console.print(f"\nThe exchange at {address}, from the first document to the last event:\n")
        journey.publish()
        journey.promote()
        journey.ingest()
        journey.trace()
        journey.export()


class Journey:
    """The steps through an exchange, each of which says what it did."""

    def __init__(
        self, console: Console, client: ExchangeClient, documents: dict[str, Message]
    ) -> None:
        self.console = console
        self.client = client
        self.documents = documents
        self.events: list[v1.FeedbackEvent] = []

    def say(self, step: str, what: str) -> None:
        """Print what a step did."""
        self.console.print(Text.assemble(("  ✓ ", "good"), (f"{step:9}", "name"), what))

    def publish(self) -> None:
        """Publish every document, and compare the digests that the exchange computed."""
        names = list(self.documents)
        started = time.perf_counter()
        publications = (
            Publication(document_of(message), id=None if has_id(message) else Path(name).stem)
            for name, message in self.documents.items()
        )
        outcomes = list(self.client.publish_many(publications))
        seconds = time.perf_counter() - started
        for outcome in outcomes:
            name = names[outcome.index]
            if outcome.published is None:
                raise Detour(f"{name}: {outcome.error}")
            if outcome.published.record.digest != digest_of(self.documents[name]):
                raise Detour(f"{name}: the exchange computed another digest")
        rate = len(outcomes) / seconds
        self.say("publish", f"{len(outcomes)} documents, {rate:,.0f}/s, digests agree")

    def promote(self) -> None:
        """Make a model version a production one, as long as nobody else has changed it."""
        version = self.version()
        stored = self.client.get(v1.ModelVersion, version.id)
        promoted = v1.ModelVersion()
        promoted.CopyFrom(version)
        promoted.stage = v1.ModelStage.MODEL_STAGE_PRODUCTION
        record = self.client.publish(promoted, etag=stored.record.etag).record
        try:
            self.client.publish(version, etag=stored.record.etag)
        except EtagMismatchError as error:
            if error.latest != record.etag:
                raise Detour("the exchange names another etag than it gave") from None
        else:
            raise Detour("the exchange let an outdated etag pass")
        found = self.client.list_documents(v1.ModelVersion, where={"stage": "production"})
        if [entry.record.id for entry in found] != [version.id]:
            raise Detour("the promoted version is not listed as a production one")
        what = f"{version.id} to production, revision {record.revision}; a second writer was told"
        self.say("promote", what)

    def ingest(self) -> None:
        """Hand over events, twice: nothing is kept twice."""
        model = self.event()
        for number in range(EVENTS):
            event = v1.FeedbackEvent()
            event.CopyFrom(model)
            event.id = f"{model.id}_{number:05}"
            event.latency_ms = 80 + number % 200
            self.events.append(event)
        started = time.perf_counter()
        report = self.client.ingest(self.events)
        seconds = time.perf_counter() - started
        if (report.accepted, report.refused_count) != (EVENTS, 0):
            raise Detour(f"the exchange took {report}")
        again = self.client.ingest(self.events[:1000])
        if (again.accepted, again.duplicates) != (0, 1000):
            raise Detour(f"of events that were there already the exchange took {again}")
        rate = EVENTS / seconds
        self.say("ingest", f"{EVENTS:,} events, each durable, {rate:,.0f}/s; none twice")

    def trace(self) -> None:
        """Follow one event back to its dataset."""
        event = self.events[EVENTS // 2]
        lineage = self.client.trace(v1.FeedbackEvent, event.id)
        ends = {node.reference.type for node in lineage.nodes}
        if "DatasetRef" not in ends or lineage.missing:
            raise Detour(f"{event.id} cannot be traced to its dataset: {lineage.missing}")
        self.say("trace", f"{event.id}, back to its dataset:")
        print_lineage(self.console, lineage)

    def export(self) -> None:
        """Write every event to a file, read it back and compare the digests."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "events.binpbs"
            started = time.perf_counter()
            written = write_delimited(path, self.client.export(batch_size=1000))
            seconds = time.perf_counter() - started
            size = path.stat().st_size
            came_back = {event.id: event for event in read_delimited(path, v1.FeedbackEvent)}
        sent = {event.id: event for event in self.events}
        if came_back != sent:
            raise Detour("the events that came back are not those that were sent")
        sample = self.events[:: EVENTS // 100]
        if any(digest_of(event) != digest_of(came_back[event.id]) for event in sample):
            raise Detour("an event came back with another digest")
        rate = written / seconds
        what = f"{written:,} events, {size / 1e6:.1f} MB, {rate:,.0f}/s; all equal, digests agree"
        self.say("export", what)

    def version(self) -> v1.ModelVersion:
        """Return the model version among the documents."""
        return next(item for item in self.documents.values() if isinstance(item, v1.ModelVersion))

    def event(self) -> v1.FeedbackEvent:
        """Return the feedback event among the documents."""
        return next(item for item in self.documents.values() if isinstance(item, v1.FeedbackEvent))


def digest_of(message: Message) -> str | None:
    """Return the digest of what the exchange keeps; none where JSON cannot write it."""
    content = content_of(message) if isinstance(message, v1.Document) else message
    assert content is not None
    try:
        return digest(content)
    except ir.EncodeError:
        return None


def has_id(message: Message) -> bool:
    """Tell whether a document carries an id of its own."""
    content = content_of(message) if isinstance(message, v1.Document) else message
    return content is not None and identity_of(content) is not None
