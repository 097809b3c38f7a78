"""YAML documents: the door between YAML text and any protobuf message, by way of ProtoJSON."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeVar, overload

from crucible_ir.schema.types import message_type
from crucible_ir.serialization import yaml_text
from crucible_ir.serialization.json import protojson_codec
from crucible_ir.serialization.json.parsing import decode_utf8
from crucible_ir.serialization.json.protojson import to_dict
from crucible_ir.serialization.limits import read_within
from crucible_ir.serialization.reading import read_plain, spell_protojson

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.serialization.limits import Limits

    MessageT = TypeVar("MessageT", bound=Message)


def to_yaml(message: Message) -> str:
    """Write a message as ProtoJSON in YAML, with the schema's own field names, in its order.

    Raises:
        EncodeError: The message holds something that ProtoJSON cannot write.

    >>> from crucible_ir import v1
    >>> print(to_yaml(v1.StageDef(name="embed", enabled=True)), end="")
    name: embed
    enabled: true
    """
    return yaml_text.write(to_dict(message, original_names=True))


@overload
def from_yaml(
    data: str | bytes, type: type[MessageT], *, validate: bool = True, limits: Limits | None = None
) -> MessageT: ...
@overload
def from_yaml(
    data: str | bytes, type: str, *, validate: bool = True, limits: Limits | None = None
) -> Message: ...
def from_yaml(
    data: str | bytes,
    type: str | type[Message],
    *,
    validate: bool = True,
    limits: Limits | None = None,
) -> Message:
    """Read a message from ProtoJSON in YAML.

    Args:
        data: YAML text, or its UTF-8 bytes.
        type: The message's class or its name.
        validate: Whether the schema's rules must hold.
        limits: How large and deep the document may be; ``None`` sets no limit but memory.

    Raises:
        LimitError: The document is over one of the limits.
        DecodeError: The text is not the YAML of such a message; the error has a path and a
            position.
        ValidationError: The message breaks rules of the schema.
    """
    if limits is not None:
        read = partial(from_yaml, type=message_type(type), validate=validate)
        within: Message = read_within(limits, read, data)
        return within
    plain, node = yaml_text.parse(decode_utf8(data))
    return read_plain(
        plain,
        message_type(type),
        fill=protojson_codec.fill_from_plain,
        spell=spell_protojson,
        locate=lambda: node,
        validate=validate,
    )
