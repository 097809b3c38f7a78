"""A list in a message's metadata disables lints for the message and its nested messages."""

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
    return [finding.id for finding in lint(message)]


def test_without_a_list_nothing_is_disabled() -> None:
    assert ids(experiment([])) == [
        "experiment.all_stages_disabled",
        "hedging.fractional_percentile",
        "stats.large_alpha",
    ]


def test_a_listed_id_is_disabled_for_the_message_and_nested_messages() -> None:
    ignore = ["experiment.all_stages_disabled", "stats.large_alpha"]
    assert ids(experiment(ignore)) == ["hedging.fractional_percentile"]


def test_a_subject_disables_all_of_its_lints() -> None:
    assert ids(experiment(["hedging", "stats", "experiment"])) == []


def test_the_list_of_the_content_applies_inside_a_document() -> None:
    content = experiment(["hedging", "stats", "experiment"])
    assert ids(v1.Document(ir_version="0.2.0", experiment=content)) == []


def test_a_nested_list_extends_the_outer_list_only_for_its_own_message() -> None:
    baseline = {"id": "a\tb", "artifact_uri": "gpt2", "metadata": {KEY: ["text"]}}
    outer = experiment(
        ["uri", "experiment", "reliability", "hedging", "stats"],
        id="c\td",
        baseline=baseline,
    )
    assert [(finding.path, finding.id) for finding in lint(outer)] == [
        ('metadata["crucible_ir_lint_ignore"][2]', "lint.unknown_id"),
        ("id", "text.control_character"),
    ]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            "stats.large_alpah",
            "unknown lint 'stats.large_alpah'; did you mean \"stats.large_alpha\"?",
        ),
        ("hedgin", "unknown lint 'hedgin'; did you mean \"hedging\"?"),
        ("hedging.", "unknown lint 'hedging.'"),
        ("", "unknown lint ''"),
        ("*", "unknown lint '*'"),
        (7, "expected a string: the id of a lint"),
        (None, "expected a string: the id of a lint"),
    ],
)
def test_an_unknown_entry_is_reported(entry: object, message: str) -> None:
    [finding] = lint(experiment(["experiment", "hedging", "stats", entry]))
    assert (finding.id, finding.severity) == ("lint.unknown_id", "info")
    assert finding.path == f'metadata["{KEY}"][3]'
    assert finding.message.startswith(message)


@pytest.mark.parametrize("value", ["hedging", True, {"hedging": True}, None])
def test_a_value_that_is_not_a_list_disables_nothing_and_is_reported(value: object) -> None:
    found = ids(experiment(value))
    assert found[0] == "experiment.all_stages_disabled"
    assert found[1] == "lint.unknown_id"
    assert "hedging.fractional_percentile" in found


def test_the_lint_of_the_list_can_be_disabled_too() -> None:
    assert ids(experiment(["nonsense", "lint", "experiment", "hedging", "stats"])) == []


def test_the_list_is_read_only_from_metadata() -> None:
    stage = v1.StageDef(name="a\tb")
    ParseDict({KEY: ["text"]}, stage.options)
    assert [finding.id for finding in lint(stage)] == ["text.control_character"]
