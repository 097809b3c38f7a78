"""Edge cases of the lints of single message types."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message

from crucible_ir import v1
from crucible_ir.linting import lint

CONFIG = {"id": "c", "model_ref": {"id": "m"}, "dataset_ref": {"name": "d"}}


def ids(type_: type[Message], **fields: Any) -> list[str]:
    return [finding.id for finding in lint(ParseDict(fields, type_()))]


@pytest.mark.parametrize("strategy", ["NONE", "UNSPECIFIED"])
def test_a_strategy_that_combines_nothing_needs_no_models(strategy: str) -> None:
    assert ids(v1.Ensemble, strategy=f"ENSEMBLE_STRATEGY_{strategy}") == []


@pytest.mark.parametrize("strategy", ["MAJORITY", "BEST_CONFIDENCE", "UNANIMOUS"])
def test_every_other_strategy_needs_models(strategy: str) -> None:
    assert ids(v1.Ensemble, strategy=f"ENSEMBLE_STRATEGY_{strategy}") == ["ensemble.no_models"]


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("UNSPECIFIED", ["ensemble.no_models", "ensemble.no_weights"]),
        ("PARALLEL", []),
        ("SEQUENTIAL", ["ensemble.no_models", "ensemble.no_weights"]),
        ("HEDGED", ["ensemble.no_models", "ensemble.no_weights"]),
        ("CASCADE", ["ensemble.no_models", "ensemble.no_weights"]),
    ],
)
def test_the_default_mode_of_elixir_needs_neither_models_nor_weights(
    mode: str, expected: list[str]
) -> None:
    ensemble = {
        "strategy": "ENSEMBLE_STRATEGY_WEIGHTED",
        "execution_mode": f"ENSEMBLE_EXECUTION_MODE_{mode}",
    }
    assert ids(v1.Ensemble, **ensemble) == expected


@pytest.mark.parametrize(
    "weights", [{"a": 1}, {"a": 0.333, "b": 0.333, "c": 0.333}, {"a": 0.1, "b": 0.2, "c": 0.7}]
)
def test_weights_that_sum_to_1_within_rounding_are_fine(weights: dict[str, float]) -> None:
    assert ids(v1.Ensemble, models=sorted(weights), weights=weights) == []


@pytest.mark.parametrize(
    ("weights", "total"),
    [
        ({"a": 0.5, "b": 0.4}, "0.9"),
        ({"a": 60, "b": 40}, "100"),
        ({"a": "NaN"}, "nan"),
        ({"a": "Infinity"}, "inf"),
        ({"a": 1e308, "b": 1e308}, "inf"),
        ({"a": "Infinity", "b": "-Infinity"}, "nan"),
    ],
)
def test_weights_that_do_not_sum_to_1_are_reported_with_their_sum(
    weights: dict[str, Any], total: str
) -> None:
    [finding] = lint(ParseDict({"models": sorted(weights), "weights": weights}, v1.Ensemble()))
    assert (finding.id, finding.message) == (
        "ensemble.weights_sum",
        f"the weights sum to {total}, not 1",
    )


def test_a_model_without_weight_is_reported_only_for_the_weighted_strategy() -> None:
    fields = {"models": ["a", "b"], "weights": {"a": 1}}
    weighted = ids(v1.Ensemble, strategy="ENSEMBLE_STRATEGY_WEIGHTED", **fields)
    assert weighted == ["ensemble.model_without_weight"]
    assert ids(v1.Ensemble, strategy="ENSEMBLE_STRATEGY_MAJORITY", **fields) == []


@pytest.mark.parametrize("percentile", [0.0, 1.01, 50, 95, 100])
def test_a_percentile_that_can_only_be_a_percentage_is_fine(percentile: float) -> None:
    assert ids(v1.Hedging, percentile=percentile) == []


@pytest.mark.parametrize(
    ("percentile", "percent"), [(0.95, "95"), (0.999, "99.9"), (0.07, "7"), (1.0, "100")]
)
def test_the_fix_for_a_percentile_up_to_1_shows_the_percentage(
    percentile: float, percent: str
) -> None:
    [finding] = lint(v1.Hedging(percentile=percentile))
    assert finding.fix == f"write {percent} if you mean {percent} percent"


def test_a_hedging_delay_of_0_is_fine() -> None:
    assert ids(v1.Hedging, strategy="HEDGING_STRATEGY_FIXED", delay_ms=0) == []


@pytest.mark.parametrize(("alpha", "level"), [(0.05, 0.95), (0.01, 0.99), (0.1, 0.9), (0.3, 0.7)])
def test_alpha_and_confidence_level_that_sum_to_1_are_fine(alpha: float, level: float) -> None:
    assert ids(v1.Stats, alpha=alpha, confidence_level=level) == []


@pytest.mark.parametrize("fields", [{"alpha": 0.01}, {"confidence_level": 0.99}])
def test_alpha_or_confidence_level_alone_is_fine(
    fields: dict[str, float],
) -> None:
    assert ids(v1.Stats, **fields) == []


def test_alpha_is_reported_only_above_a_half() -> None:
    assert ids(v1.Stats, alpha=0.5) == []
    assert ids(v1.Stats, alpha=0.51) == ["stats.large_alpha"]


def test_the_fix_shows_the_level_that_matches_alpha() -> None:
    [finding] = lint(v1.Stats(alpha=0.05, confidence_level=0.9))
    assert finding.fix == "set it to 0.95, or leave it unset"
    [finding] = lint(v1.Stats(alpha=0.9))
    assert finding.fix == "set it to 0.1 if 0.9 is the confidence level"


@pytest.mark.parametrize("fields", [{}, {"enabled": False}, {"group_by": "age"}])
def test_fairness_that_is_not_enabled_needs_nothing(fields: dict[str, Any]) -> None:
    assert ids(v1.Fairness, **fields) == []


def test_fairness_without_metrics_and_groups_has_one_finding() -> None:
    assert ids(v1.Fairness, enabled=True) == ["fairness.no_metrics"]
    assert ids(v1.Fairness, enabled=True, custom_metrics=["calibration"]) == ["fairness.no_groups"]


def test_a_custom_metric_is_a_metric() -> None:
    assert ids(v1.Fairness, enabled=True, group_by="age", custom_metrics=["calibration"]) == []


def test_redaction_with_detection_disabled_is_reported() -> None:
    expected = ["guardrail.redaction_without_detection"]
    assert ids(v1.Guardrail, pii_redaction=True, pii_detection=False) == expected
    assert ids(v1.Guardrail, pii_redaction=False) == []


def test_every_repetition_of_a_stage_name_is_reported_with_the_first() -> None:
    pipeline = [{"name": name} for name in "abaA"] + [{"name": "a"}]
    found = lint(ParseDict({"pipeline": pipeline}, v1.Experiment()))
    assert [(finding.path, finding.message) for finding in found] == [
        ("pipeline[2].name", "stage 0 has the same name"),
        ("pipeline[4].name", "stage 0 has the same name"),
    ]


def test_stages_without_a_name_are_left_to_validation() -> None:
    assert ids(v1.Experiment, pipeline=[{}, {}]) == []


def test_a_stage_with_enabled_unset_is_not_disabled() -> None:
    assert ids(v1.Experiment, pipeline=[{"name": "a", "enabled": False}, {"name": "b"}]) == []
    assert ids(v1.Experiment) == []


def test_a_custom_type_of_experiment_needs_neither_baseline_nor_training() -> None:
    assert ids(v1.Experiment, custom_experiment_type="replication") == []


@pytest.mark.parametrize(
    "measured",
    [{"best_metrics": {"loss": "NaN"}}, {"metrics_history": [{}, {"values": {"loss": 1}}]}],
)
def test_a_completed_run_with_any_value_has_metrics(measured: dict[str, Any]) -> None:
    run = {"id": "r", "config": CONFIG, "status": "TRAINING_STATUS_COMPLETED", **measured}
    assert ids(v1.TrainingRun, **run) == []


def test_a_history_of_empty_rows_has_no_metrics() -> None:
    run = {"id": "r", "config": CONFIG, "status": "TRAINING_STATUS_COMPLETED"}
    assert ids(v1.TrainingRun, **run, metrics_history=[{}]) == ["training_run.no_final_metrics"]


def test_a_blank_error_message_counts_as_none() -> None:
    failed = {"status": "TRAINING_STATUS_FAILED", "error_message": " \n"}
    assert ids(v1.TrainingRun, **failed) == ["training_run.no_error_message"]
    failed = {"state": "DEPLOYMENT_STATE_FAILED", "error_message": " \n"}
    assert ids(v1.DeploymentStatus, **failed) == ["deployment_status.no_error_message"]


def test_a_run_may_end_at_its_start_but_not_a_nanosecond_earlier() -> None:
    started = {"started_at": "2025-12-26T12:00:00.000000001Z"}
    same = {"completed_at": "2025-12-26T12:00:00.000000001Z"}
    earlier = {"completed_at": "2025-12-26T12:00:00Z"}
    assert ids(v1.TrainingRun, **started, **same) == []
    assert ids(v1.TrainingRun, **started, **earlier) == ["training_run.completed_before_started"]
    assert ids(v1.TrainingRun, **earlier) == []


@pytest.mark.parametrize(
    ("epoch", "epochs", "expected"),
    [
        (0, 1, []),
        (1, 1, []),
        (2, 1, ["training_run.epoch_beyond_epochs"]),
        (9, None, []),
    ],
)
def test_the_current_epoch_may_equal_the_number_of_epochs(
    epoch: int, epochs: int | None, expected: list[str]
) -> None:
    config = CONFIG if epochs is None else {**CONFIG, "epochs": epochs}
    assert ids(v1.TrainingRun, config=config, current_epoch=epoch) == expected


@pytest.mark.parametrize(
    "fields",
    [
        {"environment": "DEPLOYMENT_ENVIRONMENT_STAGING", "replicas": 1},
        {"environment": "DEPLOYMENT_ENVIRONMENT_PRODUCTION"},
        {
            "environment": "DEPLOYMENT_ENVIRONMENT_PRODUCTION",
            "replicas": 1,
            "scaling": {"min": 2, "max": 5},
        },
        {
            "environment": "DEPLOYMENT_ENVIRONMENT_PRODUCTION",
            "replicas": 1,
            "strategy": "DEPLOYMENT_STRATEGY_ROLLING",
        },
    ],
    ids=["staging", "replicas unset", "scaling set", "defaults of Elixir"],
)
def test_one_replica_is_reported_only_if_it_was_chosen_for_production(
    fields: dict[str, Any],
) -> None:
    assert ids(v1.DeploymentConfig, **fields) == []


@pytest.mark.parametrize("strategy", ["BLUE_GREEN", "CANARY", "RECREATE"])
def test_one_replica_is_reported_with_a_chosen_strategy(strategy: str) -> None:
    config = {
        "environment": "DEPLOYMENT_ENVIRONMENT_PRODUCTION",
        "replicas": 1,
        "strategy": f"DEPLOYMENT_STRATEGY_{strategy}",
    }
    assert ids(v1.DeploymentConfig, **config) == ["deployment_config.single_replica"]


def test_ready_replicas_without_a_total_are_fine() -> None:
    assert ids(v1.DeploymentStatus, ready_replicas=3) == []
    assert ids(v1.DeploymentStatus, ready_replicas=3, total_replicas=3) == []
    found = ids(v1.DeploymentStatus, ready_replicas=1, total_replicas=0)
    assert found == ["deployment_status.ready_above_total"]


@pytest.mark.parametrize("percent", [0, 1, 1.5, 5, 99.9, 100])
def test_a_partial_share_of_traffic_is_fine(percent: float) -> None:
    assert ids(v1.DeploymentStatus, traffic_percent=percent) == []
    assert ids(v1.Hedging, budget_percent=percent) == []


@pytest.mark.parametrize(("value", "percent"), [(0.5, "50"), (0.07, "7"), (0.999, "99.9")])
def test_a_fraction_where_a_percentage_is_meant_is_reported(value: float, percent: str) -> None:
    [traffic] = lint(v1.DeploymentStatus(traffic_percent=value))
    [budget] = lint(v1.Hedging(budget_percent=value))
    assert (traffic.path, traffic.id) == ("traffic_percent", "deployment_status.fractional_traffic")
    assert (budget.path, budget.id) == ("budget_percent", "hedging.fractional_budget")
    assert traffic.fix == budget.fix == f"write {percent} if you mean {percent} percent"


@pytest.mark.parametrize(
    ("fields", "collects"),
    [
        ({"enabled": True}, True),
        ({"sampling_rate": 0.1}, True),
        ({"enabled": True, "options": {}}, True),
        ({"enabled": True, "options": {"path": "./feedback"}}, False),
        ({"enabled": False, "sampling_rate": 1.0}, False),
        ({"enabled": True, "sampling_rate": 0}, False),
        ({}, False),
    ],
)
def test_storage_needs_options_only_if_something_is_sampled(
    fields: dict[str, Any], collects: bool
) -> None:
    expected = ["feedback_config.no_storage_options"] if collects else []
    assert ids(v1.FeedbackConfig, storage="FEEDBACK_STORAGE_S3", **fields) == expected


@pytest.mark.parametrize(
    ("storage", "location"),
    [
        ({"storage": "FEEDBACK_STORAGE_S3"}, "bucket"),
        ({"storage": "FEEDBACK_STORAGE_BIGQUERY"}, "dataset"),
        ({"storage": "FEEDBACK_STORAGE_LOCAL"}, "folder"),
        ({"storage": "FEEDBACK_STORAGE_POSTGRES"}, None),
        ({"custom_storage": "clickhouse"}, None),
        ({}, None),
    ],
)
def test_only_a_storage_with_a_location_needs_options(
    storage: dict[str, Any], location: str | None
) -> None:
    found = lint(ParseDict({"enabled": True, **storage}, v1.FeedbackConfig()))
    expected = [] if location is None else [f"set the {location} in options"]
    assert [finding.fix for finding in found] == expected


def test_stored_pii_is_reported_only_if_anonymization_is_disabled() -> None:
    assert ids(v1.FeedbackConfig, anonymize_pii=False) == ["feedback_config.pii_kept"]
    assert ids(v1.FeedbackConfig) == []


def test_a_schema_without_a_format_is_unused() -> None:
    expected = ["generation_options.unused_json_schema"]
    assert ids(v1.GenerationOptions, json_schema={"type": "object"}) == expected


@pytest.mark.parametrize(
    "fields",
    [{"thinking_budget_tokens": 9}, {"extended_thinking": False, "thinking_budget_tokens": 0}],
)
def test_a_budget_is_unused_only_if_thinking_is_disabled(fields: dict[str, Any]) -> None:
    assert ids(v1.GenerationOptions, **fields) == []


def test_the_smallest_reported_budget_is_one_token() -> None:
    budget = {"extended_thinking": False, "thinking_budget_tokens": 1}
    assert ids(v1.GenerationOptions, **budget) == ["generation_options.unused_thinking_budget"]


def test_creation_and_update_are_compared_in_every_message_that_has_both() -> None:
    times = {"created_at": "2025-12-26T12:00:01Z", "updated_at": "2025-12-26T12:00:00Z"}
    expected = ["timestamp.updated_before_created"]
    assert ids(v1.Experiment, **times) == ids(v1.DeploymentStatus, **times) == expected


def test_a_validation_split_below_1_is_fine() -> None:
    assert ids(v1.TrainingConfig, validation_split=0.0) == []
    assert ids(v1.TrainingConfig, validation_split=0.999) == []


VERSION = {"id": "v", "model_id": "m", "version": "1.0.0"}


@pytest.mark.parametrize(
    ("rows", "paths"),
    [
        ([{"step": 1}, {"step": 1}, {"step": 2}], []),
        ([{"step": 1}, {"epoch": 0.5}, {}, {"step": 2, "epoch": 0.5}], []),
        ([{"step": 2}, {}, {"step": 1}, {"step": 2}], ["metrics_history[2].step"]),
        ([{"epoch": 1.5}, {"epoch": 1}], ["metrics_history[1].epoch"]),
        ([{"step": 2, "epoch": 1}, {"step": 1, "epoch": 0}], ["metrics_history[1].step"]),
        ([{"step": 3}, {"step": 2}, {"step": 1}], [f"metrics_history[{i}].step" for i in (1, 2)]),
    ],
)
def test_rows_of_a_history_may_repeat_a_step_but_not_go_back(
    rows: list[dict[str, Any]], paths: list[str]
) -> None:
    run = ParseDict({"metrics_history": rows}, v1.TrainingRun())
    assert [(each.id, each.path) for each in lint(run)] == [
        ("training_run.history_goes_back", path) for path in paths
    ]


def test_an_evaluation_needs_a_subject_and_a_metric() -> None:
    both = ["evaluation_result.no_metrics", "evaluation_result.no_subject"]
    assert sorted(ids(v1.EvaluationResult, training_run_id="r", model_version_id="")) == both
    assert ids(v1.EvaluationResult, model_ref={}, metrics=[{"name": "acc"}]) == []


def test_an_event_that_supersedes_another_or_nothing_is_fine() -> None:
    assert ids(v1.FeedbackEvent, id="a", supersedes="b") == ids(v1.FeedbackEvent, id="a") == []
    assert ids(v1.FeedbackEvent, supersedes="") == []


def test_artifacts_need_a_digest_only_in_production() -> None:
    artifacts = [{"uri": "s3://m/a", "digest": "sha256:00"}, {"uri": "s3://m/b"}]
    assert ids(v1.ModelVersion, **VERSION, artifacts=artifacts) == []
    production = {"stage": "MODEL_STAGE_PRODUCTION"}
    version = ParseDict({**VERSION, **production, "artifacts": artifacts}, v1.ModelVersion())
    assert [finding.path for finding in lint(version)] == ["artifacts[1]"]
    assert ids(v1.ModelVersion, **VERSION, **production, artifact_uri="s3://m/a") == []


def test_the_uri_of_a_version_is_that_of_an_artifact() -> None:
    artifacts = [{"uri": "s3://m/a"}, {"uri": "s3://m/b"}]
    assert ids(v1.ModelVersion, artifact_uri="s3://m/b", artifacts=artifacts) == []
    assert ids(v1.ModelVersion, artifacts=artifacts) == []
    expected = ["model_version.artifact_uri_mismatch"]
    assert ids(v1.ModelVersion, artifact_uri="s3://m/c", artifacts=artifacts) == expected


@pytest.mark.parametrize(
    ("percents", "is_reported"),
    [
        ([], False),
        ([100], False),
        ([50, 50], False),
        ([33.33, 33.33, 33.33], False),
        ([33.34, 33.34, 33.34], False),
        ([0, 0], False),
        ([None, None], False),
        ([60, None], False),
        ([100, 0, None], False),
        ([60, 41], True),
        ([101e-2, 99.5], True),
        ([90, 5], True),
        ([0.9, 0.1], True),
        ([90, 20, None], True),
    ],
)
@pytest.mark.parametrize("type_", [v1.DeploymentConfig, v1.DeploymentStatus])
def test_complete_shares_of_traffic_sum_to_100(
    type_: type[Message], percents: list[float | None], is_reported: bool
) -> None:
    shares = [
        {"model_version_id": f"v{index}", **({} if percent is None else {"percent": percent})}
        for index, percent in enumerate(percents)
    ]
    assert ids(type_, traffic=shares) == (["traffic.percent_sum"] if is_reported else [])


def test_one_version_may_have_two_shares_at_two_urls() -> None:
    shares = [{"model_version_id": "v", "url": url} for url in ("https://a", "https://b")]
    assert ids(v1.DeploymentStatus, traffic=shares) == []
    found = ids(v1.DeploymentStatus, traffic=[*shares, shares[0]])
    assert found == ["traffic.duplicate_version"]
    assert ids(v1.DeploymentStatus, traffic=[{}, {}]) == []


def test_a_name_in_both_maps_of_a_pair_is_reported_by_its_path() -> None:
    snapshot = v1.MetricsSnapshot(values={"a": 1, "b": 2})
    snapshot.other_values.update({"b": None, "c": "x"})
    [finding] = lint(snapshot)
    assert (finding.id, finding.path) == ("metrics.name_twice", 'other_values["b"]')


@pytest.mark.parametrize("name", ["step", "epoch", "time"])
def test_a_metric_named_as_a_field_is_reported_if_the_field_is_set(name: str) -> None:
    value: Any = "2025-12-26T12:00:00Z" if name == "time" else 1
    assert ids(v1.MetricsSnapshot, values={name: 1}) == []
    assert ids(v1.MetricsSnapshot, other_values={name: 1}) == []
    expected = ["metrics_snapshot.name_is_field"]
    assert ids(v1.MetricsSnapshot, **{name: value}, values={name: 1}) == expected
    assert ids(v1.MetricsSnapshot, **{name: value}, other_values={name: None}) == expected


def test_thinking_without_reasoning_parts_is_fine() -> None:
    message = {"role": "MESSAGE_ROLE_ASSISTANT", "parts": {"parts": [{"text": "a"}]}}
    assert ids(v1.Choice, message=message, thinking={"content": "b"}) == []
