"""Streams: google's framing, errors with the number of the record, and constant memory."""

from __future__ import annotations

import gzip
import io
import os
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from google.protobuf import json_format, proto
from hypothesis import given
from hypothesis import strategies as st

import crucible_ir as ir
from crucible_ir import v1
from crucible_ir.extras import MissingExtraError
from crucible_ir.serialization.streams import records
from crucible_ir.serialization.wire import encode_varint

# Written by hand: field 1 is "a", which is 0a 01 61, three bytes.
STAGE_A = bytes([3, 0x0A, 1, 0x61])
STAGE_B = bytes([3, 0x0A, 1, 0x62])


def names(data: bytes, **options: Any) -> list[str]:
    return [stage.name for stage in ir.read_delimited(io.BytesIO(data), v1.StageDef, **options)]


def written(*messages: v1.StageDef) -> bytes:
    file = io.BytesIO()
    assert ir.write_delimited(file, messages) == len(messages)
    return file.getvalue()


def error_of(data: bytes, **options: Any) -> ir.StreamError:
    with pytest.raises(ir.StreamError) as caught:
        names(data, **options)
    return caught.value


def test_writes_the_bytes_that_were_counted_by_hand() -> None:
    assert written(v1.StageDef(name="a"), v1.StageDef(name="b")) == STAGE_A + STAGE_B
    # A name of 300 bytes: the field has 1 + 2 + 300 = 303 bytes, af 02 as a varint.
    assert written(v1.StageDef(name="x" * 300))[:5] == bytes([0xAF, 0x02, 0x0A, 0xAC, 0x02])
    assert written(v1.StageDef()) == b"\0"
    assert written() == b""


@given(texts=st.lists(st.text(max_size=400), max_size=8))
def test_writes_and_reads_the_same_stream_as_google(texts: list[str]) -> None:
    stages = [v1.StageDef(name=text) for text in texts]
    file = io.BytesIO()
    for stage in stages:
        proto.serialize_length_prefixed(stage, file)
    assert file.getvalue() == written(*stages)
    assert (
        list(ir.read_delimited(io.BytesIO(file.getvalue()), "StageDef", validate=False)) == stages
    )
    ours = io.BytesIO(written(*stages))
    assert [proto.parse_length_prefixed(v1.StageDef, ours) for _ in stages] == stages
    assert proto.parse_length_prefixed(v1.StageDef, ours) is None


@given(number=st.integers(0, 2**64 - 1))
def test_writes_the_same_varints_as_protobuf(number: int) -> None:
    # Field 1 of google.protobuf.UInt64Value without its tag.
    from google.protobuf.wrappers_pb2 import UInt64Value

    assert encode_varint(number) == (UInt64Value(value=number).SerializeToString()[1:] or b"\0")


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_records_are_found_in_pieces_of_any_size(size: int) -> None:
    class Slow(io.BytesIO):
        def read(self, _: int | None = -1, /) -> bytes:
            return super().read(size)

    stages = [v1.StageDef(name="n" * length) for length in (1, 126, 127, 128, 300, 20_000)]
    assert list(ir.read_delimited(Slow(written(*stages)), v1.StageDef, validate=False)) == stages


def padded(size: int, padding: int) -> bytes:
    """Return a size as a varint with more bytes than necessary."""
    varint = bytearray(encode_varint(size))
    if padding:
        varint[-1] |= 0x80
        varint += b"\x80" * (padding - 1) + b"\0"
    return bytes(varint)


