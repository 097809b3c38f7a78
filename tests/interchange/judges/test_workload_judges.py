"""The schemas of Kubernetes accept the Deployments that we export."""

from __future__ import annotations

from pathlib import Path

import pytest
from interchange.judges import documents

import crucible_ir as ir
from crucible_ir import v1
from crucible_ir.interchange import kubernetes
from crucible_ir.interchange.workloads import merge_objects

DOCUMENTS = Path(__file__).parents[1] / "documents" / "kubernetes"
EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.mark.parametrize("path", sorted(DOCUMENTS.iterdir()), ids=lambda path: path.name)
def test_an_imported_deployment(path: Path) -> None:
    [record] = kubernetes.FORMAT.records(str(path))
    imported = kubernetes.import_(record.value).documents
    exported = merge_objects(kubernetes.export(message).obj for message in imported)
    documents.kubernetes(exported)


def test_a_deployment_from_elsewhere() -> None:
    text = (EXAMPLES / "deployment.yaml").read_text()
    documents.kubernetes(kubernetes.export(ir.from_yaml(text, v1.DeploymentConfig)).obj)


@pytest.mark.parametrize("state", ["active", "degraded", "failed", "updating", "deploying"])
def test_a_status_from_elsewhere(state: str) -> None:
    text = f"{{id: s, deployment_id: ns/d, state: {state}, ready_replicas: 1, total_replicas: 2}}"
    status = kubernetes.export(ir.from_yaml(text, v1.DeploymentStatus)).obj
    config = kubernetes.export(v1.DeploymentConfig(id="ns/d", model_version_id="m")).obj
    documents.kubernetes(merge_objects([config, status]))
