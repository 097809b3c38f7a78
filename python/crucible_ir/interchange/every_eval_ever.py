"""Every Eval Ever: files of evaluation results in the schema of EvalEval, versions 0.2 and 0.3.

A record is a file with the results of one model. Each of its ``evaluation_results`` becomes an
EvaluationResult; those that follow each other and differ in their metric only become one with
several metrics. What is about the whole file, such as its source, is in the metadata of each.

Several documents of one file are exported as one file again. Of a document of your own the export
lacks what the schema demands and the document does not have: the range of the scores. Files of
single samples (``*_samples.jsonl``) are not results.
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
    TIME_TEXT,
    UNIX_SECONDS,
    Converter,
    NoConversionError,
    Rule,
    is_id,
    read_rules,
    write_rules,
)
from crucible_ir.interchange.mapping.exporting import Export
from crucible_ir.interchange.mapping.format import Format
from crucible_ir.interchange.mapping.importing import Import
from crucible_ir.interchange.mapping.reading import Record, read_records
from crucible_ir.interchange.mapping.report import Outcome
from crucible_ir.interchange.mapping.source import RecordError, Source
from crucible_ir.interchange.mapping.target import Target
from crucible_ir.interchange.mapping.values import same

NAME: Final = "every-eval-ever"

_RESULTS: Final = "evaluation_results"

#: What differs between the metrics of one evaluation.
_OF_METRIC: Final = ("evaluation_result_id", "metric_config", "score_details")

#: The name of a metric that has none: the key of its value.
_SCORE: Final = "score"

#: The keys of the opaque map: for the file, for each metric, and for metrics without an id.
_FILE: Final = "file"
_KEPT: Final = "results"
_BY_NAME: Final = "named"

#: The version of the schema that is written.
_SCHEMA: Final = "0.3.0"


def _read_time(value: Any) -> str:
    try:
        return str(UNIX_SECONDS.read(value))
    except NoConversionError:
        return str(TIME_TEXT.read(value))


def _write_time(text: str) -> str:
    return str(UNIX_SECONDS.write(text))


def _opposite(value: Any) -> bool:
    return not value


_TIME: Final = Converter(_read_time, _write_time, "text with the seconds since 1970")
_DIRECTION: Final = Converter(_opposite, _opposite, "the opposite")

_MODEL: Final = (Rule("id", types=(str,)), Rule("name", types=(str,)))
_STARTED: Final = (Rule("evaluation_timestamp", "started_at", _TIME, (str,)),)
_REPOSITORY: Final = (
    Rule("hf_repo", "name", types=(str,)),
    Rule("hf_split", "split", types=(str,)),
)
_DATASET: Final = (Rule("dataset_name", "name", types=(str,)),)
_SAMPLES: Final = (Rule("samples_number", "sample_count", types=(int,)),)
_METRIC: Final = (Rule("lower_is_better", "higher_is_better", _DIRECTION, (bool,)),)
_VALUE: Final = (Rule(_SCORE, "value", NUMBER, (int, float)),)
_ERROR: Final = (Rule("value", "stderr", NUMBER, (int, float)),)
_COUNT: Final = (Rule("num_samples", "sample_count", types=(int,)),)


def _import(conversion: Import) -> None:
    source = conversion.source
    items = source.get(_RESULTS, list)
    if items is None:
        if "sample_id" in source.value:
            raise source.fail("a sample of an evaluation, not a file of results")
        raise source.fail(f'expected the list "{_RESULTS}"')
    source.drop_secrets()
    groups: list[list[Source]] = []
    for item in items.members():
        try:
            _check(item)
        except RecordError as error:
            conversion.report_error(item, error.reason)
            continue
        if groups and _is_same_evaluation(groups[-1][0].value, item.value):
            groups[-1].append(item)
        else:
            groups.append([item])
    shared: dict[str, Any] = {}
    taken: set[str] = set()
    for group in groups:
        _import_evaluation(conversion, group, shared, taken)
    if not groups and not conversion.problems:
        raise source.fail("no evaluation in the file")


def _check(item: Source) -> None:
    """Check what an evaluation needs.

    Raises:
        RecordError: It is missing.
    """
    name, details = item.get("evaluation_name", str), item.get("score_details", dict)
    if name is None or not is_id(name.value):
        raise item.fail('expected a text of 1 to 512 bytes as "evaluation_name"')
    if details is None or details.get(_SCORE, int, float) is None:
        raise item.fail('expected a number as "score" in "score_details"')


def _is_same_evaluation(first: dict[str, Any], second: dict[str, Any]) -> bool:
    """Return whether two results differ in their metric only."""
    shared = [
        {key: value for key, value in each.items() if key not in _OF_METRIC}
        for each in (first, second)
    ]
    return same(*shared)


def _import_evaluation(
    conversion: Import, items: list[Source], shared: dict[str, Any], taken: set[str]
) -> None:
    source, first = conversion.source, items[0]
    result = conversion.document("EvaluationResult")
    _put_id(conversion, result, first, taken)
    for index, item in enumerate(items):
        result.keep_rest(item, _KEPT, str(index))
    read_rules(conversion, first, result, (Rule("evaluation_name", "task"),))
    read_rules(conversion, source, result, _STARTED)
    model = source.get("model_info", dict)
    if model is not None and is_id(model.value.get("id")):
        read_rules(conversion, model, result.child("model_ref"), _MODEL)
    data = first.get("source_data", dict)
    if data is not None:
        _import_dataset(conversion, data, result)
    config = first.get("generation_config", dict)
    if config is not None and config.value:
        result.put_opaque("config", config)
    for index, item in enumerate(items):
        _import_metric(conversion, item, result, index)
        for key, value in item.fields() if index else ():
            if key not in _OF_METRIC:
                value.use(Outcome.RENAMED, result.path)
    _keep_shared(conversion, result, shared)


def _put_id(conversion: Import, result: Target, item: Source, taken: set[str]) -> None:
    """Name an evaluation after the file and itself."""
    file = conversion.source.text("evaluation_id")
    name = item.text("evaluation_result_id") or item.value["evaluation_name"]
    found = f"{file}#{name}"
    if file and is_id(found) and found not in taken:
        taken.add(found)
        result.default("id", found, "the id of the file and the name of the evaluation")
    else:
        conversion.derive_id(result, "id")


def _import_dataset(conversion: Import, data: Source, result: Target) -> None:
    dataset = result.child("dataset_ref")
    if is_id(data.value.get("hf_repo")):
        read_rules(conversion, data, dataset, _REPOSITORY)
        dataset.default("provider", "huggingface", "the source is a repository of Hugging Face")
    elif is_id(data.value.get("dataset_name")):
        read_rules(conversion, data, dataset, _DATASET)
    else:
        return
    dataset.keep_rest(data)
    read_rules(conversion, data, result, _SAMPLES)


def _import_metric(conversion: Import, item: Source, result: Target, index: int) -> None:
    metric = result.append("metrics")
    config = item.get("metric_config", dict)
    for key in ("metric_id", "metric_name") if config is not None else ():
        found = config.get(key, str) if config is not None else None
        if found is not None and is_id(found.value):
            metric.put("name", found.value, found)
            if key == "metric_name":
                result.mark(_BY_NAME, str(index))
            break
    else:
        metric.default("name", _SCORE, "the metric has no name")
    if config is not None:
        read_rules(conversion, config, metric, _METRIC)
    details = item.get("score_details", dict)
    assert details is not None
    read_rules(conversion, details, metric, _VALUE)
    uncertainty = details.get("uncertainty", dict)
    if uncertainty is not None:
        read_rules(conversion, uncertainty, metric, _COUNT)
        error = uncertainty.get("standard_error", dict)
        if error is not None:
            read_rules(conversion, error, metric, _ERROR)


def _keep_shared(conversion: Import, result: Target, shared: dict[str, Any]) -> None:
    """Keep what is about the file in every result."""
    source, path = conversion.source, (*result.path, "metadata", NAME, _FILE)
    if not shared:
        for key, value in source.fields():
            if key != _RESULTS and not (key == "evaluation_timestamp" and result.has("started_at")):
                shared[key] = conversion.opaque_rest(value, (*path, key))
    result.mark(_FILE)
    result.value["metadata"][NAME][_FILE].update(copy.deepcopy(shared))
    result.keep_rest(source, _FILE)


def _export(conversion: Export) -> None:
    source, target = conversion.source, conversion.target
    rest = source.rest()
    named = rest.get(_BY_NAME, dict) if rest is not None else None
    if named is not None:
        named.use(Outcome.RENAMED, (_RESULTS,))
    kept = rest.get(_KEPT, dict) if rest is not None else None
    for index, metric in enumerate(source.items("metrics")):
        found = kept.get(str(index), dict) if kept is not None else None
        if metric.get("value") is None and _score_in(found) is None:
            metric.drop("a result needs a score")
            continue
        item = target.append(_RESULTS)
        if len(target.value[_RESULTS]) == 1:
            _write_evaluation(source, item, is_own=rest is None)
        by_name = named is not None and str(index) in named.value
        _write_metric(metric, item, "metric_name" if by_name else "metric_id")
        if found is not None and not found.value:
            found.use(Outcome.RENAMED, item.path)
        item.restore(found)
    if not target.has(_RESULTS):
        raise source.fail("expected a metric with a value")
    write_rules(source, target, _STARTED)
    model, version = source.get("model_ref", dict), source.get("model_version_id", str)
    if model is not None:
        write_rules(model, target.child("model_info"), _MODEL)
    if version is not None:
        target.child("model_info").put("id", version.value, version)
    if rest is None:
        _fill_in(source, target)
    else:
        target.restore(rest.get(_FILE, dict))


def _write_evaluation(source: Source, item: Target, *, is_own: bool) -> None:
    """Write what all metrics of an evaluation share.

    Args:
        source: The document.
        item: The evaluation.
        is_own: Whether the document was not imported.
    """
    write_rules(source, item, (Rule("evaluation_name", "task"),))
    dataset, data = source.get("dataset_ref", dict), item.child("source_data")
    if dataset is not None:
        rest = dataset.rest()
        provider = dataset.value.get("provider")
        write_rules(dataset, data, _REPOSITORY if provider == "huggingface" else _DATASET)
        stated = dataset.get("provider")
        if stated is not None and data.has("hf_repo"):
            stated.implied_by(data)
        if is_own:
            kind = "hf_dataset" if provider == "huggingface" else "other"
            data.default("source_type", kind, "the schema requires a kind of source")
            if not data.has("dataset_name"):
                data.default(
                    "dataset_name", data.value.get("hf_repo"), "the schema requires a name"
                )
        else:
            data.restore(rest)
    write_rules(source, data, _SAMPLES)
    config = source.get("config", dict)
    if config is not None:
        item.put("generation_config", config.value, config)


def _score_in(kept: Source | None) -> Source | None:
    details = kept.get("score_details", dict) if kept is not None else None
    return details.get(_SCORE, int, float) if details is not None else None


def _write_metric(metric: Source, item: Target, key: str) -> None:
    config, details = item.child("metric_config"), item.child("score_details")
    write_rules(metric, config, (Rule(key, "name"),))
    write_rules(metric, config, _METRIC)
    write_rules(metric, details, _VALUE)
    uncertainty = details.child("uncertainty")
    write_rules(metric, uncertainty, _COUNT)
    write_rules(metric, uncertainty.child("standard_error"), _ERROR)


def _fill_in(source: Source, target: Target) -> None:
    """Fill in what the schema requires of the file of a document of one's own."""
    reason = "the schema requires it"
    name = source.get("id", str)
    target.default("schema_version", _SCHEMA, reason)
    if name is not None:
        target.put("evaluation_id", name.value, name)
    ended = source.get("completed_at", str)
    if ended is not None:
        target.put("retrieved_timestamp", _write_time(ended.value), ended, reason=_TIME.reason)
    about = {
        "source_type": "evaluation_run",
        "source_organization_name": UNKNOWN,
        "evaluator_relationship": "other",
    }
    target.default("source_metadata", about, reason)
    target.default("eval_library", {"name": UNKNOWN, "version": UNKNOWN}, reason)
    model = target.child("model_info")
    if not model.has("id"):
        model.default("id", UNKNOWN, reason)
    if not model.has("name"):
        model.default("name", model.value["id"], reason)


