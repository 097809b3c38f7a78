"""InferenceService and LLMInferenceService as DeploymentConfig and DeploymentStatus."""

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
    containers,
    fields,
    items,
    numbers,
    objects,
    odd,
    pods,
    strategies,
    texts,
    uris,
)
from message_strategies import messages

import crucible_ir as ir
from crucible_ir import v1
from crucible_ir.interchange.kserve import FORMAT
from crucible_ir.interchange.mapping.dialect import json_values
from crucible_ir.interchange.mapping.report import Outcome

DOCUMENTS = Path(__file__).parent / "documents" / "kserve"

#: The keys of the API, of our own knowledge: those that exports may write, by path.
_METADATA = {"name", "namespace", "labels", "annotations", "creationTimestamp"}
_CONTAINER = {
    *("name", "image", "args", "command", "env", "envFrom", "ports", "resources"),
    *("readinessProbe", "livenessProbe", "startupProbe", "volumeMounts", "securityContext"),
}
_PREDICTOR = {
    *("minReplicas", "maxReplicas", "scaleTarget", "scaleMetric", "scaleMetricType"),
    *("containerConcurrency", "timeout", "canaryTrafficPercent", "logger", "batcher", "labels"),
    *("annotations", "deploymentStrategy", "autoScaling", "model", "containers", "workerSpec"),
    *("serviceAccountName", "nodeSelector", "tolerations", "affinity", "volumes"),
    *("sklearn", "xgboost", "tensorflow", "pytorch", "triton", "onnx", "huggingface", "pmml"),
    *("lightgbm", "paddle"),
}
_MODEL = _CONTAINER | {
    *("modelFormat", "runtime", "storageUri", "storage", "protocolVersion", "runtimeVersion"),
}
_LLM_SPEC = {
    *("model", "replicas", "scaling", "parallelism", "router", "template", "worker", "prefill"),
    *("baseRefs", "labels", "annotations", "rolloutStrategy", "storageInitializer", "tracing"),
    "kvCacheOffloading",
}
_STATUS = {
    *("url", "address", "addresses", "components", "conditions", "modelStatus"),
    *("observedGeneration", "annotations", "deploymentMode", "servingRuntimeName", "router"),
}


def check_keys(obj: dict[str, Any]) -> None:
    """Check that an object has only keys of the API, and those that it requires."""
    assert set(obj) <= {"apiVersion", "kind", "metadata", "spec", "status"}
    assert set(obj["metadata"]) <= _METADATA
    spec = obj.get("spec")
    if spec is not None and obj["kind"] == "LLMInferenceService":
        assert set(spec) <= _LLM_SPEC
        assert isinstance(spec["model"]["uri"], str)
        assert spec.get("scaling", {"maxReplicas": 1})["maxReplicas"] >= 1
    elif spec is not None:
        assert set(spec) <= {"predictor", "transformer", "explainer", "canary"}
        assert set(spec["predictor"]) <= _PREDICTOR
        model = spec["predictor"].get("model")
        assert model is None or (set(model) <= _MODEL and isinstance(model["modelFormat"], dict))
    status = obj.get("status", {})
    assert set(status) <= _STATUS
    for condition in status.get("conditions", ()):
        assert {"type", "status"} <= set(condition)


def service(predictor: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": "m", "namespace": "ns"},
        "spec": {"predictor": predictor},
        **more,
    }


def llm(spec: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "serving.kserve.io/v1alpha2",
        "kind": "LLMInferenceService",
        "metadata": {"name": "m", "namespace": "ns"},
        "spec": {"model": {"uri": "hf://org/m"}, **spec},
    }


def values_of(obj: dict[str, Any], index: int = 0) -> dict[str, Any]:
    documents = check_law(FORMAT, obj).documents
    return json_values(documents[index])


