"""Compressed streams that are truncated or corrupt: every record before the damage is read.

The expected records are those written whose bytes end within what zlib and zstd decompress when
they are given the damaged file byte by byte.
"""

from __future__ import annotations

import gzip
import itertools
import os
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from google.protobuf import json_format

import crucible_ir as ir
from crucible_ir import v1
from crucible_ir.serialization.streams import compression

try:
    from compression import zstd  # type: ignore[import-not-found,unused-ignore]
except ImportError:
    from backports import zstd

CUTS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 50, 300, 5_000]


def events(count: int = 1_000) -> list[v1.FeedbackEvent]:
    random = Random(1)
    return [
        v1.FeedbackEvent(id=f"event {number}", user_id=f"{random.random()}")
        for number in range(count)
    ]


EVENTS = events()


def delimited(event: v1.FeedbackEvent) -> bytes:
    # The size of an event is less than 128, a varint of one byte.
    data = event.SerializeToString()
    return bytes([len(data)]) + data


def json_line(event: v1.FeedbackEvent) -> bytes:
    return json_format.MessageToJson(event, indent=None).encode() + b"\n"


KINDS: dict[str, tuple[Callable[[v1.FeedbackEvent], bytes], Callable[..., Any], int]] = {
    # The last line of a JSON lines stream needs no line break.
    "binpbs": (delimited, ir.read_delimited, 0),
    "jsonl": (json_line, ir.read_jsonl, 1),
}


def zstd_with_checksum(data: bytes) -> bytes:
    compressed: bytes = zstd.compress(data, options={zstd.CompressionParameter.checksum_flag: 1})
    return compressed


COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gz": lambda data: gzip.compress(data, mtime=0),
    "zst": zstd.compress,
    "checksum.zst": zstd_with_checksum,
}


def decompressible(data: bytes, extension: str) -> bytes:
    """Return what the library decompresses of a file, byte by byte, before it fails."""
    found = bytearray()
    start = 0
    while data:
        decompressor = (
            zlib.decompressobj(-zlib.MAX_WBITS) if extension == "gz" else zstd.ZstdDecompressor()
        )
        # The gzip header of these tests has ten bytes, and the trailer has eight.
        at = 10 if extension == "gz" else 0
        try:
            while at < len(data) and not decompressor.eof:
                found += decompressor.decompress(data[at : at + 1])
                at += 1
        except (zlib.error, zstd.ZstdError):
            break
        if extension == "gz" and data[at : at + 4] != zlib.crc32(found[start:]).to_bytes(
            4, "little"
        ):
            break
        start = len(found)
        data = data[at + 8 :] if extension == "gz" else data[at:]
    return bytes(found)


def check(path: Path, written: list[bytes], optional: int, read: Callable[..., Any]) -> int:
    """Check the records and the error of a damaged file; return the number of records."""
    ends = list(itertools.accumulate(map(len, written)))
    size = len(decompressible(path.read_bytes(), path.suffix[1:]))
    whole = sum(end - optional <= size for end in ends)
    bad: list[ir.StreamError] = []
    count = ir.StreamCount()
    found = []
    with pytest.raises(ir.StreamError) as caught:
        for event in read(path, v1.FeedbackEvent, on_bad=bad.append, count=count):
            found.append(event)
    assert len(found) == whole
    assert found == (EVENTS * 2)[:whole]
    error = caught.value
    # If only the line break is missing, the next record would begin after the data.
    offset = min(ends[whole - 1] if whole else 0, size)
    assert (error.record, error.offset, error.ends_stream) == (whole, offset, True)
    assert "the compressed data is" in error.reason
    assert (count.records, count.skipped, bad) == (whole, 0, [])
    return whole


@pytest.mark.parametrize("extension", COMPRESS)
@pytest.mark.parametrize("kind", KINDS)
def test_all_records_of_a_truncated_stream_are_read(
    tmp_path: Path, kind: str, extension: str
) -> None:
    encode, read, optional = KINDS[kind]
    written = [encode(event) for event in EVENTS]
    data = COMPRESS[extension](b"".join(written))
    path = tmp_path / f"events.{kind}.{extension}"
    for cut in (cut for cut in CUTS if cut < len(data)):
        path.write_bytes(data[:-cut])
        whole = check(path, written, optional, read)
        if extension == "gz" and cut <= 8:
            # Only the checksum and the size are missing.
            assert whole == len(EVENTS)


@pytest.mark.parametrize("extension", ["gz", "checksum.zst"])
@pytest.mark.parametrize("kind", KINDS)
def test_all_records_of_a_stream_with_a_wrong_checksum_are_read(
    tmp_path: Path, kind: str, extension: str
) -> None:
    encode, read, optional = KINDS[kind]
    written = [encode(event) for event in EVENTS]
    data = bytearray(COMPRESS[extension](b"".join(written)))
    path = tmp_path / f"events.{kind}.{extension}"
    # gzip ends with a CRC and a size, Zstandard with four bytes of a checksum.
    for from_end in (1, 4, 5, 8) if extension == "gz" else (1, 4):
        damaged = data.copy()
        damaged[-from_end] ^= 1
        path.write_bytes(damaged)
        assert check(path, written, optional, read) == len(EVENTS)