@given(
    records=st.lists(
        st.tuples(
            st.sampled_from([0, 1, 124, 125, 126, 127, 300, 16_380, 16_381, 40_000]),
            st.integers(0, 4),
            st.booleans(),
        ),
        max_size=12,
    )
)
def test_each_record_has_its_number_and_offset(records: list[tuple[int, int, bool]]) -> None:
    data, begins, ends = b"", [], []
    for length, padding, good in records:
        # In a bad record, the name is not UTF-8.
        body = v1.StageDef(name="n" * length).SerializeToString() if good else b"\x0a\x01\xff"
        begins.append(len(data))
        data += padded(len(body), padding) + body
        ends.append(len(data))
    bad: list[ir.StreamError] = []
    count = ir.StreamCount()
    found = []
    for stage in ir.read_delimited(
        io.BytesIO(data), v1.StageDef, validate=False, on_bad=bad.append, count=count
    ):
        found.append((len(stage.name), count.bytes))
    expected = [(length, end) for (length, _, good), end in zip(records, ends, strict=True) if good]
    assert found == expected
    assert [(each.record, each.offset) for each in bad] == [
        (index, begins[index]) for index, (_, _, good) in enumerate(records) if not good
    ]
    assert count.bytes == len(data)


def test_a_stream_that_is_truncated_inside_a_record_is_an_error() -> None:
    data = STAGE_A + written(v1.StageDef(name="x" * 300)) + STAGE_B
    ends = {0: 0, 4: 1, 4 + 305: 2, len(data): 3}
    for end in range(len(data) + 1):
        if end in ends:
            assert len(names(data[:end])) == ends[end]
            continue
        error = error_of(data[:end])
        record = sum(end > boundary for boundary in ends) - 1
        assert (error.record, error.offset, error.ends_stream) == (
            record,
            [0, 4, 309][record],
            True,
        )
        assert "the stream ends" in error.reason
        # The records before are read, and on_bad is not called: this record cannot be skipped.
        count = ir.StreamCount()
        with pytest.raises(ir.StreamError):
            names(data[:end], on_bad=pytest.fail, count=count)
        assert count.records == record


@pytest.mark.parametrize(
    "size", [b"\xff" * 10, b"\xff" * 11, b"\xff" * 9 + b"\x02", b"\x80" * 10 + b"\x01"]
)
def test_a_size_that_is_not_a_64_bit_varint_ends_the_stream(size: bytes) -> None:
    error = error_of(STAGE_A + size + STAGE_B * 5, on_bad=pytest.fail)
    assert str(error) == "record 1 at byte 4: the size is not a 64-bit varint"
    assert error.ends_stream


def test_a_small_size_may_have_ten_bytes() -> None:
    assert names(b"\x83" + b"\x80" * 8 + b"\x00" + STAGE_A[1:]) == ["a"]


@pytest.mark.parametrize("length", [50, 70_000, 300_000])
def test_a_record_over_the_limit_is_skipped(length: int) -> None:
    data = STAGE_A + written(v1.StageDef(name="x" * length)) + STAGE_B
    limit = 40
    error = error_of(data, max_frame_bytes=limit)
    assert (error.record, error.offset, error.ends_stream) == (1, 4, False)
    assert f"over the limit of {limit}" in error.reason
    bad: list[ir.StreamError] = []
    count = ir.StreamCount()
    assert names(data, max_frame_bytes=limit, on_bad=bad.append, count=count) == ["a", "b"]
    assert [str(each) for each in bad] == [str(error)]
    assert (count.records, count.skipped, count.bytes) == (2, 1, len(data))


def test_a_record_at_the_limit_is_accepted() -> None:
    assert names(STAGE_A, max_frame_bytes=3) == ["a"]
    assert error_of(STAGE_A, max_frame_bytes=2).record == 0


def test_a_wrong_size_allocates_no_memory() -> None:
    tracemalloc.start()
    try:
        for claimed in (2**26, 2**40, 2**63):
            error = error_of(encode_varint(claimed) + b"x" * 100, max_frame_bytes=2**64)
            assert f"ends {claimed - 100} bytes before" in error.reason
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_bad_messages_are_reported_and_counted() -> None:
    broken = written(v1.StageDef())  # The name of a stage is required.
    # Field 1 has the length two and one byte.
    damaged = bytes([3, 0x0A, 2, 0x61])
    data = STAGE_A + broken + damaged + STAGE_B
    bad: list[ir.StreamError] = []
    count = ir.StreamCount()
    assert names(data, on_bad=bad.append, count=count) == ["a", "b"]
    assert [(each.record, each.offset) for each in bad] == [(1, 4), (2, 5)]
    assert str(bad[0]) == "record 1 at byte 4: name: must not be empty [required]"
    assert isinstance(bad[0].error, ir.ValidationError)
    assert bad[1].path == "name"
    assert (count.records, count.skipped, count.bytes) == (2, 2, len(data))
    assert error_of(data).record == 1
    assert names(STAGE_A + broken, validate=False) == ["a", ""]


