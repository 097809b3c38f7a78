"""Exports sent to a tracking server, where a second sending changes nothing.

A server gives runs, versions and assessments ids of its own. Ours are in tags and metadata with the
name ``crucible_ir.id``, by which they are found again; an import takes them back as the ids.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Final
from urllib.parse import quote

from crucible_ir.interchange.mapping.conversion import UNKNOWN
from crucible_ir.interchange.mapping.converters import VERSION
from crucible_ir.interchange.mapping.http import HttpError, JsonService
from crucible_ir.interchange.mlflow.history import LARGEST, NON_FINITE
from crucible_ir.interchange.mlflow.models import version_id
from crucible_ir.interchange.mlflow.pairs import CUT_AT, OURS
from crucible_ir.interchange.mlflow.server import API, API_3, connect, pages, points

_ID: Final = f"{OURS}id"

#: The characters that the pattern of a filter cannot have.
_UNSAFE: Final = r"""['"`\\]"""

#: The most pairs, and the most points, in one request.
_MAX_PAIRS: Final = 100
_MAX_POINTS: Final = 1_000

#: The most characters of the digest of a dataset.
_MAX_DIGEST: Final = 36


def send(address: str, obj: Any) -> str:
    """Create or update a record on a tracking server.

    Args:
        address: The address of the server.
        obj: The record, as `export` returns it.

    Returns:
        What it is on the server, and what the server does not keep as it is.

    Raises:
        HttpError: The server cannot be reached, or rejects the record.
    """
    service = connect(address)
    senders = {
        "run": _send_run,
        "registered_model": _send_registered_model,
        "model_version": _send_version,
        "assessment": _send_assessment,
    }
    for kind, sender in senders.items():
        if isinstance(obj, dict) and isinstance(obj.get(kind), dict):
            notes: list[str] = []
            made = sender(service, obj[kind], notes)
            return "; ".join((made, *notes))
    raise HttpError(f"no such record is sent to a server, only {', '.join(senders)}", status=400)


def _send_run(service: JsonService, run: dict[str, Any], notes: list[str]) -> str:
    info, data = run.get("info", {}), run.get("data", {})
    tags = _texts(data.get("tags"))
    tags.setdefault(_ID, json.dumps(info.get("run_id")))
    experiment = _experiment(service, run)
    found = _find_run(service, experiment, str(info.get("run_id")), tags[_ID])
    if found is None:
        created = {
            "experiment_id": experiment,
            "run_name": info.get("run_name"),
            "user_id": info.get("user_id"),
            "start_time": info.get("start_time"),
            "tags": _pairs({_ID: tags[_ID]}),
        }
        found = service.post(f"{API}/runs/create", _present(created))["run"]
    elif found["info"]["run_id"] == info.get("run_id"):
        del tags[_ID]
    run_id = str(found["info"]["run_id"])
    if found["info"].get("lifecycle_stage") == "deleted":
        service.post(f"{API}/runs/restore", {"run_id": run_id}, repeatable=True)
    _log(service, run_id, found.get("data", {}), data, tags, notes)
    _log_inputs(service, run_id, run, notes)
    changed = {key: info.get(key) for key in ("status", "end_time", "run_name")}
    service.post(f"{API}/runs/update", {"run_id": run_id, **_present(changed)}, repeatable=True)
    if info.get("lifecycle_stage") == "deleted":
        service.post(f"{API}/runs/delete", {"run_id": run_id}, repeatable=True)
    return f"run {run_id} of experiment {experiment}"


def _experiment(service: JsonService, run: dict[str, Any]) -> str:
    """Return the id of the experiment of a run, which is made if there is none of its name."""
    name = run.get("experiment_name") or run.get("info", {}).get("experiment_id") or "0"
    if name == "0":
        return "0"
    try:
        query = [("experiment_name", name)]
        found = service.get(f"{API}/experiments/get-by-name", query)["experiment"]
    except HttpError as error:
        if error.status != 404:
            raise
        found = service.post(f"{API}/experiments/create", {"name": name})
    return str(found["experiment_id"])


def _find_run(
    service: JsonService, experiment: str, run_id: str, our_id: str
) -> dict[str, Any] | None:
    """Return the run with an id of the server, or else with ours."""
    if re.fullmatch(r"[0-9a-f]{32}", run_id):
        try:
            found: dict[str, Any] = service.get(f"{API}/runs/get", [("run_id", run_id)])["run"]
            return found
        except HttpError as error:
            if error.status != 404:
                raise
    query = {
        "experiment_ids": [experiment],
        # Filters cannot write every text: in a pattern, "_" is any character.
        "filter": f"tags.`{_ID}` LIKE '{re.sub(_UNSAFE, '_', our_id)}'",
        "run_view_type": "ALL",
    }
    for run in pages(service, f"{API}/runs/search", "runs", query):
        if _texts(_data(run).get("tags")).get(_ID) == our_id:
            return dict(run)
    return None


def _data(run: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = run.get("data") or {}
    return found


def _quoted(text: str) -> str:
    """Return a text as filters of searches write it."""
    return f'"{text}"' if "'" in text else f"'{text}'"


def _log(
    service: JsonService,
    run_id: str,
    there: dict[str, Any],
    data: dict[str, Any],
    tags: dict[str, str],
    notes: list[str],
) -> None:
    """Log the params, tags and points of a run that the server does not have."""
    known = _texts(there.get("params"))
    params = _texts(data.get("params"))
    for name, text in params.items():
        if len(text) > CUT_AT:
            notes.append(f"the server cuts the param {name} of {len(text):,} characters")
        elif name in known and known[name] != text:
            notes.append(f"the server keeps another value of the param {name}")
    new = {name: text for name, text in params.items() if name not in known}
    known = _texts(there.get("tags"))
    changed = {name: text for name, text in tags.items() if known.get(name) != text}
    for key, pairs in (("params", new), ("tags", changed)):
        for part in _parts(_pairs(pairs), _MAX_PAIRS):
            body = {"run_id": run_id, key: part}
            service.post(f"{API}/runs/log-batch", body, repeatable=True)
    history = data.get("metric_history") or _histories(data.get("metrics"))
    for name, items in history.items():
        exists = any(metric["key"] == name for metric in there.get("metrics", ()))
        logged = Counter(map(_point_key, points(service, run_id, name))) if exists else Counter()
        missing = []
        for item in items:
            place = _point_key(item)
            if logged[place]:
                logged[place] -= 1
            else:
                # The server wants both.
                missing.append({"timestamp": 0, "step": 0, **item})
        for part in _parts(missing, _MAX_POINTS):
            body = {"run_id": run_id, "metrics": part}
            service.post(f"{API}/runs/log-batch", body, repeatable=True)


def _histories(metrics: Any) -> dict[str, list[Any]]:
    return {metric["key"]: [metric] for metric in metrics or ()}


def _point_key(item: dict[str, Any]) -> tuple[int, int, str]:
    """Return what tells points of one metric apart, with the numbers that a server keeps."""
    value = item.get("value")
    names = {"Infinity": LARGEST, "-Infinity": -LARGEST}
    number = names.get(value, value) if isinstance(value, str) else value
    text = number if isinstance(number, str) else repr(float(number or 0) + 0.0)
    return item.get("timestamp", 0), item.get("step", 0), str(text).lower()


def _log_inputs(service: JsonService, run_id: str, run: dict[str, Any], notes: list[str]) -> None:
    inputs = run.get("inputs") or {}
    datasets = [_dataset_input(item) for item in inputs.get("dataset_inputs") or ()]
    if datasets:
        body = {"run_id": run_id, "datasets": datasets}
        service.post(f"{API}/runs/log-inputs", body, repeatable=True)
    outputs = run.get("outputs") or {}
    if inputs.get("model_inputs") or outputs.get("model_outputs"):
        notes.append("logged models of the run are not sent")


def _dataset_input(item: dict[str, Any]) -> dict[str, Any]:
    """Return an input with what the server requires, and a digest that it has room for."""
    required = {"digest": UNKNOWN, "source_type": UNKNOWN, "source": "{}"}
    dataset = {**required, **item["dataset"]}
    tags = _texts(item.get("tags"))
    if len(dataset["digest"]) > _MAX_DIGEST:
        tags.setdefault(f"{OURS}digest", json.dumps(dataset["digest"]))
        dataset["digest"] = dataset["digest"].rpartition(":")[2][:_MAX_DIGEST]
    return {"tags": _pairs(tags), "dataset": dataset}


def _send_registered_model(service: JsonService, model: dict[str, Any], notes: list[str]) -> str:
    name, tags = _safe_name(model.get("name"), _texts(model.get("tags")), _ID)
    description = model.get("description") or ""
    found = _get_model(service, name)
    if found is None:
        body = {"name": name, "description": description, "tags": _pairs(tags)}
        service.post(f"{API}/registered-models/create", body)
        found = {"description": description, "tags": _pairs(tags)}
    if found.get("description", "") != description:
        body = {"name": name, "description": description}
        service.request("PATCH", f"{API}/registered-models/update", body, repeatable=True)
    for item in _changed(found, tags):
        body = {"name": name, **item}
        service.post(f"{API}/registered-models/set-tag", body, repeatable=True)
    ours = {version: number for number, version in _numbers(service, name).items()}
    aliases = dict(_foreign_aliases(tags))
    for alias in model.get("aliases") or ():
        version = version_id(str(model.get("name")), alias["version"])
        aliases[alias["alias"]] = version if version in ours else alias["version"]
    for alias, version in aliases.items():
        body = {"name": name, "alias": alias, "version": ours.get(version, version)}
        try:
            service.post(f"{API}/registered-models/alias", body, repeatable=True)
        except HttpError as error:
            # The server calls a version that is not a number invalid.
            if error.status not in (400, 404):
                raise
            notes.append(f"the alias {alias} is not set: there is no version {version}")
    return f"registered model {name}"


def _foreign_aliases(tags: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the aliases of versions whose ids are not MLflow's: they are in a tag."""
    try:
        aliases = json.loads(tags.get(f"{OURS}aliases", "{}"))
    except ValueError:
        return
    for alias, version in aliases.items() if isinstance(aliases, dict) else ():
        if isinstance(version, str):
            yield alias, version


def _get_model(service: JsonService, name: str) -> dict[str, Any] | None:
    try:
        query = [("name", name)]
        found = service.get(f"{API}/registered-models/get", query)["registered_model"]
    except HttpError as error:
        if error.status != 404:
            raise
        return None
    return dict(found)


def _safe_name(name: Any, tags: dict[str, str], key: str) -> tuple[str, dict[str, str]]:
    """Return a name that MLflow allows, and the tags, with the name itself if it is another one."""
    safe = re.sub(r"[/:]+", "_", str(name))
    return safe, tags if safe == name else {key: json.dumps(name), **tags}


def _numbers(service: JsonService, name: str) -> dict[str, str]:
    """Return our id of each version of a model, by its number on the server."""
    return {
        str(version["version"]): str(json.loads(ours))
        for version in _versions(service, name)
        if (ours := _texts(version.get("tags")).get(_ID)) is not None
    }


def _versions(service: JsonService, name: str) -> Iterator[dict[str, Any]]:
    query = {"filter": f"name = {_quoted(name)}"}
    path = f"{API}/model-versions/search"
    yield from pages(service, path, "model_versions", query, method="GET")


def _send_version(service: JsonService, version: dict[str, Any], notes: list[str]) -> str:
    name, tags = _safe_name(version.get("name"), _texts(version.get("tags")), f"{OURS}model_id")
    number = str(version.get("version"))
    ours = json.dumps(version_id(str(version.get("name")), number))
    ours = tags.get(_ID, ours)
    found = _find_version(service, name, ours, version)
    if found is None:
        if not version.get("source"):
            reason = f"the version {number} of {name} has no artifact_uri, MLflow's source"
            raise HttpError(reason, status=400)
        if _get_model(service, name) is None:
            service.post(f"{API}/registered-models/create", {"name": name})
        body = {key: version.get(key) for key in ("source", "run_id", "description", "model_id")}
        logged = re.fullmatch(r"models:/(m-[0-9a-f]+)", str(version["source"]))
        if logged is not None:
            body["model_id"] = logged[1]
        body = {"name": name, **_present(body), "tags": _pairs(tags)}
        found = service.post(f"{API}/model-versions/create", body)["model_version"]
        found.setdefault("tags", _pairs(tags))
    given = str(found["version"])
    if given != number:
        tags = {_ID: ours, f"{OURS}version": json.dumps(VERSION.read(number)), **tags}
    if version.get("model_metrics") and not found.get("model_metrics"):
        # The server takes metrics of logged models only.
        metrics = {each["key"]: each["value"] for each in version["model_metrics"]}
        numbers = {key: NON_FINITE.get(value, value) for key, value in metrics.items()}
        tags = {f"{OURS}metrics": json.dumps(numbers), **tags}
    place = {"name": name, "version": given}
    description = version.get("description") or ""
    if found.get("description", "") != description:
        body = {**place, "description": description}
        service.request("PATCH", f"{API}/model-versions/update", body, repeatable=True)
    for item in _changed(found, tags):
        service.post(f"{API}/model-versions/set-tag", {**place, **item}, repeatable=True)
    stage = version.get("current_stage", "None")
    if stage != found.get("current_stage", "None"):
        if stage in ("None", "Staging", "Production", "Archived"):
            body = {**place, "stage": stage, "archive_existing_versions": False}
            service.post(f"{API}/model-versions/transition-stage", body, repeatable=True)
        else:
            notes.append(f"MLflow has no stage {stage}")
    for alias in version.get("aliases") or ():
        body = {**place, "alias": alias}
        service.post(f"{API}/registered-models/alias", body, repeatable=True)
    return f"version {given} of {name}"


def _find_version(
    service: JsonService, name: str, ours: str, version: dict[str, Any]
) -> dict[str, Any] | None:
    """Return the version with our id, or the same one."""
    for found in _versions(service, name):
        if _texts(found.get("tags")).get(_ID) == ours:
            return found
        keys = ("version", "source", "run_id", "creation_timestamp")
        if all(found.get(key) == version.get(key) for key in keys):
            return found
    return None


def _send_assessment(service: JsonService, assessment: dict[str, Any], notes: list[str]) -> str:
    trace_id = assessment.get("trace_id")
    if not trace_id:
        raise HttpError("an assessment without trace_id has no place in MLflow", status=400)
    path = f"{API_3}/traces/{quote(str(trace_id), safe='')}"
    there = service.get(path)["trace"]["trace_info"].get("assessments", [])
    metadata = dict(assessment.get("metadata") or {})
    ours = metadata.get(_ID, json.dumps(assessment.get("assessment_id")))
    ids = {(each.get("metadata") or {}).get(_ID): each["assessment_id"] for each in there}
    body = {key: value for key, value in assessment.items() if key not in _GIVEN}
    if "expectation" in body and body.pop("rationale", None):
        notes.append("the server keeps no rationale of an expectation")
    if "overrides" in body:
        body["overrides"] = ids.get(json.dumps(body["overrides"]), body["overrides"])
    found = next(
        (
            each
            for each in there
            if (each.get("metadata") or {}).get(_ID) == ours
            or each["assessment_id"] == assessment.get("assessment_id")
        ),
        None,
    )
    if found is None:
        body["metadata"] = {_ID: ours, **metadata}
        body.setdefault("source", {"source_type": "CODE", "source_id": "default"})
        made = service.post(f"{path}/assessments", {"assessment": body})["assessment"]
        return f"assessment {made['assessment_id']} of {trace_id}"
    place = f"assessment {found['assessment_id']} of {trace_id}"
    keys = ("assessment_name", "feedback", "expectation", "rationale")
    changed = [key for key in keys if key in body and body[key] != found.get(key)]
    if changed:
        update = {key: body[key] for key in changed}
        update |= {"assessment_id": found["assessment_id"], "trace_id": trace_id}
        mask = {"assessment": update, "update_mask": ",".join(map(_camel, changed))}
        service.request("PATCH", f"{path}/assessments/{found['assessment_id']}", mask)
    return place


#: The keys of an assessment that the server gives.
_GIVEN: Final = frozenset({"assessment_id", "last_update_time", "valid"})


def _camel(name: str) -> str:
    """Return the name of a field as protobuf's JSON writes it in masks."""
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def _texts(pairs: Any) -> dict[str, str]:
    return {
        pair["key"]: str(pair.get("value", ""))
        for pair in (pairs if isinstance(pairs, list) else ())
        if isinstance(pair, dict) and isinstance(pair.get("key"), str)
    }


def _pairs(texts: dict[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in texts.items()]


def _changed(found: dict[str, Any], tags: dict[str, str]) -> list[dict[str, str]]:
    known = _texts(found.get("tags"))
    return _pairs({key: text for key, text in tags.items() if known.get(key) != text})


def _present(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value not in (None, "")}


def _parts(items: Sequence[Any], size: int) -> Iterator[list[Any]]:
    rest = iter(items)
    while part := list(islice(rest, size)):
        yield part
