"""Binary messages: the door between protobuf's wire format and any message."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar, overload

from google.protobuf import message as google_message

from crucible_ir.errors import EncodeError
from crucible_ir.schema.types import descriptor_of, message_type
from crucible_ir.serialization.wire import diagnose
from crucible_ir.validation.check import ensure_valid

if TYPE_CHECKING:
    from google.protobuf.message import Message

    MessageT = TypeVar("MessageT", bound=Message)


def to_binary(message: Message) -> bytes:
    """Write a message in protobuf's wire format, unknown fields included.

    Raises:
        EncodeError: The message is too large, or nested deeper than protobuf writes.
    """
    try:
        return message.SerializeToString()
    except (google_message.EncodeError, ValueError, RecursionError) as error:
        raise EncodeError(f"cannot be written as protobuf: {error}") from None


@overload
def from_binary(data: bytes, type: type[MessageT], *, validate: bool = True) -> MessageT: ...
@overload
def from_binary(data: bytes, type: str, *, validate: bool = True) -> Message: ...
def from_binary(data: bytes, type: str | type[Message], *, validate: bool = True) -> Message:
    """Read a message from protobuf's wire format; fields that it does not know are kept.

    Args:
        data: The bytes of one message.
        type: The message's class or its name.
        validate: Whether the schema's rules must hold.

    Raises:
        DecodeError: The bytes are not such a message; the error names the offset and the field.
        ValidationError: The message breaks rules of the schema.
    """
    read = decoder(message_type(type), validate=validate)
    return read(data)


@overload
def decoder(type: type[MessageT], *, validate: bool = True) -> Callable[[bytes], MessageT]: ...
@overload
def decoder(type: str, *, validate: bool = True) -> Callable[[bytes], Message]: ...
def decoder(type: str | type[Message], *, validate: bool = True) -> Callable[[bytes], Message]:
    """Return a function that does what `from_binary` does for one type, for hot loops."""
    cls = message_type(type)
    parse = cls.FromString

    def decode(data: bytes) -> Message:
        try:
            message = parse(data)
        except Exception as error:
            raise diagnose(data, descriptor_of(cls), error) from None
        return ensure_valid(message) if validate else message

    return decode


def reads_back(message: Message) -> bool:
    """Tell whether protobuf can read what it writes of a message, which deep nesting prevents."""
    try:
        type(message).FromString(message.SerializeToString())
    except (google_message.DecodeError, google_message.EncodeError, ValueError):
        return False
    return True
