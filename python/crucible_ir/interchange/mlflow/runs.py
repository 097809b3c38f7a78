"""Runs of MLflow, and training runs."""

from __future__ import annotations

from typing import Final

from crucible_ir.interchange.mapping.conversion import UNKNOWN
from crucible_ir.interchange.mapping.converters import (
    UNIX_MILLISECONDS,
    Rule,
    names,
    read_rules,
    write_rules,
)
from crucible_ir.interchange.mapping.exporting import Export
from crucible_ir.interchange.mapping.importing import Import
from crucible_ir.interchange.mapping.source import Source
from crucible_ir.interchange.mapping.target import Target
from crucible_ir.interchange.mlflow.datasets import read_dataset, write_dataset
from crucible_ir.interchange.mlflow.history import read_history, write_history
from crucible_ir.interchange.mlflow.pairs import (
    OURS,
    PairReader,
    PairWriter,
    native,
    reason_against,
    reserve,
    restore,
)
from crucible_ir.interchange.mlflow.params import read_params, write_params

#: What the names of tags begin with that hold fields of the configuration.
_CONFIG: Final = f"{OURS}config."

_STATUSES: Final = {
    "SCHEDULED": "pending",
    "RUNNING": "running",
    "FINISHED": "completed",
    "FAILED": "failed",
    "KILLED": "cancelled",
}
_STATUS: Final = names(_STATUSES, "names of states differ")

_INFO_RULES: Final = (
    Rule("experiment_id", types=(str,)),
    Rule("status", "status", _STATUS, (str,)),
    Rule("start_time", "started_at", UNIX_MILLISECONDS, (int, str)),
    Rule("end_time", "completed_at", UNIX_MILLISECONDS, (int, str)),
)


def read_run(conversion: Import, source: Source) -> None:
    """Import a run, with its data and inputs, as a training run."""
    info = source.get("info", dict)
    data = source.get("data", dict)
    if info is None:
        raise source.fail('a run without "info"')
    info.drop_secrets()
    run = conversion.document("TrainingRun")
    reserve(source, "tags", "params")
    run.keep_rest(source)
    config = run.child("config")
    tags = PairReader(data.get("tags", list) if data is not None else None, run, "tags")
    tags.read_options(run)
    tags.read_fields(run, without=("config", "metrics_history"))
    tags.read_options(config, _CONFIG)
    tags.read_fields(config, _CONFIG)
    _read_id(info, run)
    read_rules(conversion, info, run, _INFO_RULES)
    tags.read_labels(run)
    tags.finish()
    config.value.setdefault("id", run.value["id"])
    params = data.get("params", list) if data is not None else None
    read_params(PairReader(params, config, "params"), config)
    read_dataset(conversion, source, run)
    if not config.has("model_ref"):
        config.default("model_ref", {"id": UNKNOWN}, "MLflow does not say which model is trained")
    if not config.has("dataset_ref"):
        config.default("dataset_ref", {"name": UNKNOWN}, "the run has no dataset as its input")
    if data is not None:
        read_history(conversion, data, run)


def _read_id(info: Source, run: Target) -> None:
    """Import the id of a run; an empty one means that there is none."""
    for key in ("run_id", "run_uuid"):
        found = info.get(key, str)
        if found is None or not found.value:
            continue
        reason = reason_against("TrainingRun", "id", found.value)
        if reason:
            raise found.fail(reason)
        if not run.has("id"):
            run.put("id", found.value, found)
        elif found.value == run.value["id"]:
            found.implied_by((*run.path, "id"))
    if not run.has("id"):
        raise info.fail('a run without "run_id"')


def write_run(conversion: Export) -> None:
    """Export a training run as a run, with its data and inputs."""
    source = conversion.source
    rest = source.rest()
    target = conversion.target.child("run")
    info, data = target.child("info"), target.child("data")
    tags = PairWriter(rest, "tags")
    tags.put_fields(source)
    _write_id(source, rest, info, tags)
    rules = native(_INFO_RULES, tags)
    if source.text("status") not in _STATUSES.values():
        # MLflow has no such status: it becomes a tag.
        rules = [rule for rule in rules if rule.field != "status"]
    write_rules(source, info, rules)
    tags.put_labels(source)
    written = {"id", "config", "metrics_history", "tags", "options"}
    written |= {rule.field for rule in rules}
    config = source.get("config", dict)
    if config is not None:
        _write_config(source, config, rest, target, tags)
    tags.put_options(source, "options")
    tags.put_fields(source, [field for field in source.value if field not in written])
    if not _is_list(rest, "tags"):
        tags.write(data)
    write_history(conversion, rest, data)
    restore(target, rest)


def _write_id(source: Source, rest: Source | None, info: Target, tags: PairWriter) -> None:
    found = source.get("id", str)
    kept = rest.get("info", dict) if rest is not None else None
    if found is None or tags.has(f"{OURS}id"):
        return
    for key in ("run_id", "run_uuid"):
        if kept is None or key not in kept.value:
            info.put(key, found.value, found)


def _write_config(
    source: Source, config: Source, rest: Source | None, target: Target, tags: PairWriter
) -> None:
    kept = config.rest()
    params = PairWriter(kept, "params")
    tags.put_fields(config, prefix=_CONFIG)
    done = {field for field in config.value if tags.has(f"{_CONFIG}{field}")}
    found = config.get("id", str)
    if found is not None and found.value == source.value.get("id"):
        found.implied_by((*target.path, "info", "run_id"))
        done.add("id")
    if not _is_list(rest, "params"):
        write_params(params, config, done)
        params.write(target.child("data"), "params")
    write_dataset(config, rest, target, done)
    tags.put_options(config, "options", prefix=_CONFIG)
    left = [field for field in config.value if field not in {*done, "options"}]
    tags.put_fields(config, left, prefix=_CONFIG)


def _is_list(rest: Source | None, key: str) -> bool:
    """Return whether the import kept a whole list of the data, since an item was odd."""
    data = rest.get("data", dict) if rest is not None else None
    return data is not None and data.get(key, list) is not None
