"""The requests of Responses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from crucible_ir.interchange.chat.parts import is_foreign, take_mark
from crucible_ir.interchange.chat.records import body_target
from crucible_ir.interchange.chat.tools import (
    FUNCTION,
    are_tools,
    kind_of,
    read_function,
    use_kind,
    write_function,
)
from crucible_ir.interchange.mapping.converters import Rule, read_rules, write_rules
from crucible_ir.interchange.openai_responses.items import read_items
from crucible_ir.interchange.openai_responses.parts import FORMAT_NAME
from crucible_ir.interchange.openai_responses.writing import Writer

if TYPE_CHECKING:
    from crucible_ir.interchange.mapping.exporting import Export
    from crucible_ir.interchange.mapping.importing import Import
    from crucible_ir.interchange.mapping.source import Source
    from crucible_ir.interchange.mapping.target import Target

_RULES: Final = (
    Rule("model", types=(str,)),
    Rule("max_output_tokens", "max_tokens", types=(int,)),
    Rule("temperature", types=(float,)),
    Rule("top_p", types=(float,)),
    Rule("stream", types=(bool,)),
)
_REASONING_RULES: Final = (Rule("effort", "reasoning_effort", types=(str,)),)

#: Our name of each type of ``text.format`` that needs nothing else.
_FORMATS: Final = {"text": "text", "json_object": "json"}

#: The name of the answer's schema where a prompt does not give one.
_SCHEMA_NAME: Final = "answer"

_MODES: Final = ("auto", "none", "required")
_NAMED: Final = (FUNCTION, "custom")

#: The mark of an input that is one text.
_AS_TEXT: Final = "as_text"


def read_request(conversion: Import, source: Source, prompt: Target) -> None:
    """Import the body of a request."""
    options = prompt.child("options")
    instructions = source.get("instructions", str)
    if instructions is not None:
        prompt.put("system", instructions.value, instructions)
    text = source.get("input", str)
    if text is not None:
        message = prompt.append("messages")
        message.value["role"] = "user"
        message.put("text", text.value, text)
        prompt.mark(_AS_TEXT)
    read_items(conversion, source.items("input"), lambda: prompt.append("messages"))
    _read_tools(source, prompt)
    _read_tool_choice(source, prompt)
    read_rules(conversion, source, options, _RULES)
    reasoning = source.get("reasoning", dict)
    if reasoning is not None:
        read_rules(conversion, reasoning, options, _REASONING_RULES)
    settings = source.get("text", dict)
    format_ = settings.get("format", dict) if settings is not None else None
    if format_ is not None:
        _read_format(format_, options)


def _read_tools(source: Source, prompt: Target) -> None:
    items = source.items("tools")
    if not are_tools(items):
        return
    for item in items:
        tool = prompt.append("tools")
        tool.keep_rest(item)
        type_ = item.get("type", str)
        if type_ is not None:
            tool.put("kind", type_.value, type_)
        else:
            tool.default("kind", FUNCTION, "the tool has no type")
        read_function(tool, item)


def _read_tool_choice(source: Source, prompt: Target) -> None:
    mode, found = source.get("tool_choice", str), source.get("tool_choice", dict)
    choice = prompt.child("tool_choice")
    if mode is not None and mode.value in _MODES:
        choice.put("mode", mode.value, mode)
    elif found is not None:
        type_, name = found.get("type", str), found.get("name", str)
        if type_ is not None and type_.value in _NAMED and name is not None:
            choice.put("name", name.value, name)
            if type_.value == FUNCTION:
                type_.implied_by(choice)


def _read_format(source: Source, options: Target) -> None:
    type_, schema = source.get("type", str), source.get("schema", dict)
    if type_ is not None and type_.value in _FORMATS:
        name = _FORMATS[type_.value]
        options.put("response_format", name, type_, reason="names of formats differ")
    elif type_ is not None and type_.value == "json_schema" and schema is not None:
        options.put("response_format", type_.value, type_)
        options.put_opaque("json_schema", schema)
        title = source.get("name", str)
        if title is not None and title.value == _SCHEMA_NAME:
            title.implied_by(options)


def export_prompt(conversion: Export) -> None:
    """Export a prompt as a request, or as the line of a batch that it was in."""
    source = conversion.source
    rest = source.rest()
    fresh = rest is None
    target = body_target(conversion, "body")
    system = source.get("system", str)
    if system is not None:
        target.put("instructions", system.value, system)
    _write_input(source, target, rest)
    for tool in source.items("tools"):
        if kind_of(tool) not in _NAMED and is_foreign(tool, FORMAT_NAME):
            tool.drop("a tool of another service")
        else:
            _write_tool(tool, target.append("tools"), fresh=fresh)
    _write_tool_choice(source, target, rest)
    options = source.get("options", dict)
    if options is not None:
        write_rules(options, target, _RULES)
        write_rules(options, target.child("reasoning"), _REASONING_RULES)
        _write_format(options, target, rest)
    target.restore(rest)


def _write_input(source: Source, target: Target, rest: Source | None) -> None:
    messages = source.items("messages")
    as_text = take_mark(rest, _AS_TEXT) is not None
    if as_text and len(messages) == 1 and set(messages[0].value) == {"role", "text"}:
        role, text = messages[0].get("role", str), messages[0].get("text", str)
        if role is not None and text is not None and role.value == "user":
            role.implied_by(target)
            target.put("input", text.value, text)
            return
    if rest is None:
        target.value["input"] = []
    writer = Writer(lambda: target.append("input"), is_output=False, fresh=rest is None)
    for message in messages:
        writer.write(message)


def _write_tool(tool: Source, item: Target, *, fresh: bool) -> None:
    kind = kind_of(tool)
    if "kind" not in tool.value or tool.get("kind", str) is not None:
        item.value["type"] = kind
        use_kind(tool, item)
    write_function(tool, item)
    if fresh and kind == FUNCTION:
        for key, value in (("parameters", None), ("strict", False)):
            if not item.has(key):
                item.default(key, value, "the service requires it")
    item.restore(tool.rest())


def _write_tool_choice(source: Source, target: Target, rest: Source | None) -> None:
    choice = source.get("tool_choice", dict)
    if choice is None:
        return
    mode, name = choice.get("mode", str), choice.get("name", str)
    if mode is not None:
        target.put("tool_choice", mode.value, mode)
    elif name is not None:
        chosen = target.child("tool_choice")
        kept = rest.get("tool_choice", dict) if rest is not None else None
        if kept is None or "type" not in kept.value:
            chosen.value["type"] = FUNCTION
        chosen.put("name", name.value, name)


def _write_format(options: Source, target: Target, rest: Source | None) -> None:
    name, schema = options.get("response_format", str), options.get("json_schema", dict)
    if name is None:
        return
    format_ = target.child("text").child("format")
    for type_, ours in _FORMATS.items():
        if ours == name.value:
            format_.put("type", type_, name, reason="names of formats differ")
            return
    format_.put("type", name.value, name)
    if schema is not None:
        format_.put("schema", schema.value, schema)
        settings = rest.get("text", dict) if rest is not None else None
        kept = settings.get("format", dict) if settings is not None else None
        if kept is None or "name" not in kept.value:
            format_.value["name"] = _SCHEMA_NAME
