"""Requests to Gemini's generateContent, in both directions."""

from __future__ import annotations

from typing import Any, Final

from crucible_ir.interchange.chat.blocks import inside
from crucible_ir.interchange.chat.parts import use_mark
from crucible_ir.interchange.chat.tools import (
    FUNCTION,
    function_body,
    kind_of,
    read_function,
    schema_of,
    use_kind,
)
from crucible_ir.interchange.gemini.content import (
    ROLES,
    Calls,
    read_content,
    write_content,
    write_part,
    write_result,
)
from crucible_ir.interchange.gemini.schemas import read_schema, write_schema
from crucible_ir.interchange.mapping.converters import (
    Converter,
    NoConversionError,
    Rule,
    names,
    read_rules,
    write_rules,
)
from crucible_ir.interchange.mapping.exporting import Export
from crucible_ir.interchange.mapping.importing import Import
from crucible_ir.interchange.mapping.report import Outcome
from crucible_ir.interchange.mapping.source import Source
from crucible_ir.interchange.mapping.target import Target


def _whole(value: Any) -> int:
    if isinstance(value, float) and not value.is_integer():
        raise NoConversionError("not a whole number")
    return int(value)


_RULES = (
    Rule("temperature", types=(float,)),
    Rule("topP", "top_p", types=(float,)),
    Rule("topK", "top_k", Converter(_whole, lambda value: value, "a whole number"), (float,)),
    Rule("maxOutputTokens", "max_tokens", types=(int,)),
    Rule("candidateCount", "choice_count", types=(int,)),
    Rule("presencePenalty", "presence_penalty", types=(float,)),
    Rule("frequencyPenalty", "frequency_penalty", types=(float,)),
    Rule("seed", types=(int,)),
)

_LEVELS: Final = {"MINIMAL": "minimal", "LOW": "low", "MEDIUM": "medium", "HIGH": "high"}
#: The efforts of other services above Gemini's highest level.
_HIGHER = ("xhigh", "max")

_LEVEL = names(_LEVELS, "levels of thinking in capitals")

_MODES: Final = {"AUTO": "auto", "ANY": "required", "NONE": "none"}
_MODE_REASON = "words for the choice of tools differ"

_SYSTEM_ROLES = ("system", "developer")

#: The budget for thinking that the model chooses, and that of no thinking.
_DYNAMIC, _OFF = -1, 0

#: The key that says which required key the source does not have.
_WITHOUT = "without"

#: The key in the options of a tool with the number of the object that it is in.
_GROUP = "group"


# Reading


def read_request(conversion: Import, source: Source, prompt: Target) -> None:
    """Fill a prompt from a request."""
    calls = Calls()
    options = prompt.child("options")
    model = source.get("model", str)
    if model is not None:
        options.put("model", model.value, model)
    _read_system(conversion, source, prompt, calls)
    for place, content in enumerate(source.items("contents")):
        if not isinstance(content.value, dict):
            raise content.fail("expected a content: an object with a role and parts")
        message = prompt.append("messages")
        read_role(conversion, content, message, "user")
        read_content(conversion, content, message, calls, place)
    _read_tools(conversion, source, prompt)
    _read_tool_choice(source, prompt)
    config = source.get("generationConfig", dict)
    if config is not None:
        options.keep_rest(config)
        read_rules(conversion, config, options, _RULES)
        _read_config(conversion, config, options)


def read_role(conversion: Import, content: Source, message: Target, default: str) -> None:
    """Import the role of a content; an unknown one is kept beside the usual one."""
    role = content.get("role", str)
    ours = ROLES.get(role.value) if role is not None else None
    if role is None:
        message.put("role", default)
        if "role" not in content.value:
            message.child("metadata").child(conversion.format).put(_WITHOUT, "role")
        return
    reason = "names of roles differ"
    message.put("role", ours or default, role, reason=reason)
    if _role_of(ours or default) != role.value:
        conversion.keep_original(role, reason)


def _role_of(ours: str) -> str:
    """Return the role that export writes."""
    return "model" if ours == "assistant" else "user"


