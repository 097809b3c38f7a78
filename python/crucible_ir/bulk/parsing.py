"""Parsing of many binary messages at once, which is faster than one by one.

protobuf gives each message that it parses memory of its own. The messages of a list share theirs,
so records are parsed as the items of a list: the only field of a message type that is made here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Final

from google.protobuf import descriptor_pb2, message_factory

from crucible_ir.schema.types import descriptor_of
from crucible_ir.serialization.wire import encode_varint

if TYPE_CHECKING:
    from google.protobuf.message import Message

#: The most records that are parsed at once.
_AT_ONCE: Final = 512
#: The fewest; a part with a bad record is parsed again in halves down to this size.
_FEWEST: Final = 8


def parse_messages(
    class_: Any, records: Sequence[bytes], *, allow_unknown: bool
) -> Iterator[Message | None]:
    """Yield the messages of records; ``None`` for those that may be bad.

    Args:
        class_: The class of the messages.
        records: The bytes of each message.
        allow_unknown: Whether messages may have unknown fields. They may be malformed.
    """
    list_class = _list_class(class_)
    for start in range(0, len(records), _AT_ONCE):
        part = records[start : start + _AT_ONCE]
        yield from _parse(list_class, part, allow_unknown=allow_unknown)


def _parse(
    list_class: Any, records: Sequence[bytes], *, allow_unknown: bool
) -> Sequence[Message | None]:
    data = b"".join([part for each in records for part in (_head(len(each)), each)])
    try:
        parsed = list_class.FromString(data)
    except Exception:
        parsed = None
    if parsed is not None:
        messages: list[Message | None] = list(parsed.items)
        if allow_unknown:
            return messages
        size = parsed.ByteSize()
        parsed.DiscardUnknownFields()
        if parsed.ByteSize() == size:
            return messages
    if len(records) <= _FEWEST:
        return [None] * len(records)
    half = len(records) // 2
    return [
        *_parse(list_class, records[:half], allow_unknown=allow_unknown),
        *_parse(list_class, records[half:], allow_unknown=allow_unknown),
    ]


@lru_cache(maxsize=4096)
def _head(size: int) -> bytes:
    """Return the tag of field 1 and the size of an item."""
    return b"\x0a" + encode_varint(size)


@cache
def _list_class(class_: Any) -> Any:
    """Return a message class with a field ``items``, a list of messages of a class."""
    item = descriptor_of(class_)
    file = descriptor_pb2.FileDescriptorProto(
        name=f"crucible_ir/bulk/{item.full_name}.proto",
        package=f"crucible_ir.bulk.{item.full_name}",
        syntax="proto3",
        dependency=[item.file.name],
    )
    field = file.message_type.add(name="List").field.add(name="items", number=1)
    field.label = field.LABEL_REPEATED
    field.type = field.TYPE_MESSAGE
    field.type_name = f".{item.full_name}"
    pool: Any = item.file.pool
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(
        pool.FindMessageTypeByName(f"{file.package}.{file.message_type[0].name}")
    )
