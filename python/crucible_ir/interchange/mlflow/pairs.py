"""Lists of keys and values: the tags and params of MLflow's records.

Of a list such as ``[{"key": "team", "value": "vision"}]``, some values become fields, and tags of
users become labels such as ``team=vision``. The others are kept by key under ``options["mlflow"]``,
with the order of all keys. Fields without a counterpart are tags that begin with ``crucible_ir.``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from crucible_ir.interchange.mapping.conversion import DEFAULTED
from crucible_ir.interchange.mapping.converters import Rule
from crucible_ir.interchange.mapping.dialect import DIALECT, json_values
from crucible_ir.interchange.mapping.patterns import Path
from crucible_ir.interchange.mapping.report import Outcome
from crucible_ir.interchange.mapping.source import Source
from crucible_ir.interchange.mapping.target import Target, opaque_field
from crucible_ir.interchange.mapping.values import opaque_json, same
from crucible_ir.linting.lints.opaque import secrecy
from crucible_ir.paths import MapKey
from crucible_ir.schema.fields import fields_of
from crucible_ir.schema.types import descriptor_of, message_types
from crucible_ir.serialization.conversion_error import ConversionError
from crucible_ir.validation.check import violations

#: The name of the format.
NAME: Final = "mlflow"

#: What the keys of tags begin with that hold fields for which MLflow has no place.
OURS: Final = "crucible_ir."

#: What the keys of MLflow's own tags begin with.
SYSTEM: Final = "mlflow."

#: What stands for the secret in a param or tag.
SECRET: Final = "<secret>"

#: The characters at which MLflow's server cuts params.
CUT_AT: Final = 6_000

#: The most characters of a label.
MAX_LABEL = 256


class Pair(NamedTuple):
    """A key and its value in a list, and where they are in the source."""

    name: str
    key: Source
    value: Source


def pairs_of(found: Source | None) -> list[Pair]:
    """Return the pairs of a list; none if an item is more than a key and a text."""
    if found is None:
        return []
    pairs: list[Pair] = []
    for item in found.members():
        key, value = item.get("key", str), item.get("value", str)
        if key is None or value is None or len(item.value) > 2:
            return []
        if not is_text(key.value + value.value):
            return []
        pairs.append(Pair(key.value, key, value))
    return pairs if len({pair.name for pair in pairs}) == len(pairs) else []


def is_text(text: str) -> bool:
    """Return whether a text is Unicode text, without unpaired surrogates."""
    changes: list[tuple[Path, object, object, str]] = []
    opaque_json(text, changes)
    return not changes


def reserve(source: Source, *keys: str) -> None:
    """Leave keys out that the import needs for itself beside the rest of an object."""
    for key in (*keys, "order", "kind", DEFAULTED):
        found = source.member(key)
        if found is not None:
            found.drop(f'MLflow has no "{key}" here')
    tags = source.member("tags")
    if tags is not None and not isinstance(tags.value, list):
        tags.drop("not a list of tags")


def restore(target: Target, rest: Source | None) -> None:
    """Put back what an import kept of an object, but for its lists of pairs."""
    if rest is not None:
        lists = {key for key in ("tags", "params") if isinstance(rest.value.get(key), dict)}
        target.restore(rest, without={*lists, "order", "kind", DEFAULTED})


def kept_in(target: Target) -> Target:
    """Return the object of a message that takes the keys of MLflow."""
    return target.child(opaque_field(target.descriptor)).child(NAME)


def reason_against(type_name: str, field: str, value: object) -> str:
    """Return why a field cannot have a value as it is; empty if it can.

    >>> reason_against("TrainingConfig", "epochs", 0)
    'must be greater than 0, or unset (the trainer chooses)'
    >>> reason_against("TrainingConfig", "epochs", 3)
    ''
    """
    message = message_types()[type_name]()
    if field not in fields_of(descriptor_of(message)):
        return "no such field"
    try:
        DIALECT.fill({field: value}, message)
    except ConversionError as error:
        return error.reason
    values = json_values(message)
    if list(values) != [field] or not same(values[field], value):
        return "not a value as the field writes it"
    for violation in violations(message):
        if violation.path == field or violation.path.startswith((f"{field}.", f"{field}[")):
            return violation.message
    return ""


class PairReader:
    """Imports a list of pairs into a message.

    Args:
        found: The list; ``None`` if there is none.
        target: The message that gets the rest.
        kind: The name of the list under the options.
    """

    def __init__(self, found: Source | None, target: Target, kind: str) -> None:
        self.pairs = pairs_of(found)
        self._box = kept_in(target).child(kind)
        self._order = kept_in(target).child("order")
        self._kind = kind
        self._done: set[str] = set()
        for pair in self.pairs:
            if pair.value.value == SECRET:
                self.keep(pair)
            elif secrecy(pair.name, pair.value.value) is not None:
                pair.value.drop("a secret", secret=True)
                # The key keeps its place in the list.
                self._box.value[pair.name] = SECRET
                self.use(pair)

    def waiting(self) -> list[Pair]:
        """Return the pairs that nothing has used."""
        return [pair for pair in self.pairs if pair.name not in self._done]

    def use(self, pair: Pair) -> None:
        """Say that a pair is used."""
        self._done.add(pair.name)

    def keep(self, pair: Pair, reason: str = "") -> None:
        """Keep the text of a pair by its key."""
        outcome = Outcome.CONVERTED if reason else Outcome.OPAQUE
        if len(pair.value.value) == CUT_AT:
            reason = reason or f"MLflow cuts params at {CUT_AT:,} characters: kept as found"
        self._box.put(
            MapKey(pair.name), pair.value.value, pair.value, reason=reason, outcome=outcome
        )
        self.use(pair)

    def finish(self) -> None:
        """Keep the pairs that nothing has used, and the order of all."""
        for pair in self.waiting():
            self.keep(pair)
        for pair in self.pairs:
            at = len(self._order.value.setdefault(self._kind, []))
            self._order.value[self._kind].append(pair.name)
            pair.key.use(Outcome.RENAMED, (*self._order.path, self._kind, at), to=pair.name)

    def read_fields(
        self, target: Target, prefix: str = OURS, *, without: Iterable[str] = ()
    ) -> None:
        """Import the tags that hold fields without a counterpart in MLflow."""
        assert target.descriptor is not None
        skipped = {opaque_field(target.descriptor), *without}
        for pair in self.waiting():
            field = pair.name.removeprefix(prefix)
            if not pair.name.startswith(prefix) or field in skipped or target.has(field):
                continue
            value = read_json(pair.value.value)
            if value in (None, []) or reason_against(target.descriptor.name, field, value):
                continue
            target.put(field, value, pair.value, reason="a field in the JSON text of a tag")
            self.use(pair)

    def read_options(self, target: Target, prefix: str = OURS) -> None:
        """Import the tags that hold keys of a message's opaque map."""
        assert target.descriptor is not None
        field = opaque_field(target.descriptor)
        begin = f"{prefix}{field}."
        for pair in self.waiting():
            key = pair.name.removeprefix(begin)
            value = read_json(pair.value.value)
            if pair.name.startswith(begin) and key != NAME and value is not ...:
                if reason_against(target.descriptor.name, field, {key: value}):
                    continue
                reason = "a key of options in the JSON text of a tag"
                target.child(field).put(key, value, pair.value, reason=reason)
                self.use(pair)

    def read_labels(self, target: Target) -> None:
        """Import the tags of users as labels, unless one tag has the labels of an export."""
        if target.has("tags"):
            return
        for pair in self.waiting():
            text = pair.value.value
            label = f"{pair.name}={text}" if text else pair.name
            if pair.name.startswith((SYSTEM, OURS)) or not _is_label(pair.name, label):
                continue
            target.append_value("tags", label, pair.value, reason="a label is key=value")
            self.use(pair)


