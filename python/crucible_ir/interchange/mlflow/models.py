"""Registered models, model versions, logged models, and MLmodel files."""

from __future__ import annotations

import re
from typing import Final

from crucible_ir.interchange.mapping.converters import (
    UNIX_MILLISECONDS,
    VERSION,
    Converter,
    NoConversionError,
    Rule,
    names,
    read_rules,
    write_rules,
)
from crucible_ir.interchange.mapping.exporting import Export
from crucible_ir.interchange.mapping.importing import Import
from crucible_ir.interchange.mapping.report import Outcome
from crucible_ir.interchange.mapping.source import Source
from crucible_ir.interchange.mapping.target import Target
from crucible_ir.interchange.mlflow.history import PointReader, json_number
from crucible_ir.interchange.mlflow.pairs import (
    OURS,
    PairReader,
    PairWriter,
    id_of_content,
    is_text,
    kept_in,
    native,
    ordered,
    reserve,
    restore,
)
from crucible_ir.paths import MapKey

_STAGE: Final = names(
    {"Staging": "staging", "Production": "production", "Archived": "archived"},
    "names of stages differ",
    others="keep",
)


def _read_stage(value: object) -> object:
    if value == "None":
        raise NoConversionError("")
    return _STAGE.read(value)


def _not_empty(value: object) -> object:
    if not value:
        raise NoConversionError("")
    return value


#: A text that is empty where there is none.
_TEXT: Final = Converter(_not_empty, lambda value: value, "")

_VERSION_RULES: Final = (
    Rule("name", "model_id", types=(str,)),
    Rule("version", "version", VERSION, (str, int)),
    Rule("current_stage", "stage", Converter(_read_stage, _STAGE.write, _STAGE.reason), (str,)),
    Rule("source", "artifact_uri", _TEXT, (str,)),
    Rule("run_id", "training_run_id", _TEXT, (str,)),
    Rule("description", "description", _TEXT, (str,)),
    Rule("user_id", "created_by", _TEXT, (str,)),
    Rule("creation_timestamp", "created_at", UNIX_MILLISECONDS, (int, str)),
)

_LOGGED_RULES: Final = (
    Rule("model_id", "id", types=(str,)),
    Rule("name", "name", _TEXT, (str,)),
    Rule("artifact_uri", "artifact_uri", _TEXT, (str,)),
)


def _read_loader(value: object) -> str:
    found = re.fullmatch(r"mlflow\.([a-z_]+)", str(value))
    if found is None:
        raise NoConversionError("")
    return found[1]


_MLMODEL_RULES: Final = (
    Rule("model_id", "id", _TEXT, (str,)),
    Rule("model_uuid", "id", _TEXT, (str,)),
)
_FLAVOR_RULES: Final = (
    Rule(
        "loader_module",
        "framework",
        Converter(_read_loader, lambda name: f"mlflow.{name}", "a module of MLflow loads it"),
        (str,),
    ),
)


def version_id(name: str, version: str) -> str:
    """Return the id of a model version.

    >>> version_id("spam-filter", "1")
    'spam-filter/1'
    """
    return f"{name}/{version}"


def read_registered_model(conversion: Import, source: Source) -> None:
    """Import a registered model, and the versions inside it."""
    model = conversion.document("ModelRef")
    reserve(source)
    model.keep_rest(source)
    tags = PairReader(source.get("tags", list), model, "tags")
    tags.read_options(model)
    tags.read_fields(model)
    name = source.get("name", str)
    if name is None or not name.value:
        raise source.fail('a registered model without "name"')
    if not model.has("id"):
        model.put("id", name.value, name)
    _read_aliases(source, name.value, model)
    tags.read_labels(model)
    tags.finish()
    for version in source.items("latest_versions"):
        if version.text("name") and version.get("version", str, int) is not None:
            read_version(conversion, version)


def _read_aliases(source: Source, name: str, model: Target) -> None:
    items = source.items("aliases")
    found = [(item.get("alias", str), item.get("version", str)) for item in items]
    aliases = [alias.value for alias, version in found if alias is not None and version is not None]
    usable = len(set(aliases)) == len(items) and all(len(item.value) == 2 for item in items)
    if not items or model.has("aliases") or not usable or not all(map(is_text, aliases)):
        return
    order = kept_in(model).child("order")
    for alias, version in found:
        assert alias is not None and version is not None
        target = model.child("aliases")
        key = MapKey(alias.value)
        reason = "a version's id is its model's name and its number"
        target.put(key, version_id(name, version.value), version, reason=reason)
        alias.use(Outcome.RENAMED, (*target.path, key))
    if aliases != sorted(aliases):
        order.value["aliases"] = aliases


