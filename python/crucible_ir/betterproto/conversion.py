"""Lossless conversion between protobuf messages and dataclasses, through the wire format."""

from __future__ import annotations

from typing import Any, TypeVar, overload

import betterproto2
from google.protobuf.message import Message

from crucible_ir.betterproto.classes import dataclass_of, protobuf_class_of
from crucible_ir.betterproto.lossy_fields import reject_lossy_fields
from crucible_ir.betterproto.type_checks import check_types
from crucible_ir.errors import DecodeError, EncodeError, Error, shorten
from crucible_ir.schema.types import UnknownTypeError, descriptor_of, message_type
from crucible_ir.serialization.binary import from_binary, to_binary
from crucible_ir.serialization.conversion_error import ConversionError, too_deep

MessageT = TypeVar("MessageT", bound=Message)
DataclassT = TypeVar("DataclassT", bound=betterproto2.Message)


@overload
def to_betterproto(message: Message, type: type[DataclassT]) -> DataclassT: ...
@overload
def to_betterproto(message: Message, type: None = None) -> betterproto2.Message: ...
def to_betterproto(
    message: Message, type: type[betterproto2.Message] | None = None
) -> betterproto2.Message:
    """Convert a protobuf message to a dataclass, including unknown fields.

    Args:
        message: A message of the IR or of the exchange.
        type: The expected dataclass, which is then the static type of the result.

    Raises:
        EncodeError: betterproto2 would lose a part of the message, such as the nanoseconds of a
            timestamp; the error has the path.
        UnknownTypeError: The message is of another package, or not of the expected type.

    >>> import crucible_ir as ir
    >>> from crucible_ir.betterproto import v1
    >>> to_betterproto(ir.v1.StageDef(name="embed"), v1.StageDef)
    StageDef(name='embed')
    """
    if not isinstance(message, Message):
        raise Error(f"expected a protobuf message, got {message.__class__.__name__}")
    protobuf_class: Any = message.__class__
    class_ = dataclass_of(protobuf_class)
    if type is not None and type is not class_:
        raise UnknownTypeError(f"expected {_name(type)}, got {descriptor_of(message).full_name}")
    data = to_binary(message)
    try:
        reject_lossy_fields(message)
        return class_.parse(data)
    except ConversionError as error:
        raise error.encode_error() from None
    except RecursionError:
        raise too_deep().encode_error() from None
    except Exception as error:
        raise EncodeError(f"betterproto2 cannot decode the message: {error}") from error


@overload
def from_betterproto(
    message: betterproto2.Message, type: type[MessageT], *, validate: bool = True
) -> MessageT: ...
@overload
def from_betterproto(
    message: betterproto2.Message, type: str | None = None, *, validate: bool = True
) -> Message: ...
def from_betterproto(
    message: betterproto2.Message, type: str | type[Message] | None = None, *, validate: bool = True
) -> Message:
    """Convert a dataclass to a protobuf message, after checking the types of its values.

    Args:
        message: A message of a class of `crucible_ir.betterproto`.
        type: The expected class, which is then the static type of the result, or its name.
        validate: Whether to validate the message against the rules of the schema.

    Raises:
        DecodeError: A value has the wrong type or would be lost; the error has the path.
        ValidationError: The message breaks rules of the schema.
        UnknownTypeError: The class is of another package, or not the expected one.

    >>> from crucible_ir.betterproto import v1
    >>> from_betterproto(v1.StageDef(name="embed")).name
    'embed'
    """
    if not isinstance(message, betterproto2.Message):
        raise Error(f"expected a message of betterproto2, got {message.__class__.__name__}")
    class_ = protobuf_class_of(message.__class__)
    if type is not None and message_type(type) is not class_:
        raise UnknownTypeError(f"expected {_name(type)}, got {message.__class__.__name__}")
    try:
        check_types(message)
        data = bytes(message)
    except ConversionError as error:
        raise error.decode_error() from None
    except RecursionError:
        raise too_deep().decode_error() from None
    except Exception as error:
        raise DecodeError(f"betterproto2 cannot encode the message: {error}") from error
    return from_binary(data, class_, validate=validate)


def _name(type_: Any) -> str:
    return type_ if isinstance(type_, str) else getattr(type_, "__name__", shorten(type_))
