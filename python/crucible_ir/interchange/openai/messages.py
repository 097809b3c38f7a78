"""The messages of Chat Completions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from crucible_ir.interchange.chat.calls import can_be_call, read_arguments, write_arguments_text
from crucible_ir.interchange.chat.media import is_base64
from crucible_ir.interchange.chat.parts import (
    append_part,
    part_sources,
    role_converter,
    take_mark,
)
from crucible_ir.interchange.mapping.converters import Rule, read_rules, write_rules
from crucible_ir.interchange.mapping.report import Outcome
from crucible_ir.interchange.openai.parts import (
    PARAGRAPH,
    can_write,
    kind,
    read_part,
    write_part,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from crucible_ir.interchange.mapping.importing import Import
    from crucible_ir.interchange.mapping.source import Source
    from crucible_ir.interchange.mapping.target import Target

_RULES: Final = (
    Rule("role", converter=role_converter({"function": "tool"}), types=(str,)),
    Rule("name", types=(str,)),
    Rule("refusal", types=(str,)),
)

#: The key of the text of each type of OpenRouter's details of reasoning.
_DETAILS: Final = {
    "reasoning.text": "text",
    "reasoning.summary": "summary",
    "reasoning.encrypted": "data",
}

_SPLIT = "a tool result is a message of its own"


def read_message(conversion: Import, source: Source, message: Target, number: int) -> None:
    """Import a message.

    Args:
        conversion: The import.
        source: The foreign message.
        message: The message.
        number: The number of the message or choice, for the ids of calls without one.
    """
    message.keep_rest(source)
    read_rules(conversion, source, message, _RULES)
    if not message.has("role"):
        message.default("role", "assistant", "the message does not name its role")
    tool_call_id = source.get("tool_call_id", str)
    if tool_call_id is not None and tool_call_id.value:
        message.put("tool_call_id", tool_call_id.value, tool_call_id)
    beside = _read_reasoning(source, message)
    audio = _audio_of(source)
    _read_content(conversion, source, message, beside=beside or audio is not None)
    if audio is not None:
        _read_audio(audio, message)
    _read_calls(source, message, number)
    filled = {"text", "parts", "tool_calls", "refusal"} & message.value.keys()
    if not filled and message.value["role"] != "assistant":
        message.default("text", "", "the message has no content")


def _read_content(conversion: Import, source: Source, message: Target, *, beside: bool) -> None:
    text = source.get("content", str)
    if text is not None:
        target = append_part(message) if beside else message
        target.put("text", text.value, text)
        return
    items = source.items("content")
    if all(isinstance(item.value, dict) for item in items):
        for item in items:
            read_part(conversion, item, append_part(message), keep_type=beside)


def _read_reasoning(source: Source, message: Target) -> bool:
    """Import the reasoning beside the content; return whether there is any."""
    details = source.items("reasoning_details")
    if details and all(_is_detail(detail) for detail in details):
        for detail in details:
            _read_detail(detail, append_part(message))
        return True
    for key in ("reasoning_content", "reasoning"):
        text = source.get(key, str)
        if text is not None and text.value:
            part = append_part(message)
            part.child("reasoning").put("text", text.value, text)
            if key == "reasoning":
                part.mark("as_reasoning")
            return True
    return False


def _is_detail(detail: Source) -> bool:
    return detail.text("type") in _DETAILS


def _read_detail(detail: Source, part: Target) -> None:
    part.keep_rest(detail)
    reasoning = part.child("reasoning")
    assert reasoning.value is not None
    type_ = detail.text("type") or ""
    text = detail.get(_DETAILS[type_], str)
    if text is not None:
        reasoning.put("encrypted" if type_.endswith("encrypted") else "text", text.value, text)
    id_, signature = detail.get("id", str), detail.get("signature", str)
    if id_ is not None:
        reasoning.put("id", id_.value, id_)
    if signature is not None:
        part.put("signature", signature.value, signature)


def _audio_of(source: Source) -> Source | None:
    """Return the audio of an answer: bytes, or the id of audio that the service keeps."""
    audio = source.get("audio", dict)
    if audio is None:
        return None
    data = audio.get("data", str)
    has_data = data is not None and is_base64(data.value)
    return audio if has_data or audio.get("id", str) is not None else None


def _read_audio(audio: Source, message: Target) -> None:
    part = append_part(message)
    part.mark("audio")
    part.keep_rest(audio, "audio")
    data, id_ = audio.get("data", str), audio.get("id", str)
    if data is not None and is_base64(data.value):
        part.child("file").put("base64", data.value, data)
    elif id_ is not None:
        part.child("file").put("file_id", id_.value, id_)


def _read_calls(source: Source, message: Target, number: int) -> None:
    items = source.items("tool_calls")
    if items and all(_is_call(item) for item in items):
        for index, item in enumerate(items):
            _read_call(item, message.append("tool_calls"), f"call_{number}_{index}")
        return
    legacy = source.get("function_call", dict)
    if not items and legacy is not None and can_be_call(legacy.text("name")):
        call = message.append("tool_calls")
        message.mark("as_function_call")
        call.default("id", f"call_{number}_0", "the call has no id")
        _read_function(legacy, call)


def _is_call(item: Source) -> bool:
    custom = item.get("custom", dict)
    if item.text("type") == "custom":
        if custom is None:
            return False
        return can_be_call(custom.text("name")) and custom.text("input") is not None
    function = item.get("function", dict)
    return function is not None and can_be_call(function.text("name"))


def _read_call(item: Source, call: Target, stand_in: str) -> None:
    id_ = item.get("id", str)
    if id_ is not None and id_.value:
        call.put("id", id_.value, id_)
    else:
        call.default("id", stand_in, "the call has no id")
    custom, function = item.get("custom", dict), item.get("function", dict)
    if item.text("type") == "custom" and custom is not None:
        name, text = custom.get("name", str), custom.get("input", str)
        if name is not None and text is not None:
            call.put("name", name.value, name)
            call.put("raw", text.value, text)
    elif function is not None:
        type_ = item.get("type", str)
        if type_ is not None and type_.value == "function":
            type_.implied_by(call)
        _read_function(function, call)
    signature = _signature_owner(item)
    found = signature.get("thought_signature", str) if signature is not None else None
    if found is not None:
        call.put("signature", found.value, found)


def _signature_owner(item: Source) -> Source | None:
    """Return where Gemini's compatible service writes the signature of a call."""
    extra = item.get("extra_content", dict)
    return extra.get("google", dict) if extra is not None else None


