"""KServe: InferenceService and LLMInferenceService, as DeploymentConfig and DeploymentStatus."""

from __future__ import annotations

from typing import Any, Final

from crucible_ir.interchange.kubernetes import read_replicas, write_replicas
from crucible_ir.interchange.mapping.conversion import UNKNOWN
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
    fits_id,
    join_objects,
    main_container,
    message_of,
    model_argument,
    small_integer,
    source_at,
    unfold,
    whole,
    write_yaml,
)

#: The keys of a predictor that configure a server for one framework, as before `model`.
_FRAMEWORKS: Final = (
    "sklearn",
    "xgboost",
    "tensorflow",
    "pytorch",
    "triton",
    "onnx",
    "huggingface",
    "pmml",
    "lightgbm",
    "paddle",
)

#: The variable with which a container of one's own asks for a download.
_STORAGE_URI: Final = "STORAGE_URI"

#: Our keys of scaling for those of a predictor and of an LLMInferenceService.
_PREDICTOR_SCALING: Final = {
    "minReplicas": "min",
    "maxReplicas": "max",
    "scaleMetric": "metric",
    "scaleTarget": "target",
}
_LLM_SCALING: Final = {"minReplicas": "min", "maxReplicas": "max"}

_TRAFFIC: Final = ("components", "predictor", "traffic")


def _predictor_container(spec: Any) -> Path | None:
    predictor = at(spec, ("predictor",))
    for key in ("model", *_FRAMEWORKS):
        if isinstance(at(predictor, (key,)), dict):
            return ("predictor", key)
    index = main_container(at(predictor, ("containers",)), ["kserve-container"])
    return None if index is None else ("predictor", "containers", index)


def _predictor_model(spec: Any) -> ModelPlace:
    path = _predictor_container(spec)
    if path is None:
        return ModelPlace()
    container = at(spec, path)
    argument = model_argument(container)
    if len(path) == 2:
        return ModelPlace((*path, "storageUri"), container.get("storageUri"), argument)
    variables = container.get("env")
    for index, variable in enumerate(variables if isinstance(variables, list) else ()):
        if at(variable, ("name",)) == _STORAGE_URI:
            return ModelPlace((*path, "env", index, "value"), variable.get("value"), argument)
    return ModelPlace(argument=argument)


def _llm_container(spec: Any) -> Path | None:
    index = main_container(at(spec, ("template", "containers")), ["main"])
    return None if index is None else ("template", "containers", index)


def _llm_model(spec: Any) -> ModelPlace:
    model = at(spec, ("model",))
    return (
        ModelPlace(("model", "uri"), model.get("uri")) if isinstance(model, dict) else ModelPlace()
    )


def _state(status: Any) -> dict[str, str]:
    """Derive the state, the health and the error message from a status."""
    conditions = conditions_by_type(status)
    ready = conditions.get("Ready", {})
    if conditions.get("Stopped", {}).get("status") == "True":
        return {"state": "stopped", "health": "unknown"}
    if ready.get("status") == "True":
        return {"state": "canary" if _is_canary(status) else "active", "health": "healthy"}
    transition = at(status, ("modelStatus", "transitionStatus"))
    if transition in ("BlockedByFailedLoad", "InvalidSpec"):
        still = at(status, ("modelStatus", "states", "activeModelState")) == "Loaded"
        state = "degraded" if still else "failed"
    elif not conditions:
        state = "pending"
    elif ready.get("status") == "False" and transition != "InProgress":
        state = "failed"
    else:
        state = "deploying"
    result = {"state": state, "health": "unknown"}
    if ready.get("status") == "False":
        result["health"] = "unhealthy"
        others = (each for each in conditions.values() if each.get("status") == "False")
        message = next(filter(None, map(message_of, (ready, *others))), "")
        if message:
            result["error_message"] = message
    return result


def _is_canary(status: Any) -> bool:
    """Return whether the latest revision gets a part of the traffic."""
    traffic = at(status, _TRAFFIC)
    return isinstance(traffic, list) and any(
        at(share, ("latestRevision",)) is True and 0 < (whole(at(share, ("percent",))) or 0) < 100
        for share in traffic
    )


