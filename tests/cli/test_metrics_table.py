"""``crucible-ir metrics`` writes the metrics of the runs in files as a table."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from cli.command_line import EXAMPLES, run

import crucible_ir as ir
from crucible_ir import v1


def a_run(id_: str, *losses: float, **values: float) -> v1.TrainingRun:
    found = v1.TrainingRun(id=id_)
    for step, loss in enumerate(losses):
        found.metrics_history.add(step=step).values.update({"loss": loss} | values)
    return found


def test_the_runs_of_files_are_written(folder: Path) -> None:
    found = [a_run("a", 1, 2, accuracy=0.5), a_run("b", math.inf)]
    found[1].metrics_history[0].time.FromJsonString("2026-01-01T00:00:00.000001Z")
    ir.write_jsonl("runs.jsonl", found)
    Path("one.json").write_text(ir.to_json(v1.Document(training_run=a_run("c", 3))))
    expected = ir.metrics_table([*found, a_run("c", 3)], validate=False)
    for name in ("m.parquet", "m.arrow"):
        result = run("metrics", "runs.jsonl", "one.json", "-o", name)
        assert (result.status, result.err) == (0, ""), result.err
        assert result.out == f"{name}: 6 values\n"
    assert pq.read_table("m.parquet").equals(expected)
    with pa.ipc.open_file("m.arrow") as file:
        assert file.read_all().equals(expected)
    assert run("metrics", "runs.jsonl", "--keys", "loss", "-o", "m.csv").status == 0
    with open("m.csv", newline="") as text:
        assert list(csv.reader(text)) == [
            ["run", "position", "step", "epoch", "time", "name", "value"],
            ["a", "0", "0", "", "", "loss", "1.0"],
            ["a", "1", "1", "", "", "loss", "2.0"],
            ["b", "0", "0", "", "2026-01-01T00:00:00.000001Z", "loss", "inf"],
        ]
    again = run("metrics", "runs.jsonl", "-o", "m.csv")
    assert (again.status, "--force" in again.err) == (2, True)


def test_what_cannot_be_written_is_reported(folder: Path) -> None:
    ir.write_jsonl("runs.jsonl", [a_run("a", 1)])
    with open("runs.jsonl", "a") as file:
        file.write('{"id": 3}\n')
    result = run("metrics", "runs.jsonl", EXAMPLES / "model.yaml", "-o", "m.parquet")
    assert result.status == 1
    assert "runs.jsonl:2:8: id: expected a string" in result.err
    assert "model.yaml: expected a TrainingRun, got a Model" in result.err
    assert pq.read_table("m.parquet").num_rows == 1
    assert "give --output" in run("metrics", "runs.jsonl").err
    assert "ends in .parquet or .arrow or .csv" in run("metrics", "runs.jsonl", "-o", "m.xls").err
    assert "--first does not go" in run("metrics", "a", "-o", "a.csv", "--first", "2").err
    bad = a_run("r", 1)
    bad.metrics_history[0].time.seconds = 2**60
    ir.write_delimited("bad.binpbs", [bad])
    result = run("metrics", "bad.binpbs", "--type", "TrainingRun", "-o", "bad.parquet")
    assert (result.status, Path("bad.parquet").exists()) == (1, False)
    assert "outside the years 1 to 9999" in result.err


def test_a_file_of_other_messages_does_not_flood_the_terminal(folder: Path) -> None:
    Path("models.jsonl").write_text('{"id": "m"}\n' * 30)
    result = run("metrics", "--type", "ModelRef", "models.jsonl", "--output", "x.csv")
    assert result.status == 1
    assert result.err.count("expected a TrainingRun, got a ModelRef") == 20
    assert "models.jsonl: 10 others are not printed" in result.err


def test_a_file_that_cannot_be_read_is_not_only_one_without_metrics(folder: Path) -> None:
    assert run("metrics", "missing.jsonl", "--output", "x.csv").status == 2
