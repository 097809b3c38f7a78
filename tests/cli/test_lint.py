"""`crucible-ir lint`: findings with positions, selected by options, settings and the document."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli.command_line import EXAMPLES, run

ENSEMBLE = """\
strategy: ENSEMBLE_STRATEGY_WEIGHTED
models: [a, b]
weights: {a: 0.5, b: 0.7}
"""
HEDGING = "strategy: HEDGING_STRATEGY_PERCENTILE\npercentile: 0.95\n"


@pytest.fixture(autouse=True)
def documents(folder: Path) -> None:
    (folder / "ensemble.yaml").write_text(ENSEMBLE)
    (folder / "hedging.yaml").write_text(HEDGING)


def test_a_finding_has_position_severity_description_id_and_fix() -> None:
    result = run("lint", "--type", "Hedging", "hedging.yaml")
    assert result.status == 1
    assert result.lines[0] == "hedging.yaml: failed Hedging, 1 finding"
    assert result.lines[1].startswith("hedging.yaml:2:13: percentile: warning: ")
    assert "[hedging.fractional_percentile]; " in result.lines[1]
    assert result.lines[2:4] == ["    2 | percentile: 0.95", "      |             ^"]


def test_info_passes_unless_fail_on_is_info() -> None:
    passed = run("lint", "--type", "Ensemble", "ensemble.yaml")
    assert passed.status == 0
    assert passed.lines[0] == "ensemble.yaml: passed Ensemble, 1 finding"
    assert "[ensemble.weights_sum]" in passed.out
    assert run("lint", "--type", "Ensemble", "--fail-on", "info", "ensemble.yaml").status == 1
    assert run("lint", "--type", "Hedging", "--fail-on", "never", "hedging.yaml").status == 0


def test_select_and_ignore_take_an_id_or_a_subject() -> None:
    lint = ("lint", "--type", "Hedging", "hedging.yaml")
    assert run(*lint, "--ignore", "hedging").status == 0
    assert run(*lint, "--ignore", "hedging.fractional_percentile").status == 0
    assert run(*lint, "--select", "ensemble").status == 0
    assert run(*lint, "--select", "ensemble", "--select", "hedging").status == 1
    unknown = run(*lint, "--ignore", "hedgin")
    assert unknown.status == 2
    assert 'did you mean "hedging"?' in unknown.err


def test_settings_of_the_documents_folder_apply_and_options_override_them(folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "hedging.yaml").write_text(HEDGING)
    (folder / "sub" / "crucible-ir.toml").write_text('[lint]\nignore = ["hedging"]\n')
    both = run("lint", "--type", "Hedging", "hedging.yaml", "sub/hedging.yaml")
    assert both.lines[0] == "hedging.yaml: failed Hedging, 1 finding"
    assert "sub/hedging.yaml: passed Hedging" in both.lines
    assert run("lint", "--type", "Hedging", "--ignore", "ensemble", "sub/hedging.yaml").status == 1
    (folder / "sub" / "crucible-ir.toml").write_text("[lint]\nignore = 3\n")
    broken = run("lint", "--type", "Hedging", "sub/hedging.yaml")
    assert broken.status == 2
    assert "ignore must be a list of lint ids" in broken.err


def test_a_document_can_ignore_lints_in_its_metadata(folder: Path) -> None:
    text = "modelVersionId: m\nid: d\nenvironment: DEPLOYMENT_ENVIRONMENT_PRODUCTION\nreplicas: 1\n"
    (folder / "d.yaml").write_text(text)
    assert "deployment_config.single_replica" in run("lint", "d.yaml").out
    ignored = "metadata: {crucible_ir_lint_ignore: [deployment_config.single_replica]}\n"
    (folder / "d.yaml").write_text(text + ignored)
    assert run("lint", "d.yaml").status == 0


@pytest.mark.parametrize("format_name", ["json", "crucible-json", "binary", "text"])
def test_findings_are_the_same_in_every_format(format_name: str) -> None:
    run("convert", "--type", "Hedging", "--to", format_name, "-o", "h", "hedging.yaml")
    result = run("lint", "--type", "Hedging", "--from", format_name, "--format", "json", "h")
    remarks = json.loads(result.out)["documents"][0]["remarks"]
    assert [remark["rule"] for remark in remarks] == ["hedging.fractional_percentile"]
    assert (remarks[0]["line"] is not None) == (format_name in ("json", "crucible-json"))


def test_an_invalid_document_is_linted_and_an_undecodable_one_fails(folder: Path) -> None:
    (folder / "x.yaml").write_text("percentile: 950\nstrategy: HEDGING_STRATEGY_PERCENTILE\n")
    assert run("lint", "--type", "Hedging", "x.yaml").status == 0
    (folder / "x.yaml").write_text("percentil: 95\n")
    assert run("lint", "--type", "Hedging", "x.yaml").status == 1


def test_several_processes_report_the_same_as_one(folder: Path) -> None:
    for number in range(12):
        (folder / f"{number:02}.yaml").write_text(HEDGING)
    one, two = (run("lint", "--type", "Hedging", "--jobs", jobs, "0*.yaml") for jobs in (1, 2))
    assert one == two
    assert one.status == 1


def test_the_examples_have_no_findings() -> None:
    result = run("lint", "--fail-on", "info", EXAMPLES)
    assert result.status == 0, result.out


PROMPT = """\
messages:
- role: developer
  text: Answer in one word.
