"""Parts of messages that the formats of chat services treat alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crucible_ir.interchange.mapping.converters import Converter
from crucible_ir.interchange.mapping.format import FORMATS
from crucible_ir.interchange.mapping.report import Outcome
from crucible_ir.schema.fields import fields_of
from crucible_ir.schema.spelling import fold, within_one_edit
from crucible_ir.v1 import prompt_pb2

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crucible_ir.interchange.mapping.source import Source
    from crucible_ir.interchange.mapping.target import Target

#: The key of a foreign object that is kept inside another one.
_WRAPPED = "part"

_KINDS = fields_of(prompt_pb2.ContentPart.DESCRIPTOR)["text"].members
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


def put_other(part: Target, source: Source, format_: str, *, wrapped_in: str = "") -> None:
    """Keep a part of another kind as it is.

    A part of another kind needs a type that is not, and does not look like, that of a kind which
    the schema has. Without one, it is kept inside an object whose type is the format's name.

    Args:
        part: The part.
        source: The foreign object.
        format_: The name of the format.
        wrapped_in: The key under which it is kept inside such an object in any case.
    """
    kind = source.text("type")
    if not wrapped_in and kind is not None and is_other_kind(kind):
        part.put_opaque("other", source)
        return
    other = part.child("other")
    other.value["type"] = format_
    other.put_opaque(wrapped_in or _WRAPPED, source)


def is_other_kind(kind: str) -> bool:
    """Return whether a type can be that of a part of another kind.

    >>> is_other_kind("video_url"), is_other_kind("file"), is_other_kind("Texts")
    (True, False, False)
    """
    folded = fold(kind[:128])
    return not any(within_one_edit(folded, fold(known)) for known in _KINDS)


def wrapped(part: Source, format_: str, key: str = "") -> Source | None:
    """Return the foreign object inside a part of another kind, if it is kept in one."""
    other = part.get("other", dict)
    if other is None or other.text("type") != format_:
        return None
    return other.get(key or _WRAPPED, dict)


def write_other(part: Source, target: Target, format_: str, key: str = "") -> None:
    """Write a part of another kind as it is.

    Args:
        part: The part.
        target: The foreign object.
        format_: The name of the format.
        key: The key under which the import kept it inside an object of the format.
    """
    other, inner = part.get("other", dict), wrapped(part, format_, key)
    if other is None:
        return
    type_ = other.get("type", str)
    if inner is not None and type_ is not None:
        type_.implied_by(target)
    found = inner if inner is not None else other
    target.value.update(found.value)
    found.use(Outcome.RENAMED, target.path)


def is_foreign(source: Source, format_: str) -> bool:
    """Return whether a part, a tool or a document comes from another service.

    What has no metadata of a format itself comes from where the document does.
    """
    other = source.get("other", dict)
    kind = other.text("type") if other is not None else None
    if kind in FORMATS:
        return kind != format_
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
