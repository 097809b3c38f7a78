"""Reading of the records of a stream in chunks, by the native engine where it is certain."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from crucible_ir.serialization.streams import native_records
from crucible_ir.serialization.streams.chunks import OpenChunk
from crucible_ir.serialization.streams.native_chunks import NativeChunks, Place
from crucible_ir.serialization.streams.records import StreamError, within_limits

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.serialization.limits import Limits
    from crucible_ir.serialization.streams.chunks import Encode, RecordChunk
    from crucible_ir.serialization.streams.compression import Source
    from crucible_ir.serialization.streams.formats import StreamFormat
    from crucible_ir.serialization.streams.records import Batch, OnBad, RecordReader, StreamCount

#: A chunk ends with the first record after so many records, or so many bytes of the stream.
_CHUNK_RECORDS = 1000
_CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ChunkReader:
    """Reads the records of a stream in chunks.

    Attributes:
        format_: The format of the stream.
        type_: The class of the messages.
        limits: The limits on records, their messages and compression.
        validate: Whether a record that breaks a rule of the schema is bad.
        to: The format of the chunks' data; ``None`` for none. A message that it cannot represent
            makes a bad record.
        encode: Writes messages in place of ``to``. With ``to``, it is not called for records that
            the native engine writes, which certainly have no unknown fields.
        threads: The number of threads of the native engine.
        is_live: Whether chunks are as small as the pieces in which the stream arrives.
    """

    format_: StreamFormat
    type_: type[Message]
    limits: Limits
    validate: bool = True
    to: StreamFormat | None = None
    encode: Encode | None = None
    threads: int = 1
    is_live: bool = False

    def chunks(
        self, source: Source, on_bad: OnBad | None, count: StreamCount | None = None
    ) -> Iterator[RecordChunk]:
        """Yield the records of a stream.

        Args:
            source: The stream.
            on_bad: Called with the error of each bad record that can be skipped, before the chunk
                with that record; ``None`` to raise the first one.
            count: Updated before each chunk.

        Raises:
            StreamError: As `read_delimited` raises, after the chunk with the records before it.
        """
        decoding = _Decoding(self, on_bad)
        engine = self._engine()
        if engine is None:
            chunks = decoding.chunks(source, Place(), is_record=False)
        else:
            chunks = NativeChunks(engine, self, decoding).chunks(source)
        for chunk in chunks:
            if count is not None:
                count.records += chunk.good
                count.skipped += len(chunk.bad)
                count.bytes = chunk.end
            yield chunk

    def _engine(self) -> native_records.RecordReader | None:
        """Return the reader of the native engine; ``None`` for Python alone."""
        limits = self.limits
        if limits.limit_content or limits.max_frame_bytes < 0 or limits.max_empty_records < 0:
            return None
        if self.encode is not None and self.to is None:
            return None
        return native_records.record_reader(
            self.type_,
            self.format_.name,
            None if self.to is None else self.to.name,
            validate=self.validate,
            leave_unknown=self.encode is not None,
            threads=self.threads,
            max_bytes=limits.max_frame_bytes,
            max_empty=limits.max_empty_records,
        )


class _Decoding:
    """The decoding of records in Python.

    Args:
        reader: The reader of chunks.
        on_bad: As in `ChunkReader.chunks`.
    """

    def __init__(self, reader: ChunkReader, on_bad: OnBad | None) -> None:
        self._reader = reader
        self._on_bad = on_bad
        self._encode = _encode(reader)
        self._records: RecordReader = within_limits(
            reader.format_.reading(reader.type_, reader.validate), reader.limits
        )

    def decode(self, first: int, batches: list[Batch]) -> tuple[OpenChunk, Exception | None]:
        """Return a chunk with the records up to the one that raises an error, and that error."""
        chunk = OpenChunk(first, batches, self._encode, self._on_bad)
        return chunk, chunk.fill(self._records)

    def chunks(self, source: Source, place: Place, *, is_record: bool) -> Iterator[RecordChunk]:
        """Yield the records of a stream from a place on, or only the next record."""
        batches = _moved(self._reader.format_.split(source, self._reader.limits), place)
        first = place.record
        for group in [list(islice(batches, 1))] if is_record else self._grouped(batches):
            chunk, error = self.decode(first, group)
            if chunk.added:
                yield chunk.close()
            if error is not None:
                raise error
            first += chunk.added

    def _grouped(self, batches: Iterable[Batch]) -> Iterator[list[Batch]]:
        """Yield the batches of each chunk; an error is raised after the batches before it."""
        group: list[Batch] = []
        records = 0
        try:
            for batch in batches:
                group.append(batch)
                records += len(batch.records)
                size = batch.base + batch.end - group[0].base - group[0].start
                if records >= _CHUNK_RECORDS or size >= _CHUNK_BYTES or self._reader.is_live:
                    yield group
                    group, records = [], 0
        except Exception:
            if group:
                yield group
            raise
        if group:
            yield group


def _encode(reader: ChunkReader) -> Encode | None:
    if reader.encode is not None or reader.to is None:
        return reader.encode
    encode = reader.to.encode
    return lambda message, number, offset: encode(message)


def _moved(batches: Iterator[Batch], place: Place) -> Iterator[Batch]:
    """Return batches of the rest of a stream as those of the whole stream."""
    try:
        for batch in batches:
            line = batch.line and batch.line + place.line
            yield batch._replace(base=batch.base + place.offset, line=line)
    except StreamError as error:
        error.record += place.record
        error.offset += place.offset
        raise
