"""Tables of others: each row is read exactly, or is an error with its path."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

import crucible_ir as ir
from crucible_ir import v1

UTC = "UTC"
A_SECOND = 1_700_000_000


def times(value: int, unit: str, zone: str | None = UTC) -> pa.Array:
    return pa.array([value], pa.int64()).view(pa.timestamp(unit, tz=zone))


def of_history(item: pa.Array) -> pa.Table:
    """Return a table of a run with one item in its history."""
    return pa.table({"metrics_history": pa.ListArray.from_arrays([0, len(item)], item)})


@pytest.mark.parametrize(
    ("column", "seconds", "nanos"),
    [
        (times(A_SECOND, "s"), A_SECOND, 0),
        (times(A_SECOND * 1000 + 1, "ms"), A_SECOND, 1_000_000),
        (times(A_SECOND * 10**9 + 1, "ns"), A_SECOND, 1),
        (times(-1, "ns", None), -1, 999_999_999),
        (times(A_SECOND, "s", "Europe/Berlin"), A_SECOND, 0),
    ],
)
def test_times_in_every_unit_and_zone_are_exact(column: Any, seconds: int, nanos: int) -> None:
    [event] = ir.from_arrow(pa.table({"timestamp": column}), v1.FeedbackEvent, validate=False)
    assert (event.timestamp.seconds, event.timestamp.nanos) == (seconds, nanos)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"timestamp": times(2**63 - 1, "s")}, r"^\[0\]\.timestamp: .*years 1 to 9999"),
        ({"timestamp": times(-(2**63), "us")}, r"^\[0\]\.timestamp: .*years 1 to 9999"),
        # Seconds would be taken for microseconds.
        ({"timestamp": [A_SECOND]}, "^timestamp: expected timestamps, got a column of int64"),
        ({"timestamp": ["2025-12-26"]}, "^timestamp: expected timestamps, got a .* string"),
        ({"timestamp": times(5, "us"), "timestamp_nanos": [-1]}, "from 0 to 999 nano.*got -1"),
        ({"timestamp": times(5, "us"), "timestamp_nanos": [1000]}, "from 0 to 999 .*got 1000"),
        ({"timestamp": times(5, "ns"), "timestamp_nanos": [1]}, "beside whole microseconds"),
        ({"timestamp_nanos": [1]}, r"^\[0\]\.timestamp: .*beside whole microseconds"),
        ({"latency_ms": [2**40]}, r"^\[0\]\.latency_ms: got 1099511627776: expected int32"),
        ({"latency_ms": [1.5]}, r"^\[0\]\.latency_ms: got 1\.5: expected int32"),
        ({"feedback_type": [3]}, r"^\[0\]\.feedback_type: got 3: expected string"),
        ({"feedback_type": [b"\xff"]}, r"^\[0\]\.feedback_type: got b'.xff': expected string"),
        ({"feedback_type_number": ["x"]}, r"feedback_type_number: got 'x': expected int32"),
        ({"raw": [b"\xff"]}, r"^\[0\]\.raw: not a .*FeedbackEvent"),
        ({"raw": pa.nulls(1, pa.binary())}, r"^\[0\]\.raw: expected bytes, got NoneType"),
    ],
)
def test_cells_that_are_no_values_are_located(columns: dict[str, Any], message: str) -> None:
    with pytest.raises(ir.DecodeError, match=message):
        list(ir.from_arrow(pa.table(columns), "FeedbackEvent", validate=False))


def a_map(*entries: tuple[str, float]) -> pa.Array:
    return pa.array([entries], pa.map_(pa.string(), pa.float64()))


def deep(levels: int) -> pa.Array:
    array = pa.array([1])
    for _ in range(levels):
        array = pa.ListArray.from_arrays([0, 1], array)
    return array


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            of_history(pa.array([{"stepp": 1}])),
            'metrics_history: unknown column "stepp"; did you mean "step"',
        ),
        (
            of_history(pa.StructArray.from_arrays([pa.array([1])] * 2, names=["step"] * 2)),
            'metrics_history: two columns have the name "step"',
        ),
        (
            of_history(pa.array([{"time": A_SECOND}])),
            r"metrics_history\.time: expected timestamps",
        ),
        (
            pa.table({"best_metrics": a_map(("a", 1.0), ("a", 2.0))}),
            r'^\[0\]\.best_metrics\["a"\]: the key is there twice',
        ),
        (pa.table({"metrics_history": deep(200)}), "the table cannot be read: "),
        (pa.chunked_array([[1]]), "the table cannot be read: "),
    ],
)
def test_nothing_inside_a_message_is_lost_silently(table: Any, message: str) -> None:
    with pytest.raises(ir.DecodeError, match=message):
        list(ir.from_arrow(table, "TrainingRun", validate=False))


def test_buffers_that_are_not_valid_are_not_read() -> None:
    def strings(offsets: list[int], data: bytes) -> pa.Table:
        buffer = pa.array(offsets, pa.int32()).buffers()[1]
        rows = len(offsets) - 1
        return pa.table({"id": pa.StringArray.from_buffers(rows, buffer, pa.py_buffer(data))})

    [event] = ir.from_arrow(strings([0, 2], b"e1"), v1.FeedbackEvent)
    assert event.id == "e1"
    for table in (strings([0, 2], b"\xff\xfe"), strings([0, 2**30, 2], b"e1")):
        with pytest.raises(ir.DecodeError, match=r"^\[0\]: a corrupt table: In column 0"):
            list(ir.from_arrow(table, "FeedbackEvent"))


@pytest.mark.parametrize("wanted", [pa.list_(pa.string(), 2), pa.list_view(pa.string())])
def test_lists_of_every_kind_are_read(wanted: pa.DataType) -> None:
    lists = pa.array([["a", "b"], ["c", "d"]], wanted)
    runs = ir.from_arrow(pa.table({"tags": lists}).slice(1), v1.TrainingRun, validate=False)
    assert [list(run.tags) for run in runs] == [["c", "d"]]


def test_names_of_a_vocabulary_may_be_bytes() -> None:
    table = pa.table({"feedback_type": [b"rating", b"my_own"]})
    first, second = ir.from_arrow(table, v1.FeedbackEvent, validate=False)
    assert first.feedback_type == v1.FeedbackType.FEEDBACK_TYPE_RATING
    assert second.custom_feedback_type == "my_own"
