"""Sample values for the fields of messages, and calls of constructors with them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from google.protobuf.descriptor import Descriptor

import crucible_ir as ir
from crucible_ir.building.construct import construct
from crucible_ir.schema.comments import comment
from crucible_ir.schema.fields import Field, Kind, fields_of
from crucible_ir.schema.required_fields import required_fields
from crucible_ir.schema.rules import rules_of
from python_source import formatted

#: Values in examples, by kind and by well-known type.
_SAMPLES: Mapping[Kind, object] = {
    Kind.BOOL: True,
    Kind.INT32: 1,
    Kind.INT64: 1,
    Kind.DOUBLE: 0.5,
    Kind.FLOAT: 0.5,
    Kind.BYTES: b"hi",
}
_WELL_KNOWN_SAMPLES: Mapping[str, object] = {
    "google.protobuf.Struct": {"key": "value"},
    "google.protobuf.Value": "up",
    "google.protobuf.Timestamp": "2025-12-26T12:00:00Z",
}

#: An example in a comment of the schema, without the end of its sentence.
_EXAMPLE = re.compile(r"for example (\S+?)[.,;]?(?:\s|$)")


def snake_case(name: str) -> str:
    """Return the name of a message as the name of its constructor has it."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def required_arguments(message: Descriptor) -> dict[str, Any]:
    """Return the required fields, or one field if none are required, with samples as values."""
    fields = fields_of(message)
    cls = ir.MESSAGE_TYPES[message.name]
    given: dict[str, Any] = {}
    for name, field in fields.items():
        groups = [group for group in required_fields(message) if name in group]
        if groups and not groups[0] & set(given):
            given[name] = sample(field)
    if given and ir.is_valid(construct(cls, given)):
        return given
    # No field is required, or a rule about the message as a whole requires one.
    samples = ({**given, field.name: sample(field)} for field in fields.values())
    return next(each for each in samples if ir.is_valid(construct(cls, each)))


def sample(field: Field) -> Any:
    """Return a value for a field, as an argument of a constructor."""
    item = _item_sample(field)
    if field.is_map:
        return {"accuracy": item}
    return [item] if field.is_list else item


def _item_sample(field: Field) -> Any:
    if field.message is not None:
        known = _WELL_KNOWN_SAMPLES.get(field.message.full_name)
        return required_arguments(field.message) if known is None else known
    if field.enum is not None:
        return next(iter(field.short_names))
    return _string(field) if field.kind is Kind.STRING else _SAMPLES[field.kind]


def _string(field: Field) -> str:
    owner: Any = field.descriptor.containing_type
    found = _EXAMPLE.search(comment(field.descriptor))
    patterns = [
        str(rule.parameters["pattern"])
        for rule in rules_of(owner)
        if rule.field_path == field.name and "pattern" in rule.parameters
    ]
    subject = re.sub("^(id|name)$|_id$", "", field.name) or snake_case(owner.name)
    for text in (
        *([found[1]] if found else []),
        *(["1.0.0"] if field.name.endswith("version") else []),
        *(["https://example.com/file"] if re.search("ur[il]$", field.name) else []),
        f"{subject}_1",
    ):
        if all(re.search(pattern, text) for pattern in patterns):
            return text
    raise ValueError(f"no sample fits {owner.name}.{field.name}")


def call_lines(name: str, arguments: Mapping[str, Any], width: int) -> list[str]:
    """Return the lines of a call, with an argument on each line if it does not fit on one."""
    shown = {key: _shown(value) for key, value in arguments.items()}
    one_line = f"{name}({', '.join(f'{key}={value}' for key, value in shown.items())})"
    if len(one_line) <= width:
        return [one_line]
    lines = formatted(f"{one_line}\n", width=width).splitlines()
    return lines


def _shown(value: Any) -> str:
    """Return a value as Python source, with double quotes."""
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, dict):
        return (
            "{" + ", ".join(f"{_shown(key)}: {_shown(each)}" for key, each in value.items()) + "}"
        )
    if isinstance(value, list):
        return f"[{', '.join(map(_shown, value))}]"
    return repr(value)