def test_the_documents() -> None:
    imported = [
        check_law(FORMAT, record.value)
        for path in sorted(DOCUMENTS.iterdir())
        for record in FORMAT.records(str(path))
    ]
    for each in imported:
        for document in each.documents:
            exported = FORMAT.export(document).obj
            kept = {**exported, "metadata": {**exported["metadata"]}}
            for key in ("uid", "generation"):
                kept["metadata"].pop(key, None)
            check_keys(kept)
    configs = {
        json_values(each.documents[0])["id"]: json_values(each.documents[0]) for each in imported
    }
    assert {id_: values["model_version_id"] for id_, values in configs.items()} == {
        "chat/assistant": "hf://example/assistant-7b",
        "chat/drafts": "s3://models/drafts",
        "chat/bursts": "pvc://models/bursts",
        "default/flowers": "gs://models/flowers",
        "vision/images": "pvc://models/images",
        "default/bert": "example/bert-small",
        "nlp/sentiment": "s3://models/sentiment/2",
    }
    assert configs["chat/assistant"]["replicas"] == 3
    assert configs["chat/assistant"]["resources"]["limits"]["nvidia.com/gpu"] == "2"
    assert configs["chat/drafts"]["scaling"] == {"min": 0}
    assert configs["chat/bursts"]["scaling"] == {"min": 1, "max": 4}
    assert configs["default/flowers"]["strategy"] == "recreate"
    sentiment = configs["nlp/sentiment"]
    assert sentiment["strategy"] == "canary"
    assert sentiment["traffic"] == [{"model_version_id": "s3://models/sentiment/2", "percent": 20}]
    assert sentiment["scaling"] == {"min": 0, "max": 6, "metric": "concurrency", "target": 8}
    assert sentiment["environment"] == "staging"
    states = [json_values(each.documents[1]) for each in imported if len(each.documents) > 1]
    assert [each["state"] for each in states] == ["deploying", "failed", "canary"]
    assert states[1]["error_message"] == "the model cannot be loaded"
    assert states[2]["endpoint_url"] == "http://sentiment.nlp.example.org"
    assert [share["percent"] for share in states[2]["traffic"]] == [20, 80]
    assert states[2]["traffic"][1]["model_version_id"] == "sentiment-predictor-00001"


def test_another_kind_is_a_located_error() -> None:
    graph = {"apiVersion": "serving.kserve.io/v1alpha1", "kind": "InferenceGraph"}
    imported = FORMAT.import_([service({}), graph])
    assert len(imported.documents) == 1
    [error] = imported.report.errors
    assert error.path == "[1].kind"
    assert "InferenceService or LLMInferenceService" in error.reason


@pytest.mark.parametrize("percent", [0, 10, 100])
def test_a_canary_comes_back(percent: int) -> None:
    obj = service({"canaryTrafficPercent": percent, "sklearn": {"storageUri": "s3://m"}})
    values = values_of(obj)
    assert values["traffic"] == [{"model_version_id": "s3://m", "percent": percent}]
    [config] = FORMAT.import_(obj).documents
    assert FORMAT.export(config).obj == obj
    assert isinstance(config, v1.DeploymentConfig)
    config.traffic[0].percent = 33.4
    assert FORMAT.export(config).obj["spec"]["predictor"]["canaryTrafficPercent"] == 33


def test_a_canary_of_an_unknown_model() -> None:
    values = values_of(
        service({"canaryTrafficPercent": 5, "model": {"modelFormat": {"name": "x"}}})
    )
    assert values["traffic"] == [{"model_version_id": "unknown", "percent": 5}]
    assert "traffic[0].model_version_id" in values["options"]["kserve"]["defaulted"]


@pytest.mark.parametrize("percent", [-1, 101, 10.5, "10", True])
def test_a_percentage_out_of_range_stays_in_the_target(percent: object) -> None:
    values = values_of(service({"canaryTrafficPercent": percent}))
    assert "traffic" not in values and "strategy" not in values
    assert values["target"]["spec"]["predictor"]["canaryTrafficPercent"] == percent


