"""Model cards and ``config.json``: models, and the evaluations of a model index."""

from __future__ import annotations

from typing import Any, Final

from crucible_ir.interchange.huggingface.repository import (
    CARD,
    CONFIG,
    Repository,
    file_of,
    folder,
    required_name,
)
from crucible_ir.interchange.mapping.conversion import UNKNOWN
from crucible_ir.interchange.mapping.converters import (
    NUMBER,
    VERSION,
    Converter,
    NoConversionError,
    Rule,
    is_id,
    names,
    read_rules,
    write_rules,
)
from crucible_ir.interchange.mapping.exporting import Export
from crucible_ir.interchange.mapping.report import Outcome
from crucible_ir.interchange.mapping.source import RecordError, Source
from crucible_ir.interchange.mapping.target import Target

_TASKS: Final = names(
    {
        "text-classification": "text_classification",
        "text-generation": "text_generation",
        "feature-extraction": "embedding",
        "sentence-similarity": "embedding",
        "question-answering": "qa",
        "summarization": "summarization",
    },
    "names of tasks differ",
    others="keep",
)

_RELATIONS: Final = names(
    {"finetune": "fine_tuned", "quantized": "quantized", "merge": "merged"},
    "names of relations differ",
    others="keep",
)


def _one_name(value: list[Any]) -> str:
    if len(value) == 1 and isinstance(value[0], str) and value[0]:
        return value[0]
    raise NoConversionError("a model has one architecture here")


_CARD_RULES: Final = (
    Rule("pipeline_tag", "task", _TASKS, (str,)),
    Rule("library_name", "framework", types=(str,)),
    Rule("tags", types=(list,)),
)
_ARCHITECTURE: Final = Converter(_one_name, lambda name: [name], "a list of one name")
_CONFIG_RULES: Final = (Rule("architectures", "architecture", _ARCHITECTURE, (list,)),)
_RELATION_RULES: Final = (Rule("base_model_relation", "relation", _RELATIONS, (str,)),)
_DATASET_RULES: Final = (
    Rule("type", "name"),
    Rule("config", "subset", types=(str,)),
    Rule("split", types=(str,)),
    Rule("revision", "version", types=(str,)),
)
_ARGUMENT_RULES: Final = (Rule("num_few_shot", "num_shots", types=(int,)),)
_METRIC_RULES: Final = (Rule("type", "name"), Rule("value", "value", NUMBER, (int, float, str)))


def import_model(record: Repository) -> None:
    """Import the model of a card and of ``config.json``, and the evaluations of the card."""
    card, config = record.file(CARD), record.file(CONFIG)
    if card is None and config is None:
        return
    if not record.is_folder and card is not None and card.value in ({"text": ""}, {"data": {}}):
        raise card.fail("the card is empty")
    conversion = record.conversion
    record.model = model = conversion.document("ModelRef")
    record.keep_rest(model, *(name for name in (CARD, CONFIG) if record.file(name) is not None))
    if config is not None:
        read_rules(conversion, config, model, _CONFIG_RULES)
        found = config.get("architectures", list)
        if found is not None:
            # Export recognizes the file by it.
            conversion.keep_original(found, _ARCHITECTURE.reason)
    data = card.get("data", dict) if card is not None else None
    references: list[tuple[Target, str]] = []
    if data is not None:
        read_rules(conversion, data, model, _CARD_RULES)
        references = _import_index(record, data, model)
    if record.name is None and model.has("name"):
        for target in (model, *(target for target, _ in references)):
            target.default("id", model.value["name"], "the name in the model index")
    else:
        record.put_id(model, *references)
    _import_version(record, data)


