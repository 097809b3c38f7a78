"""Kubernetes Deployments as DeploymentConfig and DeploymentStatus."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from interchange.law import check_complete, check_law
from interchange.workloads_strategies import (
    anything,
    conditions,
    fields,
    items,
    numbers,
    objects,
    odd,
    pods,
    strategies,
)
from message_strategies import messages

import crucible_ir as ir
from crucible_ir import v1
from crucible_ir.interchange.kubernetes import FORMAT
from crucible_ir.interchange.mapping.dialect import json_values
from crucible_ir.interchange.mapping.report import Outcome, Recorder
from crucible_ir.interchange.workloads.objects import write_yaml

DOCUMENTS = Path(__file__).parent / "documents" / "kubernetes"


def deployment(spec: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    template = {"spec": {"containers": [{"name": "server", "image": "s:1"}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "ranker", "namespace": "search"},
        "spec": {"replicas": 2, "template": template, **(spec or {})},
        **more,
    }


def only(obj: dict[str, Any]) -> v1.DeploymentConfig:
    [config] = check_law(FORMAT, obj).documents
    assert isinstance(config, v1.DeploymentConfig)
    return config


def state_of(status: dict[str, Any]) -> v1.DeploymentStatus:
    documents = check_law(FORMAT, deployment(status=status)).documents
    assert isinstance(documents[1], v1.DeploymentStatus)
    return documents[1]


def test_the_documents() -> None:
    imported = [
        check_law(FORMAT, record.value)
        for path in sorted(DOCUMENTS.iterdir())
        for record in FORMAT.records(str(path))
    ]
    configs = [each.documents[0] for each in imported]
    assert [json_values(each)["id"] for each in configs] == [
        "default/chat",
        "search/embed",
        "search/search-ranker",
    ]
    chat, embed, ranker = configs
    assert isinstance(chat, v1.DeploymentConfig) and isinstance(ranker, v1.DeploymentConfig)
    assert (chat.model_version_id, chat.HasField("replicas")) == ("example/chat-7b", False)
    assert json_values(chat)["scaling"] == {"min": 0}
    assert json_values(embed)["model_version_id"] == "unknown"
    values = json_values(ranker)
    assert values["model_version_id"] == "ranker-2.4.0"
    assert values["environment"] == "production"
    assert values["strategy"] == "rolling"
    assert values["resources"]["limits"] == {"memory": "8Gi", "nvidia.com/gpu": 1}
    assert sorted(values["health_check"]) == ["livenessProbe", "readinessProbe"]
    [proxy, server] = values["target"]["spec"]["template"]["spec"]["containers"]
    assert proxy["resources"] == {"limits": {"cpu": "200m"}}
    assert sorted(server) == ["args", "env", "image", "name"]
    states = [json_values(each.documents[1]) for each in imported]
    assert [each["state"] for each in states] == ["stopped", "failed", "updating"]
    assert states[1]["error_message"] == 'ReplicaSet "embed-1" has timed out progressing.'
    assert (states[1]["ready_replicas"], states[2]["ready_replicas"]) == (0, 4)


def test_secrets_are_dropped_and_doubtful_values_are_remarked() -> None:
    [record] = FORMAT.records(str(DOCUMENTS / "search-ranker.yaml"))
    imported = FORMAT.import_(record.value)
    entries = {entry.path: entry for entry in imported.report.entries}
    env = "spec.template.spec.containers[1].env"
    password = entries[f"{env}[1].value"]
    assert (password.outcome, password.source_values) == (Outcome.DROPPED, ())
    assert entries[f"{env}[2].value"].reason.startswith("kept: only its name")
    assert not any("not-a-real-password" in str(each) for each in imported.documents)
    assert "not-a-real-password" not in str(imported.report.as_json())
    assert not [each for each in ir.lint(imported.documents[0]) if each.id == "opaque.secret"]
    # A secret in a list leaves a place for its neighbours.
    container = {"name": "c", "args": ["--key", "hf_" + "aB3" * 12, "-v"]}
    config = only(deployment({"template": {"spec": {"containers": [container]}}}))
    [kept] = json_values(config)["target"]["spec"]["template"]["spec"]["containers"]
    assert kept["args"] == ["--key", "", "-v"]


@pytest.mark.parametrize("leaf", ["x", {"api_key": "not-a-real-key"}, {"auth_token": "abc"}])
@pytest.mark.parametrize("levels", [10, 23, 40, 900])
def test_deep_values(levels: int, leaf: object) -> None:
    deep: object = leaf
    for level in range(levels):
        deep = {"k": deep} if level % 2 else [deep]
    container = {"name": "c", "args": deep, "resources": {"limits": deep}}
    spec = {"template": {"spec": {"containers": [container]}}}
    imported = FORMAT.import_(deployment(spec, status={"conditions": [deep]}))
    assert not imported.report.errors
    for document in imported.documents:
        assert "not-a-real-key" not in str(document)
        assert type(document).FromString(document.SerializeToString()) == document
        assert not FORMAT.export(document).report.errors


def test_a_list_is_unfolded() -> None:
    listed = {"apiVersion": "v1", "kind": "List", "items": [deployment(), {"kind": "ConfigMap"}]}
    imported = FORMAT.import_(listed)
    assert len(imported.documents) == 1
    [error] = imported.report.errors
    assert (error.path, error.reason) == ("[1].kind", 'expected Deployment, got "ConfigMap"')
    assert len(FORMAT.import_([listed, deployment()]).documents) == 2
    assert not FORMAT.import_({"kind": "DeploymentList", "items": []}).documents


def test_documents_after_a_list_keep_counting(tmp_path: Path) -> None:
    path = tmp_path / "all.yaml"
    service = "apiVersion: v1\nkind: Service\nmetadata: {name: s}\n"
    listed = write_yaml({"kind": "List", "items": [deployment(), deployment()]}).decode()
    path.write_text(f"{service}---\n{listed}---\n{service}")
    recorder = Recorder()
    found = list(FORMAT.import_records(FORMAT.records(str(path)), recorder))
    assert [len(each) for each in found] == [0, 1, 1, 0]
    report = recorder.report()
    assert [error.source for error in report.errors] == [f"{path}[0]", f"{path}[2]"]
    assert "[1-2].kind" in {entry.path.replace("[*]", "[1-2]") for entry in report.entries}


@pytest.mark.parametrize(
    ("change", "path", "reason"),
    [
        ({"kind": "InferenceService"}, "kind", 'use the format "kserve"'),
        ({"kind": None}, "", 'expected the keys "apiVersion" and "kind"'),
        ({"apiVersion": "extensions/v1beta1"}, "apiVersion", "expected apiVersion apps/v1"),
        ({"metadata": {"namespace": "x"}}, "metadata", "expected the name"),
        ({"metadata": {"name": "a/b"}}, "metadata.name", 'a name has no "/"'),
        ({"spec": None}, "", 'expected the key "spec"'),
    ],
)
def test_bad_objects_are_located_errors(change: dict[str, Any], path: str, reason: str) -> None:
    imported = FORMAT.import_({**deployment(), **change})
    assert not imported.documents
    [error] = imported.report.errors
    assert error.path == path
    assert reason in error.reason


@pytest.mark.parametrize("replicas", [-1, 2**31, True, "3", 1.5])
def test_odd_numbers_of_replicas_stay_in_the_target(replicas: object) -> None:
    config = only(deployment({"replicas": replicas}))
    assert not config.HasField("replicas")
    assert json_values(config)["target"]["spec"]["replicas"] == replicas


@pytest.mark.parametrize(
    ("status", "state", "health"),
    [
        ({"observedGeneration": 1}, "pending", "unknown"),
        ({"conditions": [("Progressing", "True", "NewReplicaSetCreated")]}, "deploying", "unknown"),
        (
            {"replicas": 2, "conditions": [("Available", "False", "MinimumReplicasUnavailable")]},
            "deploying",
            "unhealthy",
        ),
        (
            {
                "replicas": 2,
                "updatedReplicas": 2,
                "conditions": [
                    ("Available", "True", "MinimumReplicasAvailable"),
                    ("Progressing", "True", "NewReplicaSetAvailable"),
                ],
            },
            "active",
            "healthy",
        ),
        (
            {
                "replicas": 2,
                "updatedReplicas": 2,
                "unavailableReplicas": 1,
                "conditions": [
                    ("Available", "True", "MinimumReplicasAvailable"),
                    ("Progressing", "True", "NewReplicaSetAvailable"),
                ],
            },
            "degraded",
            "degraded",
        ),
        (
            {
                "replicas": 2,
                "readyReplicas": 1,
                "conditions": [
                    ("Available", "False", "MinimumReplicasUnavailable"),
                    ("Progressing", "True", "NewReplicaSetAvailable"),
                ],
            },
            "degraded",
            "unhealthy",
        ),
        (
            {
                "replicas": 2,
                "conditions": [
                    ("Available", "True", "MinimumReplicasAvailable"),
                    ("ReplicaFailure", "True", "FailedCreate"),
                ],
            },
            "degraded",
            "healthy",
        ),
    ],
)
def test_states_follow_from_conditions(status: dict[str, Any], state: str, health: str) -> None:
    found = [
        {"type": type_, "status": value, "reason": reason}
        for type_, value, reason in status.get("conditions", ())
    ]
    values = json_values(state_of({**status, **({"conditions": found} if found else {})}))
    assert (values["state"], values["health"]) == (state, health)


def test_a_status_without_a_spec() -> None:
    obj = deployment(status={"replicas": 1})
    del obj["spec"]
    [status] = check_law(FORMAT, obj).documents
    assert isinstance(status, v1.DeploymentStatus)


def test_a_changed_state_replaces_the_conditions() -> None:
    status = state_of(
        {"replicas": 1, "conditions": [{"type": "Available", "status": "True", "reason": "x"}]}
    )
    status.state = v1.DeploymentState.DEPLOYMENT_STATE_FAILED
    status.error_message = "out of memory"
    exported = FORMAT.export(status)
    assert exported.obj["status"]["conditions"] == [
        {"type": "Available", "status": "False"},
        {
            "type": "Progressing",
            "status": "False",
            "reason": "ProgressDeadlineExceeded",
            "message": "out of memory",
        },
    ]
    again = FORMAT.import_(exported.obj).documents[0]
    assert isinstance(again, v1.DeploymentStatus)
    assert (again.state, again.error_message) == (status.state, "out of memory")


def test_a_model_that_somebody_filled_in_is_exported() -> None:
    config = only(deployment())
    assert config.model_version_id == "unknown"
    assert "annotations" not in FORMAT.export(config).obj["metadata"]
    config.model_version_id = "ranker-3"
    exported = FORMAT.export(config).obj
    assert exported["metadata"]["annotations"] == {"crucible-ir/model_version_id": "ranker-3"}
    assert only(exported).model_version_id == "ranker-3"


def test_a_message_from_elsewhere() -> None:
    config = ir.from_yaml(
        """
        id: Deploy_Prod
        model_version_id: llama_mmlu_3
        environment: production
        strategy: blue_green
        replicas: 3
        target: {provider: kubernetes, namespace: ml, image: "vllm:1"}
        resources: {cpu: "2", memory: 4Gi, gpu: 1}
        scaling: {min: 2, max: 5}
        health_check: {path: /healthz}
        """,
        v1.DeploymentConfig,
    )
    exported = FORMAT.export(config)
    assert exported.obj == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "deploy-prod",
            "namespace": "ml",
            "annotations": {
                "crucible-ir/id": "Deploy_Prod",
                "crucible-ir/model_version_id": "llama_mmlu_3",
                "crucible-ir/strategy": "blue_green",
                "crucible-ir/environment": "production",
            },
        },
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": {"app": "deploy-prod"}},
            "template": {
                "metadata": {"labels": {"app": "deploy-prod"}},
                "spec": {
                    "containers": [
                        {
                            "name": "server",
                            "image": "vllm:1",
                            "resources": {"limits": {"cpu": "2", "memory": "4Gi"}},
                        }
                    ]
                },
            },
        },
    }
    dropped = {each.path for each in exported.report.entries if each.outcome is Outcome.DROPPED}
    assert dropped == {
        "health_check.**",
        "resources.gpu",
        "scaling.max",
        "scaling.min",
        "target.provider",
    }
    again = only(exported.obj)
    assert (again.id, again.model_version_id) == ("Deploy_Prod", "llama_mmlu_3")
    assert again.strategy == v1.DeploymentStrategy.DEPLOYMENT_STRATEGY_BLUE_GREEN


def test_exports_are_written_as_yaml() -> None:
    assert FORMAT.write is not None
    text = FORMAT.write(FORMAT.export(only(deployment())).obj).decode()
    assert text.startswith("apiVersion: apps/v1\nkind: Deployment\n")


_SPEC = fields(
    replicas=numbers,
    strategy=strategies,
    template=fields(spec=pods, metadata=fields(annotations=anything)),
    paused=st.booleans(),
)
_STATUS = fields(
    replicas=numbers,
    readyReplicas=numbers,
    updatedReplicas=numbers,
    unavailableReplicas=numbers,
    conditions=st.lists(conditions | items, max_size=3),
)


@given(objects("Deployment", "apps/v1", _SPEC, _STATUS))
def test_the_law_holds_for_any_deployment(obj: dict[str, Any]) -> None:
    check_law(FORMAT, obj)


@given(messages(v1.DeploymentConfig), odd | _SPEC, odd)
def test_any_target_is_exported(message: v1.DeploymentConfig, spec: Any, metadata: Any) -> None:
    target = {"kind": "Deployment", "spec": spec, "namespace": metadata}
    message.target.Clear()
    message.target.update(target)
    message.metadata.update({"labels": metadata, "annotations": metadata})
    message.model_version_id = "s3://m/1"
    check_complete(json_values(message), FORMAT.export(message).report)


@given(messages(v1.DeploymentStatus), odd | _STATUS)
def test_any_kept_status_is_exported(message: v1.DeploymentStatus, status: Any) -> None:
    message.metadata.update(
        {"kind": "Deployment", "conditions": status, "kubernetes": {"status": status}}
    )
    check_complete(json_values(message), FORMAT.export(message).report)


@given(messages(v1.DeploymentConfig) | messages(v1.DeploymentStatus))
def test_any_message_is_exported(message: v1.DeploymentConfig | v1.DeploymentStatus) -> None:
    check_complete(json_values(message), FORMAT.export(message).report)


@pytest.mark.parametrize("namespace", [["a"], {"a": 1}])
def test_exports_are_joined_whatever_the_namespace_is(namespace: object) -> None:
    parts = [
        {
            "kind": "Deployment",
            "metadata": {"name": "m", "namespace": namespace},
            key: {"replicas": 1},
        }
        for key in ("spec", "status")
    ]
    assert FORMAT.join is not None
    assert FORMAT.join(parts) == {**parts[0], **parts[1]}