def write_model(conversion: Export) -> None:
    """Export a model as the record that it was imported from, or as a registered model."""
    rest = conversion.source.rest()
    kind = rest.get("kind", str) if rest is not None else None
    if kind is not None:
        kind.use(Outcome.CONVERTED, reason="the kind of record")
    writers = {"logged_model": _write_logged_model, "MLmodel": _write_mlmodel}
    writer = writers.get(kind.value if kind is not None else "", _write_registered_model)
    writer(conversion, rest)


def _write_registered_model(conversion: Export, rest: Source | None) -> None:
    source = conversion.source
    target = conversion.target.child("registered_model")
    tags = PairWriter(rest, "tags")
    tags.put_fields(source)
    done = {"id", "tags", "options"}
    found = source.get("id", str)
    if found is not None and not tags.has(f"{OURS}id"):
        target.put("name", found.value, found)
    name = target.value.get("name")
    if not isinstance(name, str) and rest is not None:
        name = rest.text("name")
    if _write_aliases(source, rest, name, target, tags):
        done.add("aliases")
    _finish(source, rest, target, tags, done)


def _write_aliases(
    source: Source, rest: Source | None, name: object, target: Target, tags: PairWriter
) -> bool:
    """Write the aliases of a model; return whether all are those of its versions."""
    aliases = dict(source.entries("aliases"))
    begin = f"{name}/"
    kept = rest is not None and rest.get("aliases") is not None
    usable = all(str(alias.value).startswith(begin) for alias in aliases.values())
    if not aliases or kept or not usable or tags.has(f"{OURS}aliases"):
        return False
    for alias in ordered(rest, "aliases", aliases):
        item = target.append("aliases")
        item.value["alias"] = alias
        found = aliases[alias]
        item.put("version", str(found.value).removeprefix(begin), found, reason="its number")
    return True


def read_version(conversion: Import, source: Source) -> None:
    """Import a version of a registered model."""
    model = conversion.document("ModelVersion")
    reserve(source)
    model.keep_rest(source)
    tags = PairReader(source.get("tags", list), model, "tags")
    tags.read_options(model)
    tags.read_fields(model)
    name, version = source.get("name", str), source.get("version", str, int)
    if name is None or not name.value or version is None:
        raise source.fail('a model version without "name" or "version"')
    if not model.has("id"):
        model.value["id"] = version_id(name.value, str(version.value))
    read_rules(conversion, source, model, _VERSION_RULES)
    _read_metrics(source, model)
    tags.read_labels(model)
    tags.finish()


def _read_metrics(source: Source, model: Target) -> None:
    """Import the metrics of a version: one value each, else they stay as they are."""
    readers: list[tuple[Source, PointReader]] = []
    items = source.items("model_metrics")
    for item in items:
        reader = PointReader(item.text("key") or "")
        if item.text("key") is None or not is_text(reader.name) or not reader.read([item.value]):
            return
        readers.append((item, reader))
    keys = [reader.name for _, reader in readers]
    if not keys or model.has("metrics") or len(set(keys)) < len(keys):
        return
    if keys != sorted(keys):
        kept_in(model).child("order").value["metrics"] = keys
    metrics = model.child("metrics")
    for item, reader in readers:
        key, value = item.get("key"), item.get("value")
        assert key is not None and value is not None
        metrics.put(MapKey(reader.name), reader.points[0].value, value, reason="text of a number")
        key.use(Outcome.RENAMED, (*metrics.path, MapKey(reader.name)))


def write_version(conversion: Export) -> None:
    """Export a version of a model."""
    source = conversion.source
    rest = source.rest()
    target = conversion.target.child("model_version")
    tags = PairWriter(rest, "tags")
    tags.put_fields(source)
    done = {rule.field for rule in _VERSION_RULES} | {"id", "tags", "options"}
    write_rules(source, target, native(_VERSION_RULES, tags))
    named = _written_name(target, rest), _written_version(target, rest)
    found = source.get("id", str)
    if found is not None and not tags.has(f"{OURS}id"):
        if found.value == version_id(*named):
            found.implied_by((*target.path, "version"))
        else:
            tags.put_fields(source, ["id"])
    if _write_metrics(source, rest, target, tags):
        done.add("metrics")
    _finish(source, rest, target, tags, done)


