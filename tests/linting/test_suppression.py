"""A list in a document's metadata switches lints off for the document and what is in it."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.json_format import ParseDict

from crucible_ir import v1
from crucible_ir.linting import lint

KEY = "crucible_ir_lint_ignore"


def experiment(ignore: Any, **fields: Any) -> v1.Experiment:
    document = {
        "metadata": {KEY: ignore, "team": "eval"},
        "pipeline": [{"name": "a", "enabled": False}],
        "reliability": {"hedging": {"percentile": 0.9}, "stats": {"alpha": 0.9}},
        **fields,
    }
    return ParseDict(document, v1.Experiment())


def ids(message: v1.Experiment | v1.Document) -> list[str]:
    return [advice.id for advice in lint(message)]


def test_without_a_list_nothing_is_switched_off() -> None:
    assert ids(experiment([])) == [
        "experiment.all_stages_disabled",
        "hedging.fractional_percentile",
        "stats.large_alpha",
    ]


def test_a_listed_id_is_off_in_the_document_itself_and_below() -> None:
    ignore = ["experiment.all_stages_disabled", "stats.large_alpha"]
    assert ids(experiment(ignore)) == ["hedging.fractional_percentile"]


def test_a_subject_means_all_of_its_lints() -> None:
    assert ids(experiment(["hedging", "stats", "experiment"])) == []


def test_the_list_of_the_content_holds_for_the_content_of_a_document() -> None:
    content = experiment(["hedging", "stats", "experiment"])
    assert ids(v1.Document(ir_version="0.2.0", experiment=content)) == []


def test_a_list_inside_adds_to_the_list_around_and_does_not_reach_out() -> None:
    baseline = {"id": "a\tb", "artifact_uri": "gpt2", "metadata": {KEY: ["text"]}}
    outer = experiment(
        ["uri", "experiment", "reliability", "hedging", "stats"],
        id="c\td",
        baseline=baseline,
    )
    assert [(advice.path, advice.id) for advice in lint(outer)] == [
        ('metadata["crucible_ir_lint_ignore"][2]', "lint.unknown_id"),
        ("id", "text.control_character"),
    ]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            "stats.large_alpah",
            "no lint is called 'stats.large_alpah'; did you mean \"stats.large_alpha\"?",
        ),
        ("hedgin", "no lint is called 'hedgin'; did you mean \"hedging\"?"),
        ("hedging.", "no lint is called 'hedging.'"),
        ("", "no lint is called ''"),
        ("*", "no lint is called '*'"),
        (7, "a lint's id is a string"),
        (None, "a lint's id is a string"),
    ],
)
def test_an_entry_that_means_no_lint_is_reported(entry: object, message: str) -> None:
    [advice] = lint(experiment(["experiment", "hedging", "stats", entry]))
    assert (advice.id, advice.severity) == ("lint.unknown_id", "info")
    assert advice.path == f'metadata["{KEY}"][3]'
    assert advice.message.startswith(message)


@pytest.mark.parametrize("value", ["hedging", True, {"hedging": True}, None])
def test_what_is_not_a_list_ignores_nothing_and_is_reported(value: object) -> None:
    found = ids(experiment(value))
    assert found[0] == "experiment.all_stages_disabled"
    assert found[1] == "lint.unknown_id"
    assert "hedging.fractional_percentile" in found


def test_the_report_on_the_list_can_be_switched_off_too() -> None:
    assert ids(experiment(["nonsense", "lint", "experiment", "hedging", "stats"])) == []


def test_only_metadata_holds_the_list() -> None:
    stage = v1.StageDef(name="a\tb")
    ParseDict({KEY: ["text"]}, stage.options)
    assert [advice.id for advice in lint(stage)] == ["text.control_character"]
