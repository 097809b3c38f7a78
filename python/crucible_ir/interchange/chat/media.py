"""Media: images and files by URL, by data URL, and as bytes in base64."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from crucible_ir.interchange.mapping.source import Source
    from crucible_ir.interchange.mapping.target import Target

_DATA_URL = re.compile(r"data:([^;,\s]*);base64,([A-Za-z0-9+/=]*)")

#: The media types of audio formats whose names differ.
_AUDIO_TYPES: Final = {"mp3": "audio/mpeg"}


class Data(NamedTuple):
    """Bytes of a medium.

    Attributes:
        media_type: Their media type; empty if it is not known.
        base64: The bytes in base64.
    """

    media_type: str
    base64: str


def is_base64(text: str) -> bool:
    """Return whether a text is base64 as protobuf writes it.

    >>> is_base64("YWJj"), is_base64("YWJ"), is_base64("not base64")
    (True, False, False)
    """
    try:
        return base64.b64encode(base64.b64decode(text, validate=True)).decode() == text
    except (binascii.Error, ValueError):
        return False


def parse_data_url(url: str) -> Data | None:
    """Return the bytes of a data URL; ``None`` if it is another URL or in another encoding.

    >>> parse_data_url("data:image/png;base64,YWJj")
    Data(media_type='image/png', base64='YWJj')
    """
    found = _DATA_URL.fullmatch(url)
    if found is None or not is_base64(found[2]):
        return None
    return Data(found[1], found[2])


def data_url(media_type: str, data: str) -> str:
    """Return the data URL of bytes.

    >>> data_url("image/png", "YWJj")
    'data:image/png;base64,YWJj'
    """
    return f"data:{media_type};base64,{data}"


def read_url(content: Target, source: Source) -> None:
    """Set the source of an image or file from a URL, which may be a data URL."""
    data = parse_data_url(source.value)
    if data is None:
        content.put("url", source.value, source)
        return
    content.put("base64", data.base64, source, reason="a data URL")
    if data.media_type:
        content.value["media_type"] = data.media_type


def write_url(content: Source, target: Target, key: str) -> bool:
    """Write the source of an image or file as a URL or data URL.

    Returns:
        Whether the content has such a source.
    """
    data = content.get("base64", str)
    media_type = content.get("media_type", str)
    if data is not None:
        type_ = media_type.value if media_type is not None else ""
        target.put(key, data_url(type_, data.value), data, reason="a data URL")
        if media_type is not None:
            media_type.implied_by((*target.path, key))
        return True
    url = content.get("url", str)
    if url is None:
        return False
    target.put(key, url.value, url)
    return True


def audio_type(format_: str) -> str:
    """Return the media type of an audio format.

    >>> audio_type("wav"), audio_type("mp3")
    ('audio/wav', 'audio/mpeg')
    """
    return _AUDIO_TYPES.get(format_, f"audio/{format_}")


def audio_format(media_type: str) -> str:
    """Return the audio format of a media type; empty if it is none.

    >>> audio_format("audio/mpeg"), audio_format("application/pdf")
    ('mp3', '')
    """
    for format_, type_ in _AUDIO_TYPES.items():
        if type_ == media_type:
            return format_
    return media_type.removeprefix("audio/") if media_type.startswith("audio/") else ""
