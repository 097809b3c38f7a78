"""Requests to Anthropic's Messages API, in both directions."""

from __future__ import annotations

import re
from typing import Any, Final

from crucible_ir.interchange.anthropic.content import (
    read_block,
    read_content,
    write_block,
    write_content,
    write_result_of,
)
from crucible_ir.interchange.chat.blocks import count, filled, inside, mark_import
from crucible_ir.interchange.chat.tools import (
    FUNCTION,
    kind_of,
    read_function,
    use_kind,
    write_function,
)
from crucible_ir.interchange.mapping.conversion import UNKNOWN
from crucible_ir.interchange.mapping.converters import Rule, read_rules, write_rules
from crucible_ir.interchange.mapping.exporting import Export
from crucible_ir.interchange.mapping.importing import Import
from crucible_ir.interchange.mapping.report import Outcome
from crucible_ir.interchange.mapping.source import Source
from crucible_ir.interchange.mapping.target import Target

#: The limit on tokens of a request that has none, which the API requires.
DEFAULT_MAX_TOKENS: Final = 4096

_ROLES = ("user", "assistant", "system")
_SYSTEM_ROLES = ("system", "developer")

_OPTION_RULES = (
    Rule("model", types=(str,)),
    Rule("max_tokens", types=(int,)),
    Rule("temperature", types=(float,)),
    Rule("top_p", types=(float,)),
    Rule("top_k", types=(int,)),
    Rule("stream", types=(bool,)),
)

#: The types of tools that the caller runs.
_FUNCTION_TYPES = ("custom", FUNCTION)
#: The kind of OpenAI's tools that take a text; Anthropic's name for functions.
_TEXT_TOOL = "custom"

_TOOL_MODES = {"auto": "auto", "any": "required", "none": "none"}

_BETWEEN_BLOCKS = "\n\n"

#: The efforts of today. Others are written only if they were imported.
_EFFORTS = ("low", "medium", "high", "xhigh", "max")

#: The words for efforts. The first two are none of the format's: export never writes them.
_EFFORT = r"(?!minimal$|unspecified$)[a-z]+"

#: The keys of the schema that the answer must conform to, today's first.
_SCHEMA_PATHS = (("output_config", "format"), ("output_format",))


def read_request(conversion: Import, source: Source, prompt: Target) -> None:
    """Fill a prompt from a request."""
    _read_system(conversion, source, prompt)
    for item in source.items("messages"):
        _read_message(conversion, item, prompt)
    _read_tools(conversion, source, prompt)
    _read_tool_choice(source, prompt)
    options = prompt.child("options")
    read_rules(conversion, source, options, _OPTION_RULES)
    _read_options(source, options)
    if "model" not in source.value or "max_tokens" not in source.value:
        mark_import(conversion, prompt)


def _read_system(conversion: Import, source: Source, prompt: Target) -> None:
    system = source.get("system", str, list)
    if system is None:
        return
    if isinstance(system.value, str):
        prompt.put("system", system.value, system)
        return
    texts = _plain_texts(system.value)
    if texts:
        reason = "blocks of text without marks are one text"
        prompt.put("system", _BETWEEN_BLOCKS.join(texts), system, reason=reason)
        conversion.keep_original(system, reason)
    elif system.value:
        message = prompt.append("messages")
        message.put("role", "system")
        parts = message.child("parts")
        for block in system.members():
            read_block(conversion, block, parts.append("parts"))


def _plain_texts(blocks: Any) -> list[str]:
    """Return the texts of blocks that are nothing but texts; none if one is something else."""
    texts: list[str] = []
    for block in blocks:
        if not isinstance(block, dict) or block.keys() != {"type", "text"}:
            return []
        if block["type"] != "text" or not isinstance(block["text"], str):
            return []
        texts.append(block["text"])
    return texts


def _read_message(conversion: Import, item: Source, prompt: Target) -> None:
    role = item.get("role", str)
    if role is None or role.value not in _ROLES:
        raise item.fail("expected a message with the role user, assistant or system")
    if role.value == "system" and not any(
        each["role"] != "system" for each in prompt.value.get("messages", ())
    ):
        # Export writes the system messages at the beginning as the request's system text.
        conversion.keep_original(role, "a system message among the others")
    message = prompt.append("messages")
    message.keep_rest(item)
    message.put("role", role.value, role)
    read_content(conversion, item, message)


def _read_tools(conversion: Import, source: Source, prompt: Target) -> None:
    items = source.items("tools")
    if any(not isinstance(item.value, dict) for item in items):
        return
    for item in items:
        tool = prompt.append("tools")
        tool.keep_rest(item)
        kind = item.get("type", str)
        if kind is None or kind.value in _FUNCTION_TYPES:
            tool.put("kind", FUNCTION)
            is_marked = item.get("input_schema", dict) is None
        else:
            tool.put("kind", kind.value, kind)
            is_marked = not _is_dated(kind.value)
        if is_marked:
            mark_import(conversion, tool)
        read_function(tool, item, parameters="input_schema")


