"""Lints of the shares of traffic in deployments."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from crucible_ir import v1
from crucible_ir.linting.findings import Problem, Severity
from crucible_ir.linting.registry import lint_for, lint_for_all
from crucible_ir.schema.fields import fields_of

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor

#: How far rounding to hundredths may move the sum, for each share.
_ROUNDING = 0.01

_CONFIG = {"id": "deploy_prod", "model_version_id": "gpt2_v2"}


def _has_shares(message: Descriptor) -> bool:
    field = fields_of(message).get("traffic")
    return field is not None and field.message is v1.TrafficShare.DESCRIPTOR


@lint_for_all(
    "traffic.percent_sum",
    Severity.WARNING,
    "The shares of traffic sum to more than 100 percent, or all have a percentage and sum to less.",
    applies=_has_shares,
    example_type=v1.DeploymentConfig,
    bad={
        **_CONFIG,
        "traffic": [
            {"model_version_id": "gpt2_v1", "percent": 0.9},
            {"model_version_id": "gpt2_v2", "percent": 0.1},
        ],
    },
    good={
        **_CONFIG,
        "traffic": [
            {"model_version_id": "gpt2_v1", "percent": 90},
            {"model_version_id": "gpt2_v2", "percent": 10},
        ],
    },
)
def percent_sum(message: Any) -> Iterator[Problem]:
    """Report shares whose sum is not 100; shares without traffic, and unset ones, may be."""
    shares = message.traffic
    total = sum(share.percent for share in shares)
    tolerance = _ROUNDING * len(shares)
    is_complete = all(share.HasField("percent") for share in shares) and total > 0
    if total > 100 + tolerance or (is_complete and total < 100 - tolerance):
        yield Problem(
            ("traffic",),
            f"the shares sum to {total:.6g} percent",
            "write percentages of the deployment's traffic that sum to 100",
        )


@lint_for_all(
    "traffic.duplicate_version",
    Severity.WARNING,
    "Two shares of traffic are of the same version, at the same URL.",
    applies=_has_shares,
    example_type=v1.DeploymentConfig,
    bad={
        **_CONFIG,
        "traffic": [
            {"model_version_id": "gpt2_v2", "percent": 90},
            {"model_version_id": "gpt2_v2", "percent": 10},
        ],
    },
    good={
        **_CONFIG,
        "traffic": [
            {"model_version_id": "gpt2_v1", "percent": 90},
            {"model_version_id": "gpt2_v2", "percent": 10},
        ],
    },
)
def duplicate_version(message: Any) -> Iterator[Problem]:
    """Report each share with the version and the ``url`` of an earlier share."""
    first: dict[tuple[str, str], int] = {}
    for index, share in enumerate(message.traffic):
        earlier = first.setdefault((share.model_version_id, share.url), index)
        if earlier != index and share.model_version_id:
            yield Problem(
                ("traffic", index, "model_version_id"),
                f"share {earlier} is of the same version",
                "combine the two shares, or correct the version",
            )


@lint_for(
    v1.DeploymentConfig,
    "deployment_config.version_without_traffic",
    Severity.WARNING,
    "The shares of traffic do not include the version that the configuration deploys.",
    bad={**_CONFIG, "traffic": [{"model_version_id": "gpt2_v1", "percent": 100}]},
    good={**_CONFIG, "traffic": [{"model_version_id": "gpt2_v2", "percent": 100}]},
)
def version_without_traffic(config: v1.DeploymentConfig) -> Iterator[Problem]:
    """Report ``traffic`` without a share of ``model_version_id``."""
    versions = {share.model_version_id for share in config.traffic}
    if versions and config.model_version_id and config.model_version_id not in versions:
        yield Problem(
            ("traffic",),
            "no share is of the deployed version",
            "add a share of model_version_id, if only of 0 percent",
        )