@pytest.mark.parametrize("extension", ["gz", "zst"])
def test_records_before_corrupt_data_are_read(tmp_path: Path, extension: str) -> None:
    path = tmp_path / f"events.binpbs.{extension}"
    written = [delimited(event) for event in EVENTS]
    data = COMPRESS[extension](b"".join(written))
    path.write_bytes(data)
    random = Random(2)
    checked = 0
    for at in random.sample(range(20, len(data)), 40):
        damaged = data[:at] + bytes([data[at] ^ 1 << random.randrange(8)]) + data[at + 1 :]
        size = len(decompressible(damaged, extension))
        # Where the damage gives other data instead of an error, the records differ as well.
        if b"".join(written)[:size] != decompressible(damaged, extension):
            continue
        path.write_bytes(damaged)
        check(path, written, 0, ir.read_delimited)
        checked += 1
    assert checked


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("extension", COMPRESS)
def test_the_second_of_two_compressed_parts_may_be_damaged(
    tmp_path: Path, kind: str, extension: str
) -> None:
    encode, read, optional = KINDS[kind]
    written = [encode(event) for event in EVENTS] * 2
    part = COMPRESS[extension](b"".join(written[: len(EVENTS)]))
    path = tmp_path / f"events.{kind}.{extension}"
    path.write_bytes(part * 2)
    assert sum(1 for _ in read(path, v1.FeedbackEvent)) == len(written)
    for cut in (4, 100, 5_000):
        path.write_bytes(part + part[:-cut])
        assert check(path, written, optional, read) >= len(EVENTS)
    path.write_bytes(part + b"garbage")
    with pytest.raises(ir.StreamError, match="the compressed data is corrupt") as caught:
        list(read(path, v1.FeedbackEvent))
    assert caught.value.record == len(EVENTS)


