"""Crucible JSON documents: the door between the Elixir services' JSON and the IR's messages."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import TYPE_CHECKING, Any, TypeVar, overload

from crucible_ir.schema.types import message_type
from crucible_ir.serialization.binary import ensure_reads_back
from crucible_ir.serialization.conversion_error import ConversionError, too_deep
from crucible_ir.serialization.json import crucible_codec, parsing
from crucible_ir.serialization.limits import read_within
from crucible_ir.serialization.quick_crucible import crucible_document_reader, crucible_writer
from crucible_ir.serialization.quick_protojson import QuickWriter
from crucible_ir.serialization.quick_text import write_text
from crucible_ir.serialization.reading import read_plain
from crucible_ir.validation.check import guard_of

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message

    from crucible_ir.paths import Part
    from crucible_ir.serialization.limits import Limits

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
        cls: Any = type(message)
        return write_text(_quick_writer(cls)(message, 0), indent)
    except Exception:
        # What is out of the ordinary is written, or refused, by the codec.
        return _careful_text(message, indent)


@cache
def _quick_writer(cls: Any) -> QuickWriter:
    return crucible_writer(cls.DESCRIPTOR)


def _careful_text(message: Message, indent: int | None) -> str:
    try:
        text = parsing.write(crucible_codec.to_plain(message), indent=indent)
    except ConversionError as error:
        raise error.encode_error() from None
    except RecursionError:
        raise too_deep().encode_error() from None
    if parsing.may_be_deep(text):
        ensure_reads_back(message)
    return text


@overload
def from_crucible_json(
    data: str | bytes, type: type[MessageT], *, validate: bool = True, limits: Limits | None = None
) -> MessageT: ...
@overload
def from_crucible_json(
    data: str | bytes, type: str, *, validate: bool = True, limits: Limits | None = None
) -> Message: ...
def from_crucible_json(
    data: str | bytes,
    type: str | type[Message],
    *,
    validate: bool = True,
    limits: Limits | None = None,
) -> Message:
    """Read a message of the IR from Crucible JSON; a missing key takes its default.

    Args:
        data: JSON text, or its UTF-8 bytes.
        type: The message's class or its name.
        validate: Whether the schema's rules must hold.
        limits: How large and deep the document may be; ``None`` sets no limit but memory.

    Raises:
        LimitError: The document is over one of the limits.
        DecodeError: The text is not the Crucible JSON of such a message; the error has a path and
            a position.
        ValidationError: The message breaks rules of the schema.
    """
    if limits is not None:
        read = partial(from_crucible_json, type=message_type(type), validate=validate)
        within: Message = read_within(limits, read, data)
        return within
    try:
        asked: Any = type
        quick, guard = _quick_way(asked)
        message = quick(parsing.parse_ordinary(data))
        if not validate or guard(message):
            return message
    except Exception:
        # What is out of the ordinary is read, or refused, by the codec.
        pass
    text = parsing.decode_utf8(data)
    return read_plain(
        parsing.parse(text),
        message_type(type),
        fill=crucible_codec.fill_from_plain,
        spell=_spell,
        locate=partial(parsing.locate, text),
        validate=validate,
    )


# Typed as Any: mypy takes a message class, which can be hashed, for a message, which cannot.
@cache
def _quick_way(
    type_: Any,
) -> tuple[Callable[[object], Message], Callable[[Message], bool]]:
    """Return what reads plain values as a message the quick way, or raises, and what judges it."""
    cls: Any = message_type(type_)
    return crucible_document_reader(cls.DESCRIPTOR), guard_of(cls)


def _spell(descriptor: Descriptor, path: tuple[Part, ...]) -> list[list[Part]]:
    return [[part] for part in crucible_codec.document_path(descriptor, path)]