def _read_function(function: Source, call: Target) -> None:
    name, arguments = function.get("name", str), function.get("arguments")
    if name is not None:
        call.put("name", name.value, name)
    if arguments is not None:
        read_arguments(call, arguments, written_as_text=True)
    else:
        call.default("map", {}, "the call has no arguments")


def write_message(source: Source, append: Callable[[], Target], *, fresh: bool) -> None:
    """Export a message; its tool results become messages of their own.

    Args:
        source: The message.
        append: Adds a foreign message.
        fresh: Whether the prompt was not imported, so that it gets only what OpenAI itself takes.
    """
    parts = part_sources(source)
    results = [part for part in parts if part.get("tool_result", dict) is not None]
    for part in results:
        _write_result(part, append())
    if results and len(results) == len(parts) and not source.value.get("tool_calls"):
        role = source.get("role", str)
        if role is not None:
            role.use(Outcome.CONVERTED, reason=_SPLIT)
        return
    if not fresh or _has_counterpart(source, parts):
        write_body(source, append(), fresh=fresh)


def _has_counterpart(source: Source, parts: list[Source]) -> bool:
    """Return whether anything of a message of another service can be exported."""
    if not parts or {"tool_calls", "refusal"} & source.value.keys():
        return True
    return any(can_write(part) for part in parts)


def _write_result(part: Source, target: Target) -> None:
    result = part.get("tool_result", dict)
    assert result is not None
    target.value["role"] = "tool"
    content, id_ = result.get("content", str), result.get("tool_call_id", str)
    if content is not None:
        target.put("content", content.value, content)
    for inner in result.items("parts") if content is None else []:
        if inner.get("text", str) is not None:
            write_part(inner, target.append("content"))
    if not target.has("content"):
        target.default("content", "", "the service requires the content of a result")
    if id_ is not None:
        target.put("tool_call_id", id_.value, id_, reason=_SPLIT, outcome=Outcome.CONVERTED)


def write_body(source: Source, target: Target, *, fresh: bool, is_answer: bool = False) -> None:
    """Export a message without its tool results.

    Args:
        source: The message.
        target: The foreign message.
        fresh: Whether the document was not imported.
        is_answer: Whether the message is that of a response, which has one text.
    """
    write_rules(source, target, _RULES)
    tool_call_id = source.get("tool_call_id", str)
    if tool_call_id is not None:
        target.put("tool_call_id", tool_call_id.value, tool_call_id)
    if fresh:
        _write_fresh_content(source, target, is_answer=is_answer)
    else:
        _write_content(source, target)
    _write_calls(source, target, fresh=fresh)
    target.restore(source.rest())


def _write_content(source: Source, target: Target) -> None:
    text = source.get("text", str)
    if text is not None:
        target.put("content", text.value, text)
        return
    parts = part_sources(source)
    beside = _write_beside(parts, target)
    inside = [part for part in parts if can_write(part) and part.path not in beside]
    if beside and len(inside) == 1 and set(inside[0].value) == {"text"}:
        only = inside[0].get("text", str)
        if only is not None:
            target.put("content", only.value, only)
        return
    for part in inside:
        write_part(part, target.append("content"))
    if not inside and not beside:
        _require_content(source, target)


