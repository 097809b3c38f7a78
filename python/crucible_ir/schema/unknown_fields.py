"""Unknown fields: the fields of a message that its schema does not have.

protobuf's Python library (upb) differs from other implementations in two points. It leaves a map
entry with an unknown field inside out of the map and keeps the whole entry among the unknown fields
of the message: a hidden entry. And it accepts the field number 0 inside an unknown group.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from google.protobuf import message_factory
from google.protobuf.unknown_fields import UnknownFieldSet

from crucible_ir.errors import DecodeError, EncodeError
from crucible_ir.paths import MapKey, Part, format_path
from crucible_ir.schema.fields import Field, describe_field
from crucible_ir.schema.types import descriptor_of
from crucible_ir.schema.walk import messages_in, walk

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message

    MessageT = TypeVar("MessageT", bound=Message)

_LENGTH_DELIMITED = 2
_START_GROUP = 3
_MAX_FIELD_NUMBER = 2**29 - 1


def has_unknown_fields(message: Message) -> bool:
    """Return whether a message, or a message inside it, has unknown fields; it takes about 1 µs."""
    size = message.ByteSize()
    if not size:
        return False
    known = type(message)()
    known.CopyFrom(message)
    known.DiscardUnknownFields()
    return known.ByteSize() != size


def unknown_fields(message: Message) -> Iterator[tuple[tuple[Part, ...], list[int]]]:
    """Yield the path and the unknown field numbers of each message inside that has some.

    The message packed in an ``Any`` is not searched. The unknown fields of a map entry itself are
    left out, since other implementations drop them on reading.

    >>> from crucible_ir import v1
    >>> newer = v1.BackendRef.FromString(bytes([0xF8, 0x07, 1]))
    >>> list(unknown_fields(v1.Experiment(backend=newer)))
    [(('backend',), [127])]
    """
    for path, inside in messages_with_unknown_fields(message):
        unknown: Any = UnknownFieldSet(inside)
        numbers = {each.field_number for each in unknown}
        for field, entry in _hidden_entries(inside, unknown):
            numbers.discard(field.descriptor.number)
            for steps, found in unknown_fields(entry):
                if steps:
                    yield (*path, *_entry_path(field, entry), *steps[1:]), found
        if numbers:
            yield path, sorted(numbers)


def messages_with_unknown_fields(message: Message) -> Iterator[tuple[tuple[Part, ...], Message]]:
    """Yield each message inside that has unknown fields itself, with its path."""
    if not has_unknown_fields(message):
        return
    if UnknownFieldSet(message):
        yield (), message
    for steps, child in messages_in(message):
        # Walking takes longer than this check, and few of the messages inside have any.
        if has_unknown_fields(child):
            for path, inside in walk(child):
                if UnknownFieldSet(inside):
                    yield (*steps, *path), inside


def reject_unknown_fields(message: Message, *, purpose: str) -> None:
    """Raise if a message has unknown fields, itself or in a message inside it.

    Args:
        message: The message.
        purpose: The result that would lack them, such as ``the digest``.

    Raises:
        EncodeError: It does; the error has the path of the first message that does.
    """
    for path, numbers in unknown_fields(message):
        plural = "s" if len(numbers) > 1 else ""
        listed = ", ".join(map(str, numbers))
        raise EncodeError(
            f"unknown field{plural} {listed}, which a newer schema may have, would be left out of"
            f" {purpose}; allow_unknown_fields permits that",
            path=format_path(path),
        )


# Malformed unknown fields


def reject_unreadable(message: Message) -> None:
    """Raise if other implementations cannot read the unknown fields of a message.

    Those of the messages inside it are checked as well. A message without unknown fields takes a
    few microseconds.

    Raises:
        DecodeError: They cannot; the error has the path of the message that has them.
    """
    for path, inside in messages_with_unknown_fields(message):
        reject_own_unreadable(inside, path)


def reject_own_unreadable(message: Message, path: tuple[Part, ...] = ()) -> None:
    """Do what `reject_unreadable` does, but without the messages inside, for hot loops.

    Raises:
        DecodeError: They cannot.
    """
    unknown: Any = UnknownFieldSet(message)
    if not unknown:
        return
    waiting = [unknown]
    for fields in waiting:
        for each in fields:
            if not 0 < each.field_number <= _MAX_FIELD_NUMBER:
                name = descriptor_of(message).full_name
                reason = f"invalid field number {each.field_number} in an unknown field"
                raise DecodeError(f"not a {name}: {reason}", path=format_path(path))
            if each.wire_type == _START_GROUP:
                waiting.append(each.data)
    for field, entry in _hidden_entries(message, unknown):
        here = (*path, *_entry_path(field, entry))
        for steps, inside in walk(entry):
            reject_own_unreadable(inside, (*here, *steps[1:]))


# Hidden entries


def show_entries(message: MessageT) -> MessageT:
    """Return a message whose own maps have all their entries: itself, or else a copy.

    In the copy, the entries are among the unknown fields as well.

    >>> from crucible_ir import v1
    >>> version = v1.ModelVersion.FromString(bytes.fromhex("3a0e0a016111000000000000f03f1801"))
    >>> dict(version.metrics), dict(show_entries(version).metrics)
    ({}, {'a': 1.0})
    """
    unknown: Any = UnknownFieldSet(message)
    if not unknown:
        return message
    entries = list(_hidden_entries(message, unknown))
    if not entries:
        return message
    copy: Any = type(message)()
    copy.CopyFrom(message)
    for field, entry in entries:
        target = getattr(copy, field.name)
        if field.message is not None:
            target[entry.key].CopyFrom(entry.value)
        else:
            target[entry.key] = entry.value
    return copy  # type: ignore[no-any-return]  # a copy of the message


def show_all_entries(message: MessageT) -> MessageT:
    """Do what `show_entries` does for a message and every message inside it."""
    found = any(
        show_entries(inside) is not inside for _, inside in messages_with_unknown_fields(message)
    )
    if not found:
        return message
    copy = type(message)()
    copy.CopyFrom(message)
    for _, inside in walk(copy):
        shown = show_entries(inside)
        if shown is not inside:
            inside.CopyFrom(shown)
    return copy


def _hidden_entries(message: Message, unknown: Any) -> Iterator[tuple[Field, Any]]:
    """Yield the hidden entries among the unknown fields of a message, with their maps."""
    maps = _maps(descriptor_of(message))
    for each in unknown:
        field = maps.get(each.field_number)
        if field is not None and each.wire_type == _LENGTH_DELIMITED:
            yield field, _entry_class(field).FromString(each.data)


def _entry_path(field: Field, entry: Any) -> tuple[Part, ...]:
    return field.name, MapKey(str(entry.key))


@cache
def _maps(message: Descriptor) -> dict[int, Field]:
    """Return the maps of a message type by field number."""
    fields = map(describe_field, message.fields)
    return {field.descriptor.number: field for field in fields if field.is_map}


@cache
def _entry_class(field: Field) -> Any:
    entry: Any = field.descriptor.message_type
    return message_factory.GetMessageClass(entry)