def _read_system(conversion: Import, source: Source, prompt: Target, calls: Calls) -> None:
    system = source.get("systemInstruction", dict)
    parts = system.get("parts", list) if system is not None else None
    if system is None or parts is None or not parts.value:
        return
    if not all(isinstance(each, dict) for each in parts.value):
        return
    [first, *others] = parts.members()
    text = first.get("text", str)
    if text is not None and not others and first.value.keys() == {"text"}:
        prompt.put("system", text.value, text)
        return
    message = prompt.append("messages")
    message.put("role", "system")
    read_content(conversion, system, message, calls, 0)


def _read_tools(conversion: Import, source: Source, prompt: Target) -> None:
    """Import the tools: one for each declaration of a function, and for each other kind."""
    items = source.items("tools")
    if not all(isinstance(item.value, dict) and item.value for item in items):
        return
    found: list[tuple[int, str, Source]] = []
    for at, item in enumerate(items):
        for key in item.value:
            value = Source(item.value[key], (*item.path, key), conversion)
            functions = value.members() if key == "functionDeclarations" else []
            if functions and all(isinstance(each.value, dict) for each in functions):
                found += [(at, FUNCTION, each) for each in functions]
            else:
                found.append((at, key, value))
    groups = [at for at, _, _ in found]
    is_usual = groups == _usual_groups([kind for _, kind, _ in found])
    for at, kind, value in found:
        tool = prompt.append("tools")
        tool.put("kind", kind)
        own = tool.child("options").child(conversion.format)
        if kind == FUNCTION:
            tool.keep_rest(value)
            _read_function(conversion, value, tool)
        else:
            own.put_opaque(kind, value)
        if not is_usual:
            own.put(_GROUP, at)


def _usual_groups(kinds: list[str]) -> list[int]:
    """Return the numbers of the objects in which export writes tools of some kinds.

    >>> _usual_groups(["function", "function", "googleSearch", "function"])
    [0, 0, 1, 2]
    """
    groups: list[int] = []
    for at, kind in enumerate(kinds):
        if at and not (kind == FUNCTION == kinds[at - 1]):
            groups.append(groups[-1] + 1)
        else:
            groups.append(groups[-1] if groups else 0)
    return groups


def _read_function(conversion: Import, source: Source, tool: Target) -> None:
    if source.get("parameters") is None:
        read_function(tool, source, parameters="parametersJsonSchema")
        return
    read_schema(conversion, source, "parameters", tool, "parameters")
    read_function(tool, source, parameters="")


def _read_tool_choice(source: Source, prompt: Target) -> None:
    config = inside(source, "toolConfig", "functionCallingConfig")
    mode = config.get("mode", str) if config is not None else None
    if config is None or mode is None or mode.value not in _MODES:
        return
    choice = prompt.child("tool_choice")
    allowed = config.items("allowedFunctionNames")
    if mode.value == "ANY" and len(allowed) == 1 and isinstance(allowed[0].value, str):
        choice.put("name", allowed[0].value, allowed[0])
        mode.implied_by(choice)
    else:
        choice.put("mode", _MODES[mode.value], mode, reason=_MODE_REASON)


def _read_config(conversion: Import, config: Source, options: Target) -> None:
    stop = config.get("stopSequences", list)
    if stop is not None and all(isinstance(each, str) for each in stop.value):
        options.put("stop", stop.value, stop)
    standard = config.get("responseJsonSchema", dict)
    if config.get("responseSchema") is not None:
        read_schema(conversion, config, "responseSchema", options, "json_schema")
    elif standard is not None:
        options.put_opaque("json_schema", standard)
    kind = config.get("responseMimeType", str)
    if kind is not None and kind.value == "application/json":
        ours = "json_schema" if options.has("json_schema") else "json"
        options.put("response_format", ours, kind, reason="formats of the answer")
    elif kind is not None and kind.value == "text/plain":
        options.put("response_format", "text", kind, reason="formats of the answer")
    thinking = config.get("thinkingConfig", dict)
    if thinking is not None:
        _read_thinking(thinking, options)


