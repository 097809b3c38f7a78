"""Foreign formats: what each can read and write, and the table of all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from crucible_ir.errors import DecodeError, Error, near_miss
from crucible_ir.interchange.mapping.conversion import Export, Import, RecordError
from crucible_ir.interchange.mapping.report import Recorder, Report

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.interchange.mapping.reading import Record

#: The modules of the formats, by name, in the order of the documentation.
FORMATS: Final[dict[str, str]] = {}


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
        read: Reads the records of a file, a folder or a service; ``None`` for files of JSON or
            YAML with one record or a list of them, and of JSON lines.
        assemble: Makes a record of the events of a stream (server-sent events), if the format has
            such streams.
        write: Writes JSON values as a file; ``None`` for JSON.
    """

    name: str
    title: str
    about: str
    import_record: Callable[[Import], None]
    exporters: Mapping[str, Callable[[Export], None]] = field(default_factory=dict)
    read: Callable[..., Iterator[Record]] | None = None
    assemble: Callable[[list[tuple[str, Any]]], Any] | None = None
    write: Callable[[Any], bytes] | None = None

    def import_(self, obj: object) -> Imported:
        """Import a record, or a list of records, given as JSON values.

        A record that cannot be converted is left out; `Report.errors` has the reason.

        Args:
            obj: The JSON values, as `json.loads` returns them.
        """
        recorder = Recorder()
        if isinstance(obj, list):
            documents: list[Message] = []
            for index, item in enumerate(obj):
                documents += self.import_one(item, recorder, prefix=(index,))
        else:
            documents = self.import_one(obj, recorder)
        return Imported(documents, recorder.report())

    def import_one(
        self,
        value: object,
        recorder: Recorder,
        *,
        prefix: tuple[int, ...] = (),
        name: str = "",
    ) -> list[Message]:
        """Import one record.

        Args:
            value: Its JSON values.
            recorder: Collects the fidelity report.
            prefix: The path of the record in the report.
            name: The name of the record in errors.
        """
        own = Recorder()
        conversion = Import(self.name, value, own, prefix)
        try:
            if not isinstance(value, dict):
                raise RecordError((), f"expected an object of {self.title}")
            self.import_record(conversion)
            documents = conversion.finish()
        except RecordError as error:
            recorder.fail(prefix + error.path, error.reason, name)
            return []
        recorder.merge(own)
        return documents

    def export(self, message: Message) -> Exported:
        """Export a message.

        Raises:
            TypeError: The format has no counterpart for messages of this type.
        """
        exporter = self.exporters.get(message.DESCRIPTOR.name)
        if exporter is None:
            known = ", ".join(self.exporters) or "nothing"
            raise TypeError(
                f"{self.title} has no counterpart for {message.DESCRIPTOR.name}; it takes {known}"
            )
        recorder = Recorder()
        conversion = Export(self.name, message, recorder)
        try:
            exporter(conversion)
            obj = conversion.finish()
        except RecordError as error:
            recorder.fail(error.path, error.reason)
            return Exported(None, recorder.report())
        return Exported(obj, recorder.report())

    def import_records(
        self, records: Iterable[Record], recorder: Recorder
    ) -> Iterator[tuple[Record, list[Message]]]:
        """Import records one after another, in memory that does not grow with their number.

        Args:
            records: The records; the paths in the report begin with their numbers if there is more
                than one.
            recorder: Collects the fidelity report.
        """
        for record in records:
            if isinstance(record.error, DecodeError):
                recorder.fail((), str(record.error), record.name)
                continue
            prefix = () if record.number is None else (record.number,)
            yield (
                record,
                self.import_one(record.value, recorder, prefix=prefix, name=record.name),
            )


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
