"""Frames survive writing and reading in pieces of any size; invalid frames are errors."""

from __future__ import annotations

import io

import pytest
from google.protobuf import proto
from hypothesis import given
from hypothesis import strategies as st

from crucible_ir.conformance import v1
from crucible_ir.conformance.frames import (
    MAX_FRAME_BYTES,
    FrameBuffer,
    FrameError,
    frame,
    read_frame,
)


def response(text: str) -> v1.Response:
    return v1.Response(executor_error=text)


texts = st.lists(st.text(max_size=400).map(response), max_size=5)


@given(texts)
def test_a_frame_is_a_length_prefixed_message(messages: list[v1.Response]) -> None:
    for message in messages:
        expected = io.BytesIO()
        proto.serialize_length_prefixed(message, expected)
        assert frame(message) == expected.getvalue()


@given(texts, st.integers(1, 50))
def test_frames_are_read_from_pieces_of_any_size(messages: list[v1.Response], size: int) -> None:
    data = b"".join(map(frame, messages))
    buffer, found = FrameBuffer(), []
    for start in range(0, len(data), size):
        buffer.feed(data[start : start + size])
        while (body := buffer.take()) is not None:
            found.append(v1.Response.FromString(body))
    assert found == messages
    assert len(buffer) == 0


@given(texts)
def test_frames_are_read_from_a_stream_up_to_its_end(messages: list[v1.Response]) -> None:
    source = io.BytesIO(b"".join(map(frame, messages)))
    found = []
    while (body := read_frame(source)) is not None:
        found.append(v1.Response.FromString(body))
    assert found == messages


def test_a_stream_that_ends_inside_a_frame_is_an_error() -> None:
    data = frame(response("x" * 300))
    for end in range(1, len(data)):
        with pytest.raises(FrameError, match="the input ends inside a message"):
            read_frame(io.BytesIO(data[:end]))


def test_an_invalid_or_too_large_size_is_an_error() -> None:
    for data, words in (
        (b"\xff" * 5, "expected the size of a message"),
        (b"\x81\x80\x80\x20", "of 67,108,865 bytes exceeds the limit of 67,108,864"),
    ):
        buffer = FrameBuffer()
        buffer.feed(data)
        with pytest.raises(FrameError, match=words):
            buffer.take()
        with pytest.raises(FrameError, match=words):
            read_frame(io.BytesIO(data))
    buffer = FrameBuffer()
    buffer.feed(b"\x80\x80\x80\x20")
    assert MAX_FRAME_BYTES == 0x20 << 21
    assert buffer.take() is None
