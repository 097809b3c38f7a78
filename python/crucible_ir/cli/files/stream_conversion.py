"""Conversion of streams record by record, in constant memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from crucible_ir.cli.files.inputs import read_document
from crucible_ir.cli.files.lossy_fields import lossy_fields, lossy_unknown_fields
from crucible_ir.cli.files.older_readers import reject_newer
from crucible_ir.cli.files.outputs import open_output
from crucible_ir.cli.files.stream_reader import RecordStream, error_lines, open_records
from crucible_ir.cli.files.table_input import TableInput, table_messages
from crucible_ir.cli.progress import StreamProgress
from crucible_ir.cli.session import GOOD, INVALID, CannotRunError
from crucible_ir.errors import EncodeError, Error
from crucible_ir.extras import MissingExtraError
from crucible_ir.serialization.streams.compression import compressed
from crucible_ir.serialization.streams.formats import STREAM_EXTENSIONS, StreamFormat
from crucible_ir.serialization.streams.records import StreamCount, StreamError

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.cli.files.inputs import InputFile, ReadOptions
    from crucible_ir.cli.session import Session
    from crucible_ir.serialization.formats import Format
    from crucible_ir.serialization.streams.compression import Target

ItemT = TypeVar("ItemT")

#: The most lossy records that are printed; the others are counted.
_MAX_PRINTED: Final = 5


class _LossError(Error):
    """The output format loses fields of a record, and ``--strict`` is set."""


@dataclass(frozen=True, slots=True)
class ConversionOptions:
    """The options of a conversion.

    Attributes:
        session: The options of this run.
        read_options: How to read the input.
        indent: The number of spaces for each level in a JSON document.
        release: The release whose readers must read the output; ``None`` for this one.
        strict: Whether to fail if the output format loses fields.
        validate: Whether to reject what breaks a rule of the schema.
        skip_bad: Whether to skip bad records of a stream instead of stopping at the first.
        force: Whether to replace a file that exists.
        quiet: Whether to print errors only.
    """

    session: Session
    read_options: ReadOptions
    indent: int | None
    release: str | None
    strict: bool
    validate: bool
    skip_bad: bool
    force: bool
    quiet: bool


class SkippedRecords(Protocol):
    """The errors of the bad records that are skipped."""

    def add(self, error: StreamError, /) -> None:
        """Add the error of a record."""

    def lines(self, name: str, /) -> list[str]:
        """Return the lines to print, given the name of the stream."""


class StreamConversion:
    """The conversion of one file into another, of which at least one is a stream.

    Args:
        options: The options.
        skipped: Collects the errors of the records that ``--skip-bad`` skips.
    """

    def __init__(self, options: ConversionOptions, skipped: SkippedRecords) -> None:
        self.options = options
        self.skipped = skipped
        self.name = ""
        self.count = StreamCount()
        self.progress = StreamProgress(0, None)
        self.record_start = 0
        self.lossy = 0
        self.unseen: list[str] = []
        self.has_unseen = False
        self.end_error: StreamError | None = None

    def run(
        self,
        source: InputFile,
        source_format: Format | StreamFormat | None,
        target: str,
        target_format: Format | StreamFormat,
    ) -> int:
        """Convert the file and return the exit status.

        Args:
            source: The file.
            source_format: Its format; ``None`` for tables.
            target: The name of the output.
            target_format: The format of the output.

        Raises:
            CannotRunError: The source cannot be read, or the target cannot be written.
            DecodeError: The source is a document and cannot be decoded.
            ValidationError: The source is a document and breaks rules of the schema.
        """
        self.name = source.name
        try:
            if isinstance(source_format, StreamFormat) and isinstance(target_format, StreamFormat):
                self._convert_stream(source, source_format, target, target_format)
            else:
                self._convert_single(source, source_format, target, target_format)
        except StreamError as error:
            if source_format is not None and not isinstance(source_format, StreamFormat):
                raise
            self._print(error_lines(source.name, error))
            return INVALID
        except _LossError as error:
            self._print([str(error)])
            return INVALID
        except MissingExtraError as error:
            raise CannotRunError(str(error)) from None
        return self._print_summary()

    def _convert_stream(
        self, source: InputFile, source_format: StreamFormat, target: str, format_: StreamFormat
    ) -> None:
        """Convert a stream into another."""
        options = self.options

        def encode(message: Message, number: int, offset: int) -> bytes:
            self.unseen = reject_newer(message, options.release, format_.record)
            record = format_.encode(message)
            self._check_loss(message, record, format_.record, number)
            return record

        # Only Python finds fields that are new or lost.
        to = format_ if options.release is None and not options.strict else None
        with (
            self._records(source, source_format) as records,
            open_output(target, force=options.force) as raw,
            compressed(raw, target) as output,
        ):
            on_bad = self.skipped.add if options.skip_bad else None
            chunks = records.chunks(validate=options.validate, on_bad=on_bad, to=to, encode=encode)
            for chunk in self._until_end(chunks):
                output.write(chunk.data)

    def _convert_single(
        self,
        source: InputFile,
        source_format: Format | StreamFormat | None,
        target: str,
        target_format: Format | StreamFormat,
    ) -> None:
        """Convert a document into a stream of one record, or such a stream into a document.

        Tables are converted like streams.
        """
        with (
            self._messages(source, source_format) as messages,
            open_output(target, force=self.options.force) as raw,
        ):
            if isinstance(target_format, StreamFormat):
                with compressed(raw, target) as output:
                    self._write_stream(messages, target_format, output)
            else:
                raw.write(self._write_document(messages, target_format))

    @contextmanager
    def _records(self, source: InputFile, format_: StreamFormat) -> Iterator[RecordStream]:
        with open_records(source, format_, self.options.read_options) as records:
            self.count, self.progress = records.count, records.progress
            self.progress.wanted = self.progress.wanted and not self.options.quiet
            yield records

    @contextmanager
    def _messages(
        self, source: InputFile, format_: Format | StreamFormat | None
    ) -> Iterator[Iterator[Message]]:
        if format_ is None:
            assert isinstance(source, TableInput)
            options = self.options
            yield table_messages(
                source, options.read_options, self.count, validate=options.validate
            )
        elif isinstance(format_, StreamFormat):
            with self._records(source, format_) as records:
                on_bad = self._skip if self.options.skip_bad else None
                messages = records.messages(validate=self.options.validate, on_bad=on_bad)
                yield self._until_end(messages)
        else:
            message = read_document(
                source, format_, self.options.read_options, validate=self.options.validate
            )
            self.count.records = 1
            yield iter([message])

    def _skip(self, bad: StreamError) -> None:
        self.record_start = self.count.bytes
        self.skipped.add(bad)

    def _until_end(self, items: Iterator[ItemT]) -> Iterator[ItemT]:
        """Yield items; with ``--skip-bad``, an error that ends the stream early is kept."""
        try:
            for item in items:
                yield item
                self.record_start = self.count.bytes
        except StreamError as error:
            if not self.options.skip_bad:
                raise
            self.end_error = error
            self.count.skipped += 1

    def _write_stream(
        self, messages: Iterator[Message], format_: StreamFormat, output: Target
    ) -> None:
        for message in messages:
            record = self._encode(message, format_.encode, format_.record)
            if record is not None:
                self._check_loss(message, record, format_.record, self._number())
                output.write(record)

    def _encode(
        self, message: Message, encode: Callable[[Message], bytes], format_: Format
    ) -> bytes | None:
        """Encode a message; return ``None`` for one that the format cannot write, a bad record.

        A message that the release of the readers rejects is a bad record, too.
        """
        try:
            self.unseen = reject_newer(message, self.options.release, format_)
            return encode(message)
        except EncodeError as error:
            bad = StreamError(
                f"{error.path}: {error.reason}" if error.path else error.reason,
                record=self._number(),
                offset=self.record_start,
            )
        self.count.records -= 1
        self.count.skipped += 1
        if not self.options.skip_bad:
            raise bad
        self.skipped.add(bad)
        return None

    def _number(self) -> int:
        return self.count.records + self.count.skipped - 1

    def _check_loss(self, message: Message, record: bytes, format_: Format, number: int) -> None:
        """Print the fields that a text format loses, or that old readers of binary do not see.

        Raises:
            _LossError: Fields are lost, and ``--strict`` is set.
        """
        lost = self.unseen
        if format_.is_text and self.options.strict:
            lost = lossy_fields(message, record, format_)
        elif format_.is_text:
            lost = lossy_unknown_fields(message)
        if not lost:
            return
        lines = [f"{self.name}:record {number}: {line}" for line in lost]
        if self.options.strict:
            reason = "--strict is given" if self.unseen else f"{format_.name} would lose it"
            raise _LossError(f"{lines[0]}; not written, since {reason}")
        self.lossy += 1
        self.has_unseen |= bool(self.unseen)
        if self.lossy <= _MAX_PRINTED and not self.options.quiet:
            self._print([f"warning: {line}" for line in lines])

    def _write_document(self, messages: Iterator[Message], format_: Format) -> bytes:
        """Encode the only message of a stream as a document."""
        message = next(messages, None)
        if message is None:
            raise CannotRunError(f"has no record to write as a {format_.name} document")
        written = self._encode(
            message, lambda message: format_.write(message, self.options.indent), format_
        )
        if written is None or next(messages, None) is not None:
            extensions = " or ".join(STREAM_EXTENSIONS)
            raise CannotRunError(
                "has more than one record, and a document is a single message: give an output with"
                f" the extension {extensions}"
            )
        self._check_loss(message, written, format_, self._number())
        return written

    def _print(self, lines: list[str]) -> None:
        self.progress.clear()
        for line in lines:
            self.options.session.print_error(line)

    def _print_summary(self) -> int:
        quiet = self.options.quiet
        if self.lossy > _MAX_PRINTED and not quiet:
            fields = "have new fields" if self.has_unseen else "lose fields"
            self._print([f"warning: {self.name}: {self.lossy} records in total {fields}"])
        self._print(self.skipped.lines(self.name))
        if self.end_error is not None:
            lines = error_lines(self.name, self.end_error)
            self._print([*lines, f"{self.name}: cannot read past this record"])
        if not self.count.skipped:
            return GOOD
        total = self.count.records + self.count.skipped
        if not quiet:
            self._print([f"{self.name}: skipped {self.count.skipped} of {total} records"])
        return INVALID