def _import_version(record: Repository, data: Source | None) -> None:
    """Import the version of a model, if the revision of its repository is known."""
    conversion, model = record.conversion, record.model
    revision = conversion.source.get("revision", str) if record.is_folder else None
    if revision is None or record.name is None or model is None:
        return
    try:
        number = VERSION.read(revision.value)
    except NoConversionError:
        return
    model.default("provider", "huggingface", "a repository of the Hub has the revision")
    record.version = version = conversion.document("ModelVersion")
    name = f"{record.name.value}@{revision.value[:12]}"
    version.default("id", name, "the name and the revision of the repository")
    version.put("model_id", record.name.value, record.name)
    version.put("version", number, revision, reason=VERSION.reason)
    record.note(version, *([CARD] if data is not None else []))
    if data is not None:
        _import_sources(record, data, version)


def _import_sources(record: Repository, data: Source, version: Target) -> None:
    base = data.get("base_model", str, list)
    if base is None:
        return
    bases = base.value if isinstance(base.value, list) else [base.value]
    if not bases or not all(is_id(each) for each in bases):
        return
    for each in bases:
        source = version.append("sources")
        source.value["model_version_id"] = each
        read_rules(record.conversion, data, source, _RELATION_RULES)
    if isinstance(base.value, list):
        base.use(Outcome.CONVERTED, (*version.path, "sources"), reason="a list of names", to=bases)
        record.conversion.keep_original(base, "a list of names")
    else:
        base.use(Outcome.RENAMED, (*version.path, "sources", 0, "model_version_id"))


def _import_index(record: Repository, data: Source, model: Target) -> list[tuple[Target, str]]:
    """Import the evaluations of a card; what is not valid is left out, with an error.

    Returns:
        What refers to the model of the card.
    """
    conversion = record.conversion
    references: list[tuple[Target, str]] = []
    index = data.get("model-index")
    if index is None or index.value == []:
        return references
    entries = index.members()
    if not entries:
        conversion.report_error(index, "expected a list of models with results")
    for entry in entries:
        try:
            name = required_name(entry, "name")
            results = entry.get("results", list)
            if results is None:
                raise entry.fail('expected the list "results"')
        except RecordError as error:
            conversion.report_error(entry, error.reason)
            continue
        if len(entries) == 1:
            model.put("name", name.value, name)
            if not results.value:
                results.implied_by((*model.path, "name"))
        found = 0
        for result in results.members():
            try:
                subject = _import_result(record, name, result)
            except RecordError as error:
                conversion.report_error(result, error.reason)
                continue
            found += 1
            if len(entries) == 1:
                references.append((subject, "id"))
            else:
                subject.default("id", name.value, "the name in the model index")
        if len(entries) > 1:
            _drop_others(entry, found)
    return references


def _drop_others(entry: Source, found: int) -> None:
    """Drop what no result of a model has, in a model index of several models."""
    if not found:
        entry.drop("a model without results beside other models")
    for key, value in entry.fields():
        if key not in ("name", "results"):
            value.drop("no place for it in a model index of several models")


def _import_result(record: Repository, model: Source, source: Source) -> Target:
    """Import a result of a model index; return the reference to its model."""
    task, dataset, metrics = _checked(source)
    conversion = record.conversion
    result = conversion.document("EvaluationResult")
    conversion.derive_id(result, "id")
    record.keep_result(result, CARD, source)
    read_rules(conversion, task, result, (Rule("type", "task"),))
    subject = result.child("model_ref")
    subject.put("name", model.value, model)
    data = result.child("dataset_ref")
    data.keep_rest(dataset)
    read_rules(conversion, dataset, data, _DATASET_RULES)
    arguments = dataset.get("args", dict)
    if arguments is not None:
        read_rules(conversion, arguments, result, _ARGUMENT_RULES)
    for metric in metrics:
        read_rules(conversion, metric, result.append("metrics"), _METRIC_RULES)
    return subject


def _checked(source: Source) -> tuple[Source, Source, list[Source]]:
    """Return the task, the dataset and the metrics of a result, which must have what the Hub asks.

    Raises:
        RecordError: Something is missing.
    """
    task, dataset = source.get("task", dict), source.get("dataset", dict)
    metrics = source.get("metrics", list)
    if task is None or dataset is None or metrics is None:
        missing = "task" if task is None else "dataset" if dataset is None else "metrics"
        raise source.fail(f'expected "{missing}" in a result of a model index')
    required_name(task, "type")
    required_name(dataset, "type")
    required_name(dataset, "name")
    for metric in metrics.members():
        required_name(metric, "type")
        if "value" not in metric.value:
            raise metric.fail('expected "value" in a metric of a model index')
    return task, dataset, metrics.members()


