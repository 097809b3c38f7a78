"""Summaries of files without an exchange: what is read, what is left out, and what is an error."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cli.command_line import run

import crucible_ir as ir
from crucible_ir import v1


def events(*ids: str) -> list[v1.FeedbackEvent]:
    return [ir.new_feedback_event(id=id_, feedback_type="rating", feedback_value=4) for id_ in ids]


def write_lines(path: str, *lines: object) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text("".join(json.dumps(line) + "\n" for line in lines))


def write_table(path: str, messages: list[v1.FeedbackEvent]) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(ir.to_arrow(messages, v1.FeedbackEvent), path)


def count(*arguments: str) -> int:
    result = run("summarize", "--format", "json", *arguments)
    assert result.status == 0, result.err
    return sum(json.loads(line)["count"] for line in result.lines)


def test_a_folder_has_tables_and_streams_but_not_what_is_beside_them(folder: Path) -> None:
    write_table("out/part-00000.parquet", events("a", "b"))
    write_table("out/_violations.parquet", events("hidden"))
    write_table("out/.hidden/x.parquet", events("hidden"))
    write_lines("out/_quarantine.jsonl", {"id": "hidden"})
    write_lines("out/z/late.jsonl", {"id": "c"}, {"id": "b", "supersedes": "a"})
    Path("out/readme.txt").write_text("no events")
    Path("one.yaml").write_text("id: one\n")
    assert count("out") == 3
    # As a file of its own.
    assert count("out", "one.yaml", "out/_violations.parquet") == 5
    # The superseding event is not stored, since its id is that of an earlier one.
    assert count("out/z/late.jsonl", "out/part-00000.parquet") == 2
    assert count("out/*.parquet") == 3
    Path("out/_progress").mkdir()
    incomplete = run("summarize", "out")
    assert (incomplete.status, incomplete.out) == (2, "")
    assert "out: is not complete: run the command that writes it again" in incomplete.err


def test_bad_records_are_left_out_and_reported(folder: Path) -> None:
    write_lines("events.jsonl", {"id": "a"}, {"id": ""}, {"idd": "b"}, {"id": "c", "latencyMs": -1})
    Path("bad.json").write_text("{}")
    result = run("summarize", "events.jsonl", "bad.json")
    assert (result.status, result.lines) == (1, ["\t1\t\t\t\t\t\t"])
    assert "events.jsonl:2:8: id: must not be empty [required]" in result.err
    assert "latency_ms" in result.err
    assert "bad.json:1:1: id: must not be empty [required]" in result.err
    missing = run("summarize", "events.jsonl", "missing.parquet")
    assert (missing.status, missing.out) == (2, "")
    assert "missing.parquet: cannot be read: no such file" in missing.err


def test_events_without_a_timestamp_are_in_no_bucket(folder: Path) -> None:
    write_lines("e.jsonl", {"id": "a"}, {"id": "b", "timestamp": "2026-01-01T00:30:00Z"})
    assert count("e.jsonl") == 2
    for option in (("--bucket", "1h"), ("--since", "2025-01-01"), ("--until", "2027-01-01")):
        result = run("summarize", "e.jsonl", *option)
        assert result.status == 0
        assert result.lines[0].split("\t")[-8:][1] == "1"
        assert result.err.endswith("1 event has no timestamp, and so no place in time: left out\n")
    assert run("summarize", "e.jsonl", "--bucket", "1h", "--type", "thumbs").err == ""


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"name": ["x"]}, 'no column "id": these are not feedback events'),
        ({"id": [1]}, "id: expected string, got int64"),
        ({"id": ["a"], "latency_ms": ["5"]}, "latency_ms: expected int32, got string"),
        ({"id": ["a"], "timestamp": ["2026"]}, "timestamp: expected timestamp[us, tz=UTC]"),
    ],
)
def test_a_table_of_other_columns_is_an_error(
    folder: Path, columns: dict[str, list[object]], reason: str
) -> None:
    pq.write_table(pa.table(columns), "other.parquet")
    result = run("summarize", "other.parquet")
    assert result.status == 1
    assert f"other.parquet: {reason}" in result.err


def test_tables_of_other_programs_are_read(folder: Path) -> None:
    table = pa.table(
        {
            "id": pa.array(["a", "b"]).dictionary_encode(),
            "feedback_value": pa.array([' "rude"', "[1]"], pa.large_string()),
            "latency_ms": pa.array([5, None], pa.int64()),
            "timestamp": pa.array([0, 1], pa.timestamp("ns")),
            "feedback_type": pa.nulls(2),
            "other": [1, 2],
        }
    )
    pq.write_table(table, "other.parquet")
    with pa.OSFile("stream.arrow", "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table)
    for name in ("other.parquet", "stream.arrow"):
        [line] = run("summarize", name, "--format", "json", "--bucket", "1d").lines
        summary = json.loads(line)
        assert (summary["count"], summary["feedback_type"]) == (2, None)
        assert summary["labels"] == [{"label": "rude", "count": 1}]
        assert summary["latency"]["p99_ms"] == 5
        assert summary["start_time"] == "1970-01-01T00:00:00Z"


def test_broken_tables_are_errors_with_their_names(folder: Path) -> None:
    Path("text.parquet").write_text("PAR1 but not really PAR1")
    Path("text.arrow").write_text("ARROW1 but not really")
    Path("empty.arrow").write_bytes(b"")
    write_table("cut.parquet", events(*map(str, range(5000))))
    content = Path("cut.parquet").read_bytes()
    # The footer is complete, and the columns are not.
    Path("cut.parquet").write_bytes(content[:4] + bytes(400) + content[404:])
    for name in ("text.parquet", "text.arrow", "empty.arrow", "cut.parquet"):
        result = run("summarize", name)
        assert (result.status, len(result.err.splitlines())) == (1, 1), result.err
        assert name in result.err
    write_table("no_json.parquet", events("a"))
    table = pq.read_table("no_json.parquet")
    at = table.schema.get_field_index("feedback_value")
    pq.write_table(table.set_column(at, "feedback_value", pa.array(["4x"])), "no_json.parquet")
    assert "feedback_value: expected JSON, got '4x'" in run("summarize", "no_json.parquet").err
    pq.write_table(pa.table({"id": ["a", ""]}), "no_id.parquet")
    assert "no_id.parquet: the event in row 1 has no id" in run("summarize", "no_id.parquet").err


def test_options_of_calls_are_rejected_beside_files(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_lines("e.jsonl", {"id": "a"})
    monkeypatch.setenv("CRUCIBLE_IR_SERVER", "exchange.invalid:7551")
    assert count("e.jsonl") == 1
    result = run("summarize", "e.jsonl", "--server", "exchange.invalid:7551")
    assert (result.status, "--server is for the events of an exchange" in result.err) == (2, True)
    bucket = run("summarize", "e.jsonl", "--bucket", "400d")
    assert (bucket.status, "bucket" in bucket.err) == (2, True)