_INFERENCE = Shape(
    ("serving.kserve.io/v1beta1",),
    _predictor_model,
    _predictor_container,
    ("predictor", "deploymentStrategy", "type"),
    _state,
)
_LLM = Shape(
    ("serving.kserve.io/v1alpha2", "serving.kserve.io/v1alpha1"),
    _llm_model,
    _llm_container,
    None,
    _state,
)
_SHAPES: Final = {"InferenceService": _INFERENCE, "LLMInferenceService": _LLM}
_ELSEWHERE: Final = {"Deployment": "kubernetes"}


def _import_record(conversion: Import) -> None:
    imported = ObjectImport(conversion, _SHAPES, _ELSEWHERE)
    if imported.spec is not None:
        config = imported.config()
        if imported.kind == "InferenceService":
            predictor = imported.spec.get("predictor", dict)
            if predictor is not None:
                _read_scaling(predictor, config, _PREDICTOR_SCALING)
                _read_canary(predictor, config)
        else:
            scaling = imported.spec.get("scaling", dict)
            if scaling is not None:
                _read_scaling(scaling, config, _LLM_SCALING, lowest=1)
            read_replicas(imported.spec, config)
        imported.read_strategy(config)
        imported.read_container(config)
        imported.finish_config(config)
    status = imported.begin_status()
    if status is not None:
        assert imported.status is not None
        url = imported.status.get("url", str)
        if url is not None:
            status.put("endpoint_url", url.value, url)
        if imported.kind == "InferenceService":
            _read_traffic(imported.status, status)
        imported.finish_status(status)


def _read_scaling(source: Source, config: Target, keys: dict[str, str], lowest: int = 0) -> None:
    scaling = config.child("scaling")
    for theirs, ours in keys.items():
        found = source.get(theirs)
        if ours != "metric":
            found = small_integer(found, lowest)
        if found is not None and (ours != "metric" or isinstance(found.value, str)):
            scaling.put_rest(ours, found, Outcome.RENAMED)


def _read_canary(predictor: Source, config: Target) -> None:
    percent = small_integer(predictor.get("canaryTrafficPercent"), highest=100)
    if percent is None:
        return
    share = config.append("traffic")
    if config.value["model_version_id"] == UNKNOWN:
        share.default("model_version_id", UNKNOWN, "the share is that of the deployed model")
    else:
        model = config.value["model_version_id"]
        share.derive("model_version_id", model, "the share is that of the deployed model")
    share.put("percent", percent.value, percent)
    config.derive("strategy", "canary", "the deployed model gets a share of the traffic")


def _read_traffic(source: Source, status: Target) -> None:
    """Read the shares of the predictor's revisions, unless one of them is no share."""
    found = source_at(source, _TRAFFIC)
    members = found.members() if found is not None else []
    names = [each.get("revisionName", str) for each in members]
    if not all(name is not None and fits_id(name.value) for name in names):
        return
    for member, name in zip(members, names, strict=True):
        assert name is not None
        share = status.append("traffic")
        share.put("model_version_id", name.value, name, reason="a revision of the service")
        percent = small_integer(member.get("percent"), highest=100)
        if percent is not None:
            share.put("percent", percent.value, percent)
        url = member.get("url", str)
        if url is not None:
            share.put("url", url.value, url)


def _export_config(conversion: Export) -> None:
    export = ObjectExport(conversion, _SHAPES, place="target", id_="id")
    spec = export.begin_spec()
    source = conversion.source
    is_canary = False
    if export.kind == "InferenceService":
        predictor = spec.child("predictor")
        if not export.native:
            _fill_predictor(predictor)
        _write_scaling(source, predictor, _PREDICTOR_SCALING)
        _write_fixed_replicas(source, predictor)
        is_canary = _write_canary(source, predictor)
    else:
        write_replicas(source, spec)
        _write_scaling(source, spec.child("scaling"), _LLM_SCALING, lowest=1)
    if not is_canary:
        export.write_strategy()
    export.write_container()
    export.write_model()
    export.finish_config()


def _fill_predictor(predictor: Target) -> None:
    """Write what every predictor has, for a message from elsewhere."""
    model = predictor.child("model").child("modelFormat")
    model.default("name", UNKNOWN, "KServe requires the format of the model")