def lines_run(work: Callable[[], object]) -> int:
    """Return how many lines of the modules of streams are executed."""
    folder = os.path.dirname(records.__file__)
    count = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal count
        if os.path.dirname(frame.f_code.co_filename) != folder:
            return None
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("count", [None, ir.StreamCount()])
@pytest.mark.parametrize("record", [b"\0", STAGE_A])
def test_ten_times_as_many_records_take_ten_times_the_work(
    record: bytes, count: ir.StreamCount | None
) -> None:
    few, many = (
        lines_run(partial(names, record * number, on_bad=lambda _: None, count=count))
        for number in (500, 5_000)
    )
    assert many <= 10 * few


def test_an_exception_of_on_bad_ends_reading() -> None:
    def stop(error: ir.StreamError) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        names(b"\0" + STAGE_A, on_bad=stop)


def many(count: int) -> Iterator[v1.StageDef]:
    return (v1.StageDef(name=f"stage {number}") for number in range(count))


@pytest.mark.parametrize("extension", ["", ".gz", ".zst", ".GZ"])
@pytest.mark.parametrize("kind", ["binpbs", "jsonl"])
def test_the_extension_selects_the_compression(tmp_path: Path, kind: str, extension: str) -> None:
    path = tmp_path / f"stages.{kind}{extension}"
    if kind == "binpbs":
        ir.write_delimited(path, many(100))
        found = list(ir.read_delimited(str(path), v1.StageDef))
    else:
        ir.write_jsonl(path, many(100))
        found = list(ir.read_jsonl(str(path), v1.StageDef))
    assert found == list(many(100))
    magic = {"": b"", ".gz": b"\x1f\x8b", ".zst": b"\x28\xb5\x2f\xfd"}[extension.lower()]
    assert path.read_bytes().startswith(magic)
    if extension == ".gz":
        assert b"stage 99" in gzip.decompress(path.read_bytes())


@pytest.mark.parametrize("extension", ["gz", "zst"])
def test_concatenated_compressed_files_are_read_to_the_end(tmp_path: Path, extension: str) -> None:
    path = tmp_path / f"stages.binpbs.{extension}"
    ir.write_delimited(path, many(3))
    path.write_bytes(path.read_bytes() * 2)
    assert len(list(ir.read_delimited(path, v1.StageDef))) == 6


@pytest.mark.parametrize("kind", ["binpbs", "jsonl"])
@pytest.mark.parametrize("extension", ["gz", "zst"])
def test_corrupt_compressed_data_is_an_error_of_the_stream(
    tmp_path: Path, kind: str, extension: str
) -> None:
    path = tmp_path / f"stages.{kind}.{extension}"
    write, read = (
        (ir.write_delimited, ir.read_delimited)
        if kind == "binpbs"
        else (ir.write_jsonl, ir.read_jsonl)
    )
    write(path, many(200))
    written = path.read_bytes()
    corrupt = [written[:end] for end in range(1, len(written), 29)]
    corrupt += [written[:20] + bytes([written[20] ^ 0xFF]) + written[21:], b"not compressed"]
    for data in corrupt:
        path.write_bytes(data)
        with pytest.raises(ir.StreamError) as caught:
            list(read(path, v1.StageDef, on_bad=lambda _: None))
        assert caught.value.ends_stream
        assert "compressed data is" in caught.value.reason


def test_zst_without_its_package_names_the_extra_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("compression.zstd", "backports.zstd"):
        monkeypatch.setitem(sys.modules, module, None)
    path = tmp_path / "stages.binpbs.zst"
    with pytest.raises(MissingExtraError, match=r"crucible-ir\[zstd\]"):
        ir.write_delimited(path, [])
    assert not path.exists()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["binpbs", "binpbs.gz", "binpbs.zst", "jsonl"])
