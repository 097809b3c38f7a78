"""Reading of streams record by record in constant memory, with progress."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import IO, TYPE_CHECKING, Final

from crucible_ir.cli.files.inputs import (
    STANDARD,
    InputFile,
    ReadOptions,
    any_format_for,
    read_document,
    type_for,
    unreadable,
)
from crucible_ir.cli.progress import StreamProgress
from crucible_ir.cli.session import (
    COULD_NOT_RUN,
    INVALID,
    CannotRunError,
    Session,
    has_short_name,
    print_error,
    with_options,
)
from crucible_ir.errors import DecodeError, EncodeError, Error, ValidationError, Violation
from crucible_ir.extras import MissingExtraError
from crucible_ir.schema.types import message_type
from crucible_ir.serialization.streams.chunk_reader import ChunkReader
from crucible_ir.serialization.streams.compression import decompressed
from crucible_ir.serialization.streams.formats import StreamFormat
from crucible_ir.serialization.streams.native_chunks import ResumedSource, read_available
from crucible_ir.serialization.streams.records import (
    StreamCount,
    StreamError,
    decode_batches,
    within_limits,
)
from crucible_ir.serialization.streams.records import frames as frames_of

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.serialization.streams.chunks import Encode, RecordChunk
    from crucible_ir.serialization.streams.compression import Source as Bytes

#: The stream format with short names of enum values.
_SHORT_NAMES_FORMAT: Final = "crucible-jsonl"


@dataclass(slots=True)
class RecordStream:
    """The records of one stream.

    Attributes:
        name: The name in reports.
        format_: The format.
        read_options: How to read the records.
        type_: The class of the messages; ``None`` for an empty stream without ``--type``.
        source: The uncompressed bytes.
        is_live: Whether the bytes may arrive slowly, as from a pipe.
        progress: The progress on the terminal.
        count: The records read so far.
        short_names: The number of records with short names of enum values, which the format does
            not have.
    """

    name: str
    format_: StreamFormat
    read_options: ReadOptions
    type_: type[Message] | None
    source: Bytes
    is_live: bool
    progress: StreamProgress
    count: StreamCount = field(default_factory=StreamCount)
    short_names: int = 0

    def messages(
        self, *, validate: bool, on_bad: Callable[[StreamError], None] | None
    ) -> Iterator[Message]:
        """Yield the messages, each within the limits.

        Args:
            validate: Whether a record that breaks a rule of the schema is bad.
            on_bad: Called for each bad record; then the next record is read, if it can be found.

        Raises:
            StreamError: A record is bad and there is no ``on_bad``, or the next one is not found.
        """
        if self.type_ is None:
            return
        limits = self.read_options.limits
        read = within_limits(self.format_.reading(self.type_, validate), limits)
        batches = self.format_.split(self.source, limits)
        for message in decode_batches(batches, read, self._noting(on_bad), self.count):
            yield message
            self.progress.show(self.count)

    def chunks(
        self,
        *,
        validate: bool,
        on_bad: Callable[[StreamError], None] | None,
        to: StreamFormat | None = None,
        encode: Encode | None = None,
        threads: int = 1,
    ) -> Iterator[RecordChunk]:
        """Yield the records in chunks, each record within the limits.

        Args:
            validate: Whether a record that breaks a rule of the schema is bad.
            on_bad: As in `messages`.
            to: The format in which the native engine may write the records.
            encode: Writes the messages of the other records.
            threads: The number of threads of the native engine.

        Raises:
            StreamError: As `messages` raises.
        """
        if self.type_ is None:
            return
        reader = ChunkReader(
            self.format_,
            self.type_,
            self.read_options.limits,
            validate=validate,
            to=to,
            encode=encode,
            threads=threads,
            is_live=self.is_live,
        )
        for chunk in reader.chunks(self.source, self._noting(on_bad), self.count):
            yield chunk
            self.progress.show(self.count, len(chunk.offsets))

    def _noting(
        self, on_bad: Callable[[StreamError], None] | None
    ) -> Callable[[StreamError], None]:
        def note_bad(bad: StreamError) -> None:
            self._note_short_names(bad)
            if on_bad is None:
                raise bad
            on_bad(bad)

        return note_bad

    def _note_short_names(self, bad: StreamError) -> None:
        if isinstance(bad.error, DecodeError):
            self.short_names += any(map(has_short_name, bad.error.errors))

    def print_advice(self) -> None:
        """Print which option reads the records with short names, if there are any."""
        if self.short_names:
            records = (
                "1 record has" if self.short_names == 1 else f"{self.short_names} records have"
            )
            print_error(
                f"{self.name}: {records} short names of enum values, which are read with"
                f" --from {_SHORT_NAMES_FORMAT}"
            )


@contextmanager
def open_records(
    source: InputFile, format_: StreamFormat, read_options: ReadOptions
) -> Iterator[RecordStream]:
    """Open a stream and detect the type of its messages.

    Raises:
        CannotRunError: It cannot be opened, or its type cannot be detected.
    """
    try:
        raw: IO[bytes] = (
            sys.stdin.buffer if source.name == STANDARD else open(source.name, "rb")  # noqa: SIM115  # closed below
        )
    except OSError as error:
        raise CannotRunError(unreadable(source.name, error)) from None
    try:
        with decompressed(raw, source.name, read_options.limits.max_expansion) as plain:
            readable = _ReadableSource(source.name, plain)
            type_, bytes_ = _typed(readable, format_, read_options)
            size = _size(raw)
            progress = StreamProgress(size, raw.tell if size else None)
            records = RecordStream(
                source.name, format_, read_options, type_, bytes_, not size, progress
            )
            try:
                with progress:
                    yield records
            finally:
                records.print_advice()
    except MissingExtraError as error:
        raise CannotRunError(str(error)) from None
    finally:
        if raw is not sys.stdin.buffer:
            raw.close()


class _ReadableSource:
    """The bytes of a stream, whose errors name the stream.

    Args:
        name: The name in reports.
        source: The bytes.

    Attributes:
        recorded: What was read, if it is a list.
    """

    def __init__(self, name: str, source: Bytes) -> None:
        self.recorded: list[bytes] | None = None
        self._name = name
        self._source = source

    def read(self, size: int, /) -> bytes:
        return self._try(self._source.read, size)

    def read1(self, size: int, /) -> bytes:
        return self._try(partial(read_available, self._source), size)

    def readline(self, size: int, /) -> bytes:
        return self._try(self._source.readline, size)

    def _try(self, read: Callable[[int], bytes], size: int) -> bytes:
        try:
            data = read(size)
        except OSError as error:
            raise CannotRunError(unreadable(self._name, error)) from None
        if self.recorded is not None:
            self.recorded.append(data)
        return data


def _size(raw: IO[bytes]) -> int:
    """Return the number of bytes to read; 0 if it is unknown, as for a pipe."""
    try:
        status = os.fstat(raw.fileno())
    except (OSError, ValueError):
        return 0
    return status.st_size if stat.S_ISREG(status.st_mode) else 0


def _typed(
    source: _ReadableSource, format_: StreamFormat, read_options: ReadOptions
) -> tuple[type[Message] | None, Bytes]:
    """Return the type of a stream's messages, detected on its first record without ``--type``."""
    if read_options.type_name is not None:
        return message_type(read_options.type_name), source
    recorded: list[bytes] = []
    source.recorded = recorded
    try:
        first = next(format_.split(source, read_options.limits), None)
        if first is None:
            return None, source
        frame = next(frames_of([first]))
        if frame.problem:
            raise DecodeError(frame.problem)
        type_ = type_for(format_.record.parse(frame.data), format_.record, read_options)
    except DecodeError as error:
        raise CannotRunError(
            "the message type cannot be detected from the first record"
            f" ({with_options(str(error), in_stream=True)}); give --type"
        ) from None
    source.recorded = None
    return type_, ResumedSource(b"".join(recorded), source)


