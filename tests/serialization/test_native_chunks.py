"""What an engine leaves is read in Python: the chunks are those of Python alone.

The engine is one in Python. It leaves some records, as the native engine leaves those that it is
not certain about, and it can fail.
"""

from __future__ import annotations

import gzip
import io
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from record_streams import LIMITS, RECORDS, WRITERS, event, expected, found, stream_of, streams

import crucible_ir as ir
from crucible_ir import v1
from crucible_ir.serialization.streams import native_chunks, native_records
from crucible_ir.serialization.streams.chunk_reader import ChunkReader
from crucible_ir.serialization.streams.delimited import size_at
from crucible_ir.serialization.streams.formats import STREAM_FORMATS

READERS: dict[str, Callable[..., Any]] = {
    "delimited": ir.from_binary,
    "jsonl": ir.from_json,
    "crucible-jsonl": ir.from_crucible_json,
}


class Engine:
    """Reads the records of a stream; arguments as in `native_records.record_reader`.

    Attributes:
        leaves: It leaves each record whose number is divisible by this.
        fails_at: It fails from this offset on.
    """

    leaves = 3
    fails_at = 10**9

    def __init__(self, class_: Any, from_: str, to: str | None, **options: Any) -> None:
        self.class_, self.from_, self.to, self.options = class_, from_, to, options
        self.is_text = from_ != "delimited"
        self.count = 0

    def message(self, piece: bytes, at: int) -> tuple[int, int, int, int] | None:
        """Return the start, size and two ends of the message of a record."""
        if self.is_text:
            end = piece.find(b"\n", at)
            line = piece[at:end]
            return None if end < 0 else (at, len(line), at + len(line.rstrip(b"\r")), end + 1)
        head = size_at(piece, at)
        return head and (head[0], head[1], sum(head), sum(head))

    def read(
        self, piece: bytes, start: int, before: int, empty: int
    ) -> native_records.RecordPiece | None:
        """Read the complete records of a piece."""
        output, offsets = b"", array("Q")
        unsure: list[tuple[int, int, int, int, int]] = []
        end, lines, needs_more = start, 0, self.is_text or len(piece) - start < 10
        while message := self.message(piece, end):
            begin, size, stop, after = message
            needs_more = size <= self.options["max_bytes"]
            if not needs_more or after > len(piece):
                break
            data = piece[begin:stop]
            is_empty = not (data.strip() if self.is_text else data)
            empty = empty + 1 if is_empty else 0
            if empty > self.options["max_empty"]:
                needs_more = False
                break
            if not (is_empty and self.is_text):
                written = self.convert(data)
                if written is None:
                    unsure.append((len(offsets), begin, stop, lines, len(output)))
                offsets.append(before + end - start)
                output += written or b""
            lines += self.is_text
            end = after
            needs_more = self.is_text or len(piece) - end < 10
        piece_read = output, offsets.tobytes(), unsure, end, lines, empty, needs_more
        return None if before >= self.fails_at else native_records.RecordPiece(*piece_read)

    def convert(self, data: bytes) -> bytes | None:
        """Return a record in the other format; ``None`` to leave it."""
        self.count += 1
        file = io.BytesIO()
        try:
            message = READERS[self.from_](data, self.class_, validate=self.options["validate"])
            if self.to is not None:
                WRITERS[self.to](file, [message])
        except ir.Error:
            return None
        return file.getvalue() if self.count % self.leaves else None


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> type[Engine]:
    """Use the engine."""
    monkeypatch.setattr(native_records, "record_reader", Engine)
    monkeypatch.setattr(native_chunks, "_PIECE_BYTES", 50)
    return Engine


@pytest.mark.parametrize("format_", list(RECORDS))
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_the_records_that_an_engine_leaves_are_read_in_python(
    format_: str, data: st.DataObject
) -> None:
    stream = data.draw(streams(format_))
    to = data.draw(st.sampled_from([None, *WRITERS]))
    limits = data.draw(st.sampled_from(LIMITS))
    validate = data.draw(st.booleans())
    wanted = expected(stream, format_, to, limits, validate)
    with (
        patch.object(native_records, "record_reader", Engine),
        patch.object(native_chunks, "_PIECE_BYTES", data.draw(st.sampled_from([1, 50, 5000]))),
        patch.object(Engine, "leaves", data.draw(st.sampled_from([1, 2, 100]))),
        patch.object(Engine, "fails_at", data.draw(st.sampled_from([0, 300, 10**9]))),
    ):
        assert found(stream, format_, to, limits, validate, 1) == wanted


@pytest.mark.parametrize("format_", list(RECORDS))
def test_a_record_that_is_longer_than_a_piece_is_read_whole(
    format_: str, engine: type[Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "leaves", 100)
    messages = [event(1, comment="x" * 100_000), event(2), event(3, comment="y" * 40_000)]
    options: Any = {"format": format_, "to": "jsonl"}
    stream = stream_of(messages, format_)
    chunks = list(ir.bulk_records(stream, "FeedbackEvent", **options))
    assert b"".join(chunk.data for chunk in chunks) == stream_of(messages, "jsonl")
    limits = ir.Limits(max_frame_bytes=50_000)
    for end in (len(stream), 99_000, len(stream) - 20):
        wanted = expected(stream[:end], format_, "jsonl", limits, True)
        assert found(stream[:end], format_, "jsonl", limits, True, 1) == wanted


@pytest.mark.parametrize("format_", list(RECORDS))
def test_damaged_compression_is_the_error_of_the_record_that_it_cuts(
    format_: str, engine: type[Engine], tmp_path: Path
) -> None:
    extensions = STREAM_FORMATS[format_].extensions
    path = tmp_path / f"events{extensions[0]}.gz"
    whole = gzip.compress(stream_of([event(number) for number in range(2000)], format_))
    for cut in (0, 1, 9, 30, 3000):
        path.write_bytes(whole[: len(whole) - cut])
        result = ir.validate_many(path, "FeedbackEvent")
        count = ir.StreamCount()
        wanted = None
        try:
            read = ir.read_delimited if format_ == "delimited" else ir.read_jsonl
            dialect: Any = {"dialect": "crucible"} if format_ == "crucible-jsonl" else {}
            for _ in read(path, "FeedbackEvent", count=count, **dialect):
                pass
        except ir.StreamError as error:
            wanted = str(error)
        assert (str(result.end_error) if result.end_error else None) == wanted
        assert (result.records - result.bad_records, result.bytes) == (count.records, count.bytes)


def test_what_has_arrived_of_a_live_stream_is_read_at_once(engine: type[Engine]) -> None:
    class Pipe(io.BytesIO):
        """A pipe whose writer waits after each line."""

        def read(self, size: int | None = -1, /) -> bytes:
            raise AssertionError("it waits for all bytes")

        def read1(self, size: int | None = -1, /) -> bytes:
            return self.readline(size)

    stream = stream_of([event(number) for number in range(3)], "jsonl")
    for python in (False, True):
        reader = ChunkReader(
            *(STREAM_FORMATS["jsonl"], v1.FeedbackEvent, ir.Limits()),
            is_live=True,
            # Without a format for the engine, Python writes the records.
            to=None if python else STREAM_FORMATS["jsonl"],
            encode=(lambda message, number, offset: b"{}\n") if python else None,
        )
        chunks = list(reader.chunks(Pipe(stream), None))
        assert [chunk.first for chunk in chunks] == [0, 1, 2]
