"""Unknown fields: what a message holds that its schema has no name for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from google.protobuf.unknown_fields import UnknownFieldSet

from crucible_ir.errors import EncodeError
from crucible_ir.paths import MapKey, Part, format_path
from crucible_ir.schema.types import OPAQUE_MESSAGES, is_map, message_of

if TYPE_CHECKING:
    from google.protobuf.message import Message


def unknown_fields(message: Message) -> Iterator[tuple[tuple[Part, ...], list[int]]]:
    """Yield the path and the field numbers of each message inside that holds unknown fields.

    A message packed in an ``Any`` is bytes, and not looked into.

    >>> from crucible_ir import v1
    >>> newer = v1.BackendRef.FromString(bytes([0xF8, 0x07, 1]))
    >>> list(unknown_fields(v1.Experiment(backend=newer)))
    [(('backend',), [127])]
    """
    for path, holder in holders_of_unknown_fields(message):
        unknown = UnknownFieldSet(holder)
        yield path, sorted({unknown[index].field_number for index in range(len(unknown))})


def holders_of_unknown_fields(message: Message) -> Iterator[tuple[tuple[Part, ...], Message]]:
    """Yield each message inside that holds unknown fields itself, with its path."""
    if _holds_any(message):
        yield from _below(message, ())


def reject_unknown_fields(message: Message, *, purpose: str) -> None:
    """Raise if a message holds unknown fields, itself or in a message inside it.

    Args:
        message: The message.
        purpose: What they would be left out of, such as ``the digest``.

    Raises:
        EncodeError: It does; the path is that of the first message that does.
    """
    for path, numbers in unknown_fields(message):
        plural = "s" if len(numbers) > 1 else ""
        listed = ", ".join(map(str, numbers))
        raise EncodeError(
            f"unknown field{plural} {listed}, which a newer schema may have, would be left out of"
            f" {purpose}; allow_unknown_fields permits that",
            path=format_path(path),
        )


def _holds_any(message: Message) -> bool:
    """Tell whether there are unknown fields, at the speed of protobuf's own code."""
    known = type(message)()
    known.CopyFrom(message)
    known.DiscardUnknownFields()
    return known.ByteSize() != message.ByteSize()


def _below(message: Message, path: tuple[Part, ...]) -> Iterator[tuple[tuple[Part, ...], Message]]:
    if len(UnknownFieldSet(message)):
        yield path, message
    for parts, inner in _held(message):
        yield from _below(inner, (*path, *parts))


def _held(message: Message) -> Iterator[tuple[tuple[Part, ...], Any]]:
    """Yield every message that a message holds, with the steps that lead to it."""
    is_opaque = message.DESCRIPTOR.full_name in OPAQUE_MESSAGES
    for field, value in message.ListFields():
        if message_of(field) is None:
            continue
        # A path names what is in an opaque map, not the fields that make up the map.
        here = () if is_opaque else (field.name,)
        if is_map(field):
            yield from (((*here, MapKey(str(key))), value[key]) for key in sorted(value))
        elif field.is_repeated:
            yield from (((*here, index), item) for index, item in enumerate(value))
        else:
            yield here, value
