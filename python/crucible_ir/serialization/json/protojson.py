"""ProtoJSON documents: the door between JSON text and any protobuf message."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import TYPE_CHECKING, Any, TypeVar, overload

from crucible_ir.schema.types import message_type
from crucible_ir.serialization.binary import ensure_reads_back
from crucible_ir.serialization.conversion_error import ConversionError, too_deep
from crucible_ir.serialization.json import parsing, protojson_codec
from crucible_ir.serialization.limits import read_within
from crucible_ir.serialization.quick_protojson import (
    QuickWriter,
    protojson_document_reader,
    protojson_writer,
)
from crucible_ir.serialization.quick_text import write_text
from crucible_ir.serialization.reading import read_plain, spell_protojson
from crucible_ir.validation.check import ensure_valid, guard_of

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.serialization.limits import Limits

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
    try:
        class_: Any = type(message)
        write = _quick_writer(class_, original_names)
        return write_text(write(message, 0), indent)
    except Exception:
        # What is out of the ordinary is written, or refused, by the codec.
        return _careful_text(message, indent, original_names)


@cache
def _quick_writer(class_: Any, original_names: bool) -> QuickWriter:
    return protojson_writer(class_.DESCRIPTOR, original_names)


def _careful_text(message: Message, indent: int | None, original_names: bool) -> str:
    text = parsing.write(_plain(message, original_names), indent=indent)
    if parsing.may_be_deep(text):
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
    except ConversionError as error:
        raise error.encode_error() from None
    except RecursionError:
        raise too_deep().encode_error() from None


@overload
def from_json(
    data: str | bytes, type: type[MessageT], *, validate: bool = True, limits: Limits | None = None
) -> MessageT: ...
@overload
def from_json(
    data: str | bytes, type: str, *, validate: bool = True, limits: Limits | None = None
) -> Message: ...
def from_json(
    data: str | bytes,
    type: str | type[Message],
    *,
    validate: bool = True,
    limits: Limits | None = None,
) -> Message:
    """Read a message from ProtoJSON.

    Args:
        data: JSON text, or its UTF-8 bytes.
        type: The message's class or its name.
        validate: Whether the schema's rules must hold.
        limits: How large and deep the document may be; ``None`` sets no limit but memory.

    Raises:
        LimitError: The document is over one of the limits.
        DecodeError: The text is not the ProtoJSON of such a message; the error has a path and a
            position.
        ValidationError: The message breaks rules of the schema.
    """
    if limits is not None:
        read = partial(from_json, type=message_type(type), validate=validate)
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
        fill=protojson_codec.fill_from_plain,
        spell=spell_protojson,
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
    lower_camel, original = (
        protojson_document_reader(cls.DESCRIPTOR, names) for names in (False, True)
    )

    def read(plain: object) -> Message:
        try:
            return lower_camel(plain)
        except Exception:
            # The keys may be spelled the other way.
            return original(plain)

    return read, guard_of(cls)


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
    except ConversionError as error:
        raise error.decode_error() from None
    return ensure_valid(message) if validate else message