def test_memory_does_not_grow_with_the_stream(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"stages.{kind}"
    peaks = []
    for count in (20_000, 40_000):
        write, read = (
            (ir.write_jsonl, ir.read_jsonl)
            if kind == "jsonl"
            else (ir.write_delimited, ir.read_delimited)
        )
        tracemalloc.start()
        try:
            write(path, many(count))
            assert sum(1 for _ in read(path, v1.StageDef)) == count
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    # The longer stream has some 200 kB more. Both have more than is read at a time.
    assert peaks[1] < peaks[0] + 100_000


def test_an_open_file_is_not_closed() -> None:
    file = io.BytesIO(STAGE_A)
    assert [stage.name for stage in ir.read_delimited(file, v1.StageDef)] == ["a"]
    assert not file.closed


# JSON lines


def lines(data: bytes, **options: Any) -> list[str]:
    return [stage.name for stage in ir.read_jsonl(io.BytesIO(data), v1.StageDef, **options)]


def test_google_reads_each_line_of_a_json_lines_stream() -> None:
    file = io.BytesIO()
    stages = [v1.StageDef(name="é\n\u2028", options={"a": [1, None]}), v1.StageDef(name="b")]
    assert ir.write_jsonl(file, stages) == 2
    first, second, end = file.getvalue().split(b"\n")
    assert end == b""
    assert [json_format.Parse(line, v1.StageDef()) for line in (first, second)] == stages
    assert list(ir.read_jsonl(io.BytesIO(file.getvalue()), v1.StageDef)) == stages


def test_blank_lines_and_all_line_breaks_are_accepted() -> None:
    assert lines(b'\xef\xbb\xbf{"name":"a"}\r\n\n  \t\n{"name": "b"}') == ["a", "b"]
    assert lines(b"") == lines(b"\n\n") == []


def test_bad_lines_are_reported_with_line_and_column_and_skipped() -> None:
    data = b'{"name":"a"}\n\n{"name": 1}\n{"name":""}\n{\n{"name":"b"}\n'
    bad: list[ir.StreamError] = []
    count = ir.StreamCount()
    assert lines(data, on_bad=bad.append, count=count) == ["a", "b"]
    # Lines and columns were counted by hand. Records are numbered from 0, without blank lines.
    found = [(each.record, each.offset, str(each.position)) for each in bad]
    assert found == [(1, 14, "3:10"), (2, 26, "4:1"), (3, 38, "5:2")]
    reason = "name: expected a string, got the number 1; put it in quotes"
    assert str(bad[0]) == f"record 1 at line 3: {reason}"
    assert (count.records, count.skipped, count.bytes) == (2, 3, len(data))
    with pytest.raises(ir.StreamError, match="record 1 at line 3"):
        lines(data)


def test_a_line_over_the_limit_is_skipped() -> None:
    long = b'{"name":"' + b"x" * 200_000 + b'"}\n'
    data = b'{"name":"a"}\n' + long + b'{"name":"b"}\n' + long[:-1]
    bad: list[ir.StreamError] = []
    assert lines(data, max_frame_bytes=12, on_bad=bad.append) == ["a", "b"]
    assert [(each.record, str(each.position)) for each in bad] == [(1, "2:1"), (3, "4:1")]
    assert "over the limit of 12 bytes" in bad[0].reason


@pytest.mark.parametrize(
    ("end", "good", "bad"), [(0, 0, 0), (5, 0, 1), (12, 1, 0), (13, 1, 0), (20, 1, 1), (25, 2, 0)]
)
def test_a_truncated_line_is_a_bad_record(end: int, good: int, bad: int) -> None:
    count = ir.StreamCount()
    lines(b'{"name":"a"}\n{"name":"b"}'[:end], on_bad=lambda _: None, count=count)
    assert (count.records, count.skipped) == (good, bad)
