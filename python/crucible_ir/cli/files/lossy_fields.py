"""The fields of a message that an output format loses, found by reading the output back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from crucible_ir.errors import Error
from crucible_ir.paths import Part, format_path
from crucible_ir.schema.fields import fields_of
from crucible_ir.schema.unknown_fields import show_all_entries, unknown_fields

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.serialization.formats import Format


def lossy_fields(message: Message, written: bytes, format_: Format) -> list[str]:
    """Return a line for each field that changed when a message was written.

    Args:
        message: The message.
        written: The message in the format.
        format_: The format.
    """
    lost = lossy_unknown_fields(message) if format_.is_text else []
    try:
        back = format_.read(written, type(message), False)
    except Error as error:
        return [*lost, f"{format_.name} cannot be read back: {error}"]
    known = type(message)()
    known.CopyFrom(show_all_entries(message))
    known.DiscardUnknownFields()
    back.DiscardUnknownFields()
    if known != back:
        lost += [f"{format_path(path) or 'the message'} changes" for path in _changes(known, back)]
    return lost


def lossy_unknown_fields(message: Message) -> list[str]:
    """Return a line for each message inside a message with unknown fields, which text loses."""
    return [_line(message, path, numbers) for path, numbers in unknown_fields(message)]


def _line(message: Message, path: tuple[Part, ...], numbers: list[int]) -> str:
    plural = "s" if len(numbers) > 1 else ""
    where = format_path(path) or message.DESCRIPTOR.name
    listed = ", ".join(map(str, numbers))
    return f"{where}: unknown field{plural} {listed} (a newer schema's) would be lost"


def _changes(before: Any, after: Any, path: tuple[Part, ...] = ()) -> Iterator[tuple[Part, ...]]:
    """Yield the paths of the fields that differ, as deep as both sides have them."""
    for name, field in fields_of(before.DESCRIPTOR).items():
        one, other = getattr(before, name), getattr(after, name)
        same_presence = not field.has_presence or before.HasField(name) == after.HasField(name)
        if same_presence and one == other:
            continue
        here = (*path, name)
        if field.message is None or field.is_map or not same_presence:
            yield here
        elif not field.is_list:
            yield from _changes(one, other, here)
        elif len(one) != len(other):
            yield here
        else:
            for index, (left, right) in enumerate(zip(one, other, strict=True)):
                if left != right:
                    yield from _changes(left, right, (*here, index))
