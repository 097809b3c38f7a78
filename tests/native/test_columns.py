"""The native core fills the columns of Arrow tables as Python does, cell by cell."""

from __future__ import annotations

import io
import resource
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from effort import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from message_strategies import messages
from native.cases import payloads
from native.core import core
from native.wire_variants import rewritten
from validation.message_cases import MESSAGE_CLASSES, damage

import crucible_ir as ir
from crucible_ir import native, v1
from crucible_ir.bulk import batches, native_columns
from crucible_ir.bulk.jobs.pieces import pieces_of
from crucible_ir.bulk.jobs.plan import JobOptions, make_plan
from crucible_ir.bulk.kernel import check_records
from crucible_ir.serialization.limits import Limits
from crucible_ir.serialization.streams import delimited
from crucible_ir.serialization.wire import encode_varint

STREAMS = {"binary": "delimited", "json": "jsonl", "crucible-json": "crucible-jsonl"}


def builder(class_: Any, specs: object, *arguments: object) -> Any:
    """Do what `native.column_builder` does, with the core of these tests."""
    type_ = core().type(class_.DESCRIPTOR.full_name)
    return import_module("crucible_ir_native").ColumnBuilder(type_.raw, specs, *arguments)


@contextmanager
def engine() -> Iterator[None]:
    """Fill columns by the core."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(native, "column_builder", builder)
        patch.setattr(native, "is_used", lambda class_: True)
        patch.setattr(native, "frames", import_module("crucible_ir_native").frames)
        yield


def records(data: Sequence[bytes | None]) -> Any:
    numbers = pa.array(range(len(data)), pa.int64())
    return pa.record_batch({"record": numbers, "data": pa.array(data, pa.binary())})


def check_equal(name: str, data: Sequence[bytes | None], format: Any, **options: Any) -> Any:
    """Check that both engines return the same rows and violations, and return the rows."""
    expected, violations = check_records(records(data), name, format=format, **options)
    with engine():
        good, bad = check_records(records(data), name, format=format, **options)
    good.validate(full=True)
    assert good.schema.equals(expected.schema, check_metadata=True)
    assert len(good) == len(expected)
    for field in expected.schema:
        cells, others = good.column(field.name), expected.column(field.name)
        # The text of a NaN equals itself, and that of -0.0 differs from that of 0.0.
        assert repr(cells.to_pylist()) == repr(others.to_pylist()), f"{name}.{field.name}"
    assert bad.equals(violations)
    return good


@pytest.mark.parametrize("format", STREAMS)
def test_published_payloads_have_the_same_rows(format: str) -> None:
    by_type = defaultdict(list)
    for each in payloads():
        if each.format == format and (format == "binary" or b"\n" not in each.data):
            by_type[each.name].append(each.data)
    assert sum(map(len, by_type.values())) > 1000
    for name, data in by_type.items():
        # To word the errors of texts takes Python most of the time.
        found = data if format == "binary" else data[:: max(1, len(data) // 10)]
        check_equal(name, found, STREAMS[format])
        if format == "binary" and "raw" not in MESSAGE_CLASSES[name].DESCRIPTOR.fields_by_name:
            check_equal(name, found[::3], "delimited", raw=True)


@pytest.mark.parametrize("name", MESSAGE_CLASSES)
@settings(max_examples=examples(3))
@given(data=st.data(), seed=st.integers(0, 2**32))
def test_any_message_has_the_same_row(name: str, data: st.DataObject, seed: int) -> None:
    class_ = MESSAGE_CLASSES[name]
    found = data.draw(st.lists(messages(class_), max_size=3))
    random = Random(seed)
    encoded = [message.SerializeToString(deterministic=True) for message in found]
    odd = [rewritten(each, class_.DESCRIPTOR, random) for each in encoded]
    for each in encoded:
        damaged = bytearray(each)
        damage(damaged, random)
        odd.append(bytes(damaged))
    check_equal(name, encoded, "delimited", validate=False)
    check_equal(name, encoded + odd, "delimited", validate=bool(seed % 2))
    expected = ir.to_arrow(found, class_, validate=False)
    with engine():
        table = ir.to_arrow(found, class_, validate=False)
    assert table.schema.equals(expected.schema, check_metadata=True)
    assert repr(table.to_pylist()) == repr(expected.to_pylist())


def test_the_core_fills_the_rows_of_nearly_every_valid_payload() -> None:
    valid, asked, filled = 0, [], []
    for each in payloads():
        if each.format != "binary":
            continue
        class_ = MESSAGE_CLASSES[each.name]
        try:
            message = ir.from_binary(each.data, class_)
        except ir.Error:
            continue
        valid += 1
        packed = native_columns.packed([each.data])
        assert packed is not None
        task = native_columns.Task(class_, "delimited", True, True, sys.maxsize)

        def decide(_: int, message: Any = message, label: str = each.label) -> Any:
            asked.append(label)
            return message

        def rows(*arguments: Any, label: str = each.label) -> Any:
            filled.append(label)
            return batches.rows(*arguments)

        with engine(), pytest.MonkeyPatch.context() as patch:
            patch.setattr(native_columns, "rows", rows)
            assert native_columns.filled(task, packed, decide) is not None
    assert valid > 1000
    # What Python writes again is in the usual order, and each field has one place.
    assert len(asked) / valid < 0.05, asked
    assert len(filled) / valid < 0.02, filled


def event(number: int, **changes: Any) -> bytes:
    found = ir.new_feedback_event(
        id=f"e{number}", feedback_type="rating", feedback_value=4.5, deployment_id="prod"
    )
    found.metadata.update({"note": "x" * (number % 50)})
    for name, value in changes.items():
        setattr(found, name, value)
    return found.SerializeToString()


def test_rows_keep_their_order_among_rows_of_python() -> None:
    """Python decides about an event with two equal fields, and fills numbers over 2**53."""
    twice = event(1) + event(2)
    large = ir.new_feedback_event(
        id="large", feedback_type="rating", feedback_value=1e300, deployment_id="prod"
    )
    unknown = event(5) + b"\xf8\xff\x07\x05"
    data = [event(0), twice, b"", event(3), large.SerializeToString(), unknown, event(6)]
    good = check_equal("FeedbackEvent", data * 3, "delimited")
    assert good.column("id").to_pylist() == ["e0", "e2", "e3", "large", "e6"] * 3


def test_records_over_the_limit_and_missing_ones_are_bad() -> None:
    data = [event(0), None, event(2)]
    check_equal("FeedbackEvent", data, "delimited")
    long = [event(0), event(1, comment="x" * 300), event(2)]
    limits = Limits(max_frame_bytes=200)
    assert len(check_equal("FeedbackEvent", long, "delimited", limits=limits)) == 2


def test_slices_of_record_batches_have_their_own_rows() -> None:
    batch = records([event(number) for number in range(100)])
    with engine():
        good, _ = check_records(batch.slice(90, 5), "FeedbackEvent")
        large = batch.set_column(1, "data", batch.column(1).cast(pa.large_binary())).slice(97)
        others, _ = check_records(large, "FeedbackEvent")
        none, _ = check_records(batch.slice(100), "FeedbackEvent")
    assert good.column("id").to_pylist() == [f"e{number}" for number in range(90, 95)]
    assert others.column("id").to_pylist() == ["e97", "e98", "e99"]
    assert len(none) == 0


def test_batches_end_before_an_offset_has_more_than_32_bits() -> None:
    """The core takes at most 128 MiB of messages at a time."""
    text = "x" * (66 << 20)
    data = [v1.StageDef(name=text, module=str(number)).SerializeToString() for number in range(3)]
    with engine():
        limits = Limits(max_frame_bytes=1 << 27)
        good, _ = check_records(records(data), "StageDef", validate=False, limits=limits)
    assert good.column("module").to_pylist() == ["0", "1", "2"]
    assert pc.binary_length(good.column("name")).to_pylist() == [len(text)] * 3


def test_rows_are_freed() -> None:
    batch = records([event(number) for number in range(5000)])

    def check() -> None:
        with engine():
            good, _ = check_records(batch, "FeedbackEvent")
        # A column outlives its batch.
        column = good.column("metadata")
        del good
        assert len(column) == 5000

    for _ in range(5):
        check()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(60):
        check()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    # The rows of all checks have more than 100 MiB. Linux counts in KiB.
    assert grown < 30_000


def found_in(split: Any, data: bytes, limits: Limits) -> list[Any]:
    """Return the records that a function finds in a stream, with their places, and the error."""
    found: list[Any] = []
    try:
        for batch in split(io.BytesIO(data), limits):
            begin = batch.start
            for record, end in zip(batch.records, batch.ends(), strict=True):
                found.append((batch.base + begin, batch.base + end, record, batch.problem))
                begin = end
            # Slices, such as those at the end of a chunk, have the same records.
            assert [*batch.records[:3], *batch.records[3:]] == list(batch.records)
    except ir.StreamError as error:
        found.append(str(error))
    return found


@pytest.mark.parametrize(
    "change", [b"", b"\0", b"\0" * 40, b"\x83\x80\0abc", b"\xff" * 11, b"\x80"]
)
def test_frames_are_those_of_python(change: bytes) -> None:
    frames = [bytes([size % 100]) + bytes(size % 100) for size in range(200)]
    frames += [b"\xac\x02" + b"x" * 300, b"\xff\x7f" + b"y" * 16383, b"\x01z"] * 30
    Random(3).shuffle(frames)
    data = b"".join(frames[:150]) + change + b"".join(frames[150:])
    limits = [Limits(), Limits(max_frame_bytes=1000), Limits(max_empty_records=20)]
    for each in limits:
        for end in (len(data), len(data) - 1, 1000, 1):
            expected = found_in(delimited.split_delimited, data[:end], each)
            with engine():
                assert found_in(delimited.split_frames, data[:end], each) == expected


@pytest.mark.parametrize("raw", [False, True])
def test_tables_of_streams_are_those_of_python(raw: bool) -> None:
    """The records of a stream stay in the buffers that it is read into."""
    data = [event(number) for number in range(3000)]
    data[7] = event(7) + event(8)
    data[2000] = b""
    data[2500] += b"\xf8\xff\x07\x05"
    stream = b"".join(encode_varint(len(each)) + each for each in data)
    expected = ir.checked_tables(stream, "FeedbackEvent", format="delimited", raw=raw)
    with engine():
        found = ir.checked_tables(stream, "FeedbackEvent", format="delimited", raw=raw)
    assert found.good.to_pylist() == expected.good.to_pylist()
    assert found.good.schema.equals(expected.good.schema, check_metadata=True)
    assert found.violations.equals(expected.violations)
    assert found.good.num_rows == (2999 if raw else 2998)


@pytest.mark.parametrize("part_bytes", [50, 1000, 100_000, 1 << 22])
def test_pieces_of_streams_begin_where_those_of_python_do(part_bytes: int, tmp_path: Path) -> None:
    random = Random(part_bytes)
    sizes = [random.choice((0, 1, 90, 127, 128, 700, 20_000)) for _ in range(700)] + [1 << 21, 5]
    path = tmp_path / "events.binpbs"
    for tail in (b"", b"\x05abc", b"\xff" * 20):
        path.write_bytes(b"".join(encode_varint(size) + bytes(size) for size in sizes) + tail)
        options = JobOptions("FeedbackEvent", part_bytes=part_bytes)
        plan = make_plan([str(path)], options)
        expected = [(piece.number, piece.start) for piece in pieces_of(plan, 0)]
        with engine():
            assert [(piece.number, piece.start) for piece in pieces_of(plan, 0)] == expected
