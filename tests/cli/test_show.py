"""`crucible-ir show`: a tree with the set fields, the defaults and the broken rules."""

from __future__ import annotations

import re
from pathlib import Path

from cli.command_line import EXAMPLES, run

from crucible_ir import v1


def test_fields_are_in_the_order_of_the_schema_with_defaults_marked(folder: Path) -> None:
    (folder / "d.yaml").write_text("options: {limit: 100}\nname: mmlu\n")
    result = run("show", "--type", "DatasetRef", "d.yaml")
    assert result.status == 0
    assert result.lines == [
        "DatasetRef d.yaml",
        '├── name: "mmlu"',
        "├── provider: crucible_datasets (default)",
        "├── split: train (default)",
        '└── options: {"limit": 100}',
    ]


def test_no_defaults_leaves_out_unset_fields(folder: Path) -> None:
    (folder / "d.yaml").write_text("name: mmlu\nsplit: DATASET_SPLIT_TEST\n")
    result = run("show", "--no-defaults", "d.yaml")
    assert result.lines == ["DatasetRef d.yaml", '├── name: "mmlu"', "└── split: test"]


def test_the_stages_of_a_pipeline_are_in_order() -> None:
    result = run("show", "--no-defaults", EXAMPLES / "experiment.yaml")
    stages = re.findall(
        r'^│   [├└]── \[(\d)\] StageDef\n│   .   [├└]── name: "(\w+)"', result.out, re.M
    )
    assert stages == [("0", "load"), ("1", "inference"), ("2", "calibrate"), ("3", "report")]


def test_both_members_of_an_open_vocabulary_are_one_row(folder: Path) -> None:
    text = "name: r\nformats: [OUTPUT_FORMAT_JSON]\ncustomFormats: [pdf]\ncustomSink: kafka\n"
    (folder / "o.yaml").write_text(text)
    assert run("show", "o.yaml").lines[1:] == [
        '├── name: "r"',
        '├── formats: [json, "pdf"]',
        '└── sink: "kafka" (custom)',
    ]


def test_every_kind_of_value_is_shown(folder: Path) -> None:
    event = v1.FeedbackEvent(id="e", latency_ms=0, input={"deep": {"list": [1.5, None, True]}})
    event.feedback_value.bool_value = False
    event.timestamp.FromJsonString("2025-12-26T12:10:00.5Z")
    event.feedback_type = 99  # type: ignore[assignment]  # a newer schema's
    (folder / "e.binpb").write_bytes(event.SerializeToString())
    assert run("show", "--type", "FeedbackEvent", "e.binpb").lines[1:] == [
        '├── id: "e"',
        '├── input: {"deep": {"list": [1.5, null, true]}}',
        "├── feedback_type: 99 (unknown)",
        "├── feedback_value: false",
        "├── latency_ms: 0",
        "└── timestamp: 2025-12-26T12:10:00.500Z",
    ]


def test_maps_and_bytes_are_shown(folder: Path) -> None:
    snapshot = v1.MetricsSnapshot(values={"loss": float("nan"), "acc": 0.5})
    (folder / "s.binpb").write_bytes(snapshot.SerializeToString())
    assert run("show", "--type", "MetricsSnapshot", "s.binpb").lines == [
        "MetricsSnapshot s.binpb",
        "└── values",
        "    ├── acc: 0.5",
        "    └── loss: nan",
    ]
    image = v1.ImageContent(base64=b"hi")
    (folder / "i.binpb").write_bytes(image.SerializeToString())
    assert "base64: 2 bytes, 6869" in run("show", "--type", "ImageContent", "i.binpb").out


def test_a_broken_rule_is_shown_at_its_field(folder: Path) -> None:
    (folder / "m.yaml").write_text('id: m\nmodelId: ""\nversion: "1"\n')
    result = run("show", "--no-defaults", "m.yaml", "--type", "ModelVersion")
    assert result.status == 1
    assert result.lines[2] == "├── model_id: unset  ✗ must not be empty [required]"
    assert re.fullmatch(r'└── version: "1"  ✗ .*', result.lines[3])


def test_a_broken_rule_about_the_whole_or_a_missing_message_is_shown(folder: Path) -> None:
    text = '{"messages": [{"role": "MESSAGE_ROLE_USER"}], "toolChoice": {}}'
    (folder / "p.json").write_text(text)
    out = run("show", "p.json").out
    assert re.search(r"\[0\] Message  ✗ .* \[message.content_required\]", out)
    (folder / "x.json").write_text('{"id": "x", "pipeline": [{"name": "a"}]}')
    assert re.search(r"backend: unset  ✗ must be set \[required\]", run("show", "x.json").out)
    (folder / "d.json").write_text('{"irVersion": "0.2.0"}')
    out = " ".join(run("show", "--type", "Document", "d.json").out.split())
    assert re.search(r"content: unset ✗ exactly one of .* \[required\]", out)


def test_long_values_and_lists_are_cut_and_show_their_length(folder: Path) -> None:
    tags = ", ".join(f"t{number}" for number in range(50))
    run_text = f"id: {'Q' * 300}\ncheckpointUris: [{tags}]\nconfig: {{}}\nmetricsHistory: ["
    run_text += ", ".join("{values: {loss: 1}}" for _ in range(30)) + "]\n"
    (folder / "r.yaml").write_text(run_text)
    cut = run("show", "--type", "TrainingRun", "r.yaml")
    assert max(map(len, cut.lines)) <= 100
    assert "│   └── … 10 more" in cut.lines
    full = run("show", "--full", "--type", "TrainingRun", "r.yaml")
    assert full.out.count("Q") == 300
    assert '"t49"]' in full.lines[-1]
    assert full.out.count("loss: 1") == 30


def test_hostile_text_is_escaped_for_the_terminal_and_the_markup(folder: Path) -> None:
    evil = "\x1b[2J\x07\x9b31m\u202e\u2028[bold red]x[/]"
    tag = v1.Experiment(
        id=evil, tags=[evil], metadata={evil: [evil]}, backend=v1.BackendRef(id=":smile:")
    )
    name = "e\x1b[31m.binpb"
    (folder / name).write_bytes(tag.SerializeToString())
    for result in (
        run("show", "--type", "Experiment", name),
        run("show", "--full", "--type", "Experiment", name),
        run("validate", "--type", "Experiment", name),
    ):
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\u2028]", result.out + result.err)
    out = run("show", "--type", "Experiment", name).out
    assert "[bold red]x[/]" in out
    assert '":smile:"' in out
    assert r"\u001b[2J" in out


def test_a_document_that_cannot_be_decoded_gives_one_line(folder: Path) -> None:
    (folder / "x.json").write_text('{"name": ')
    result = run("show", "x.json")
    assert (result.status, result.out) == (1, "")
    assert result.err == "crucible-ir: x.json:1:10: not JSON: expecting value\n"


def test_several_documents_are_drawn_in_order(folder: Path) -> None:
    result = run("show", EXAMPLES / "model.yaml", "none.json", EXAMPLES / "prompt.yaml")
    assert result.status == 2
    roots = [line.split()[0] for line in result.lines if line[0].isalpha()]
    assert roots == ["ModelRef", "Prompt"]
