"""Whole streams: the bulk functions agree with the readers and writers of messages."""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st
from record_streams import (
    LIMITS,
    RECORDS,
    WRITERS,
    event,
    expected,
    found,
    shown,
    stream_of,
    streams,
)

import crucible_ir as ir
from crucible_ir import v1
from crucible_ir.serialization.formats import UnknownFormatError
from crucible_ir.serialization.streams import native_chunks

try:
    from compression import zstd  # type: ignore[import-not-found,unused-ignore]
except ImportError:
    from backports import zstd


@pytest.mark.parametrize("format_", list(RECORDS))
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_chunks_have_the_verdicts_and_records_of_the_readers_and_writers(
    format_: str, data: st.DataObject
) -> None:
    stream = data.draw(streams(format_))
    to = data.draw(st.sampled_from([None, *WRITERS]))
    limits = data.draw(st.sampled_from(LIMITS))
    validate, threads = data.draw(st.booleans()), data.draw(st.sampled_from([1, 2, 5]))
    wanted = expected(stream, format_, to, limits, validate)
    in_pieces = patch.object(
        native_chunks, "_PIECE_BYTES", data.draw(st.sampled_from([1, 7, 100, 1000, 100_000]))
    )
    with in_pieces:
        assert found(stream, format_, to, limits, validate, threads) == wanted
    if validate:
        wanted = expected(stream, format_, None, limits, True)
        options: Any = {"format": format_, "limits": limits, "threads": threads}
        with in_pieces:
            result = ir.validate_many(stream, v1.FeedbackEvent, **options)
        assert [shown(each) for each in result.errors] == wanted.errors
        bad = wanted.count.skipped + (wanted.end_error is not None)
        assert result.records == wanted.count.records + bad
        assert (result.bad_records, result.bytes) == (bad, wanted.count.bytes)
        assert (result.end_error and shown(result.end_error)) == wanted.end_error
        assert result.is_valid == (bad == 0)


MANY: list[Message] = [event(number) for number in range(2_500)]


@pytest.mark.parametrize("format_", list(RECORDS))
def test_a_long_stream_has_many_chunks_with_every_record_once_and_in_order(
    format_: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native_chunks, "_PIECE_BYTES", 20_000)
    plain = stream_of(MANY, format_)
    extension = {"delimited": ".binpbs", "jsonl": ".jsonl", "crucible-jsonl": ".crucible.jsonl"}
    for compression, data in (
        ("", plain),
        (".gz", gzip.compress(plain, 1)),
        (".zst", zstd.compress(plain)),
    ):
        path = tmp_path / f"events{extension[format_]}{compression}"
        path.write_bytes(data)
        chunks = list(ir.bulk_records(path, "FeedbackEvent", to="jsonl", threads=2))
        assert len(chunks) > 1
        assert [chunk.first for chunk in chunks[1:]] == [
            chunk.first + len(chunk.offsets) for chunk in chunks[:-1]
        ]
        assert chunks[-1].end == len(plain)
        assert b"".join(chunk.data for chunk in chunks) == stream_of(MANY, "jsonl")
        result = ir.validate_many(str(path), "FeedbackEvent", threads=2)
        assert (result.records, result.bad_records, result.bytes) == (2_500, 0, len(plain))
    path.write_bytes(data[:-5])
    end_error = ir.validate_many(path, "FeedbackEvent").end_error
    assert end_error is not None and "the compressed data is truncated" in str(end_error)


def test_the_offsets_are_those_of_the_records() -> None:
    data = b"".join(RECORDS["delimited"][:6])
    offsets = [0]
    for record in RECORDS["delimited"][:6]:
        offsets.append(offsets[-1] + len(record))
    bad: list[ir.StreamError] = []
    (chunk,) = ir.bulk_records(data, "FeedbackEvent", format="delimited", on_bad=bad.append)
    assert [*chunk.offsets, chunk.end] == offsets
    assert (chunk.first, chunk.bad, chunk.good, chunk.data) == (0, (4,), 5, b"")


