"""JSON Schema (draft 2020-12) of the ProtoJSON of a message, for editors and for other languages.

It takes both spellings of a field's name and ``null`` for unset, as every ProtoJSON reader does,
and asks for numbers in the form that writers give them: ``int32`` and ``double`` as numbers,
``int64`` as a string or a number. What it cannot say stands in a ``$comment``: rules written in
CEL, and that lengths are counted in bytes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeAlias

from google.protobuf.descriptor import FieldDescriptor

from crucible_ir.schema.comments import comment
from crucible_ir.schema.fields import describe_field
from crucible_ir.schema.rules import Rule, rules_of
from crucible_ir.schema.types import (
    descriptor_of,
    field_of,
    held_enum,
    held_message,
    is_map,
    message_of,
)
from crucible_ir.version import VERSION

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, OneofDescriptor
    from google.protobuf.message import Message

#: A JSON Schema.
Schema: TypeAlias = dict[str, Any]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TIMESTAMP_PATTERN = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})$"
)
_BASE64_PATTERN = r"^[A-Za-z0-9+/_-]*={0,2}$"
_INT64_PATTERN = r"^-?[0-9]{1,19}$"
_NULL: Schema = {"type": "null"}

_KIND = FieldDescriptor
_INTEGERS = {
    _KIND.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    _KIND.CPPTYPE_UINT32: (0, 2**32 - 1),
    _KIND.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    _KIND.CPPTYPE_UINT64: (0, 2**64 - 1),
}
_WIDE = (_KIND.CPPTYPE_INT64, _KIND.CPPTYPE_UINT64)

#: The keywords that say the same as a rule's parameter.
_BOUNDS = {
    "gt": "exclusiveMinimum",
    "gte": "minimum",
    "lt": "exclusiveMaximum",
    "lte": "maximum",
}
_SIZES = {
    "min_len": "minLength",
    "max_len": "maxLength",
    # Bytes are not fewer than characters: this refuses nothing that the rule takes.
    "max_bytes": "maxLength",
    "pattern": "pattern",
    "min_items": "minItems",
    "max_items": "maxItems",
    "unique": "uniqueItems",
    "min_pairs": "minProperties",
    "max_pairs": "maxProperties",
}
#: Parameters that are dealt with where the schema of the field is made.
_STRUCTURAL = {"required", "defined_only", "finite"}

#: The schemas of the well-known types that have a JSON form of their own.
_WELL_KNOWN: dict[str, Schema] = {
    "google.protobuf.Struct": {"type": "object"},
    "google.protobuf.ListValue": {"type": "array"},
    "google.protobuf.Value": {},
    "google.protobuf.Timestamp": {
        "type": "string",
        "format": "date-time",
        "pattern": _TIMESTAMP_PATTERN,
    },
}


def json_schema(type_: type[Message]) -> Schema:
    """Return the JSON Schema of the ProtoJSON of a message type.

    >>> from crucible_ir import v1
    >>> json_schema(v1.StageDef)["$defs"]["StageDef"]["required"]
    ['name']
    """
    root = descriptor_of(type_)
    return {
        "$schema": _DIALECT,
        "$comment": f"{root.full_name} in ProtoJSON, Crucible IR {VERSION}",
        "title": root.name,
        "$ref": _reference(root)["$ref"],
        "$defs": {message.name: _message_schema(message) for message in _reachable(root)},
    }


def _reachable(root: Descriptor) -> Iterable[Descriptor]:
    """Return a message type and those that its fields hold, without those that JSON has itself."""
    found: dict[str, Descriptor] = {}
    waiting = [root]
    while waiting:
        message = waiting.pop()
        if message.full_name not in found and message.full_name not in _WELL_KNOWN:
            found[message.full_name] = message
            waiting += [held for held in map(message_of, message.fields) if held is not None]
    return [found[name] for name in sorted(found)]


def _reference(message: Descriptor) -> Schema:
    known = _WELL_KNOWN.get(message.full_name)
    return dict(known) if known is not None else {"$ref": f"#/$defs/{message.name}"}


def _message_schema(message: Descriptor) -> Schema:
    rules: dict[str, list[Rule]] = {}
    for rule in rules_of(message):
        rules.setdefault(rule.field_path, []).append(rule)
    properties: Schema = {}
    required: list[str] = []
    conditions: list[Schema] = []
    for field in message.fields:
        properties[field.json_name] = _field_schema(field, rules)
        if field.name != field.json_name:
            place = f"#/$defs/{message.name}/properties/{field.json_name}"
            properties[field.name] = {"$ref": place}
        if _is_required(rules.get(field.name, [])):
            if len(_names(field)) == 1:
                required.append(field.name)
            else:
                conditions.append({"anyOf": [{"required": [name]} for name in _names(field)]})
    for oneof in message.oneofs:
        if len(oneof.fields) > 1:
            must = _is_required(rules.get(oneof.name, []))
            conditions.append(_one_of(oneof, must=must))
    made: Schema = {
        "type": "object",
        "description": comment(message),
        "properties": properties,
        "additionalProperties": False,
        "required": required,
        "dependentSchemas": _not_twice(message),
        "allOf": conditions,
        "$comment": _unsaid(rules.get("", [])),
    }
    return {keyword: value for keyword, value in made.items() if value or value is False}


def _names(field: FieldDescriptor) -> list[str]:
    """Return the spellings of a field's name, the one that writers use first."""
    return list(dict.fromkeys([field.json_name, field.name]))


