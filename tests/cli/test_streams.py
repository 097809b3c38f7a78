"""Streams on the command line: conversion record by record, checks and drawings."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path

import pytest
from cli.command_line import run
from google.protobuf import json_format, proto

import crucible_ir as ir
from crucible_ir import v1
from crucible_ir.cli import progress
from crucible_ir.serialization.streams.records import StreamCount

BAD_LINES = (
    "crucible-ir: bad.binpbs:record 1: id: must not be empty [required]\n"
    "crucible-ir: bad.binpbs:record 3: latency_ms: must be greater than or equal to 0 [int32.gte]\n"
)


def event(number: int) -> v1.FeedbackEvent:
    return v1.FeedbackEvent(id=f"e{number}", latency_ms=number)


EVENTS = [event(number) for number in range(5)]


@pytest.fixture(autouse=True)
def streams(folder: Path) -> None:
    """Write a good stream, one with two bad records out of five, and a truncated one."""
    ir.write_delimited("good.binpbs", EVENTS)
    bad = [event(number) for number in range(5)]
    bad[1].id = ""
    bad[3].latency_ms = -1
    ir.write_delimited("bad.binpbs", bad)
    (folder / "cut.binpbs").write_bytes((folder / "good.binpbs").read_bytes()[:-1])


def convert(*arguments: object, stdin: bytes = b"") -> tuple[int, str]:
    result = run("convert", "--type", "FeedbackEvent", *arguments, stdin=stdin)
    return result.status, result.err


def test_delimited_is_converted_to_json_lines_and_back(folder: Path) -> None:
    assert convert("good.binpbs", "a.jsonl") == (0, "")
    texts = (folder / "a.jsonl").read_text().splitlines()
    assert [json_format.Parse(text, v1.FeedbackEvent()) for text in texts] == EVENTS
    assert convert("a.jsonl", "b.binpbs") == (0, "")
    assert (folder / "b.binpbs").read_bytes() == (folder / "good.binpbs").read_bytes()
    file = io.BytesIO((folder / "b.binpbs").read_bytes())
    assert [proto.parse_length_prefixed(v1.FeedbackEvent, file) for _ in EVENTS] == EVENTS


@pytest.mark.parametrize("extension", ["gz", "zst"])
def test_the_extension_sets_the_compression(folder: Path, extension: str) -> None:
    assert convert("good.binpbs", f"a.jsonl.{extension}") == (0, "")
    assert convert(f"a.jsonl.{extension}", f"b.binpbs.{extension}") == (0, "")
    assert convert(f"b.binpbs.{extension}", "c.binpbs") == (0, "")
    assert (folder / "c.binpbs").read_bytes() == (folder / "good.binpbs").read_bytes()
    if extension == "gz":
        assert gzip.decompress((folder / "a.jsonl.gz").read_bytes()).count(b"\n") == 5


def test_streams_are_read_from_and_written_to_pipes(folder: Path) -> None:
    stdin = (folder / "good.binpbs").read_bytes()
    result = run(
        *("convert", "--type", "FeedbackEvent", "--from", "delimited", "--to", "jsonl", "-"),
        stdin=stdin,
    )
    assert (result.status, len(result.lines)) == (0, 5)
    back = run(
        *("convert", "--type", "FeedbackEvent", "--from", "jsonl", "--to", "delimited", "-"),
        stdin=result.data,
    )
    assert back.data == stdin


def test_a_document_becomes_a_stream_of_one_record_and_back(folder: Path) -> None:
    ir.write_delimited("one.binpbs", EVENTS[:1])
    assert convert("one.binpbs", "one.yaml") == (0, "")
    assert ir.from_yaml((folder / "one.yaml").read_text(), "FeedbackEvent") == EVENTS[0]
    assert convert("one.yaml", "again.binpbs") == (0, "")
    assert (folder / "again.binpbs").read_bytes() == (folder / "one.binpbs").read_bytes()


@pytest.mark.parametrize(("records", "words"), [(0, "has no record"), (2, "more than one")])
def test_a_stream_without_exactly_one_record_does_not_become_a_document(
    folder: Path, records: int, words: str
) -> None:
    ir.write_delimited("some.binpbs", EVENTS[:records])
    status, err = convert("some.binpbs", "some.yaml")
    assert (status, words in err) == (2, True)
    assert not (folder / "some.yaml").exists()


def test_an_empty_stream_is_converted_without_a_type(folder: Path) -> None:
    (folder / "empty.binpbs").write_bytes(b"")
    assert run("convert", "empty.binpbs", "empty.jsonl").status == 0
    assert (folder / "empty.jsonl").read_bytes() == b""


def test_the_first_bad_record_stops_and_the_output_is_unchanged(folder: Path) -> None:
    (folder / "out.jsonl").write_text("before")
    force = ("--force", "out.jsonl")
    assert convert("bad.binpbs", *force) == (1, BAD_LINES.splitlines(True)[0])
    status, err = convert("cut.binpbs", *force)
    assert status == 1
    assert err.startswith("crucible-ir: cut.binpbs:record 4: the stream ends 1 byte before")
    assert (folder / "out.jsonl").read_text() == "before"
    assert not [path for path in folder.iterdir() if path.suffix == ".tmp"]


def test_the_violations_of_the_first_bad_line_have_their_columns(folder: Path) -> None:
    (folder / "e.jsonl").write_text('{"id": "a"}\n{"latencyMs": -1, "id": ""}\n')
    status, err = convert("e.jsonl", "out.binpbs")
    assert status == 1
    # The columns of the two values, counted by hand.
    assert [line.split(" ")[1] for line in err.splitlines()] == ["e.jsonl:2:25:", "e.jsonl:2:15:"]


def test_skip_bad_continues_and_reports_reasons_and_counts(folder: Path) -> None:
    status, err = convert("--skip-bad", "bad.binpbs", "out.jsonl")
    # The summary has the value too.
    lines = BAD_LINES.replace(" [int32.gte]", ", got -1 [int32.gte]")
    assert (status, err) == (1, f"{lines}crucible-ir: bad.binpbs: skipped 2 of 5 records\n")
    ids = [json.loads(line)["id"] for line in (folder / "out.jsonl").read_text().splitlines()]
    assert ids == ["e0", "e2", "e4"]


def test_skip_bad_keeps_the_records_before_an_unreadable_rest(folder: Path) -> None:
    status, err = convert("--skip-bad", "cut.binpbs", "out.jsonl")
    assert status == 1
    assert "cut.binpbs:record 4: the stream ends" in err
    assert err.endswith(
        "cannot read past this record\ncrucible-ir: cut.binpbs: skipped 1 of 5 records\n"
    )
    assert len((folder / "out.jsonl").read_text().splitlines()) == 4


def test_the_reasons_of_skipped_records_are_summed_up(folder: Path) -> None:
    (folder / "many.jsonl").write_text("{\n" * 1_000)
    status, err = convert("--skip-bad", "many.jsonl", "out.binpbs")
    assert status == 1
    reason, summary = err.splitlines()
    assert reason.startswith("crucible-ir: many.jsonl: not JSON: ")
    places = "[decode]; 1000 times: record 0 at 1:2; record 1 at 2:2; record 2 at 3:2; ..."
    assert reason.endswith(places)
    assert summary == "crucible-ir: many.jsonl: skipped 1000 of 1000 records"


def test_a_record_that_the_format_cannot_write_is_bad(folder: Path) -> None:
    poisoned = event(1)
    poisoned.input["x"] = float("nan")
    ir.write_delimited("nan.binpbs", [event(0), poisoned, event(2)])
    status, err = convert("nan.binpbs", "out.jsonl")
    assert status == 1
    assert 'nan.binpbs:record 1: input["x"]: ' in err
    assert not (folder / "out.jsonl").exists()
    assert convert("--skip-bad", "nan.binpbs", "out.jsonl")[0] == 1
    assert len((folder / "out.jsonl").read_text().splitlines()) == 2


def test_strict_stops_if_json_lines_lose_fields_of_a_newer_schema(folder: Path) -> None:
    # Field 1000 with wire type 0 and value 5: the key is 1000 << 3, 8000, as the varint c0 3e.
    newer = v1.FeedbackEvent.FromString(event(1).SerializeToString() + b"\xc0\x3e\x05")
    ir.write_delimited("new.binpbs", [event(0), *[newer] * 8])
    status, err = convert("--strict", "new.binpbs", "out.jsonl")
    assert status == 1
    assert "new.binpbs:record 1: FeedbackEvent: unknown field 1000" in err
    assert not (folder / "out.jsonl").exists()
    status, err = convert("new.binpbs", "out.jsonl")
    assert (status, err.count("warning: new.binpbs:record")) == (0, 5)
    assert err.endswith("warning: new.binpbs: 8 records in total lose fields\n")
    assert convert("--strict", "new.binpbs", "copy.binpbs") == (0, "")
    assert (folder / "copy.binpbs").read_bytes() == (folder / "new.binpbs").read_bytes()


def test_a_folder_of_streams_is_converted_file_by_file(folder: Path) -> None:
    assert convert("--out-dir", "out", "--to", "jsonl", "good.binpbs", "bad.binpbs")[0] == 1
    assert [path.name for path in (folder / "out").iterdir()] == ["good.jsonl"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("good.binpbs", "a.json.gz"), "only streams"),
        (("missing.binpbs", "a.jsonl"), "no such file"),
        (("good.binpbs", "no/such/a.jsonl"), "cannot be written"),
    ],
)
def test_impossible_conversions_are_reported(arguments: tuple[str, ...], words: str) -> None:
    status, err = convert(*arguments)
    assert (status, words in err) == (2, True)


def test_a_binary_stream_needs_a_type_unless_its_records_are_documents(folder: Path) -> None:
    result = run("convert", "good.binpbs", "a.jsonl")
    assert (result.status, "give --type" in result.err) == (2, True)
    document = v1.Document(ir_version="0.2.0", feedback_event=event(1))
    ir.write_delimited("documents.binpbs", [document])
    assert run("convert", "documents.binpbs", "a.jsonl").status == 0
    assert json.loads((folder / "a.jsonl").read_text())["feedbackEvent"]["id"] == "e1"


# The other commands


# Each event takes seven bytes: its size, a tag, a size and two letters, a tag and a number.


def test_validate_names_the_record_of_each_violation() -> None:
    result = run("validate", "--type", "FeedbackEvent", "good.binpbs", "bad.binpbs", "cut.binpbs")
    assert result.status == 1
    assert result.lines[:6] == [
        "good.binpbs: valid FeedbackEvent, 5 records",
        "bad.binpbs: invalid FeedbackEvent, 2 of 5 records, 2 violations",
        "bad.binpbs:record 1: id: must not be empty [required]",
        "bad.binpbs:record 3: latency_ms: must be greater than or equal to 0, got -1 [int32.gte]",
        "cut.binpbs: invalid FeedbackEvent, 1 of 5 records, 1 violation",
        "cut.binpbs:record 4: the stream ends 1 byte before the end of the record, in the record"
        " at byte 28 [decode]",
    ]


def test_validate_reports_line_and_column_of_json_lines(folder: Path) -> None:
    (folder / "a.jsonl").write_text('{"id":"a"}\n\n{"id":"b","latencyMs":-1}\n{"id":"c"\n')
    result = run("validate", "--type", "FeedbackEvent", "a.jsonl")
    # The column of the value, and the end of the line without its bracket.
    assert [line.split(": ")[0] for line in result.lines[1:3]] == ["a.jsonl:3:23", "a.jsonl:4:10"]


@pytest.mark.parametrize("report", ["json", "sarif", "github", "junit"])
def test_every_report_names_the_record(report: str) -> None:
    result = run("validate", "--type", "FeedbackEvent", "--format", report, "bad.binpbs")
    assert result.status == 1
    assert ('"record": 3' if report == "json" else "record 3: latency_ms") in result.out


def test_listed_issues_beyond_the_limit_are_counted_only(folder: Path) -> None:
    ir.write_delimited("bad.binpbs", [v1.FeedbackEvent()] * 1_500)
    arguments = ("validate", "--list-issues", 1_000, "--type", "FeedbackEvent", "bad.binpbs")
    result = run(*arguments)
    assert "1500 of 1500 records, 1500 violations" in result.lines[0]
    assert result.lines[1:1001] == [
        f"bad.binpbs:record {number}: id: must not be empty [required]" for number in range(1_000)
    ]
    assert "bad.binpbs: and 500 violations more" in result.lines
    assert result.lines[-1] == "  required   1500"


def test_several_processes_check_streams_but_not_standard_input(folder: Path) -> None:
    result = run("validate", "--jobs", "2", "--type", "FeedbackEvent", "good.binpbs", "bad.binpbs")
    assert result.lines[0] == "good.binpbs: valid FeedbackEvent, 5 records"
    one, many = (
        run("validate", "--jobs", n, "--type", "FeedbackEvent", "bad.binpbs") for n in "14"
    )
    assert (one.status, one.out) == (many.status, many.out)
    (folder / "a.jsonl").write_text('{"id":"a"}\n')
    arguments = ("validate", "--jobs", "2", "--type", "FeedbackEvent", "--from", "jsonl")
    result = run(*arguments, "-", "a.jsonl", stdin=b"{}\n")
    assert (result.status, "omit --jobs" in result.err) == (2, True)


def test_lint_show_and_digest_read_records() -> None:
    lint = run("lint", "--type", "FeedbackEvent", "good.binpbs")
    assert lint.lines[0].startswith("good.binpbs: passed FeedbackEvent, 5 records")
    show = run("show", "--type", "FeedbackEvent", "--records", "2", "good.binpbs")
    assert [line for line in show.lines if "record" in line] == [
        "FeedbackEvent good.binpbs:record 0",
        "FeedbackEvent good.binpbs:record 1",
    ]
    digests = run("digest", "--type", "FeedbackEvent", "good.binpbs")
    assert digests.lines == [
        f"{ir.digest(each)}  good.binpbs:record {number}" for number, each in enumerate(EVENTS)
    ]


def test_diff_rejects_streams() -> None:
    result = run("diff", "--type", "FeedbackEvent", "good.binpbs", "bad.binpbs")
    assert (result.status, "is a stream of records" in result.err) == (2, True)


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        (("--max-frame-bytes", 3), "a record of 6 bytes is over the limit of 3"),
        (("--max-string-bytes", 1), "id: a string of 2 bytes is over the limit of 1"),
    ],
)
def test_limits_have_flags(flag: tuple[object, ...], words: str) -> None:
    result = run("validate", "--type", "FeedbackEvent", *flag, "good.binpbs")
    assert result.status == 1
    line = f"good.binpbs: {words} ({flag[0]}) [decode]; 5 times: record 0 at byte 0; "
    assert result.lines[1].startswith(line)


def test_limits_apply_to_documents_too(folder: Path) -> None:
    (folder / "s.yaml").write_text("{name: s, options: {list: [1, 2, 3]}}")
    for flag, words in (
        (("--max-items", 2), 'options["list"]: a list of 3 items is over the limit of 2'),
        (("--max-depth", 2), "a depth of 3 is over the limit of 2"),
        (("--max-bytes", 10), "has more than 10 bytes; raise the limit with --max-bytes"),
    ):
        result = run("validate", "--type", "StageDef", *flag, "s.yaml")
        assert (result.status in (1, 2), words in result.out) == (True, True)


def test_progress_on_a_terminal_has_the_rate(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter(range(10_000))
    monkeypatch.setattr("time.monotonic", lambda: float(next(clock)))
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    with progress.StreamProgress(200, lambda: 50) as shown:
        for number in range(1, 200):
            shown.show(StreamCount(records=number, bytes=number * 1_000_000))
    err = capsys.readouterr().err
    # The clock is read at the start and at every 64th record: the second time is 2 s.
    assert "\r\x1b[2K 25%  128 records, 64/s, 64.0 MB/s" in err
    assert err.endswith("\r\x1b[2K")


# Damaged and hostile streams


@pytest.mark.parametrize("extension", ["binpbs.gz", "jsonl.gz", "binpbs.zst", "jsonl.zst"])
def test_every_record_before_the_damage_of_a_compressed_stream_is_read(
    folder: Path, extension: str
) -> None:
    name = f"cut.{extension}"
    convert("good.binpbs", name)
    compressed = (folder / name).read_bytes()
    # gzip ends with eight bytes of checksum and size; a second Zstandard frame is only begun.
    if extension.endswith("gz"):
        (folder / name).write_bytes(compressed[:-8])
    else:
        (folder / name).write_bytes(compressed + compressed[:4])
    offset = len((folder / "good.binpbs").read_bytes())
    if extension.startswith("jsonl"):
        convert("good.binpbs", "good.jsonl")
        offset = len((folder / "good.jsonl").read_bytes())
    words = f"{name}:record 5: the compressed data is truncated"
    validate = run("validate", "--type", "FeedbackEvent", name)
    assert validate.status == 1
    assert f"{name}: invalid FeedbackEvent, 1 of 6 records" in validate.out
    assert f"{words}, in the record at byte {offset}" in validate.out
    status, err = convert("--skip-bad", name, "out.binpbs")
    assert (status, words in err, f"(record at byte {offset})" in err) == (1, True, True)
    assert (folder / "out.binpbs").read_bytes() == (folder / "good.binpbs").read_bytes()
    digest = run("digest", "--type", "FeedbackEvent", name)
    assert digest.lines[:5] == [
        f"{ir.digest(each)}  {name}:record {number}" for number, each in enumerate(EVENTS)
    ]
    assert words in digest.err


@pytest.mark.parametrize("command", ["validate", "lint", "convert", "digest"])
@pytest.mark.parametrize(
    ("name", "data", "option", "enough"),
    [
        ("zeros.binpbs", b"\0" * 300, "--max-empty-records", 300),
        ("blank.jsonl", b"\n" * 300, "--max-empty-records", 300),
        ("long.jsonl", b"x" * 2_000 + b"\n", "--max-skipped-bytes", 2_000),
        ("bomb.jsonl.gz", b" " * 65_535 + b"\n", "--max-expansion", 2_000),
    ],
)
def test_limits_on_streams_name_their_option(
    folder: Path, command: str, name: str, data: bytes, option: str, enough: int
) -> None:
    limits: tuple[object, ...] = (option, 100)
    if name == "long.jsonl":
        limits = ("--max-frame-bytes", 10, option, 100)
    elif name == "bomb.jsonl.gz":
        data = gzip.compress(data * 200)
    (folder / name).write_bytes(data)
    arguments = [command, "--type", "GenerationOptions", name]
    if command == "convert":
        arguments += ["--to", "jsonl"]
    result = run(*arguments, *limits)
    assert result.status == 1
    assert f"({option})" in result.out + result.err
    raised = run(*arguments, *limits, option, enough)
    assert f"({option})" not in raised.out + raised.err


@pytest.mark.parametrize("format_", ["jsonl", "delimited"])
@pytest.mark.parametrize("type_", [("--type", "FeedbackEvent"), ()])
def test_an_endless_stream_of_zeros_ends(format_: str, type_: tuple[str, ...]) -> None:
    limits: tuple[object, ...] = ("--max-frame-bytes", 1000, "--max-skipped-bytes", 1_000_000)
    limits += ("--max-empty-records", 500)
    result = run("validate", "--from", format_, *type_, *limits, "/dev/zero")
    assert result.status in (1, 2)
    assert "--max-" in result.out or "give --type" in result.out