def _write_fresh_content(source: Source, target: Target, *, is_answer: bool) -> None:
    """Export content as OpenAI itself takes it: only users send more than text."""
    text = source.get("text", str)
    if text is not None:
        target.put("content", text.value, text)
        return
    parts = part_sources(source)
    if source.text("role") == "user":
        inside = [part for part in parts if can_write(part)]
    else:
        inside = [part for part in parts if part.get("text", str) is not None]
    texts = [found for part in inside if (found := part.get("text", str)) is not None]
    if is_answer and texts:
        joined = "".join(found.value for found in texts)
        target.put("content", joined, *texts, reason="an answer has one text")
        return
    for part in inside:
        write_part(part, target.append("content"))
    if not inside:
        _require_content(source, target)


def _require_content(source: Source, target: Target) -> None:
    """Fill in the content that the service requires of others than the assistant."""
    rest = source.rest()
    filled = {"text", "tool_calls", "refusal"} & source.value.keys()
    kept = rest is not None and "content" in rest.value
    if not filled and not kept and source.text("role") not in (None, "assistant"):
        target.default("content", "", "the service requires content")


def _write_beside(parts: list[Source], target: Target) -> set[object]:
    """Export the parts that are not in the content; return their paths."""
    written: set[object] = set()
    plain: list[Source] = []
    for part in parts:
        reasoning, rest = part.get("reasoning", dict), part.rest()
        if reasoning is not None and kind(part) in _DETAILS:
            _write_detail(part, reasoning, target.append("reasoning_details"))
        elif reasoning is not None and kind(part) != "thinking":
            plain.append(part)
        elif part.get("file", dict) is not None and take_mark(rest, "audio") is not None:
            _write_audio(part, target.child("audio"))
        else:
            continue
        written.add(part.path)
    _write_reasoning(plain, target)
    return written


def _write_detail(part: Source, reasoning: Source, target: Target) -> None:
    key = _DETAILS[kind(part)]
    text = reasoning.get("encrypted" if key == "data" else "text", str)
    id_, signature = reasoning.get("id", str), part.get("signature", str)
    if text is not None:
        target.put(key, text.value, text)
    if id_ is not None:
        target.put("id", id_.value, id_)
    if signature is not None:
        target.put("signature", signature.value, signature)
    target.restore(part.rest())


def _write_reasoning(parts: list[Source], target: Target) -> None:
    """Export reasoning as the text that compatible servers put beside the content."""
    texts: list[Source] = []
    key = "reasoning_content"
    for part in parts:
        reasoning, rest = part.get("reasoning", dict), part.rest()
        if take_mark(rest, "as_reasoning") is not None:
            key = "reasoning"
        text = reasoning.get("text", str) if reasoning is not None else None
        if text is not None:
            texts.append(text)
    if texts:
        joined = PARAGRAPH.join(text.value for text in texts)
        target.put(key, joined, *texts, reason="several texts")


def _write_audio(part: Source, target: Target) -> None:
    file, rest = part.get("file", dict), part.rest()
    if file is None or rest is None:
        return
    data, id_ = file.get("base64", str), file.get("file_id", str)
    if data is not None:
        target.put("data", data.value, data)
    if id_ is not None:
        target.put("id", id_.value, id_)
    target.restore(rest.get("audio", dict))


def _write_calls(source: Source, target: Target, *, fresh: bool) -> None:
    rest = source.rest()
    calls = source.items("tool_calls")
    legacy = take_mark(rest, "as_function_call")
    if legacy is not None and len(calls) == 1:
        _write_function(calls[0], target.child("function_call"))
        return
    kept = rest.get("tool_calls", dict) if rest is not None else None
    for index, call in enumerate(calls):
        mine = kept.get(str(index), dict) if kept is not None else None
        item = target.append("tool_calls")
        _write_call(call, item, mine, index)
        signature = call.get("signature", str)
        if signature is not None and not fresh:
            google = item.child("extra_content").child("google")
            google.put("thought_signature", signature.value, signature)


def _write_call(call: Source, target: Target, rest: Source | None, index: int) -> None:
    id_ = call.get("id", str)
    if id_ is not None:
        target.put("id", id_.value, id_)
    elif "id" not in call.value:
        target.default("id", f"call_{index}", "the service requires an id")
    if rest is not None and rest.text("type") == "custom":
        name = call.get("name", str)
        custom = target.child("custom")
        if name is not None:
            custom.put("name", name.value, name)
        write_arguments_text(call, custom, "input")
    else:
        if rest is None or "type" not in rest.value:
            target.value["type"] = "function"
        _write_function(call, target.child("function"))


def _write_function(call: Source, target: Target) -> None:
    name = call.get("name", str)
    if name is not None:
        target.put("name", name.value, name)
    write_arguments_text(call, target, "arguments")