def test_without_on_bad_the_records_before_the_first_bad_one_come_first() -> None:
    parts = RECORDS["jsonl"]
    stream = b"".join([*parts[:3], b"\n", parts[4], parts[0]])
    chunks = ir.bulk_records(stream, "FeedbackEvent", format="jsonl", to="jsonl")
    first = next(chunks)
    assert (first.data, len(first.offsets), first.bad) == (b"".join(parts[:3]), 4, (3,))
    with pytest.raises(ir.StreamError, match=r"^record 3 at line 5: id: must not be empty"):
        next(chunks)


def test_the_errors_are_bounded_and_all_bad_records_are_counted() -> None:
    stream = b"{}\n" * 2000
    result = ir.validate_many(stream, "StageDef", format="jsonl", max_errors=3)
    assert (result.records, result.bad_records, len(result.errors)) == (2000, 2000, 3)
    assert [each.record for each in result.errors] == [0, 1, 2]


def test_an_open_file_is_read_to_its_end_in_pieces_of_any_size() -> None:
    class Slow(io.BytesIO):
        def read(self, _: int | None = -1, /) -> bytes:
            return super().read(7)

        def read1(self, _: int | None = -1, /) -> bytes:
            return super().read(7)

        def readline(self, size: int | None = -1, /) -> bytes:
            return super().readline(size)

    for format_ in RECORDS:
        stream = stream_of(MANY[:50], format_)
        options: Any = {"format": format_, "to": "delimited"}
        chunks = ir.bulk_records(Slow(stream), "FeedbackEvent", **options)
        assert b"".join(chunk.data for chunk in chunks) == stream_of(MANY[:50], "delimited")


def test_an_error_of_the_caller_is_raised_as_it_is() -> None:
    def fail(error: ir.StreamError) -> None:
        raise KeyError(error.record)

    with pytest.raises(KeyError):
        list(ir.bulk_records(b"{}\n", "StageDef", format="jsonl", on_bad=fail))


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        (b"", {}, "without a path, the format is not known: give format=, one of delimited"),
        (b"", {"format": "json"}, 'unknown stream format "json"; expected one of delimited'),
        (b"", {"format": "jsnl"}, 'did you mean "jsonl"'),
        ("a.json", {}, "json is a format of documents; expected a stream: delimited, jsonl"),
        ("a.txt", {}, 'unknown file extension ".txt"'),
    ],
)
def test_an_unknown_format_is_an_error_that_names_the_formats(
    source: Any, options: Any, message: str
) -> None:
    for function in (ir.validate_many, ir.bulk_records):
        with pytest.raises(UnknownFormatError, match=message):
            function(source, "StageDef", **options)


def test_wrong_arguments_are_errors_at_once() -> None:
    with pytest.raises(ValueError, match="expected at least 1 thread, got 0"):
        ir.bulk_records(b"", "StageDef", format="jsonl", threads=0)
    with pytest.raises(ir.UnknownTypeError):
        ir.bulk_records(b"", "StageDefs", format="jsonl")
    with pytest.raises(UnknownFormatError, match='did you mean "jsonl"'):
        ir.bulk_records(b"", "StageDef", format="jsonl", to="jsnl")  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError):
        ir.validate_many("missing.jsonl", "StageDef")


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_streams_in_memory_can_be_of_any_kind_of_bytes(kind: Any) -> None:
    found = ir.validate_many(kind(b'{"name": "a"}\n{}'), "StageDef", format="jsonl")
    assert (found.records, found.bad_records) == (2, 1)


def test_what_is_no_stream_is_an_error() -> None:
    nothing: Any = None
    expected = r"^expected a path or an open binary file, got None$"
    with pytest.raises(ir.DecodeError, match=expected):
        ir.validate_many(nothing, "StageDef", format="jsonl")
    with pytest.raises(ir.DecodeError, match=expected):
        list(ir.bulk_records(nothing, "StageDef", format="jsonl"))
    with pytest.raises(ir.DecodeError, match=expected):
        list(ir.read_jsonl(nothing, "StageDef"))
