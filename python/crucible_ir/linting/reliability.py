"""Lints of ensembles, hedging, statistics, fairness and guardrails."""

from __future__ import annotations

import math
from collections.abc import Iterator

from crucible_ir import v1
from crucible_ir.linting.advice import Finding, Severity
from crucible_ir.linting.table import lint_for
from crucible_ir.paths import MapKey

#: How far weights may be from a sum of 1: weights such as 0.333 are cut to a few digits by hand.
_WEIGHT_SLACK = 0.005

#: How far alpha and confidence level may be from a sum of 1: more than a double's rounding only.
_LEVEL_SLACK = 1e-6


@lint_for(
    v1.Ensemble,
    "ensemble.no_models",
    Severity.WARNING,
    "An ensemble has a strategy for combining answers, but lists no models to ask.",
    bad={"strategy": "ENSEMBLE_STRATEGY_MAJORITY"},
    good={"strategy": "ENSEMBLE_STRATEGY_MAJORITY", "models": ["gpt4", "claude", "llama"]},
)
def no_models(ensemble: v1.Ensemble) -> Iterator[Finding]:
    """Report a strategy other than none without ``models``."""
    idle = (
        v1.EnsembleStrategy.ENSEMBLE_STRATEGY_UNSPECIFIED,
        v1.EnsembleStrategy.ENSEMBLE_STRATEGY_NONE,
    )
    if ensemble.strategy not in idle and not ensemble.models:
        yield Finding(
            ("strategy",),
            "the strategy combines models, but none is listed",
            "list them in models, or set the strategy to none",
        )


@lint_for(
    v1.Ensemble,
    "ensemble.no_weights",
    Severity.WARNING,
    "The weighted strategy has no weights to go by.",
    bad={"strategy": "ENSEMBLE_STRATEGY_WEIGHTED", "models": ["gpt4", "claude"]},
    good={
        "strategy": "ENSEMBLE_STRATEGY_WEIGHTED",
        "models": ["gpt4", "claude"],
        "weights": {"gpt4": 0.6, "claude": 0.4},
    },
)
def no_weights(ensemble: v1.Ensemble) -> Iterator[Finding]:
    """Report the weighted strategy without ``weights``."""
    if _is_weighted(ensemble) and not ensemble.weights:
        yield Finding(
            ("strategy",),
            "the weighted strategy has no weights",
            "give each model its weight in weights, or choose another strategy",
        )


