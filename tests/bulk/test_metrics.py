"""The metrics of training runs become a long table, from messages and streams."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

import crucible_ir as ir
from crucible_ir import v1


def a_run(id_: str, *losses: float, **values: float) -> v1.TrainingRun:
    found = v1.TrainingRun(id=id_)
    for step, loss in enumerate(losses):
        found.metrics_history.add(step=step).values.update({"loss": loss} | values)
    return found


def rows(table: pa.Table, *names: str) -> list[tuple[object, ...]]:
    return [tuple(row.values()) for row in table.select(names).to_pylist()]


def test_each_value_is_a_row() -> None:
    first = a_run("r1", 0.5, accuracy=0.75)
    snapshot = first.metrics_history.add(epoch=1.5)
    snapshot.values["loss"] = math.inf
    snapshot.time.FromJsonString("2025-12-26T12:00:00.123456789Z")
    table = ir.metrics_table([first, a_run("r2"), a_run("r3", 2)], validate=False)
    assert table.column_names == ["run", "position", "step", "epoch", "time", "name", "value"]
    time = datetime(2025, 12, 26, 12, 0, 0, 123456, UTC)
    assert [tuple(row.values()) for row in table.to_pylist()] == [
        ("r1", 0, 0, None, None, "accuracy", 0.75),
        ("r1", 0, 0, None, None, "loss", 0.5),
        ("r1", 1, None, 1.5, time, "loss", math.inf),
        ("r3", 0, 0, None, None, "loss", 2.0),
    ]
    only = ir.metrics_table([first], keys=["accuracy"], validate=False)
    assert rows(only, "name", "value") == [("accuracy", 0.75)]


def test_parts_and_repetitions_of_a_run_are_one_history() -> None:
    parts = [a_run("r", 1, 2), a_run("other", 9), a_run("r", 3)]
    again = a_run("r", 1, 2, 3, 4)
    table = ir.metrics_table([*parts, again], validate=False)
    assert rows(table, "run", "position", "value") == [
        ("r", 0, 1.0),
        ("r", 1, 2.0),
        ("other", 0, 9.0),
        ("r", 2, 3.0),
        ("r", 3, 4.0),
    ]


def test_streams_of_runs_are_read(tmp_path: Path) -> None:
    path = tmp_path / "runs.binpbs.gz"
    ir.write_delimited(path, [a_run("a", 1), a_run("b", 2)])
    table = ir.metrics_table(path, validate=False)
    assert rows(table, "run", "value") == [("a", 1.0), ("b", 2.0)]
    assert ir.metrics_table(path.read_bytes()[:0], format="jsonl").num_rows == 0
    with pytest.raises(ir.StreamError, match="record 0 at byte 0: config: must be set"):
        ir.metrics_table(path)


def test_other_sources_and_times_out_of_range_are_errors() -> None:
    with pytest.raises(ir.EncodeError, match=r"expected training runs, or a path, .* got 5"):
        ir.metrics_table(5)  # type: ignore[arg-type]  # neither runs nor a stream
    with pytest.raises(ir.EncodeError, match="expected a TrainingRun"):
        ir.metrics_table([v1.StageDef()])  # type: ignore[list-item]  # another type
    bad = a_run("r", 1, 2)
    bad.metrics_history[1].time.seconds = 2**60
    with pytest.raises(ir.EncodeError, match=r"metrics_history\[1\]\.time: .* the run 'r'"):
        ir.metrics_table([bad], validate=False)