def _read_thinking(thinking: Source, options: Target) -> None:
    budget = thinking.get("thinkingBudget", int)
    if budget is not None and budget.value == _DYNAMIC:
        options.put("extended_thinking", True, budget, reason="the model chooses the budget")
    elif budget is not None and 0 <= budget.value < 2**31:
        options.put("thinking_budget_tokens", budget.value, budget)
        options.put("extended_thinking", budget.value != _OFF)
    level = thinking.get("thinkingLevel", str)
    if level is not None and level.value in _LEVELS:
        options.put("reasoning_effort", _LEVELS[level.value], level, reason=_LEVEL.reason)


# Writing


def write_request(conversion: Export, target: Target, rest: Source | None) -> None:
    """Write a prompt as a request.

    Args:
        conversion: The export.
        target: The request.
        rest: What an import kept of the request.
    """
    source = conversion.source
    calls = Calls()
    options = source.get("options", dict)
    model = options.get("model", str) if options is not None else None
    if model is not None:
        target.put("model", model.value, model)
    target.value["contents"] = []
    first = _write_system(conversion, target, calls)
    _write_contents(conversion, source.items("messages")[first:], target, calls)
    _write_tools(conversion, source.items("tools"), target)
    choice = source.get("tool_choice", dict)
    if choice is not None:
        config = target.child("toolConfig").child("functionCallingConfig")
        _write_tool_choice(choice, config, inside(rest, "toolConfig", "functionCallingConfig"))
    if options is not None:
        config = target.child("generationConfig")
        write_rules(options, config, _RULES)
        _write_config(options, config)
        use_mark(options.rest())
        config.restore(options.rest())


def _write_system(conversion: Export, target: Target, calls: Calls) -> int:
    """Write the system text; return the number of messages that are in it."""
    source = conversion.source
    system = source.get("system", str)
    instruction = target.child("systemInstruction")
    if system is not None:
        instruction.append("parts").put("text", system.value, system)
    leading = 0
    for message in source.items("messages"):
        role = message.get("role", str)
        if role is None or role.value not in _SYSTEM_ROLES:
            break
        if role.value == "developer":
            reason = "the format has no developer"
            role.use(Outcome.CONVERTED, instruction.path, reason=reason, to="system")
        else:
            role.implied_by(instruction)
        write_content(conversion, message, instruction, calls)
        instruction.restore(message.rest())
        leading += 1
    return leading


def write_role(message: Source, content: Target) -> None:
    """Write the role of a content, if an import did not keep another one."""
    role = message.get("role", str)
    if role is None:
        return
    rest = message.rest()
    without = rest.get(_WITHOUT, str) if rest is not None else None
    if without is not None and without.value == "role":
        reason = "the import found none"
        without.use(Outcome.CONVERTED, reason=reason)
        role.use(Outcome.CONVERTED, content.path, reason=reason)
        return
    if rest is not None and "role" in rest.value:
        original = rest.value["role"]
        if not isinstance(original, str) or ROLES.get(original, role.value) == role.value:
            role.use(Outcome.CONVERTED, (*content.path, "role"), to=original)
            return
    content.put("role", _role_of(role.value), role, reason="names of roles differ")


def _write_contents(
    conversion: Export, messages: list[Source], target: Target, calls: Calls
) -> None:
    results: Target | None = None
    for message in messages:
        role = message.get("role", str)
        if role is not None and role.value == "tool":
            if results is None:
                results = target.append("contents")
            results.put("role", "user", role, reason="results of tools are the user's")
            _write_tool_message(conversion, message, results, calls)
            continue
        results = None
        content = target.append("contents")
        write_role(message, content)
        write_content(conversion, message, content, calls)
        content.restore(message.rest())


