"""The parts of the messages of Responses."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from crucible_ir.interchange.chat.media import (
    audio_format,
    audio_type,
    is_base64,
    parse_data_url,
    read_url,
    write_url,
)
from crucible_ir.interchange.chat.parts import put_other, wrapped, write_other

if TYPE_CHECKING:
    from collections.abc import Callable

    from crucible_ir.interchange.mapping.source import Source
    from crucible_ir.interchange.mapping.target import Target

FORMAT_NAME: Final = "openai-responses"

#: The key of a part of content, and that of a whole item, among the parts of another kind. An item
#: is kept as it is where its type allows that.
PART, ITEM = "part", "item"

#: The default of the detail of an image, which the SDK requires.
_DETAIL: Final = "auto"


def text_type(role: str | None) -> str:
    """Return the type of text in the messages of a role."""
    return "output_text" if role == "assistant" else "input_text"


def read_part(item: Source, part: Target, role: str | None) -> None:
    """Import a part of a message; one of another kind is kept as it is.

    Args:
        item: The foreign part.
        part: The part.
        role: The role of the message.
    """
    type_ = item.get("type", str)
    read = _READERS.get(type_.value) if type_ is not None else None
    if type_ is None or read is None or not read(item, part):
        put_other(part, item, FORMAT_NAME, wrapped_in=PART)
        return
    part.keep_rest(item)
    if type_.value == _natural_type(part, role):
        type_.implied_by(part)


def _natural_type(part: Target, role: str | None) -> str:
    """Return the type with which the export writes a part that has no mark."""
    if "text" in part.value:
        return text_type(role)
    return "input_image" if "image" in part.value else "input_file"


def _read_text(item: Source, part: Target) -> bool:
    text = item.get("text", str)
    if text is None:
        return False
    part.put("text", text.value, text)
    annotations = item.get("annotations", list)
    if annotations is not None and not annotations.value and item.text("type") == "output_text":
        annotations.implied_by(part)
    return True


def _read_image(item: Source, part: Target) -> bool:
    url, id_ = item.get("image_url", str), item.get("file_id", str)
    if url is not None:
        read_url(part.child("image"), url)
        detail = item.get("detail", str)
        if detail is not None and detail.value == _DETAIL:
            detail.implied_by(part)
    elif id_ is not None:
        part.child("file").put("file_id", id_.value, id_)
    return url is not None or id_ is not None


def _read_file(item: Source, part: Target) -> bool:
    file = part.child("file")
    id_, url, data = (item.get(key, str) for key in ("file_id", "file_url", "file_data"))
    if id_ is not None:
        file.put("file_id", id_.value, id_)
    elif url is not None and parse_data_url(url.value) is None:
        file.put("url", url.value, url)
    elif data is not None and is_base64(data.value):
        file.put("base64", data.value, data)
    elif data is not None and parse_data_url(data.value) is not None:
        read_url(file, data)
    else:
        return False
    name = item.get("filename", str)
    if name is not None:
        file.put("name", name.value, name)
    return True


def _read_audio(item: Source, part: Target) -> bool:
    audio = item.get("input_audio", dict)
    data = audio.get("data", str) if audio is not None else None
    format_ = audio.get("format", str) if audio is not None else None
    if data is None or format_ is None or not is_base64(data.value):
        return False
    if not re.fullmatch("[a-z0-9_]+", format_.value):
        return False
    part.child("file").put("base64", data.value, data)
    media_type = audio_type(format_.value)
    part.child("file").put("media_type", media_type, format_, reason="a media type")
    return True


_READERS: Final[dict[str, Callable[[Source, Target], bool]]] = {
    "input_text": _read_text,
    "output_text": _read_text,
    "text": _read_text,
    "input_image": _read_image,
    "input_file": _read_file,
    "input_audio": _read_audio,
}


def kind(part: Source) -> str:
    """Return the type that an import kept of a part; empty if there is none."""
    rest = part.rest()
    return (rest.text("type") or "") if rest is not None else ""


def can_write(part: Source, role: str | None) -> bool:
    """Return whether a part can be in the content of a message."""
    if part.get("text", str) is not None:
        return True
    if part.get("other", dict) is not None:
        return wrapped(part, FORMAT_NAME, PART) is not None
    file = part.get("file", dict)
    if file is None and part.get("image", dict) is None:
        return False
    if part.rest() is not None:
        return True
    # The model's own messages have text only, and the service takes no audio.
    is_audio = file is not None and audio_format(file.text("media_type") or "")
    return role != "assistant" and not is_audio


def write_part(part: Source, item: Target, role: str | None) -> None:
    """Export a part of the content of a message."""
    text, image, file = part.get("text", str), part.get("image", dict), part.get("file", dict)
    type_ = kind(part)
    if text is not None:
        _put_type(part, item, text_type(role))
        item.put("text", text.value, text)
        if (type_ or text_type(role)) == "output_text" and not _keeps(part, "annotations"):
            item.value["annotations"] = []
    elif image is not None:
        _put_type(part, item, "input_image")
        write_url(image, item, "image_url")
        if not _keeps(part, "detail"):
            item.value["detail"] = _DETAIL
    elif file is not None and type_ == "input_audio":
        _write_audio(file, item)
    elif file is not None:
        _put_type(part, item, "input_file")
        _write_file(file, item)
    else:
        write_other(part, item, FORMAT_NAME, PART)
    item.restore(part.rest())


def _keeps(part: Source, key: str) -> bool:
    rest = part.rest()
    return rest is not None and key in rest.value


def _put_type(part: Source, item: Target, type_: str) -> None:
    if not kind(part):
        item.value["type"] = type_


def _write_file(file: Source, item: Target) -> None:
    id_, url, name = (file.get(key, str) for key in ("file_id", "url", "name"))
    data = file.get("base64", str)
    if id_ is not None:
        item.put("file_id", id_.value, id_)
    elif url is not None:
        item.put("file_url", url.value, url)
    elif data is not None and file.get("media_type", str) is None:
        item.put("file_data", data.value, data)
    elif data is not None:
        write_url(file, item, "file_data")
    if name is not None:
        item.put("filename", name.value, name)


def _write_audio(file: Source, item: Target) -> None:
    data, media_type = file.get("base64", str), file.get("media_type", str)
    audio = item.child("input_audio")
    if data is not None:
        audio.put("data", data.value, data)
    if media_type is not None:
        audio.put("format", audio_format(media_type.value), media_type, reason="a format")
