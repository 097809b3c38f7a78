"""`crucible-ir validate`: lines for documents and violations, a summary, and the exit status."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from cli.command_line import EXAMPLES, run

import crucible_ir as ir
from crucible_ir import v1

GOOD = "id: good\nbackend: {id: gpt4}\npipeline: [{name: run}]\n"
BAD = """\
id: bad
backend: {id: gpt4}
pipeline:
  - name: load
  - name: ""
modelVersion:
  id: v1
  modelId: m
  version: 1.0.0
trainingConfig:
  id: t
  modelRef: {id: m}
  datasetRef: {name: d}
  epochs: -1
"""


def test_a_valid_document_gives_one_line_and_status_0(folder: Path) -> None:
    (folder / "exp.yaml").write_text(GOOD)
    result = run("validate", "exp.yaml")
    assert result.status == 0
    assert result.lines == ["exp.yaml: valid Experiment", "1 document: 1 valid"]


def test_a_violation_has_position_field_description_rule_line_and_caret(folder: Path) -> None:
    (folder / "exp.yaml").write_text(BAD)
    result = run("validate", "exp.yaml")
    assert result.status == 1
    assert result.lines == [
        "exp.yaml: invalid Experiment, 2 violations",
        "exp.yaml:5:11: pipeline[1].name: must not be empty [required]",
        '    5 |   - name: ""',
        "      |           ^",
        "exp.yaml:14:11: training_config.epochs: must be greater than 0, or unset (the trainer"
        " chooses), got -1 [int32.gt]",
        "   14 |   epochs: -1",
        "      |           ^",
        "1 document: 1 invalid; 2 violations",
        "  int32.gt      1",
        "  required      1",
    ]


def test_documents_are_reported_in_order_and_the_worst_sets_the_status(folder: Path) -> None:
    (folder / "b.yaml").write_text(GOOD)
    (folder / "a.yaml").write_text(BAD)
    result = run("validate", "-q", "b.yaml", "missing.yaml", "a.yaml")
    assert result.status == 2
    firsts = [line.split(":")[0] for line in result.lines if ": " in line and "|" not in line]
    assert firsts == ["missing.yaml", "a.yaml", "a.yaml", "a.yaml"]
    assert "missing.yaml: cannot be read: no such file or directory" in result.lines
    assert run("validate", "b.yaml", "a.yaml").status == 1


def test_quiet_prints_nothing_if_all_documents_are_valid(folder: Path) -> None:
    (folder / "exp.yaml").write_text(GOOD)
    assert run("validate", "--quiet", "exp.yaml").out == ""


def test_a_folder_means_the_documents_in_it_at_any_depth(folder: Path) -> None:
    for name in ("runs/b.yaml", "runs/deep/er/a.yml", "runs/notes.md", "runs/.hidden/c.yaml"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(GOOD)
    result = run("validate", "runs")
    assert result.lines == [
        "runs/b.yaml: valid Experiment",
        "runs/deep/er/a.yml: valid Experiment",
        "2 documents: 2 valid",
    ]


def test_a_quoted_pattern_is_expanded_and_each_document_is_read_once(folder: Path) -> None:
    for name in ("runs/b.yaml", "runs/deep/a.yaml", "runs/deep/c.json"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(GOOD)
    result = run("validate", "runs/**/*.yaml", "./runs/b.yaml")
    assert result.lines[:-1] == [
        "runs/b.yaml: valid Experiment",
        "runs/deep/a.yaml: valid Experiment",
    ]


def test_a_name_with_brackets_is_a_file_if_it_exists(folder: Path) -> None:
    (folder / "exp[1].yaml").write_text(GOOD)
    assert run("validate", "exp[1].yaml").lines[0] == "exp[1].yaml: valid Experiment"


def test_a_pattern_that_matches_nothing_has_status_2(folder: Path) -> None:
    result = run("validate", "*.yaml")
    assert (result.status, result.err) == (2, "crucible-ir: no file matches *.yaml\n")


def test_standard_input_needs_a_format(folder: Path) -> None:
    assert run("validate", "--from", "yaml", "-", stdin=GOOD.encode()).lines == [
        "-: valid Experiment",
        "1 document: 1 valid",
    ]
    result = run("validate", "-", stdin=GOOD.encode())
    assert result.status == 2
    assert "give --from json|crucible-json|yaml|text|binary" in result.out


@pytest.mark.parametrize("format_name", ["json", "crucible-json", "yaml", "text"])
def test_the_type_is_detected_in_every_text_format(folder: Path, format_name: str) -> None:
    message = v1.DatasetRef(name="mmlu", version="1", custom_split="dev")
    writers: dict[str, Callable[[v1.DatasetRef], str]] = {
        "json": ir.to_json,
        "crucible-json": ir.to_crucible_json,
        "yaml": ir.to_yaml,
        "text": ir.to_text,
    }
    text = writers[format_name](message)
    result = run("validate", "--from", format_name, "-", stdin=text.encode())
    assert result.lines[0] == "-: valid DatasetRef"


def test_a_document_that_fits_several_types_needs_a_type(folder: Path) -> None:
    (folder / "x.json").write_text('{"id": "x"}')
    result = run("validate", "x.json")
    assert result.status == 2
    line = result.lines[0]
    assert line.startswith("x.json: it could be a BackendRef, ")
    assert line.endswith("; give --type")
    assert run("validate", "--type", "ModelRef", "x.json").lines[0] == "x.json: valid ModelRef"


def test_a_document_that_fits_no_type_gives_the_nearest_and_the_field(folder: Path) -> None:
    (folder / "x.yaml").write_text("id: x\nbackend: {id: b}\npipelin: []\n")
    result = run("validate", "x.yaml")
    assert result.status == 1
    assert result.lines[:2] == [
        "x.yaml: cannot be decoded",
        "x.yaml:3:1: no message type has all of its fields; the most similar type is Experiment,"
        ' which has no field "pipelin"; did you mean "pipeline"? [decode]',
    ]


def test_a_decode_error_has_position_and_expected_value(folder: Path) -> None:
    (folder / "x.json").write_text('{"id": "x", "modelVersionId": "m",\n "replicas": "many"}')
    result = run("validate", "x.json")
    assert result.status == 1
    assert result.lines[0] == "x.json: cannot be decoded as DeploymentConfig"
    assert result.lines[1].startswith("x.json:2:14: replicas: ")
    assert result.lines[3] == "      |              ^"


@pytest.mark.parametrize("end", [b"\r", b"\r\n", b"\n"], ids=["CR", "CRLF", "LF"])
def test_the_line_of_an_error_is_shown_whatever_ends_the_lines(folder: Path, end: bytes) -> None:
    # U+2028 and U+0085 end no line.
    (folder / "x.yaml").write_bytes(end.join(["# a\u2028b\x85c".encode(), b"replicas: x", b""]))
    result = run("validate", "--type", "DeploymentConfig", "x.yaml")
    assert result.lines[1].startswith("x.yaml:2:11: replicas: ")
    assert result.lines[2] == "    2 | replicas: x"


def test_binary_needs_a_type_unless_it_is_a_document(folder: Path) -> None:
    stage = v1.StageDef(name="embed")
    (folder / "stage.binpb").write_bytes(stage.SerializeToString())
    (folder / "document.binpb").write_bytes(
        v1.Document(ir_version="0.2.0", stage_def=stage).SerializeToString()
    )
    assert run("validate", "document.binpb").lines[0] == "document.binpb: valid Document"
    result = run("validate", "stage.binpb")
    assert result.status == 2
    assert "field numbers and no names" in result.out
    assert run("validate", "stage.binpb", "--type", "StageDef").status == 0


def test_an_unknown_type_or_format_suggests_the_nearest(folder: Path) -> None:
    result = run("validate", "--type", "Experimnt", "x.json")
    assert result.status == 2
    assert 'did you mean "Experiment"?' in result.err
    result = run("validate", "--from", "yml", "x.json")
    assert result.status == 2
    assert 'did you mean "yaml"?' in result.err


def test_a_document_over_the_limit_is_rejected(folder: Path) -> None:
    (folder / "exp.yaml").write_text(GOOD)
    result = run("validate", "--max-bytes", len(GOOD) - 1, "exp.yaml")
    assert result.status == 2
    assert "has more than" in result.lines[0]
    assert run("validate", "--max-bytes", len(GOOD), "exp.yaml").status == 0
    assert run("validate", "--max-bytes", 5, "--from", "yaml", "-", stdin=GOOD.encode()).err == (
        "crucible-ir: standard input: has more than 5 bytes; raise the limit with --max-bytes\n"
    )


def test_several_processes_report_the_same_as_one(folder: Path) -> None:
    for number in range(20):
        (folder / f"{number:02}.yaml").write_text(BAD if number % 7 == 3 else GOOD)
    alone, together = run("validate", "."), run("validate", "--jobs", 2, ".")
    assert together == alone
    assert alone.lines[-3:] == [
        "20 documents: 17 valid, 3 invalid; 6 violations",
        "  int32.gt      3",
        "  required      3",
    ]


def test_a_long_line_is_cut_around_the_position(folder: Path) -> None:
    filler = "x" * 300
    (folder / "d.json").write_text(
        f'{{"description": "{filler}", "name": "", "provider": null, "pad": 1}}'
    )
    result = run("validate", "--type", "DatasetRef", "d.json")
    shown, caret = result.lines[2:4]
    assert len(shown) < 120
    assert shown[caret.index("^")] == '"'


def test_every_example_is_valid_except_the_broken_one(folder: Path) -> None:
    result = run("validate", EXAMPLES)
    verdicts = {
        Path(line.split(": ")[0]).name: line.split(": ")[1].split()[0]
        for line in result.lines
        if ": valid" in line or ": invalid" in line
    }
    invalid = {name for name, verdict in verdicts.items() if verdict == "invalid"}
    assert invalid == {"broken_experiment.yaml"}
    documents = [
        path for path in Path(EXAMPLES).iterdir() if path.suffix not in (".py", ".ipynb", "")
    ]
    assert len(verdicts) == len(documents)


def test_a_misspelled_name_is_a_warning_and_the_document_is_valid(folder: Path) -> None:
    (folder / "d.yaml").write_text("id: d\nmodel_version_id: m\nenvironment: productoin\n")
    result = run("validate", "d.yaml")
    assert result.status == 0
    assert result.lines == [
        "d.yaml: valid DeploymentConfig, 1 warning",
        'd.yaml:3:14: custom_environment: warning: the custom name "productoin" is one edit away'
        ' from "production" [vocabulary.near_known]; to keep it, write it under its custom key',
        "    3 | environment: productoin",
        "      |              ^",
        "1 document: 1 valid; 1 warning",
        "  vocabulary.near_known      1",
    ]
    [report] = json.loads(run("validate", "--format", "json", "d.yaml").out)["documents"]
    assert (report["verdict"], report["violations"]) == ("valid", [])
    assert report["warnings"][0]["path"] == "custom_environment"
    for name in ("d.json", "d.binpb"):
        run("convert", "d.yaml", name)
    assert run("validate", "--type", "DeploymentConfig", "d.json", "d.binpb").lines[:2] == [
        "d.json: valid DeploymentConfig",
        "d.binpb: valid DeploymentConfig",
    ]
