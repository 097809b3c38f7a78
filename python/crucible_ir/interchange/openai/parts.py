"""The parts of messages of Chat Completions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from crucible_ir.interchange.chat.media import (
    audio_format,
    audio_type,
    is_base64,
    parse_data_url,
    read_url,
    write_url,
)
from crucible_ir.interchange.chat.parts import is_foreign, put_other, take_mark, write_other

if TYPE_CHECKING:
    from collections.abc import Callable

    from crucible_ir.interchange.mapping.importing import Import
    from crucible_ir.interchange.mapping.source import Source
    from crucible_ir.interchange.mapping.target import Target

FORMAT_NAME: Final = "openai"

#: The separator of the texts of a model's reasoning.
PARAGRAPH: Final = "\n\n"


def read_part(conversion: Import, item: Source, part: Target, *, keep_type: bool = False) -> None:
    """Import a part; one of another kind is kept as it is.

    Args:
        conversion: The import.
        item: The foreign part.
        part: The part.
        keep_type: Whether the type is kept although the part implies it, to note that the content
            was a list.
    """
    type_ = item.get("type", str)
    read = _READERS.get(type_.value) if type_ is not None else None
    if type_ is None or read is None or not read(conversion, item, part):
        put_other(part, item, FORMAT_NAME)
        return
    part.keep_rest(item)
    if not keep_type and _natural_type(part) == type_.value:
        type_.implied_by(part)


def _natural_type(part: Target) -> str:
    """Return the type with which the export writes a part that has no mark."""
    if "text" in part.value:
        return "text"
    if "image" in part.value:
        return "image_url"
    if "file" in part.value:
        file = part.value["file"]
        is_audio = "base64" in file and audio_format(file.get("media_type", ""))
        return "input_audio" if is_audio else "file"
    return ""


def _read_text(conversion: Import, item: Source, part: Target) -> bool:
    text = item.get("text", str)
    if text is None:
        return False
    part.put("text", text.value, text)
    return True


def _read_image(conversion: Import, item: Source, part: Target) -> bool:
    flat = item.get("image_url", str)
    image = item.get("image_url", dict)
    url = flat if flat is not None else image.get("url", str) if image is not None else None
    if url is None:
        return False
    read_url(part.child("image"), url)
    if flat is not None:
        part.mark("as_url")
    return True


def _read_audio(conversion: Import, item: Source, part: Target) -> bool:
    audio = item.get("input_audio", dict)
    data = audio.get("data", str) if audio is not None else None
    format_ = audio.get("format", str) if audio is not None else None
    if data is None or format_ is None or not is_base64(data.value):
        return False
    if not re.fullmatch("[a-z0-9_]+", format_.value):
        return False
    file = part.child("file")
    file.put("base64", data.value, data)
    file.put("media_type", audio_type(format_.value), format_, reason="a media type")
    return True


def _read_file(conversion: Import, item: Source, part: Target) -> bool:
    source = item.get("file", dict)
    if source is None:
        return False
    file = part.child("file")
    id_, data = source.get("file_id", str), source.get("file_data", str)
    if id_ is not None:
        file.put("file_id", id_.value, id_)
    elif data is not None and is_base64(data.value):
        file.put("base64", data.value, data)
    elif data is not None and (parse_data_url(data.value) or "://" in data.value):
        read_url(file, data)
    else:
        return False
    name = source.get("filename", str)
    if name is not None:
        file.put("name", name.value, name)
    return True


def _read_thinking(conversion: Import, item: Source, part: Target) -> bool:
    """Import reasoning as Mistral writes it, with text or a list of texts."""
    text = item.get("thinking", str)
    texts = [found.get("text", str) for found in item.items("thinking")]
    reasoning = part.child("reasoning")
    if text is not None:
        reasoning.put("text", text.value, text)
    elif len(texts) == 1 and texts[0] is not None:
        reasoning.put("text", texts[0].value, texts[0])
    elif texts and all(texts):
        thinking = item.get("thinking", list)
        assert thinking is not None
        joined = PARAGRAPH.join(found.value for found in texts if found is not None)
        reasoning.put("text", joined, thinking, reason="several texts")
        conversion.keep_original(thinking, "several texts")
    else:
        return False
    signature = item.get("signature", str)
    if signature is not None:
        part.put("signature", signature.value, signature)
    return True


_READERS: Final[dict[str, Callable[[Import, Source, Target], bool]]] = {
    "text": _read_text,
    "image_url": _read_image,
    "input_audio": _read_audio,
    "file": _read_file,
    "thinking": _read_thinking,
}


def can_write(part: Source) -> bool:
    """Return whether a part can be in the content of a message."""
    if part.get("text", str) is not None or part.get("image", dict) is not None:
        return True
    if part.get("file", dict) is not None:
        return True
    if part.get("reasoning", dict) is not None:
        return kind(part) == "thinking"
    return part.get("other", dict) is not None and not is_foreign(part, FORMAT_NAME)


def kind(part: Source) -> str:
    """Return the type that an import kept of a part; empty if there is none."""
    rest = part.rest()
    return (rest.text("type") or "") if rest is not None else ""


def write_part(part: Source, item: Target) -> None:
    """Export a part of the content of a message."""
    text, image, file = part.get("text", str), part.get("image", dict), part.get("file", dict)
    if text is not None:
        _put_type(part, item, "text")
        item.put("text", text.value, text)
    elif image is not None:
        _put_type(part, item, "image_url")
        if take_mark(part.rest(), "as_url") is not None:
            write_url(image, item, "image_url")
        else:
            write_url(image, item.child("image_url"), "url")
    elif file is not None:
        _write_file(part, file, item)
    elif part.get("reasoning", dict) is not None:
        _write_thinking(part, item)
    else:
        write_other(part, item, FORMAT_NAME)
    item.restore(part.rest())


def _put_type(part: Source, item: Target, type_: str) -> None:
    if not kind(part):
        item.value["type"] = type_


def _write_file(part: Source, file: Source, item: Target) -> None:
    media_type = file.get("media_type", str)
    format_ = audio_format(media_type.value) if media_type is not None else ""
    data = file.get("base64", str)
    if format_ and data is not None and kind(part) != "file":
        _put_type(part, item, "input_audio")
        audio = item.child("input_audio")
        audio.put("data", data.value, data)
        audio.put("format", format_, *([media_type] if media_type else []), reason="a format")
        return
    _put_type(part, item, "file")
    target = item.child("file")
    id_, name = file.get("file_id", str), file.get("name", str)
    if id_ is not None:
        target.put("file_id", id_.value, id_)
    elif data is not None and media_type is None:
        target.put("file_data", data.value, data)
    else:
        write_url(file, target, "file_data")
    if name is not None:
        target.put("filename", name.value, name)


def _write_thinking(part: Source, item: Target) -> None:
    reasoning, rest = part.get("reasoning", dict), part.rest()
    text = reasoning.get("text", str) if reasoning is not None else None
    if text is not None and rest is not None:
        kept = rest.get("thinking", list)
        if kept is not None and _joined(kept.value) == text.value:
            item.put("thinking", kept.value, text, reason="several texts")
        elif "thinking" not in rest.value:
            item.put("thinking", text.value, text)
        else:
            entry = item.append("thinking")
            entry.put("text", text.value, text)
            if kept is not None:
                entry.value["type"] = "text"
                kept.drop("the text has changed since")
    signature = part.get("signature", str)
    if signature is not None:
        item.put("signature", signature.value, signature)


def _joined(items: list[Any]) -> str | None:
    texts = [item.get("text") if isinstance(item, dict) else None for item in items]
    return PARAGRAPH.join(map(str, texts)) if all(isinstance(text, str) for text in texts) else None
