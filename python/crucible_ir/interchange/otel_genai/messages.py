"""Messages and their parts, in both directions, and the messages of older conventions."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from crucible_ir.interchange.chat.calls import can_be_call, is_exact, read_arguments
from crucible_ir.interchange.chat.media import audio_format, audio_type, is_base64
from crucible_ir.interchange.chat.parts import (
    append_part,
    part_sources,
    put_other,
    role_converter,
    take_mark,
    use_mark,
    write_other,
)
from crucible_ir.interchange.mapping.converters import Rule, read_rules, write_rules
from crucible_ir.interchange.mapping.report import Outcome
from crucible_ir.interchange.mapping.values import same
from crucible_ir.serialization.json.opaque import MAX_EXACT_INTEGER

if TYPE_CHECKING:
    from crucible_ir.interchange.mapping.importing import Import
    from crucible_ir.interchange.mapping.source import Source
    from crucible_ir.interchange.mapping.target import Target

#: The name of the format, and the key of what it keeps.
FORMAT_NAME: Final = "otel-genai"

#: Why the messages of older conventions are not written again as they were.
OLDER: Final = "a message of older conventions, which is written as the pinned version has it"

_RESULTS: Final = "the result of a call is text"

#: The most bytes of the URL of an audio recording.
_MAX_URL_BYTES = 8192

#: The mark of media without a modality.
_NO_MODALITY = "no_modality"

_MESSAGE_RULES = (
    Rule("role", "role", role_converter({"model": "assistant", "function": "tool"}), (str,)),
    Rule("name", types=(str,)),
)


def read_message(
    conversion: Import, source: Source, message: Target, default_role: str, calls: str
) -> None:
    """Import a message.

    Args:
        conversion: The import.
        source: The message.
        message: Gets its values.
        default_role: Its role if it has none.
        calls: The beginning of the ids of calls without one.
    """
    _keep_rest(source, message)
    read_rules(conversion, source, message, _MESSAGE_RULES)
    if not message.has("role"):
        message.default("role", default_role, "the message has no role")
    parts = source.get("parts", list)
    if parts is None:
        if "parts" not in source.value:
            _read_old_content(conversion, source, message, calls)
    elif not parts.value:
        parts.implied_by(message)
    elif all(isinstance(part.value, dict) for part in parts.members()):
        read_parts(conversion, parts.members(), message, calls)
    _require_content(message)


#: The keys that may be null, which means that they are absent.
_NULLABLE: Final = ("id", "name", "mime_type", "arguments")


def _use_nulls(source: Source, target: Target) -> None:
    for key in _NULLABLE:
        found = source.member(key)
        if found is not None and found.value is None:
            found.use(Outcome.CONVERTED, target.path, reason="null means that there is none")


def _keep_rest(source: Source, message: Target) -> None:
    if source.value:
        _use_nulls(source, message)
        message.keep_rest(source)
    else:
        source.use(Outcome.CONVERTED, message.path, reason="a message has a role and content")


def _require_content(message: Target) -> None:
    keys = ("text", "parts", "tool_calls", "refusal")
    if message.value.get("role") != "assistant" and not any(map(message.has, keys)):
        message.default("text", "", "a message must have content")


def read_parts(conversion: Import, parts: list[Source], message: Target, calls: str = "") -> None:
    """Import the parts of a message.

    Args:
        conversion: The import.
        parts: The parts, each an object.
        message: Gets them.
        calls: The beginning of the ids of calls without one; empty if a message cannot have calls.
    """
    are_calls = [bool(calls) and _is_call(part) for part in parts]
    refusal = parts[-1] if calls and _is_plain(parts[-1], "refusal") else None
    others = [
        part
        for part, is_call in zip(parts, are_calls, strict=True)
        if not is_call and part is not refusal
    ]
    last = max((at for at, part in enumerate(parts) if part in others), default=-1)
    if len(others) == 1 and _is_plain(others[0], "text") and not any(are_calls[:last]):
        _read_content(others[0], message, "text")
        before = 1
    else:
        before = 0
    for at, (part, is_call) in enumerate(zip(parts, are_calls, strict=True)):
        if is_call:
            _read_call(part, message, before if at < last else None, calls)
        elif part is refusal:
            _read_content(part, message, "refusal")
        elif not message.has("text"):
            _read_part(conversion, part, append_part(message))
            before += 1


def _is_plain(part: Source, type_: str) -> bool:
    """Return whether a part has only a type and text."""
    keys = part.value.keys()
    return (
        part.value.get("type") == type_
        and keys in ({"type", "content"}, {"type", "text"})
        and _content_of(part) is not None
    )


def _content_of(part: Source) -> Source | None:
    """Return the text of a part; OpenAI's have it under another key."""
    content = part.get("content", str)
    if content is not None or part.value.get("type") != "text" or "content" in part.value:
        return content
    text = part.get("text", str)
    if text is not None:
        text.rewritten("the key is content")
    return text


