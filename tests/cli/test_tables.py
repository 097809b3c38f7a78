"""``convert`` writes tables, and reads them back."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cli.command_line import EXAMPLES, on_a_terminal, run

import crucible_ir as ir
from crucible_ir import v1
from crucible_ir.cli.progress import JobProgress

EVENTS = [
    ir.new_feedback_event(id=f"e{number}", feedback_type="rating", deployment_id="prod")
    for number in range(3)
]


def lines(*events: v1.FeedbackEvent) -> bytes:
    return b"".join(ir.to_json(event).encode() + b"\n" for event in events)


def test_a_folder_of_parts_comes_back(folder: Path) -> None:
    for name in ("a.jsonl", "b.jsonl"):
        Path(name).write_bytes(lines(*EVENTS))
    result = run("convert", "--to", "parquet", "*.jsonl", "out")
    assert (result.status, result.err) == (0, "crucible-ir: out: 6 records in 2 parts\n")
    assert sorted(path.name for path in Path("out").iterdir()) == [
        *("_manifest.json", "part-00000-00000.parquet", "part-00001-00000.parquet")
    ]
    result = run("convert", "--to", "parquet", "a.jsonl", "b.jsonl", "out")
    assert (result.status, result.err) == (
        *(0, "crucible-ir: out: up to date: 6 records in 2 parts\n"),
    )
    assert run("convert", "out", "back.jsonl").status == 0
    assert Path("back.jsonl").read_bytes() == lines(*EVENTS, *EVENTS)
    result = run("convert", "out/part-00000*.parquet", "--to", "crucible-jsonl")
    assert result.out.count('"rating"') == 3


@pytest.mark.parametrize("name", ["events.parquet", "events.arrow"])
def test_one_file_comes_back(folder: Path, name: str) -> None:
    assert run("convert", "--from", "jsonl", "-", name, stdin=lines(*EVENTS)).status == 0
    assert run("convert", name, "--to", "jsonl").out.encode() == lines(*EVENTS)
    result = run("convert", "--from", "jsonl", "-", name, stdin=lines(*EVENTS))
    assert (result.status, "--force" in result.err) == (2, True)
    one = run("convert", "--force", "--from", "jsonl", "-", name, stdin=lines(EVENTS[0]))
    assert one.status == 0
    assert run("convert", name, "event.yaml").status == 0
    assert ir.from_yaml(Path("event.yaml").read_text(), "FeedbackEvent") == EVENTS[0]


def test_bad_records_are_beside_the_parts_of_a_folder(folder: Path) -> None:
    Path("in.jsonl").write_bytes(lines(EVENTS[0]) + b'{"id": ""}\n')
    result = run("convert", "--to", "parquet", "in.jsonl", "out")
    assert result.status == 1
    assert result.err.splitlines() == [
        "crucible-ir: out: 2 records in 1 part, 1 of them bad",
        "crucible-ir: out: required 1",
        "crucible-ir: out: the bad records are in out/_quarantine.jsonl: mend them, and run"
        " `crucible-ir convert --to parquet --type FeedbackEvent out/_quarantine.jsonl FOLDER`",
    ]
    again = run("convert", "--to", "parquet", "in.jsonl", "out")
    assert again.status == 1
    assert again.err == result.err.replace("2 records", "up to date: 2 records")
    assert Path("out/_quarantine.jsonl").read_bytes() == b'{"id": ""}\n'
    [violation, *_] = pq.read_table("out/_violations.parquet").to_pylist()
    assert (violation["record"], violation["line"], violation["path"]) == (1, 2, "id")


def test_a_result_inside_an_input_folder_is_no_input(folder: Path) -> None:
    Path("in").mkdir()
    Path("in/a.jsonl").write_bytes(lines(EVENTS[0]) + b'{"id": ""}\n')
    assert run("convert", "--to", "parquet", "in", "in/out").status == 1
    again = run("convert", "--to", "parquet", "in", "in/out")
    skipped = "in/out/_quarantine.jsonl: skipped: its name begins with an underscore"
    assert skipped in again.err
    assert "up to date: 2 records" in again.err
    path = "in/out/_quarantine.jsonl"
    named = run("convert", "--to", "parquet", "--type", "FeedbackEvent", path, "mended")
    assert "mended: 1 record in 1 part, 1 of them bad" in named.err


def test_a_table_that_lost_a_part_or_is_corrupt_is_an_error(folder: Path) -> None:
    Path("in.jsonl").write_bytes(lines(*EVENTS))
    assert run("convert", "--to", "parquet", "in.jsonl", "out").status == 0
    part = Path("out/part-00000-00000.parquet")
    data = bytearray(part.read_bytes())
    # The first page of the first column.
    data[4:40] = bytes(36)
    part.write_bytes(data)
    result = run("convert", "out", "back.jsonl")
    assert (result.status, "part-00000-00000.parquet: " in result.err) == (2, True)
    assert "Traceback" not in result.err
    part.unlink()
    for command in (["convert", "out", "back.jsonl"], ["summarize", "out"]):
        result = run(*command)
        assert result.status == 2
        assert "part-00000-00000.parquet: is missing or has changed" in result.err


def test_one_file_has_no_bad_records(folder: Path) -> None:
    Path("in.jsonl").write_bytes(b'{"id": ""}\n' + lines(EVENTS[0]) + b"{\n" * 30)
    result = run("convert", "--type", "FeedbackEvent", "in.jsonl", "out.parquet")
    assert result.status == 1
    assert result.err.startswith("crucible-ir: in.jsonl:1: id: ")
    assert not Path("out.parquet").exists()
    result = run("convert", "--skip-bad", "--type", "FeedbackEvent", "in.jsonl", "out.parquet")
    assert result.status == 1
    assert "further violations are not printed" in result.err
    assert result.err.endswith("skipped 31 of 32 records\n")
    assert pq.read_table("out.parquet").column("id").to_pylist() == ["e0"]


def test_inputs_that_end_early_are_named(folder: Path) -> None:
    ir.write_delimited("in.binpbs", EVENTS)
    Path("in.binpbs").write_bytes(Path("in.binpbs").read_bytes()[:-1])
    result = run("convert", "--type", "FeedbackEvent", "--to", "arrow", "in.binpbs", "out")
    assert result.status == 1
    assert "in.binpbs: record 2 at byte " in result.err
    assert "out: not complete" in result.err
    assert run("convert", "out", "back.jsonl").status == 2
    result = run("convert", "--type", "FeedbackEvent", "in.binpbs", "out.arrow")
    assert result.status == 1
    assert not Path("out.arrow").exists()


def test_unknown_fields_need_raw(folder: Path) -> None:
    newer = v1.FeedbackEvent.FromString(EVENTS[0].SerializeToString() + b"\xf8\xff\x07\x05")
    ir.write_delimited("in.binpbs", [newer])
    assert run("convert", "--type", "FeedbackEvent", "in.binpbs", "out.parquet").status == 1
    result = run("convert", "--type", "FeedbackEvent", "--raw", "in.binpbs", "out.parquet")
    assert result.status == 0
    assert run("convert", "out.parquet", "back.binpbs").status == 0
    assert list(ir.read_delimited("back.binpbs", "FeedbackEvent")) == [newer]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--to", "parquet", "in.jsonl"], "needs an input and an output"),
        (["--to", "parquet", "--out-dir", "out", "in.jsonl", "b"], "no --out-dir"),
        (["--strict", "in.jsonl", "a.parquet"], "--strict is not for tables"),
        (["--raw", "in.jsonl", "a.binpbs"], "are for tables"),
        (["in.jsonl", "in.jsonl2", "a.parquet"], "in.jsonl2"),
        (["in.jsonl", "b.jsonl", "a.parquet"], "one file for 2 inputs"),
        (["--jobs", "2", "in.jsonl", "a.parquet"], "need a folder"),
        (["--to", "parquet", "missing.jsonl", "out"], "missing.jsonl: cannot be read"),
        (["--to", "parquet", "--from", "jsonl", "-", "out"], "standard input"),
        (["--to", "parquet", EXAMPLES / "prompt.yaml", "out"], "format of documents"),
        (["--to", "parquet", "empty.jsonl", "out"], "give --type"),
        (["empty.jsonl", "a.parquet"], "give --type"),
        (["--to", "parquet", "empty", "out"], "has no streams"),
        (["--to", "parqet", "in.jsonl", "out"], 'did you mean "parquet"'),
        (["--raw", "--type", "ToolCall", "--to", "parquet", "in.jsonl", "out"], "omit --raw"),
        (["text.parquet", "a.jsonl"], "not a readable parquet file"),
        (["text.arrow", "a.jsonl"], "not a readable arrow file"),
        (["missing.parquet", "a.jsonl"], "missing.parquet: cannot be read"),
        (["untyped.parquet", "a.jsonl"], "give --type"),
        (["--skip-bad", "untyped.parquet", "a.jsonl"], "--skip-bad is for streams"),
    ],
)
def test_errors_name_the_fix(folder: Path, arguments: list[str], reason: str) -> None:
    for name in ("in.jsonl", "b.jsonl"):
        Path(name).write_bytes(lines(EVENTS[0]))
    Path("empty.jsonl").touch()
    Path("empty").mkdir()
    for name in ("text.parquet", "text.arrow"):
        Path(name).write_text("text")
    pq.write_table(pa.table({"id": ["a"]}), "untyped.parquet")
    result = run("convert", *arguments)
    assert result.status == 2
    assert reason in result.err


def test_rows_without_a_message_are_located(folder: Path) -> None:
    pq.write_table(pa.table({"name": ["a", ""]}), "a.parquet")
    result = run("convert", "--type", "StageDef", "a.parquet", "a.jsonl")
    assert result.status == 1
    assert result.err == "crucible-ir: a.parquet:record 1: name: must not be empty [required]\n"
    pq.write_table(pa.table({"name": [1]}), "b.parquet")
    result = run("convert", "--type", "StageDef", "b.parquet", "b.jsonl")
    assert result.status == 1
    assert "b.parquet[0].name: got 1" in result.err


def test_progress_is_shown_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr("crucible_ir.cli.progress._write", shown.append)
    monkeypatch.setattr("crucible_ir.cli.progress._DELAY", -1.0)
    monkeypatch.setattr("crucible_ir.cli.progress._INTERVAL", -1.0)
    progress = JobProgress(1000, is_wanted=False)
    progress.add(1, 10)
    assert not shown
    progress.is_wanted = True
    progress.started -= 7200
    progress.add(99, 240)
    progress.clear()
    assert shown[0].endswith(" 25%  100 records, 0/s, 6:00:00 left")
    assert shown[1] == "\r\x1b[2K"


def test_a_short_job_leaves_one_line_on_a_terminal(folder: Path) -> None:
    Path("in.jsonl").write_bytes(lines(*EVENTS))
    shown = on_a_terminal("convert", "--to", "parquet", "in.jsonl", "out")
    assert shown.strip().endswith("out: 3 records in 1 part")
