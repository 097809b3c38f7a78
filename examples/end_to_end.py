"""The end-to-end example: documents and feedback through an exchange, on a temporary server."""

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
from crucible_ir.exchange import EtagMismatchError, ExchangeClient, Publication

#: The number of feedback events.
EVENTS = 10_000

#: The documents whose messages have no id; they are published under the names of their files.
WITHOUT_ID = {"feedback_config.yaml", "prompt.yaml"}

#: The line that the server prints once it accepts calls, up to its address.
LISTENING = "listening on "


class ExampleError(Exception):
    """A result of the example is not as expected."""


@contextmanager
def temporary_server() -> Iterator[str]:
    """Run a server on a free port of this machine, in a temporary folder; yield its address."""
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
                raise ExampleError(f"the server did not start: {log.read().strip()}")
            yield line.removeprefix(LISTENING).strip()
        finally:
            process.terminate()
            process.communicate()


def run_end_to_end(console: Console, documents: dict[str, Message]) -> None:
    """Send documents and feedback through an exchange.

    Args:
        console: The console for the results.
        documents: The documents to publish, by the names of their files.

    Raises:
        ExampleError: A result is not as expected.
        ExchangeError: A call failed.
    """
    with temporary_server() as address, ExchangeClient(address) as client:
        example = EndToEnd(console, client, documents)
        console.print(f"\nThe exchange at {address}, from the first document to the last event:\n")
        example.publish()
        example.promote()
        example.ingest()
        example.trace(address)
        example.trace_versions()
        example.export()


class EndToEnd:
    """The steps of the example; each prints its result."""

    def __init__(
        self, console: Console, client: ExchangeClient, documents: dict[str, Message]
    ) -> None:
        self.console = console
        self.client = client
        self.documents = documents
        self.events: list[v1.FeedbackEvent] = []

    def report(self, step: str, result: str) -> None:
        """Print the result of a step."""
        self.console.print(Text.assemble(("  ✓ ", "green"), (f"{step:9}", "bold"), result))

    def publish(self) -> None:
        """Publish every document, and compare the digests that the exchange computed."""
        names = list(self.documents)
        started = time.perf_counter()
        publications = (
            Publication(message, id=Path(name).stem if name in WITHOUT_ID else None)
            for name, message in self.documents.items()
        )
        outcomes = list(self.client.publish_many(publications))
        seconds = time.perf_counter() - started
        for outcome in outcomes:
            name = names[outcome.index]
            if outcome.published is None:
                raise ExampleError(f"{name}: {outcome.error}")
            if outcome.published.record.digest != ir.digest(content_of(self.documents[name])):
                raise ExampleError(f"{name}: the exchange computed a different digest")
        rate = len(outcomes) / seconds
        self.report("publish", f"{len(outcomes)} documents, {rate:,.0f}/s, digests are equal")

    def promote(self) -> None:
        """Promote a model version to production, unless another writer has changed it."""
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
                raise ExampleError("the error does not contain the latest etag") from None
        else:
            raise ExampleError("the exchange accepted an outdated etag")
        found = self.client.list_documents(v1.ModelVersion, where={"stage": "production"})
        if [entry.record.id for entry in found] != [version.id]:
            raise ExampleError("the promoted version is not listed as in production")
        revision = f"{version.id} to production, revision {record.revision}"
        self.report("promote", f"{revision}; a second writer with the same etag was rejected")

    def ingest(self) -> None:
        """Ingest events, some of them twice; each is stored once."""
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
            raise ExampleError(f"unexpected result of the ingestion: {report}")
        again = self.client.ingest(self.events[:1000])
        if (again.accepted, again.duplicates) != (0, 1000):
            raise ExampleError(f"unexpected result for duplicate events: {again}")
        rate = EVENTS / seconds
        self.report("ingest", f"{EVENTS:,} events, each durable, {rate:,.0f}/s; stored once each")

    def trace(self, address: str) -> None:
        """Trace one event back to its dataset, and print the lineage with the command line."""
        event = self.events[EVENTS // 2]
        lineage = self.client.trace(v1.FeedbackEvent, event.id)
        types = {node.reference.type for node in lineage.nodes}
        if "DatasetRef" not in types or lineage.missing:
            raise ExampleError(f"{event.id} cannot be traced to its dataset: {lineage.missing}")
        self.report("trace", f"{event.id}, back to its dataset:")
        self.console.file.flush()
        program = [sys.executable, "-m", "crucible_ir"]
        subprocess.run(
            [*program, "trace", "--server", address, "FeedbackEvent", event.id], check=True
        )

    def trace_versions(self) -> None:
        """Trace references that name a version and not an id, and a run, back to the dataset."""
        run, model_id = self.run(), self.version().model_id
        parent = v1.ModelVersion(
            id="llama_mmlu_1", model_id=model_id, version="0.9.0", training_run_id=run.id
        )
        version = v1.ModelVersion(
            id="llama_mmlu_2", model_id=model_id, version="1.0.0", parent_version="0.9.0"
        )
        event = v1.FeedbackEvent(
            id="evt_version", deployment_id=self.event().deployment_id, model_version="1.0.0"
        )
        for document in (parent, version):
            self.client.publish(document)
        self.client.ingest([event])
        self.events.append(event)
        for start, through in (
            (event, ["model_version", "parent_version", "training_run_id", "config"]),
            (version, ["parent_version", "training_run_id", "config"]),
            (run, ["config"]),
        ):
            lineage = self.client.trace(type(start), start.id)
            here = lineage.nodes[0].reference
            chain = [str(here)]
            for field in [*through, "dataset_ref"]:
                found = [e.target for e in lineage.edges if (e.source, e.field) == (here, field)]
                if len(found) != 1:
                    raise ExampleError(f"{here} cannot be traced through {field}: {found}")
                here = found[0]
                chain.append(str(here))
            self.report("chain", " > ".join(chain))

    def export(self) -> None:
        """Export every event to a file, read it back, and compare the events."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "events.binpbs"
            started = time.perf_counter()
            written = ir.write_delimited(path, self.client.export(batch_size=1000))
            seconds = time.perf_counter() - started
            size = path.stat().st_size
            exported = {event.id: event for event in ir.read_delimited(path, v1.FeedbackEvent)}
        if exported != {event.id: event for event in self.events}:
            raise ExampleError("the exported events differ from the ingested ones")
        sample = self.events[:: EVENTS // 100]
        if any(ir.digest(event) != ir.digest(exported[event.id]) for event in sample):
            raise ExampleError("an exported event has a different digest")
        rate = written / seconds
        self.report("export", f"{written:,} events, {size / 1e6:.1f} MB, {rate:,.0f}/s; all equal")

    def version(self) -> v1.ModelVersion:
        """Return the model version among the documents."""
        return next(item for item in self.documents.values() if isinstance(item, v1.ModelVersion))

    def run(self) -> v1.TrainingRun:
        """Return the training run of the model version among the documents."""
        runs = (item for item in self.documents.values() if isinstance(item, v1.TrainingRun))
        return next(item for item in runs if item.id == self.version().training_run_id)

    def event(self) -> v1.FeedbackEvent:
        """Return the feedback event among the documents."""
        return next(item for item in self.documents.values() if isinstance(item, v1.FeedbackEvent))


def content_of(message: Message) -> Message:
    """Return the content of a `Document`; any other message is its own content."""
    if not isinstance(message, v1.Document):
        return message
    member = message.WhichOneof("content")
    assert member is not None
    content: Message = getattr(message, member)
    return content
