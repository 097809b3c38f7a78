"""Crucible JSON documents: the door between the Elixir services' JSON and the IR's messages."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeVar, overload

from crucible_ir.schema.types import message_type
from crucible_ir.serialization import crucible_codec, json_text
from crucible_ir.serialization.binary import ensure_reads_back
from crucible_ir.serialization.reading import read_plain
from crucible_ir.serialization.refusal import Refusal, too_deep

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message

    from crucible_ir.paths import Part

    MessageT = TypeVar("MessageT", bound=Message)


def to_crucible_json(message: Message, *, indent: int | None = None) -> str:
    """Write a message of the IR as Crucible JSON.

    Args:
        message: A message of ``crucible_ir.v1``.
        indent: The number of spaces a level is indented by; ``None`` writes one line.

    Raises:
        EncodeError: The message holds something that Crucible JSON cannot write, such as an enum
            number without a name; the error names the field.

    >>> from crucible_ir import v1
    >>> to_crucible_json(v1.StageDef(name="embed", enabled=True))
    '{"name":"embed","module":null,"options":null,"enabled":true}'
    """
    try:
        text = json_text.write(crucible_codec.to_plain(message), indent=indent)
    except Refusal as refusal:
        raise refusal.encode_error() from None
    except RecursionError:
        raise too_deep().encode_error() from None
    if json_text.may_be_deep(text):
        ensure_reads_back(message)
    return text


@overload
def from_crucible_json(
    data: str | bytes, type: type[MessageT], *, validate: bool = True
) -> MessageT: ...
@overload
def from_crucible_json(data: str | bytes, type: str, *, validate: bool = True) -> Message: ...
def from_crucible_json(
    data: str | bytes, type: str | type[Message], *, validate: bool = True
) -> Message:
    """Read a message of the IR from Crucible JSON; a missing key takes its default.

    Args:
        data: JSON text, or its UTF-8 bytes.
        type: The message's class or its name.
        validate: Whether the schema's rules must hold.

    Raises:
        DecodeError: The text is not the Crucible JSON of such a message; the error has a path and
            a position.
        ValidationError: The message breaks rules of the schema.
    """
    text = json_text.decode_utf8(data)
    return read_plain(
        json_text.parse(text),
        message_type(type),
        fill=crucible_codec.fill_from_plain,
        spell=_spell,
        locate=partial(json_text.locate, text),
        validate=validate,
    )


def _spell(descriptor: Descriptor, path: tuple[Part, ...]) -> list[list[Part]]:
    return [[part] for part in crucible_codec.document_path(descriptor, path)]