def test_zero_replicas() -> None:
    values = values_of(llm({"replicas": 0}))
    assert "replicas" not in values
    assert values["scaling"] == {"min": 0}
    values = values_of(llm({"replicas": 0, "scaling": {"minReplicas": 2, "maxReplicas": 3}}))
    assert values["scaling"] == {"min": 2, "max": 3}
    assert values["target"]["spec"]["replicas"] == 0


def test_a_password_in_a_uri_is_dropped() -> None:
    obj = service({"model": {"storageUri": "https://user:s3cret-enough@host/model"}})
    imported = check_law(FORMAT, obj)
    [config] = imported.documents
    assert "s3cret" not in str(config)
    [entry] = [each for each in imported.report.entries if each.path.endswith("storageUri")]
    assert entry.outcome is Outcome.DROPPED


@pytest.mark.parametrize(
    ("status", "state", "health"),
    [
        ({"url": "http://m"}, "pending", "unknown"),
        ({"conditions": [{"type": "Ready", "status": "True"}]}, "active", "healthy"),
        ({"conditions": [{"type": "Ready", "status": "False"}]}, "failed", "unhealthy"),
        ({"conditions": [{"type": "Ready", "status": "Unknown"}]}, "deploying", "unknown"),
        ({"conditions": [{"type": "Stopped", "status": "True"}]}, "stopped", "unknown"),
        (
            {
                "conditions": [{"type": "Ready", "status": "False", "message": "no"}],
                "modelStatus": {
                    "transitionStatus": "BlockedByFailedLoad",
                    "states": {"activeModelState": "Loaded"},
                },
            },
            "degraded",
            "unhealthy",
        ),
    ],
)
def test_states_follow_from_conditions(status: dict[str, Any], state: str, health: str) -> None:
    values = values_of(service({}, status=status), 1)
    assert (values["state"], values["health"]) == (state, health)


def test_shares_without_a_revision_stay_where_they_are() -> None:
    traffic = [{"latestRevision": True, "percent": 100}]
    status = {"components": {"predictor": {"traffic": traffic}}}
    values = values_of(service({}, status=status), 1)
    assert "traffic" not in values
    assert values["metadata"]["kserve"]["status"] == status


def test_only_an_inference_service_has_shares() -> None:
    share = {"revisionName": "m-00001", "percent": 100}
    status = {"components": {"predictor": {"traffic": [share]}}}
    values = values_of({**llm({}), "status": status}, 1)
    assert "traffic" not in values
    assert values["metadata"]["kserve"]["status"] == status


def test_a_message_from_elsewhere() -> None:
    config = ir.from_yaml(
        """
        id: prod
        model_version_id: s3://models/7
        replicas: 2
        strategy: canary
        target: {provider: kubernetes}
        traffic:
        - {model_version_id: "s3://models/7", percent: 25}
        - {model_version_id: "s3://models/6", percent: 75}
        endpoint: {url: "https://x"}
        """,
        v1.DeploymentConfig,
    )
    exported = FORMAT.export(config)
    check_keys(exported.obj)
    assert exported.obj["metadata"] == {
        "name": "prod",
        "annotations": {"crucible-ir/id": "prod"},
    }
    assert exported.obj["spec"]["predictor"] == {
        "model": {"modelFormat": {"name": "unknown"}, "storageUri": "s3://models/7"},
        "minReplicas": 2,
        "maxReplicas": 2,
        "canaryTrafficPercent": 25,
    }
    outcomes = {each.target: each.outcome for each in exported.report.entries}
    assert outcomes["spec.predictor.model.modelFormat.name"] is Outcome.DEFAULTED
    again = FORMAT.import_(exported.obj).documents[0]
    assert json_values(again)["id"] == "prod"