def _write_tool_message(conversion: Export, message: Source, content: Target, calls: Calls) -> None:
    parts = message.get("parts", dict)
    items = parts.items("parts") if parts is not None else []
    if "tool_call_id" not in message.value and any("tool_result" in each.value for each in items):
        for item in items:
            write_part(conversion, item, content, calls)
        return
    text = message.get("text", str)
    response = content.append("parts").child("functionResponse")
    texts = [text] if text is not None else []
    write_result(conversion, message, response, texts, items, calls, fill=True)


def _write_tools(conversion: Export, tools: list[Source], target: Target) -> None:
    known: list[tuple[Source, str]] = []
    for tool in tools:
        kind = kind_of(tool)
        rest = tool.rest()
        if kind != FUNCTION and (rest is None or kind not in rest.value):
            tool.drop("a tool of another service")
        else:
            known.append((tool, kind))
    groups: list[int] = []
    for tool, _ in known:
        rest = tool.rest()
        group = rest.get(_GROUP, int) if rest is not None else None
        if group is not None:
            group.use(Outcome.CONVERTED, reason="the place of the tool")
            groups.append(group.value)
    if len(groups) != len(known):
        groups = _usual_groups([kind for _, kind in known])
    objects: dict[int, Target] = {}
    for (tool, kind), place in zip(known, groups, strict=True):
        if place not in objects:
            objects[place] = target.append("tools")
        use_kind(tool, objects[place])
        rest = tool.rest()
        if kind == FUNCTION:
            _write_function(tool, objects[place].append("functionDeclarations"), rest)
        else:
            assert rest is not None
            value = Source(rest.value[kind], (*rest.path, kind), conversion)
            objects[place].put(kind, value.value, value)


def _write_function(tool: Source, target: Target, rest: Source | None) -> None:
    body = function_body(tool)
    for key in ("name", "description"):
        found = body.get(key, str)
        if found is not None:
            target.put(key, found.value, found)
    strict = body.get("strict", bool)
    if strict is not None and rest is not None:
        target.put("strict", strict.value, strict)
    schema = schema_of(body)
    if schema is not None:
        write_schema(*schema, target, "parameters", "parametersJsonSchema", rest)
    target.restore(rest)


def _write_tool_choice(choice: Source, config: Target, kept: Source | None) -> None:
    mode = choice.get("mode", str)
    name = choice.get("name", str)
    if name is not None:
        config.put("mode", "ANY")
        config.append_value("allowedFunctionNames", name.value, name)
    elif mode is not None:
        theirs = {ours: theirs for theirs, ours in _MODES.items()}.get(mode.value)
        if theirs is not None:
            config.put("mode", theirs, mode, reason=_MODE_REASON)


def _write_config(options: Source, config: Target) -> None:
    rest = options.rest()
    stop = options.get("stop", list)
    if stop is not None:
        config.put("stopSequences", stop.value, stop)
    schema = options.get("json_schema", dict)
    if schema is not None:
        write_schema(schema, schema.value, config, "responseSchema", "responseJsonSchema", rest)
    format_ = options.get("response_format", str)
    if format_ is not None:
        kind = "text/plain" if format_.value == "text" else "application/json"
        config.put("responseMimeType", kind, format_, reason="formats of the answer")
    thinking = config.child("thinkingConfig")
    extended = options.get("extended_thinking", bool)
    budget = options.get("thinking_budget_tokens", int)
    if budget is not None and (extended is None or extended.value is not False):
        thinking.put("thinkingBudget", budget.value, budget)
    elif extended is not None:
        value = _DYNAMIC if extended.value else _OFF
        reason = "a budget says whether the model thinks"
        sources = (extended,) if budget is None or budget.value else (extended, budget)
        thinking.put("thinkingBudget", value, *sources, reason=reason)
    if budget is not None and extended is not None and extended.value:
        extended.implied_by(thinking)
    effort = options.get("reasoning_effort", str)
    if effort is not None and effort.value in _HIGHER:
        thinking.put("thinkingLevel", "HIGH", effort, reason="the highest level of the format")
    elif effort is not None and effort.value in _LEVELS.values():
        thinking.put("thinkingLevel", _LEVEL.write(effort.value), effort, reason=_LEVEL.reason)
