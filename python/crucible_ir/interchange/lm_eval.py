"""lm-evaluation-harness: the results files of all its versions.

A record is a results file, such as ``results_2026-01-02T03-04-05.json``. Each task in it becomes an
EvaluationResult, and so does each group of tasks, which has the names of its tasks in
``metadata.group``. The filter of a metric is a field of the metric. Aliases, names and numbers of
samples that stand beside metrics are no metrics, and a standard error "N/A" is unset.

What is about the run as a whole is kept in the metadata of the first result; the settings of the
run and the versions of the software are in that of all. Several documents of one run are exported
as one file. Samples (``samples_*.jsonl``) are not results: in a folder they are left out.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from crucible_ir.errors import DecodeError
from crucible_ir.interchange.mapping.conversion import UNKNOWN
from crucible_ir.interchange.mapping.converters import (
    NUMBER,
    UNIX_SECONDS,
    Converter,
    NoConversionError,
    Rule,
    double,
    is_id,
    read_rules,
    read_time,
    write_rules,
    write_time,
)
from crucible_ir.interchange.mapping.exporting import Export
from crucible_ir.interchange.mapping.format import Format
from crucible_ir.interchange.mapping.importing import Import
from crucible_ir.interchange.mapping.reading import Record, read_records
from crucible_ir.interchange.mapping.report import Outcome
from crucible_ir.interchange.mapping.source import Source
from crucible_ir.interchange.mapping.target import Target
from crucible_ir.interchange.mapping.values import same
from crucible_ir.paths import MapKey

NAME: Final = "lm-eval"

#: Objects with an entry for each task.
_BY_TASK: Final = (
    "results",
    "groups",
    "group_subtasks",
    "configs",
    "versions",
    "n-shot",
    "higher_is_better",
    "n-samples",
    "task_hashes",
)

#: What every result of a run has in its metadata.
_SHARED: Final = ("config", "git_hash", "lm_eval_version", "transformers_version")

#: What stands beside the metrics of a task.
_BESIDE: Final = ("name", "alias", "sample_len", "sample_count", "samples", " ")

#: What the harness writes for a value that was not computed.
_NOT_COMPUTED: Final = "N/A"

_STDERR: Final = "_stderr"

#: The key of the opaque map for what is about the run.
_RUN: Final = "run"


def _read_version(value: Any) -> str:
    if isinstance(value, str):
        return value
    number = double(value)
    if number is None:
        raise NoConversionError("neither text nor a number")
    return str(int(number)) if number.is_integer() else str(number)


_VERSION: Final = Converter(_read_version, lambda text: text, "the version of a task is text")

_MODEL: Final = (Rule("model_name", "id", types=(str,)),)
_REVISION: Final = (Rule("model_sha", "version", types=(str,)),)
_DATE: Final = (Rule("date", "started_at", UNIX_SECONDS, (float,)),)
_DATASET: Final = (
    Rule("dataset_path", "name", types=(str,)),
    Rule("dataset_name", "subset", types=(str,)),
    Rule("test_split", "split", types=(str,)),
)
_SAMPLES: Final = (Rule("effective", "sample_count", types=(int,)),)


def _import(conversion: Import) -> None:
    source = conversion.source
    if source.get("results", dict) is None:
        if "doc_id" in source.value:
            raise source.fail("a sample of a task, not a result: results are in results_*.json")
        raise source.fail('expected the object "results"')
    run = _Run(conversion)
    names = list(run.tables["results"]) + [
        name for name in run.tables["groups"] if name not in run.tables["results"]
    ]
    for name in names:
        in_results = name in run.tables["results"]
        entry = run.tables["results" if in_results else "groups"][name]
        if not isinstance(entry.value, dict):
            conversion.report_error(entry, "expected an object with metrics")
        elif not is_id(name):
            conversion.report_error(entry, "expected the name of a task, of 1 to 512 bytes")
        else:
            run.import_result(name, entry, in_results=in_results)
    if not conversion.has_documents and not conversion.problems:
        raise source.fail("no task in the results")


class _Run:
    """The import of the results of one run.

    Attributes:
        tables: The entries of the objects that have one for each task.
    """

    def __init__(self, conversion: Import) -> None:
        self.tables = {key: dict(conversion.source.entries(key)) for key in _BY_TASK}
        self._conversion = conversion
        self._shared: dict[str, Any] | None = None

    def import_result(self, name: str, entry: Source, *, in_results: bool) -> None:
        """Import the result of a task or a group."""
        conversion, source = self._conversion, self._conversion.source
        result = conversion.document("EvaluationResult")
        conversion.derive_id(result, "id")
        result.value["task"] = name
        self._import_group(name, result, entry, in_results=in_results)
        for key in ("results", "n-samples", "higher_is_better", "task_hashes"):
            found = self.tables[key].get(name)
            if found is not None and found is not entry and not isinstance(found.value, list):
                result.keep_rest(found, key)
        result.keep_rest(entry, "results")
        self._import_version(name, result)
        shots = self.tables["n-shot"].get(name)
        if shots is not None and type(shots.value) is int:
            result.put("num_shots", shots.value, shots)
        samples = self.tables["n-samples"].get(name)
        if samples is not None:
            read_rules(conversion, samples, result, _SAMPLES)
        self._import_metrics(name, result, entry)
        self._import_times(result)
        self._import_model(result)
        self._import_config(name, result)
        self._keep_shared(result)
        result.keep_rest(source, _RUN)

    def _import_group(self, name: str, result: Target, entry: Source, *, in_results: bool) -> None:
        """Import the tasks of a group, and note where the source has its metrics."""
        group, tasks = self.tables["groups"].get(name), self.tables["group_subtasks"].get(name)
        if tasks is not None and not (tasks.value and isinstance(tasks.value, list)):
            tasks = None
        if group is None and tasks is None:
            return
        metadata = result.child("metadata")
        if tasks is not None:
            metadata.put_opaque("group", tasks)
        else:
            metadata.default("group", True, "the source does not list the tasks of the group")
        if not in_results:
            result.mark("groups", "only")
        elif group is not None and same(group.value, entry.value):
            result.mark("groups")
            group.use(Outcome.RENAMED, result.path)
        elif group is not None:
            result.mark("groups", "other")
            result.keep_rest(group, "groups", "other")

    def _import_version(self, name: str, result: Target) -> None:
        found = self.tables["versions"].get(name)
        if found is None or isinstance(found.value, (dict, list)):
            return
        result.keep_rest(found, "versions")
        try:
            version = _VERSION.read(found.value)
        except NoConversionError as error:
            self._conversion.keep_original(found, error.reason)
            return
        result.put("task_version", version, found, reason=_VERSION.reason)
        if not isinstance(found.value, str):
            self._conversion.keep_original(found, _VERSION.reason)

    def _import_metrics(self, name: str, result: Target, entry: Source) -> None:
        values = dict(entry.fields())
        counts = entry.get("sample_count", dict)
        better = self.tables["higher_is_better"].get(name)
        for key, found in values.items():
            metric_name, comma, filter_ = key.partition(",")
            if not _is_metric(key, found.value, values):
                continue
            metric = result.append("metrics")
            metric.value["name"] = metric_name
            if comma:
                metric.value["filter"] = filter_
            if found.value == _NOT_COMPUTED:
                self._conversion.keep_original(found, "not computed")
            else:
                metric.put("value", double(found.value), found)
            error = values.get(_error_key(key))
            if error is not None and error.value == _NOT_COMPUTED:
                self._conversion.keep_original(error, "not computed")
            elif error is not None and double(error.value) is not None:
                metric.put("stderr", double(error.value), error)
            count = counts.get(key, int) if counts is not None else None
            if count is not None and 0 <= count.value < 2**31:
                metric.put("sample_count", count.value, count)
            direction = better.get(metric_name, bool) if better is not None else None
            if direction is not None:
                metric.put("higher_is_better", direction.value, direction)

    def _import_times(self, result: Target) -> None:
        source = self._conversion.source
        read_rules(self._conversion, source, result, _DATE)
        try:
            elapsed = NUMBER.read(source.value.get("total_evaluation_time_seconds"))
            if result.has("started_at"):
                ended = read_time(result.value["started_at"]) + round(elapsed * 1_000_000_000)
                result.default("completed_at", write_time(ended), "the start and the time it took")
        except (NoConversionError, ValueError, OverflowError):
            return

    def _import_model(self, result: Target) -> None:
        source = self._conversion.source
        config = source.get("config", dict)
        name = source.get("model_name", str)
        model = result.child("model_ref")
        if name is not None and is_id(name.value):
            model.put("id", name.value, name)
        else:
            derived = _model_of(config.value) if config is not None else None
            if derived is None:
                return
            model.default("id", derived, "from the arguments of the model")
        if config is not None:
            read_rules(self._conversion, config, model, _REVISION)

    def _import_config(self, name: str, result: Target) -> None:
        config = self.tables["configs"].get(name)
        if config is None or not isinstance(config.value, dict):
            return
        if is_id(config.value.get("dataset_path")):
            read_rules(self._conversion, config, result.child("dataset_ref"), _DATASET)
        result.put_rest("config", config)

    def _keep_shared(self, result: Target) -> None:
        """Keep the settings of the run in every result."""
        source, path = self._conversion.source, (*result.path, "metadata", NAME, _RUN)
        if self._shared is None:
            self._shared = {}
            config = source.get("config", dict)
            if config is not None:
                config.drop_secrets()
            for key in _SHARED:
                found = source.get(key)
                if found is not None:
                    self._shared[key] = self._conversion.opaque_rest(found, (*path, key))
        if self._shared:
            result.mark(_RUN)
            kept = result.value["metadata"][NAME][_RUN]
            kept.update(copy.deepcopy(self._shared))


def _is_metric(key: str, value: object, values: dict[str, Source]) -> bool:
    """Return whether a value of a task is a metric, and not the standard error of one."""
    name, comma, _ = key.partition(",")
    if key in _BESIDE or not is_id(name):
        return False
    if value == _NOT_COMPUTED:
        return bool(comma) and not name.endswith(_STDERR)
    if double(value) is None:
        return False
    base = key.replace(_STDERR, "", 1) if name.endswith(_STDERR) else key
    return base == key or not (base in values and _is_metric(base, values[base].value, values))


def _error_key(key: str) -> str:
    """Return the key of the standard error of a metric.

    >>> _error_key("acc"), _error_key("acc,none")
    ('acc_stderr', 'acc_stderr,none')
    """
    name, comma, filter_ = key.partition(",")
    return f"{name}{_STDERR}{comma}{filter_}"


def _model_of(config: dict[str, Any]) -> str | None:
    """Return the model that the settings of a run name."""
    arguments = config.get("model_args")
    if isinstance(arguments, str):
        pairs = (each.partition("=") for each in arguments.split(","))
        arguments = {key.strip(): value for key, _, value in pairs}
    if isinstance(arguments, dict):
        for key in ("pretrained", "model", "engine"):
            if is_id(arguments.get(key)):
                return str(arguments[key])
    model = config.get("model")
    return model if isinstance(model, str) and is_id(model) else None


def _export(conversion: Export) -> None:
    source, target = conversion.source, conversion.target
    kept = dict(rest.fields()) if (rest := source.rest()) is not None else {}
    task = source.get("task", str)
    name = MapKey(UNKNOWN if task is None else task.value)
    group = kept.get("groups")
    results = target.child("groups" if _is_only_group(group) else "results").child(name)
    results.value.clear()
    if task is not None:
        task.implied_by(results)
    better = target.child("higher_is_better").child(name)
    _write_metrics(source, results, better, kept.get("results"))
    _write_settings(source, target, name)
    _write_version(source, target.child("versions"), name, kept.get("versions"))
    for key in ("n-samples", "higher_is_better", "task_hashes"):
        _restore(target.child(key), name, kept.get(key))
    results.restore(kept.get("results"))
    _write_group(source, target, name, group, is_own=rest is None)
    target.restore(kept.get(_RUN))


def _is_only_group(group: Source | None) -> bool:
    """Return whether the source had a group among the groups only, and not among the results."""
    return group is not None and isinstance(group.value, dict) and "only" in group.value


def _restore(target: Target, name: str, found: Source | None) -> None:
    """Put back what an import kept of the entry of a task."""
    if found is None:
        return
    if not isinstance(found.value, dict):
        target.put(name, found.value, found)
        return
    entry = target.child(name)
    if found.value:
        entry.restore(found)
    else:
        found.use(Outcome.RENAMED, entry.path)
    # The object is made even if there is nothing to put back.
    entry.value.update({})


def _write_metrics(source: Source, results: Target, better: Target, kept: Source | None) -> None:
    for metric in source.items("metrics"):
        name, filter_ = metric.get("name", str), metric.get("filter", str)
        key = ("" if name is None else name.value) + (f",{filter_.value}" if filter_ else "")
        for part in (name, filter_):
            if part is not None:
                part.implied_by((*results.path, key))
        value = metric.get("value", float)
        if value is None and kept is not None and kept.get(key) is not None:
            # What was kept takes this place, so that the order of the metrics is the same.
            results.value[key] = kept.value[key]
        elif value is None:
            results.default(key, _NOT_COMPUTED, "not computed")
        else:
            results.put(key, value.value, value)
        error = metric.get("stderr", float)
        if error is not None:
            results.put(_error_key(key), error.value, error)
        count = metric.get("sample_count", int)
        if count is not None:
            results.child("sample_count").put(key, count.value, count)
        direction = metric.get("higher_is_better", bool)
        if direction is None or name is None:
            continue
        if not better.has(name.value) or better.value[name.value] is direction.value:
            better.put(name.value, direction.value, direction)


def _write_settings(source: Source, target: Target, name: str) -> None:
    write_rules(source, target, _DATE)
    write_rules(source, target.child("n-shot"), (Rule(name, "num_shots"),))
    write_rules(source, target.child("n-samples").child(name), _SAMPLES)
    model, version = source.get("model_ref", dict), source.get("model_version_id", str)
    if model is not None:
        write_rules(model, target, _MODEL)
        write_rules(model, target.child("config"), _REVISION)
    if version is not None:
        target.put("model_name", version.value, version)
    settings = target.child("configs").child(name)
    dataset = source.get("dataset_ref", dict)
    if dataset is not None:
        write_rules(dataset, settings, _DATASET)
    _restore(target.child("configs"), name, source.get("config", dict))


def _write_version(source: Source, target: Target, name: str, kept: Source | None) -> None:
    version = source.get("task_version", str)
    if version is not None:
        target.put(name, version.value, version)
        if kept is not None and _reads_as(kept.value, version.value):
            target.put(name, kept.value, kept)
    elif kept is not None:
        target.put(name, kept.value, kept)


def _reads_as(value: object, version: str) -> bool:
    try:
        return bool(_VERSION.read(value) == version)
    except NoConversionError:
        return False


def _write_group(
    source: Source, target: Target, name: str, group: Source | None, *, is_own: bool
) -> None:
    """Write the tasks of a group, and its metrics among those of the groups too."""
    metadata = source.get("metadata", dict)
    tasks = metadata.get("group", list) if metadata is not None else None
    if tasks is not None:
        target.child("group_subtasks").put(name, tasks.value, tasks)
    if group is None:
        if tasks is not None and is_own:
            target.child("groups").value[name] = None
        return
    other = dict(group.fields()).get("other")
    if other is not None:
        _restore(target.child("groups"), name, other)
        return
    group.use(Outcome.RENAMED, ("groups", name))
    if not _is_only_group(group):
        target.child("groups").value[name] = None


def _with_groups(obj: dict[str, Any]) -> dict[str, Any]:
    """Copy the metrics of groups from the results, which is where a group is written whole."""
    found = obj.get("groups")
    groups: dict[str, Any] = found if isinstance(found, dict) else {}
    for name, value in groups.items():
        if value is None:
            groups[name] = copy.deepcopy(obj["results"][name])
    return obj


def _join(objects: list[Any]) -> Any:
    """Make one file of the results of one run; a list of files if a task is there twice."""
    files: list[dict[str, Any]] = []
    for each in objects:
        tasks = _tasks(each)
        file = next((file for file in files if _is_same_run(file, each, tasks)), None)
        if file is None:
            files.append(copy.deepcopy(each))
        else:
            _merge(file, each)
    return files[0] if len(files) == 1 else files


def _tasks(file: dict[str, Any]) -> list[str]:
    """Return the tasks and groups of a file; an import can have kept odd values of these keys."""
    found = [file.get(key) for key in ("results", "groups")]
    return [name for each in found if isinstance(each, dict) for name in each]


def _is_same_run(file: dict[str, Any], more: dict[str, Any], tasks: list[str]) -> bool:
    known = set(_tasks(file))
    first, second = file.get("model_name"), more.get("model_name")
    is_same_model = first is None or second is None or same(first, second)
    return is_same_model and known.isdisjoint(tasks)


def _merge(into: dict[str, Any], more: dict[str, Any]) -> None:
    for key, value in more.items():
        current = into.setdefault(key, copy.deepcopy(value))
        if isinstance(current, dict) and isinstance(value, dict):
            _merge(current, value)


def _read(source: str, since: datetime | None = None) -> Iterator[Record]:
    """Yield the results files of a file or a folder; samples are not results."""
    path = Path(source)
    if source != "-" and not path.is_dir() and path.name.startswith("samples_"):
        reason = "samples of a task, not results: results are in results_*.json"
        yield Record(None, source, None, DecodeError(reason))
        return
    yield from read_records(source, since=since, extensions=(".json",))


FORMAT = Format(
    NAME,
    "lm-evaluation-harness",
    "Results files of all versions: an evaluation for each task and each group.",
    _import,
    {"EvaluationResult": _export},
    read=_read,
    encode=_with_groups,
    join=_join,
)
import_ = FORMAT.import_
export = FORMAT.export
