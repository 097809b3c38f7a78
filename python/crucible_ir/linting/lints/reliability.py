"""Lints of ensembles, hedging, statistics, fairness and guardrails."""

from __future__ import annotations

import math
from collections.abc import Iterator

from crucible_ir import v1
from crucible_ir.linting.findings import Problem, Severity
from crucible_ir.linting.lints.percentages import fraction
from crucible_ir.linting.registry import lint_for
from crucible_ir.paths import MapKey

#: The tolerance for the sum of weights: people round weights such as 0.333 to a few digits.
_WEIGHT_SLACK = 0.005

#: The tolerance for the sum of alpha and confidence level: only the rounding of doubles.
_LEVEL_SLACK = 1e-6


@lint_for(
    v1.Ensemble,
    "ensemble.no_models",
    Severity.WARNING,
    "An ensemble has a strategy for combining answers, but lists no models. Not reported for the "
    "execution mode `parallel`, which the Elixir packages write by default: their ensemble stage "
    "also combines answers that the pipeline already has.",
    bad={"strategy": "ENSEMBLE_STRATEGY_MAJORITY"},
    good={"strategy": "ENSEMBLE_STRATEGY_MAJORITY", "models": ["gpt4", "claude", "llama"]},
)
def no_models(ensemble: v1.Ensemble) -> Iterator[Problem]:
    """Report a strategy other than none without ``models``, unless the mode may be a default."""
    idle = (
        v1.EnsembleStrategy.ENSEMBLE_STRATEGY_UNSPECIFIED,
        v1.EnsembleStrategy.ENSEMBLE_STRATEGY_NONE,
    )
    if ensemble.strategy not in idle and not ensemble.models and not _may_be_default(ensemble):
        yield Problem(
            ("strategy",),
            "the strategy combines models, but the ensemble lists none",
            "list the models in models, or set strategy to none",
        )


@lint_for(
    v1.Ensemble,
    "ensemble.no_weights",
    Severity.WARNING,
    "The weighted strategy has no weights. Not reported for the execution mode `parallel`, which "
    "the Elixir packages write by default: their ensemble stage weighs by confidence.",
    bad={"strategy": "ENSEMBLE_STRATEGY_WEIGHTED", "models": ["gpt4", "claude"]},
    good={
        "strategy": "ENSEMBLE_STRATEGY_WEIGHTED",
        "models": ["gpt4", "claude"],
        "weights": {"gpt4": 0.6, "claude": 0.4},
    },
)
def no_weights(ensemble: v1.Ensemble) -> Iterator[Problem]:
    """Report the weighted strategy without ``weights``, unless the mode may be a default."""
    if _is_weighted(ensemble) and not ensemble.weights and not _may_be_default(ensemble):
        yield Problem(
            ("strategy",),
            "the weighted strategy has no weights",
            "set a weight for each model in weights, or choose another strategy",
        )


@lint_for(
    v1.Ensemble,
    "ensemble.weight_without_model",
    Severity.WARNING,
    "A weight is set for a model that the ensemble does not list.",
    bad={
        "strategy": "ENSEMBLE_STRATEGY_WEIGHTED",
        "models": ["gpt4", "claude"],
        "weights": {"gpt4": 0.5, "claude": 0.3, "llama": 0.2},
    },
    good={
        "strategy": "ENSEMBLE_STRATEGY_WEIGHTED",
        "models": ["gpt4", "claude", "llama"],
        "weights": {"gpt4": 0.5, "claude": 0.3, "llama": 0.2},
    },
)
def weight_without_model(ensemble: v1.Ensemble) -> Iterator[Problem]:
    """Report each weight whose key is not in ``models``, unless ``models`` is empty."""
    if not ensemble.models:
        return
    for model in sorted(set(ensemble.weights).difference(ensemble.models)):
        yield Problem(
            ("weights", MapKey(model)),
            "the model of this weight is not in models",
            "add the model to models, or remove the weight",
        )