def _write_scaling(source: Source, target: Target, keys: dict[str, str], lowest: int = 0) -> None:
    scaling = source.get("scaling", dict)
    for theirs, ours in keys.items():
        found = scaling.get(ours, str if ours == "metric" else int) if scaling is not None else None
        if found is not None and (ours == "metric" or found.value >= lowest):
            target.put(theirs, found.value, found)


def _write_fixed_replicas(source: Source, predictor: Target) -> None:
    replicas = source.get("replicas", int)
    if replicas is None:
        return
    for key in ("minReplicas", "maxReplicas"):
        if not predictor.has(key):
            predictor.put(key, replicas.value, replicas, reason="a fixed number of replicas")
    if not replicas.is_used:
        replicas.drop("the limits of scaling stand in its place")


def _write_canary(source: Source, predictor: Target) -> bool:
    """Write the share of the deployed version; return whether there is one."""
    strategy = source.get("strategy", str)
    shares = source.items("traffic")
    own = source.value.get("model_version_id")
    share = next((each for each in shares if each.value.get("model_version_id") == own), None)
    if strategy is None or strategy.value != "canary" or share is None:
        return False
    if not _write_percent(predictor, "canaryTrafficPercent", share):
        return False
    path = (*predictor.path, "canaryTrafficPercent")
    strategy.use(Outcome.RENAMED, path)
    model = share.get("model_version_id", str)
    if model is not None:
        model.use(Outcome.RENAMED, path)
    return True


def _export_status(conversion: Export) -> None:
    export = ObjectExport(conversion, _SHAPES, place="metadata", id_="deployment_id")
    status = export.write_status()
    source = conversion.source
    url = source.get("endpoint_url", str)
    if url is not None:
        status.put("url", url.value, url)
    shares = source.items("traffic")
    if shares and export.kind == "InferenceService":
        _write_traffic(export, shares)
    export.write_state(status, _conditions)


def _write_traffic(export: ObjectExport, shares: list[Source]) -> None:
    component = export.object_at(_TRAFFIC[:-1], "status")
    kept = component.value.get(_TRAFFIC[-1])
    written: list[dict[str, Any]] = [{} for _ in shares]
    if isinstance(kept, list) and len(kept) == len(shares):
        written = [each if isinstance(each, dict) else {} for each in kept]
    component.value[_TRAFFIC[-1]] = written
    for index, share in enumerate(shares):
        path = (*component.path, _TRAFFIC[-1], index)
        item = Target(export.conversion, path, value=written[index])
        name = share.get("model_version_id", str)
        if name is not None:
            item.put("revisionName", name.value, name)
        _write_percent(item, "percent", share)
        url = share.get("url", str)
        if url is not None:
            item.put("url", url.value, url)


def _write_percent(target: Target, key: str, share: Source) -> bool:
    """Write a share in percent; return whether there is one."""
    percent = share.get("percent", int, float)
    if percent is None or not 0 <= percent.value <= 100:
        return False
    target.put(key, round(percent.value), percent, reason="KServe has whole percents")
    return True


#: The status of the condition Ready for each state.
_READY: Final = {
    "active": "True",
    "canary": "True",
    "promoting": "True",
    "updating": "True",
    "deploying": "Unknown",
    "degraded": "False",
    "failed": "False",
}


def _conditions(state: str, message: str) -> list[dict[str, Any]]:
    if state == "stopped":
        return [{"type": "Stopped", "status": "True"}]
    if state not in _READY:
        return []
    condition = {"type": "Ready", "status": _READY[state]}
    return [{**condition, "message": message} if message else condition]


FORMAT = Format(
    "kserve",
    "KServe",
    "InferenceService (v1beta1, also with the old keys of frameworks) and LLMInferenceService "
    "(v1alpha1 and v1alpha2) with their status, as DeploymentConfig and DeploymentStatus.",
    _import_record,
    {"DeploymentConfig": _export_config, "DeploymentStatus": _export_status},
    write=write_yaml,
    join=join_objects,
    unfold=unfold,
)
import_ = FORMAT.import_
export = FORMAT.export
