"""Foreign formats: what each can read and write, and the table of all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from crucible_ir.errors import Error, near_miss
from crucible_ir.interchange.mapping.exporting import Export
from crucible_ir.interchange.mapping.importing import Import
from crucible_ir.interchange.mapping.patterns import Path
from crucible_ir.interchange.mapping.reading import Record, read_records
from crucible_ir.interchange.mapping.report import (
    ConversionProblem,
    Entry,
    Outcome,
    Recorder,
    Report,
)
from crucible_ir.interchange.mapping.source import RecordError
from crucible_ir.schema.types import descriptor_of

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.interchange.mapping.decoded import Decoded

#: The modules of the formats, by name, in the order of the documentation.
FORMATS: Final[dict[str, str]] = {
    "mlflow": "mlflow",
    "openai": "openai",
    "openai-responses": "openai_responses",
    "anthropic": "anthropic",
    "gemini": "gemini",
    "otel-genai": "otel_genai",
    "huggingface": "huggingface",
    "lm-eval": "lm_eval",
    "every-eval-ever": "every_eval_ever",
    "kserve": "kserve",
    "kubernetes": "kubernetes",
    "cyclonedx": "cyclonedx",
    "wandb": "wandb",
    "croissant": "croissant",
    "langfuse": "langfuse",
}


class UnknownForeignFormatError(Error, ValueError):
    """There is no foreign format of a name."""


@dataclass(frozen=True, slots=True)
class Imported:
    """The result of an import.

    Attributes:
        documents: The documents.
        report: What became of every value of the source.
    """

    documents: list[Message]
    report: Report


@dataclass(frozen=True, slots=True)
class Exported:
    """The result of an export.

    Attributes:
        obj: The JSON values of the foreign format; ``None`` if the message cannot be exported.
        report: What became of every value of the message.
    """

    obj: Any
    report: Report


@dataclass(frozen=True)
class Format:
    """A foreign format.

    Attributes:
        name: Its name in commands.
        title: Its name in text.
        about: What of it is read and written, in a sentence.
        import_record: Imports one record.
        exporters: The export of each message type that the format can hold.
        read: Yields the records of a file, a folder or a service, given its name and, as ``since``,
            the time of the oldest change that is wanted; ``None`` for files of JSON, YAML and JSON
            lines.
        assemble: Makes a record of the events of a stream (server-sent events), if the format has
            such streams.
        write: Writes the JSON values of an export as a file; ``None`` for JSON.
        send: Sends the JSON values of an export to a service, given its address, and returns what
            it made there; ``None`` if there is no such service.
        decode: Removes the format's own encoding of JSON values from a record, if it has one.
        encode: Encodes the values of an export in it.
        join: Makes one result of those of several documents, if a file can hold them.
        gather: Joins records that belong together. A joined record is an object of the records by
            their numbers, and has no number.
        unfold: Returns the records in a value that is a list of the format's own, such as a
            ``List`` of Kubernetes; ``None`` for any other value.
    """

    name: str
    title: str
    about: str
    import_record: Callable[[Import], None]
    exporters: Mapping[str, Callable[[Export], None]] = field(default_factory=dict)
    read: Callable[[str, datetime | None], Iterator[Record]] | None = None
    assemble: Callable[[list[tuple[str, Any]]], Any] | None = None
    write: Callable[[Any], bytes] | None = None
    send: Callable[[str, Any], str] | None = None
    decode: Callable[[Any], Decoded] | None = None
    encode: Callable[[Any], Any] | None = None
    join: Callable[[list[Any]], Any] | None = None
    gather: Callable[[Iterable[Record]], Iterator[Record]] | None = None
    unfold: Callable[[Any], list[Any] | None] | None = None

    def records(self, source: str, since: datetime | None = None) -> Iterator[Record]:
        """Yield the records of a file, a folder or a service.

        Args:
            source: Its name or address; ``-`` is standard input.
            since: The time of the oldest change that is wanted.

        Raises:
            OSError: The source cannot be read.
        """
        if self.read is not None:
            return self.read(source, since)
        return read_records(source, since=since, assemble=self.assemble)

    def _unfolded(self, records: Iterable[Record]) -> Iterator[Record]:
        """Yield records; a list of the format's own yields those in it."""
        added = 0
        for record in records:
            items = self._items(record.value)
            if items is None:
                number = None if record.number is None else record.number + added
                yield record._replace(number=number)
                continue
            first = (record.number or 0) + added
            for index, item in enumerate(items):
                name = f"{record.name}, item {index}" if record.name else ""
                yield record._replace(value=item, name=name, number=first + index)
            added += len(items) - 1

    def _items(self, value: Any) -> list[Any] | None:
        """Return the records in a list of the format's own; ``None`` for any other value."""
        return None if self.unfold is None else self.unfold(value)

    def import_(self, obj: object) -> Imported:
        """Import a record, or a list of records, given as JSON values.

        A record that cannot be converted is left out; `Report.errors` has the reason.

        Args:
            obj: The JSON values, as `json.loads` returns them.
        """
        recorder = Recorder()
        items = obj if isinstance(obj, list) else self._items(obj)
        if items is None:
            return Imported(self.import_one(obj, recorder), recorder.report())
        records = [Record(item, "", index) for index, item in enumerate(items)]
        imported = self.import_records(records, recorder)
        documents = [message for messages in imported for message in messages]
        return Imported(documents, recorder.report())

    def import_one(
        self,
        value: object,
        recorder: Recorder,
        *,
        prefix: tuple[int, ...] = (),
        name: str = "",
        reject: frozenset[Outcome] = frozenset(),
    ) -> list[Message]:
        """Import one record.

        Args:
            value: Its JSON values.
            recorder: Collects the fidelity report.
            prefix: The path of the record in the report.
            name: The name of the record in errors.
            reject: The outcomes of values that make the record an error.
        """
        own = Recorder()
        if not isinstance(value, dict):
            recorder.fail(() if name else prefix, f"expected an object of {self.title}", name)
            return []
        decoded = None if self.decode is None else self.decode(value)
        conversion = Import(self.name, value, own, prefix, decoded)
        try:
            self.import_record(conversion)
            documents = conversion.finish()
        except RecordError as error:
            conversion.problems = [error]
            _report(conversion, recorder, prefix, name)
            return []
        if not _take(own, recorder, prefix, name, reject):
            return []
        _report(conversion, recorder, prefix, name)
        return documents

    def import_records(
        self,
        records: Iterable[Record],
        recorder: Recorder,
        *,
        reject: frozenset[Outcome] = frozenset(),
    ) -> Iterator[list[Message]]:
        """Import records one after another, in memory that does not grow with their number.

        Args:
            records: The records. The paths in the report begin with the number of the record,
                unless it is the only one of its source.
            recorder: Collects the fidelity report.
            reject: The outcomes of values that make a record an error.

        Yields:
            The documents of each record; none for one with an error.
        """
        if self.unfold is not None:
            records = self._unfolded(records)
        for record in records if self.gather is None else self.gather(records):
            prefix = () if record.number is None else (record.number,)
            if record.error is not None:
                recorder.fail((), str(record.error), record.name)
                yield []
                continue
            yield self.import_one(
                record.value, recorder, prefix=prefix, name=record.name, reject=reject
            )

    def export(self, message: Message) -> Exported:
        """Export a message.

        Raises:
            TypeError: The format has no counterpart for messages of this type.
        """
        exporter = self._exporter(message)
        if exporter is None:
            raise TypeError(self._no_exporter(message))
        recorder = Recorder()
        return Exported(self.export_one(message, recorder), recorder.report())

    def export_one(
        self,
        message: Message,
        recorder: Recorder,
        *,
        prefix: tuple[int, ...] = (),
        name: str = "",
        reject: frozenset[Outcome] = frozenset(),
    ) -> Any:
        """Return the JSON values of a message; ``None`` if there is an error, which is reported.

        Args:
            message: The message, or a document that contains it.
            recorder: Collects the fidelity report.
            prefix: The path of the message in the report.
            name: The name of the message in errors.
            reject: The outcomes of values that make the message an error.
        """
        exporter = self._exporter(message)
        if exporter is None:
            recorder.fail(() if name else prefix, self._no_exporter(message), name)
            return None
        own = Recorder()
        conversion = Export(self.name, message, own, prefix)
        try:
            exporter(conversion)
            obj = conversion.finish()
        except RecordError as error:
            recorder.fail(error.path if name else prefix + error.path, error.reason, name)
            return None
        if not _take(own, recorder, prefix, name, reject):
            return None
        return obj if self.encode is None else self.encode(obj)

    def _exporter(self, message: Message) -> Callable[[Export], None] | None:
        return self.exporters.get(descriptor_of(message).name)

    def _no_exporter(self, message: Message) -> str:
        known = ", ".join(self.exporters) or "nothing"
        type_name = descriptor_of(message).name
        return f"{self.title} has no counterpart for {type_name}; it takes {known}"


