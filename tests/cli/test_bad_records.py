"""Summaries of the bad records of a stream: groups, counts and places, and totals that agree."""

from __future__ import annotations

import gzip
import json
import re
import tracemalloc
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import protovalidate
import pytest
from cli.command_line import run
from google.protobuf.message import Message

import crucible_ir as ir
from crucible_ir import v1
from crucible_ir.cli.checking.issue_groups import MAX_GROUPS
from crucible_ir.paths import general_path


def events() -> list[v1.FeedbackEvent]:
    """Return 600 events, of which every second and every third break rules."""
    return [
        v1.FeedbackEvent(
            id="" if number % 2 == 0 else f"e{number}",
            latency_ms=-number - 1 if number % 3 == 0 else number,
        )
        for number in range(600)
    ]


def verdicts(messages: list[Message]) -> Counter[str]:
    """Return how often protovalidate finds each rule broken."""
    found = (protovalidate.collect_violations(message) for message in messages)
    return Counter(each.proto.rule_id for violations in found for each in violations)


def offsets(messages: list[Message]) -> list[int]:
    """Return the offset of each record: sizes below 128 take one byte."""
    found = [0]
    for message in messages:
        found.append(found[-1] + 1 + message.ByteSize())
    return found


def test_violations_are_grouped_by_rule_and_path_with_counts_and_the_first_places() -> None:
    sent = events()
    ir.write_delimited("bad.binpbs", sent)
    at = offsets(list(sent))
    result = run("validate", "--type", "FeedbackEvent", "bad.binpbs")
    assert result.status == 1
    # Counted by hand: 300 even numbers, 200 multiples of three, 100 of both.
    assert result.lines == [
        "bad.binpbs: invalid FeedbackEvent, 400 of 600 records, 500 violations",
        "bad.binpbs: id: must not be empty [required]; 300 times: record 0 at byte 0;"
        f" record 2 at byte {at[2]}; record 4 at byte {at[4]}; ...",
        "bad.binpbs: latency_ms: must be greater than or equal to 0 [int32.gte]; 200 times:"
        f" record 0 at byte 0, got -1; record 3 at byte {at[3]}, got -4;"
        f" record 6 at byte {at[6]}, got -7; ...",
        "1 document: 1 invalid; 500 violations",
        "  required     300",
        "  int32.gte    200",
    ]


def test_places_in_json_lines_are_lines_and_columns(folder: Path) -> None:
    (folder / "a.jsonl").write_text('{"id":"a","latencyMs":-1}\n\n{"id":"b", "latencyMs":-2}\n')
    result = run("validate", "--type", "FeedbackEvent", "a.jsonl")
    # Columns counted by hand.
    assert result.lines[1] == (
        "a.jsonl: latency_ms: must be greater than or equal to 0 [int32.gte]; 2 times:"
        " record 0 at 1:23, got -1; record 1 at 3:24, got -2"
    )


def test_indexes_and_keys_are_generalised() -> None:
    assert general_path("pipeline[2].name") == "pipeline[*].name"
    assert general_path('weights["a]\\"b"].x[0]') == "weights[*].x[*]"
    assert general_path("weights[true]") == "weights[*]"
    experiment = v1.Experiment(id="e", backend=v1.BackendRef(id="b"))
    experiment.pipeline.extend([v1.StageDef(name="a"), v1.StageDef(), v1.StageDef()])
    ir.write_delimited("bad.binpbs", [experiment] * 10)
    result = run("validate", "--type", "Experiment", "bad.binpbs")
    assert result.lines[:2] == [
        "bad.binpbs: invalid Experiment, 10 of 10 records, 20 violations",
        "bad.binpbs: pipeline[*].name: must not be empty [required]; 20 times: record 0 at byte 0;"
        f" record 0 at byte 0; record 1 at byte {experiment.ByteSize() + 1}; ...",
    ]


def test_decode_errors_that_differ_in_names_and_numbers_are_one_group(folder: Path) -> None:
    lines = [json.dumps({"id": number}) for number in range(50)]
    lines += [json.dumps({"input": {f"key {number}": 2**60 + number}}) for number in range(30)]
    (folder / "bad.jsonl").write_text("\n".join(lines))
    result = run("validate", "--type", "FeedbackEvent", "bad.jsonl")
    assert result.lines[0] == "bad.jsonl: invalid FeedbackEvent, 80 of 80 records, 80 violations"
    assert re.findall(r"jsonl: (.*): .* \[decode\]; (\d+) times: ", result.out) == [
        ("id", "50"),
        ("input[*]", "30"),
    ]


