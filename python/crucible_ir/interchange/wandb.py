"""Weights & Biases: the history, configuration and summary of a run.

A record is one run: ``{"id", "config", "summary", "history", "metadata"}``, each key but ``id``
with the content of the file of the same name: ``config.yaml``, ``wandb-summary.json``,
``history.jsonl`` (a row on each line, as ``Run.scan_history`` yields them) and
``wandb-metadata.json``. The folder of a run, or one of these files, is read as such a record; its
id is that of the folder's name, such as ``abc123`` in ``run-20260102_030405-abc123``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from crucible_ir.interchange.mapping.conversion import UNKNOWN
from crucible_ir.interchange.mapping.converters import (
    INTEGER_TEXT,
    NUMBER_TEXT,
    TIME_TEXT,
    UNIX_SECONDS,
    Rule,
    names,
    read_rules,
    write_rules,
)
from crucible_ir.interchange.mapping.exporting import Export
from crucible_ir.interchange.mapping.format import Format
from crucible_ir.interchange.mapping.importing import Import
from crucible_ir.interchange.mapping.reading import (
    Record,
    is_older,
    read_records,
)
from crucible_ir.interchange.mapping.report import Outcome
from crucible_ir.interchange.mapping.source import Source
from crucible_ir.interchange.mapping.target import Target

#: The key of a record for each file of a run.
_FILES: Final = {
    "config.yaml": "config",
    "wandb-summary.json": "summary",
    "history.jsonl": "history",
    "wandb-metadata.json": "metadata",
}

#: The name of the folder of a run ends in its id.
_RUN_FOLDER = re.compile(r"(?:offline-)?run-\d{8}_\d{6}-(\w+)")

#: Usual names of settings, the one that is written first.
_CONFIG: Final = (
    Rule("learning_rate", converter=NUMBER_TEXT),
    Rule("lr", "learning_rate", NUMBER_TEXT),
    Rule("epochs", converter=INTEGER_TEXT),
    Rule("batch_size", converter=INTEGER_TEXT),
    Rule("optimizer", types=(str,)),
    Rule("seed", converter=INTEGER_TEXT),
    Rule("max_steps", converter=INTEGER_TEXT),
    Rule("weight_decay", converter=NUMBER_TEXT),
    Rule("warmup_steps", converter=INTEGER_TEXT),
)

_METADATA: Final = (Rule("startedAt", "started_at", TIME_TEXT, types=(str,)),)

_STATES: Final = names(
    {
        "finished": "completed",
        "running": "running",
        "pending": "pending",
        "failed": "failed",
        "crashed": "failed",
        "killed": "cancelled",
        "preempted": "preempted",
        "preempting": "preempted",
    },
    "the names of states differ",
)
_RUN: Final = (Rule("id", types=(str,)), Rule("state", "status", _STATES, types=(str,)))

_STEP: Final = "_step"
_TIME: Final = "_timestamp"
_ROW: Final = (Rule(_STEP, "step", types=(int,)), Rule(_TIME, "time", UNIX_SECONDS, types=(float,)))


def _import(conversion: Import) -> None:
    source = conversion.source
    if not any(source.get(key) is not None for key in _FILES.values()):
        keys = ", ".join(_FILES.values())
        raise source.fail(f"expected a run of W&B, with some of the keys {keys}")
    name = source.text("id")
    if not name:
        raise source.fail('expected the key "id" with the id of the run')
    run = conversion.document("TrainingRun")
    run.keep_rest(source)
    read_rules(conversion, source, run, _RUN)
    config = run.child("config")
    config.put("id", f"{name}-config")
    config.default("model_ref", {"id": UNKNOWN}, "a run does not name its model")
    config.default("dataset_ref", {"name": UNKNOWN}, "a run does not name its dataset")
    _import_config(conversion, source, config)
    _import_history(conversion, source, run)
    summary = source.get("summary", dict)
    if summary is not None:
        read_rules(conversion, summary, run, (Rule(_STEP, "current_step", types=(int,)),))
    metadata = source.get("metadata", dict)
    if metadata is not None:
        # It has the arguments of the program.
        metadata.drop_secrets()
        read_rules(conversion, metadata, run, _METADATA)


def _import_config(conversion: Import, source: Source, config: Target) -> None:
    """Import settings: values under the key ``value``, as in the file, or plain ones."""
    settings = source.get("config", dict)
    if settings is None:
        return
    settings.drop_secrets()
    config.keep_rest(settings)
    for rule in _CONFIG:
        found = settings.get(rule.theirs)
        if found is None or len(_present(rule.field, settings.value)) > 1:
            # Of several names of one setting, none is preferred: all are kept.
            continue
        if isinstance(found.value, dict):
            wrapped = Rule("value", rule.field, rule.converter, rule.types)
            read_rules(conversion, found, config, (wrapped,))
        elif _is_plain(rule, found.value):
            reason = "config.yaml has the value under the key `value`"
            config.put(rule.field, found.value, found, reason=reason, outcome=Outcome.CONVERTED)
        if config.has(rule.field) and rule is not _first(rule.field):
            # Recent versions write nothing beside the value that would keep the name.
            config.mark(rule.theirs)


def _first(field: str) -> Rule:
    """Return the rule of the name that export writes, unless the import had another."""
    return next(rule for rule in _CONFIG if rule.field == field)


def _is_plain(rule: Rule, value: object) -> bool:
    """Return whether a plain value can be the setting as it is."""
    if rule.converter is INTEGER_TEXT:
        return type(value) is int
    return type(value) in ((int, float) if rule.converter is NUMBER_TEXT else rule.types)


def _import_history(conversion: Import, source: Source, run: Target) -> None:
    for row in source.items("history"):
        # Each row has a snapshot, even one that is no object, so that export finds its index again.
        snapshot = run.append("metrics_history")
        if not isinstance(row.value, dict):
            continue
        read_rules(conversion, row, snapshot, _ROW)
        epoch = row.get("epoch", float)
        if epoch is not None and 0 <= epoch.value < float("inf"):
            snapshot.put("epoch", epoch.value, epoch)
        values, others = snapshot.child("values"), snapshot.child("other_values")
        for key, value in row.value.items():
            if (snapshot.has("epoch") and key == "epoch") or key in (_STEP, _TIME):
                continue
            found = row.get(key)
            if found is None:
                continue
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                values.put(key, value, found)
            else:
                others.put_opaque(key, found)


def _export(conversion: Export) -> None:
    source, target = conversion.source, conversion.target
    write_rules(source, target, _RUN)
    rest = source.rest()
    config = source.get("config", dict)
    if config is not None:
        _export_config(config, target.child("config"))
    for snapshot in source.items("metrics_history"):
        row = target.append("history")
        write_rules(snapshot, row, (*_ROW, Rule("epoch")))
        for field in ("values", "other_values"):
            for key, found in snapshot.entries(field):
                row.put(key, found.value, found)
    step = source.get("current_step", int)
    if step is not None:
        target.child("summary").put(_STEP, step.value, step)
    write_rules(source, target.child("metadata"), _METADATA)
    target.restore(rest)


def _export_config(config: Source, target: Target) -> None:
    name = config.get("id", str)
    if name is not None:
        name.use(Outcome.DROPPED, reason="the configuration of a run has no id of its own")
    rest = config.rest()
    kept: dict[str, Any] = {} if rest is None else rest.value
    for field in dict.fromkeys(rule.field for rule in _CONFIG):
        found = config.get(field)
        key = _name_of(field, kept)
        if found is not None and key is not None:
            target.child(key).put("value", found.value, found)
    target.restore(rest)


def _name_of(field: str, kept: dict[str, Any]) -> str | None:
    """Return the name of a setting to write; ``None`` if the import kept values of all names.

    Args:
        field: The field of the setting.
        kept: What the import kept of the settings: of the name that it used, all but the value.
    """
    present = _present(field, kept)
    if not present:
        return _first(field).theirs
    is_used = isinstance(kept[present[0]], dict) and "value" not in kept[present[0]]
    return present[0] if len(present) == 1 and is_used else None


def _present(field: str, settings: dict[str, Any]) -> list[str]:
    """Return the names of a setting that are there."""
    return [rule.theirs for rule in _CONFIG if rule.field == field and rule.theirs in settings]


def _read(source: str, since: datetime | None) -> Iterator[Record]:
    """Yield the record of the folder of a run, of each run in a folder, or of one file of a run."""
    path = Path(source)
    if source == "-" or (path.is_file() and path.name not in _FILES):
        yield from read_records(source, since=since)
        return
    if path.is_file():
        yield _record([path], path.resolve().parent.name, path.name, None)
        return
    files = [each for each in sorted(path.rglob("*")) if each.name in _FILES and each.is_file()]
    runs: dict[Path, list[Path]] = {}
    for each in files:
        folder = each.parent.parent if each.parent.name == "files" else each.parent
        runs.setdefault(folder, []).append(each)
    wanted = {
        folder: members
        for folder, members in runs.items()
        if not all(is_older(each, since) for each in members)
    }
    for number, (folder, members) in enumerate(wanted.items()):
        name = folder.resolve().name
        yield _record(members, name, str(folder), number if len(wanted) > 1 else None)


def _record(files: list[Path], folder: str, name: str, number: int | None) -> Record:
    match = _RUN_FOLDER.fullmatch(folder)
    value: dict[str, Any] = {"id": match[1] if match else folder}
    for path in files:
        found = [each for each in read_records(str(path))]
        error = next((each.error for each in found if each.error is not None), None)
        if error is not None:
            return Record(None, str(path), number, error)
        is_history = path.suffix == ".jsonl"
        value[_FILES[path.name]] = [each.value for each in found] if is_history else found[0].value
    return Record(value, name, number)


FORMAT = Format(
    "wandb",
    "Weights & Biases",
    "The history, configuration and summary of a run, as JSON.",
    _import,
    {"TrainingRun": _export},
    read=_read,
)
import_ = FORMAT.import_
export = FORMAT.export
