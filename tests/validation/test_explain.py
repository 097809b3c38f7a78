"""Explanations of every rule and lint, with examples that protovalidate and the linter check."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import protovalidate
import pytest
from google.protobuf.message import Message

from crucible_ir import v1
from crucible_ir.errors import Error
from crucible_ir.linting import LINTS, Severity, lint
from crucible_ir.schema.rules import rules_of
from crucible_ir.schema.types import message_types
from crucible_ir.validation.explain import (
    Declaration,
    Explanation,
    UnknownRuleError,
    explain,
    rule_ids,
)


def broken(message: Message) -> list[str]:
    return [violation.proto.rule_id for violation in protovalidate.collect_violations(message)]


def examples(explanation: Explanation) -> tuple[Message, Message]:
    assert explanation.failing is not None
    assert explanation.passing is not None
    return explanation.failing.message, explanation.passing.message


def test_rule_ids_lists_the_rules_of_the_schema() -> None:
    assert rule_ids() == (
        "double.finite",
        "double.gt",
        "double.gte",
        "double.gte_lte",
        "enum.defined_only",
        "generation_options.json_schema_required",
        "int32.gt",
        "int32.gte",
        "int64.gte",
        "message.content_required",
        "message.oneof",
        "repeated.min_items",
        "required",
        "string.max_bytes",
        "string.pattern",
        "timestamp.gte_lte",
    )


@pytest.mark.parametrize("rule_id", rule_ids())
def test_the_failing_example_breaks_this_rule_and_no_other(rule_id: str) -> None:
    failing, _ = examples(explain(rule_id))
    assert broken(failing) == [rule_id]


@pytest.mark.parametrize("rule_id", rule_ids())
def test_the_passing_example_is_valid_and_differs_in_one_field(rule_id: str) -> None:
    failing, passing = examples(explain(rule_id))
    assert broken(passing) == []
    assert passing.DESCRIPTOR is failing.DESCRIPTOR
    assert passing != failing
    changed = {
        field.containing_oneof.name if field.containing_oneof is not None else field.name
        for message, other in ((failing, passing), (passing, failing))
        for field, value in message.ListFields()
        if (field, value) not in other.ListFields()
    }
    assert len(changed) == 1


@pytest.mark.parametrize("rule_id", rule_ids())
def test_every_declaration_of_a_rule_is_listed(rule_id: str) -> None:
    declared = {
        (f"{name}.{rule.field_path}".rstrip("."), rule.description)
        for name, cls in message_types().items()
        for rule in rules_of(cls.DESCRIPTOR)
        if rule.rule_id == rule_id
    }
    listed = explain(rule_id).declarations
    assert {(place.path, place.description) for place in listed} == declared
    assert len(listed) == len(declared)


def test_an_explanation_has_the_meaning_and_declarations_of_a_rule() -> None:
    explanation = explain("double.gt")
    assert explanation.severity is None
    assert explanation.meaning == "must be greater than <gt>"
    for field in ("learning_rate", "gradient_clipping"):
        declaration = Declaration(f"TrainingConfig.{field}", {"gt": 0.0}, "must be greater than 0")
        assert declaration in explanation.declarations


def test_the_text_of_a_rule_groups_its_declarations_by_requirement() -> None:
    rule = explain("double.gte_lte")
    declared = {place.path: place for place in rule.declarations}
    # The schema declares it for more fields with every release.
    some = [
        *("DeploymentStatus.traffic_percent", "Ensemble.min_agreement", "Hedging.percentile"),
        *("FeedbackConfig.sampling_rate", "Stats.alpha", "Stats.confidence_level"),
        "TrainingConfig.validation_split",
    ]
    assert str(replace(rule, declarations=tuple(declared[path] for path in some))) == (
        "double.gte_lte (rule)\n"
        "  must be greater than or equal to <gte> and less than or equal to <lte>\n"
        "\n"
        "Declared by\n"
        "  must be greater than or equal to 0 and less than or equal to 100\n"
        "    DeploymentStatus.traffic_percent, Hedging.percentile\n"
        "  must be greater than or equal to 0 and less than or equal to 1\n"
        "    Ensemble.min_agreement, FeedbackConfig.sampling_rate, Stats.alpha, "
        "Stats.confidence_level,\n"
        "    TrainingConfig.validation_split\n"
        "\n"
        'Fails   Ensemble {"min_agreement": -1.0}\n'
        'Passes  Ensemble {"min_agreement": 1.0}'
    )


def test_the_text_of_a_rule_in_cel_shows_its_expression() -> None:
    assert str(explain("generation_options.json_schema_required")) == (
        "generation_options.json_schema_required (rule)\n"
        "  json_schema is required when response_format is json_schema\n"
        "\n"
        "Declared by\n"
        "  json_schema is required when response_format is json_schema: "
        "this.response_format != 3 || has(this.json_schema)\n"
        "    GenerationOptions\n"
        "\n"
        'Fails   GenerationOptions {"response_format": "RESPONSE_FORMAT_JSON_SCHEMA"}\n'
        'Passes  GenerationOptions {"response_format": "RESPONSE_FORMAT_JSON_SCHEMA", '
        '"json_schema": {}}'
    )


def test_a_long_value_is_cut_with_its_length() -> None:
    shown = str(explain("string.max_bytes").failing)
    assert shown == f'BackendRef {{"id": "{"a" * 20}…" (513 characters)}}'


def test_a_value_that_json_cannot_write_is_shown_in_text_format() -> None:
    shown = str(explain("timestamp.gte_lte").failing)
    assert shown == "Completion {created_at { seconds: -62135596801 }}"


@pytest.mark.parametrize("lint_id", LINTS)
def test_every_lint_is_explained_by_its_entry(lint_id: str) -> None:
    entry = LINTS[lint_id]
    explanation = explain(lint_id)
    assert explanation.severity is entry.severity
    assert explanation.meaning == entry.summary
    bad, good = examples(explanation)
    assert [finding.id for finding in lint(bad)] == [lint_id]
    assert lint(good) == []


def test_the_text_of_a_lint_has_its_severity() -> None:
    assert explain("stats.large_alpha").severity is Severity.WARNING
    assert str(explain("stats.large_alpha")) == (
        "stats.large_alpha (lint, warning)\n"
        "  An alpha greater than 0.5 looks like a confidence level.\n"
        "\n"
        'Fails   Stats {"alpha": 0.95}\n'
        'Passes  Stats {"alpha": 0.05}'
    )


@pytest.mark.parametrize(
    ("rule_id", "nearest"),
    [
        ("int32.gtee", "int32.gte"),
        ("ensemble.no_model", "ensemble.no_models"),
        ("Required", "required"),
        ("double.gte_lteq", "double.gte_lte"),
    ],
)
def test_an_unknown_id_is_an_error_with_a_suggestion(rule_id: str, nearest: str) -> None:
    with pytest.raises(UnknownRuleError) as caught:
        explain(rule_id)
    assert isinstance(caught.value, Error)
    assert (
        str(caught.value) == f"no rule or lint has the id '{rule_id}'; did you mean \"{nearest}\"?"
    )


@pytest.mark.parametrize("rule_id", ["", "zzz", "x" * 10_000])
def test_an_id_unlike_any_other_is_a_short_error_without_a_suggestion(rule_id: str) -> None:
    with pytest.raises(UnknownRuleError) as caught:
        explain(rule_id)
    assert str(caught.value).startswith("no rule or lint has the id '")
    assert "did you mean" not in str(caught.value)
    assert len(str(caught.value)) < 120


def test_every_rule_that_a_message_can_break_has_an_explanation() -> None:
    empty = [rule_id for cls in message_types().values() for rule_id in broken(cls())]
    document = v1.Document(
        ir_version="1" * 600,
        training_config=v1.TrainingConfig(
            epochs=0, learning_rate=float("nan"), validation_split=2, gradient_clipping=-1
        ),
    )
    assert {*empty, *broken(document)} <= set(rule_ids())


def test_importing_the_module_loads_neither_protovalidate_nor_the_lints() -> None:
    script = (
        "import sys, crucible_ir.validation.explain\n"
        "print([name for name in ('protovalidate', 'crucible_ir.linting') if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"
