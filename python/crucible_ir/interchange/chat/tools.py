"""Definitions of tools, which have one shape whatever the service.

The shape is ``{kind, name, description, parameters, strict}``; ``kind`` is ``function``, or the
service's name of a tool of its own. What else a service says of a tool is kept under
``options["<format>"]``.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from crucible_ir.interchange.chat.calls import is_exact

if TYPE_CHECKING:
    from crucible_ir.interchange.mapping.source import Source
    from crucible_ir.interchange.mapping.target import Target

#: The kind of a tool that the caller runs.
FUNCTION: Final = "function"

_TEXT = "opaque JSON cannot hold the schema: kept as JSON text"


def are_tools(items: list[Source]) -> bool:
    """Return whether each of some items is an object, so that a list of tools can hold it."""
    return all(isinstance(item.value, dict) for item in items)


def read_function(tool: Target, source: Source, *, parameters: str = "parameters") -> None:
    """Import the name, the description and the schema of a tool.

    Args:
        tool: The tool.
        source: The object that has them.
        parameters: The key of the schema.
    """
    for key, type_ in (("name", str), ("description", str), ("strict", bool)):
        found = source.get(key, type_)
        if found is not None:
            tool.put(key, found.value, found)
    schema = source.get(parameters, dict)
    if schema is None:
        return
    if is_exact(schema.value):
        tool.put("parameters", schema.value, schema)
    else:
        text = json.dumps(schema.value, ensure_ascii=False)
        tool.put("parameters_json", text, schema, reason=_TEXT)


def write_function(tool: Source, target: Target, *, parameters: str = "parameters") -> None:
    """Export the name, the description and the schema of a tool.

    Args:
        tool: The tool.
        target: The object that gets them.
        parameters: The key of the schema.
    """
    body = function_body(tool)
    for key, type_ in (("name", str), ("description", str), ("strict", bool)):
        found = body.get(key, type_)
        if found is not None:
            target.put(key, found.value, found)
    schema = schema_of(body)
    if schema is not None:
        found, value = schema
        target.put(parameters, value, found, reason="the schema as an object")


def schema_of(body: Source) -> tuple[Source, dict[str, Any]] | None:
    """Return the schema of a tool, with the value that has it; ``None`` if there is none.

    Args:
        body: The object with the tool's name.
    """
    for key in ("parameters", "input_schema", "inputSchema"):
        found = body.get(key, dict)
        if found is not None:
            return found, found.value
    text = body.get("parameters_json", str)
    value = _parsed(text.value) if text is not None else None
    return (text, value) if text is not None and value is not None else None


def function_body(tool: Source) -> Source:
    """Return the object with the name of a tool: in the shape of a service, one inside."""
    nested = tool.get(FUNCTION, dict)
    return nested if nested is not None and "name" not in tool.value else tool


def kind_of(tool: Source) -> str:
    """Return the kind of a tool of a prompt; that of a service's own shape is its type."""
    for key in ("kind", "type"):
        kind = tool.get(key, str)
        if kind is not None:
            return str(kind.value)
    return FUNCTION


def use_kind(tool: Source, target: Target) -> None:
    """Say that the structure of the target has the kind of a tool."""
    for key in ("kind", "type"):
        kind = tool.get(key, str)
        if kind is not None:
            kind.implied_by(target)


def _parsed(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