def export_model(conversion: Export) -> None:
    """Export a model as a card, as ``config.json``, or as both if both were imported."""
    source, place = conversion.source, folder(conversion)
    is_config = place.has(CONFIG) or (
        place.names is None and place.rest is not None and file_of(place.rest.value) == CONFIG
    )
    if is_config:
        write_rules(source, place.file(CONFIG), _CONFIG_RULES)
    if place.has(CARD) or not is_config:
        card = place.file(CARD)
        data = card.child("data")
        if place.rest is None:
            data.value.clear()
        write_rules(source, data, _CARD_RULES)
        name = source.get("name", str)
        if name is not None:
            index = data.append("model-index")
            index.put("name", name.value, name)
            index.value["results"] = []
    place.restore()


def export_version(conversion: Export) -> None:
    """Export what a card says about a version: its description, labels and base models."""
    source, place = conversion.source, folder(conversion)
    if place.rest is not None and place.rest.get("revision", str) is not None:
        for key, to in (("model_id", "name"), ("version", "revision"), ("training_run_id", "name")):
            found = source.get(key, str)
            if found is not None:
                found.use(Outcome.RENAMED, (to,))
    data = place.file(CARD).child("data")
    if place.names is None:
        data.value.clear()
    write_rules(source, data, (Rule("tags"),))
    sources = source.items("sources")
    bases = [each.get("model_version_id", str) for each in sources]
    named = [each for each in bases if each is not None]
    if len(named) == 1:
        data.put("base_model", named[0].value, named[0])
    else:
        for each in named:
            data.append_value("base_model", each.value, each)
    for each in sources:
        kind = each.get("relation", str)
        name = _RELATIONS.write(kind.value) if kind is not None else None
        if kind is not None and data.value.get("base_model_relation", name) == name:
            data.put("base_model_relation", name, kind, reason=_RELATIONS.reason)
    description = source.get("description", str)
    if description is not None:
        place.file(CARD).put("text", description.value, description)
    place.restore()


def export_result(conversion: Export) -> None:
    """Export an evaluation as a card with a model index."""
    source, place = conversion.source, folder(conversion)
    kept = place.result()
    index = place.file(CARD).child("data").append("model-index")
    _write_model_name(source, index)
    result = index.append("results")
    write_rules(source, result.child("task"), (Rule("type", "task"),))
    data, dataset = source.get("dataset_ref", dict), result.child("dataset")
    if data is not None:
        write_rules(data, dataset, _DATASET_RULES)
    if not dataset.has("type"):
        dataset.default("type", source.value.get("task", UNKNOWN), "the Hub requires a dataset")
    rest = data.rest() if data is not None else None
    if rest is None or rest.get("name", str) is None:
        dataset.default("name", dataset.value["type"], "the Hub requires a name")
    write_rules(source, dataset.child("args"), _ARGUMENT_RULES)
    dataset.restore(rest)
    result.value["metrics"] = []
    metrics = kept.get("metrics", dict) if kept is not None else None
    for at, each in enumerate(source.items("metrics")):
        metric = result.append("metrics")
        original = metrics.get(str(at), dict) if metrics is not None else None
        write_rules(each, metric, _METRIC_RULES)
        if not metric.has("value") and (original is None or "value" not in original.value):
            metric.default("value", None, "the Hub requires a value")
    place.restore_result(result)


def _write_model_name(source: Source, index: Target) -> None:
    subject = source.get("model_ref", dict)
    about = source if subject is None else subject
    for key in ("name", "id") if subject is not None else ("model_version_id",):
        found = about.get(key, str)
        if found is not None:
            index.put("name", found.value, found)
            return
    index.default("name", UNKNOWN, "the Hub requires the name of the model")