def _report(conversion: Import, recorder: Recorder, prefix: Path, name: str) -> None:
    """Report the errors of a record."""
    for problem in conversion.problems:
        path = conversion.place(problem.path)
        recorder.fail(path if name else prefix + path, problem.reason, name)


def _take(
    own: Recorder, recorder: Recorder, prefix: Path, name: str, reject: frozenset[Outcome]
) -> bool:
    """Add the report of a record to that of all; return whether the record is accepted."""
    found = own.with_outcome(reject) if reject else []
    for entry in found:
        place = entry.path or entry.target
        if prefix and name:
            place = place.removeprefix("[*]").removeprefix(".")
        recorder.add_error(ConversionProblem(place, _verdict(entry), name))
    if not found:
        recorder.merge(own)
    return not found


def _verdict(entry: Entry) -> str:
    reason = f": {entry.reason}" if entry.reason else ""
    return f"{entry.outcome}{reason}"


def format_named(name: str) -> Format:
    """Return the foreign format of a name.

    Raises:
        UnknownForeignFormatError: There is none; the error lists those that exist.
    """
    module = FORMATS.get(name)
    if module is None:
        raise UnknownForeignFormatError(
            f'no foreign format "{name}"{near_miss(name, FORMATS)}; there are {", ".join(FORMATS)}'
        )
    found: Format = import_module(f"crucible_ir.interchange.{module}").FORMAT
    return found