def _imply_type(source: Source, target: Target) -> None:
    type_ = source.get("type", str)
    if type_ is not None:
        type_.implied_by(target)


def _read_content(part: Source, target: Target, key: str) -> None:
    _imply_type(part, target)
    content = _content_of(part)
    assert content is not None
    target.put(key, content.value, content)


def _is_call(part: Source) -> bool:
    return part.value.get("type") == "tool_call" and can_be_call(part.value.get("name"))


def _read_call(source: Source, message: Target, before: int | None, calls: str) -> None:
    call = message.append("tool_calls")
    _imply_type(source, call)
    _use_nulls(source, call)
    for key in ("id", "name", "signature"):
        found = source.get(key, str)
        if found is not None:
            call.put(key, found.value, found)
    if not call.has("id"):
        call.default("id", f"{calls}_{call.path[-1]}", "the call has no id")
    arguments = source.get("arguments")
    if arguments is not None:
        read_arguments(call, arguments)
    if before is not None:
        call.value["part_index"] = before


def _read_part(conversion: Import, source: Source, part: Target) -> None:
    """Import a part; one that fits no other kind is kept as it is."""
    type_ = source.get("type", str)
    read = _PARTS.get(type_.value) if type_ is not None else None
    if type_ is None or read is None or not read(conversion, source, part):
        put_other(part, source, FORMAT_NAME)
        return
    type_.implied_by(part)
    _use_nulls(source, part)
    part.keep_rest(source)
    signature = source.get("signature", str)
    if signature is not None:
        part.put("signature", signature.value, signature)


def _read_text(conversion: Import, source: Source, part: Target) -> bool:
    content = _content_of(source)
    if content is None:
        return False
    part.put("text", content.value, content)
    return True


_REASONING_RULES = (
    Rule("content", "text", types=(str,)),
    Rule("id", types=(str,)),
    Rule("encrypted", types=(str,)),
)


def _read_reasoning(conversion: Import, source: Source, part: Target) -> bool:
    if source.text("content") is None:
        return False
    reasoning = part.child("reasoning")
    for rule in _REASONING_RULES:
        found = source.get(rule.theirs, str)
        if found is not None:
            reasoning.put(rule.field, found.value, found)
    return True


def _read_response(conversion: Import, source: Source, part: Target) -> bool:
    identity = source.get("id", str)
    if identity is None or not can_be_call(identity.value):
        return False
    result = part.child("tool_result")
    result.put("tool_call_id", identity.value, identity)
    response = source.get("response")
    if response is None:
        response = source.get("result")
        if response is not None:
            response.rewritten("the key is response")
    if response is not None:
        _read_result(conversion, response, result)
    is_error = source.get("is_error", bool)
    if is_error is not None:
        result.put("is_error", is_error.value, is_error)
    return True


def _read_result(conversion: Import, response: Source, result: Target) -> None:
    if isinstance(response.value, str):
        result.put("content", response.value, response)
        return
    result.put(
        "content", _text_of(response.value), response, reason=_RESULTS, outcome=Outcome.CONVERTED
    )
    if is_exact(response.value):
        conversion.keep_original(response, _RESULTS)


def _modality(source: Source) -> str:
    modality = source.text("modality")
    media_type = source.text("mime_type")
    return _modality_of(media_type or "") if modality is None else modality


def _modality_of(media_type: str) -> str:
    """Return the modality of a media type.

    >>> _modality_of("image/png"), _modality_of("application/pdf"), _modality_of("")
    ('image', 'document', 'document')
    """
    kind = media_type.partition("/")[0]
    return kind if kind in ("image", "audio", "video") else "document"


