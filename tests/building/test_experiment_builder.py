"""The fluent builder: each method sets its field, rejects bad values, and copies arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf import json_format, struct_pb2

import crucible_ir as ir
from crucible_ir import v1


def minimal() -> ir.ExperimentBuilder:
    return ir.experiment("e").with_backend("gpt4").add_stage("run")


def expected(document: dict[str, Any]) -> v1.Experiment:
    """Return the minimal experiment with more fields, written out as ProtoJSON by hand."""
    base = {
        "id": "e",
        "backend": {"id": "gpt4", "profile": "default"},
        "pipeline": [{"name": "run", "enabled": True}],
    }
    return json_format.ParseDict({**base, **document}, v1.Experiment())


METHODS: list[tuple[str, Callable[[ir.ExperimentBuilder], object], dict[str, Any]]] = [
    ("nothing more", lambda b: b, {}),
    ("description", lambda b: b.with_description("why"), {"description": "why"}),
    ("owner", lambda b: b.with_owner("evals"), {"owner": "evals"}),
    ("tags", lambda b: b.with_tags("a", ["b", "c"]).with_tags("a"), {"tags": ["a", "b", "c", "a"]}),
    (
        "metadata",
        lambda b: b.with_metadata({"a": 1, "b": {"x": 1}}, c=[True]).with_metadata(b={"y": 2}),
        {"metadata": {"a": 1, "b": {"y": 2}, "c": [True]}},
    ),
    ("no metadata", lambda b: b.with_metadata(), {"metadata": {}}),
    (
        "another backend",
        lambda b: b.with_backend(
            "claude", profile="fast", options={"k": 1}, fallback={"id": "local"}
        ),
        {
            "backend": {
                "id": "claude",
                "profile": "fast",
                "options": {"k": 1},
                "fallback": {"id": "local", "profile": "default"},
            }
        },
    ),
    (
        "a backend as a message",
        lambda b: b.with_backend(v1.BackendRef(id="bare")),
        {"backend": {"id": "bare"}},
    ),
    (
        "more stages, in order",
        lambda b: b.add_stage("score", module="M", options={}, enabled=False).add_stage(
            v1.StageDef(name="bare")
        ),
        {
            "pipeline": [
                {"name": "run", "enabled": True},
                {"name": "score", "module": "M", "options": {}, "enabled": False},
                {"name": "bare"},
            ]
        },
    ),
    (
        "dataset",
        lambda b: b.with_dataset("mmlu", provider="huggingface", split="dev", version="1"),
        {
            "dataset": {
                "name": "mmlu",
                "provider": "DATASET_PROVIDER_HUGGINGFACE",
                "customSplit": "dev",
                "version": "1",
            }
        },
    ),
    (
        "ensemble",
        lambda b: b.with_ensemble("weighted", models=["x", "y"], weights={"x": 0.7, "y": 0.3}),
        {
            "reliability": {
                "ensemble": {
                    "strategy": "ENSEMBLE_STRATEGY_WEIGHTED",
                    "executionMode": "ENSEMBLE_EXECUTION_MODE_PARALLEL",
                    "models": ["x", "y"],
                    "weights": {"x": 0.7, "y": 0.3},
                }
            }
        },
    ),
    (
        "ensemble without a strategy",
        lambda b: b.with_ensemble(),
        {
            "reliability": {
                "ensemble": {
                    "strategy": "ENSEMBLE_STRATEGY_NONE",
                    "executionMode": "ENSEMBLE_EXECUTION_MODE_PARALLEL",
                }
            }
        },
    ),
    (
        "hedging",
        lambda b: b.with_hedging("percentile", percentile=0.95, delay_ms=0),
        {
            "reliability": {
                "hedging": {
                    "strategy": "HEDGING_STRATEGY_PERCENTILE",
                    "percentile": 0.95,
                    "delayMs": 0,
                }
            }
        },
    ),
    (
        "stats",
        lambda b: b.with_stats(alpha=0.01),
        {
            "reliability": {
                "stats": {
                    "tests": ["STATISTICAL_TEST_TTEST", "STATISTICAL_TEST_BOOTSTRAP"],
                    "alpha": 0.01,
                }
            }
        },
    ),
    (
        "fairness, which this enables",
        lambda b: b.with_fairness(metrics=["equalized_odds"]),
        {
            "reliability": {
                "fairness": {"enabled": True, "metrics": ["FAIRNESS_METRIC_EQUALIZED_ODDS"]}
            }
        },
    ),
    (
        "fairness switched off",
        lambda b: b.with_fairness(enabled=False),
        {"reliability": {"fairness": {"enabled": False}}},
    ),
    (
        "fairness as a message, taken unchanged",
        lambda b: b.with_fairness(v1.Fairness(group_by="age")),
        {"reliability": {"fairness": {"groupBy": "age"}}},
    ),
    (
        "guardrails",
        lambda b: b.with_guardrails(pii_detection=True),
        {
            "reliability": {
                "guardrails": {"profiles": ["GUARDRAIL_PROFILE_DEFAULT"], "piiDetection": True}
            }
        },
    ),
    (
        "empty guardrails, which are present",
        lambda b: b.with_guardrails(v1.Guardrail()),
        {"reliability": {"guardrails": {}}},
    ),
    (
        "feedback, which this enables",
        lambda b: b.with_feedback_config(sampling_rate=0.1),
        {
            "reliability": {
                "feedback": {
                    "enabled": True,
                    "samplingRate": 0.1,
                    "feedbackTypes": ["FEEDBACK_TYPE_THUMBS", "FEEDBACK_TYPE_CORRECTION"],
                    "storage": "FEEDBACK_STORAGE_POSTGRES",
                    "anonymizePii": True,
                }
            }
        },
    ),
    (
        "two parts of the reliability configuration",
        lambda b: b.with_hedging("fixed").with_guardrails(v1.Guardrail()),
        {
            "reliability": {
                "hedging": {"strategy": "HEDGING_STRATEGY_FIXED"},
                "guardrails": {},
            }
        },
    ),
    (
        "outputs, in order",
        lambda b: b.add_output("report").add_output("data", formats=["csv"], sink="gcs"),
        {
            "outputs": [
                {
                    "name": "report",
                    "formats": ["OUTPUT_FORMAT_MARKDOWN"],
                    "sink": "OUTPUT_SINK_FILE",
                },
                {"name": "data", "formats": ["OUTPUT_FORMAT_CSV"], "customSink": "gcs"},
            ]
        },
    ),
    (
        "a documented experiment type",
        lambda b: b.with_experiment_type("ablation"),
        {"experimentType": "EXPERIMENT_TYPE_ABLATION"},
    ),
    (
        "an experiment type of one's own",
        lambda b: b.with_experiment_type("red_teaming"),
        {"customExperimentType": "red_teaming"},
    ),
    (
        "model version",
        lambda b: b.with_model_version("v1", model_id="gpt2", version="1.0.0"),
        {
            "modelVersion": {
                "id": "v1",
                "modelId": "gpt2",
                "version": "1.0.0",
                "stage": "MODEL_STAGE_DEVELOPMENT",
            }
        },
    ),
    (
        "model version by model and version",
        lambda b: b.with_model_version("llama-3.1", "1.0.0-rc.1", stage="staging"),
        {
            "modelVersion": {
                "id": "llama-3.1_1_0_0-rc_1",
                "modelId": "llama-3.1",
                "version": "1.0.0-rc.1",
                "stage": "MODEL_STAGE_STAGING",
            }
        },
    ),
    (
        "model version by keywords, with an id",
        lambda b: b.with_model_version(model_id="gpt2", version="1.0.0", id="v", stage=None),
        {"modelVersion": {"id": "v", "modelId": "gpt2", "version": "1.0.0"}},
    ),
    (
        "model version as a message",
        lambda b: b.with_model_version(v1.ModelVersion(id="v", model_id="m", version="1.0.0")),
        {"modelVersion": {"id": "v", "modelId": "m", "version": "1.0.0"}},
    ),
    (
        "training config as a message",
        lambda b: b.with_training_config(
            v1.TrainingConfig(
                id="t", model_ref=v1.ModelRef(id="m"), dataset_ref=v1.DatasetRef(name="d")
            )
        ),
        {
            "trainingConfig": {
                "id": "t",
                "modelRef": {"id": "m"},
                "datasetRef": {"name": "d"},
            }
        },
    ),
    (
        "stats by their tests",
        lambda b: b.with_stats(("anova", "mine"), alpha=0.1),
        {
            "reliability": {
                "stats": {
                    "tests": ["STATISTICAL_TEST_ANOVA"],
                    "customTests": ["mine"],
                    "alpha": 0.1,
                }
            }
        },
    ),
    (
        "stats as a message",
        lambda b: b.with_stats(v1.Stats(alpha=0.1)),
        {"reliability": {"stats": {"alpha": 0.1}}},
    ),
    (
        "feedback by the other name of the method",
        lambda b: b.with_feedback(v1.FeedbackConfig(enabled=True)),
        {"reliability": {"feedback": {"enabled": True}}},
    ),
    (
        "training config",
        lambda b: b.with_training_config(
            "t", model_ref=v1.ModelRef(id="gpt2"), dataset_ref=v1.DatasetRef(name="wiki"), epochs=3
        ),
        {
            "trainingConfig": {
                "id": "t",
                "modelRef": {"id": "gpt2"},
                "datasetRef": {"name": "wiki"},
                "epochs": 3,
                "batchSize": 32,
                "learningRate": 0.001,
                "optimizer": "OPTIMIZER_ADAM",
                "lossFunction": "LOSS_FUNCTION_CROSS_ENTROPY",
                "metrics": ["loss", "accuracy"],
                "device": "DEVICE_CPU",
                "mixedPrecision": False,
            }
        },
    ),
    (
        "baseline",
        lambda b: b.with_baseline("gpt2", provider="huggingface"),
        {
            "baseline": {
                "id": "gpt2",
                "provider": "MODEL_PROVIDER_HUGGINGFACE",
                "framework": "MODEL_FRAMEWORK_NX",
            }
        },
    ),
]


@pytest.mark.parametrize(
    ("method", "document"),
    [(method, document) for _, method, document in METHODS],
    ids=[name for name, _, _ in METHODS],
)
def test_each_method_sets_its_field_and_returns_the_builder(
    method: Callable[[ir.ExperimentBuilder], object], document: dict[str, Any]
) -> None:
    builder = minimal()
    assert method(builder) is builder
    assert builder.build() == expected(document)


def test_every_method_of_the_builder_is_tried_above() -> None:
    tried = {
        name
        for _, method, _ in METHODS
        for name in method.__code__.co_names
        if name.startswith(("with_", "add_"))
    }
    methods = {name for name in vars(ir.ExperimentBuilder) if not name.startswith("_")}
    assert tried == methods - {"build", "copy"}


# Setting again


@pytest.mark.parametrize(
    ("again", "document"),
    [
        (lambda b: b.with_owner("a").with_owner("b"), {"owner": "b"}),
        (lambda b: b.with_owner("a").with_owner(None), {}),
        (
            lambda b: b.with_experiment_type("ablation").with_experiment_type("mine"),
            {"customExperimentType": "mine"},
        ),
        (
            lambda b: b.with_experiment_type("mine").with_experiment_type("ablation"),
            {"experimentType": "EXPERIMENT_TYPE_ABLATION"},
        ),
        (
            lambda b: b.with_hedging("fixed", delay_ms=5).with_hedging("off"),
            {"reliability": {"hedging": {"strategy": "HEDGING_STRATEGY_OFF"}}},
        ),
        (
            lambda b: b.with_backend("x", options={"k": 1}).with_backend("gpt4"),
            {},
        ),
    ],
)
def test_setting_a_field_again_replaces_it_as_a_whole(
    again: Callable[[Any], ir.ExperimentBuilder], document: dict[str, Any]
) -> None:
    assert again(minimal()).build() == expected(document)


# Arguments are copied


def test_messages_that_are_given_are_neither_changed_nor_kept() -> None:
    backend, stage, config = v1.BackendRef(id="b"), v1.StageDef(name="s"), v1.FeedbackConfig()
    builder = ir.experiment("e").with_backend(backend).add_stage(stage).with_feedback_config(config)
    before = builder.build()
    assert (backend, stage) == (v1.BackendRef(id="b"), v1.StageDef(name="s"))
    assert config == v1.FeedbackConfig()

    backend.id, stage.name, config.enabled = "x", "x", True
    assert builder.build() == before


def test_metadata_that_is_given_is_neither_changed_nor_kept() -> None:
    given: dict[str, Any] = {"k": [1]}
    builder = minimal().with_metadata(given).with_metadata(other=2)
    assert given == {"k": [1]}
    given["k"].append(2)
    assert builder.build() == expected({"metadata": {"k": [1], "other": 2}})


def test_metadata_may_be_a_struct() -> None:
    struct = json_format.ParseDict({"k": [1, {"a": None}]}, struct_pb2.Struct())
    assert minimal().with_metadata(struct).build().metadata == struct


# Building


def test_a_built_experiment_is_independent_of_the_builder_and_of_the_next_one() -> None:
    builder = minimal()
    first = builder.build()
    first.id = "changed"
    first.pipeline[0].name = "changed"
    second = builder.add_stage("more").build()
    assert second.id == "e"
    assert [stage.name for stage in second.pipeline] == ["run", "more"]
    assert len(first.pipeline) == 1


def test_a_copy_is_independent_of_the_builder() -> None:
    base = minimal().with_owner("a")
    copy = base.copy().with_owner("b").add_stage("more")
    assert base.build() == expected({"owner": "a"})
    assert [stage.name for stage in copy.build().pipeline] == ["run", "more"]
    assert copy.build().owner == "b"


def test_a_builder_starts_from_a_message_that_it_does_not_change() -> None:
    message = minimal().build()
    started = ir.ExperimentBuilder(message).with_owner("a").build()
    assert started == expected({"owner": "a"})
    assert message == expected({})


def test_build_lists_every_violation_in_the_order_of_the_schemas_fields() -> None:
    builder = (
        ir.experiment("")
        .with_stats(alpha=2.0)
        .with_model_version("v1", model_id="", version="one")
        .add_stage("")
        .add_stage("ok")
    )
    with pytest.raises(ir.ValidationError) as caught:
        builder.build()
    assert caught.value.type_name == "crucible_ir.v1.Experiment"
    assert [(each.path, each.rule_id) for each in caught.value.violations] == [
        ("id", "required"),
        ("backend", "required"),
        ("pipeline[0].name", "required"),
        ("reliability.stats.alpha", "double.gte_lte"),
        ("model_version.model_id", "required"),
        ("model_version.version", "string.pattern"),
    ]


def test_a_builder_that_failed_to_build_can_be_completed() -> None:
    builder = ir.experiment("e").with_backend("gpt4")
    with pytest.raises(ir.ValidationError):
        builder.build()
    assert builder.add_stage("run").build() == expected({})


# Ids that the builder makes


def trained(experiment: str, /, **options: Any) -> v1.TrainingConfig:
    builder = ir.experiment(experiment).with_backend("b").add_stage("s")
    options = {"model_ref": {"id": "m"}, "dataset_ref": {"name": "d"}, **options}
    return builder.with_training_config(**options).build().training_config


def test_a_training_config_without_an_id_is_named_after_the_experiment() -> None:
    assert trained("mmlu").id == "train_mmlu"
    assert trained("mmlu", id="t").id == "t"
    assert trained("mmlu", id=None).id == "train_mmlu"


@pytest.mark.parametrize(
    ("id_", "expected_id"),
    [
        ("x" * 506, "train_" + "x" * 506),
        ("x" * 507, "train_" + "x" * 506),
        # A letter of two bytes and one of four.
        ("é" * 256, "train_" + "é" * 253),
        ("x" + "😀" * 127, "train_x" + "😀" * 126),
    ],
)
def test_an_id_that_is_made_is_cut_after_a_whole_character_to_the_limit_of_the_schema(
    id_: str, expected_id: str
) -> None:
    assert trained(id_).id == expected_id


def test_the_id_of_a_long_model_and_version_is_cut_too() -> None:
    builder = ir.experiment("e").with_backend("b").add_stage("s")
    built = builder.with_model_version("x" * 512, "1.0.0").build()
    assert built.model_version.id == "x" * 512


# Rejected arguments


def test_an_id_that_is_not_a_string_is_rejected_at_once() -> None:
    number: Any = 5
    with pytest.raises(ir.FieldError, match=r"Experiment\.id: expected a string, got int 5"):
        ir.experiment(number)


@pytest.mark.parametrize(
    ("call", "expected_error"),
    [
        (
            lambda b: b.with_backend("x", profil="y"),
            'BackendRef.profil: BackendRef has no such field; did you mean "profile"?',
        ),
        (lambda b: b.with_backend(3), "BackendRef.id: expected a string, got int 3"),
        (
            lambda b: b.with_backend(v1.BackendRef(id="x"), profile="y", options={}),
            "BackendRef: give either a message or fields, not both: profile, options",
        ),
        (
            lambda b: b.with_backend(v1.StageDef()),
            "BackendRef: expected a crucible_ir.v1.BackendRef, got a crucible_ir.v1.StageDef",
        ),
        (lambda b: b.with_backend("x", id="y"), "BackendRef.id: given twice"),
        (
            lambda b: b.with_fairness(3),
            "Fairness: expected a crucible_ir.v1.Fairness or fields by name, got int",
        ),
        (lambda b: b.with_stats(3), "Stats.tests: expected a list, got int 3"),
        (lambda b: b.with_stats("ttest"), "Stats.tests: expected a list, got str 'ttest'"),
        (lambda b: b.with_stats(["ttest"], tests=["anova"]), "Stats.tests: given twice"),
        (
            lambda b: b.with_model_version("v1"),
            "ModelVersion: missing required fields: model_id, version;"
            " write with_model_version(model_id, version) or give both by name",
        ),
        (
            lambda b: b.with_model_version("v1", model_id="gpt2"),
            "ModelVersion: missing required field: version;",
        ),
        (
            lambda b: b.with_model_version(),
            "ModelVersion: missing required fields: id, model_id, version;",
        ),
        (
            lambda b: b.with_model_version("gpt2", "1.0.0", version="2.0.0"),
            "ModelVersion.version: given twice",
        ),
        (
            lambda b: b.with_model_version("gpt2", "1.0.0", "v1"),
            "ModelVersion: expected at most a model id and a version",
        ),
        (
            lambda b: b.with_model_version(3, "1.0.0"),
            "ModelVersion.model_id: expected a string, got int 3",
        ),
        (
            lambda b: b.with_model_version(v1.ModelVersion(id="v"), "1.0.0"),
            "ModelVersion.model_id: expected a string, got",
        ),
        (
            lambda b: b.with_training_config(epochs=3),
            "TrainingConfig: missing required fields: model_ref, dataset_ref",
        ),
        (
            lambda b: b.with_training_config(model_ref={}, dataset_ref={"name": "d"}),
            "TrainingConfig: missing required field: model_ref.id",
        ),
        (
            lambda b: b.with_backend("x", fallback={"profile": "p"}),
            "BackendRef: missing required field: fallback.id",
        ),
        (
            lambda b: b.with_ensemble("majorty"),
            'Ensemble.strategy: EnsembleStrategy has no value "majorty"; did you mean "majority"?',
        ),
        (
            lambda b: b.with_ensemble("majority", weights={"a": "x"}),
            "Ensemble.weights[\"a\"]: expected a number, got str 'x'",
        ),
        (lambda b: b.with_tags("a", 3), "Experiment.tags: expected a list, got int 3"),
        (lambda b: b.with_tags(["a", 3]), "Experiment.tags[1]: expected a string, got int 3"),
        (lambda b: b.with_metadata(5), "Experiment.metadata: expected a mapping, got int 5"),
        (
            lambda b: b.with_metadata({"k": {"n": 2**53 + 1}}),
            'Experiment.metadata["k"]["n"]: the integer 9007199254740993 is beyond 2^53',
        ),
        (
            lambda b: b.with_experiment_type(2.5),
            "Experiment.experiment_type: expected a name or number of ExperimentType, got float",
        ),
        (lambda b: b.add_output(None, format="pdf"), 'did you mean "formats"?'),
    ],
)
def test_an_argument_that_does_not_fit_is_rejected_and_changes_nothing(
    call: Callable[[Any], object], expected_error: str
) -> None:
    builder = minimal()
    with pytest.raises(ir.FieldError) as caught:
        call(builder)
    assert expected_error in str(caught.value)
    assert builder.build() == expected({})


def test_a_part_nested_too_deep_for_an_experiment_is_rejected_by_the_method_that_adds_it() -> None:
    chain = deepest = v1.BackendRef(id="b")
    for _ in range(100):
        deepest = deepest.fallback
    deepest.SetInParent()
    with pytest.raises(ir.FieldError, match=r"Experiment\.backend: nested deeper than 100"):
        ir.experiment("e").with_backend(chain)

    options = struct_pb2.Struct()
    innermost = options
    for _ in range(33):
        innermost = innermost.fields["a"].struct_value
    innermost.SetInParent()
    with pytest.raises(ir.FieldError, match=r"Experiment\.reliability: nested deeper than 100"):
        minimal().with_hedging(options=options)
