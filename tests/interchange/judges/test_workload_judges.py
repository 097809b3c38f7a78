"""The schemas of Kubernetes accept the Deployments that we export."""

from __future__ import annotations

from pathlib import Path

import pytest
from interchange.judges import documents

import crucible_ir as ir
from crucible_ir import v1
from crucible_ir.interchange import kubernetes
from crucible_ir.interchange.workloads.objects import join_objects

DOCUMENTS = Path(__file__).parents[1] / "documents" / "kubernetes"
EXAMPLES = Path(__file__).parents[3] / "examples"

CONFIGS = {
    "bare": "{id: d, model_version_id: m}",
    "all fields": """
        id: Team A/sentiment_1
        model_version_id: "sentiment:1.0.0"
        replicas: 3
        resources: {requests: {cpu: "1", memory: 2Gi}, limits: {nvidia.com/gpu: 1}}
        scaling: {min: 1, max: 5}
        environment: production
        strategy: canary
        health_check: {path: /health, interval_seconds: 10}
        endpoint: {port: 8080}
        traffic:
          - {model_version_id: "sentiment:1.0.0", percent: 90}
          - {model_version_id: "sentiment:1.1.0", percent: 10}
        metadata: {team: a}
        options: {odd: [1, null]}
        target: {cluster: eu, image: "server:1"}
        """,
    "recreate": "{id: a/d, model_version_id: m, strategy: recreate, environment: staging}",
    "custom names": """
        {id: a/d, model_version_id: m, custom_strategy: shadow, custom_environment: night}
        """,
    "scaled to zero": "{id: a/d, model_version_id: m, scaling: {min: 0, max: 3}}",
}

STATES = [
    value.name.removeprefix("DEPLOYMENT_STATE_").lower()
    for value in v1.DeploymentState.DESCRIPTOR.values[1:]
]

STATUSES = {
    "bare": "{id: s, deployment_id: d}",
    "all fields": """
        id: s
        deployment_id: a/d
        state: active
        ready_replicas: 2
        total_replicas: 3
        endpoint_url: "https://example.org"
        traffic_percent: 50
        health: degraded
        last_health_check: 2026-11-30T12:00:00Z
        error_message: It is slow.
        created_at: 2026-11-30T11:00:00.5Z
        updated_at: 2026-11-30T12:00:00Z
        traffic: [{model_version_id: m, percent: 100, ready_replicas: 2, url: "https://m"}]
        metrics: {requests: 5}
        metadata: {odd: 1}
        """,
    **{
        f"state {state}": f"{{id: s, deployment_id: a/d, state: {state}, error_message: Why}}"
        for state in STATES
    },
}


@pytest.mark.parametrize("path", sorted(DOCUMENTS.iterdir()), ids=lambda path: path.name)
def test_an_imported_deployment(path: Path) -> None:
    [record] = kubernetes.FORMAT.records(str(path))
    imported = kubernetes.import_(record.value).documents
    exported = join_objects([kubernetes.export(message).obj for message in imported])
    documents.kubernetes(exported)


def test_a_deployment_from_elsewhere() -> None:
    text = (EXAMPLES / "deployment.yaml").read_text()
    documents.kubernetes(kubernetes.export(ir.from_yaml(text, v1.DeploymentConfig)).obj)


@pytest.mark.parametrize("text", CONFIGS.values(), ids=CONFIGS)
def test_a_config_with_every_field(text: str) -> None:
    exported = kubernetes.export(ir.from_yaml(text, v1.DeploymentConfig))
    assert not exported.report.errors
    assert exported.obj["kind"] == "Deployment"
    documents.kubernetes(exported.obj)


@pytest.mark.parametrize("text", STATUSES.values(), ids=STATUSES)
def test_a_status_from_elsewhere(text: str) -> None:
    status = kubernetes.export(ir.from_yaml(text, v1.DeploymentStatus))
    assert not status.report.errors
    config = kubernetes.export(v1.DeploymentConfig(id="a/d", model_version_id="m")).obj
    documents.kubernetes({**status.obj, "spec": config["spec"]})