@lint_for(
    v1.Ensemble,
    "ensemble.weight_without_model",
    Severity.WARNING,
    "A weight is given for a model that the ensemble does not list.",
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
def weight_without_model(ensemble: v1.Ensemble) -> Iterator[Finding]:
    """Report each weight whose key is not in ``models``, unless no model is listed at all."""
    if not ensemble.models:
        return
    for model in sorted(set(ensemble.weights).difference(ensemble.models)):
        yield Finding(
            ("weights", MapKey(model)),
            "models does not list the model that this weight is for",
            "add the model to models, or drop its weight",
        )


@lint_for(
    v1.Ensemble,
    "ensemble.model_without_weight",
    Severity.WARNING,
    "The weighted strategy gives weights to some of its models only.",
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
def model_without_weight(ensemble: v1.Ensemble) -> Iterator[Finding]:
    """Report each model that a weighted ensemble lists but does not weigh."""
    if not _is_weighted(ensemble) or not ensemble.weights:
        return
    for index, model in enumerate(ensemble.models):
        if model not in ensemble.weights:
            yield Finding(
                ("models", index),
                "the weighted strategy has no weight for this model",
                "add its weight to weights",
            )


@lint_for(
    v1.Ensemble,
    "ensemble.weights_sum",
    Severity.INFO,
    "The weights of an ensemble do not sum to 1. Readers may scale them or may not.",
    bad={"models": ["gpt4", "claude"], "weights": {"gpt4": 0.6, "claude": 0.6}},
    good={"models": ["gpt4", "claude"], "weights": {"gpt4": 0.5, "claude": 0.5}},
)
def weights_sum(ensemble: v1.Ensemble) -> Iterator[Finding]:
    """Report weights whose sum is not 1, give or take the rounding of a few digits."""
    if not ensemble.weights:
        return
    # A plain sum, since math.fsum raises on infinities and on overflow.
    total = sum(ensemble.weights[model] for model in sorted(ensemble.weights))
    if not math.isclose(total, 1, rel_tol=0, abs_tol=_WEIGHT_SLACK):
        yield Finding(
            ("weights",),
            f"the weights sum to {total:.6g}, not 1",
            "divide each weight by their sum",
        )


def _is_weighted(ensemble: v1.Ensemble) -> bool:
    return ensemble.strategy == v1.EnsembleStrategy.ENSEMBLE_STRATEGY_WEIGHTED


@lint_for(
    v1.Hedging,
    "hedging.no_percentile",
    Severity.WARNING,
    "Hedging by percentile does not say which percentile.",
    bad={"strategy": "HEDGING_STRATEGY_PERCENTILE"},
    good={"strategy": "HEDGING_STRATEGY_PERCENTILE", "percentile": 95},
)
def no_percentile(hedging: v1.Hedging) -> Iterator[Finding]:
    """Report the percentile strategy without ``percentile``."""
    by_percentile = hedging.strategy == v1.HedgingStrategy.HEDGING_STRATEGY_PERCENTILE
    if by_percentile and not hedging.HasField("percentile"):
        yield Finding(
            ("strategy",),
            "the percentile strategy has no percentile",
            "set percentile, for example to 95",
        )


@lint_for(
    v1.Hedging,
    "hedging.no_delay",
    Severity.WARNING,
    "Hedging after a fixed delay does not say which delay.",
    bad={"strategy": "HEDGING_STRATEGY_FIXED"},
    good={"strategy": "HEDGING_STRATEGY_FIXED", "delay_ms": 0},
)
def no_delay(hedging: v1.Hedging) -> Iterator[Finding]:
    """Report the fixed strategy without ``delay_ms``; a delay of 0 is one."""
    fixed = hedging.strategy == v1.HedgingStrategy.HEDGING_STRATEGY_FIXED
    if fixed and not hedging.HasField("delay_ms"):
        yield Finding(
            ("strategy",),
            "the fixed strategy has no delay",
            "set delay_ms; 0 sends the repeat at once",
        )


@lint_for(
    v1.Hedging,
    "hedging.fractional_percentile",
    Severity.WARNING,
    "A percentile between 0 and 1 may be a fraction or a percent. Readers never rescale it.",
    bad={"strategy": "HEDGING_STRATEGY_PERCENTILE", "percentile": 0.95},
    good={"strategy": "HEDGING_STRATEGY_PERCENTILE", "percentile": 95},
)
def fractional_percentile(hedging: v1.Hedging) -> Iterator[Finding]:
    """Report a percentile above 0 and up to 1."""
    if hedging.HasField("percentile") and 0 < hedging.percentile <= 1:
        percent = round(hedging.percentile * 100, 9)
        yield Finding(
            ("percentile",),
            f"{hedging.percentile:g} may be a fraction or a percent",
            f"write {percent:g} if percent is meant",
        )


@lint_for(
    v1.Stats,
    "stats.levels_disagree",
    Severity.WARNING,
    "Alpha and the confidence level are two names of one number and should sum to 1.",
    bad={"alpha": 0.05, "confidence_level": 0.99},
    good={"alpha": 0.05, "confidence_level": 0.95},
)
def levels_disagree(stats: v1.Stats) -> Iterator[Finding]:
    """Report ``alpha`` and ``confidence_level``, both set, that do not sum to 1."""
    if not (stats.HasField("alpha") and stats.HasField("confidence_level")):
        return
    if not math.isclose(stats.alpha + stats.confidence_level, 1, abs_tol=_LEVEL_SLACK):
        yield Finding(
            ("confidence_level",),
            f"{stats.confidence_level:g} does not go with an alpha of {stats.alpha:g}",
            f"set it to {round(1 - stats.alpha, 9):g}, or leave it unset",
        )


@lint_for(
    v1.Stats,
    "stats.large_alpha",
    Severity.WARNING,
    "An alpha above 0.5 looks like a confidence level.",
    bad={"alpha": 0.95},
    good={"alpha": 0.05},
)
def large_alpha(stats: v1.Stats) -> Iterator[Finding]:
    """Report an ``alpha`` above a half."""
    if stats.alpha > 0.5:
        yield Finding(
            ("alpha",),
            f"a significance level of {stats.alpha:g} lets most noise pass",
            f"set it to {round(1 - stats.alpha, 9):g} if {stats.alpha:g} is the confidence level",
        )


@lint_for(
    v1.Fairness,
    "fairness.no_metrics",
    Severity.WARNING,
    "Fairness is enabled, but there is no metric to measure it by.",
    bad={"enabled": True, "group_by": "age_band"},
    good={
        "enabled": True,
        "group_by": "age_band",
        "metrics": ["FAIRNESS_METRIC_EQUALIZED_ODDS"],
    },
)
def no_fairness_metrics(fairness: v1.Fairness) -> Iterator[Finding]:
    """Report ``enabled`` without ``metrics`` and ``custom_metrics``."""
    if fairness.enabled and not fairness.metrics and not fairness.custom_metrics:
        yield Finding(
            ("enabled",), "fairness is enabled without a metric", "name a metric in metrics"
        )


@lint_for(
    v1.Fairness,
    "fairness.no_groups",
    Severity.INFO,
    "Fairness is enabled, but nothing says between which groups.",
    bad={"enabled": True, "metrics": ["FAIRNESS_METRIC_DEMOGRAPHIC_PARITY"]},
    good={
        "enabled": True,
        "metrics": ["FAIRNESS_METRIC_DEMOGRAPHIC_PARITY"],
        "group_by": "age_band",
    },
)
def no_groups(fairness: v1.Fairness) -> Iterator[Finding]:
    """Report ``enabled`` without ``group_by``."""
    if fairness.enabled and not fairness.group_by:
        yield Finding(
            ("enabled",),
            "fairness is enabled without groups to compare",
            "name the attribute that defines the groups in group_by",
        )


@lint_for(
    v1.Guardrail,
    "guardrail.redaction_without_detection",
    Severity.WARNING,
    "Personal data is to be redacted, but its detection is not asked for.",
    bad={"pii_redaction": True},
    good={"pii_redaction": True, "pii_detection": True},
)
def redaction_without_detection(guardrail: v1.Guardrail) -> Iterator[Finding]:
    """Report ``pii_redaction`` without ``pii_detection``."""
    if guardrail.pii_redaction and not guardrail.pii_detection:
        yield Finding(
            ("pii_redaction",),
            "only what is detected can be redacted, and detection is not on",
            "set pii_detection to true",
        )
