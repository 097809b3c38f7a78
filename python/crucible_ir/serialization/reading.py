"""From the plain values of a text document to a checked message, or the place of an error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from crucible_ir.schema.types import descriptor_of
from crucible_ir.serialization.conversion_error import ConversionError
from crucible_ir.validation.check import ensure_valid

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message

    from crucible_ir.errors import Position
    from crucible_ir.paths import Part
    from crucible_ir.serialization.positions import LocatedNode

    MessageT = TypeVar("MessageT", bound=Message)

#: Fills an empty message, at a depth, from plain values.
Fill: TypeAlias = Callable[[object, Any, int], None]
#: Gives the spellings that each step of a path of fields may have in the document.
Spell: TypeAlias = Callable[["Descriptor", "tuple[Part, ...]"], "Sequence[Sequence[Part]]"]


def read_plain(
    plain: object,
    type_: type[MessageT],
    *,
    fill: Fill,
    spell: Spell,
    locate: Callable[[], LocatedNode],
    validate: bool,
) -> MessageT:
    """Return the message that the plain values of a document describe.

    Args:
        plain: The document's plain values.
        type_: The class of the message.
        fill: The codec of the document's form.
        spell: How the form spells a path of field names.
        locate: Gives the places of the document's values; called only when something is wrong.
        validate: Whether the schema's rules must hold.

    Raises:
        DecodeError: The values do not describe such a message.
        ValidationError: They do, and it breaks rules of the schema.
    """
    message = type_()
    try:
        fill(plain, message, 0)
    except ConversionError as error:
        place = locate().find([[part] for part in error.parts], key=error.at_key)
        raise error.decode_error(place) from None
    if validate:
        ensure_valid(message, place_finder(descriptor_of(type_), spell, locate))
    return message


def place_finder(
    descriptor: Descriptor, spell: Spell, locate: Callable[[], LocatedNode]
) -> Callable[[tuple[Part, ...]], Position]:
    """Return a function that tells where a path of field names stands in a document."""
    root: list[LocatedNode] = []

    def find(path: tuple[Part, ...]) -> Position:
        if not root:
            root.append(locate())
        return root[0].find(spell(descriptor, path))

    return find


def spell_protojson(descriptor: Descriptor, path: tuple[Part, ...]) -> list[list[Part]]:
    """Give both spellings that ProtoJSON takes of each field on a path."""
    spelled: list[list[Part]] = []
    current: Descriptor | None = descriptor
    for part in path:
        field = None
        if current is not None and isinstance(part, str):
            field = current.fields_by_name.get(part)
        spelled.append([part] if field is None else [field.json_name, field.name])
        if field is not None:
            entry = field.message_type
            if entry is not None and entry.has_options and entry.GetOptions().map_entry:
                entry = entry.fields_by_name["value"].message_type
            current = entry
    return spelled
