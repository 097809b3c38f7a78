"""The requests of Chat Completions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

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
from crucible_ir.interchange.mapping.converters import (
    Converter,
    NoConversionError,
    Rule,
    read_rules,
    write_rules,
)
from crucible_ir.interchange.openai.messages import read_message, write_message
from crucible_ir.interchange.openai.parts import FORMAT_NAME

if TYPE_CHECKING:
    from crucible_ir.interchange.mapping.exporting import Export
    from crucible_ir.interchange.mapping.importing import Import
    from crucible_ir.interchange.mapping.source import Source
    from crucible_ir.interchange.mapping.target import Target


def _read_stop(value: Any) -> list[str]:
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise NoConversionError("not a list of texts")
    return items


_STOP = Converter(_read_stop, lambda value: value, "one text or a list")

_RULES: Final = (
    Rule("model", types=(str,)),
    Rule("temperature", types=(float,)),
    Rule("top_p", types=(float,)),
    Rule("frequency_penalty", types=(float,)),
    Rule("presence_penalty", types=(float,)),
    Rule("stop", converter=_STOP, types=(str, list)),
    Rule("stream", types=(bool,)),
    Rule("seed", types=(int,)),
    Rule("reasoning_effort", types=(str,)),
    Rule("n", "choice_count", types=(int,)),
)

#: What only compatible servers take.
_COMPATIBLE_RULES: Final = (Rule("top_k", types=(int,)),)

#: Our name of each type of ``response_format`` that needs nothing else.
_FORMATS: Final = {"text": "text", "json_object": "json"}

#: The name of the answer's schema where a prompt does not give one.
_SCHEMA_NAME: Final = "answer"

_MODES: Final = ("auto", "none", "required")


def read_request(conversion: Import, source: Source, prompt: Target) -> None:
    """Import the body of a request."""
    options = prompt.child("options")
    for number, item in enumerate(source.items("messages")):
        if not isinstance(item.value, dict):
            raise item.fail("expected an object")
        read_message(conversion, item, prompt.append("messages"), number)
    _read_tools(source, prompt)
    _read_tool_choice(source, prompt)
    read_rules(conversion, source, options, (*_RULES, *_COMPATIBLE_RULES))
    _read_max_tokens(source, prompt)
    _read_response_format(source, options)


def _read_max_tokens(source: Source, prompt: Target) -> None:
    for key in ("max_completion_tokens", "max_tokens"):
        limit = source.get(key, int)
        if limit is not None:
            prompt.child("options").put("max_tokens", limit.value, limit)
            if key == "max_tokens":
                prompt.mark("as_max_tokens")
            return


def _read_response_format(source: Source, options: Target) -> None:
    found = source.get("response_format", dict)
    type_ = found.get("type", str) if found is not None else None
    if found is None or type_ is None:
        return
    if type_.value in _FORMATS:
        name = _FORMATS[type_.value]
        options.put("response_format", name, type_, reason="names of formats differ")
        return
    wrapper = found.get("json_schema", dict)
    schema = wrapper.get("schema", dict) if wrapper is not None else None
    if type_.value == "json_schema" and wrapper is not None and schema is not None:
        options.put("response_format", "json_schema", type_)
        options.put_opaque("json_schema", schema)
        name_ = wrapper.get("name", str)
        if name_ is not None and name_.value == _SCHEMA_NAME:
            name_.implied_by(options)


def _read_tools(source: Source, prompt: Target) -> None:
    for key in ("tools", "functions"):
        items = source.items(key)
        if not items or not are_tools(items):
            continue
        for item in items:
            tool = prompt.append("tools")
            tool.keep_rest(item)
            if key == "functions":
                tool.value["kind"] = FUNCTION
                tool.mark("as_function")
                read_function(tool, item)
            else:
                _read_tool(item, tool)
        return


def _read_tool(item: Source, tool: Target) -> None:
    type_ = item.get("type", str)
    if type_ is not None:
        tool.put("kind", type_.value, type_)
    else:
        tool.default("kind", FUNCTION, "the tool has no type")
    body = item.get(type_.value if type_ is not None else FUNCTION, dict)
    nested = type_ is None or type_.value in _NESTED
    if not nested:
        read_function(tool, item)
    elif body is not None:
        read_function(tool, body)


#: The types of tools whose definition is an object under a key of their name.
_NESTED: Final = (FUNCTION, "custom")


def _read_tool_choice(source: Source, prompt: Target) -> None:
    choice = prompt.child("tool_choice")
    for key in ("tool_choice", "function_call"):
        mode = source.get(key, str)
        found = source.get(key, dict)
        if mode is not None and mode.value in _MODES:
            choice.put("mode", mode.value, mode)
        elif found is not None:
            name = found.get("name", str) if key != "tool_choice" else _chosen(found, choice)
            if name is None:
                continue
            choice.put("name", name.value, name)
        else:
            continue
        if key == "function_call":
            prompt.mark("as_function_call")
        return


def _chosen(choice: Source, target: Target) -> Source | None:
    """Return the name of the tool that must be called."""
    type_ = choice.get("type", str)
    body = choice.get(type_.value, dict) if type_ is not None and type_.value in _NESTED else None
    name = body.get("name", str) if body is not None else None
    if name is not None and type_ is not None and type_.value == FUNCTION:
        type_.implied_by(target)
    return name


def export_prompt(conversion: Export) -> None:
    """Export a prompt as a request, or as the line of a batch that it was in."""
    source = conversion.source
    rest = source.rest()
    target = body_target(conversion, "body")
    system = source.get("system", str)
    if system is not None:
        message = target.append("messages")
        message.value["role"] = "system"
        message.put("content", system.value, system)
    target.value.setdefault("messages", [])
    for item in source.items("messages"):
        write_message(item, lambda: target.append("messages"), fresh=rest is None)
    for tool in source.items("tools"):
        _write_tool(tool, target)
    _write_tool_choice(source, target, rest)
    options = source.get("options", dict)
    if options is not None:
        write_rules(options, target, _RULES)
        if rest is not None:
            write_rules(options, target, _COMPATIBLE_RULES)
        _write_max_tokens(options, target, rest)
        _write_response_format(options, target, rest)
    target.restore(rest)


def _write_max_tokens(options: Source, target: Target, rest: Source | None) -> None:
    older = take_mark(rest, "as_max_tokens") is not None
    limit = options.get("max_tokens", int)
    if limit is not None:
        target.put("max_tokens" if older else "max_completion_tokens", limit.value, limit)


def _write_response_format(options: Source, target: Target, rest: Source | None) -> None:
    name = options.get("response_format", str)
    schema = options.get("json_schema", dict)
    if name is None:
        return
    format_ = target.child("response_format")
    for type_, ours in _FORMATS.items():
        if ours == name.value:
            format_.put("type", type_, name, reason="names of formats differ")
            return
    format_.put("type", name.value, name)
    if schema is not None:
        wrapper = format_.child("json_schema")
        wrapper.put("schema", schema.value, schema)
        kept = rest.get("response_format", dict) if rest is not None else None
        kept = kept.get("json_schema", dict) if kept is not None else None
        if kept is None or "name" not in kept.value:
            wrapper.value["name"] = _SCHEMA_NAME


def _write_tool(tool: Source, target: Target) -> None:
    if kind_of(tool) not in _NESTED and is_foreign(tool, FORMAT_NAME):
        tool.drop("a tool of another service")
        return
    if take_mark(tool.rest(), "as_function") is not None:
        item = target.append("functions")
        write_function(tool, item)
        use_kind(tool, item)
        item.restore(tool.rest())
        return
    item = target.append("tools")
    kind = kind_of(tool)
    if "kind" not in tool.value or tool.get("kind", str) is not None:
        item.value["type"] = kind
        use_kind(tool, item)
    write_function(tool, item.child(kind) if kind in _NESTED else item)
    item.restore(tool.rest())


def _write_tool_choice(source: Source, target: Target, rest: Source | None) -> None:
    legacy = take_mark(rest, "as_function_call") is not None
    choice = source.get("tool_choice", dict)
    if choice is None:
        return
    key = "function_call" if legacy else "tool_choice"
    mode, name = choice.get("mode", str), choice.get("name", str)
    if mode is not None:
        target.put(key, mode.value, mode)
    elif name is not None and legacy:
        target.child(key).put("name", name.value, name)
    elif name is not None:
        kept = rest.get(key, dict) if rest is not None else None
        kind = kept.text("type") if kept is not None else None
        chosen = target.child(key)
        if kind is None:
            chosen.value["type"] = FUNCTION
        chosen.child(kind if kind in _NESTED else FUNCTION).put("name", name.value, name)