def _read_tool_choice(source: Source, prompt: Target) -> None:
    found = source.get("tool_choice", dict)
    kind = found.get("type", str) if found is not None else None
    if found is None or kind is None:
        return
    choice = prompt.child("tool_choice")
    mode = _TOOL_MODES.get(kind.value)
    name = found.get("name", str)
    if mode is not None:
        choice.put("mode", mode, kind, reason="words for the choice of tools differ")
    elif kind.value == "tool" and name is not None:
        choice.put("name", name.value, name)
        kind.implied_by(choice)


def _read_options(source: Source, options: Target) -> None:
    stop = source.get("stop_sequences", list)
    if stop is not None and all(isinstance(each, str) for each in stop.value):
        options.put("stop", stop.value, stop)
    cache = inside(source, "cache_control")
    kind = cache.get("type", str) if cache is not None else None
    if kind is not None and kind.value == "ephemeral":
        options.put("cache_control", kind.value, kind)
    thinking = inside(source, "thinking")
    if thinking is not None:
        _read_thinking(thinking, options)
    effort = inside(source, "output_config")
    found = effort.get("effort", str) if effort is not None else None
    if found is not None and re.fullmatch(_EFFORT, found.value):
        options.put("reasoning_effort", found.value, found)
    current, legacy = (inside(source, *path) for path in _SCHEMA_PATHS)
    if current is not None:
        _read_schema(current, options, implied="output_format" not in source.value)
    elif legacy is not None:
        _read_schema(legacy, options, implied=False)


def _read_thinking(thinking: Source, options: Target) -> None:
    kind = thinking.get("type", str)
    if kind is None or kind.value not in ("enabled", "adaptive", "disabled"):
        return
    budget = count(thinking, "budget_tokens")
    if budget is not None and kind.value != "disabled":
        options.put("thinking_budget_tokens", budget.value, budget)
    options.put("extended_thinking", kind.value != "disabled")
    if kind.value == _thinking_type(options.value):
        kind.implied_by((*options.path, "extended_thinking"))


def _thinking_type(options: dict[str, Any]) -> str:
    """Return the type of thinking that export writes for options."""
    if options.get("extended_thinking") is False:
        return "disabled"
    return "enabled" if "thinking_budget_tokens" in options else "adaptive"


def _read_schema(found: Source, options: Target, *, implied: bool) -> None:
    """Import a schema; where the type is not implied, it is kept and says which key had it."""
    kind = found.get("type", str)
    schema = found.get("schema", dict)
    if kind is None or kind.value != "json_schema" or schema is None:
        return
    options.put_opaque("json_schema", schema)
    options.put("response_format", "json_schema")
    if implied:
        kind.implied_by((*options.path, "response_format"))


def write_request(conversion: Export, target: Target, rest: Source | None) -> None:
    """Write a prompt as a request.

    Args:
        conversion: The export.
        target: The request.
        rest: What an import kept of the request.
    """
    source = conversion.source
    fill = filled(source)
    target.value["messages"] = []
    first = _write_system(conversion, target, rest)
    _write_messages(conversion, source.items("messages")[first:], target)
    for tool in source.items("tools"):
        _write_tool(tool, target)
    options = source.get("options", dict)
    if options is not None:
        write_rules(options, target, _OPTION_RULES)
        _write_options(options, target, rest)
    choice = source.get("tool_choice", dict)
    if choice is not None:
        _write_tool_choice(choice, target.child("tool_choice"))
    if fill:
        for key, value in (("model", UNKNOWN), ("max_tokens", DEFAULT_MAX_TOKENS)):
            if not target.has(key):
                target.default(key, value, "it is required")


def _write_system(conversion: Export, target: Target, rest: Source | None) -> int:
    """Write the system text; return the number of messages that are in it."""
    source = conversion.source
    system = source.get("system", str)
    leading: list[Source] = []
    for message in source.items("messages"):
        kept = message.rest()
        is_own = kept is not None and kept.get("role", str) is not None
        if message.text("role") not in _SYSTEM_ROLES or is_own:
            break
        leading.append(message)
    if system is not None and not leading:
        original = rest.get("system", list) if rest is not None else None
        texts = _plain_texts(original.value) if original is not None else []
        if original is not None and texts and _BETWEEN_BLOCKS.join(texts) == system.value:
            original.use(Outcome.OPAQUE, (*target.path, "system"))
            target.put("system", original.value, system, reason="as the import found it")
        else:
            target.put("system", system.value, system)
        return 0
    only = leading[0].get("text", str) if len(leading) == 1 and system is None else None
    if only is not None:
        target.put("system", only.value, only)
    elif system is not None:
        block = target.append("system")
        block.put("type", "text")
        block.put("text", system.value, system)
    for message in leading:
        role = message.get("role", str)
        assert role is not None
        if role.value == "developer":
            reason = "the format has no developer"
            role.use(Outcome.CONVERTED, (*target.path, "system"), reason=reason, to="system")
        else:
            role.implied_by((*target.path, "system"))
        text = message.get("text", str)
        if text is not None and only is None:
            block = target.append("system")
            block.put("type", "text")
            block.put("text", text.value, text)
        parts = message.get("parts", dict)
        for part in parts.items("parts") if parts is not None else ():
            write_block(conversion, part, target, "system", only=("text",))
    return len(leading)


