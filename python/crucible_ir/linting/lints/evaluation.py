"""Lints of evaluation results."""

from __future__ import annotations

from collections.abc import Iterator

from crucible_ir import v1
from crucible_ir.linting.findings import Problem, Severity
from crucible_ir.linting.registry import lint_for

_METRICS = [{"name": "acc", "value": 0.62}]


@lint_for(
    v1.EvaluationResult,
    "evaluation_result.no_subject",
    Severity.WARNING,
    "An evaluation does not say which model it measured.",
    bad={"id": "eval_1", "task": "mmlu", "metrics": _METRICS},
    good={"id": "eval_1", "task": "mmlu", "metrics": _METRICS, "model_ref": {"id": "gpt-4o"}},
)
def no_subject(result: v1.EvaluationResult) -> Iterator[Problem]:
    """Report a result with neither ``model_version_id`` nor ``model_ref``."""
    if not result.model_version_id and not result.HasField("model_ref"):
        yield Problem(
            ("task",),
            "the evaluated model is not stated",
            "set model_version_id, or model_ref for a model without a registered version",
        )


@lint_for(
    v1.EvaluationResult,
    "evaluation_result.no_metrics",
    Severity.WARNING,
    "An evaluation has no metrics.",
    bad={"id": "eval_1", "task": "mmlu", "model_version_id": "gpt2_v1"},
    good={"id": "eval_1", "task": "mmlu", "model_version_id": "gpt2_v1", "metrics": _METRICS},
)
def no_metrics(result: v1.EvaluationResult) -> Iterator[Problem]:
    """Report a result without ``metrics``."""
    if not result.metrics:
        yield Problem(("task",), "the evaluation has no metrics", "add what it measured to metrics")
