"""Every lint behaves as its definition in the registry documents."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys

import protovalidate
import pytest
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message

from crucible_ir import v1
from crucible_ir.errors import Position
from crucible_ir.linting import LINTS, LintDefinition, Severity, lint
from crucible_ir.linting.registry import Example

EVERY_LINT = [pytest.param(entry, id=entry.id) for entry in LINTS.values()]

#: The lints that the package promises.
PROMISED = {
    "ensemble strategy without models": "ensemble.no_models",
    "weights for models that are not listed": "ensemble.weight_without_model",
    "weights that do not sum to 1": "ensemble.weights_sum",
    "weighted strategy without weights": "ensemble.no_weights",
    "percentile strategy without percentile": "hedging.no_percentile",
    "fixed without delay": "hedging.no_delay",
    "percentile between 0 and 1": "hedging.fractional_percentile",
    "confidence level and alpha that disagree": "stats.levels_disagree",
    "fairness enabled without metrics": "fairness.no_metrics",
    "guardrail redaction without detection": "guardrail.redaction_without_detection",
    "custom value within one edit of a known one": "vocabulary.near_known",
    "custom value that is empty": "vocabulary.empty_custom",
    "custom value that is a known one": "vocabulary.known_value",
    "duplicate stage names": "experiment.duplicate_stage_name",
    "all stages disabled": "experiment.all_stages_disabled",
    "training experiment without training config": "experiment.no_training_config",
    "comparison without baseline": "experiment.no_baseline",
    "completed run without final metrics": "training_run.no_final_metrics",
    "failed run without error message": "training_run.no_error_message",
    "completed before started": "training_run.completed_before_started",
    "current epoch beyond epochs": "training_run.epoch_beyond_epochs",
    "ready replicas above total": "deployment_status.ready_above_total",
    "production deployment with one replica": "deployment_config.single_replica",
    "non-https endpoint outside loopback": "uri.insecure_endpoint",
    "endpoint that is not a URI": "uri.malformed",
    "control characters in ids": "text.control_character",
    "secrets in opaque maps": "opaque.secret",
    "sampling with no storage options": "feedback_config.no_storage_options",
    "PII stored": "feedback_config.pii_kept",
    "history that goes back": "training_run.history_goes_back",
    "evaluation without a subject": "evaluation_result.no_subject",
    "evaluation without a metric": "evaluation_result.no_metrics",
    "event that supersedes itself": "feedback_event.supersedes_circle",
    "artifact without a digest in production": "model_version.artifact_without_digest",
    "artifacts that disagree with the URI": "model_version.artifact_uri_mismatch",
    "shares of traffic that do not sum to 100": "traffic.percent_sum",
    "two shares of one version": "traffic.duplicate_version",
    "deployed version without traffic": "deployment_config.version_without_traffic",
    "one name in two metric maps": "metrics.name_twice",
    "metric with the name of a field": "metrics_snapshot.name_is_field",
    "reasoning in two places": "choice.reasoning_twice",
}


def parsed(entry: LintDefinition, example: Example) -> Message:
    message: Message = ParseDict(dict(example), entry.example_type())
    return message


@pytest.mark.parametrize("entry", EVERY_LINT)
def test_the_bad_example_has_one_finding_of_this_lint_and_no_other(entry: LintDefinition) -> None:
    [finding] = lint(parsed(entry, entry.bad))
    assert (finding.id, finding.severity) == (entry.id, entry.severity)


@pytest.mark.parametrize("entry", EVERY_LINT)
def test_the_good_example_has_no_findings(entry: LintDefinition) -> None:
    assert lint(parsed(entry, entry.good)) == []


@pytest.mark.parametrize("entry", EVERY_LINT)
def test_both_examples_are_valid(entry: LintDefinition) -> None:
    for example in (entry.bad, entry.good):
        protovalidate.validate(parsed(entry, example))


@pytest.mark.parametrize("entry", EVERY_LINT)
def test_a_finding_has_a_path_a_message_and_a_fix(entry: LintDefinition) -> None:
    [finding] = lint(parsed(entry, entry.bad))
    assert finding.path
    for words in (finding.message, finding.fix):
        assert words
        assert not words.endswith(".")
    assert str(finding) == f"{finding.path}: {finding.message} [{finding.id}]; {finding.fix}"
    assert finding.position is None


@pytest.mark.parametrize("entry", EVERY_LINT)
def test_an_id_is_the_message_in_snake_case_or_a_subject_and_a_name(entry: LintDefinition) -> None:
    assert re.fullmatch(r"[a-z_]+\.[a-z_]+", entry.id)
    if entry.message_type is not None:
        name = entry.message_type.DESCRIPTOR.name
        assert entry.id.partition(".")[0] == re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


@pytest.mark.parametrize("entry", EVERY_LINT)
def test_a_summary_consists_of_sentences(entry: LintDefinition) -> None:
    assert entry.summary[0].isupper()
    assert entry.summary.endswith(".")


@pytest.mark.parametrize("lint_id", PROMISED.values(), ids=PROMISED.keys())
def test_the_registry_has_every_promised_lint(lint_id: str) -> None:
    assert lint_id in LINTS


def test_a_warning_is_more_severe_than_an_info() -> None:
    assert Severity.WARNING.at_least(Severity.INFO)
    assert Severity.INFO.at_least(Severity.INFO)
    assert not Severity.INFO.at_least(Severity.WARNING)


def test_lint_is_a_function_even_after_importing_the_linting_package() -> None:
    script = (
        "import crucible_ir.linting, crucible_ir as ir\n"
        "print([finding.id for finding in ir.lint(ir.v1.Hedging(percentile=0.5))])"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout == "['hedging.fractional_percentile']\n"


def test_linting_a_clean_message_does_not_load_protovalidate() -> None:
    script = (
        "import sys\n"
        "from crucible_ir import v1\n"
        "from crucible_ir.linting import lint\n"
        "print(lint(v1.StageDef(name='inference')), 'protovalidate' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout == "[] False\n"


def test_a_position_is_added_to_a_copy_of_a_finding() -> None:
    [finding] = lint(v1.Hedging(percentile=0.5))
    located = dataclasses.replace(finding, position=Position(3, 7))
    assert (located.position, located.id, finding.position) == (Position(3, 7), finding.id, None)
    attribute = "position"
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(finding, attribute, Position(1, 1))
