"""Kubernetes: Deployments of apps/v1, as DeploymentConfig and DeploymentStatus."""

from __future__ import annotations

from typing import Any

from crucible_ir.interchange.mapping.exporting import Export
from crucible_ir.interchange.mapping.format import Format
from crucible_ir.interchange.mapping.importing import Import
from crucible_ir.interchange.mapping.patterns import Path
from crucible_ir.interchange.mapping.report import Outcome
from crucible_ir.interchange.mapping.source import Source
from crucible_ir.interchange.mapping.target import Target
from crucible_ir.interchange.workloads.exports import ObjectExport
from crucible_ir.interchange.workloads.imports import ObjectImport
from crucible_ir.interchange.workloads.objects import (
    ModelPlace,
    Shape,
    at,
    conditions_by_type,
    join_objects,
    main_container,
    message_of,
    model_argument,
    small_integer,
    unfold,
    whole,
    write_yaml,
)

_POD = ("template", "spec")
_DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"

#: The fields of a DeploymentStatus for keys of a status; Kubernetes leaves out those that are 0.
_COUNTS = {"readyReplicas": "ready_replicas", "replicas": "total_replicas"}


def _container(spec: Any) -> Path | None:
    name = at(spec, ("template", "metadata", "annotations", _DEFAULT_CONTAINER))
    index = main_container(at(spec, (*_POD, "containers")), [name])
    return None if index is None else (*_POD, "containers", index)


def _model(spec: Any) -> ModelPlace:
    path = _container(spec)
    return ModelPlace(argument=None if path is None else model_argument(at(spec, path)))


def _number(status: Any, key: str) -> int:
    return whole(at(status, (key,))) or 0


def _state(status: Any) -> dict[str, str]:
    """Derive the state, the health and the error message from a status."""
    conditions = conditions_by_type(status)
    available = conditions.get("Available", {})
    progress = conditions.get("Progressing", {})
    failure = conditions.get("ReplicaFailure", {})
    complete = progress.get("reason") == "NewReplicaSetAvailable"
    replicas = _number(status, "replicas")
    is_available = available.get("status") == "True"
    if not conditions:
        return {"state": "pending", "health": "unknown"}
    if progress.get("status") == "False" or failure.get("status") == "True":
        state = "degraded" if is_available else "failed"
    elif not is_available:
        lost = "degraded" if _number(status, "readyReplicas") else "failed"
        state = lost if complete else "deploying"
    elif not replicas:
        state = "stopped"
    elif _number(status, "updatedReplicas") < replicas or (progress and not complete):
        state = "updating"
    else:
        state = "degraded" if _number(status, "unavailableReplicas") else "active"
    if not is_available:
        health = "unhealthy" if available else "unknown"
    else:
        health = "degraded" if _number(status, "unavailableReplicas") else "healthy"
    result = {"state": state, "health": health}
    if state in ("degraded", "failed"):
        bad = [failure] if failure.get("status") == "True" else []
        bad += [each for each in (progress, available) if each.get("status") == "False"]
        message = next(filter(None, map(message_of, bad)), "")
        if message:
            result["error_message"] = message
    return result


_DEPLOYMENT = Shape(("apps/v1",), _model, _container, ("strategy", "type"), _state)
_SHAPES = {"Deployment": _DEPLOYMENT}
_ELSEWHERE = dict.fromkeys(("InferenceService", "LLMInferenceService"), "kserve")


def _import_record(conversion: Import) -> None:
    imported = ObjectImport(conversion, _SHAPES, _ELSEWHERE)
    if imported.spec is not None:
        config = imported.config()
        read_replicas(imported.spec, config)
        imported.read_strategy(config)
        imported.read_container(config)
        imported.finish_config(config)
    status = imported.begin_status()
    if status is not None:
        assert imported.status is not None
        for theirs, ours in _COUNTS.items():
            if imported.status.get(theirs) is None:
                status.default(ours, 0, "Kubernetes leaves out a zero")
            found = small_integer(imported.status.get(theirs))
            if found is not None:
                status.put(ours, found.value, found)
        imported.finish_status(status)