@lint_for(
    v1.Ensemble,
    "ensemble.model_without_weight",
    Severity.WARNING,
    "Only some models of a weighted ensemble have a weight.",
    bad={
        "strategy": "ENSEMBLE_STRATEGY_WEIGHTED",
        "models": ["gpt4", "claude", "llama"],
        "weights": {"gpt4": 0.6, "claude": 0.4},
    },
    good={
        "strategy": "ENSEMBLE_STRATEGY_WEIGHTED",
        "models": ["gpt4", "claude", "llama"],
        "weights": {"gpt4": 0.5, "claude": 0.3, "llama": 0.2},
    },
)
def model_without_weight(ensemble: v1.Ensemble) -> Iterator[Problem]:
    """Report each model of a weighted ensemble without a weight, if others have one."""
    if not _is_weighted(ensemble) or not ensemble.weights:
        return
    for index, model in enumerate(ensemble.models):
        if model not in ensemble.weights:
            yield Problem(
                ("models", index),
                "this model has no weight, but the strategy is weighted",
                "add a weight for it to weights",
            )


@lint_for(
    v1.Ensemble,
    "ensemble.weights_sum",
    Severity.INFO,
    "The weights of an ensemble do not sum to 1. Readers may or may not rescale them.",
    bad={"models": ["gpt4", "claude"], "weights": {"gpt4": 0.6, "claude": 0.6}},
    good={"models": ["gpt4", "claude"], "weights": {"gpt4": 0.5, "claude": 0.5}},
)
def weights_sum(ensemble: v1.Ensemble) -> Iterator[Problem]:
    """Report weights whose sum is not 1, within the rounding of a few digits."""
    if not ensemble.weights:
        return
    # Not math.fsum, which raises on infinities and on overflow.
    total = sum(ensemble.weights[model] for model in sorted(ensemble.weights))
    if not math.isclose(total, 1, rel_tol=0, abs_tol=_WEIGHT_SLACK):
        yield Problem(
            ("weights",),
            f"the weights sum to {total:.6g}, not 1",
            "divide each weight by their sum",
        )


def _may_be_default(ensemble: v1.Ensemble) -> bool:
    """Return whether the execution mode is the one that the Elixir packages write by default."""
    parallel = v1.EnsembleExecutionMode.ENSEMBLE_EXECUTION_MODE_PARALLEL
    return ensemble.execution_mode == parallel


def _is_weighted(ensemble: v1.Ensemble) -> bool:
    return ensemble.strategy == v1.EnsembleStrategy.ENSEMBLE_STRATEGY_WEIGHTED


@lint_for(
    v1.Hedging,
    "hedging.no_percentile",
    Severity.INFO,
    "The percentile strategy has no percentile: the reader chooses one, often 95.",
    bad={"strategy": "HEDGING_STRATEGY_PERCENTILE"},
    good={"strategy": "HEDGING_STRATEGY_PERCENTILE", "percentile": 95},
)
def no_percentile(hedging: v1.Hedging) -> Iterator[Problem]:
    """Report the percentile strategy without ``percentile``."""
    by_percentile = hedging.strategy == v1.HedgingStrategy.HEDGING_STRATEGY_PERCENTILE
    if by_percentile and not hedging.HasField("percentile"):
        yield Problem(
            ("strategy",),
            "the percentile strategy has no percentile, so the reader chooses one",
            "set percentile, for example to 95",
        )


@lint_for(
    v1.Hedging,
    "hedging.no_delay",
    Severity.WARNING,
    "The fixed strategy has no delay.",
    bad={"strategy": "HEDGING_STRATEGY_FIXED"},
    good={"strategy": "HEDGING_STRATEGY_FIXED", "delay_ms": 0},
)
def no_delay(hedging: v1.Hedging) -> Iterator[Problem]:
    """Report the fixed strategy with ``delay_ms`` unset; 0 is a valid delay."""
    fixed = hedging.strategy == v1.HedgingStrategy.HEDGING_STRATEGY_FIXED
    if fixed and not hedging.HasField("delay_ms"):
        yield Problem(
            ("strategy",),
            "the fixed strategy has no delay",
            "set delay_ms; 0 sends the second request at once",
        )


@lint_for(
    v1.Hedging,
    "hedging.fractional_percentile",
    Severity.WARNING,
    "A percentile between 0 and 1 is ambiguous: a fraction or a percentage. Readers never rescale "
    "it.",
    bad={"strategy": "HEDGING_STRATEGY_PERCENTILE", "percentile": 0.95},
    good={"strategy": "HEDGING_STRATEGY_PERCENTILE", "percentile": 95},
)
def fractional_percentile(hedging: v1.Hedging) -> Iterator[Problem]:
    """Report a percentile greater than 0 and at most 1."""
    if hedging.HasField("percentile") and 0 < hedging.percentile <= 1:
        yield Problem(("percentile",), *fraction(hedging.percentile))


