"""The verdict on a message: protovalidate's, with its violations in this package's own type.

A generated guard looks first (`crucible_ir.validation.guards`): where it is certain that no rule is
broken, which for a valid message it is, protovalidate is not asked. Whatever else a guard does,
raising included, protovalidate decides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from google.protobuf.message import Message

from crucible_ir.errors import Error, ValidationError, Violation, shorten
from crucible_ir.paths import MapKey, Part, format_path
from crucible_ir.schema.types import descriptor_of, message_types

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor

    from crucible_ir.errors import Position

MessageT = TypeVar("MessageT", bound=Message)

#: Up to how many bytes a message cannot nest so deep that protovalidate overflows the stack: each
#: level takes two bytes or more, and thousands of levels are read without harm.
_SURELY_SHALLOW_BYTES = 4096

#: The most characters that a violation takes to say what its rule asks for.
_MAX_WORDING_LENGTH = 100


def validate(message: MessageT) -> MessageT:
    """Return a message if it keeps every rule of the schema.

    Raises:
        ValidationError: It does not; the error lists every violation.

    >>> from crucible_ir import v1
    >>> validate(v1.StageDef(name="embed")).name
    'embed'
    """
    if not certainly_valid(message):
        _ensure_shallow(message)
        ensure_valid_by_rules(message)
    return message


def is_valid(message: Message) -> bool:
    """Tell whether a message keeps every rule of the schema."""
    return not violations(message)


def violations(message: Message) -> list[Violation]:
    """Return every rule of the schema that a message breaks, in the order of its fields.

    >>> from crucible_ir import v1
    >>> [str(violation) for violation in violations(v1.StageDef())]
    ['name: must not be empty [required]']
    """
    if certainly_valid(message):
        return []
    _ensure_shallow(message)
    return _broken(message, None)


def ensure_valid(
    message: MessageT, find: Callable[[tuple[Part, ...]], Position] | None = None
) -> MessageT:
    """Return a message that was read or built here, and so nests no deeper than protobuf reads.

    Args:
        message: The message.
        find: Where a path of fields stands in the text that the message was read from.

    Raises:
        ValidationError: It is not valid.
    """
    return message if certainly_valid(message) else ensure_valid_by_rules(message, find)


def ensure_valid_by_rules(
    message: MessageT, find: Callable[[tuple[Part, ...]], Position] | None = None
) -> MessageT:
    """Do what `ensure_valid` does without asking the guard, for a caller that already has."""
    broken = _broken(message, find)
    if broken:
        raise ValidationError(message.DESCRIPTOR.full_name, broken)
    return message


# Typed as Any: mypy takes a message class, which can be hashed, for a message, which cannot.
@cache
def guard_of(type_: Any) -> Callable[[Message], bool]:
    """Return the guard of a message class; for a class of somebody else, one that is never sure."""
    from crucible_ir.validation.guards import GUARDS

    name = descriptor_of(type_).full_name
    own = message_types().get(name.rpartition(".")[2])
    return GUARDS[name] if own is type_ and name in GUARDS else _never_sure


def _never_sure(_: object) -> bool:
    return False


def certainly_valid(message: Message) -> bool:
    """Tell whether the guard of a message's type is certain that it keeps every rule."""
    try:
        class_: Any = type(message)
        return guard_of(class_)(message)
    except Exception:
        return False


@cache
def _collector() -> Callable[[Message], Sequence[Any]]:
    # Importing protovalidate takes longer than importing this package: it waits for first use.
    import protovalidate

    return protovalidate.collect_violations


def _ensure_shallow(message: Message) -> None:
    """Refuse what nests so deep that protovalidate would overflow the stack and end the process."""
    if not isinstance(message, Message):
        got = f"{type(message).__name__} {shorten(message)}"
        raise Error(f"expected a protobuf message, got {got}")
    if message.ByteSize() <= _SURELY_SHALLOW_BYTES:
        return
    try:
        type(message).FromString(message.SerializeToString())
    except Exception as error:
        raise Error(f"{message.DESCRIPTOR.full_name} could not be validated: {error}") from error


def _broken(
    message: Message, find: Callable[[tuple[Part, ...]], Position] | None
) -> list[Violation]:
    try:
        found = _collector()(message)
    except Exception as error:
        raise Error(f"{message.DESCRIPTOR.full_name} could not be validated: {error}") from error
    broken = []
    for item in found:
        broken.append(_violation(message, item.proto, find))
    return broken


def _violation(
    message: Message, found: Any, find: Callable[[tuple[Part, ...]], Position] | None
) -> Violation:
    parts = path_of(found)
    rule_id = found.rule_id
    value: object = None
    if rule_id == "required":
        text = _required_wording(descriptor_of(message), parts)
    else:
        text = found.message or "is invalid"
        if len(text) > _MAX_WORDING_LENGTH:
            # A long pattern helps nobody here: `explain` has it whole.
            text = f"{text[:_MAX_WORDING_LENGTH]}…"
        value = _value_at(message, parts) if parts else None
        if type(value) not in _SHOWN_AS_THEY_ARE:
            value = _shown(value)
    position = None if find is None else find(parts)
    return Violation(format_path(parts), rule_id, text, value, position)


_SHOWN_AS_THEY_ARE = frozenset([str, bytes, bool, int, float, type(None)])


def _value_at(message: Message, parts: tuple[Part, ...]) -> Any:
    """Return what a path of fields leads to.

    The violation has it too, as an object of another library that takes longer to make than the
    violation took to find.
    """
    value: Any = message
    for part in parts:
        is_item = isinstance(part, (int, MapKey))
        value = value[part] if is_item else getattr(value, str(part))
    return value


def path_of(proto: Any) -> tuple[Part, ...]:
    """Return the path of a violation, given as protovalidate's own message."""
    parts: list[Part] = []
    field = proto.field
    for element in field.elements if field is not None else ():
        parts.append(element.field_name)
        subscript = element.subscript
        if subscript is not None:
            is_index = subscript.field == "index"
            parts.append(int(subscript.value) if is_index else MapKey(str(subscript.value)))
    return tuple(parts)


def _required_wording(descriptor: Descriptor, parts: tuple[Part, ...]) -> str:
    """Say what ``required`` asks for in the field's terms; other rules speak for themselves."""
    owner: Descriptor | None = descriptor
    for part in parts[:-1]:
        if owner is not None and isinstance(part, str) and not isinstance(part, MapKey):
            field = owner.fields_by_name.get(part)
            owner = field.message_type if field is not None else None
    name = str(parts[-1]) if parts else ""
    if owner is None:
        return "must be set"
    if name in owner.oneofs_by_name:
        members = ", ".join(field.name for field in owner.oneofs_by_name[name].fields)
        return f"exactly one of {members} must be set"
    field = owner.fields_by_name.get(name)
    if field is not None and field.cpp_type == field.CPPTYPE_STRING:
        return "must not be empty"
    return "must be set"


def _shown(value: Any) -> object:
    """Return what a violation shows of a value that could still change, as text."""
    if isinstance(value, Message):
        return " ".join(str(value).split())
    return f"{len(value)} items" if len(value) else None
