"""The team's deployments: what should run, and what was observed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from crucible_ir import v1
from crucible_ir.building.constructors import new_deployment_config, new_deployment_status
from crucible_ir.web.demo.registry import DRAFTER, NEW_ROUTER, OLD_ROUTER
from crucible_ir.web.demo.steps import Publish, Step, Timeline

ROUTER: Final = "router-prod"
DRAFTS: Final = "reply-draft-beta"

#: How many days ago the new router got a share of the traffic, and the share in percent.
ROLLOUT: Final = ((8.0, 10), (5.0, 50), (1.0, 90))


def serving(times: Timeline) -> Iterator[Step]:
    """Yield the deployments and their states."""
    yield from _router(times)
    yield from _drafts(times)
    yield from _others(times)


def _router(times: Timeline) -> Iterator[Step]:
    """Yield the deployment of the router, where a new version takes over step by step."""
    config: dict[str, Any] = {
        "id": ROUTER,
        "model_version_id": OLD_ROUTER,
        "environment": "production",
        "strategy": "canary",
        "replicas": 4,
        "target": {"cluster": "eu-west", "namespace": "support"},
        "resources": {"cpu": "2", "memory": "4Gi"},
        "scaling": {"min": 4, "max": 12, "target_latency_ms": 150},
        "health_check": {"path": "/healthz", "every_seconds": 10},
        "endpoint": {"path": "/v1/route"},
    }
    created = times.ago(days=19)
    yield Publish(created, "priya", new_deployment_config(**config))
    status = _router_status(created)
    start: Any = ((0, "pending", 0), (0.1, "deploying", 1), (0.3, "active", 4))
    for hours, state, ready in start:
        at = times.ago(days=19, hours=-hours)
        observed = new_deployment_status(**status, state=state, ready_replicas=ready, updated_at=at)
        yield Publish(at, "rollout", observed)
    for days, share in ROLLOUT:
        if share == 90:
            config |= {"model_version_id": NEW_ROUTER}
        plan: Any = {"traffic": _shares(share)}
        at = times.ago(days=days, hours=0.1)
        yield Publish(at, "priya", new_deployment_config(**config, **plan))
        at = times.ago(days=days)
        observed = new_deployment_status(
            **{**status, "total_replicas": 8},
            state="canary" if share < 90 else "promoting",
            health="healthy",
            ready_replicas=8,
            traffic=_traffic(share),
            traffic_percent=100,
            metrics={"p99_ms": 188 + 1.9 * share, "requests_per_second": 36.2 + 0.09 * share},
            last_health_check=at,
            updated_at=at,
        )
        yield Publish(at, "rollout", observed)
    last = v1.DeploymentStatus()
    last.CopyFrom(observed)
    observe_again(last, times.ago(hours=0.4), ready=7, slowest=412.0)
    yield Publish(times.ago(hours=0.4), "rollout", last)


def observe_again(status: v1.DeploymentStatus, at: datetime, *, ready: int, slowest: float) -> None:
    """Change a status of the router to a later observation.

    Args:
        status: The status.
        at: The time.
        ready: How many replicas are ready.
        slowest: The 99th percentile of the latency in milliseconds.
    """
    healths = v1.DeploymentHealth
    all_ready = ready == status.total_replicas
    status.health = (
        healths.DEPLOYMENT_HEALTH_HEALTHY if all_ready else healths.DEPLOYMENT_HEALTH_DEGRADED
    )
    status.ready_replicas = ready
    status.metrics["p99_ms"] = slowest
    status.last_health_check.FromDatetime(at)
    status.updated_at.FromDatetime(at)


def _router_status(created: datetime) -> dict[str, Any]:
    return {
        "id": f"{ROUTER}/status",
        "deployment_id": ROUTER,
        "endpoint_url": "https://models.lantern.example/v1/route",
        "total_replicas": 4,
        "created_at": created,
    }


def _shares(share: int) -> list[dict[str, Any]]:
    """Return the planned traffic of both versions of the router, given that of the new one."""
    return [
        {"model_version_id": OLD_ROUTER, "percent": 100 - share},
        {"model_version_id": NEW_ROUTER, "percent": share},
    ]


def _traffic(share: int) -> Any:
    """Return the observed traffic of both versions, given that of the new one."""
    return [{**each, "ready_replicas": 4} for each in _shares(share)]


def _drafts(times: Timeline) -> Iterator[Step]:
    created = times.ago(days=11)
    config = new_deployment_config(
        id=DRAFTS,
        model_version_id=DRAFTER,
        environment="production",
        custom_strategy="invite_only",
        replicas=2,
        scaling={"min": 2, "max": 4},
        target={"cluster": "eu-west", "gpu": "l4"},
    )
    yield Publish(created, "priya", config)
    states: Any = (
        (10.9, "active", "healthy", 2, {"p99_ms": 2140.0, "tokens_per_second": 61.0}),
        (3.2, "degraded", "degraded", 1, {"p99_ms": 5210.0, "tokens_per_second": 34.0}),
        (3.0, "active", "healthy", 2, {"p99_ms": 2205.0, "tokens_per_second": 60.0}),
    )
    for days, state, health, ready, metrics in states:
        at = times.ago(days=days)
        observed = new_deployment_status(
            id=f"{DRAFTS}/status",
            deployment_id=DRAFTS,
            state=state,
            health=health,
            ready_replicas=ready,
            total_replicas=2,
            endpoint_url="https://models.lantern.example/v1/draft",
            traffic_percent=100,
            metrics=metrics,
            error_message="one replica ran out of GPU memory" if ready < 2 else None,
            last_health_check=at,
            created_at=created,
            updated_at=at,
        )
        yield Publish(at, "rollout", observed)


def _others(times: Timeline) -> Iterator[Step]:
    """Yield deployments in the other states."""
    others: tuple[tuple[str, str, str, float, dict[str, Any]], ...] = (
        (
            "embedder-prod",
            "ticket-embedder-2.0.0",
            "production",
            32,
            {"state": "active", "health": "healthy", "ready_replicas": 3, "total_replicas": 3},
        ),
        (
            "router-legacy",
            "ticket-router-1.0.0",
            "production",
            38,
            {"state": "terminated", "ready_replicas": 0, "total_replicas": 0},
        ),
        (
            "router-edge",
            "ticket-router-1.0.0-int8",
            "production",
            35,
            {"state": "stopped", "ready_replicas": 0, "total_replicas": 2},
        ),
        (
            "router-staging",
            "ticket-router-1.4.0-rc.1",
            "staging",
            1.2,
            {
                "state": "updating",
                "health": "healthy",
                "ready_replicas": 1,
                "total_replicas": 2,
                # A mistake for the lint to find: the deployer wrote a fraction.
                "traffic_percent": 0.5,
            },
        ),
        (
            "reply-draft-shadow",
            DRAFTER,
            "development",
            2.4,
            {
                "state": "failed",
                "health": "unhealthy",
                "ready_replicas": 0,
                "total_replicas": 1,
                "error_message": "the image lantern/drafter:0.3.0 could not be pulled",
            },
        ),
    )
    for id_, version, environment, days, observed in others:
        created = times.ago(days=days)
        config = new_deployment_config(
            id=id_,
            model_version_id=version,
            environment=environment,
            replicas=observed["total_replicas"] or 2,
        )
        yield Publish(created, "priya", config)
        at = times.ago(days=days, hours=-0.3)
        status = new_deployment_status(
            id=f"{id_}/status", deployment_id=id_, created_at=created, updated_at=at, **observed
        )
        yield Publish(at, "rollout", status)
