"""Evaluation results in files of their own: of the Trainer, and of the Hub."""

from __future__ import annotations

from typing import Final

from crucible_ir.interchange.huggingface.cards import export_result as export_to_card
from crucible_ir.interchange.huggingface.repository import (
    Repository,
    folder,
    is_entries,
    is_results,
    required_name,
)
from crucible_ir.interchange.mapping.conversion import UNKNOWN
from crucible_ir.interchange.mapping.converters import (
    NUMBER,
    TIME_TEXT,
    NoConversionError,
    Rule,
    double,
    is_id,
    read_rules,
    write_rules,
)
from crucible_ir.interchange.mapping.exporting import Export
from crucible_ir.interchange.mapping.source import RecordError, Source
from crucible_ir.interchange.mapping.target import Target

#: The prefix of a Trainer's metrics of an evaluation.
_PREFIX: Final = "eval_"

#: What stands beside the metrics of a Trainer: how long the evaluation took.
_SPEED: Final = ("runtime", "samples", "samples_per_second", "steps_per_second")

_SAMPLES: Final = Rule("eval_samples", "sample_count", types=(int,))

_ENTRY_RULES: Final = (Rule("date", "completed_at", TIME_TEXT, (str,)),)
_DATASET_RULES: Final = (
    Rule("id", "name"),
    Rule("revision", "version", types=(str,)),
)
_VALUE: Final = Rule("value", "value", NUMBER, (int, float, str))


def import_evaluations(record: Repository) -> None:
    """Import the evaluation results that have files of their own."""
    for name, content in record.files.items():
        if is_results(name):
            _import_results(record, name, content)
        elif is_entries(name):
            _import_entries(record, name, content)


def is_metric(key: str, value: object) -> bool:
    """Return whether a value of a Trainer is a metric of an evaluation.

    >>> is_metric("eval_loss", 0.5), is_metric("eval_runtime", 3.1), is_metric("train_loss", 0.4)
    (True, False, False)
    """
    return (
        key.startswith(_PREFIX)
        and double(value) is not None
        and not key.endswith(tuple(f"_{word}" for word in _SPEED))
        and is_id(key.removeprefix(_PREFIX))
    )


def _import_results(record: Repository, name: str, content: Source) -> None:
    found = [each for key, each in content.fields() if is_metric(key, each.value)]
    if not found:
        return
    conversion = record.conversion
    result = conversion.document("EvaluationResult")
    conversion.derive_id(result, "id")
    record.keep_rest(result, name)
    result.default("task", UNKNOWN, "the file does not name the task")
    _import_subject(record, result)
    read_rules(conversion, content, result, (_SAMPLES,))
    for each in found:
        metric = result.append("metrics")
        metric.value["name"] = str(each.path[-1]).removeprefix(_PREFIX)
        metric.put("value", float(each.value), each)


def _import_subject(record: Repository, result: Target) -> None:
    if record.name is not None:
        about = result.child("model_ref")
        about.default("id", record.name.value, "the model of the folder")


def _import_entries(record: Repository, name: str, content: Source) -> None:
    if not record.is_folder:
        _import_entry(record, name, content)
        return
    for entry in content.members() if isinstance(content.value, list) else [content]:
        try:
            _import_entry(record, name, entry)
        except RecordError as error:
            record.conversion.report_error(entry, error.reason)


def _import_entry(record: Repository, name: str, entry: Source) -> None:
    dataset = entry.get("dataset", dict)
    if dataset is None:
        raise entry.fail('expected "dataset" in an evaluation result')
    required_name(dataset, "id")
    task = required_name(dataset, "task_id")
    try:
        NUMBER.read(entry.value.get("value"))
    except NoConversionError as error:
        raise entry.fail(f'"value" of an evaluation result: {error.reason}') from None
    conversion = record.conversion
    result = conversion.document("EvaluationResult")
    conversion.derive_id(result, "id")
    record.keep_result(result, name, entry)
    result.put("task", task.value, task)
    _import_subject(record, result)
    data = result.child("dataset_ref")
    data.keep_rest(dataset)
    read_rules(conversion, dataset, data, _DATASET_RULES)
    read_rules(conversion, entry, result, _ENTRY_RULES)
    metric = result.append("metrics")
    metric.default("name", UNKNOWN, "the dataset defines the metric")
    read_rules(conversion, entry, metric, (_VALUE,))


def export_evaluation(conversion: Export) -> None:
    """Export an evaluation to the file that it came from, or else as a card."""
    if conversion.is_stand_in(("metrics", 0, "name")):
        export_entry(conversion)
    elif conversion.is_stand_in(("task",)):
        _export_results(conversion)
    else:
        export_to_card(conversion)


def _export_results(conversion: Export) -> None:
    source, place = conversion.source, folder(conversion)
    name = next((each for each in place.names or () if is_results(each)), "")
    target = place.file(name)
    write_rules(source, target, (_SAMPLES,))
    for each in source.items("metrics"):
        key, value = each.get("name", str), each.get("value", float)
        if key is not None and value is not None:
            full = f"{_PREFIX}{key.value}"
            target.put(full, value.value, value)
            key.implied_by((*target.path, full))
    place.restore()


def export_entry(conversion: Export) -> None:
    """Export an evaluation as an entry of the Hub's ``.eval_results``."""
    source, place = conversion.source, folder(conversion)
    entry = place.entry()
    data, dataset = source.get("dataset_ref", dict), entry.child("dataset")
    if data is not None:
        write_rules(data, dataset, _DATASET_RULES)
    if not dataset.has("id"):
        dataset.default("id", source.value.get("task", UNKNOWN), "the Hub requires a dataset")
    write_rules(source, dataset, (Rule("task_id", "task"),))
    if data is not None:
        dataset.restore(data.rest())
    for each in source.items("metrics")[:1]:
        write_rules(each, entry, (_VALUE,))
    write_rules(source, entry, _ENTRY_RULES)
    place.restore_result(entry)
