"""The table of fields, tests/schema/field_table.json, on which the tests of the schema run.

It has a line for each field, so that a change of the schema shows in it as a change of one line:

- presence: `required`, `optional` (unset differs from every value) or `implicit` (an empty list or
  map, or the zero of a closed vocabulary, is unset).
- type: `ts` is google.protobuf.Timestamp, `map` google.protobuf.Struct, `Value` itself; `open` and
  `closed` are vocabularies, with their names beside them; `[]` is a list.
- rule: the rule on its value. default: the value that a constructor sets. oneof: its oneof.
- reference, resolution, identity, immutable, since: the options of the schema with these names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

import crucible_ir as ir
from crucible_ir.schema.rules import rules_of
from crucible_ir.schema.types import descriptor_of
from crucible_ir.v1 import options_pb2

PATH = "tests/schema/field_table.json"

_SCALARS = {
    FieldDescriptor.TYPE_BOOL: "bool",
    FieldDescriptor.TYPE_BYTES: "bytes",
    FieldDescriptor.TYPE_DOUBLE: "double",
    FieldDescriptor.TYPE_INT32: "int32",
    FieldDescriptor.TYPE_INT64: "int64",
    FieldDescriptor.TYPE_STRING: "string",
}
_WELL_KNOWN = {"Timestamp": "ts", "Struct": "map"}

#: The rules of a field: their parameters by their ids.
Rules = Mapping[str, Mapping[str, Any]]


def files() -> dict[str, str]:
    """Return the table by its path in the repository."""
    messages = {name: descriptor_of(cls) for name, cls in sorted(ir.MESSAGE_TYPES.items())}
    entries = {name: dict(_entries(message)) for name, message in messages.items()}
    oneofs = {
        f"{name}.{oneof.name}": "required" if _rules(message, oneof.name) else "optional"
        for name, message in messages.items()
        for oneof in message.oneofs
        if not _is_of_one_field(oneof.name, message)
    }
    own = {name: _own_rules(message) for name, message in messages.items()}
    ids = {rule.rule_id for message in messages.values() for rule in rules_of(message)}
    ids -= {rule_id for rules in own.values() for rule_id in rules}
    parts = [
        f'"messages": {_object(map(_message, entries.items()), 2)}',
        f'"oneofs": {_lines(oneofs, 2)}',
        f'"message_rules": {_lines({name: rules for name, rules in own.items() if rules}, 2)}',
        f'"rule_ids": {_json(sorted(ids))}',
    ]
    return {PATH: _object(parts, 0) + "\n"}


def _message(item: tuple[str, Mapping[str, Any]]) -> str:
    name, fields = item
    return f"{_json(name)}: {_lines(fields, 4)}"


def _lines(values: Mapping[str, Any], indent: int) -> str:
    return _object((f"{_json(name)}: {_json(value)}" for name, value in values.items()), indent)


def _object(members: Iterator[str] | list[str] | map[str], indent: int) -> str:
    space = " " * indent
    inner = ",\n".join(f"{space}  {member}" for member in members)
    return f"{{\n{inner}\n{space}}}"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _entries(message: Descriptor) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the name and the line of each field; an open vocabulary is one, of two fields."""
    names = {field.name for field in message.fields}
    for field in message.fields:
        if field.name.removeprefix("custom_") in names - {field.name}:
            continue
        is_open = f"custom_{field.name}" in names
        rules = _rules(message, field.name)
        type_ = _type(field, is_open=is_open)
        entry: dict[str, Any] = {"presence": _presence(field, rules), "type": type_}
        if field.enum_type is not None:
            entry["names"] = _short_names(field.enum_type)
        if (rule := _rule(rules)) is not None:
            entry["rule"] = rule
        options: Any = field.GetOptions()
        if options.HasExtension(options_pb2.default):
            entry["default"] = _default(field, options.Extensions[options_pb2.default])
        oneof = field.containing_oneof
        if oneof is not None and not _is_of_one_field(oneof.name, message):
            entry["oneof"] = oneof.name
        yield field.name, entry | _options(options)