def read_messages(source: InputFile, read_options: ReadOptions) -> Iterator[tuple[str, Message]]:
    """Yield the messages of a document or a stream, each with its name in reports.

    Raises:
        CannotRunError: The file cannot be read, or its type cannot be detected.
        DecodeError: The document does not have its format and type, or exceeds a limit.
        StreamError: A record of the stream is bad.
    """
    format_ = any_format_for(source, read_options)
    if not isinstance(format_, StreamFormat):
        yield source.name, read_document(source, format_, read_options, validate=False)
        return
    with open_records(source, format_, read_options) as records:
        for number, message in enumerate(records.messages(validate=False, on_bad=None)):
            records.progress.clear()
            yield f"{source.name}:record {number}", message


def print_file_error(session: Session, name: str, error: Error) -> int:
    """Print an error about a file or one of its records, and return the exit status for it."""
    if isinstance(error, StreamError):
        for line in error_lines(name, error):
            session.print_error(line)
    elif isinstance(error, (DecodeError, EncodeError)):
        session.print_document_error(name, error)
    else:
        session.print_error(f"{name}: {error}")
        return COULD_NOT_RUN
    return INVALID


def error_lines(name: str, bad: StreamError) -> list[str]:
    """Describe a bad record, with a line for each rule that it breaks."""
    place = f"{name}:{bad.position}" if bad.position else f"{name}:record {bad.record}"
    if isinstance(bad.error, ValidationError):
        return [
            f"{_place_of(violation, name, bad) or place}: {violation}"
            for violation in bad.error.violations
        ]
    at = "" if bad.position else f" (record at byte {bad.offset})"
    path = f"{bad.path}: " if bad.path else ""
    return [f"{place}: {path}{with_options(bad.reason, in_stream=True)}{at}"]


def _place_of(violation: Violation, name: str, bad: StreamError) -> str:
    """Return the place of a violation in a stream of lines; empty if it is not known."""
    if bad.position is None or violation.position is None:
        return ""
    # A record is a line, and its violations have columns in it.
    return f"{name}:{replace(bad.position, column=violation.position.column)}"
