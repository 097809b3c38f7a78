"""Unknown fields: the fields of a message that its schema does not have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from google.protobuf.unknown_fields import UnknownFieldSet

from crucible_ir.errors import EncodeError
from crucible_ir.paths import Part, format_path
from crucible_ir.schema.walk import walk

if TYPE_CHECKING:
    from google.protobuf.message import Message


def unknown_fields(message: Message) -> Iterator[tuple[tuple[Part, ...], list[int]]]:
    """Yield the path and the unknown field numbers of each message inside that has some.

    The message packed in an ``Any`` is not searched.

    >>> from crucible_ir import v1
    >>> newer = v1.BackendRef.FromString(bytes([0xF8, 0x07, 1]))
    >>> list(unknown_fields(v1.Experiment(backend=newer)))
    [(('backend',), [127])]
    """
    for path, inside in messages_with_unknown_fields(message):
        unknown = UnknownFieldSet(inside)
        yield path, sorted({unknown[index].field_number for index in range(len(unknown))})


def messages_with_unknown_fields(message: Message) -> Iterator[tuple[tuple[Part, ...], Message]]:
    """Yield each message inside that has unknown fields itself, with its path."""
    if _has_any(message):
        yield from (
            (path, inside) for path, inside in walk(message) if len(UnknownFieldSet(inside))
        )


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


def _has_any(message: Message) -> bool:
    """Return whether there are unknown fields, without walking the message in Python."""
    known = type(message)()
    known.CopyFrom(message)
    known.DiscardUnknownFields()
    return known.ByteSize() != message.ByteSize()