def _not_twice(message: Descriptor) -> Schema:
    """Forbid a field under one spelling where it is given under the other."""
    return {
        field.json_name: {"properties": {field.name: False}}
        for field in message.fields
        if field.json_name != field.name
    }


def _one_of(oneof: OneofDescriptor, *, must: bool) -> Schema:
    """Allow one member of a oneof to be set, or none unless one must be."""

    def is_set(field: FieldDescriptor) -> Schema:
        spelt: list[Schema] = [
            {"required": [name], "properties": {name: {"not": _NULL}}} for name in _names(field)
        ]
        return spelt[0] if len(spelt) == 1 else {"anyOf": spelt}

    members = [is_set(field) for field in oneof.fields]
    return {"oneOf": members if must else [{"not": {"anyOf": members}}, *members]}


def _is_required(rules: list[Rule]) -> bool:
    return any(
        rule.parameters.get("required") or rule.parameters.get("min_items") for rule in rules
    )


def _field_schema(field: FieldDescriptor, rules: dict[str, list[Rule]]) -> Schema:
    own = rules.get(field.name, [])
    if is_map(field):
        entry = held_message(field)
        schema: Schema = {
            "type": "object",
            "additionalProperties": _item_schema(
                field_of(entry, "value"), rules.get(f"{field.name}{{value}}", [])
            ),
            **_key_schema(field_of(entry, "key"), rules.get(f"{field.name}{{key}}", [])),
            **_sizes(own),
        }
    elif field.is_repeated:
        items = _item_schema(field, rules.get(f"{field.name}[]", []))
        schema = {"type": "array", "items": items, **_sizes(own)}
    else:
        schema = _item_schema(field, own)
    if not _is_required(own):
        schema = _or_null(schema)
    text = describe_field(field).default
    made = {"description": comment(field), **schema}
    if text is not None:
        made["default"] = json.loads(text)
    unsaid = _unsaid(own)
    return {**made, "$comment": unsaid} if unsaid else made


def _or_null(schema: Schema) -> Schema:
    """Return a schema that takes null too."""
    if "type" in schema:
        return {**schema, "type": [schema["type"], "null"]}
    if "enum" in schema:
        return {"enum": [*schema["enum"], None]}
    if "anyOf" in schema:
        return {"anyOf": [*schema["anyOf"], _NULL]}
    return {"anyOf": [schema, _NULL]} if schema else schema


