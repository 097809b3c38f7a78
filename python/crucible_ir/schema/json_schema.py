"""JSON Schema (draft 2020-12) of the ProtoJSON or the YAML of a message, for editors and programs.

It accepts all that readers accept: both names of a field, ``null`` for an unset field, numbers in
quotes, enum values by number. docs/json.md lists what readers reject and it does not. A
``$comment`` has the rules that JSON Schema cannot express, such as those in CEL and lengths in
bytes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from itertools import combinations
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from crucible_ir.schema import vocabulary
from crucible_ir.schema.comments import comment
from crucible_ir.schema.fields import INTEGER_RANGES, Field, Kind, fields_of
from crucible_ir.schema.rules import Rule, rules_of
from crucible_ir.schema.types import descriptor_of
from crucible_ir.schema.walk import reachable_types
from crucible_ir.version import VERSION

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, EnumDescriptor
    from google.protobuf.message import Message

#: A JSON Schema.
Schema: TypeAlias = dict[str, Any]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
#: It does not check that the month has the day.
_TIMESTAMP_PATTERN = (
    r"^(?!0000)[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
    r"T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?"
    r"(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"
)
#: YAML also takes a space for the ``T``, and the letters in lower case.
_YAML_TIMESTAMP_PATTERN = _TIMESTAMP_PATTERN.replace("T(", "[Tt ](").replace("(Z|", "([Zz]|")
_DURATION_PATTERN = r"^-?(0|[1-9][0-9]*)(\.[0-9]{1,9})?s$"
_BASE64_PATTERN = r"^([A-Za-z0-9+/_-]{4})*([A-Za-z0-9+/_-]{2}(==)?|[A-Za-z0-9+/_-]{3}=?)?$"
_NUMBER = r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?"
#: A number with an exponent may have a fraction and still be an integer.
_INTEGER_PATTERN = r"^-?(0|[1-9][0-9]*)(\.0+|(\.[0-9]+)?[eE][+-]?[0-9]+)?$"
#: The sign of a number that a rule does not allow to be negative, so that only zero may have one.
_SIGN_OF_ZERO = r"(-(?=0(\.0+)?$))?"
_NULL: Schema = {"type": "null"}

#: The keywords that bound a number, by the parameter of the rule that they express.
_BOUNDS = {
    "gt": "exclusiveMinimum",
    "gte": "minimum",
    "lt": "exclusiveMaximum",
    "lte": "maximum",
}
#: The keywords that limit a size or content, by the parameter of the rule that they express.
_SIZES = {
    "min_len": "minLength",
    "max_len": "maxLength",
    # A string has no more characters than bytes, so this rejects nothing that the rule accepts.
    "max_bytes": "maxLength",
    "pattern": "pattern",
    "min_items": "minItems",
    "max_items": "maxItems",
    "unique": "uniqueItems",
    "min_pairs": "minProperties",
    "max_pairs": "maxProperties",
}
#: Parameters that the schema of a field expresses in other ways.
_STRUCTURAL = {"required", "defined_only", "finite", "fields"}

#: The schemas of the well-known types that have a JSON representation of their own.
_WELL_KNOWN: dict[str, Schema] = {
    "google.protobuf.Struct": {"type": "object"},
    "google.protobuf.ListValue": {"type": "array"},
    "google.protobuf.Value": {},
    "google.protobuf.Duration": {"type": "string", "pattern": _DURATION_PATTERN},
    "google.protobuf.Timestamp": {
        "type": "string",
        "format": "date-time",
        "pattern": _TIMESTAMP_PATTERN,
    },
}


def json_schema(type_: type[Message], *, yaml: bool = False) -> Schema:
    """Return the JSON Schema of the ProtoJSON of a message type.

    Args:
        type_: A message class of the IR.
        yaml: Whether the documents are in YAML, which also has short names of enum values and one
            key for both members of an open vocabulary.

    >>> from crucible_ir import v1
    >>> json_schema(v1.StageDef)["$defs"]["StageDef"]["required"]
    ['name']
    """
    root = descriptor_of(type_)
    target = _Target(yaml=yaml)
    return {
        "$schema": _DIALECT,
        "$comment": f"{root.full_name} in {'YAML' if yaml else 'ProtoJSON'}, Crucible IR {VERSION}",
        "title": root.name,
        "$ref": _reference(root, target)["$ref"],
        "$defs": _definitions([root], target),
    }


def message_schemas(roots: Iterable[Descriptor], folder: str) -> Schema:
    """Return the JSON Schemas of the ProtoJSON of messages and of all messages inside, by name.

    Args:
        roots: The messages.
        folder: The place of the schemas in their document, such as ``#/components/schemas/``.

    >>> from crucible_ir import v1
    >>> schemas = message_schemas([v1.TrainingRun.DESCRIPTOR], "#/components/schemas/")
    >>> schemas["TrainingRun"]["properties"]["config"]["$ref"]
    '#/components/schemas/TrainingConfig'
    """
    return _definitions(roots, _Target(folder))


class _Target(NamedTuple):
    """The place of the schemas in their document, and whether they describe YAML."""

    folder: str = "#/$defs/"
    yaml: bool = False


def _definitions(roots: Iterable[Descriptor], target: _Target) -> Schema:
    inside = {message for root in roots for message in reachable_types(root)}
    messages = sorted(inside, key=lambda message: message.full_name)
    return {
        message.name: _message_schema(message, target)
        for message in messages
        if message.full_name not in _WELL_KNOWN
    }


def _reference(message: Descriptor, target: _Target) -> Schema:
    known = _WELL_KNOWN.get(message.full_name)
    if known is not None and target.yaml and known.get("pattern") == _TIMESTAMP_PATTERN:
        return {**known, "pattern": _YAML_TIMESTAMP_PATTERN}
    return dict(known) if known is not None else {"$ref": target.folder + message.name}


def _message_schema(message: Descriptor, target: _Target) -> Schema:
    rules: dict[str, list[Rule]] = {}
    for rule in rules_of(message):
        rules.setdefault(rule.field_path, []).append(rule)
    properties: Schema = {}
    required: list[str] = []
    conditions: list[Schema] = []
    aliases: Schema = {}
    fields = fields_of(message)
    for name, field in fields.items():
        # Editors suggest the first name before its alias.
        key, alias = (name, field.json_name) if target.yaml else (field.json_name, name)
        properties[key] = _field_schema(field, rules, target)
        if alias != key:
            properties[alias] = {"$ref": f"{target.folder}{message.name}/properties/{key}"}
            aliases[key] = {"properties": {alias: False}}
        if _is_required(rules.get(name, [])):
            if name == field.json_name:
                required.append(name)
            else:
                either = [{"required": [each]} for each in (field.json_name, name)]
                conditions.append({"anyOf": either})
    for oneof in message.oneofs:
        members = [fields[member.name] for member in oneof.fields]
        if len(members) > 1:
            must = _is_required(rules.get(oneof.name, []))
            conditions.append(_one_of(members, must=must))
    for rule in rules.get("", []):
        conditions += _exclusive([fields[name] for name in rule.exclusive_fields])
    made: Schema = {
        "type": "object",
        "description": comment(message),
        "properties": properties,
        "additionalProperties": False,
        "required": required,
        # A field under both of its names is an error.
        "dependentSchemas": aliases,
        "allOf": conditions,
        "$comment": _remaining(rules.get("", [])),
    }
    return {keyword: value for keyword, value in made.items() if value or value is False}


def _one_of(members: list[Field], *, must: bool) -> Schema:
    """Return a schema that allows one member of a oneof, and none unless one must be set."""
    each = [_is_set(field) for field in members]
    return {"oneOf": each if must else [{"not": {"anyOf": each}}, *each]}


def _exclusive(fields: list[Field]) -> list[Schema]:
    """Return schemas that allow only one of these fields to be set and not empty."""
    return [{"not": {"allOf": [_is_set(a), _is_set(b)]}} for a, b in combinations(fields, 2)]


def _is_set(field: Field) -> Schema:
    """Return a schema of objects in which a field is set and, if it is a list, not empty."""
    value: Schema = {"not": {"enum": [None, []]} if field.is_list else _NULL}
    under: list[Schema] = [
        {"required": [name], "properties": {name: value}}
        for name in dict.fromkeys([field.json_name, field.name])
    ]
    return under[0] if len(under) == 1 else {"anyOf": under}


def _is_required(rules: list[Rule]) -> bool:
    return any(
        rule.parameters.get("required") or rule.parameters.get("min_items") for rule in rules
    )


def _field_schema(field: Field, rules: dict[str, list[Rule]], target: _Target) -> Schema:
    own = rules.get(field.name, [])
    if field.is_map:
        schema: Schema = {
            "type": "object",
            "additionalProperties": _item_schema(
                field, rules.get(f"{field.name}{{value}}", []), target
            ),
            **_key_schema(field.key, rules.get(f"{field.name}{{key}}", [])),
            **_sizes(own),
        }
    elif field.is_list:
        items = _item_schema(field, rules.get(f"{field.name}[]", []), target)
        schema = {"type": "array", "items": items, **_sizes(own)}
    else:
        schema = _item_schema(field, own, target)
    if not _is_required(own):
        schema = _or_null(schema)
    made = {"description": comment(field.descriptor), **schema}
    if field.default is not None:
        default = json.loads(field.default)
        made["default"] = short_names(field, default) if target.yaml else default
    remaining = _remaining(own)
    return {**made, "$comment": remaining} if remaining else made


def _or_null(schema: Schema) -> Schema:
    """Return a schema that accepts null too."""
    if "type" in schema:
        types = schema["type"]
        return {**schema, "type": [*(types if isinstance(types, list) else [types]), "null"]}
    if "enum" in schema:
        return {"enum": [*schema["enum"], None]}
    if "anyOf" in schema:
        return {"anyOf": [*schema["anyOf"], _NULL]}
    return {"anyOf": [schema, _NULL]} if schema else schema


def _key_schema(kind: Kind | None, rules: list[Rule]) -> Schema:
    if kind is Kind.STRING:
        sizes = _sizes(rules)
        return {"propertyNames": sizes} if sizes else {}
    if kind is Kind.BOOL:
        return {"propertyNames": {"enum": ["false", "true"]}}
    return {"propertyNames": {"pattern": _INTEGER_PATTERN}}


def _item_schema(field: Field, rules: list[Rule], target: _Target) -> Schema:
    """Return the schema of one value of a field."""
    if field.message is not None:
        return _reference(field.message, target)
    if field.enum is not None:
        return _enum_schema(field, field.enum, rules, target.yaml)
    match field.kind:
        case Kind.BOOL:
            return {"type": "boolean"}
        case Kind.BYTES:
            return {"type": "string", "contentEncoding": "base64", "pattern": _BASE64_PATTERN}
        case Kind.STRING:
            sizes = _sizes(rules)
            if _is_required(rules):
                sizes["minLength"] = max(1, sizes.get("minLength", 0))
            return {"type": "string", **sizes}
        case Kind.FLOAT | Kind.DOUBLE:
            return _float_schema(rules, target.yaml)
    pattern = _INTEGER_PATTERN
    if _bounds(rules).get("minimum", -1) >= 0:
        pattern = pattern.replace("-?", _SIGN_OF_ZERO, 1)
    return _number_schema("integer", INTEGER_RANGES[field.kind], rules, pattern)


def _enum_schema(field: Field, enum: EnumDescriptor, rules: list[Rule], yaml: bool) -> Schema:
    values = enum.values
    if _is_required(rules):
        values = [value for value in values if value.number]
    short = vocabulary.numbers(enum) if yaml else {}
    names = {"enum": [*short, *(value.name for value in values)]}
    if any(rule.parameters.get("defined_only") for rule in rules):
        return {"enum": [*names["enum"], *(value.number for value in values)]}
    low, high = INTEGER_RANGES[Kind.INT32]
    allowed: list[Schema] = [names, {"type": "integer", "minimum": low, "maximum": high}]
    if yaml and field.custom is not None:
        allowed.append({"type": "string", "pattern": f"^(?!{vocabulary.prefix(enum)})"})
    return {"anyOf": allowed}


def short_names(field: Field, value: Any) -> Any:
    """Return the ProtoJSON of an enum field, or of a default, with short names of enum values."""
    if field.enum is None:
        return value
    if isinstance(value, list):
        return [short_names(field, item) for item in value]
    return vocabulary.names(field.enum)[field.enum.values_by_name[value].number]


def _float_schema(rules: list[Rule], yaml: bool) -> Schema:
    bounds = _bounds(rules)
    finite = any(rule.parameters.get("finite") for rule in rules)
    allowed = {
        "NaN": not finite and not bounds,
        "Infinity": not finite and not bounds.keys() & {"maximum", "exclusiveMaximum"},
        "-Infinity": not finite and not bounds.keys() & {"minimum", "exclusiveMinimum"},
    }
    words = [word for word, is_allowed in allowed.items() if is_allowed]
    pattern = f"^({'|'.join([_NUMBER, *words])})$"
    schema = _number_schema("number", (-sys.float_info.max, sys.float_info.max), rules, pattern)
    if yaml:
        # YAML parsers read .inf as a number beyond every limit.
        for word, limit in (("Infinity", "maximum"), ("-Infinity", "minimum")):
            if allowed[word]:
                schema.pop(limit, None)
    return schema


def _number_schema(
    type_: str, limits: tuple[float, float], rules: list[Rule], pattern: str
) -> Schema:
    """Return the schema of a number, or of a string with a pattern, which rules do not bound."""
    low, high = limits
    schema: Schema = {
        "type": [type_, "string"],
        "minimum": low,
        "maximum": high,
        **_bounds(rules),
        "pattern": pattern,
    }
    if "exclusiveMinimum" in schema:
        del schema["minimum"]
    if "exclusiveMaximum" in schema:
        del schema["maximum"]
    return schema


def _bounds(rules: list[Rule]) -> Schema:
    return _keywords(rules, _BOUNDS, lambda value: not isinstance(value, str))


def _sizes(rules: list[Rule]) -> Schema:
    return _keywords(rules, _SIZES, lambda value: value is not False)


def _keywords(
    rules: list[Rule], keywords: dict[str, str], applies: Callable[[object], bool]
) -> Schema:
    return {
        keywords[name]: value
        for rule in rules
        for name, value in rule.parameters.items()
        if name in keywords and applies(value)
    }


def _remaining(rules: list[Rule]) -> str:
    """Return the ids and descriptions of the rules that no keyword expresses exactly."""
    expressed = _BOUNDS.keys() | _SIZES.keys() | _STRUCTURAL
    remaining = [
        f"{rule.rule_id}: {rule.description}"
        for rule in rules
        if not rule.parameters.keys() <= expressed or "max_bytes" in rule.parameters
    ]
    return "; ".join(remaining)