def _with_shared(obj: dict[str, Any]) -> dict[str, Any]:
    """Write what the metrics of an evaluation share with each of them."""
    first, *others = obj[_RESULTS]
    shared = {key: value for key, value in first.items() if key not in _OF_METRIC}
    return {**obj, _RESULTS: [first, *({**copy.deepcopy(shared), **each} for each in others)]}


def _join(objects: list[Any]) -> Any:
    """Make one file of the evaluations of one file; a list of files if they are of several."""
    files: list[dict[str, Any]] = []
    for each in objects:
        key = each.get("evaluation_id")
        file = next((file for file in files if same(file.get("evaluation_id"), key)), None)
        if file is None:
            files.append(copy.deepcopy(each))
        else:
            file[_RESULTS] += copy.deepcopy(each[_RESULTS])
    return files[0] if len(files) == 1 else files


def _read(source: str, since: datetime | None = None) -> Iterator[Record]:
    """Yield the files of results of a file or a folder; samples are not results."""
    path = Path(source)
    if source != "-" and not path.is_dir() and path.name.endswith("_samples.jsonl"):
        error = DecodeError("samples of an evaluation, not a file of results")
        yield Record(None, source, None, error)
        return
    yield from read_records(source, since=since, extensions=(".json",))


FORMAT = Format(
    NAME,
    "Every Eval Ever",
    "Files of evaluation results in the schema of EvalEval, 0.2 and 0.3.",
    _import,
    {"EvaluationResult": _export},
    read=_read,
    encode=_with_shared,
    join=_join,
)
import_ = FORMAT.import_
export = FORMAT.export