def _key_schema(field: FieldDescriptor, rules: list[Rule]) -> Schema:
    if field.cpp_type == _KIND.CPPTYPE_STRING:
        sizes = _sizes(rules)
        return {"propertyNames": sizes} if sizes else {}
    if field.cpp_type == _KIND.CPPTYPE_BOOL:
        return {"propertyNames": {"enum": ["false", "true"]}}
    return {"propertyNames": {"pattern": _INT64_PATTERN}}


def _item_schema(field: FieldDescriptor, rules: list[Rule]) -> Schema:
    """Return the schema of one value of a field."""
    kind = field.cpp_type
    if kind == _KIND.CPPTYPE_MESSAGE:
        return _reference(held_message(field))
    if kind == _KIND.CPPTYPE_ENUM:
        return _enum_schema(field, rules)
    if kind == _KIND.CPPTYPE_BOOL:
        return {"type": "boolean"}
    if field.type == _KIND.TYPE_BYTES:
        return {"type": "string", "contentEncoding": "base64", "pattern": _BASE64_PATTERN}
    if kind == _KIND.CPPTYPE_STRING:
        sizes = _sizes(rules)
        if _is_required(rules):
            sizes["minLength"] = max(1, sizes.get("minLength", 0))
        return {"type": "string", **sizes}
    if kind in _INTEGERS:
        return _integer_schema(kind, rules)
    return _float_schema(rules)


def _enum_schema(field: FieldDescriptor, rules: list[Rule]) -> Schema:
    values = held_enum(field).values
    if _is_required(rules):
        values = [value for value in values if value.number]
    names = {"enum": [value.name for value in values]}
    if any(rule.parameters.get("defined_only") for rule in rules):
        return {"enum": [*names["enum"], *(value.number for value in values)]}
    low, high = _INTEGERS[_KIND.CPPTYPE_INT32]
    return {"anyOf": [names, {"type": "integer", "minimum": low, "maximum": high}]}


def _integer_schema(kind: int, rules: list[Rule]) -> Schema:
    low, high = _INTEGERS[kind]
    schema: Schema = {"type": "integer", "minimum": low, "maximum": high, **_bounds(rules)}
    if "exclusiveMinimum" in schema:
        del schema["minimum"]
    if "exclusiveMaximum" in schema:
        del schema["maximum"]
    if kind not in _WIDE:
        return schema
    return {"anyOf": [{"type": "string", "pattern": _INT64_PATTERN}, schema]}


def _float_schema(rules: list[Rule]) -> Schema:
    bounds = _bounds(rules)
    number: Schema = {"type": "number", **bounds}
    finite = any(rule.parameters.get("finite") for rule in rules)
    allowed = {
        "NaN": not finite and not bounds,
        "Infinity": not finite and not bounds.keys() & {"maximum", "exclusiveMaximum"},
        "-Infinity": not finite and not bounds.keys() & {"minimum", "exclusiveMinimum"},
    }
    words = [word for word, is_allowed in allowed.items() if is_allowed]
    return {"anyOf": [number, {"enum": words}]} if words else number


def _bounds(rules: list[Rule]) -> Schema:
    return _keywords(rules, _BOUNDS, lambda value: not isinstance(value, str))


def _sizes(rules: list[Rule]) -> Schema:
    return _keywords(rules, _SIZES, lambda value: value is not False)


def _keywords(
    rules: list[Rule], keywords: dict[str, str], says: Callable[[object], bool]
) -> Schema:
    return {
        keywords[name]: value
        for rule in rules
        for name, value in rule.parameters.items()
        if name in keywords and says(value)
    }


def _unsaid(rules: list[Rule]) -> str:
    """Name the rules that no keyword says, or not exactly."""
    said = _BOUNDS.keys() | _SIZES.keys() | _STRUCTURAL
    unsaid = [
        f"{rule.rule_id}: {rule.description}"
        for rule in rules
        if not rule.parameters.keys() <= said or "max_bytes" in rule.parameters
    ]
    return "; ".join(unsaid)