def read_replicas(spec: Source, config: Target) -> None:
    """Read the number of replicas; 0 is a deployment that is scaled to nothing."""
    replicas = small_integer(spec.get("replicas"))
    if replicas is not None and replicas.value:
        config.put("replicas", replicas.value, replicas)
    elif replicas is not None and not config.child("scaling").has("min"):
        reason = "a number of replicas is greater than 0: scaled down to 0"
        config.child("scaling").put("min", 0, replicas, reason=reason, outcome=Outcome.CONVERTED)


def write_replicas(source: Source, spec: Target) -> None:
    """Write the number of replicas."""
    replicas = source.get("replicas", int)
    scaling = source.get("scaling", dict)
    lowest = scaling.get("min", int) if scaling is not None else None
    if replicas is not None:
        spec.put("replicas", replicas.value, replicas)
    elif lowest is not None and lowest.value == 0 and not spec.has("replicas"):
        spec.put("replicas", 0, lowest, outcome=Outcome.CONVERTED, reason="scaled down to 0")


def _export_config(conversion: Export) -> None:
    export = ObjectExport(conversion, _SHAPES, place="target", id_="id")
    spec = export.begin_spec()
    if not export.native:
        _fill_spec(export, spec)
    write_replicas(conversion.source, spec)
    for found in _values(conversion.source.get("scaling", dict)):
        if not found.is_used:
            found.drop("a HorizontalPodAutoscaler scales a Deployment")
    export.write_strategy()
    export.write_container()
    export.write_model()
    export.finish_config()


def _values(source: Source | None) -> list[Source]:
    """Return the values of an object that are not null."""
    found = [source.get(key) for key in source.value] if source is not None else []
    return [each for each in found if each is not None]


def _fill_spec(export: ObjectExport, spec: Target) -> None:
    """Write what every Deployment has, for a message from elsewhere."""
    labels = {"app": export.name[:63].rstrip("-.")}
    spec.put("selector", {"matchLabels": labels})
    template = spec.child("template")
    template.child("metadata").put("labels", labels)
    container = template.child("spec").append("containers")
    container.put("name", "server")
    image = export.place.get("image", str) if export.place is not None else None
    if image is not None:
        container.put("image", image.value, image)


def _export_status(conversion: Export) -> None:
    export = ObjectExport(conversion, _SHAPES, place="metadata", id_="deployment_id")
    status = export.write_status()
    for theirs, ours in _COUNTS.items():
        found = conversion.source.get(ours, int)
        if found is not None:
            status.put(theirs, found.value, found)
    export.write_state(status, _conditions)


#: For each state the reasons of the conditions Available and Progressing, and their statuses.
_CONDITIONS = {
    "active": ("True", "True", "NewReplicaSetAvailable"),
    "stopped": ("True", "True", "NewReplicaSetAvailable"),
    "updating": ("True", "True", "ReplicaSetUpdated"),
    "deploying": ("False", "True", "ReplicaSetUpdated"),
    "degraded": ("True", "False", "ProgressDeadlineExceeded"),
    "failed": ("False", "False", "ProgressDeadlineExceeded"),
}


def _conditions(state: str, message: str) -> list[dict[str, Any]]:
    if state not in _CONDITIONS:
        return []
    available, progressing, reason = _CONDITIONS[state]
    progress = {"type": "Progressing", "status": progressing, "reason": reason}
    if message:
        progress["message"] = message
    return [{"type": "Available", "status": available}, progress]


FORMAT = Format(
    "kubernetes",
    "Kubernetes Deployment",
    "Deployments of apps/v1 with their status, and Lists of them, as DeploymentConfig and "
    "DeploymentStatus.",
    _import_record,
    {"DeploymentConfig": _export_config, "DeploymentStatus": _export_status},
    write=write_yaml,
    join=join_objects,
    unfold=unfold,
)
import_ = FORMAT.import_
export = FORMAT.export