@pytest.mark.parametrize("extension", ["gz", "zst"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_compressed_stream_without_bytes_is_truncated(
    tmp_path: Path, kind: str, extension: str
) -> None:
    path = tmp_path / f"events.{kind}.{extension}"
    path.write_bytes(b"")
    with pytest.raises(ir.StreamError, match=r"record 0 at byte 0: .* is truncated"):
        list(KINDS[kind][1](path, v1.FeedbackEvent))


def test_a_line_without_its_line_break_is_whole_and_a_part_of_a_line_is_not(
    tmp_path: Path,
) -> None:
    lines = json_line(EVENTS[0]) + json_line(EVENTS[1])
    path = tmp_path / "events.jsonl.gz"
    for cut, whole in ((0, 2), (1, 2), (2, 1), (len(json_line(EVENTS[1])), 1)):
        path.write_bytes(gzip.compress(lines[: len(lines) - cut])[:-4])
        count = ir.StreamCount()
        with pytest.raises(ir.StreamError, match=f"record {whole} at byte .* is truncated"):
            list(ir.read_jsonl(path, v1.FeedbackEvent, count=count))
        assert count.records == whole


@pytest.mark.parametrize("extension", ["gz", "zst"])
def test_a_damaged_pipe_is_read_up_to_its_end(tmp_path: Path, extension: str) -> None:
    from threading import Thread

    path = tmp_path / f"events.binpbs.{extension}"
    os.mkfifo(path)
    data = COMPRESS[extension](b"".join(map(delimited, EVENTS)))[:-1]
    thread = Thread(target=path.write_bytes, args=(data,))
    thread.start()
    with pytest.raises(ir.StreamError, match="is truncated"):
        list(ir.read_delimited(path, v1.FeedbackEvent))
    thread.join()


# Expansion and empty records


def zeros(size: int) -> Iterator[bytes]:
    piece = b"\0" * 2**20
    return (piece for _ in range(size // len(piece)))


def compress_to(path: Path, pieces: Iterator[bytes]) -> None:
    with compression.open_target(path) as target:
        for piece in pieces:
            target.write(piece)


@pytest.mark.parametrize("extension", ["gz", "zst"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_stream_that_expands_too_far_ends_with_an_error(
    tmp_path: Path, kind: str, extension: str
) -> None:
    read = KINDS[kind][1]
    path = tmp_path / f"events.{kind}.{extension}"
    # Equal texts compress at nearly the highest ratio, which is 1,032 for gzip.
    event = v1.FeedbackEvent(id="e")
    event.input["text"] = "x" * 2**18
    number = 120
    limits = ir.Limits(max_expansion=500) if extension == "gz" else ir.Limits()
    write = ir.write_delimited if kind == "binpbs" else ir.write_jsonl
    write(path, itertools.repeat(event, number))
    size = path.stat().st_size
    total = number * 2**18
    assert total > 2 * limits.max_expansion * size - 2**21
    count = ir.StreamCount()
    with pytest.raises(ir.StreamError) as caught:
        for found in read(path, v1.FeedbackEvent, limits=limits, count=count):
            assert found == event
    words = f"times is over the limit of {limits.max_expansion} (max_expansion)"
    assert words in caught.value.reason
    assert caught.value.ends_stream
    assert caught.value.record == count.records
    assert caught.value.offset == count.bytes
    # At least the free start is read, and not much more than the limit allows.
    assert 2**22 - 2**19 < count.bytes < total
    ratio = total // size + 2
    limits = ir.Limits(max_expansion=ratio)
    assert sum(1 for _ in read(path, v1.FeedbackEvent, limits=limits)) == number


@pytest.mark.parametrize("extension", ["gz", "zst"])
def test_repetitive_streams_are_read_by_default(tmp_path: Path, extension: str) -> None:
    path = tmp_path / f"events.jsonl.{extension}"
    ir.write_jsonl(path, itertools.repeat(EVENTS[0], 50_000))
    assert sum(1 for _ in ir.read_jsonl(path, v1.FeedbackEvent)) == 50_000


@pytest.mark.parametrize(
    ("kind", "empty", "noun"), [("binpbs", b"\0", "empty records"), ("jsonl", b"\n", "blank lines")]
)
def test_a_run_of_empty_records_is_bounded(
    tmp_path: Path, kind: str, empty: bytes, noun: str
) -> None:
    encode, read, _ = KINDS[kind]
    path = tmp_path / f"events.{kind}"
    event = encode(EVENTS[0])
    limits = ir.Limits(max_empty_records=5)
    path.write_bytes((empty * 5 + event) * 3)
    assert sum(1 for _ in read(path, v1.FeedbackEvent, validate=False, limits=limits)) == (
        18 if kind == "binpbs" else 3
    )
    path.write_bytes(event + empty * 5 + event + empty * 6 + event)
    count = ir.StreamCount()
    with pytest.raises(ir.StreamError) as caught:
        list(read(path, v1.FeedbackEvent, validate=False, limits=limits, count=count))
    error = caught.value
    assert error.reason == f"a run of 6 {noun} is over the limit of 5 (max_empty_records)"
    # The sixth of the second run: after two events and ten more.
    assert error.record == count.records == (12 if kind == "binpbs" else 2)
    assert (error.offset, error.ends_stream) == (2 * len(event) + 10, True)
    # By default, fewer than a second's worth are read.
    path.write_bytes(empty * 2_000_000)
    with pytest.raises(ir.StreamError, match="a run of 100001"):
        list(read(path, v1.FeedbackEvent, validate=False))


def test_empty_records_with_long_sizes_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "events.binpbs"
    # Zero as varints of one, two, three and ten bytes.
    path.write_bytes(b"\0" + b"\x80\0" + b"\x80\x80\0" + b"\x80" * 9 + b"\0")
    limits = ir.Limits(max_empty_records=3)
    count = ir.StreamCount()
    with pytest.raises(ir.StreamError, match="record 3 at byte 6: a run of 4 empty records"):
        list(ir.read_delimited(path, "StageDef", validate=False, limits=limits, count=count))
    assert (count.records, count.bytes) == (3, 6)


def test_what_is_skipped_of_a_long_record_is_bounded(tmp_path: Path) -> None:
    limits = ir.Limits(max_frame_bytes=100, max_skipped_bytes=50_000)
    long = tmp_path / "long.jsonl"
    good = json_line(EVENTS[0])
    bad: list[ir.StreamError] = []
    for size, ends in ((50_100, False), (90_000, True)):
        long.write_bytes(good + b"x" * size + b"\n" + good)
        bad = []
        found = ir.read_jsonl(long, v1.FeedbackEvent, limits=limits, on_bad=bad.append)
        if not ends:
            assert list(found) == [EVENTS[0]] * 2
            assert [(each.record, each.offset) for each in bad] == [(1, len(good))]
            continue
        with pytest.raises(ir.StreamError, match=r"50000 \(max_skipped_bytes\)") as caught:
            list(found)
        assert (caught.value.record, caught.value.offset, bad) == (1, len(good), [])
    # The varint of 2^42; the record is not even begun.
    bad = []
    path = tmp_path / "long.binpbs"
    path.write_bytes(delimited(EVENTS[0]) + b"\x80" * 6 + b"\x01")
    with pytest.raises(ir.StreamError, match="max_skipped_bytes") as caught:
        list(ir.read_delimited(path, v1.FeedbackEvent, on_bad=bad.append))
    assert bad == []
    assert (caught.value.record, caught.value.offset) == (1, len(delimited(EVENTS[0])))


def test_the_limits_on_content_apply_to_records(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(json_line(EVENTS[0]))
    with pytest.raises(ir.StreamError, match="max_string_bytes"):
        list(ir.read_jsonl(path, v1.FeedbackEvent, limits=ir.Limits(max_string_bytes=3)))
