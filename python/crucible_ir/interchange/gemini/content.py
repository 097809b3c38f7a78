"""The content of Gemini's requests and answers: parts, in both directions."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from crucible_ir.interchange.chat.blocks import (
    call_place,
    decoded,
    in_order,
    inside,
    mark_import,
    media_type,
    place_calls,
    read_arguments,
    read_bytes,
    write_arguments,
    write_bytes,
)
from crucible_ir.interchange.chat.calls import can_be_call
from crucible_ir.interchange.chat.media import audio_format, audio_type
from crucible_ir.interchange.chat.parts import is_foreign, part_sources
from crucible_ir.interchange.gemini.naming import SPELLING
from crucible_ir.interchange.mapping.conversion import UNKNOWN
from crucible_ir.interchange.mapping.exporting import Export
from crucible_ir.interchange.mapping.importing import Import
from crucible_ir.interchange.mapping.report import Outcome
from crucible_ir.interchange.mapping.source import Source
from crucible_ir.interchange.mapping.target import Target

#: Our role for each of Gemini's; the first of several is written.
ROLES: Final = {"user": "user", "model": "assistant", "function": "user", "tool": "user"}

#: The keys of parts that no part of ours stands for; others are marked as Gemini's.
_OWN_KEYS: Final = (
    "executableCode",
    "codeExecutionResult",
    "toolCall",
    "toolResponse",
    "fileData",
    "inlineData",
)

#: The key of a part whose kind is not known, in a part of the format's own type.
_WRAPPED = "part"

_JSON = "a result is a JSON object here, and text there"
_NO_NAME = "a result names its tool"
_SIGNATURE = "thoughtSignature"

#: The most bytes of the URL of a recording.
_MAX_URL = 8192


# Reading


class Calls:
    """The calls of a conversation, by which results find their call.

    Gemini's calls and results often have no ids; a result then answers the oldest call of its name
    that has no result yet.
    """

    def __init__(self) -> None:
        self._open: list[tuple[str, str]] = []

    def add(self, name: str, call_id: str) -> None:
        """Add a call."""
        self._open.append((name, call_id))

    def answered(self, name: str | None, call_id: str | None = None) -> str:
        """Return the id of the call that a result answers, which then has its result."""
        for at, (open_name, open_id) in enumerate(self._open):
            if open_id == call_id or (call_id is None and open_name == name):
                del self._open[at]
                return open_id
        return call_id or UNKNOWN

    def name_of(self, call_id: str) -> str | None:
        """Return the name of the tool of a call."""
        return next((name for name, open_id in self._open if open_id == call_id), None)


def read_content(
    conversion: Import, content: Source, message: Target, calls: Calls, place: int
) -> None:
    """Import a content: a role and parts.

    Args:
        conversion: The import.
        content: The content.
        message: The message.
        calls: The calls before it.
        place: The number of the message or choice, for the ids of calls that have none.

    Raises:
        RecordError: A part is not an object.
    """
    message.keep_rest(content)
    parts = content.get("parts")
    if parts is not None and not isinstance(parts.value, list):
        raise parts.fail("expected a list of parts")
    found: list[tuple[Target, int]] = []
    number = 0
    for part in parts.members() if parts is not None else ():
        if not isinstance(part.value, dict):
            raise part.fail("expected a part: an object")
        call = part.get("functionCall", dict)
        if call is not None and can_be_call(call.text("name")):
            target = message.append("tool_calls")
            _read_call(part, call, target, calls, f"call_{place}_{len(found)}")
            found.append((target, number))
        else:
            read_part(conversion, part, message.child("parts").append("parts"), calls)
            number += 1
    place_calls(found, number)
    if not number and not found and message.value["role"] != "assistant":
        # Only an assistant's message can be without content.
        message.value["parts"] = {}


def _read_call(part: Source, call: Source, target: Target, calls: Calls, default: str) -> None:
    name = call.get("name", str)
    assert name is not None
    target.put("name", name.value, name)
    call_id = call.get("id", str)
    if call_id is not None:
        target.put("id", call_id.value, call_id)
    else:
        target.default("id", default, "the call has no id")
    calls.add(name.value, str(target.value["id"]))
    arguments = call.get("args")
    if arguments is not None:
        read_arguments(arguments, target)
    _read_signature(part, target)


def _read_signature(part: Source, target: Target) -> None:
    signature = part.get(_SIGNATURE, str)
    if signature is not None:
        target.put("signature", signature.value, signature)


def read_part(conversion: Import, part: Source, target: Target, calls: Calls) -> None:
    """Import a part."""
    for key, reader in _READERS.items():
        found = part.get(key)
        if found is not None and reader(conversion, part, found, target, calls):
            target.keep_rest(part)
            _read_signature(part, target)
            return
    _read_other(conversion, part, target)


def _read_other(conversion: Import, part: Source, target: Target) -> None:
    """Keep a part as it is, with its one key of data as its type."""
    if any(path[: len(part.path)] == part.path for path in conversion.rewritten):
        part.rewritten(SPELLING)
    kind = next((key for key in _OWN_KEYS if key in part.value), None)
    other = target.child("other")
    if kind is not None and "type" not in part.value:
        other.put("type", kind)
        for key, value in part.value.items():
            other.put_opaque(key, Source(value, (*part.path, key), conversion))
    else:
        other.put("type", conversion.format)
        other.put_opaque(_WRAPPED, part)


def _read_text(
    conversion: Import, part: Source, found: Source, target: Target, calls: Calls
) -> bool:
    if not isinstance(found.value, str):
        return False
    thought = part.get("thought", bool)
    if thought is not None and thought.value:
        target.child("reasoning").put("text", found.value, found)
        thought.implied_by(target)
    else:
        target.put("text", found.value, found)
    return True


def _read_inline(
    conversion: Import, part: Source, found: Source, target: Target, calls: Calls
) -> bool:
    data = found.get("data", str)
    kind = found.text("mimeType")
    if data is None or kind is None or kind.startswith("video/") or decoded(data.value) is None:
        return False
    own = target.child("image" if kind.startswith("image/") else "file")
    read_bytes(conversion, data, own)
    _read_media_type(found, own)
    return True


def _read_media_type(found: Source, own: Target) -> None:
    media = found.get("mimeType", str)
    if media is not None:
        own.put("media_type", media.value, media)
    name = found.get("displayName", str)
    if name is not None and own.path[-1] == "file":
        own.put("name", name.value, name)


def _read_uri(
    conversion: Import, part: Source, found: Source, target: Target, calls: Calls
) -> bool:
    uri = found.get("fileUri", str)
    kind = found.text("mimeType") or ""
    if uri is None or kind.startswith("video/"):
        return False
    format_ = audio_format(kind)
    size = len(uri.value.encode("utf-8", "replace"))
    if format_ and audio_type(format_) == kind and 0 < size <= _MAX_URL:
        media = found.get("mimeType", str)
        assert media is not None
        audio = target.child("audio")
        audio.put("url", uri.value, uri)
        audio.put("format", format_, media, reason="the format of the recording")
        return True
    own = target.child("image" if kind.startswith("image/") else "file")
    own.put("url", uri.value, uri)
    _read_media_type(found, own)
    return True


def _read_result(
    conversion: Import, part: Source, found: Source, target: Target, calls: Calls
) -> bool:
    response = found.get("response", dict)
    call_id = found.get("id", str)
    parts = found.items("parts")
    if response is None or not all(_is_media(each.value) for each in parts):
        return False
    if call_id is not None and not can_be_call(call_id.value):
        return False
    if "name" not in found.value:
        mark_import(conversion, target)
    result = target.child("tool_result")
    answered = calls.answered(found.text("name"), call_id.value if call_id is not None else None)
    if call_id is not None:
        result.put("tool_call_id", call_id.value, call_id)
    else:
        result.default("tool_call_id", answered, "the result has no id")
    into, key = result, "content"
    if parts:
        into, key = result.append("parts"), "text"
    if set(response.value) == {"output"} and _is_plain(response.value["output"]):
        text = response.get("output", str)
        assert text is not None
        into.put(key, text.value, text)
    elif set(response.value) == {"error"} and _is_plain(response.value["error"]):
        text = response.get("error", str)
        assert text is not None
        into.put(key, text.value, text)
        result.put("is_error", True)
    else:
        into.put(key, _as_text(response.value), response, reason=_JSON)
    for item in parts:
        read_part(conversion, item, result.append("parts"), calls)
    return True


def _is_media(part: Any) -> bool:
    """Return whether a part of a result is neither text nor of a call."""
    others = {"text", "functionCall", "functionResponse"}
    return isinstance(part, dict) and others.isdisjoint(part)


def _is_plain(value: Any) -> bool:
    """Return whether the output of a tool is a text that export does not take for an object."""
    return isinstance(value, str) and _object(value) is None


def _object(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _as_text(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value)
    return text


_READERS: dict[str, Callable[[Import, Source, Source, Target, Calls], bool]] = {
    "functionResponse": _read_result,
    "inlineData": _read_inline,
    "fileData": _read_uri,
    "text": _read_text,
}


# Writing


def write_content(conversion: Export, message: Source, content: Target, calls: Calls) -> None:
    """Export the parts of a message."""
    text = message.get("text", str)
    if text is not None:
        content.append("parts").put("text", text.value, text)
    refusal = message.get("refusal", str)
    parts = message.get("parts", dict)
    if parts is not None and not parts.value:
        parts.use(Outcome.RENAMED, content.path)
    for item, is_call in in_order(part_sources(message), message.items("tool_calls")):
        if is_call:
            _write_call(conversion, item, content.append("parts"), calls)
        else:
            write_part(conversion, item, content, calls)
    if refusal is not None:
        reason = "a refusal is text here"
        content.append("parts").put("text", refusal.value, refusal, reason=reason)


def _write_call(conversion: Export, call: Source, part: Target, calls: Calls) -> None:
    target = part.child("functionCall")
    name = call.get("name", str)
    if name is not None:
        target.put("name", name.value, name)
        calls.add(name.value, str(call.value.get("id", "")))
    else:
        target.default("name", UNKNOWN, "a call names its tool")
    call_id = call.get("id", str)
    if call_id is not None:
        target.put("id", call_id.value, call_id)
    write_arguments(call, target, "args")
    _write_signature(conversion, call, part)
    call_place(call, part)


def _write_signature(conversion: Export, source: Source, part: Target) -> None:
    signature = source.get("signature", str)
    if signature is None:
        return
    if is_foreign(conversion.source, conversion.format):
        signature.drop("the signature of another service")
    else:
        part.put(_SIGNATURE, signature.value, signature)


def write_part(conversion: Export, part: Source, owner: Target, calls: Calls) -> None:
    """Export a part at the end of a list; a part without counterpart is left out."""
    other = part.get("other", dict)
    if other is not None:
        _write_other(conversion, other, owner)
        return
    for member, writer in _WRITERS.items():
        found = part.get(member)
        if found is not None and not _is_elsewhere(member, found):
            target = owner.append("parts")
            writer(conversion, part, found, target, calls)
            _write_signature(conversion, part, target)
            target.restore(part.rest())
            return


def _is_elsewhere(member: str, found: Source) -> bool:
    """Return whether a part is data that another service stores or has encrypted."""
    if member == "reasoning":
        return found.get("text", str) is None
    return member == "file" and found.get("file_id", str) is not None


def _write_other(conversion: Export, other: Source, owner: Target) -> None:
    kind = other.get("type", str)
    wrapped = other.get(_WRAPPED, dict)
    if kind is not None and kind.value == conversion.format and wrapped is not None:
        kind.implied_by(owner)
        owner.append_value("parts", wrapped.value, wrapped)
    elif kind is not None and kind.value in _OWN_KEYS and kind.value in other.value:
        kind.implied_by(owner)
        part = owner.append("parts")
        for key, value in other.value.items():
            if key != "type":
                part.put(key, value, Source(value, (*other.path, key), conversion))
    else:
        other.drop("the format has no part of this type")


def _write_text(
    conversion: Export, part: Source, found: Source, target: Target, calls: Calls
) -> None:
    target.put("text", found.value, found)


def _write_reasoning(
    conversion: Export, part: Source, found: Source, target: Target, calls: Calls
) -> None:
    text = found.get("text", str)
    assert text is not None
    target.put("text", text.value, text)
    target.put("thought", True)


def _write_file(
    conversion: Export, part: Source, found: Source, target: Target, calls: Calls
) -> None:
    data = found.get("base64", str)
    url = found.get("url", str)
    media = found.get("media_type", str)
    own = target.child("inlineData" if data is not None else "fileData")
    if data is not None:
        write_bytes(data, own, "data", inside(part.rest(), "inlineData"))
        if media is None:
            guess = media_type(decoded(data.value) or b"")
            own.default("mimeType", guess, "it is required; the first bytes show it")
    elif url is not None:
        own.put("fileUri", url.value, url)
    if media is not None:
        own.put("mimeType", media.value, media)
    name = found.get("name", str)
    if name is not None:
        own.put("displayName", name.value, name)


def _write_audio(
    conversion: Export, part: Source, found: Source, target: Target, calls: Calls
) -> None:
    own = target.child("fileData")
    url = found.get("url", str)
    if url is not None:
        own.put("fileUri", url.value, url)
    format_ = found.get("format", str)
    if format_ is not None:
        reason = "the media type of the recording"
        own.put("mimeType", audio_type(format_.value), format_, reason=reason)


def _write_result(
    conversion: Export, part: Source, found: Source, target: Target, calls: Calls
) -> None:
    write_result(
        conversion,
        found,
        target.child("functionResponse"),
        [text] if (text := found.get("content", str)) is not None else [],
        found.items("parts"),
        calls,
        fill=part.rest() is None,
    )


def write_result(
    conversion: Export,
    result: Source,
    target: Target,
    texts: list[Source],
    parts: list[Source],
    calls: Calls,
    *,
    fill: bool,
) -> None:
    """Export the result of a tool.

    Args:
        conversion: The export.
        result: The tool's message, or the part with its result.
        target: The function response.
        texts: The texts of the result.
        parts: Its parts.
        calls: The calls before it.
        fill: Whether to fill in the name of the tool.
    """
    known = str(result.value.get("tool_call_id", ""))
    name = calls.name_of(known)
    calls.answered(None, known)
    call_id = result.get("tool_call_id", str)
    if call_id is not None:
        target.put("id", call_id.value, call_id)
    if fill:
        target.default("name", name or UNKNOWN, _NO_NAME)
    texts = [*texts, *(text for part in parts if (text := part.get("text", str)) is not None)]
    is_error = result.get("is_error", bool)
    if is_error is not None:
        is_error.implied_by(target)
    _write_response(texts, target, failed=is_error is not None and is_error.value)
    for part in parts:
        if any(member in part.value for member in _MEDIA):
            write_part(conversion, part, target, calls)


def _write_response(texts: list[Source], target: Target, *, failed: bool) -> None:
    whole = _object(texts[0].value) if len(texts) == 1 else None
    response = target.child("response")
    if whole is not None and not failed:
        target.put("response", whole, texts[0], reason=_JSON)
    elif whole is not None:
        response.put("error", whole, texts[0], reason=_JSON)
    else:
        key = "error" if failed else "output"
        text = "\n".join(each.value for each in texts)
        response.put(key, text, *texts, reason="the texts of the result as one")


_WRITERS: dict[str, Callable[[Export, Source, Source, Target, Calls], None]] = {
    "text": _write_text,
    "reasoning": _write_reasoning,
    "image": _write_file,
    "file": _write_file,
    "audio": _write_audio,
    "tool_result": _write_result,
}

#: The kinds of parts that a result can have beside text.
_MEDIA = ("image", "file", "audio", "other")