def _read_media(conversion: Import, source: Source, part: Target) -> bool:
    """Import a part of the types uri, blob and file."""
    key = {"uri": "uri", "blob": "content", "file": "file_id"}[source.value["type"]]
    data = source.get(key, str)
    modality = _modality(source)
    if data is None or modality == "video":
        return False
    field = {"uri": "url", "content": "base64", "file_id": "file_id"}[key]
    if field == "base64" and not is_base64(data.value):
        return False
    media_type = source.get("mime_type", str)
    if modality == "audio" and field == "url":
        if not 0 < len(data.value.encode()) <= _MAX_URL_BYTES:
            return False
        media = part.child("audio")
        format_ = audio_format(media_type.value) if media_type is not None else ""
        if media_type is not None and format_ and audio_type(format_) == media_type.value:
            media.put("format", format_, media_type, reason="the format of a media type")
    else:
        is_image = modality == "image" and field != "file_id"
        media = part.child("image" if is_image else "file")
        if media_type is not None:
            media.put("media_type", media_type.value, media_type)
        name = source.get("name", str)
        if name is not None and not is_image:
            media.put("name", name.value, name)
    media.put(field, data.value, data)
    found = source.get("modality", str)
    if found is None:
        if "modality" not in source.value:
            part.mark(_NO_MODALITY)
    elif found.value == _written_modality(str(media.path[-1]), media.value):
        found.implied_by(media)
    return True


def _written_modality(kind: str, media: dict[str, Any]) -> str:
    """Return the modality that export writes for an image, audio or a file."""
    return _modality_of(media.get("media_type", "")) if kind == "file" else kind


_PARTS = {
    "text": _read_text,
    "reasoning": _read_reasoning,
    "tool_call_response": _read_response,
    "uri": _read_media,
    "blob": _read_media,
    "file": _read_media,
}


def read_old_message(
    conversion: Import, source: Source, message: Target, default_role: str, calls: str
) -> None:
    """Import a message of older conventions, in the shape of OpenAI's."""
    source.rewritten(OLDER)
    _keep_rest(source, message)
    read_rules(conversion, source, message, _MESSAGE_RULES)
    if not message.has("role"):
        message.value["role"] = default_role
        role = source.member("role")
        if role is not None:
            role.drop("not a role")
    _read_old_content(conversion, source, message, calls)
    _require_content(message)


def _read_old_content(conversion: Import, source: Source, message: Target, calls: str) -> None:
    source_keys = source.value.keys() & {"content", "tool_calls"}
    if source_keys:
        source.rewritten(OLDER)
    content = source.get("content")
    identity = source.get("id", str)
    if content is not None and isinstance(content.value, str):
        if message.value["role"] == "tool" and identity is not None and can_be_call(identity.value):
            result = append_part(message).child("tool_result")
            result.put("tool_call_id", identity.value, identity)
            result.put("content", content.value, content)
        else:
            message.put("text", content.value, content)
    elif content is not None:
        parts = content.members()
        if parts and all(isinstance(part.value, dict) for part in parts):
            read_parts(conversion, parts, message, calls)
    for call in source.items("tool_calls"):
        _read_old_call(call, message, calls)


def _read_old_call(source: Source, message: Target, calls: str) -> None:
    function = source.get("function", dict)
    if function is None or not can_be_call(function.value.get("name")):
        return
    call = message.append("tool_calls")
    name = function.get("name", str)
    assert name is not None
    call.put("name", name.value, name)
    identity = source.get("id", str)
    if identity is not None:
        call.put("id", identity.value, identity)
    else:
        call.default("id", f"{calls}_{call.path[-1]}", "the call has no id")
    type_ = source.get("type", str)
    if type_ is not None and type_.value == "function":
        type_.implied_by(call)
    arguments = function.get("arguments")
    if arguments is not None:
        read_arguments(call, arguments)


def write_message(source: Source, target: Target, reasoning: Iterable[Source] = ()) -> None:
    """Export a message.

    Args:
        source: The message.
        target: Gets its values.
        reasoning: Texts of the model's thinking that are not in the message.
    """
    write_rules(source, target, _MESSAGE_RULES)
    for text in reasoning:
        _write_text(text, target.append("parts"), "reasoning")
    _write_contents(source, target)
    rest = source.rest()
    if rest is None or "parts" not in rest.value:
        target.value.setdefault("parts", [])
    target.restore(rest)


def _write_contents(source: Source, target: Target) -> None:
    """Write the content of a message and its calls, in their order."""
    contents = part_sources(source)
    text = source.get("text", str)
    answered = source.get("tool_call_id", str)
    if answered is not None:
        results = [part.value.get("tool_result", {}).get("tool_call_id") for part in contents]
        if answered.value in results:
            answered.implied_by(target)
        elif not any(results):
            _write_answer(source, answered, target)
            contents, text = [], None
    calls = source.items("tool_calls")
    size = len(contents) + (text is not None)
    for at in range(size + 1):
        for call in calls:
            index = call.value.get("part_index", size)
            if index == at or (index > size == at):
                _write_call(call, target)
        if at < len(contents):
            write_part(contents[at], target.append("parts"))
        elif text is not None and at < size:
            _write_text(text, target.append("parts"), "text")
    refusal = source.get("refusal", str)
    if refusal is not None:
        _write_text(refusal, target.append("parts"), "refusal")


