"""Lints of deployment configurations and deployment status."""

from __future__ import annotations

from collections.abc import Iterator

from crucible_ir import v1
from crucible_ir.linting.findings import Problem, Severity
from crucible_ir.linting.lints.percentages import fraction
from crucible_ir.linting.registry import lint_for


@lint_for(
    v1.DeploymentConfig,
    "deployment_config.single_replica",
    Severity.WARNING,
    "A production deployment has one replica and no scaling: a single failure takes it down. Not "
    "reported for the strategy `rolling`: the Elixir packages write one replica and this strategy "
    "wherever neither was chosen.",
    bad={
        "id": "deploy_prod",
        "model_version_id": "gpt2_v1",
        "environment": "DEPLOYMENT_ENVIRONMENT_PRODUCTION",
        "replicas": 1,
    },
    good={
        "id": "deploy_prod",
        "model_version_id": "gpt2_v1",
        "environment": "DEPLOYMENT_ENVIRONMENT_PRODUCTION",
        "replicas": 2,
    },
)
def single_replica(config: v1.DeploymentConfig) -> Iterator[Problem]:
    """Report ``replicas`` of 1 in production, unless ``scaling`` is set or it may be a default."""
    production = v1.DeploymentEnvironment.DEPLOYMENT_ENVIRONMENT_PRODUCTION
    is_default = config.strategy == v1.DeploymentStrategy.DEPLOYMENT_STRATEGY_ROLLING
    is_single = config.environment == production and config.replicas == 1
    if is_single and not is_default and not config.scaling.fields:
        yield Problem(
            ("replicas",),
            "a production deployment has only one replica",
            "set replicas to two or more, or set scaling",
        )


@lint_for(
    v1.DeploymentStatus,
    "deployment_status.ready_above_total",
    Severity.WARNING,
    "More replicas are ready than exist in total.",
    bad={
        "id": "status_1",
        "deployment_id": "deploy_prod",
        "ready_replicas": 3,
        "total_replicas": 2,
    },
    good={
        "id": "status_1",
        "deployment_id": "deploy_prod",
        "ready_replicas": 2,
        "total_replicas": 3,
    },
)
def ready_above_total(status: v1.DeploymentStatus) -> Iterator[Problem]:
    """Report ``ready_replicas`` above ``total_replicas``."""
    if status.HasField("total_replicas") and status.ready_replicas > status.total_replicas:
        yield Problem(
            ("ready_replicas",),
            f"{status.ready_replicas} of {status.total_replicas} replicas are ready",
            "check both counts; they may be swapped",
        )


@lint_for(
    v1.DeploymentStatus,
    "deployment_status.fractional_traffic",
    Severity.WARNING,
    "A share of traffic between 0 and 1 percent looks like a fraction. Readers never rescale it.",
    bad={"id": "status_1", "deployment_id": "deploy_prod", "traffic_percent": 0.5},
    good={"id": "status_1", "deployment_id": "deploy_prod", "traffic_percent": 50},
)
def fractional_traffic(status: v1.DeploymentStatus) -> Iterator[Problem]:
    """Report a ``traffic_percent`` between 0 and 1; a canary may well receive 1 percent."""
    if 0 < status.traffic_percent < 1:
        yield Problem(("traffic_percent",), *fraction(status.traffic_percent))


@lint_for(
    v1.DeploymentStatus,
    "deployment_status.no_error_message",
    Severity.WARNING,
    "A failed deployment has no error message.",
    bad={
        "id": "status_1",
        "deployment_id": "deploy_prod",
        "state": "DEPLOYMENT_STATE_FAILED",
    },
    good={
        "id": "status_1",
        "deployment_id": "deploy_prod",
        "state": "DEPLOYMENT_STATE_FAILED",
        "error_message": "the image could not be pulled",
    },
)
def no_error_message(status: v1.DeploymentStatus) -> Iterator[Problem]:
    """Report a failed deployment whose ``error_message`` is unset or blank."""
    failed = status.state == v1.DeploymentState.DEPLOYMENT_STATE_FAILED
    if failed and not status.error_message.strip():
        yield Problem(
            ("state",),
            "the deployment failed, but has no error message",
            "state the reason in error_message",
        )
