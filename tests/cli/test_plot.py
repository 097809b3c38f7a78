"""`crucible-ir plot`: what it draws, where it writes, and its errors. An exchange has own tests."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from cli.command_line import EXAMPLES, run

import crucible_ir as ir
from crucible_ir import v1

SVG = "{http://www.w3.org/2000/svg}"


def track(name: str, values: list[float], path: str) -> None:
    config = v1.TrainingConfig(
        id="c", model_ref=v1.ModelRef(id="m"), dataset_ref=v1.DatasetRef(name="d")
    )
    with ir.track(v1.TrainingRun(id=name, config=config), to=path) as tracker:
        for step, value in enumerate(values):
            tracker.log(step=step * 10, loss=value, acc=value / 2)


def titles(path: Path) -> list[str]:
    root = ElementTree.parse(path).getroot()
    return [part.text or "" for part in root.iter(f"{SVG}tspan") if part.get("class") == "name"]


def test_the_file_of_a_tracker_is_one_run(folder: Path) -> None:
    track("run-a", [3.0, 2.0, math.nan, 1.0], "a.crucible.jsonl")
    track("run-b", [4.0, 3.0], "b.jsonl")
    result = run("plot", "a.crucible.jsonl", "b.jsonl", "-o", "runs.svg")
    assert (result.status, result.err) == (0, "")
    assert result.out == "runs.svg: 2 charts\n"
    assert titles(folder / "runs.svg") == ["acc", "loss"]
    text = (folder / "runs.svg").read_text()
    assert ">2 training runs<" in text and "run-a" in text
    assert "loss by step of 2 curves; run-a ends at 1, is NaN from 20; run-b ends at 3" in text


def test_a_run_that_is_there_again_is_not_drawn_twice(folder: Path) -> None:
    track("run-a", [3.0, 2.0], "a.jsonl")
    whole = ir.to_json(ir.read_run("a.jsonl"))
    (folder / "a1.json").write_text(whole)
    (folder / "a2.json").write_text(whole)
    run("plot", "a1.json", "a2.json", "--metric", "loss", "-o", "a.svg")
    (line,) = re.findall(r'class="ln c1" d="M([^"]*)"', (folder / "a.svg").read_text())
    assert line.count("L") == 1


def test_the_extension_of_the_output_decides(folder: Path) -> None:
    source = EXAMPLES / "fine_tuning_run.yaml"
    assert run("plot", source).out.startswith("<svg xmlns=")
    assert run("plot", source, "-o", "run.html").status == 0
    page = (folder / "run.html").read_text()
    assert page.startswith("<!doctype html>") and "<script" not in page and "<style>" in page
    assert run("plot", source, "-o", "charts/").lines == ["charts/: 5 charts, 5 files"]
    assert {path.name for path in (folder / "charts").iterdir()} == {
        *("eval_loss.svg", "eval_runtime.svg", "grad_norm.svg", "learning_rate.svg", "loss.svg"),
    }
    wrong = run("plot", source, "-o", "run.png")
    assert wrong.status == 2
    assert '--output "run.png": expected a file that ends in .svg or .html' in wrong.err


def test_files_are_replaced_only_with_force(folder: Path) -> None:
    source = EXAMPLES / "evaluation.yaml"
    for output in ("out.svg", "out.html", "folder/"):
        assert run("plot", source, "-o", output).status == 0
        again = run("plot", source, "-o", output)
        assert again.status == 2 and "--force" in again.err
        assert run("plot", source, "-o", output, "--force", "--quiet").out == ""


def test_feedback_and_evaluations_have_charts_of_their_own(folder: Path) -> None:
    sources = (EXAMPLES / "evaluation.yaml", EXAMPLES / "feedback_events.crucible.jsonl")
    assert run("plot", *sources, "--bucket", "1m", "-o", "all.svg").status == 0
    assert titles(folder / "all.svg") == [
        *("exact_match", "exact_match", "bleu"),
        *("Thumbs up", "Events by type, each 1 min"),
    ]


def test_an_unknown_metric_suggests_the_nearest() -> None:
    source = EXAMPLES / "fine_tuning_run.yaml"
    result = run("plot", source, "--metric", "learning_rat")
    assert result.status == 2
    assert 'no metric "learning_rat"; did you mean "learning_rate"?' in result.err
    result = run("plot", source, "--metric", "zzz")
    assert 'no metric "zzz"; there are ' in result.err and "loss" in result.err
    result = run("plot", EXAMPLES / "evaluation.yaml", "--baseline", "eval_gsm8k_qwen2")
    assert result.status == 2 and 'did you mean "eval_gsm8k_qwen2.5"?' in result.err


def test_other_documents_are_reported_and_the_rest_is_drawn(folder: Path) -> None:
    sources = (EXAMPLES / "model.yaml", EXAMPLES / "evaluation.yaml")
    result = run("plot", *sources, "-o", "out.svg")
    assert result.status == 1
    assert "nothing to draw in ModelRef: expected TrainingRun, EvaluationResult" in result.err
    assert (folder / "out.svg").exists()
    only = run("plot", EXAMPLES / "model.yaml", "-o", "other.svg")
    assert (only.status, only.out) == (1, "")
    assert not (folder / "other.svg").exists()
    (folder / "run.yaml").write_text("id: r\nconfig: {id: c}\n")
    assert (
        'TrainingRun "r" has no metrics that are numbers'
        in run("plot", "run.yaml", "--type", "TrainingRun").err
    )
    (folder / "empty.jsonl").write_bytes(b"")
    nothing = run("plot", "empty.jsonl")
    assert (nothing.status, nothing.err) == (1, "crucible-ir: nothing to draw in empty.jsonl\n")


def test_what_is_before_a_bad_record_is_drawn(folder: Path) -> None:
    track("run-a", [3.0, 2.0], "a.jsonl")
    with open("a.jsonl", "a") as file:
        file.write('{"id": "run-a", "metricsHist')
    result = run("plot", "a.jsonl", "-o", "a.svg")
    assert result.status == 1 and "a.jsonl:" in result.err
    assert titles(folder / "a.svg") == ["acc", "loss"]


def test_what_is_neither_a_file_nor_answered_says_both(folder: Path) -> None:
    result = run("plot", "run_007", "--server", "127.0.0.1:1")
    assert result.status == 2
    assert 'there is no file "run_007", and no exchange at 127.0.0.1:1' in result.err
    missing = run("plot", "run.yaml")
    assert missing.status == 2 and "run.yaml: cannot be read: no such file" in missing.err


def test_events_without_a_time_are_counted(folder: Path) -> None:
    event = {"id": "a", "feedbackValue": "up"}
    (folder / "e.jsonl").write_text(json.dumps(event) + "\n")
    result = run("plot", "e.jsonl", "--type", "FeedbackEvent")
    assert result.status == 1
    assert "1 event without a timestamp is not drawn" in result.err


def test_too_many_windows_are_rejected(folder: Path) -> None:
    events = [
        {"id": year, "feedbackValue": "up", "timestamp": f"{year}-01-01T00:00:00Z"}
        for year in ("0001", "9999")
    ]
    (folder / "e.jsonl").write_text("\n".join(map(json.dumps, events)))
    assert run("plot", "e.jsonl", "-o", "ok.svg").status == 0
    result = run("plot", "e.jsonl", "--bucket", "1h")
    assert result.status == 2 and "the events span more than 2,000 windows" in result.err


@pytest.mark.parametrize("options", [["--smoothing", "1"], ["--smoothing", "nan"], ["--x", "day"]])
def test_wrong_options_are_rejected(options: list[str]) -> None:
    assert run("plot", EXAMPLES / "fine_tuning_run.yaml", *options).status == 2


def test_hostile_names_are_text(folder: Path) -> None:
    name = '"/><script>alert(1)</script>\u202e../../x'
    track(name, [1.0, 2.0], "a.jsonl")
    for output in ("a.html", "a.svg", "out/"):
        run("plot", "a.jsonl", "-o", output, "--title", name)
    for path in (folder / "a.html", folder / "a.svg", *(folder / "out").iterdir()):
        text = path.read_text(encoding="utf-8")
        assert "<script" not in text and "\u202e" not in text
    assert sorted(path.name for path in (folder / "out").iterdir()) == ["acc.svg", "loss.svg"]
