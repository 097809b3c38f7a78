"""Lints of custom names that are another word for a name of an open vocabulary."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from crucible_ir import v1
from crucible_ir.linting.findings import Problem, Severity
from crucible_ir.linting.lints.vocabulary import value_named
from crucible_ir.linting.registry import lint_for, lint_for_all
from crucible_ir.schema.spelling import custom_names, fold, open_vocabularies

if TYPE_CHECKING:
    from google.protobuf.message import Message

_STAGES = {
    "dev": ("development",),
    "devel": ("development",),
    "prd": ("production",),
    "prod": ("production",),
    "stage": ("staging",),
    "stg": ("staging",),
}

#: The names that an abbreviation, a longer form or a more general term may stand for, by enum.
_ALIASES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "DatasetFormat": {
        "json_lines": ("jsonl",),
        "ndjson": ("jsonl",),
        "pq": ("parquet",),
    },
    "DatasetProvider": {
        "crucible": ("crucible_datasets",),
        "hf": ("huggingface",),
        "huggingface_hub": ("huggingface",),
    },
    "DatasetSplit": {
        "testing": ("test",),
        "training": ("train",),
        "val": ("validation",),
        "valid": ("validation",),
    },
    "DeploymentEnvironment": _STAGES,
    "DeploymentStrategy": {"rolling_update": ("rolling",)},
    "Device": {
        "apple": ("mps",),
        "gpu": ("cuda", "mps"),
        "metal": ("mps",),
        "nvidia": ("cuda",),
    },
    "EffectSizeType": {
        "cohen": ("cohens_d",),
        "eta": ("eta_squared",),
        "omega": ("omega_squared",),
    },
    "ExperimentType": {
        "compare": ("comparison",),
        "eval": ("evaluation",),
        "evaluate": ("evaluation",),
        "train": ("training",),
    },
    "FeedbackStorage": {
        "bq": ("bigquery",),
        "file": ("local",),
        "filesystem": ("local",),
        "pg": ("postgres",),
        "postgresql": ("postgres",),
    },
    "LossFunction": {
        "binary_cross_entropy": ("bce",),
        "ce": ("cross_entropy",),
        "l1": ("mae",),
        "l2": ("mse",),
        "mean_absolute_error": ("mae",),
        "mean_squared_error": ("mse",),
    },
    "ModelArchitecture": {
        "convolutional": ("cnn",),
        "multilayer_perceptron": ("mlp",),
    },
    "ModelFramework": {
        "tf": ("tensorflow",),
        "torch": ("pytorch",),
    },
    "ModelProvider": {
        "google_cloud_storage": ("gcs",),
        "hf": ("huggingface",),
        "huggingface_hub": ("huggingface",),
    },
    "ModelStage": _STAGES,
    "ModelTask": {
        "classification": ("text_classification",),
        "generation": ("text_generation",),
        "question_answering": ("qa",),
        "summarize": ("summarization",),
    },
    "MultipleTestingCorrection": {
        "benjamini_hochberg": ("fdr",),
        "bonf": ("bonferroni",),
        "holm_bonferroni": ("holm",),
    },
    "OutputFormat": {
        "md": ("markdown",),
        "tex": ("latex",),
    },
    "OutputSink": {
        "console": ("stdout",),
        "filesystem": ("file",),
        "pg": ("postgres",),
        "postgresql": ("postgres",),
    },
    "StatisticalTest": {
        "kruskal_wallis": ("kruskal",),
        "student_t": ("ttest",),
        "students_t": ("ttest",),
    },
}

#: The names of `DeploymentHealth` by words that say the same.
_HEALTH: Mapping[str, tuple[str, ...]] = {
    "alive": ("healthy",),
    "good": ("healthy",),
    "ok": ("healthy",),
    "okay": ("healthy",),
    "passing": ("healthy",),
    "ready": ("healthy",),
    "serving": ("healthy",),
    "up": ("healthy",),
    "bad": ("unhealthy",),
    "critical": ("unhealthy",),
    "dead": ("unhealthy",),
    "down": ("unhealthy",),
    "error": ("unhealthy",),
    "failed": ("unhealthy",),
    "failing": ("unhealthy",),
    "not_healthy": ("unhealthy",),
    "sick": ("unhealthy",),
    "impaired": ("degraded",),
    "partial": ("degraded",),
    "warn": ("degraded",),
    "warning": ("degraded",),
}


@lint_for_all(
    "vocabulary.alias",
    Severity.WARNING,
    "A custom name of an open vocabulary abbreviates a name of the schema, or is a longer form or "
    "a more general term: readers that look for the enum value miss it.",
    applies=open_vocabularies,
    example_type=v1.DeploymentConfig,
    bad={"id": "deploy", "model_version_id": "gpt2_v1", "custom_environment": "prod"},
    good={
        "id": "deploy",
        "model_version_id": "gpt2_v1",
        "environment": "DEPLOYMENT_ENVIRONMENT_PRODUCTION",
    },
)
def alias(message: Message) -> Iterator[Problem]:
    """Report each custom name that is an alias of a known one, such as ``prod`` or ``gpu``."""
    yield from _named_otherwise(message, _ALIASES)


@lint_for(
    v1.DeploymentStatus,
    "deployment_status.near_health",
    Severity.WARNING,
    "A custom health says the same as a name of the schema: readers that look for the enum value "
    "miss it.",
    bad={"id": "status_1", "deployment_id": "deploy_prod", "custom_health": "ok"},
    good={
        "id": "status_1",
        "deployment_id": "deploy_prod",
        "health": "DEPLOYMENT_HEALTH_HEALTHY",
    },
)
def near_health(status: v1.DeploymentStatus) -> Iterator[Problem]:
    """Report a ``custom_health`` such as ``ok`` or ``down``."""
    yield from _named_otherwise(status, {"DeploymentHealth": _HEALTH})


def _named_otherwise(
    message: Message, aliases: Mapping[str, Mapping[str, tuple[str, ...]]]
) -> Iterator[Problem]:
    for field, path, name in custom_names(message):
        enum = field.enum
        known = _folded(aliases.get(enum.name, {})).get(fold(name)) if enum is not None else None
        if known is not None:
            words = " or ".join(f'"{word}"' for word in known)
            values = " or ".join(str(value_named(enum, word)) for word in known)
            yield Problem(
                path, f'"{name}" may mean {words}', f"use {values} in {field.name} if you mean that"
            )


def _folded(aliases: Mapping[str, tuple[str, ...]]) -> Mapping[str, tuple[str, ...]]:
    return {fold(name): known for name, known in aliases.items()}
