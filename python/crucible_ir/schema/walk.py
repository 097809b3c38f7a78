"""The walk over a message, which yields the values that are set with their paths and fields."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

from crucible_ir.paths import MapKey, Part
from crucible_ir.schema.fields import OPAQUE_MESSAGES, Cardinality, Field, Kind, describe_field

if TYPE_CHECKING:
    from google.protobuf.message import Message

#: The steps from a message to a value inside it.
Path: TypeAlias = tuple[Part, ...]


def set_fields(message: Message) -> Iterator[tuple[Path, Field, Any]]:
    """Yield the fields of a message that are set, with their paths and values, by field number.

    In opaque JSON the path is empty: there, paths consist of keys and indexes only, since the
    fields of Struct, Value and ListValue are not part of the document.
    """
    is_opaque = message.DESCRIPTOR.full_name in OPAQUE_MESSAGES
    for descriptor, value in message.ListFields():
        yield () if is_opaque else (descriptor.name,), describe_field(descriptor), value


def items(message: Message) -> Iterator[tuple[Path, Field, Any]]:
    """Yield each value directly inside a message: each item of a list, each value of a map.

    Maps are sorted by key.

    >>> from crucible_ir import v1
    >>> snapshot = v1.MetricsSnapshot(values={"loss": 0.5, "accuracy": 0.9})
    >>> [(path, value) for path, _, value in items(snapshot)]
    [(('values', 'accuracy'), 0.9), (('values', 'loss'), 0.5)]
    """
    for path, field, value in set_fields(message):
        for here, item in expand(path, field, value):
            yield here, field, item


def expand(path: Path, field: Field, value: Any) -> Iterator[tuple[Path, Any]]:
    """Yield the single values of a set field, given its path and value as `set_fields` does."""
    if field.cardinality is Cardinality.SINGULAR:
        yield path, value
    elif field.cardinality is Cardinality.LIST:
        yield from (((*path, index), item) for index, item in enumerate(value))
    else:
        yield from (((*path, MapKey(str(key))), value[key]) for key in sorted(value))


def messages_in(message: Message) -> Iterator[tuple[Path, Message]]:
    """Yield each message directly inside a message, with its path."""
    for path, field, value in set_fields(message):
        if field.kind is Kind.MESSAGE:
            yield from expand(path, field, value)


def walk(root: Message) -> Iterator[tuple[Path, Message]]:
    """Yield a message and all messages inside it with their paths, each before its content.

    The function does not recurse: a message in memory can be nested deeper than Python's stack.

    >>> from crucible_ir import v1
    >>> chain = v1.BackendRef(id="a", fallback=v1.BackendRef(id="b"))
    >>> [(path, message.id) for path, message in walk(chain)]
    [((), 'a'), (('fallback',), 'b')]
    """
    waiting: list[tuple[Path, Message]] = [((), root)]
    while waiting:
        path, message = waiting.pop()
        yield path, message
        inside = [((*path, *steps), inner) for steps, inner in messages_in(message)]
        waiting += reversed(inside)
