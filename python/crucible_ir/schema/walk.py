"""The walk over a message, which yields the values that are set with their paths and fields."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

from crucible_ir.paths import MapKey, Part
from crucible_ir.schema.fields import (
    OPAQUE_MESSAGES,
    Cardinality,
    Field,
    Kind,
    describe_field,
    fields_of,
)

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor
    from google.protobuf.message import Message

#: The steps from a message to a value inside it.
Path: TypeAlias = tuple[Part, ...]


def set_fields(message: Message) -> Iterator[tuple[Path, Field, Any]]:
    """Yield the fields of a message that are set, with their paths and values, by field number.

    In opaque JSON the path is empty: there, paths consist of keys and indexes only, since the
    fields of Struct, Value and ListValue are not part of the document.
    """
    for descriptor, value in message.ListFields():
        yield _steps(descriptor), describe_field(descriptor), value


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


def expand(path: Path, field: Field, value: Any) -> list[tuple[Path, Any]]:
    """Return the single values of a set field, given its path and value as `set_fields` does."""
    if field.cardinality is Cardinality.SINGULAR:
        return [(path, value)]
    if field.cardinality is Cardinality.LIST:
        return [((*path, index), item) for index, item in enumerate(value)]
    return [((*path, MapKey(key)), value[key]) for key in sorted(value)]


def messages_in(message: Message) -> list[tuple[Path, Message]]:
    """Return each message directly inside a message, with the steps that lead to it."""
    return [
        each
        for descriptor, value in message.ListFields()
        if (place := _message_place(descriptor)) is not None
        for each in expand(*place, value)
    ]


def reachable_types(root: Descriptor) -> Iterable[Descriptor]:
    """Return a message type and every message type that it can contain."""
    found: dict[str, Descriptor] = {}
    waiting = [root]
    while waiting:
        message = waiting.pop()
        if message.full_name not in found:
            found[message.full_name] = message
            waiting += [field.message for field in fields_of(message).values() if field.message]
    return found.values()


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
        for descriptor, value in reversed(message.ListFields()):
            place = _message_place(descriptor)
            if place is None:
                continue
            steps, field = place
            if field.cardinality is Cardinality.SINGULAR:
                waiting.append((path + steps, value))
            else:
                waiting += reversed(expand(path + steps, field, value))


@cache
def _message_place(descriptor: FieldDescriptor) -> tuple[Path, Field] | None:
    """Return the steps to a field of messages and its description; ``None`` for other fields."""
    field = describe_field(descriptor)
    return (_steps(descriptor), field) if field.kind is Kind.MESSAGE else None


@cache
def _steps(descriptor: FieldDescriptor) -> Path:
    """Return the steps from a message to one of its fields."""
    owner = descriptor.containing_type
    is_opaque = owner is not None and owner.full_name in OPAQUE_MESSAGES
    return () if is_opaque else (descriptor.name,)
