"""Reading and writing of messages in protobuf's wire format."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, overload

from google.protobuf import message as google_message
from google.protobuf.unknown_fields import UnknownFieldSet

from crucible_ir import native
from crucible_ir.errors import DecodeError, EncodeError
from crucible_ir.schema.types import descriptor_of, message_type
from crucible_ir.schema.unknown_fields import reject_own_unreadable, reject_unreadable
from crucible_ir.serialization.conversion_error import too_deep
from crucible_ir.serialization.limits import MAX_DEPTH, read_within
from crucible_ir.serialization.wire import diagnose
from crucible_ir.validation.check import ensure_valid_by_rules, guard_of

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.serialization.limits import Limits

    MessageT = TypeVar("MessageT", bound=Message)


def to_binary(message: Message) -> bytes:
    """Write a message in protobuf's wire format, with its unknown fields and with sorted map keys.

    Raises:
        EncodeError: The message is too large or nested too deeply.

    >>> from crucible_ir import v1
    >>> to_binary(v1.StageDef(name="embed")).hex(" ")
    '0a 05 65 6d 62 65 64'
    """
    try:
        data = message.SerializeToString(deterministic=True)
    except RecursionError:
        raise too_deep().encode_error() from None
    except (google_message.EncodeError, ValueError) as error:
        raise EncodeError(f"cannot be written as protobuf: {error}") from None
    ensure_reads_back(message, data)
    return data


@overload
def from_binary(
    data: bytes, type: type[MessageT], *, validate: bool = True, limits: Limits | None = None
) -> MessageT: ...
@overload
def from_binary(
    data: bytes, type: str, *, validate: bool = True, limits: Limits | None = None
) -> Message: ...
def from_binary(
    data: bytes, type: str | type[Message], *, validate: bool = True, limits: Limits | None = None
) -> Message:
    """Read a message from protobuf's wire format; unknown fields are kept.

    Args:
        data: The bytes of one message.
        type: The message's class or its name.
        validate: Whether the message must satisfy the rules of the schema.
        limits: The limits on the document; ``None`` for no limits.

    Raises:
        LimitError: The document is over a limit.
        DecodeError: The bytes are not such a message; the error has the offset and the path.
        ValidationError: The message breaks rules of the schema.

    >>> from_binary(bytes.fromhex("0a05656d626564"), "StageDef")
    name: "embed"
    <BLANKLINE>
    """
    if validate and limits is None and (valid := native.from_binary(data, type)) is not None:
        return valid
    message = decoder(message_type(type), validate=validate, limits=limits)(data)
    try:
        reject_unreadable(message)
    except DecodeError as error:
        raise diagnose(data, descriptor_of(message), error) from None
    return message


@overload
def decoder(
    type: type[MessageT], *, validate: bool = True, limits: Limits | None = None
) -> Callable[[bytes], MessageT]: ...
@overload
def decoder(
    type: str, *, validate: bool = True, limits: Limits | None = None
) -> Callable[[bytes], Message]: ...
def decoder(
    type: str | type[Message], *, validate: bool = True, limits: Limits | None = None
) -> Callable[[bytes], Message]:
    """Return a faster `from_binary` for one message type, for hot loops.

    One check is left out, since it takes as long as parsing. protobuf's Python library accepts the
    field number 0 in a group of an unknown field, which other implementations reject. The function
    looks for it in the message itself, and not in the messages inside.

    >>> from crucible_ir import v1
    >>> decode = decoder(v1.StageDef)
    >>> [decode(to_binary(v1.StageDef(name=name))).name for name in ("embed", "score")]
    ['embed', 'score']
    """
    if limits is not None:
        return partial(read_within, limits, decoder(message_type(type), validate=validate))
    cls: Any = message_type(type)
    parse: Callable[[bytes], Message] = cls.FromString
    guard = guard_of(cls) if validate else None

    def decode(data: bytes, parsed: Message | None = None) -> Message:
        try:
            message = parse(data) if parsed is None else parsed
            if UnknownFieldSet(message):
                reject_own_unreadable(message)
        except Exception as error:
            raise diagnose(data, descriptor_of(cls), error) from None
        try:
            if guard is None or guard(message):
                return message
        except Exception:
            # The guard cannot check this message; the rules decide.
            pass
        try:
            return ensure_valid_by_rules(message)
        except DecodeError as error:
            raise diagnose(data, descriptor_of(cls), error) from None

    return native.decoder(cls, decode) if validate else decode


def ensure_reads_back(message: Message, data: bytes | None = None) -> None:
    """Raise if a message is nested too deeply for protobuf's parsers.

    Args:
        message: The message.
        data: Its bytes, if they have already been written.

    Raises:
        EncodeError: The message is nested too deeply.
    """
    # Each level of nesting has at least two bytes: a tag and a length.
    try:
        size = message.ByteSize() if data is None else len(data)
    except RecursionError:
        raise too_deep().encode_error() from None
    if size > 2 * MAX_DEPTH and not reads_back(message, data):
        raise too_deep().encode_error()


def reads_back(message: Message, data: bytes | None = None) -> bool:
    """Return whether protobuf's parsers can read a message, which deep nesting prevents."""
    try:
        type(message).FromString(message.SerializeToString() if data is None else data)
    except (google_message.DecodeError, google_message.EncodeError, ValueError, RecursionError):
        return False
    return True


@dataclass(frozen=True, slots=True)
class ParsedBinary:
    """A binary document, which has the numbers of fields and no names.

    Attributes:
        data: The bytes.
    """

    data: bytes

    def read(
        self, type_: type[Message], *, validate: bool, limits: Limits | None = None
    ) -> Message:
        """Return the message of the document; errors as in `from_binary`."""
        return from_binary(self.data, type_, validate=validate, limits=limits)

    def field_finder(self, type_: type[Message]) -> None:
        """Return ``None``: a binary document has no lines."""
        return None