def _write_text(source: Source, part: Target, type_: str) -> None:
    part.value["type"] = type_
    part.put("content", source.value, source)


def _write_answer(source: Source, answered: Source, target: Target) -> None:
    """Write a message that answers a call as a part: the format has no other way."""
    part = target.append("parts")
    part.value["type"] = "tool_call_response"
    reason = "the answer to a call is a part"
    part.put("id", answered.value, answered, reason=reason)
    text = source.get("text", str)
    if text is not None:
        part.put("response", text.value, text)
        return
    written = part.child("response")
    for content in part_sources(source):
        write_part(content, written.append("parts"))
    part.value["response"] = written.value.get("parts", []) if part.has("response") else ""


def _write_call(source: Source, target: Target) -> None:
    call = target.append("parts")
    call.value["type"] = "tool_call"
    for key in ("id", "name", "signature"):
        found = source.get(key, str)
        if found is not None:
            call.put(key, found.value, found)
    for key, type_ in (("map", dict), ("raw", str)):
        found = source.get(key, type_)
        if found is not None:
            call.put("arguments", found.value, found)
    index = source.get("part_index", int)
    if index is not None:
        index.implied_by(call)


def write_part(source: Source, target: Target) -> None:
    """Export a part."""
    rest = source.rest()
    signature = source.get("signature", str)
    if signature is not None:
        target.put("signature", signature.value, signature)
    text = source.get("text", str)
    if text is not None:
        target.value["type"] = "text"
        target.put("content", text.value, text)
    elif "other" in source.value:
        write_other(source, target, FORMAT_NAME)
    else:
        for kind, write in _WRITERS.items():
            found = source.get(kind, dict)
            if found is not None:
                write(found, target, rest)
                use_mark(found)
    target.restore(rest)


def _write_reasoning(source: Source, target: Target, rest: Source | None) -> None:
    target.value["type"] = "reasoning"
    target.value["content"] = ""
    for rule in _REASONING_RULES:
        found = source.get(rule.field, str)
        if found is not None:
            target.put(rule.theirs, found.value, found)


def _is_spelled(text: str, value: object) -> bool:
    """Return whether a JSON text spells a value that is no text."""
    try:
        return not isinstance(value, str) and same(json.loads(text), value)
    except ValueError:
        return False


def _text_of(value: object) -> str:
    """Return a value as JSON text that is the same after opaque JSON has kept the value.

    >>> _text_of({"b": 1.0, "a": None})
    '{"a": null, "b": 1}'
    """
    return json.dumps(_normal(value), ensure_ascii=False, sort_keys=True)


def _normal(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _normal(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_normal(item) for item in value]
    is_whole = isinstance(value, float) and value.is_integer() and abs(value) <= MAX_EXACT_INTEGER
    return int(value) if is_whole else value


def _write_result(source: Source, target: Target, rest: Source | None) -> None:
    target.value["type"] = "tool_call_response"
    identity = source.get("tool_call_id", str)
    if identity is not None:
        target.put("id", identity.value, identity)
    content = source.get("content", str)
    if content is not None:
        target.put("response", content.value, content)
        target.prefer_original("response", partial(_is_spelled, content.value))
    parts = source.items("parts")
    if parts:
        written = target.child("response")
        for part in parts:
            write_part(part, written.append("parts"))
        target.value["response"] = written.value["parts"]
    is_error = source.get("is_error", bool)
    if is_error is not None:
        target.put("is_error", is_error.value, is_error)


def _write_media(source: Source, target: Target, rest: Source | None) -> None:
    kind = str(source.path[-1])
    for field, type_, key in (
        ("url", "uri", "uri"),
        ("base64", "blob", "content"),
        ("file_id", "file", "file_id"),
    ):
        data = source.get(field, str)
        if data is not None:
            target.value["type"] = type_
            target.put(key, data.value, data)
    format_ = source.get("format", str)
    if format_ is not None:
        target.put("mime_type", audio_type(format_.value), format_, reason="a media type")
    for key, ours in (("mime_type", "media_type"), ("name", "name")):
        found = source.get(ours, str)
        if found is not None:
            target.put(key, found.value, found)
    has_modality = rest is not None and "modality" in rest.value
    if take_mark(rest, _NO_MODALITY) is None and not has_modality:
        target.value["modality"] = _written_modality(kind, source.value)


_WRITERS = {
    "reasoning": _write_reasoning,
    "tool_result": _write_result,
    "image": _write_media,
    "audio": _write_media,
    "file": _write_media,
}