def _is_label(name: str, label: str) -> bool:
    return bool(name) and "=" not in name and len(label) <= MAX_LABEL and "\n" not in label


def read_json(text: str) -> Any:
    """Return the value of a JSON text; ``...`` if it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return ...


class PairWriter:
    """Exports a message's fields and what an import kept as a list of pairs.

    Args:
        rest: What the import kept for the message; ``None`` if there is nothing.
        kind: The name of the list under the options.
    """

    def __init__(self, rest: Source | None, kind: str) -> None:
        self._texts: dict[str, tuple[str, list[tuple[Source, str]]]] = {}
        order = rest.get("order", dict) if rest is not None else None
        self._order_source = order.get(kind, list) if order is not None else None
        box = rest.get(kind, dict) if rest is not None else None
        self.kept: dict[str, Source] = {}
        if rest is not None and box is not None:
            self.kept = {
                name: value for name, value in rest.entries(kind) if isinstance(value.value, str)
            }
        names = self._order_source.value if self._order_source is not None else []
        self.order = [name for name in names if isinstance(name, str)]

    def has(self, name: str) -> bool:
        """Return whether a pair is written, or was a field in the source of the import."""
        return name in self._texts or (name in self.order and name not in self.kept)

    def put(self, name: str, text: str, *sources: Source, reason: str = "") -> None:
        """Write a pair."""
        self._texts[name] = (text, [(source, reason) for source in sources])

    def put_fields(
        self, owner: Source, fields: Iterable[str] | None = None, *, prefix: str = OURS
    ) -> None:
        """Write fields as tags whose names say the field, each with a JSON text.

        Args:
            owner: The message.
            fields: The names of the fields; if ``None``, those that were tags in the source.
            prefix: What the names of the tags begin with.
        """
        wanted = list(owner.value) if fields is None else fields
        for field in wanted:
            name = f"{prefix}{field}"
            found = owner.get(field)
            if found is None or (fields is None and not self.has(name)):
                continue
            self.put(name, _json(found.value), found, reason="MLflow has no place for the field")

    def put_options(self, owner: Source, field: str, *, prefix: str = OURS) -> None:
        """Write the keys of a message's opaque map, but for those of MLflow, as tags."""
        found = owner.get(field, dict)
        for key in found.value if found is not None else ():
            value = found.member(key) if found is not None and key != NAME else None
            if value is not None:
                name = f"{prefix}{field}.{key}"
                self.put(name, _json(value.value), value, reason="MLflow has no place for it")

    def put_labels(self, owner: Source) -> None:
        """Write the labels of a message as tags of users."""
        if self.has(f"{OURS}tags"):
            return
        labels = owner.items("tags")
        texts: dict[str, tuple[str, Source]] = {}
        for label in labels:
            name, _, text = str(label.value).partition("=")
            if name in texts or name.startswith((SYSTEM, OURS)) or not _is_label(name, label.value):
                self.put_fields(owner, ["tags"])
                return
            if label.value == f"{name}=":
                self.put_fields(owner, ["tags"])
                return
            texts[name] = text, label
        for name, (text, label) in texts.items():
            self.put(name, text, label, reason="a tag is a key and a value")

    def write(self, target: Target, key: str = "tags") -> None:
        """Write the list; nothing if there are no pairs."""
        names = [name for name in self.order if name in self._texts or name in self.kept]
        names += [name for name in (*self._texts, *self.kept) if name not in names]
        for name in dict.fromkeys(names):
            item = target.append(key)
            item.value["key"] = name
            path = (*item.path, "value")
            kept = self.kept.get(name)
            if name in self._texts:
                text, sources = self._texts[name]
                for source, reason in sources:
                    item.put("value", text, source, reason=reason)
            else:
                assert kept is not None
                text = kept.value
            item.value["value"] = text
            if kept is not None:
                if kept.value == text:
                    kept.use(Outcome.OPAQUE, path)
                else:
                    kept.drop("another field has the value now")
        if self._order_source is not None:
            for position, source in enumerate(self._order_source.members()):
                source.use(Outcome.OPAQUE, (*target.path, key, position, "key"))


def native(rules: Iterable[Rule], writer: PairWriter, prefix: str = OURS) -> list[Rule]:
    """Return the rules whose fields are not tags in the source of the import."""
    return [rule for rule in rules if not writer.has(f"{prefix}{rule.field}")]


def id_of_content(value: object) -> str:
    """Return an id for an object that has none."""
    text = json.dumps(_plain(opaque_json(value, [])), sort_keys=True)
    return f"{NAME}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _plain(value: Any) -> Any:
    """Return a value as opaque JSON gives it back: 1.0 is 1."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def ordered(rest: Source | None, kind: str, names: Iterable[str]) -> list[str]:
    """Return names in the order of the source of the import; others follow, sorted."""
    order = rest.get("order", dict) if rest is not None else None
    listed = order.get(kind, list) if order is not None else None
    wanted = sorted(names)
    if listed is None:
        return wanted
    listed.use(Outcome.CONVERTED, reason="the order in the source of the import")
    known = [name for name in listed.value if name in wanted]
    return known + [name for name in wanted if name not in known]


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
