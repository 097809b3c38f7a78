"""The verdict on a message: protovalidate's, with its violations in this package's own type."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from google.protobuf.message import Message

from crucible_ir.errors import Error, ValidationError, Violation, shorten
from crucible_ir.paths import MapKey, Part, format_path
from crucible_ir.schema.types import descriptor_of

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor

    from crucible_ir.errors import Position

MessageT = TypeVar("MessageT", bound=Message)


def validate(message: MessageT) -> MessageT:
    """Return a message if it keeps every rule of the schema.

    Raises:
        ValidationError: It does not; the error lists every violation.

    >>> from crucible_ir import v1
    >>> validate(v1.StageDef(name="embed")).name
    'embed'
    """
    return ensure_valid(message)


def is_valid(message: Message) -> bool:
    """Tell whether a message keeps every rule of the schema."""
    return not _violated(message, None)


def violations(message: Message) -> list[Violation]:
    """Return every rule of the schema that a message breaks, in the order of its fields.

    >>> from crucible_ir import v1
    >>> [str(violation) for violation in violations(v1.StageDef())]
    ['name: must not be empty [required]']
    """
    return _violated(message, None)


def ensure_valid(
    message: MessageT, find: Callable[[tuple[Part, ...]], Position] | None = None
) -> MessageT:
    """Return a message if it is valid.

    Args:
        message: The message.
        find: Where a path of fields stands in the text that the message was read from.

    Raises:
        ValidationError: It is not valid.
    """
    broken = _violated(message, find)
    if broken:
        raise ValidationError(message.DESCRIPTOR.full_name, broken)
    return message


@cache
def _collector() -> Callable[[Message], Sequence[Any]]:
    # Importing protovalidate takes longer than importing this package: it waits for first use.
    import protovalidate

    return protovalidate.collect_violations


def _violated(
    message: Message, find: Callable[[tuple[Part, ...]], Position] | None
) -> list[Violation]:
    try:
        found = _collector()(message)
    except Exception as error:
        if not isinstance(message, Message):
            got = f"{type(message).__name__} {shorten(message)}"
            raise Error(f"expected a protobuf message, got {got}") from None
        raise Error(f"{message.DESCRIPTOR.full_name} could not be validated: {error}") from error
    return [_violation(descriptor_of(message), item, find) for item in found]


def _violation(
    descriptor: Descriptor, found: Any, find: Callable[[tuple[Part, ...]], Position] | None
) -> Violation:
    proto = found.proto
    parts = _parts(proto)
    text = _wording(descriptor, parts, proto.rule_id) or proto.message or "is invalid"
    return Violation(
        path=format_path(parts),
        rule_id=proto.rule_id,
        message=text,
        value=_shown(found.field_value, proto.rule_id),
        position=find(parts) if find is not None else None,
    )


def _parts(proto: Any) -> tuple[Part, ...]:
    parts: list[Part] = []
    for element in proto.field.elements if proto.field is not None else ():
        parts.append(element.field_name)
        subscript = element.subscript
        if subscript is not None:
            is_index = subscript.field == "index"
            parts.append(int(subscript.value) if is_index else MapKey(str(subscript.value)))
    return tuple(parts)


def _wording(descriptor: Descriptor, parts: tuple[Part, ...], rule_id: str) -> str | None:
    """Say what ``required`` asks for in the field's terms; other rules speak for themselves."""
    if rule_id != "required" or not parts:
        return None
    owner: Descriptor | None = descriptor
    for part in parts[:-1]:
        if owner is not None and isinstance(part, str) and not isinstance(part, MapKey):
            field = owner.fields_by_name.get(part)
            owner = field.message_type if field is not None else None
    name = str(parts[-1])
    if owner is None:
        return None
    if name in owner.oneofs_by_name:
        members = ", ".join(field.name for field in owner.oneofs_by_name[name].fields)
        return f"exactly one of {members} must be set"
    field = owner.fields_by_name.get(name)
    if field is not None and field.cpp_type == field.CPPTYPE_STRING:
        return "must not be empty"
    return "must be set"


def _shown(value: Any, rule_id: str) -> object:
    """Return what a violation shows: a scalar as it is, text for what could still change."""
    if rule_id == "required" or value is None:
        return None
    if isinstance(value, (str, bytes, bool, int, float)):
        return value
    if isinstance(value, Message):
        return " ".join(str(value).split())
    if hasattr(value, "__len__"):
        return f"{len(value)} items" if len(value) else None
    return str(value)
