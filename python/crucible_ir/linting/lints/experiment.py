"""Lints of experiments and pipelines."""

from __future__ import annotations

from collections.abc import Iterator

from crucible_ir import v1
from crucible_ir.linting.findings import Problem, Severity
from crucible_ir.linting.registry import lint_for

_TRAINED = {
    "model_ref": {"id": "gpt2"},
    "dataset_ref": {"name": "wikitext-103"},
}


@lint_for(
    v1.Experiment,
    "experiment.duplicate_stage_name",
    Severity.WARNING,
    "Two stages of a pipeline have the same name: reports and overrides cannot distinguish them.",
    bad={
        "id": "eval",
        "backend": {"id": "gpt4"},
        "pipeline": [{"name": "inference"}, {"name": "report"}, {"name": "inference"}],
    },
    good={
        "id": "eval",
        "backend": {"id": "gpt4"},
        "pipeline": [{"name": "inference"}, {"name": "report"}, {"name": "second_inference"}],
    },
)
def duplicate_stage_name(experiment: v1.Experiment) -> Iterator[Problem]:
    """Report each stage that has the name of an earlier stage."""
    first: dict[str, int] = {}
    for index, stage in enumerate(experiment.pipeline):
        if not stage.name:
            continue
        earlier = first.setdefault(stage.name, index)
        if earlier != index:
            yield Problem(
                ("pipeline", index, "name"),
                f"stage {earlier} has the same name",
                "give each stage a unique name",
            )


@lint_for(
    v1.Experiment,
    "experiment.all_stages_disabled",
    Severity.WARNING,
    "Every stage of the pipeline is disabled: the experiment does nothing.",
    bad={
        "id": "eval",
        "backend": {"id": "gpt4"},
        "pipeline": [{"name": "inference", "enabled": False}],
    },
    good={
        "id": "eval",
        "backend": {"id": "gpt4"},
        "pipeline": [{"name": "inference", "enabled": False}, {"name": "dry_run"}],
    },
)
def all_stages_disabled(experiment: v1.Experiment) -> Iterator[Problem]:
    """Report a pipeline whose stages all have ``enabled`` set to false."""
    stages = experiment.pipeline
    if stages and all(stage.HasField("enabled") and not stage.enabled for stage in stages):
        yield Problem(("pipeline",), "every stage is disabled", "enable the stages that should run")


@lint_for(
    v1.Experiment,
    "experiment.no_training_config",
    Severity.WARNING,
    "A training experiment has no training configuration.",
    bad={
        "id": "tune",
        "backend": {"id": "trainer"},
        "pipeline": [{"name": "train"}],
        "experiment_type": "EXPERIMENT_TYPE_TRAINING",
    },
    good={
        "id": "tune",
        "backend": {"id": "trainer"},
        "pipeline": [{"name": "train"}],
        "experiment_type": "EXPERIMENT_TYPE_TRAINING",
        "training_config": {"id": "tune_gpt2", **_TRAINED},
    },
)
def no_training_config(experiment: v1.Experiment) -> Iterator[Problem]:
    """Report a training experiment without ``training_config``."""
    trains = experiment.experiment_type == v1.ExperimentType.EXPERIMENT_TYPE_TRAINING
    if trains and not experiment.HasField("training_config"):
        yield Problem(
            ("experiment_type",),
            "a training experiment has no training configuration",
            "set training_config, or choose another experiment_type",
        )


@lint_for(
    v1.Experiment,
    "experiment.no_baseline",
    Severity.WARNING,
    "A comparison experiment has no baseline model.",
    bad={
        "id": "compare",
        "backend": {"id": "gpt4"},
        "pipeline": [{"name": "inference"}],
        "experiment_type": "EXPERIMENT_TYPE_COMPARISON",
    },
    good={
        "id": "compare",
        "backend": {"id": "gpt4"},
        "pipeline": [{"name": "inference"}],
        "experiment_type": "EXPERIMENT_TYPE_COMPARISON",
        "baseline": {"id": "gpt2"},
    },
)
def no_baseline(experiment: v1.Experiment) -> Iterator[Problem]:
    """Report a comparison experiment without ``baseline``."""
    compares = experiment.experiment_type == v1.ExperimentType.EXPERIMENT_TYPE_COMPARISON
    if compares and not experiment.HasField("baseline"):
        yield Problem(
            ("experiment_type",),
            "a comparison experiment has no baseline",
            "set baseline to the model to compare against",
        )
