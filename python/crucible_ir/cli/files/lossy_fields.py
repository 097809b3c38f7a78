"""What a form did not hold of a message, found by reading back what was written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from crucible_ir.paths import Part, format_path
from crucible_ir.schema.types import is_map, message_of
from crucible_ir.schema.unknown_fields import unknown_fields

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.serialization.formats import Format


def lossy_fields(message: Message, written: bytes, format_: Format) -> list[str]:
    """Say what of a message is not in the bytes that a form wrote of it, a line each.

    Raises:
        DecodeError: What was written cannot be read.
    """
    lost = lossy_unknown_fields(message) if format_.is_text else []
    back = format_.read(written, type(message), False)
    known = type(message)()
    known.CopyFrom(message)
    known.DiscardUnknownFields()
    back.DiscardUnknownFields()
    if known != back:
        lost += [f"{format_path(path) or 'the message'} changes" for path in _changes(known, back)]
    return lost


def lossy_unknown_fields(message: Message) -> list[str]:
    """Say which unknown fields of a message every form but binary loses, a line each."""
    return [
        _unknown_fields_line(message, path, numbers) for path, numbers in unknown_fields(message)
    ]


def _unknown_fields_line(message: Message, path: tuple[Part, ...], numbers: list[int]) -> str:
    plural = "s" if len(numbers) > 1 else ""
    where = format_path(path) or message.DESCRIPTOR.name
    listed = ", ".join(map(str, numbers))
    return f"{where}: unknown field{plural} {listed} (a newer schema's) would be lost"


def _changes(before: Any, after: Any, path: tuple[Part, ...] = ()) -> Iterator[tuple[Part, ...]]:
    """Yield the paths of the fields that differ, as deep as both sides have them."""
    for field in before.DESCRIPTOR.fields:
        one, other = getattr(before, field.name), getattr(after, field.name)
        same_presence = not field.has_presence or (
            before.HasField(field.name) == after.HasField(field.name)
        )
        if same_presence and one == other:
            continue
        here = (*path, field.name)
        if message_of(field) is None or is_map(field) or not same_presence:
            yield here
        elif not field.is_repeated:
            yield from _changes(one, other, here)
        elif len(one) != len(other):
            yield here
        else:
            for index, (left, right) in enumerate(zip(one, other, strict=True)):
                if left != right:
                    yield from _changes(left, right, (*here, index))
