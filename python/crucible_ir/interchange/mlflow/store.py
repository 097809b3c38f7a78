"""The folders in which MLflow's file store keeps runs, models and traces: ``mlruns``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

import yaml

from crucible_ir.errors import DecodeError
from crucible_ir.interchange.mapping.reading import (
    Record,
    parse_foreign_yaml,
    read_bytes,
)
from crucible_ir.interchange.mlflow.history import Point, last_of, point_json
from crucible_ir.serialization.json.parsing import decode_utf8

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_META: Final = "meta.yaml"

#: The folders of an experiment that are no runs.
_NOT_RUNS: Final = frozenset({"models", "datasets", "traces", "tags"})

#: The numbers of states in meta.yaml.
_STATUS: Final = {1: "RUNNING", 2: "SCHEDULED", 3: "FINISHED", 4: "FAILED", 5: "KILLED"}
_MODEL_STATUS: Final = {
    1: "LOGGED_MODEL_PENDING",
    2: "LOGGED_MODEL_READY",
    3: "LOGGED_MODEL_UPLOAD_FAILED",
}

#: A record, and when it last changed, in milliseconds since 1970; ``None`` if unknown.
_Found = tuple[Callable[[], Any], Path, "int | None"]


def is_store(path: Path) -> bool:
    """Return whether a folder is one of a file store: the whole store or a part of it."""
    return (path / _META).is_file() or any(
        (child / _META).is_file()
        for parent in (path, path / ".trash")
        for child in _folders(parent)
    )


def read_store(path: Path, since: datetime | None) -> Iterator[Record]:
    """Yield the records of a folder of a file store.

    Args:
        path: A store, an experiment, a run, a logged model, or a registered model.
        since: Leave out what ended or changed before this time.
    """
    oldest = None if since is None else since.timestamp() * 1000
    number = 0
    for read, place, changed in _records(path):
        if oldest is not None and changed is not None and changed < oldest:
            continue
        try:
            yield Record(read(), str(place), number)
        except DecodeError as error:
            yield Record(None, str(place), number, error)
        number += 1


def _records(path: Path) -> Iterator[_Found]:
    if not (path / _META).is_file():
        for parent in (path, path / ".trash"):
            for folder in _folders(parent):
                if (folder / _META).is_file():
                    yield from _experiment(folder)
        for folder in _folders(path / "models"):
            yield from _registered_model(folder)
        return
    meta = _safe_meta(path)
    if "run_id" in meta or "run_uuid" in meta:
        if "model_id" in meta or "version" in meta:
            yield from _version(path) if "version" in meta else _logged_model(path)
        else:
            yield from _run(path, path.parent)
    elif "model_id" in meta:
        yield from _logged_model(path)
    elif "experiment_id" in meta:
        yield from _experiment(path)
    else:
        yield from _registered_model(path)


def _experiment(folder: Path) -> Iterator[_Found]:
    for run in _folders(folder):
        if run.name not in _NOT_RUNS and (run / _META).is_file():
            yield from _run(run, folder)
    for model in _folders(folder / "models"):
        yield from _logged_model(model)
    for trace in _folders(folder / "traces"):
        yield from _trace(trace)


def _run(folder: Path, experiment: Path) -> Iterator[_Found]:
    meta = _safe_meta(folder)
    ended = meta.get("end_time")
    yield (
        lambda: {"run": _read_run(folder, experiment)},
        folder,
        ended if isinstance(ended, int) else None,
    )


def _read_run(folder: Path, experiment: Path) -> dict[str, Any]:
    info = _present(_meta(folder), "tags")
    status = info.get("status")
    if isinstance(status, int):
        info["status"] = _STATUS.get(status, status)
    data: dict[str, Any] = {
        "params": _pairs(folder / "params"),
        "tags": _pairs(folder / "tags"),
        **_metrics(folder / "metrics"),
    }
    result: dict[str, Any] = {"info": info, "data": data}
    name = _safe_meta(experiment).get("name")
    if isinstance(name, str):
        result["experiment_name"] = name
    inputs = [
        found
        for each in _folders(folder / "inputs")
        if (found := _read_input(_meta(each), experiment)) is not None
    ]
    datasets = [each for each in inputs if "dataset" in each]
    models = [each for each in inputs if "model_id" in each]
    if inputs:
        lists = {"dataset_inputs": datasets, "model_inputs": models}
        result["inputs"] = {key: items for key, items in lists.items() if items}
    outputs = [
        {"model_id": meta.get("destination_id"), "step": meta.get("step", 0)}
        for each in _folders(folder / "outputs")
        if (meta := _meta(each))
    ]
    if outputs:
        result["outputs"] = {"model_outputs": outputs}
    return result


def _read_input(meta: dict[str, Any], experiment: Path) -> dict[str, Any] | None:
    if meta.get("source_type") != "DATASET":
        model = meta.get("source_id") or meta.get("destination_id")
        return {"model_id": model} if isinstance(model, str) else None
    folder = experiment / "datasets" / str(meta.get("source_id"))
    if not (folder / _META).is_file():
        return None
    dataset = _present(_meta(folder))
    tags = meta.get("tags")
    pairs = [{"key": key, "value": value} for key, value in tags.items()] if tags else []
    return {"tags": pairs, "dataset": dataset} if pairs else {"dataset": dataset}


def _metrics(folder: Path) -> dict[str, Any]:
    """Read the histories of metrics, with the last value of each."""
    histories: dict[str, Any] = {}
    last: list[Any] = []
    for path in _files(folder):
        name = path.relative_to(folder).as_posix()
        points, items = _read_points(path, name)
        if items:
            histories[name] = items
            last.append(point_json(name, last_of(points)))
    if not histories:
        return {}
    return {"metrics": sorted(last, key=lambda each: str(each["key"])), "metric_history": histories}


def _read_points(path: Path, name: str) -> tuple[list[Point], list[Any]]:
    points: list[Point] = []
    items: list[Any] = []
    for number, line in enumerate(_text(path).splitlines(), start=1):
        parts = line.split(" ")
        try:
            time, value = int(parts[0]), float(parts[1])
            step = int(parts[2]) if len(parts) > 2 else 0
        except (ValueError, IndexError):
            raise DecodeError(
                f"{path.name}, line {number}: expected a time, a value and a step: {line[:80]!r}"
            ) from None
        point = Point(time, step, value)
        points.append(point)
        if value - value == 0.0:
            item: dict[str, Any] = {"key": name, "value": value, "timestamp": time, "step": step}
        else:
            item = point_json(name, point)
        if len(parts) > 3:
            item |= _dataset_of(parts[3:])
        items.append(item)
    return points, items


def _dataset_of(parts: list[str]) -> dict[str, str]:
    """Return what stands behind the step in a line: the run, and the dataset of a metric."""
    keys = ("dataset_name", "dataset_digest")
    if len(parts) != len(keys):
        return dict(zip(("run_id", *keys), parts, strict=False))
    return dict(zip(keys, parts, strict=True))


def _logged_model(folder: Path) -> Iterator[_Found]:
    if not (folder / _META).is_file():
        return
    meta = _safe_meta(folder)

    def read() -> Any:
        info = _present(_meta(folder))
        for theirs, ours in (
            ("creation_timestamp", "creation_timestamp_ms"),
            ("last_updated_timestamp", "last_updated_timestamp_ms"),
            ("artifact_location", "artifact_uri"),
        ):
            if theirs in info:
                info[ours] = info.pop(theirs)
        status = info.get("status")
        if isinstance(status, int):
            info["status"] = _MODEL_STATUS.get(status, status)
        info["tags"] = _pairs(folder / "tags")
        metrics = [item for path in _files(folder / "metrics") for item in _points_of(path, folder)]
        data = {"params": _pairs(folder / "params"), "metrics": metrics}
        return {"model": {"info": info, "data": data}}

    yield read, folder, _changed(meta)


def _points_of(path: Path, folder: Path) -> list[Any]:
    return _read_points(path, path.relative_to(folder / "metrics").as_posix())[1]


def _trace(folder: Path) -> Iterator[_Found]:
    if not (folder / "trace_info.yaml").is_file():
        return

    def read() -> Any:
        info = _present(_yaml(folder / "trace_info.yaml"))
        duration = info.pop("execution_duration_ms", None)
        if isinstance(duration, int):
            info["execution_duration"] = f"{duration / 1000:g}s"
        info["trace_metadata"] = _texts(folder / "request_metadata")
        info["tags"] = _texts(folder / "tags")
        info["assessments"] = [_present(_yaml(path)) for path in _files(folder / "assessments")]
        return {"trace": {"trace_info": info}}

    yield read, folder, None


def _registered_model(folder: Path) -> Iterator[_Found]:
    if not (folder / _META).is_file():
        return
    meta = _safe_meta(folder)

    def read() -> Any:
        model = _present(_meta(folder), "aliases")
        aliases = _texts(folder / "aliases")
        if aliases:
            model["aliases"] = [
                {"alias": alias, "version": version} for alias, version in aliases.items()
            ]
        tags = _pairs(folder / "tags")
        if tags:
            model["tags"] = tags
        return {"registered_model": model}

    yield read, folder, _changed(meta)
    for version in _folders(folder):
        if version.name.startswith("version-"):
            yield from _version(version)


def _version(folder: Path) -> Iterator[_Found]:
    if not (folder / _META).is_file():
        return
    meta = _safe_meta(folder)

    def read() -> Any:
        version = _present(_meta(folder))
        version["version"] = str(version.get("version"))
        tags = _pairs(folder / "tags")
        if tags:
            version["tags"] = tags
        return {"model_version": version}

    yield read, folder, _changed(meta)


def _changed(meta: dict[str, Any]) -> int | None:
    found = meta.get("last_updated_timestamp")
    return found if isinstance(found, int) else None


def _present(meta: dict[str, Any], *without: str) -> dict[str, Any]:
    """Return what a file of metadata says: the REST API leaves out what is empty."""
    return {
        key: value
        for key, value in meta.items()
        if value is not None and value != "" and key not in without
    }


def _pairs(folder: Path) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in _texts(folder).items()]


def _texts(folder: Path) -> dict[str, str]:
    """Return the content of each file, by its path in the folder, which may have folders."""
    return {path.relative_to(folder).as_posix(): _text(path) for path in _files(folder)}


def _meta(folder: Path) -> dict[str, Any]:
    return _yaml(folder / _META)


def _safe_meta(folder: Path) -> dict[str, Any]:
    """Return the metadata; nothing if they cannot be read, which the record reports."""
    try:
        return _meta(folder)
    except DecodeError:
        return {}


def _yaml(path: Path) -> dict[str, Any]:
    text = _text(path)
    try:
        values = parse_foreign_yaml(text)
    except DecodeError as error:
        raise DecodeError(f"{path.name}: {error}") from None
    if len(values) != 1 or not isinstance(values[0], dict):
        raise DecodeError(f"{path.name}: expected one object")
    # PyYAML wrote the file by the rules of YAML 1.1, in which the digest 12e45678 is text.
    found = yaml.load(text, Loader=_Loader)
    return {
        str(key): str(value) if isinstance(value, date) else value for key, value in found.items()
    }


def _text(path: Path) -> str:
    try:
        return decode_utf8(read_bytes(str(path)))
    except DecodeError as error:
        raise DecodeError(f"{path.name}: {error}") from None
    except OSError as error:
        raise DecodeError(f"{path.name}: {error.strerror}") from None


def _folders(parent: Path) -> list[Path]:
    return _sorted(path for path in _children(parent) if path.is_dir())


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return _sorted(path for path in folder.rglob("*") if path.is_file())


def _children(parent: Path) -> Iterable[Path]:
    return parent.iterdir() if parent.is_dir() else ()


def _sorted(paths: Iterable[Path]) -> list[Path]:
    return sorted(path for path in paths if not path.name.startswith("."))
