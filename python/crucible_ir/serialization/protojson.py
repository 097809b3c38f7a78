"""ProtoJSON documents: the door between JSON text and any protobuf message."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeVar, overload

from crucible_ir.schema.types import message_type
from crucible_ir.serialization import json_text, protojson_codec
from crucible_ir.serialization.binary import ensure_reads_back
from crucible_ir.serialization.reading import read_plain, spell_protojson
from crucible_ir.serialization.refusal import Refusal, too_deep
from crucible_ir.validation.check import ensure_valid

if TYPE_CHECKING:
    from google.protobuf.message import Message

    MessageT = TypeVar("MessageT", bound=Message)


def to_json(message: Message, *, indent: int | None = None, original_names: bool = False) -> str:
    """Write a message as ProtoJSON.

    Args:
        message: Any protobuf message.
        indent: The number of spaces a level is indented by; ``None`` writes one line.
        original_names: Whether to write ``model_ref`` rather than ``modelRef``.

    Raises:
        EncodeError: The message holds something that ProtoJSON cannot write, such as NaN inside
            an opaque map; the error names the field.

    >>> from crucible_ir import v1
    >>> to_json(v1.BackendRef(id="gpt4", model_version="2025-01"))
    '{"id":"gpt4","modelVersion":"2025-01"}'
    """
    text = json_text.write(_plain(message, original_names), indent=indent)
    if json_text.may_be_deep(text):
        ensure_reads_back(message)
    return text


def to_dict(message: Message, *, original_names: bool = False) -> object:
    """Return a message's ProtoJSON as plain values; arguments and errors as in `to_json`."""
    plain = _plain(message, original_names)
    ensure_reads_back(message)
    return plain


def _plain(message: Message, original_names: bool) -> object:
    try:
        return protojson_codec.to_plain(message, original_names=original_names)
    except Refusal as refusal:
        raise refusal.encode_error() from None
    except RecursionError:
        raise too_deep().encode_error() from None


@overload
def from_json(data: str | bytes, type: type[MessageT], *, validate: bool = True) -> MessageT: ...
@overload
def from_json(data: str | bytes, type: str, *, validate: bool = True) -> Message: ...
def from_json(data: str | bytes, type: str | type[Message], *, validate: bool = True) -> Message:
    """Read a message from ProtoJSON.

    Args:
        data: JSON text, or its UTF-8 bytes.
        type: The message's class or its name.
        validate: Whether the schema's rules must hold.

    Raises:
        DecodeError: The text is not the ProtoJSON of such a message; the error has a path and a
            position.
        ValidationError: The message breaks rules of the schema.
    """
    text = json_text.decode_utf8(data)
    return read_plain(
        json_text.parse(text),
        message_type(type),
        fill=protojson_codec.fill_from_plain,
        spell=spell_protojson,
        locate=partial(json_text.locate, text),
        validate=validate,
    )


@overload
def from_dict(data: object, type: type[MessageT], *, validate: bool = True) -> MessageT: ...
@overload
def from_dict(data: object, type: str, *, validate: bool = True) -> Message: ...
def from_dict(data: object, type: str | type[Message], *, validate: bool = True) -> Message:
    """Read a message from its ProtoJSON as plain values; arguments and errors as in `from_json`.

    Plain values are what ``json.loads`` gives: dict, list, str, int, float, bool and None. Errors
    have a path but no position.
    """
    message = message_type(type)()
    try:
        protojson_codec.fill_from_plain(data, message)
    except Refusal as refusal:
        raise refusal.decode_error() from None
    return ensure_valid(message) if validate else message
