"""Inputs of runs: the dataset that a run was trained on."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from crucible_ir.interchange.mapping.conversion import UNKNOWN
from crucible_ir.interchange.mapping.converters import (
    DIGEST,
    Converter,
    NoConversionError,
    Rule,
    names,
    read_rules,
    write_rules,
)
from crucible_ir.interchange.mapping.importing import Import
from crucible_ir.interchange.mapping.report import Outcome
from crucible_ir.interchange.mapping.source import Source
from crucible_ir.interchange.mapping.target import Target
from crucible_ir.interchange.mapping.values import same
from crucible_ir.interchange.mlflow.pairs import (
    NAME,
    PairReader,
    PairWriter,
    kept_in,
    native,
    pairs_of,
    read_json,
    reason_against,
    reserve,
    restore,
)

#: The tag of an input that says what the run used the dataset for.
_CONTEXT: Final = "mlflow.data.context"

_SPLIT: Final = names({"training": "train"}, "names of splits differ", others="keep")

#: The keys of a source, as MLflow writes them, and the fields that they become.
_SOURCE_KEYS: Final = {"uri": "uri", "url": "uri", "config_name": "subset"}


def _read_digest(value: Any) -> str:
    if value == UNKNOWN:
        raise NoConversionError("")
    try:
        return str(DIGEST.read(value))
    except NoConversionError:
        if re.fullmatch(r"[a-zA-Z0-9=_-]+", str(value)):
            return f"{NAME}:{value}"
        raise


def _write_digest(digest: str) -> str:
    return digest.removeprefix(f"{NAME}:")


_PROVIDER: Final = names(
    {"hugging_face": "huggingface"}, "names of providers differ", others="keep"
)


def _read_provider(value: Any) -> Any:
    if value == UNKNOWN:
        raise NoConversionError("")
    return _PROVIDER.read(value)


def _read_schema(value: Any) -> dict[str, Any]:
    found = read_json(value)
    if not isinstance(found, dict):
        raise NoConversionError("not the JSON text of an object")
    reason = reason_against("DatasetRef", "schema", found)
    if reason:
        raise NoConversionError(reason)
    return found


_RULES: Final = (
    Rule("name", types=(str,)),
    Rule("digest", "digest", Converter(_read_digest, _write_digest, DIGEST.reason), (str,)),
    Rule(
        "source_type",
        "provider",
        Converter(_read_provider, _PROVIDER.write, _PROVIDER.reason),
        (str,),
    ),
    Rule("schema", "schema", Converter(_read_schema, json.dumps, "the JSON text of it"), (str,)),
)


def read_dataset(conversion: Import, run: Source, document: Target) -> None:
    """Import the dataset of a run: the input that it was trained on, or else the first one."""
    inputs = run.get("inputs", dict)
    found = [
        item
        for item in (inputs.items("dataset_inputs") if inputs is not None else ())
        if _name_of(item)
    ]
    item = next((each for each in found if _is_training(each)), found[0] if found else None)
    dataset = item.get("dataset", dict) if item is not None else None
    if item is None or dataset is None:
        return
    place = item.path[-1]
    if place:
        kept_in(document).child("order").value["dataset"] = place
    target = document.child("config").child("dataset_ref")
    dataset.drop_secrets()
    reserve(dataset, "tags")
    target.keep_rest(dataset)
    reader = PairReader(item.get("tags", list), target, "tags")
    reader.read_options(target)
    reader.read_fields(target, without=("name",))
    read_rules(conversion, dataset, target, _RULES)
    for pair in reader.waiting():
        if pair.name == _CONTEXT and pair.value.value and not target.has("split"):
            split = _SPLIT.read(pair.value.value)
            if reason_against("DatasetRef", "split", split):
                continue
            target.put("split", split, pair.value, reason=_SPLIT.reason)
            if _SPLIT.write(split) == pair.value.value:
                reader.use(pair)
            else:
                reader.keep(pair)
    reader.finish()
    _read_source(conversion, dataset, target)


def _name_of(item: Source) -> str:
    dataset = item.get("dataset", dict)
    name = dataset.text("name") if dataset is not None else None
    return "" if name is None or reason_against("DatasetRef", "name", name) else name


def _is_training(item: Source) -> bool:
    return any(
        pair.name == _CONTEXT and pair.value.value in ("training", "train")
        for pair in pairs_of(item.get("tags", list))
    )


def _read_source(conversion: Import, dataset: Source, target: Target) -> None:
    """Import what the source of a dataset says in fields; the whole text is kept as well."""
    found = dataset.get("source", str)
    values = _source_fields(found.value) if found is not None else {}
    for field, value in values.items():
        if found is not None and not target.has(field):
            target.put(field, value, found, reason="in the JSON text of the source")
            conversion.keep_original(found, "the JSON text has more")


def _source_fields(text: str) -> dict[str, str]:
    """Return the fields of a dataset that the text of a source says."""
    value = read_json(text)
    fields: dict[str, str] = {}
    for key, field in _SOURCE_KEYS.items():
        found = value.get(key) if isinstance(value, dict) else None
        if isinstance(found, str) and found and not reason_against("DatasetRef", field, found):
            fields.setdefault(field, found)
    return fields


def write_dataset(config: Source, rest: Source | None, run: Target, done: set[str]) -> None:
    """Export the dataset of a configuration as an input of its run."""
    dataset = config.get("dataset_ref", dict)
    if dataset is None or "dataset_ref" in done:
        return
    done.add("dataset_ref")
    inputs = rest.get("inputs", dict) if rest is not None else None
    order = rest.get("order", dict) if rest is not None else None
    index = order.get("dataset", int, float) if order is not None else None
    if index is not None:
        index.use(Outcome.CONVERTED, reason="the place of the dataset in the list")
    place = int(index.value) if index is not None else 0
    kept = inputs.get("dataset_inputs", dict) if inputs is not None else None
    places = [int(key) for key in (kept.value if kept is not None else ()) if key.isdecimal()]
    # What the import kept of the others is put back into empty objects.
    items = [
        run.child("inputs").append("dataset_inputs") for _ in range(max(place, *places, 0) + 1)
    ]
    _write_dataset(dataset, items[place])


def _write_dataset(dataset: Source, item: Target) -> None:
    rest = dataset.rest()
    target = item.child("dataset")
    writer = PairWriter(rest, "tags")
    writer.put_fields(dataset)
    write_rules(dataset, target, native(_RULES, writer))
    done = {rule.field for rule in _RULES}
    split = dataset.get("split", str)
    if split is not None and not writer.has("crucible_ir.split"):
        original = writer.kept.get(_CONTEXT)
        text = _SPLIT.write(split.value)
        if original is not None and _SPLIT.read(original.value) == split.value:
            text = original.value
        writer.put(_CONTEXT, text, split, reason=_SPLIT.reason)
        done.add("split")
    done |= _write_source(dataset, rest, target)
    writer.put_options(dataset, "options")
    left = [field for field in dataset.value if field not in {*done, "options"}]
    writer.put_fields(dataset, [field for field in left if not writer.has(f"crucible_ir.{field}")])
    writer.write(item)
    restore(target, rest)


def _write_source(dataset: Source, rest: Source | None, target: Target) -> set[str]:
    """Write the source; return the fields that it says."""
    fields = {field: dataset.get(field, str) for field in _SOURCE_KEYS.values()}
    wanted = {field: found.value for field, found in fields.items() if found is not None}
    original = rest.get("source", str) if rest is not None else None
    if original is not None and same(_source_fields(original.value), wanted):
        text = original.value
        original.use(Outcome.OPAQUE, (*target.path, "source"))
    elif original is None and wanted:
        ours = {field: key for key, field in reversed(_SOURCE_KEYS.items())}
        text = json.dumps({ours[field]: value for field, value in wanted.items()})
    else:
        return set()
    for found in fields.values():
        if found is not None:
            target.put("source", text, found, reason="in the JSON text of the source")
    target.value["source"] = text
    return set(wanted)
