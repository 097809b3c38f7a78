"""Defaults: what the schema declares by ``(crucible_ir.v1.default)``, and filling them in."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from google.protobuf import message_factory

from crucible_ir.errors import Error
from crucible_ir.schema.types import (
    descriptor_of,
    field_of,
    held_enum,
    held_message,
    is_map,
    message_of,
)
from crucible_ir.v1 import options_pb2

if TYPE_CHECKING:
    from collections.abc import Iterable

    from google.protobuf.descriptor import Descriptor, FieldDescriptor
    from google.protobuf.message import Message

    MessageT = TypeVar("MessageT", bound=Message)


def default_text(field: FieldDescriptor) -> str | None:
    """Return a field's declared default as ProtoJSON text, or ``None`` if it has none.

    >>> from crucible_ir import v1
    >>> default_text(v1.TrainingConfig.DESCRIPTOR.fields_by_name["epochs"])
    '1'
    """
    if not field.has_options:
        return None
    options = field.GetOptions()
    # protoc's stubs type an extension as a plain field.
    extension: Any = options_pb2.default
    return str(options.Extensions[extension]) if options.HasExtension(extension) else None


@cache
def defaults(message: Descriptor) -> dict[str, object]:
    """Return a message's defaults by field name, as values that the field takes.

    Enum values are numbers, lists are tuples, and a message default is the default message.
    """
    found: dict[str, object] = {}
    for field in message.fields:
        text = default_text(field)
        if text is not None:
            found[field.name] = _value(field, json.loads(text))
    return found


def _value(field: FieldDescriptor, value: object) -> object:
    if isinstance(value, list):
        return tuple(_value(field, item) for item in value)
    if field.enum_type is not None:
        return held_enum(field).values_by_name[str(value)].number
    if field.message_type is not None:
        return prototype(held_message(field))
    return value


@cache
def prototype(message: Descriptor) -> Message:
    """Return a message with nothing but its defaults set, to copy from; never change it."""
    made: Message = message_factory.GetMessageClass(message)()
    fill(made, lists=True)
    return made


def fill(message: Message, *, given: Iterable[str] = (), lists: bool) -> None:
    """Set the defaults of a message's own fields that are unset, except those that were given.

    Args:
        message: The message to change.
        given: Names of fields that the caller has decided on; they keep their state.
        lists: Whether empty lists take their default too, as they do at construction only.
    """
    descriptor = descriptor_of(message)
    decided = set(given)
    for name, value in defaults(descriptor).items():
        field = field_of(descriptor, name)
        if name in decided:
            continue
        if field.is_repeated:
            if lists and not getattr(message, name):
                getattr(message, name).extend(value)
        elif _is_unset(message, field):
            if field.message_type is not None:
                getattr(message, name).CopyFrom(value)
            else:
                setattr(message, name, value)


def _is_unset(message: Message, field: FieldDescriptor) -> bool:
    oneof = field.containing_oneof
    if oneof is not None:
        return message.WhichOneof(oneof.name) is None
    if field.has_presence:
        return not message.HasField(field.name)
    return bool(getattr(message, field.name) == field.default_value)


def with_defaults(message: MessageT) -> MessageT:
    """Return a copy of a message in which every unset field with a default holds it.

    Messages inside are filled too. Lists stay as they are: an empty list means empty, and list
    defaults are for construction alone (proto/README.md, "Defaults").

    Raises:
        Error: The message is nested deeper than Python's stack reaches.

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
    for field, value in message.ListFields():
        if message_of(field) is None:
            continue
        if is_map(field):
            inner = [value[key] for key in value]
        elif field.is_repeated:
            inner = list(value)
        else:
            inner = [value]
        for item in inner:
            _fill_deep(item)


@cache
def _reaches_default(message: Descriptor) -> bool:
    """Tell whether a message, or one that it can hold, declares a default."""
    seen: set[str] = set()
    queue = [message]
    while queue:
        current = queue.pop()
        if current.full_name in seen:
            continue
        seen.add(current.full_name)
        if defaults(current):
            return True
        queue += [held for held in map(message_of, current.fields) if held is not None]
    return False
