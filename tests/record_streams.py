"""Streams with good and bad records, and what the readers of messages make of them."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message
from hypothesis import strategies as st

import crucible_ir as ir
from crucible_ir import v1
from crucible_ir.serialization.wire import encode_varint


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
        # A later value replaces one that is not UTF-8.
        delimited(b"\x0a\x01\xff\x0a\x01b"),
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
    """Read chunks, and check what they say about themselves."""
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


def stream_of(messages: Sequence[Message], format_: str) -> bytes:
    """Write messages as a stream."""
    file = io.BytesIO()
    WRITERS[format_](file, messages)
    return file.getvalue()
