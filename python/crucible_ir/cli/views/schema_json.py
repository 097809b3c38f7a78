"""The schema as JSON: the names of its types, or one of them with its rules and comments."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from google.protobuf.descriptor import EnumDescriptor

from crucible_ir.cli.views.schema_description import described_types, find_type, subject_of
from crucible_ir.schema.comments import comment
from crucible_ir.schema.fields import Field, fields_of
from crucible_ir.schema.rules import Rule, rules_of
from crucible_ir.schema.vocabulary import names
from crucible_ir.serialization.json import parsing

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor


def types_json() -> str:
    """Return every message and enum of the schema as one JSON object."""
    types = sorted(described_types().values(), key=lambda each: (each.file.name, each.name))
    return json.dumps({"command": "schema", "types": list(map(_head, types))}, indent=2)


def type_json(name: str) -> str:
    """Return a message or an enum as one JSON object.

    Raises:
        UnknownTypeError: No message or enum has this name; the error names the nearest one.
    """
    found = find_type(name)
    content = {"command": "schema", **_head(found)}
    if isinstance(found, EnumDescriptor):
        content["values"] = [
            {
                "name": value.name,
                "short_name": names(found).get(value.number),
                "number": value.number,
                "comment": comment(value),
            }
            for value in found.values
        ]
    else:
        fields = fields_of(found)
        rules = rules_of(found)
        content["fields"] = [_field(field, rules) for field in fields.values()]
        content["rules"] = [_rule(rule) for rule in rules if subject_of(rule) not in fields]
    return json.dumps(content, indent=2)


def _head(described: Descriptor | EnumDescriptor) -> dict[str, object]:
    return {
        "name": described.name,
        "full_name": described.full_name,
        "kind": "enum" if isinstance(described, EnumDescriptor) else "message",
        "file": described.file.name,
        "comment": comment(described),
    }


def _field(field: Field, rules: tuple[Rule, ...]) -> dict[str, object]:
    named = field.message or field.enum
    return {
        "name": field.name,
        "json_name": field.json_name,
        "number": field.descriptor.number,
        "cardinality": field.cardinality.value,
        "type": field.kind.value if named is None else named.full_name,
        "key_type": None if field.key is None else field.key.value,
        "has_presence": field.has_presence,
        "oneof": field.oneof,
        "custom_member": field.custom,
        "custom_member_of": field.custom_of,
        "short_names": [] if field.enum is None else list(field.short_names),
        "default": None if field.default is None else parsing.parse(field.default),
        "reference": field.reference,
        "resolutions": [way.name.lower() for way in field.resolutions],
        "identity": field.identity,
        "immutable": field.immutable,
        "since": field.since,
        "rules": [_rule(rule) for rule in rules if subject_of(rule) == field.name],
        "comment": comment(field.descriptor),
    }


def _rule(rule: Rule) -> dict[str, object]:
    return {"id": rule.rule_id, "path": rule.field_path, "requirement": rule.description}