@lint_for(
    v1.Hedging,
    "hedging.fractional_budget",
    Severity.WARNING,
    "A budget between 0 and 1 percent looks like a fraction. Readers never rescale it.",
    bad={"strategy": "HEDGING_STRATEGY_ADAPTIVE", "budget_percent": 0.1},
    good={"strategy": "HEDGING_STRATEGY_ADAPTIVE", "budget_percent": 10},
)
def fractional_budget(hedging: v1.Hedging) -> Iterator[Problem]:
    """Report a ``budget_percent`` between 0 and 1."""
    if 0 < hedging.budget_percent < 1:
        yield Problem(("budget_percent",), *fraction(hedging.budget_percent))


@lint_for(
    v1.Stats,
    "stats.levels_disagree",
    Severity.WARNING,
    "Alpha and the confidence level do not sum to 1.",
    bad={"alpha": 0.05, "confidence_level": 0.99},
    good={"alpha": 0.05, "confidence_level": 0.95},
)
def levels_disagree(stats: v1.Stats) -> Iterator[Problem]:
    """Report ``alpha`` and ``confidence_level`` if both are set and do not sum to 1."""
    if not (stats.HasField("alpha") and stats.HasField("confidence_level")):
        return
    if not math.isclose(stats.alpha + stats.confidence_level, 1, abs_tol=_LEVEL_SLACK):
        yield Problem(
            ("confidence_level",),
            f"{stats.confidence_level:g} contradicts an alpha of {stats.alpha:g}",
            f"set it to {round(1 - stats.alpha, 9):g}, or leave it unset",
        )


@lint_for(
    v1.Stats,
    "stats.large_alpha",
    Severity.WARNING,
    "An alpha greater than 0.5 looks like a confidence level.",
    bad={"alpha": 0.95},
    good={"alpha": 0.05},
)
def large_alpha(stats: v1.Stats) -> Iterator[Problem]:
    """Report an ``alpha`` greater than 0.5."""
    if stats.alpha > 0.5:
        yield Problem(
            ("alpha",),
            f"{stats.alpha:g} is unusually large for a significance level",
            f"set it to {round(1 - stats.alpha, 9):g} if {stats.alpha:g} is the confidence level",
        )


@lint_for(
    v1.Fairness,
    "fairness.no_metrics",
    Severity.WARNING,
    "Fairness is enabled, but has no metric.",
    bad={"enabled": True, "group_by": "age_band"},
    good={
        "enabled": True,
        "group_by": "age_band",
        "metrics": ["FAIRNESS_METRIC_EQUALIZED_ODDS"],
    },
)
def no_fairness_metrics(fairness: v1.Fairness) -> Iterator[Problem]:
    """Report ``enabled`` without ``metrics`` and ``custom_metrics``."""
    if fairness.enabled and not fairness.metrics and not fairness.custom_metrics:
        yield Problem(
            ("enabled",), "fairness is enabled, but has no metric", "add a metric to metrics"
        )


@lint_for(
    v1.Fairness,
    "fairness.no_groups",
    Severity.INFO,
    "Fairness is enabled and has metrics, but defines no groups to compare.",
    bad={"enabled": True, "metrics": ["FAIRNESS_METRIC_DEMOGRAPHIC_PARITY"]},
    good={
        "enabled": True,
        "metrics": ["FAIRNESS_METRIC_DEMOGRAPHIC_PARITY"],
        "group_by": "age_band",
    },
)
def no_groups(fairness: v1.Fairness) -> Iterator[Problem]:
    """Report ``enabled`` with metrics and without ``group_by``."""
    has_metrics = fairness.metrics or fairness.custom_metrics
    if fairness.enabled and has_metrics and not fairness.group_by:
        yield Problem(
            ("enabled",),
            "fairness is enabled, but defines no groups to compare",
            "set group_by to the attribute that defines the groups",
        )


@lint_for(
    v1.Guardrail,
    "guardrail.redaction_without_detection",
    Severity.WARNING,
    "Redaction of personal data is enabled, but its detection is not.",
    bad={"pii_redaction": True},
    good={"pii_redaction": True, "pii_detection": True},
)
def redaction_without_detection(guardrail: v1.Guardrail) -> Iterator[Problem]:
    """Report ``pii_redaction`` without ``pii_detection``."""
    if guardrail.pii_redaction and not guardrail.pii_detection:
        yield Problem(
            ("pii_redaction",),
            "redaction needs detection, which is not enabled",
            "set pii_detection to true",
        )
