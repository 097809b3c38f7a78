"""Parts of messages that the formats of chat services treat alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crucible_ir.interchange.mapping.converters import Converter
from crucible_ir.interchange.mapping.format import FORMATS
from crucible_ir.interchange.mapping.report import Outcome
from crucible_ir.schema.fields import fields_of
from crucible_ir.v1 import prompt_pb2

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crucible_ir.interchange.mapping.conversion import Source, Target

_ROLES = fields_of(prompt_pb2.Message.DESCRIPTOR)["role"].short_names


def role_converter(aliases: Mapping[str, str]) -> Converter:
    """Return the converter of roles; a role that the schema does not have becomes ``user``.

    Args:
        aliases: Our role for each foreign one of another name.
    """

    def read(value: object) -> str:
        role = str(value)
        return role if role in _ROLES else aliases.get(role, "user")

    return Converter(read, lambda value: value, "the schema has other roles")


def part_sources(message: Source) -> list[Source]:
    """Return the parts of a message."""
    parts = message.get("parts", dict)
    return parts.items("parts") if parts is not None else []


def append_part(message: Target) -> Target:
    """Add a part to a message."""
    return message.child("parts").append("parts")


def put_other(part: Target, source: Source, *marks: str) -> None:
    """Keep a part of another kind as it is, with a mark of the format that it is in.

    Args:
        part: The part.
        source: The foreign object.
        marks: More keys of the mark.
    """
    part.put_opaque("other", source)
    part.mark(*marks)


def write_other(part: Source, target: Target) -> None:
    """Write a part of another kind as it is."""
    found = part.get("other", dict)
    if found is not None:
        target.value.update(found.value)
        found.use(Outcome.RENAMED, target.path)
    use_mark(part.rest())


def is_foreign(source: Source, format_: str) -> bool:
    """Return whether a part, a tool or a document comes from another service.

    What has no metadata of a format itself comes from where the document does.
    """
    for owner in (source, source.record):
        metadata = owner.get("metadata", dict)
        found = [name for name in FORMATS if metadata is not None and name in metadata.value]
        if found:
            return format_ not in found
    return False


def use_mark(mark: Source | None) -> None:
    """Say that the structure of the target has what a mark of the import says."""
    if mark is not None and not mark.value:
        mark.use(Outcome.CONVERTED, reason="it notes how the source was written")


def take_mark(rest: Source | None, key: str) -> Source | None:
    """Return a mark of the import, if it is there; it is used if nothing else is in it."""
    found = rest.get(key, dict) if rest is not None else None
    use_mark(found)
    return found