def _write_messages(conversion: Export, messages: list[Source], target: Target) -> None:
    results: Target | None = None
    for message in messages:
        role = message.get("role", str)
        if role is not None and role.value == "tool":
            if results is None:
                results = target.append("messages")
            results.put("role", "user", role, reason="results of tools are the user's")
            write_result_of(conversion, message, results)
            continue
        results = None
        item = target.append("messages")
        if role is not None:
            name = "system" if role.value == "developer" else role.value
            item.put("role", name, role, reason="the format has no developer")
        write_content(conversion, message, item)
        kept = message.rest()
        own = kept.get("role", str) if kept is not None else None
        if own is not None and own.value == item.value.get("role"):
            own.use(Outcome.OPAQUE, (*item.path, "role"))
        item.restore(kept)


def _write_tool(tool: Source, target: Target) -> None:
    kind = kind_of(tool)
    rest = tool.rest()
    found = tool.get("kind", str)
    if kind not in _FUNCTION_TYPES and rest is None and not _is_dated(kind):
        tool.drop("a tool of another service")
        return
    item = target.append("tools")
    if found is not None and kind == _TEXT_TOOL:
        reason = "a tool that takes a text becomes one that takes an object"
        found.use(Outcome.CONVERTED, item.path, reason=reason, to=FUNCTION)
    elif kind in _FUNCTION_TYPES:
        use_kind(tool, item)
    elif found is not None:
        item.put("type", found.value, found)
    else:
        kind_source = tool.get("type", str)
        assert kind_source is not None
        item.put("type", kind_source.value, kind_source)
    write_function(tool, item, parameters="input_schema")
    if kind in _FUNCTION_TYPES and rest is None and not item.has("input_schema"):
        item.default("input_schema", {"type": "object"}, "it is required")
    item.restore(rest)


def _is_dated(kind: str) -> bool:
    """Return whether the name of a kind of tool ends with a date, as Anthropic's do."""
    return kind[-8:].isdecimal() and kind[-9:-8] == "_"


def _write_tool_choice(choice: Source, target: Target) -> None:
    mode = choice.get("mode", str)
    name = choice.get("name", str)
    if mode is not None:
        theirs = {ours: theirs for theirs, ours in _TOOL_MODES.items()}.get(mode.value)
        if theirs is not None:
            target.put("type", theirs, mode, reason="words for the choice of tools differ")
    elif name is not None:
        target.put("type", "tool")
        target.put("name", name.value, name)


def _write_options(options: Source, target: Target, rest: Source | None) -> None:
    stop = options.get("stop", list)
    if stop is not None:
        target.put("stop_sequences", stop.value, stop)
    cache = options.get("cache_control", str)
    if cache is not None:
        target.child("cache_control").put("type", cache.value, cache)
    _write_thinking(options, target, inside(rest, "thinking"))
    effort = options.get("reasoning_effort", str)
    if effort is not None and (effort.value in (*_EFFORTS, "minimal") or rest is not None):
        name = "low" if effort.value == "minimal" else effort.value
        reason = "the lowest effort of the format"
        target.child("output_config").put("effort", name, effort, reason=reason)
    _write_schema(options, target, rest)


def _write_thinking(options: Source, target: Target, kept: Source | None) -> None:
    thinking = target.child("thinking")
    extended = options.get("extended_thinking", bool)
    budget = options.get("thinking_budget_tokens", int)
    original = kept.text("type") if kept is not None else None
    kind = _thinking_type(options.value)
    if extended is not None:
        is_same = original is not None and (original == "disabled") is (extended.value is False)
        thinking.put("type", original if is_same else kind, extended, reason="types of thinking")
    elif budget is not None and kept is None:
        thinking.put("type", kind)
    if budget is not None and thinking.value.get("type") == "disabled":
        budget.drop("there is no budget without thinking")
    elif budget is not None:
        thinking.put("budget_tokens", budget.value, budget)


def _write_schema(options: Source, target: Target, rest: Source | None) -> None:
    format_ = options.get("response_format", str)
    schema = options.get("json_schema", dict)
    if schema is not None:
        current, legacy = (inside(rest, *path) for path in _SCHEMA_PATHS)
        is_legacy = legacy is not None and legacy.text("type") == "json_schema"
        if is_legacy and current is None:
            owner = target.child("output_format")
        else:
            owner = target.child("output_config").child("format")
        owner.put("type", "json_schema")
        owner.put("schema", schema.value, schema)
        if format_ is not None:
            format_.implied_by(owner)
    elif format_ is not None and format_.value == "text":
        format_.use(Outcome.CONVERTED, target.path, reason="text is the format without a schema")
