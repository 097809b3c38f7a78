"""Converting streams record by record: memory stays as it is, however long the stream."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from crucible_ir.cli.files.inputs import read_document
from crucible_ir.cli.files.lossy_fields import lossy_fields, lossy_unknown_fields
from crucible_ir.cli.files.outputs import open_output
from crucible_ir.cli.files.stream_reader import error_lines, open_records
from crucible_ir.cli.progress import StreamProgress
from crucible_ir.cli.session import GOOD, INVALID, CannotRunError
from crucible_ir.errors import EncodeError, Error
from crucible_ir.serialization.streams.compression import CompressionMissingError, compressed
from crucible_ir.serialization.streams.formats import STREAM_EXTENSIONS, StreamFormat
from crucible_ir.serialization.streams.records import StreamCount, StreamError

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.cli.files.inputs import InputFile, ReadOptions
    from crucible_ir.cli.session import Session
    from crucible_ir.serialization.formats import Format
    from crucible_ir.serialization.streams.compression import Target

#: How many bad records, and how many losses, are told in full; the others are counted.
_MOST_TOLD: Final = 5


class _LossError(Error):
    """The target does not hold all of a record, and everything was asked for."""


class StreamConversion:
    """The conversion of one stream or document into another, of which one at least is a stream.

    Args:
        session: The options of this run.
        read_options: How documents are to be read.
        indent: The number of spaces a level where the target is a JSON document.
        strict: Whether to fail where the target does not hold all of a record.
        validate: Whether the schema's rules must hold.
        skip_bad: Whether to leave out bad records rather than stop at the first.
    """

    def __init__(
        self,
        session: Session,
        read_options: ReadOptions,
        *,
        indent: int | None,
        strict: bool,
        validate: bool,
        skip_bad: bool,
    ) -> None:
        self.session = session
        self.read_options = read_options
        self.indent = indent
        self.strict = strict
        self.validate = validate
        self.skip_bad = skip_bad
        self.name = ""
        self.count = StreamCount()
        self.progress = StreamProgress(0, None)
        self.lossy = 0
        self.ended: StreamError | None = None

    def run(
        self,
        source: InputFile,
        origin: Format | StreamFormat,
        target: str,
        format_: Format | StreamFormat,
    ) -> int:
        """Convert and return the exit status.

        Raises:
            CannotRunError: The source cannot be read, or the target not be written.
            DecodeError: The source is a document that cannot be read.
            ValidationError: The source is a document that breaks rules of the schema.
        """
        self.name = source.name
        try:
            with self._messages(source, origin) as messages, open_output(target) as raw:
                if isinstance(format_, StreamFormat):
                    with compressed(raw, target) as output:
                        self._write_stream(messages, format_, output)
                else:
                    raw.write(self._only(messages, format_))
        except StreamError as error:
            if not isinstance(origin, StreamFormat):
                raise
            self._tell(error_lines(source.name, error))
            return INVALID
        except _LossError as error:
            self._tell([str(error)])
            return INVALID
        except CompressionMissingError as error:
            raise CannotRunError(str(error)) from None
        return self._sum_up()

    @contextmanager
    def _messages(
        self, source: InputFile, origin: Format | StreamFormat
    ) -> Iterator[Iterator[Message]]:
        if isinstance(origin, StreamFormat):
            with open_records(source, origin, self.read_options) as records:
                self.count, self.progress = records.count, records.progress
                on_bad = self._leave_out if self.skip_bad else None
                yield self._until_end(records.messages(validate=self.validate, on_bad=on_bad))
        else:
            message = read_document(source, origin, self.read_options, validate=self.validate)
            self.count.records = 1
            yield iter([message])

    def _until_end(self, messages: Iterator[Message]) -> Iterator[Message]:
        """Yield messages up to where reading cannot go on, if that is no reason to stop."""
        try:
            yield from messages
        except StreamError as error:
            if not self.skip_bad:
                raise
            self.ended = error
            self.count.skipped += 1

    def _leave_out(self, bad: StreamError) -> None:
        if self.count.skipped <= _MOST_TOLD:
            self._tell(error_lines(self.name, bad))

    def _write_stream(
        self, messages: Iterator[Message], format_: StreamFormat, output: Target
    ) -> None:
        for message in messages:
            record = self._encoded(message, format_.encode)
            if record is not None:
                self._weigh(message, record, format_.record)
                output.write(record)

    def _encoded(self, message: Message, encode: Callable[[Message], bytes]) -> bytes | None:
        """Write a message; one that the form cannot write is a bad record."""
        try:
            return encode(message)
        except EncodeError as error:
            bad = StreamError(
                f"{error.path}: {error.reason}" if error.path else error.reason,
                record=self._number(),
                offset=self.count.bytes,
            )
        self.count.records -= 1
        self.count.skipped += 1
        if not self.skip_bad:
            raise bad
        self._leave_out(bad)
        return None

    def _number(self) -> int:
        return self.count.records + self.count.skipped - 1

    def _weigh(self, message: Message, record: bytes, format_: Format) -> None:
        """Say what a text form does not hold of a message; binary holds everything.

        Raises:
            _LossError: It does not hold something, and that is a reason to stop.
        """
        if not format_.is_text:
            return
        lost = (
            lossy_fields(message, record, format_) if self.strict else lossy_unknown_fields(message)
        )
        if not lost:
            return
        told = [f"{self.name}:record {self._number()}: {loss}" for loss in lost]
        if self.strict:
            raise _LossError(
                f"{told[0]}; not written, since {format_.name} does not hold all of it"
            )
        self.lossy += 1
        if self.lossy <= _MOST_TOLD:
            self._tell([f"warning: {line}" for line in told])

    def _only(self, messages: Iterator[Message], format_: Format) -> bytes:
        """Write the only message of a stream as a document."""
        message = next(messages, None)
        if message is None:
            raise CannotRunError(f"holds no record that a {format_.name} document could hold")
        written = self._encoded(message, lambda message: format_.write(message, self.indent))
        if written is None or next(messages, None) is not None:
            endings = " or ".join(STREAM_EXTENSIONS)
            raise CannotRunError(
                "holds more than one record, and a document holds one: give an output that ends in"
                f" {endings}"
            )
        self._weigh(message, written, format_)
        return written

    def _tell(self, lines: list[str]) -> None:
        self.progress.clear()
        for line in lines:
            self.session.print_error(line)

    def _sum_up(self) -> int:
        if self.lossy > _MOST_TOLD:
            self._tell([f"warning: {self.name}: {self.lossy} records lose fields in all"])
        if self.ended is not None:
            self._tell([*error_lines(self.name, self.ended), f"{self.name}: reading ended there"])
        if not self.count.skipped:
            return GOOD
        total = self.count.records + self.count.skipped
        self._tell([f"{self.name}: {self.count.skipped} of {total} records left out"])
        return INVALID
