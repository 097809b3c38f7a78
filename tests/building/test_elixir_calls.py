"""The calls of the Elixir package's builder and constructors, as Python writes them."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import json_format

import crucible_ir as ir
from crucible_ir import v1


def builder() -> ir.ExperimentBuilder:
    return ir.experiment("test").with_backend("gpt4").add_stage("run")


# The builder


def test_with_model_version_by_the_id_of_the_version() -> None:
    built = builder().with_model_version("v1_0_0", model_id="gpt2", version="1.0.0").build()
    assert built.model_version == v1.ModelVersion(
        id="v1_0_0", model_id="gpt2", version="1.0.0", stage=v1.ModelStage.MODEL_STAGE_DEVELOPMENT
    )


def test_with_model_version_by_the_id_alone_names_the_two_fields_that_are_missing() -> None:
    # A type checker rejects it as well.
    call: Any = builder().with_model_version
    with pytest.raises(ir.FieldError, match="missing required fields: model_id, version"):
        call("v1_0_0")


def test_with_model_version_by_model_and_version() -> None:
    built = builder().with_model_version("gpt2", "1.0.0").build()
    assert built.model_version.id == "gpt2_1_0_0"
    assert (built.model_version.model_id, built.model_version.version) == ("gpt2", "1.0.0")
    built = builder().with_model_version("gpt2", "1.0.0", id="mine", stage="production").build()
    assert built.model_version.id == "mine"
    assert built.model_version.stage == v1.ModelStage.MODEL_STAGE_PRODUCTION


def test_with_training_config_by_options() -> None:
    model = ir.new_model_ref(id="gpt2")
    dataset = ir.new_dataset_ref(name="wikitext")
    built = builder().with_training_config(model_ref=model, dataset_ref=dataset, epochs=10).build()
    assert built.training_config == ir.new_training_config(
        id="train_test", model_ref=model, dataset_ref=dataset, epochs=10
    )


def test_with_experiment_type() -> None:
    built = builder().with_experiment_type("evaluation").build()
    assert built.experiment_type == v1.ExperimentType.EXPERIMENT_TYPE_EVALUATION


def test_with_baseline() -> None:
    assert builder().with_baseline("gpt3").build().baseline == ir.new_model_ref(id="gpt3")


def test_with_feedback_config_by_options() -> None:
    options: dict[str, Any] = {"enabled": True, "sampling_rate": 0.1}
    built = builder().with_feedback_config(**options).build()
    assert built.reliability.feedback == ir.new_feedback_config(**options)
    assert builder().with_feedback(**options).build() == built


def test_with_stats_by_a_list_of_tests() -> None:
    stats = builder().with_stats(["ttest"], alpha=0.01).build().reliability.stats
    assert list(stats.tests) == [v1.StatisticalTest.STATISTICAL_TEST_TTEST]
    assert stats.alpha == 0.01


# The constructors


def test_new_training_config() -> None:
    made = ir.new_training_config(
        id="train_gpt2",
        model_ref=ir.new_model_ref(id="gpt2"),
        dataset_ref=ir.new_dataset_ref(name="wikitext"),
        epochs=10,
        batch_size=32,
    )
    assert made.epochs == 10
    assert ir.is_valid(made)


def test_new_model_ref() -> None:
    made = ir.new_model_ref(id="gpt2_base", provider="huggingface")
    assert made.provider == v1.ModelProvider.MODEL_PROVIDER_HUGGINGFACE
    assert made.framework == v1.ModelFramework.MODEL_FRAMEWORK_NX


def test_new_deployment_config() -> None:
    made = ir.new_deployment_config(
        id="deploy_prod", model_version_id="v1_0_0", environment="production"
    )
    assert json_format.MessageToDict(made) == {
        "id": "deploy_prod",
        "modelVersionId": "v1_0_0",
        "replicas": 1,
        "environment": "DEPLOYMENT_ENVIRONMENT_PRODUCTION",
        "strategy": "DEPLOYMENT_STRATEGY_ROLLING",
    }


@pytest.mark.parametrize(
    ("constructor", "missing"),
    [
        ("new_training_config", "id, model_ref, dataset_ref"),
        ("new_model_ref", "id"),
        ("new_deployment_config", "id, model_version_id"),
    ],
)
def test_a_constructor_without_its_required_fields_raises(constructor: str, missing: str) -> None:
    with pytest.raises(ir.FieldError, match=rf"missing required fields?: {missing};"):
        getattr(ir, constructor)()
