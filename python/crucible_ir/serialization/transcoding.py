"""Conversion between binary, ProtoJSON and Crucible JSON, from bytes to bytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from crucible_ir import native
from crucible_ir.errors import near_miss
from crucible_ir.schema.types import message_type
from crucible_ir.serialization.binary import from_binary, to_binary
from crucible_ir.serialization.formats import UnknownFormatError
from crucible_ir.serialization.json.crucible import from_crucible_json, to_crucible_json
from crucible_ir.serialization.json.protojson import from_json, to_json

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.serialization.limits import Limits

#: The names of the formats between which `transcode` converts.
TranscodedFormat: TypeAlias = Literal["binary", "json", "crucible-json"]


@dataclass(frozen=True, slots=True)
class _Codec:
    """The functions that read and write a format."""

    read: Callable[..., Message]
    write: Callable[[Any], bytes]


_CODECS = {
    "binary": _Codec(from_binary, to_binary),
    "json": _Codec(from_json, lambda message: to_json(message).encode()),
    "crucible-json": _Codec(from_crucible_json, lambda message: to_crucible_json(message).encode()),
}


def transcode(
    data: str | bytes,
    type: str | type[Message],
    *,
    to: TranscodedFormat,
    from_: TranscodedFormat,
    validate: bool = True,
    limits: Limits | None = None,
) -> bytes:
    """Convert a document to another format.

    The result is the one of reading a message and writing it, such as with `from_json` and
    `to_binary`. It is shorter to write, and the native engine does it without the message.

    Args:
        data: The document; text or its UTF-8 bytes in the JSON formats.
        type: The class of the message or its name.
        to: The format of the result. JSON is on one line, without a line break at its end.
        from_: The format of the document.
        validate: Whether the message must satisfy the rules of the schema.
        limits: The limits on the document; ``None`` for no limits.

    Raises:
        UnknownFormatError: It does not convert a format of this name.
        LimitError: The document is over a limit.
        DecodeError: The document is not such a message in its format.
        ValidationError: The message breaks rules of the schema.
        EncodeError: The other format cannot represent the message.

    >>> transcode('{"name": "embed"}', "StageDef", from_="json", to="binary").hex(" ")
    '0a 05 65 6d 62 65 64'
    >>> transcode(bytes.fromhex("0a05656d626564"), "StageDef", from_="binary", to="json")
    b'{"name":"embed"}'
    """
    if limits is None or not limits.limit_content:
        if limits is not None:
            limits.check_size(data)
        converted = native.transcode(data, type, from_, to, validate)
        if converted is not None:
            return converted
    source, target = _codec(from_), _codec(to)
    return target.write(source.read(data, type, validate=validate, limits=limits))


def transcoder(
    type: str | type[Message],
    *,
    to: TranscodedFormat,
    from_: TranscodedFormat,
    validate: bool = True,
    limits: Limits | None = None,
) -> Callable[[str | bytes], bytes]:
    """Return a faster `transcode` for one message type and two formats, for hot loops.

    The arguments are those of `transcode`, and the errors of the function too.

    Raises:
        UnknownFormatError: It does not convert a format of this name.
        UnknownTypeError: There is no such message type.

    >>> convert = transcoder("StageDef", from_="json", to="binary")
    >>> [convert(text).hex() for text in ('{"name": "a"}', '{"name": "b"}')]
    ['0a0161', '0a0162']
    """
    class_ = message_type(type)
    read, write = _codec(from_).read, _codec(to).write

    def convert(data: str | bytes) -> bytes:
        return write(read(data, class_, validate=validate, limits=limits))

    return convert if limits else native.transcoder(class_, from_, to, validate, convert)


def _codec(name: str) -> _Codec:
    found = _CODECS.get(name)
    if found is None:
        raise UnknownFormatError(
            f'transcode has no format "{name}"; expected one of {", ".join(_CODECS)}'
            f"{near_miss(name, _CODECS)}"
        )
    return found