def test_the_json_report_keeps_its_keys_and_has_the_groups() -> None:
    sent = events()
    ir.write_delimited("bad.binpbs", sent)
    report = json.loads(
        run("validate", "--type", "FeedbackEvent", "--format", "json", "bad.binpbs").out
    )
    [document] = report["documents"]
    assert [*document] == [
        *("file", "verdict", "type", "reason", "records", "bad_records", "findings"),
        *("omitted_findings", "groups", "ungrouped_findings", "violations", "warnings"),
    ]
    assert (document["records"], document["bad_records"]) == (600, 400)
    expected = verdicts(list(sent))
    assert report["summary"]["rules"] == dict(expected)
    assert document["findings"] == expected.total()
    assert document["omitted_findings"] + len(document["violations"]) == expected.total()
    groups = document["groups"]
    assert {group["rule"]: group["count"] for group in groups} == dict(expected)
    assert [group["path"] for group in groups] == ["id", "latency_ms"]
    at = offsets(list(sent))
    assert [(each["record"], each["offset"], each["value"]) for each in groups[1]["first"]] == [
        (0, 0, "-1"),
        (3, at[3], "-4"),
        (6, at[6], "-7"),
    ]
    # The list has the first issues of each group, in the order of the records.
    assert [each["record"] for each in document["violations"]] == [0, 0, 2, 3, 4, 6]


@pytest.mark.parametrize("report", ["text", "json", "junit"])
def test_totals_agree_beyond_the_most_groups(folder: Path, report: str) -> None:
    # Each unknown field is a group.
    lines = [json.dumps({f"field{number}": 1}) for number in range(250)]
    # Ten more of a group that exists, and an error of the stream itself.
    lines += [json.dumps({"field7": 1})] * 10
    (folder / "bad.jsonl.gz").write_bytes(gzip.compress("\n".join(lines).encode() + b"\n")[:-4])
    result = run("validate", "--type", "FeedbackEvent", "--format", report, "bad.jsonl.gz")
    if report == "text":
        assert "261 of 261 records, 261 violations" in result.lines[0]
        assert "bad.jsonl.gz: field7: " in result.lines[1]
        assert "; 11 times: record 7 at 8:2; record 250 at 251:2; record 251" in result.lines[1]
        listed = result.lines[2:-3]
        assert len(listed) == MAX_GROUPS
        assert "the compressed data is truncated" in listed[-1]
        assert result.lines[-3:] == [
            f"bad.jsonl.gz: and {261 - 11 - MAX_GROUPS} violations more",
            "1 document: 1 invalid; 261 violations",
            "  decode    261",
        ]
    elif report == "json":
        content = json.loads(result.out)
        [document] = content["documents"]
        grouped = sum(group["count"] for group in document["groups"])
        assert document["ungrouped_findings"] == 261 - 11 - MAX_GROUPS
        assert grouped + document["ungrouped_findings"] == document["findings"] == 261
        assert document["omitted_findings"] + len(document["violations"]) == 261
        assert content["summary"]["rules"] == {"decode": 261}
    else:
        failure = ElementTree.fromstring(result.out).find(".//failure")
        assert failure is not None
        assert failure.get("message") == "261 violations"
        assert failure.text is not None
        listed = failure.text.splitlines()
        assert listed[-1] == f"and {261 - len(listed) + 1} violations more"


def test_lint_findings_are_grouped() -> None:
    sent = [v1.TrainingRun(id=f"r{number}", status="TRAINING_STATUS_FAILED") for number in range(9)]
    for number, run_ in enumerate(sent):
        run_.config.id = f"nil{number}" if number else "nil"
    ir.write_delimited("runs.binpbs", sent)
    result = run("lint", "--type", "TrainingRun", "runs.binpbs")
    expected = Counter(each.id for message in sent for each in ir.lint(message))
    assert max(expected.values()) == 9
    assert f"9 records, {expected.total()} findings" in result.lines[0]
    for rule, count in expected.items():
        if count > 1:
            assert f"[{rule}]" in result.out
            assert f"; {count} times: record " in result.out


def test_memory_does_not_grow_with_bad_records() -> None:
    arguments = ("validate", "--type", "FeedbackEvent", "bad.binpbs")
    peaks = []
    for number in (2_000, 8_000):
        sent = (v1.FeedbackEvent(id="x" * 600, latency_ms=-each) for each in range(number))
        ir.write_delimited("bad.binpbs", sent)
        tracemalloc.start()
        try:
            assert f"{number} of {number} records" in run(*arguments).out
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert peaks[1] < peaks[0] + 200_000
