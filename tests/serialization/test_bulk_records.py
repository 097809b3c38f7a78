"""Whole streams: the bulk functions agree with the readers and writers of messages."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st

import crucible_ir as ir
from crucible_ir import v1
from crucible_ir.serialization.formats import UnknownFormatError
from crucible_ir.serialization.wire import encode_varint

try:
    from compression import zstd  # type: ignore[import-not-found,unused-ignore]
except ImportError:
    from backports import zstd


def delimited(data: bytes) -> bytes:
    return encode_varint(len(data)) + data


def event(number: int, **fields: Any) -> v1.FeedbackEvent:
    made = v1.FeedbackEvent(id=f"e{number}", latency_ms=number, **fields)
    made.timestamp.FromJsonString("2025-12-01T10:00:00.5Z")
    made.input["text"] = "é\n"
    return made


def nan_inside() -> v1.FeedbackEvent:
    made = event(4)
    made.output["score"] = float("nan")
    return made


READERS: dict[str, Callable[..., Any]] = {
    "delimited": ir.read_delimited,
    "jsonl": ir.read_jsonl,
    "crucible-jsonl": lambda *args, **options: ir.read_jsonl(*args, dialect="crucible", **options),
}
WRITERS: dict[str, Callable[..., Any]] = {
    "delimited": ir.write_delimited,
    "jsonl": ir.write_jsonl,
    "crucible-jsonl": lambda *args: ir.write_jsonl(*args, dialect="crucible"),
}

GOOD = [event(number, feedback_type=number) for number in range(4)]
INVALID = v1.FeedbackEvent(id="", latency_ms=-1)
#: An unknown field, and an unknown group with the field number 0, which only its group has.
NEWER = GOOD[0].SerializeToString() + b"\xf8\x07\x01"
NUMBER_ZERO = GOOD[0].SerializeToString() + b"\xfb\x07\x00\x01\xfc\x07"

LINES = [
    *(b"\n", b" \r\n", b'{"id":3}\n', b"{,}\n", b'{"id":"a","id":"b"}\n', b"\xff\n", b"null\n"),
    *(b'{"id":"a"}\r\n', b'{"id":""}\n', b'{"feedbackType":"thumbs"}\n', b"[1]\n", b'{"i\n'),
    *(b'{"id":"' + b"x" * 5000 + b'"}\n', b'\t{"id":"a","latency_ms":1.0}\n'),
]
RECORDS = {
    "delimited": [
        *(delimited(each.SerializeToString()) for each in [*GOOD, INVALID, nan_inside()]),
        *map(delimited, (NEWER, NUMBER_ZERO, b"", b"\x0a\x01\xff", b"\x0a\x05a", b"\x07")),
        # The value of opaque JSON has no kind, and a name has two values.
        *map(delimited, (b"\x0a\x01a\x2a\x07\x0a\x05\x0a\x01a\x12\x00", b"\x0a\x01a\x0a\x01b")),
        delimited(b"\x0a\xe0\x2e" + b"x" * 6000),
        b"\x83\x80\x00\x0a\x01a",
    ],
    "jsonl": [*(ir.to_json(each).encode() + b"\n" for each in [*GOOD, INVALID]), *LINES],
    "crucible-jsonl": [
        *(ir.to_crucible_json(each).encode() + b"\n" for each in [*GOOD, INVALID]),
        *LINES,
    ],
}
#: What a stream can end with; it may end the stream with an error.
ENDINGS = {
    "delimited": [b"", b"\x05ab", b"\x80", b"\xff" * 12],
    "jsonl": [b"", b'{"id":"a"}', b'{"id":'],
    "crucible-jsonl": [b"", b'{"id":"a"}', b'{"id":'],
}
LIMITS = [
    ir.Limits(),
    ir.Limits(max_frame_bytes=1000),
    ir.Limits(max_empty_records=1),
    ir.Limits(max_string_bytes=1000, max_items=3),
]


@dataclass
class Outcome:
    """What came out of a stream, in comparable form."""

    errors: list[tuple[object, ...]]
    end_error: tuple[object, ...] | None
    count: ir.StreamCount
    data: bytes


def shown(error: ir.StreamError) -> tuple[object, ...]:
    inner = error.error
    kind = type(inner).__name__
    details = str(inner) if inner is not None else ""
    return (error.record, error.offset, str(error), error.path, error.ends_stream, kind, details)


def expected(
    data: bytes, format_: str, to: str | None, limits: ir.Limits, validate: bool
) -> Outcome:
    """Read messages and write each."""
    errors: list[ir.StreamError] = []
    end_error = None
    count = ir.StreamCount()
    file = io.BytesIO()
    at = 0

    def add(error: ir.StreamError) -> None:
        nonlocal at
        at = count.bytes
        errors.append(error)

    read = READERS[format_](
        *(io.BytesIO(data), "FeedbackEvent"),
        **{"limits": limits, "validate": validate, "on_bad": add, "count": count},
    )
    try:
        for message in read:
            number = count.records + count.skipped - 1
            try:
                if to is not None:
                    WRITERS[to](file, [message])
            except ir.EncodeError as error:
                count.records -= 1
                count.skipped += 1
                bad = ir.StreamError(
                    f"{error.path}: {error.reason}", record=number, offset=at, error=error
                )
                errors.append(bad)
            at = count.bytes
    except ir.StreamError as error:
        end_error = shown(error)
    return Outcome([shown(each) for each in errors], end_error, count, file.getvalue())


def found(
    data: bytes, format_: str, to: str | None, limits: ir.Limits, validate: bool, threads: int
) -> Outcome:
    errors: list[ir.StreamError] = []
    end_error = None
    count = ir.StreamCount()
    chunks: list[ir.RecordChunk] = []
    options: Any = {"format": format_, "to": to, "limits": limits, "validate": validate}
    try:
        for chunk in ir.bulk_records(
            *(data, "FeedbackEvent"),
            **{"on_bad": errors.append, "count": count, "threads": threads, **options},
        ):
            assert count.records + count.skipped == chunk.first + len(chunk.offsets)
            assert count.bytes == chunk.end
            chunks.append(chunk)
    except ir.StreamError as error:
        end_error = shown(error)
    assert [number for chunk in chunks for number in chunk.bad] == [each.record for each in errors]
    offsets = [offset for chunk in chunks for offset in chunk.offsets]
    assert len(offsets) == count.records + count.skipped
    assert offsets == sorted(offsets)
    assert {each.record: each.offset for each in errors} == {
        each.record: offsets[each.record] for each in errors
    }
    written = b"".join(chunk.data for chunk in chunks)
    return Outcome([shown(each) for each in errors], end_error, count, written)


def streams(format_: str) -> st.SearchStrategy[bytes]:
    """Return streams of up to 60 records."""
    records = st.lists(st.sampled_from(RECORDS[format_]), max_size=60)
    endings = st.sampled_from(ENDINGS[format_])
    return st.builds(lambda parts, ending: b"".join(parts) + ending, records, endings)


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
    assert found(stream, format_, to, limits, validate, threads) == wanted
    if validate:
        wanted = expected(stream, format_, None, limits, True)
        options: Any = {"format": format_, "limits": limits, "threads": threads}
        result = ir.validate_many(stream, v1.FeedbackEvent, **options)
        assert [shown(each) for each in result.errors] == wanted.errors
        bad = wanted.count.skipped + (wanted.end_error is not None)
        assert result.records == wanted.count.records + bad
        assert (result.bad_records, result.bytes) == (bad, wanted.count.bytes)
        assert (result.end_error and shown(result.end_error)) == wanted.end_error
        assert result.is_valid == (bad == 0)


def stream_of(messages: list[Message], format_: str) -> bytes:
    file = io.BytesIO()
    WRITERS[format_](file, messages)
    return file.getvalue()


MANY: list[Message] = [event(number) for number in range(2_500)]


@pytest.mark.parametrize("format_", list(RECORDS))
def test_a_long_stream_has_many_chunks_with_every_record_once_and_in_order(
    format_: str, tmp_path: Path
) -> None:
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