- role: user
  text: Is this a cat?
  metadata: {turn: 1}
"""


def test_for_reports_what_an_older_release_does_not_read(folder: Path) -> None:
    (folder / "prompt.yaml").write_text(PROMPT)
    lint = ("lint", "--type", "Prompt", "prompt.yaml")
    assert run(*lint).status == run(*lint, "--for", "0.3.0").status == 0
    result = run(*lint, "--for", "0.2.0")
    assert result.status == 1
    found = [line for line in result.lines if "[release.newer]" in line]
    assert [line.partition(" is new in 0.3.0 [release.newer]; ")[0] for line in found] == [
        "prompt.yaml:2:9: messages[0].role: warning: the name MESSAGE_ROLE_DEVELOPER",
        "prompt.yaml:6:13: messages[1].metadata: warning: the field metadata",
    ]
    assert run(*lint, "--for", "0.2.0", "--fail-on", "never").status == 0


def test_for_reports_each_record_of_a_stream(folder: Path) -> None:
    (folder / "events.jsonl").write_text('{"id": "e1"}\n{"id": "e2", "comment": "good"}\n')
    lint = ("lint", "--type", "FeedbackEvent", "events.jsonl", "--for", "0.2.0")
    result = run(*lint, "--format", "json")
    assert result.status == 1
    [finding] = json.loads(result.out)["documents"][0]["remarks"]
    assert (finding["record"], finding["path"]) == (1, "comment")


@pytest.mark.parametrize("release", ["0.1.0", "0.2", "latest"])
def test_for_takes_a_release(release: str) -> None:
    result = run("lint", "--for", release, EXAMPLES)
    assert result.status == 2
    assert "0.2.0" in result.err


def test_events_of_a_stream_that_supersede_each_other_are_reported(folder: Path) -> None:
    pairs = [("a", "b"), ("x", "a"), ("b", "c"), ("c", "a"), ("y", "gone"), ("z", "")]
    records = [{"id": event, "supersedes": other} for event, other in pairs]
    (folder / "events.jsonl").write_text("\n".join(map(json.dumps, records)))
    lint = ("lint", "--type", "FeedbackEvent", "--format", "json", "events.jsonl")
    result = run(*lint)
    assert result.status == 1
    [finding] = json.loads(result.out)["documents"][0]["remarks"]
    assert (finding["record"], finding["rule"]) == (0, "feedback_event.supersedes_circle")
    assert finding["message"] == "the event supersedes itself, through 'b' and 'c'"
    assert run(*lint, "--ignore", "feedback_event").status == 0
    assert run("validate", "--type", "FeedbackEvent", "events.jsonl").status == 0


def test_a_long_chain_of_superseded_events_is_no_circle(folder: Path) -> None:
    records = [{"id": str(number), "supersedes": str(number - 1)} for number in range(3000)]
    (folder / "events.jsonl").write_text("\n".join(map(json.dumps, records)))
    assert run("lint", "--type", "FeedbackEvent", "events.jsonl").status == 0