def _written_name(target: Target, rest: Source | None) -> str:
    kept = rest.value.get("name") if rest is not None else None
    return str(target.value.get("name", kept))


def _written_version(target: Target, rest: Source | None) -> str:
    """Return the version that is written, or that of the import, if it is the same."""
    kept = rest.value.get("version") if rest is not None else None
    text = target.value.get("version")
    return str(text if kept is None or text not in (None, VERSION.read(kept)) else kept)


def _write_metrics(source: Source, rest: Source | None, target: Target, tags: PairWriter) -> bool:
    kept = rest.get("model_metrics", list) if rest is not None else None
    if kept is not None or tags.has(f"{OURS}metrics"):
        return False
    metrics = dict(source.entries("metrics"))
    for name in ordered(rest, "metrics", metrics):
        item = target.append("model_metrics")
        value = metrics[name]
        item.put("value", json_number(value.value), value, reason="JSON has no such number")
        item.value["key"] = name
    return True


def _finish(
    source: Source, rest: Source | None, target: Target, tags: PairWriter, done: set[str]
) -> None:
    """Write the labels and what MLflow has no place for as tags, and restore the rest."""
    tags.put_labels(source)
    tags.put_options(source, "options")
    left = [field for field in source.value if field not in done]
    tags.put_fields(source, [field for field in left if not tags.has(f"{OURS}{field}")])
    if rest is None or rest.get("tags", list) is None:
        tags.write(target)
    restore(target, rest)


def read_logged_model(conversion: Import, source: Source) -> None:
    """Import a logged model, which has no version, as a model."""
    info = source.get("info", dict)
    if info is None or not info.text("model_id"):
        raise source.fail('a logged model without "info.model_id"')
    model = conversion.document("ModelRef")
    reserve(source, "tags")
    model.keep_rest(source)
    kept_in(model).value["kind"] = "logged_model"
    tags = PairReader(info.get("tags", list), model, "tags")
    tags.read_options(model)
    tags.read_fields(model)
    read_rules(conversion, info, model, _LOGGED_RULES)
    tags.read_labels(model)
    tags.finish()


def _write_logged_model(conversion: Export, rest: Source | None) -> None:
    source = conversion.source
    kept = rest.get("info", dict) if rest is not None else None
    target = conversion.target.child("model")
    info = target.child("info")
    tags = PairWriter(rest, "tags")
    tags.put_fields(source)
    write_rules(source, info, native(_LOGGED_RULES, tags))
    done = {rule.field for rule in _LOGGED_RULES} | {"tags", "options"}
    tags.put_labels(source)
    tags.put_options(source, "options")
    left = [field for field in source.value if field not in done]
    tags.put_fields(source, [field for field in left if not tags.has(f"{OURS}{field}")])
    if kept is None or kept.get("tags", list) is None:
        tags.write(info)
    restore(target, rest)


def read_mlmodel(conversion: Import) -> None:
    """Import an MLmodel file, which names no version, as a model."""
    source = conversion.source
    model = conversion.document("ModelRef")
    reserve(source, "tags")
    model.keep_rest(source)
    kept_in(model).value["kind"] = "MLmodel"
    for rule in _MLMODEL_RULES:
        found = source.get(rule.theirs, str)
        if found is None or not found.value:
            continue
        if not model.has("id"):
            model.put("id", found.value, found)
        elif found.value == model.value["id"]:
            found.implied_by((*model.path, "id"))
    if not model.has("id"):
        reason = "the file has no id: one of its content"
        model.default("id", id_of_content(source.value), reason)
    place = source.get("artifact_path", str)
    if place is not None and ":/" in place.value:
        model.put("artifact_uri", place.value, place)
    flavor = _flavor(source)
    if flavor is not None:
        read_rules(conversion, flavor, model, _FLAVOR_RULES)


def _flavor(source: Source) -> Source | None:
    flavors = source.get("flavors", dict)
    return flavors.get("python_function", dict) if flavors is not None else None


def _write_mlmodel(conversion: Export, rest: Source | None) -> None:
    source, target = conversion.source, conversion.target
    assert rest is not None
    found = source.get("id", str)
    if found is not None:
        for rule in _MLMODEL_RULES:
            if rule.theirs not in rest.value:
                target.put(rule.theirs, found.value, found)
    place = source.get("artifact_uri", str)
    if place is not None:
        target.put("artifact_path", place.value, place)
    if source.get("framework") is not None:
        flavor = target.child("flavors").child("python_function")
        write_rules(source, flavor, _FLAVOR_RULES)
    restore(target, rest)