def _options(options: Any) -> dict[str, Any]:
    """Return the values of the schema's own options, except for the default."""
    found: dict[str, Any] = {
        extension.name: value
        for extension, value in options.ListFields()
        if extension.file.name == options_pb2.DESCRIPTOR.name and extension.name != "default"
    }
    if "resolution" in found:
        values = options_pb2.ReferenceResolution.DESCRIPTOR
        short = dict(zip(_names(values), _short_names(values), strict=True))
        found["resolution"] = [
            short[values.values_by_number[number].name] for number in found["resolution"]
        ]
    return found


def _is_of_one_field(oneof: str, message: Descriptor) -> bool:
    """Return whether a oneof is that of an `optional` field or of an open vocabulary."""
    names = message.fields_by_name
    return oneof.removeprefix("_") in names or oneof.removesuffix("_kind") in names


def _rules(message: Descriptor, path: str) -> Rules:
    return {rule.rule_id: rule.parameters for rule in rules_of(message) if rule.field_path == path}


def _own_rules(message: Descriptor) -> dict[str, str]:
    return {rule.rule_id: rule.description for rule in rules_of(message) if not rule.field_path}


def _presence(field: FieldDescriptor, rules: Rules) -> str:
    if "required" in rules or "repeated.min_items" in rules:
        return "required"
    return "optional" if field.has_presence else "implicit"


def _type(field: FieldDescriptor, *, is_open: bool) -> str:
    message = field.message_type
    if field.enum_type is not None:
        name = "open" if is_open else "closed"
    elif message is None:
        name = _SCALARS[field.type]
    elif message.GetOptions().map_entry:
        key, value = (_type(each, is_open=False) for each in message.fields)
        return f"map<{key},{value}>"
    else:
        name = _WELL_KNOWN.get(message.name, message.name)
    return f"{name}[]" if field.is_repeated else name


def _rule(rules: Rules) -> str | None:
    """Return the rule on the values of a field in the table's words."""
    bounds = {name: value for rule in rules.values() for name, value in rule.items()}
    if "enum.defined_only" in rules:
        return "defined only"
    if "timestamp.gte_lte" in rules:
        first, last = (str(bounds[name])[:4].lstrip("0") for name in ("gte", "lte"))
        return f"years {first}..{last}"
    if "repeated.min_items" in rules:
        least = bounds["min_items"]
        return f"{least} item{'' if least == 1 else 's'} or more"
    if "string.max_bytes" in rules:
        size = f"{1 if 'required' in rules else 0}..{bounds['max_bytes']} bytes"
        return f"semver of {size}" if _is_semver(str(bounds.get("pattern", ""))) else size
    if "string.pattern" in rules:
        return "algorithm:encoded"
    if "gte" in bounds and "lte" in bounds:
        return f"{bounds['gte']:g}..{bounds['lte']:g}"
    signs = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
    parts = [f"{sign}{bounds[name]:g}" for name, sign in signs.items() if name in bounds]
    parts += ["finite"] if "double.finite" in rules else []
    return ", ".join(parts) or None


def _is_semver(pattern: str) -> bool:
    accepted = [
        bool(re.search(pattern, text)) for text in ("1.0.0-rc.1+build.5", "1.0", "1.0.0-01")
    ]
    return accepted == [True, False, False]


def _default(field: FieldDescriptor, text: str) -> Any:
    default = json.loads(text)
    if field.enum_type is None:
        return default
    short = dict(zip(_names(field.enum_type), _short_names(field.enum_type), strict=True))
    return [short[name] for name in default] if isinstance(default, list) else short[default]


def _names(enum: EnumDescriptor) -> list[str]:
    return [value.name for value in enum.values[1:]]


def _short_names(enum: EnumDescriptor) -> list[str]:
    prefix = enum.values[0].name.removesuffix("UNSPECIFIED")
    return [name.removeprefix(prefix).lower() for name in _names(enum)]
