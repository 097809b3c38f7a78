"""Streams with the Crucible JSON of a message on each line, in every command that reads them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli.command_line import run
from google.protobuf.struct_pb2 import Value

import crucible_ir as ir
from crucible_ir import v1

#: Events as a web backend logs them.
LOGGED = (
    '{"id":"e1","feedback_type":"thumbs","feedback_value":"up","user_id":null}\n'
    '{"id":"e2","feedback_type":"rating","feedback_value":4}\n'
    '{"id":"e3","feedback_type":"stars"}\n'
)
THUMBS, RATING = v1.FeedbackType.FEEDBACK_TYPE_THUMBS, v1.FeedbackType.FEEDBACK_TYPE_RATING
EVENTS = [
    v1.FeedbackEvent(id="e1", feedback_type=THUMBS, feedback_value=Value(string_value="up")),
    v1.FeedbackEvent(id="e2", feedback_type=RATING, feedback_value=Value(number_value=4)),
    v1.FeedbackEvent(id="e3", custom_feedback_type="stars"),
]
ADVICE = "short names of enum values, which are read with --from crucible-jsonl\n"
TYPE = ("--type", "FeedbackEvent")


@pytest.fixture(autouse=True)
def log(folder: Path) -> None:
    (folder / "log.crucible.jsonl").write_text(LOGGED)
    (folder / "log.jsonl").write_text(LOGGED)


@pytest.mark.parametrize(
    "file", [["log.crucible.jsonl"], ["--from", "crucible-jsonl", "log.jsonl"]]
)
def test_every_command_reads_them(file: list[str]) -> None:
    valid = run("validate", *file)
    assert (valid.status, valid.err) == (0, "")
    assert valid.lines[0] == f"{file[-1]}: valid FeedbackEvent, 3 records"
    assert run("lint", *file).status == 0
    assert len(run("digest", *file).lines) == 3
    assert "feedback_type: rating" in run("show", *file).out
    assert run("convert", *file, "events.binpbs").status == 0
    assert list(ir.read_delimited("events.binpbs", "FeedbackEvent")) == EVENTS


def test_standard_input_is_a_stream() -> None:
    result = run("convert", "--from", "crucible-jsonl", "--to", "jsonl", "-", stdin=LOGGED.encode())
    assert result.status == 0
    assert [json.loads(line).get("feedbackType") for line in result.lines] == [
        "FEEDBACK_TYPE_THUMBS",
        "FEEDBACK_TYPE_RATING",
        None,
    ]


def test_convert_writes_them() -> None:
    ir.write_delimited("events.binpbs", EVENTS)
    assert run("convert", *TYPE, "events.binpbs", "all.crucible.jsonl.gz").status == 0
    assert (
        list(ir.read_jsonl("all.crucible.jsonl.gz", "FeedbackEvent", dialect="crucible")) == EVENTS
    )
    written = run("convert", *TYPE, "--to", "crucible-jsonl", "events.binpbs").lines
    assert written == [ir.to_crucible_json(event) for event in EVENTS]
    assert (
        run("convert", *TYPE, "--out-dir", "out", "--to", "crucible-jsonl", "events.binpbs").status
        == 0
    )
    assert Path("out/events.crucible.jsonl").read_text().splitlines() == written


@pytest.mark.parametrize("command", [["validate"], ["lint"], ["convert", "--skip-bad"]])
def test_a_plain_file_with_short_names_says_once_which_option_reads_it(command: list[str]) -> None:
    output = ["all.binpbs"] if command[0] == "convert" else []
    result = run(*command, *TYPE, "log.jsonl", *output)
    assert result.status == 1
    assert f"crucible-ir: log.jsonl: 2 records have {ADVICE}" in result.err
    assert (result.out + result.err).count("--from") == 1
    assert "from_crucible_json" not in result.out + result.err


def test_a_command_that_stops_at_the_first_bad_record_says_so_too() -> None:
    result = run("show", *TYPE, "log.jsonl")
    assert result.status == 1
    assert f"crucible-ir: log.jsonl: 1 record has {ADVICE}" in result.err


def test_a_stream_without_short_names_gets_no_advice() -> None:
    Path("log.jsonl").write_text(
        '{"id":"e1","feedbackType":"thumb"}\n{"id":"e2","latencyMs":"x"}\n'
    )
    assert run("validate", *TYPE, "log.jsonl").err == ""


def test_a_document_with_short_names_says_once_which_option_reads_it() -> None:
    text = '{"id": "d", "model_version_id": "v", "environment": "production", "strategy": "canary"}'
    Path("a.json").write_text(text)
    for command in (["validate"], ["convert", "--to", "yaml"]):
        result = run(*command, "--type", "DeploymentConfig", "a.json")
        assert result.status == 1
        assert (result.out + result.err).count("is the short name of") == 2
        assert (result.out + result.err).count("--from crucible-json") == 1