def test_a_status_from_elsewhere() -> None:
    status = ir.from_yaml(
        """
        id: prod-1
        deployment_id: ml/prod
        state: failed
        error_message: out of memory
        endpoint_url: http://prod
        traffic: [{model_version_id: r2, percent: 12.5, url: "http://r2"}]
        """,
        v1.DeploymentStatus,
    )
    exported = FORMAT.export(status).obj
    check_keys(exported)
    assert exported["status"] == {
        "url": "http://prod",
        "components": {
            "predictor": {"traffic": [{"revisionName": "r2", "percent": 12, "url": "http://r2"}]}
        },
        "conditions": [{"type": "Ready", "status": "False", "message": "out of memory"}],
    }


_MODEL_SERVER = fields(
    modelFormat=fields(name=texts),
    storageUri=uris,
    args=st.lists(st.sampled_from(["--model_id=org/m", "--model=s3://m/1"]) | anything, max_size=2),
    resources=fields(limits=fields(cpu=texts), requests=anything),
    readinessProbe=anything,
)
_PREDICTORS = fields(
    model=_MODEL_SERVER,
    tensorflow=_MODEL_SERVER,
    containers=st.lists(containers | items, max_size=2),
    minReplicas=numbers,
    maxReplicas=numbers,
    scaleMetric=st.sampled_from(["cpu", "rps"]),
    scaleTarget=numbers,
    canaryTrafficPercent=st.integers(-1, 101) | numbers,
    deploymentStrategy=strategies,
    timeout=numbers,
)
_SHARES = fields(
    latestRevision=st.booleans(),
    percent=st.integers(-1, 101) | st.floats(),
    revisionName=st.sampled_from(["m-00001", "m-00002", ""]),
    url=texts,
    tag=texts,
)
_STATUSES = fields(
    url=texts,
    components=fields(predictor=fields(traffic=st.lists(_SHARES, max_size=3), url=texts)),
    conditions=st.lists(conditions | items, max_size=3),
    modelStatus=fields(
        transitionStatus=st.sampled_from(["InProgress", "InvalidSpec", "UpToDate"]),
        states=fields(activeModelState=st.sampled_from(["Loaded", ""])),
    ),
)
_SERVICES = objects(
    "InferenceService",
    "serving.kserve.io/v1beta1",
    fields(predictor=_PREDICTORS, transformer=anything),
    _STATUSES,
)
_LLM_SERVICES = objects(
    "LLMInferenceService",
    "serving.kserve.io/v1alpha1",
    fields(
        model=fields(uri=uris, name=texts),
        replicas=numbers,
        scaling=fields(minReplicas=numbers, maxReplicas=numbers, wva=anything),
        template=pods,
        router=anything,
    ),
    _STATUSES,
)


@given(_SERVICES | _LLM_SERVICES)
def test_the_law_holds_for_any_service(obj: dict[str, Any]) -> None:
    check_law(FORMAT, obj)


@given(messages(v1.DeploymentConfig), odd | fields(predictor=_PREDICTORS), odd)
def test_any_target_is_exported(message: v1.DeploymentConfig, spec: Any, metadata: Any) -> None:
    target = {"kind": "InferenceService", "spec": spec, "namespace": metadata}
    message.target.Clear()
    message.target.update(target)
    message.metadata.update({"labels": metadata, "annotations": metadata})
    message.model_version_id = "s3://m/1"
    check_complete(json_values(message), FORMAT.export(message).report)


@given(messages(v1.DeploymentStatus), odd | _STATUSES)
def test_any_kept_status_is_exported(message: v1.DeploymentStatus, status: Any) -> None:
    message.metadata.update(
        {"kind": "InferenceService", "conditions": status, "kserve": {"status": status}}
    )
    check_complete(json_values(message), FORMAT.export(message).report)


@given(messages(v1.DeploymentConfig) | messages(v1.DeploymentStatus))
def test_any_message_is_exported(message: v1.DeploymentConfig | v1.DeploymentStatus) -> None:
    check_complete(json_values(message), FORMAT.export(message).report)
