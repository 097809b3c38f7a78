"""The size of an error in the trailers of a call.

Clients limit the trailers of a call, names and overheads included: Java and many proxies to 8 KiB,
gRPC's core to 8 to 16 KiB. If an error is larger, the caller gets an error of its own library, such
as RESOURCE_EXHAUSTED, instead. The message is percent-encoded, so that one character of Chinese has
nine bytes, and the details, which repeat the message, are encoded in base64.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

from google.protobuf.message import Message

if TYPE_CHECKING:
    from google.protobuf.descriptor import FieldDescriptor

MessageT = TypeVar("MessageT", bound=Message)

#: The most bytes of the message and of the details, both encoded. The rest of 8 KiB is for the
#: status, the names and overheads of trailers, the request id, and what proxies add.
MAX_BYTES: Final = 7 * 1024

#: The most bytes of the message, encoded.
MAX_MESSAGE_BYTES: Final = 1536

#: The bytes of a status around its message and details: tags, lengths and the code.
_STATUS_OVERHEAD: Final = 16

#: The bytes of one detail around its content: tags, lengths and the URL of its type.
DETAIL_OVERHEAD: Final = 64

#: The bytes of a message in a list around its content: the tag and the length.
ITEM_OVERHEAD: Final = 4

#: The encoded lengths to which strings are cut, one after the other, until the messages fit.
_CUTS: Final = (2048, 512, 128, 32)

_ELLIPSIS: Final = "…"

#: The bytes that percent-encoding keeps.
_PLAIN: Final = re.compile(rb"[ -$&-~]")


def encoded_size(text: str) -> int:
    """Return the size of a text in bytes after percent-encoding.

    >>> [encoded_size(text) for text in ("a b", "%", "é", "漢")]
    [3, 3, 6, 9]
    """
    content = text.encode("utf-8", "replace")
    return 3 * len(content) - 2 * len(_PLAIN.findall(content))


def cut(text: str, size: int = MAX_MESSAGE_BYTES) -> str:
    """Return the start of a text with at most so many bytes after percent-encoding.

    >>> cut("abc漢漢漢", 30), cut("abc漢漢漢", 29)
    ('abc漢漢漢', 'abc漢…')
    """
    if encoded_size(text) <= size:
        return text
    room = size - encoded_size(_ELLIPSIS)
    end = 0
    for character in text:
        room -= encoded_size(character)
        if room < 0:
            break
        end += 1
    return text[:end] + _ELLIPSIS


def details_room(message: str) -> int:
    """Return the most bytes of details, before base64, next to a message."""
    encoded = MAX_BYTES - encoded_size(message)
    return encoded // 4 * 3 - len(message.encode("utf-8", "replace")) - _STATUS_OVERHEAD


def fitting(details: Iterable[MessageT], room: int) -> list[MessageT]:
    """Return details that fit: as they are, with long strings cut, or without the last ones.

    Args:
        details: The details.
        room: The most bytes of all of them.
    """
    found = list(details)
    for length in _CUTS:
        if _size_of(found) <= room:
            return found
        found = [_with_cut_strings(detail, length) for detail in found]
    while _size_of(found) > room:
        found.pop()
    return found


def _size_of(details: Iterable[Message]) -> int:
    return sum(detail.ByteSize() + DETAIL_OVERHEAD for detail in details)


def _with_cut_strings(message: MessageT, length: int) -> MessageT:
    """Return a copy of a message whose strings have at most so many bytes, encoded."""
    copy = type(message)()
    copy.CopyFrom(message)
    _cut_strings(copy, length)
    return copy


def _cut_strings(message: Message, length: int) -> None:
    fields: Sequence[tuple[FieldDescriptor, Any]] = message.ListFields()
    for field, value in fields:
        if isinstance(value, str):
            setattr(message, field.name, cut(value, length))
        elif isinstance(value, Message):
            _cut_strings(value, length)
        elif isinstance(value, MutableMapping):
            value.update({key: cut(text, length) for key, text in value.items()})
        elif isinstance(value, Sequence):
            for item in value:
                _cut_strings(item, length)
