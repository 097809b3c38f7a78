"""`crucible-ir show`: a tree with the set fields, the defaults and the broken rules."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cli.command_line import EXAMPLES, Result, run

import crucible_ir as ir
from crucible_ir import to_json, v1


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
    assert re.search(r"\[0\] Message  ✗ [^\[]*\[message.content_required\]", out)
    (folder / "x.json").write_text('{"id": "x", "pipeline": [{"name": "a"}]}')
    assert re.search(r"backend: unset  ✗ must be set \[required\]", run("show", "x.json").out)
    (folder / "d.json").write_text('{"irVersion": "0.2.0"}')
    out = " ".join(run("show", "--type", "Document", "d.json").out.split())
    assert re.search(r"content: unset ✗ exactly one of .* \[required\]", out)


def test_long_values_and_lists_are_cut_and_show_their_length(folder: Path) -> None:
    tags = ", ".join(f"t{number}" for number in range(50))
    text = f"id: {'Q' * 300}\nbackend: {{id: b}}\ntags: [{tags}]\npipeline: ["
    text += ", ".join("{name: stage}" for _ in range(30)) + "]\n"
    (folder / "e.yaml").write_text(text)
    cut = run("show", "--type", "Experiment", "e.yaml")
    assert max(map(len, cut.lines)) <= 100
    assert "│   └── … 10 more" in cut.lines
    full = run("show", "--full", "--type", "Experiment", "e.yaml")
    assert full.out.count("Q") == 300
    assert '"t49"]' in full.out
    assert full.out.count("name: ") == 30


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


def history(count: int) -> v1.TrainingRun:
    config = v1.TrainingConfig(
        id="c", model_ref=v1.ModelRef(id="m"), dataset_ref=v1.DatasetRef(name="d")
    )
    run = v1.TrainingRun(id="r", config=config)
    for number in range(count):
        snapshot = run.metrics_history.add()
        snapshot.values["loss"] = float(count - number)
        snapshot.values["eval/accuracy"] = number / 8
        if number % 2:
            snapshot.values["odd"] = 1.0
    return run


def lines_below(heading: str, result: Result) -> list[str]:
    """Return the lines below the heading of a table, without the lines of the tree."""
    lines = [line.lstrip("│├└─ ") for line in result.lines]
    at = next(at for at, line in enumerate(lines) if line.startswith(heading))
    return lines[at + 1 :]


def test_a_history_of_metrics_is_a_table_with_a_sparkline_for_each(folder: Path) -> None:
    (folder / "r.json").write_text(to_json(history(8)))
    shown = run("show", "--no-defaults", "r.json")
    # First, last, least and greatest value; then the values from low to high by eighths.
    assert [line.split() for line in lines_below("metric ", shown)] == [
        ["eval/accuracy", "0", "0.875", "0", "0.875", "▁▂▃▄▅▆▇█"],
        ["loss", "8", "1", "1", "8", "█▇▆▅▄▃▂▁"],
        ["odd", "1", "1", "1", "1", "▄", "▄", "▄", "▄"],
    ]


def test_a_long_history_takes_a_line_for_each_metric(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "r.json").write_text(to_json(history(240)))
    for columns in ("60", "80", "200"):
        monkeypatch.setenv("COLUMNS", columns)
        shown = run("show", "--no-defaults", "--type", "TrainingRun", "r.json")
        assert len(shown.lines) < 20
        assert all(len(line) <= int(columns) for line in shown.lines)
        assert "240" in shown.out
    # A sparkline has at most 60 characters.
    assert {len(line.split()[-1]) for line in lines_below("metric ", shown)[:2]} == {60}


def test_full_has_a_row_for_each_snapshot_as_well(folder: Path) -> None:
    (folder / "r.json").write_text(to_json(history(3)))
    shown = run("show", "--no-defaults", "--full", "r.json")
    rows = lines_below("eval/accuracy  loss  odd", shown)
    assert [row.split() for row in rows] == [
        ["[0]", "0.0", "3.0"],
        ["[1]", "0.125", "2.0", "1.0"],
        ["[2]", "0.25", "1.0"],
    ]


def test_a_history_has_the_steps_the_times_and_what_is_not_a_number(folder: Path) -> None:
    document = {
        "id": "r",
        "config": {"id": "c"},
        "metricsHistory": [
            {
                "step": 10,
                "time": "2025-01-01T00:00:00Z",
                "otherValues": {"note": "warm", "list": [1]},
            },
            {"step": 1234567890, "epoch": 0.5, "values": {"loss": 2}},
            {"step": 5, "time": "2025-01-02T00:00:00Z", "otherValues": {"note": None}},
        ],
    }
    (folder / "r.json").write_text(json.dumps(document))
    shown = run("show", "--no-defaults", "--full", "--type", "TrainingRun", "r.json")
    lines = [line.split() for line in lines_below("metric ", shown)]
    assert lines[:6] == [
        ["step", "10", "5", "5", "1234567890", "▁█▁"],
        ["epoch", "0.5", "0.5", "0.5", "0.5", "▄"],
        ["loss", "2", "2", "2", "2", "▄"],
        ["time:", "2025-01-01T00:00:00Z", "…", "2025-01-02T00:00:00Z"],
        ["list:", "[1]"],
        ["note:", '"warm"', "…", "null"],
    ]
    assert lines[7:] == [
        ["step", "epoch", "loss", "time", "list", "note"],
        ["[0]", "10", "2025-01-01T00:00:00Z", "[1]", '"warm"'],
        ["[1]", "1234567890", "0.5", "2.0"],
        ["[2]", "5", "2025-01-02T00:00:00Z", "null"],
    ]
    page = ir.show(ir.from_dict(document, "TrainingRun", validate=False))._repr_html_()
    for value in ("step", "2025-01-02T00:00:00Z", "&quot;warm&quot;"):
        assert f"<td>{value}</td>" in page


def test_diverged_runs_and_missing_values_have_characters_of_their_own(folder: Path) -> None:
    message = v1.TrainingRun(id="r", config=v1.TrainingConfig(id="c"))
    for value in (1.0, float("nan"), None, float("inf"), 2.0):
        values = {} if value is None else {"loss": value}
        message.metrics_history.append(v1.MetricsSnapshot(values=values))
    (folder / "r.json").write_text(to_json(message))
    [line] = lines_below("metric ", run("show", "--no-defaults", "r.json"))
    assert line.split() == ["loss", "1", "2", "1", "Infinity", "▁x", "x█"]


def test_a_sparkline_is_in_ascii_where_the_terminal_is(folder: Path) -> None:
    (folder / "r.json").write_text(to_json(history(8)))
    out = subprocess.check_output(
        [sys.executable, "-m", "crucible_ir", "show", "--no-defaults", "r.json"],
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
        text=True,
    )
    assert "_.-=+*%#" in out
