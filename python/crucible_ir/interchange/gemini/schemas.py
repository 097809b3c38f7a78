"""Gemini's schemas: those of its own kind write the types of JSON Schema in capitals."""

from __future__ import annotations

from typing import Any, Final

from crucible_ir.interchange.chat.calls import is_exact
from crucible_ir.interchange.mapping.importing import Import
from crucible_ir.interchange.mapping.report import Outcome
from crucible_ir.interchange.mapping.source import Source
from crucible_ir.interchange.mapping.target import Target
from crucible_ir.interchange.mapping.values import same

_REASON: Final = "a schema of Gemini's own kind as JSON Schema"

#: The keys of a schema with a schema, a list of schemas, and schemas by name.
_ONE, _MANY, _NAMED = ("items",), ("anyOf", "any_of", "prefixItems"), ("properties",)


def as_json_schema(schema: Any) -> Any:
    """Return a schema of Gemini's own kind as JSON Schema.

    >>> as_json_schema({"type": "OBJECT", "properties": {"type": {"type": "STRING"}}})
    {'type': 'object', 'properties': {'type': {'type': 'string'}}}
    """
    if not isinstance(schema, dict):
        return schema
    result: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "type" and isinstance(value, str):
            result[key] = value.lower()
        elif key in _ONE:
            result[key] = as_json_schema(value)
        elif key in _MANY and isinstance(value, list):
            result[key] = [as_json_schema(item) for item in value]
        elif key in _NAMED and isinstance(value, dict):
            result[key] = {name: as_json_schema(item) for name, item in value.items()}
        else:
            result[key] = value
    return result


def read_schema(conversion: Import, source: Source, own: str, target: Target, field: str) -> bool:
    """Import the schema of Gemini's own kind, which is kept as it is beside what it becomes.

    Args:
        conversion: The import.
        source: The object with the schema.
        own: Its key.
        target: The object that gets it.
        field: Its key there.

    Returns:
        Whether there is one that opaque JSON holds exactly.
    """
    found = source.get(own, dict)
    if found is None or not is_exact(found.value):
        return False
    target.put(field, as_json_schema(found.value), found, reason=_REASON)
    conversion.keep_original(found, _REASON)
    return True


def write_schema(
    found: Source, value: Any, target: Target, own: str, standard: str, kept: Source | None
) -> None:
    """Export a schema: as Gemini's own kind if an import found it so, else as JSON Schema.

    Args:
        found: The value that has the schema.
        value: The schema.
        target: The object that gets it.
        own: The key for a schema of Gemini's own kind.
        standard: The key for JSON Schema.
        kept: What an import kept of the object.
    """
    original = kept.get(own, dict) if kept is not None else None
    if original is not None and same(as_json_schema(original.value), value):
        original.use(Outcome.OPAQUE, (*target.path, own))
        target.put(own, original.value, found, reason=_REASON)
    else:
        if original is not None:
            original.drop("another schema was set since")
        target.put(standard, value, found, reason="the schema as an object")
