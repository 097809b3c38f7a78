"""The content of Anthropic messages: blocks, in both directions."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from crucible_ir.interchange.chat.blocks import (
    PART_KINDS,
    call_place,
    decoded,
    encoded,
    filled,
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
from crucible_ir.interchange.chat.parts import is_foreign
from crucible_ir.interchange.mapping.conversion import UNKNOWN
from crucible_ir.interchange.mapping.exporting import Export
from crucible_ir.interchange.mapping.importing import Import
from crucible_ir.interchange.mapping.report import Outcome
from crucible_ir.interchange.mapping.source import Source
from crucible_ir.interchange.mapping.target import Target

#: The types of blocks that no part of ours stands for, or that lack what ours requires.
_OWN_TYPE = re.compile(
    r"(\w+_)?tool_(use|result|reference|addition|removal|listing)|(redacted_)?thinking|document"
    r"|(web_)?search_result|compaction|container_upload|fallback|browser_state"
)

#: The key of a block whose type is not known, in a part of the format's own type.
_WRAPPED = "part"

_TEXT_REASON = "text as bytes"

_NO_SIGNATURE = "required, though the API rejects thinking that it did not sign"


#: The kinds of parts that a result can have.
_IN_RESULTS = ("text", "image", "file")

# Reading


def read_content(
    conversion: Import, owner: Source, message: Target, *, is_answer: bool = False
) -> None:
    """Import the content of a message: text, or a list of blocks.

    Args:
        conversion: The import.
        owner: The object with the content.
        message: The message that gets it.
        is_answer: Whether the message is an answer.

    Raises:
        RecordError: There is none.
    """
    content = owner.get("content", str, list)
    if content is None:
        raise owner.fail('expected "content": a text or a list of blocks')
    if isinstance(content.value, str):
        message.put("text", content.value, content)
        return
    calls: list[tuple[Target, int]] = []
    parts = message.child("parts")
    number = 0
    for block in content.members():
        if _is_call(block):
            call = message.append("tool_calls")
            _read_call(block, call)
            calls.append((call, number))
        else:
            part = parts.append("parts")
            read_block(conversion, block, part)
            if not _has_block(part.value, is_answer=is_answer):
                mark_import(conversion, part)
            number += 1
    place_calls(calls, number)
    if not content.value:
        message.value["parts"] = {}
        content.use(Outcome.RENAMED, parts.path)


def _is_call(block: Source) -> bool:
    return (
        block.text("type") == "tool_use"
        and can_be_call(block.text("name"))
        and block.get("id", str) is not None
        and block.get("input") is not None
    )


def _read_call(block: Source, call: Target) -> None:
    for key in ("id", "name"):
        found = block.get(key, str)
        assert found is not None
        call.put(key, found.value, found)
    arguments = block.get("input")
    assert arguments is not None
    read_arguments(arguments, call)
    _imply_type(block, call)


def read_block(conversion: Import, block: Source, part: Target) -> None:
    """Import a block as a part.

    Raises:
        RecordError: It is not an object.
    """
    if not isinstance(block.value, dict):
        raise block.fail("expected a content block: an object with a type")
    kind = block.text("type")
    reader = _READERS.get(kind or "")
    if reader is not None and reader(conversion, block, part):
        part.keep_rest(block)
    elif kind is not None and _OWN_TYPE.fullmatch(kind) and kind not in PART_KINDS:
        part.put_opaque("other", block)
    else:
        other = part.child("other")
        other.put("type", conversion.format)
        other.put_opaque(_WRAPPED, block)


def _imply_type(block: Source, target: Target) -> None:
    kind = block.get("type", str)
    assert kind is not None
    kind.implied_by(target)


def _read_text(conversion: Import, block: Source, part: Target) -> bool:
    text = block.get("text", str)
    if text is None:
        return False
    part.put("text", text.value, text)
    _imply_type(block, part)
    return True


def _read_thinking(conversion: Import, block: Source, part: Target) -> bool:
    text = block.get("thinking", str)
    if text is None:
        return False
    part.child("reasoning").put("text", text.value, text)
    signature = block.get("signature", str)
    if signature is not None:
        part.put("signature", signature.value, signature)
    else:
        mark_import(conversion, part)
    _imply_type(block, part)
    return True


def _read_redacted(conversion: Import, block: Source, part: Target) -> bool:
    data = block.get("data", str)
    if data is None:
        return False
    part.child("reasoning").put("encrypted", data.value, data)
    _imply_type(block, part)
    return True


def _read_file(conversion: Import, block: Source, part: Target) -> bool:
    """Import an image or a document."""
    source = block.get("source", dict)
    kind = block.get("type", str)
    assert kind is not None
    if source is None or not _read_source(conversion, source, part, kind.value == "image"):
        return False
    member = "image" if part.has("image") else "file"
    own = part.child(member)
    title = block.get("title", str) if kind.value == "document" else None
    if title is not None:
        own.put("name", title.value, title)
    if _block_type(part.value) == kind.value:
        kind.implied_by(part)
    source_kind = source.get("type", str)
    if source_kind is not None and _source_type(own.value) == source_kind.value:
        source_kind.implied_by(own)
    return True


def _read_source(conversion: Import, source: Source, part: Target, is_image: bool) -> bool:
    kind = source.text("type")
    own = part.child("image" if is_image and kind != "file" else "file")
    if kind == "url" and (url := source.get("url", str)) is not None:
        own.put("url", url.value, url)
        return True
    if kind == "file" and (file_id := source.get("file_id", str)) is not None:
        own.put("file_id", file_id.value, file_id)
        return True
    data = source.get("data", str)
    if data is None or kind not in ("base64", "text"):
        return False
    if kind == "text" and not is_image:
        try:
            text = encoded(data.value.encode())
        except UnicodeEncodeError:
            return False
        own.put("base64", text, data, reason=_TEXT_REASON)
    elif decoded(data.value) is None or kind == "text":
        return False
    else:
        read_bytes(conversion, data, own)
    found = source.get("media_type", str)
    if found is not None:
        own.put("media_type", found.value, found)
    else:
        mark_import(conversion, part)
    return True


def _read_result(conversion: Import, block: Source, part: Target) -> bool:
    if not can_be_call(block.text("tool_use_id")):
        return False
    content = block.get("content", str, list)
    if content is not None and any(not isinstance(each.value, dict) for each in content.members()):
        return False
    result = part.child("tool_result")
    found = block.get("tool_use_id", str)
    assert found is not None
    result.put("tool_call_id", found.value, found)
    if content is not None and isinstance(content.value, str):
        result.put("content", content.value, content)
    elif content is not None:
        for item in content.members():
            read_block(conversion, item, result.append("parts"))
    is_error = block.get("is_error", bool)
    if is_error is not None:
        result.put("is_error", is_error.value, is_error)
    _imply_type(block, part)
    return True


_READERS: dict[str, Callable[[Import, Source, Target], bool]] = {
    "text": _read_text,
    "thinking": _read_thinking,
    "redacted_thinking": _read_redacted,
    "image": _read_file,
    "document": _read_file,
    "tool_result": _read_result,
}


# Writing

#: The media types of images and of files that blocks can have. Other files are text.
_IMAGE_TYPES = ("image/gif", "image/jpeg", "image/png", "image/webp")
_FILE_TYPES = (*_IMAGE_TYPES, "application/pdf")

_NO_BLOCK = "the format has no block for it"


def _has_block(part: dict[str, Any], *, is_answer: bool = False) -> bool:
    """Return whether the API takes a part: not audio, and no files in answers.

    An import marks parts that the API does not take, so that its blocks come back as they were.
    """
    if is_answer and any(member in part for member in ("image", "file", "tool_result")):
        return False
    member = "image" if "image" in part else "file"
    content = part.get(member)
    if not isinstance(content, dict):
        return True
    kind = _media_type(content)
    if not kind:
        return True
    if member == "file" and kind.startswith("text/"):
        return _is_text(decoded(content.get("base64")) or b"")
    return kind in (_IMAGE_TYPES if member == "image" else _FILE_TYPES)


def _block_type(part: dict[str, Any]) -> str:
    """Return the type of the block of an image or a file."""
    if "image" in part:
        return "image"
    file = part.get("file", {})
    is_image = _media_type(file).startswith("image/")
    return "image" if is_image and _source_type(file) != "text" else "document"


def _media_type(content: dict[str, Any]) -> str:
    """Return the media type of an image or a file; that of its bytes if it has none."""
    stated = content.get("media_type")
    if isinstance(stated, str) and stated:
        return stated
    data = decoded(content.get("base64"))
    return media_type(data) if data is not None else ""


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _source_type(file: dict[str, Any]) -> str:
    """Return the type of the source of an image or a file."""
    if "file_id" in file:
        return "file"
    if "url" in file:
        return "url"
    return "text" if str(file.get("media_type", "")).startswith("text/") else "base64"


def write_content(
    conversion: Export, message: Source, target: Target, *, as_blocks: bool = False
) -> None:
    """Export the content of a message.

    Args:
        conversion: The export.
        message: The message.
        target: The object that gets the content.
        as_blocks: Whether it is an answer, whose text is a block.
    """
    text = message.get("text", str)
    calls = message.items("tool_calls")
    refusal = message.get("refusal", str)
    if text is not None and not calls and refusal is None and not as_blocks:
        target.put("content", text.value, text)
        return
    parts = message.get("parts", dict)
    if text is not None:
        _write_text(text, target.append("content"))
    blocks = parts.items("parts") if parts is not None else []
    only = ("text",) if target.value.get("role") == "system" else ()
    for item, is_call in in_order(blocks, calls):
        if is_call:
            _write_call(conversion, item, target.append("content"))
        else:
            write_block(conversion, item, target, "content", is_answer=as_blocks, only=only)
    if refusal is not None:
        block = target.append("content")
        block.put("type", "text")
        block.put("text", refusal.value, refusal, reason="a refusal is text here")
    if "content" not in target.value:
        target.value["content"] = []
    if parts is not None and not parts.value:
        parts.use(Outcome.RENAMED, (*target.path, "content"))


def write_result_of(conversion: Export, message: Source, target: Target) -> None:
    """Export a tool's message as a block with the result, at the end of a user's message."""
    parts = message.get("parts", dict)
    blocks = parts.items("parts") if parts is not None else []
    answered = message.get("tool_call_id", str)
    if answered is None and blocks and all("tool_result" in each.value for each in blocks):
        for block in blocks:
            write_block(conversion, block, target, "content")
        return
    result = target.append("content")
    result.put("type", "tool_result")
    if answered is not None:
        result.put("tool_use_id", answered.value, answered)
    else:
        result.default("tool_use_id", UNKNOWN, "a result names its call")
    text = message.get("text", str)
    if text is not None:
        result.put("content", text.value, text)
    else:
        for block in blocks:
            write_block(conversion, block, result, "content", only=_IN_RESULTS)


def _write_text(text: Source, block: Target) -> None:
    block.put("type", "text")
    block.put("text", text.value, text)


def _write_call(conversion: Export, call: Source, block: Target) -> None:
    block.put("type", "tool_use")
    write_call_id(call, block, "id", "toolu_")
    name = call.get("name", str)
    if name is not None:
        block.put("name", name.value, name)
    if not write_arguments(call, block, "input"):
        block.default("input", {}, "a call has arguments here")
    call_place(call, block)


def write_call_id(call: Source, target: Target, key: str, prefix: str) -> None:
    """Export the id of a call; one that has none gets one by its place."""
    found = call.get("id", str)
    if found is not None:
        target.put(key, found.value, found)
    elif "id" not in call.value:
        place = "_".join(str(step) for step in call.path if isinstance(step, int))
        target.default(key, f"{prefix}{place}", "a call has an id here")


def write_block(
    conversion: Export,
    part: Source,
    owner: Target,
    key: str,
    *,
    is_answer: bool = False,
    only: tuple[str, ...] = (),
) -> None:
    """Export a part as a block at the end of a list; a part without counterpart is left out.

    Args:
        conversion: The export.
        part: The part.
        owner: The object with the list.
        key: Its key.
        is_answer: Whether the list is that of an answer.
        only: The kinds of parts that the API takes in the list; all if there are none. What was
            imported from the API stays in any case.
    """
    is_here = not only or any(member in part.value for member in only)
    if not is_here and conversion.source.rest() is None:
        part.drop("the format has no such block in this place")
        return
    other = part.get("other", dict)
    if other is not None and is_foreign(part, conversion.format):
        other.drop("the format has no block of this type")
        return
    if other is not None:
        _write_other(conversion, other, owner, key)
        return
    if not _has_block(part.value, is_answer=is_answer) and filled(part):
        part.drop(_NO_BLOCK)
        return
    for member, writer in _WRITERS.items():
        found = part.get(member)
        if found is not None and not _is_sealed(conversion, member, found):
            block = owner.append(key)
            writer(conversion, part, found, block)
            block.restore(part.rest())
            return


def _is_sealed(conversion: Export, member: str, found: Source) -> bool:
    """Return whether a part is reasoning that only another service can decrypt."""
    is_text = member != "reasoning" or found.get("text", str) is not None
    return not is_text and is_foreign(conversion.source, conversion.format)


def _write_other(conversion: Export, other: Source, owner: Target, key: str) -> None:
    kind = other.get("type", str)
    wrapped = other.get(_WRAPPED, dict)
    if kind is not None and kind.value == conversion.format and wrapped is not None:
        kind.implied_by(owner)
        owner.append_value(key, wrapped.value, wrapped)
    elif kind is not None and _OWN_TYPE.fullmatch(kind.value):
        owner.append_value(key, other.value, other)
    else:
        other.drop("the format has no block of this type")


def _write_text_part(conversion: Export, part: Source, found: Source, block: Target) -> None:
    _write_text(found, block)


def _write_reasoning(conversion: Export, part: Source, found: Source, block: Target) -> None:
    text = found.get("text", str)
    encrypted = found.get("encrypted", str)
    foreign = is_foreign(conversion.source, conversion.format)
    if text is None and encrypted is not None and not foreign:
        block.put("type", "redacted_thinking")
        block.put("data", encrypted.value, encrypted)
        return
    block.put("type", "thinking")
    if text is not None:
        block.put("thinking", text.value, text)
    else:
        block.default("thinking", "", "the text is required")
    signature = part.get("signature", str)
    if signature is not None and not foreign:
        block.put("signature", signature.value, signature)
    elif filled(part):
        block.default("signature", "", _NO_SIGNATURE)


def _write_file(conversion: Export, part: Source, found: Source, block: Target) -> None:
    rest = part.rest()
    kept = inside(rest, "source")
    if rest is None or rest.get("type", str) is None:
        block.put("type", _block_type(part.value))
    source = block.child("source")
    kind = _source_type(found.value)
    original = kept.get("type", str) if kept is not None else None
    if original is not None:
        kind = original.value
    elif kept is None or "type" not in kept.value:
        source.put("type", kind)
    data = found.get("base64", str)
    if data is not None:
        _write_data(data, kind, source, kept)
        media = found.get("media_type", str)
        if media is not None:
            source.put("media_type", media.value, media)
        elif filled(part):
            guess = media_type(decoded(data.value) or b"")
            source.default("media_type", guess, "it is required; the first bytes show it")
    for key in ("url", "file_id"):
        item = found.get(key, str)
        if item is not None:
            source.put(key, item.value, item)
    name = found.get("name", str)
    if name is not None and block.value.get("type", "document") == "document":
        block.put("title", name.value, name)


def _write_data(data: Source, kind: str, source: Target, kept: Source | None) -> None:
    if kind == "text":
        try:
            text = (decoded(data.value) or b"").decode()
        except UnicodeDecodeError:
            source.value["type"] = "base64"
        else:
            source.put("data", text, data, reason=_TEXT_REASON)
            return
    write_bytes(data, source, "data", kept)


def _write_result(conversion: Export, part: Source, found: Source, block: Target) -> None:
    block.put("type", "tool_result")
    call_id = found.get("tool_call_id", str)
    if call_id is not None:
        block.put("tool_use_id", call_id.value, call_id)
    else:
        block.default("tool_use_id", UNKNOWN, "a result names its call")
    content = found.get("content", str)
    if content is not None:
        block.put("content", content.value, content)
    else:
        for item in found.items("parts"):
            write_block(conversion, item, block, "content", only=_IN_RESULTS)
    is_error = found.get("is_error", bool)
    if is_error is not None:
        block.put("is_error", is_error.value, is_error)


_WRITERS: dict[str, Callable[[Export, Source, Source, Target], None]] = {
    "text": _write_text_part,
    "image": _write_file,
    "file": _write_file,
    "reasoning": _write_reasoning,
    "tool_result": _write_result,
}
