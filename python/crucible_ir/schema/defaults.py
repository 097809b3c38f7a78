"""The defaults that the schema declares by ``(crucible_ir.v1.default)``, and filling them in."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from google.protobuf import message_factory

from crucible_ir.errors import Error
from crucible_ir.schema.fields import Field, fields_of
from crucible_ir.schema.types import descriptor_of
from crucible_ir.schema.walk import messages_in, reachable_types

if TYPE_CHECKING:
    from collections.abc import Iterable

    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message

    MessageT = TypeVar("MessageT", bound=Message)


@cache
def defaults(message: Descriptor) -> dict[str, object]:
    """Return a message's defaults by field name, as values of the fields.

    Enum values are numbers, lists are tuples, and a message default is the default message.
    """
    return {
        field.name: _value(field, json.loads(field.default))
        for field in fields_of(message).values()
        if field.default is not None
    }


def _value(field: Field, value: object) -> object:
    if isinstance(value, list):
        return tuple(_value(field, item) for item in value)
    if field.enum is not None:
        return field.enum.values_by_name[str(value)].number
    if field.message is not None:
        return prototype(field.message)
    return value


@cache
def prototype(message: Descriptor) -> Message:
    """Return a message with only its defaults set, to copy from; never change it."""
    made: Message = message_factory.GetMessageClass(message)()
    fill(made, lists=True)
    return made


def fill(message: Message, *, given: Iterable[str] = (), lists: bool) -> None:
    """Set the defaults of a message's own unset fields.

    Args:
        message: The message to change.
        given: The names of fields that do not change.
        lists: Whether empty lists get their defaults too, which only constructors do.
    """
    descriptor = descriptor_of(message)
    decided = set(given)
    fields = fields_of(descriptor)
    for name, value in defaults(descriptor).items():
        field = fields[name]
        if name in decided:
            continue
        if field.is_list:
            if lists and not getattr(message, name):
                getattr(message, name).extend(value)
        elif _is_unset(message, field):
            if field.message is not None:
                getattr(message, name).CopyFrom(value)
            else:
                setattr(message, name, value)


def _is_unset(message: Message, field: Field) -> bool:
    if field.oneof is not None:
        return message.WhichOneof(field.oneof) is None
    if field.has_presence:
        return not message.HasField(field.name)
    return bool(getattr(message, field.name) == field.descriptor.default_value)


def with_defaults(message: MessageT) -> MessageT:
    """Return a copy of a message with the defaults of every unset field.

    Messages inside get their defaults too. Lists do not change: an empty list means empty, and only
    constructors apply the defaults of lists (proto/README.md, "Defaults").

    Raises:
        Error: The message is nested too deeply for Python's stack.

    >>> from crucible_ir import v1
    >>> with_defaults(v1.BackendRef(id="gpt4")).profile
    'default'
    """
    copy = type(message)()
    copy.CopyFrom(message)
    try:
        _fill_deep(copy)
    except RecursionError:
        raise Error(f"the {message.DESCRIPTOR.name} is nested too deeply to fill") from None
    return copy


def _fill_deep(message: Message) -> None:
    if not _reaches_default(descriptor_of(message)):
        return
    fill(message, lists=False)
    for _, inside in messages_in(message):
        _fill_deep(inside)


@cache
def _reaches_default(message: Descriptor) -> bool:
    """Return whether a message type, or one that it can contain, declares a default."""
    return any(defaults(each) for each in reachable_types(message))
