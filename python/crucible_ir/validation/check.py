"""The validation of messages by protovalidate, with violations of this package's own type.

A generated guard runs first (`crucible_ir.validation.guards`). If it is certain that a message
breaks no rule, as it is for valid messages, protovalidate does not run. In every other case,
exceptions included, protovalidate decides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

from google.protobuf.message import Message

from crucible_ir import native
from crucible_ir.errors import DecodeError, Error, ValidationError, Violation, shorten
from crucible_ir.paths import MapKey, Part, format_path
from crucible_ir.schema.fields import fields_of
from crucible_ir.schema.types import descriptor_of, message_types
from crucible_ir.schema.unknown_fields import (
    has_unknown_fields,
    reject_own_unreadable,
    reject_unreadable,
    show_all_entries,
)
from crucible_ir.validation.advice import with_advice

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor

    from crucible_ir.errors import Position

MessageT = TypeVar("MessageT", bound=Message)

#: Messages of up to this many bytes cannot be nested so deeply that protovalidate overflows the
#: stack: each level takes at least two bytes, and it handles thousands of levels.
_SURELY_SHALLOW_BYTES = 4096

#: The most characters of a rule's text in a violation.
_MAX_TEXT_LENGTH = 100


def validate(message: MessageT) -> MessageT:
    """Return a message if it satisfies every rule of the schema.

    Raises:
        ValidationError: It does not; the error lists every violation.
        DecodeError: As `violations` raises.

    >>> from crucible_ir import v1
    >>> validate(v1.StageDef(name="embed")).name
    'embed'
    """
    if certainly_valid(message):
        reject_own_unreadable(message)
    else:
        _ensure_shallow(message)
        error = error_by_rules(message)
        if error is not None:
            # The caller may change the message later, so its violations are described now.
            _ = error.violations
            raise error
    return message


def is_valid(message: Message) -> bool:
    """Return whether a message satisfies every rule of the schema; errors as in `violations`.

    >>> from crucible_ir import v1
    >>> is_valid(v1.StageDef(name="embed")), is_valid(v1.StageDef())
    (True, False)
    """
    return not violations(message)


def violations(message: Message) -> list[Violation]:
    """Return the violations of the schema's rules in a message, in the order of its fields.

    Raises:
        DecodeError: protobuf or protovalidate cannot read the message, since it is nested too
            deeply or has unknown fields that are malformed.

    >>> from crucible_ir import v1
    >>> [str(violation) for violation in violations(v1.StageDef())]
    ['name: must not be empty [required]']
    """
    if certainly_valid(message):
        reject_own_unreadable(message)
        return []
    _ensure_shallow(message)
    return _FoundViolations(message).describe()


def ensure_valid(
    message: MessageT, find: Callable[[tuple[Part, ...]], Position] | None = None
) -> MessageT:
    """Return a message that was read or built here, and so nests no deeper than protobuf reads.

    Since nobody else changes it, the violations are described when they are read.

    Args:
        message: The message.
        find: Finds the position of a field in the text that the message was read from; called when
            the violations are read.

    Raises:
        ValidationError: It is not valid.
    """
    return message if certainly_valid(message) else ensure_valid_by_rules(message, find)


def ensure_valid_by_rules(
    message: MessageT, find: Callable[[tuple[Part, ...]], Position] | None = None
) -> MessageT:
    """Do what `ensure_valid` does without asking the guard, for a caller that already has."""
    error = error_by_rules(message, find)
    if error is not None:
        raise error
    return message


def error_by_rules(
    message: Message, find: Callable[[tuple[Part, ...]], Position] | None = None
) -> ValidationError | None:
    """Return the error that `ensure_valid_by_rules` raises; ``None`` for a valid message."""
    found = _FoundViolations(message, from_text=find is not None)
    if not found.found:
        return None
    return ValidationError(message.DESCRIPTOR.full_name, found, find)


# Typed as Any: mypy takes a message class, which can be hashed, for a message, which cannot.
@cache
def guard_of(type_: Any) -> Callable[[Message], bool]:
    """Return the guard of a message class; for other classes, one that is never certain."""
    from crucible_ir.validation.guards import GUARDS

    name = descriptor_of(type_).full_name
    own = message_types().get(name.rpartition(".")[2])
    if own is None or own is not type_ or name not in GUARDS:
        return _never_certain
    fields = fields_of(own.DESCRIPTOR).values()
    contains_others = any(f.message is not None and f.message.full_name in GUARDS for f in fields)
    return native.guard(own, GUARDS[name]) if contains_others else GUARDS[name]


def _never_certain(_: object) -> bool:
    return False


def certainly_valid(message: Message) -> bool:
    """Return whether the guard of a message's type is certain that it satisfies every rule."""
    try:
        class_: Any = type(message)
        return guard_of(class_)(message)
    except native.NativeEngineError:
        raise
    except Exception:
        return False


@cache
def _collector() -> Callable[[Message], Sequence[Any]]:
    # Imported at first use because it takes longer than the rest of the package.
    import protovalidate

    return protovalidate.collect_violations


def _ensure_shallow(message: Message) -> None:
    """Reject messages nested so deeply that protovalidate would overflow the stack and crash."""
    if not isinstance(message, Message):
        got = f"{type(message).__name__} {shorten(message)}"
        raise Error(f"expected a protobuf message, got {got}")
    try:
        if message.ByteSize() <= _SURELY_SHALLOW_BYTES:
            return
        type(message).FromString(message.SerializeToString())
    except Exception as error:
        raise _unreadable(message, error) from error


class _FoundViolations:
    """What protovalidate finds in a message.

    Args:
        message: The message.
        from_text: Whether the message was read from text, so that it has no unknown fields.

    Raises:
        DecodeError: protobuf or protovalidate cannot read the message.
    """

    __slots__ = ("_shown", "found")

    def __init__(self, message: Message, *, from_text: bool = False) -> None:
        self._shown = message
        if not from_text and has_unknown_fields(message):
            reject_unreadable(message)
            # protovalidate does not see hidden entries, which other implementations check.
            self._shown = show_all_entries(message)
        try:
            self.found: Sequence[Any] = _collector()(self._shown)
        except ValueError as error:
            raise _unreadable(message, error) from error
        except Exception as error:
            name = message.DESCRIPTOR.full_name
            raise Error(f"{name} could not be validated: {error}") from error

    def describe(self) -> list[Violation]:
        """Return the violations as those of this package."""
        return [_violation(self._shown, item.proto) for item in self.found]

    def kinds(self) -> list[tuple[str, str]]:
        """Return the rule and the general path of each violation."""
        kinds = []
        for item in self.found:
            path = ""
            proto = item.proto
            field = proto.field
            for element in field.elements if field is not None else ():
                path += f".{element.field_name}" if path else element.field_name
                if element.subscript is not None:
                    path += "[*]"
            kinds.append((proto.rule_id, path))
        return kinds


def _unreadable(message: Message, error: Exception) -> DecodeError:
    name = descriptor_of(message).full_name
    return DecodeError(f"the {name} could not be validated: {error}")


def _violation(message: Message, found: Any) -> Violation:
    parts = path_of(found)
    rule_id = found.rule_id
    value: object = None
    if rule_id == "required":
        text = _required_text(descriptor_of(message), parts)
    else:
        value = _value_at(message, parts) if parts else None
        said = found.message or "is invalid"
        text = with_advice(rule_id, said, value, _field_at(descriptor_of(message), parts))
        if text == said and len(text) > _MAX_TEXT_LENGTH:
            # `explain` shows the whole text, such as a long pattern.
            text = f"{text[:_MAX_TEXT_LENGTH]}…"
        if type(value) not in _SHOWN_TYPES:
            value = _shown(value)
    return Violation(format_path(parts), rule_id, text, value)


_SHOWN_TYPES = frozenset([str, bytes, bool, int, float, type(None)])


def _value_at(message: Message, parts: tuple[Part, ...]) -> Any:
    """Return the value at a path.

    The violation has it too, but as a slow object of protovalidate's own library.
    """
    value: Any = message
    for part in parts:
        is_item = isinstance(part, (int, MapKey))
        value = value[part] if is_item else getattr(value, str(part))
    return value


def path_of(proto: Any) -> tuple[Part, ...]:
    """Return the path of a violation of protovalidate."""
    parts: list[Part] = []
    field = proto.field
    for element in field.elements if field is not None else ():
        parts.append(element.field_name)
        subscript = element.subscript
        if subscript is not None:
            is_index = subscript.field == "index"
            parts.append(int(subscript.value) if is_index else MapKey(str(subscript.value)))
    return tuple(parts)


@lru_cache(maxsize=1024)
def _required_text(descriptor: Descriptor, parts: tuple[Part, ...]) -> str:
    """Return the text of a ``required`` violation; protovalidate's own is less specific."""
    # Imported here since valid messages do not need it.
    from crucible_ir.schema.rules import required_text

    owner = _owner_of(descriptor, parts)
    return required_text(owner, str(parts[-1])) if owner is not None and parts else "must be set"


@lru_cache(maxsize=1024)
def _field_at(descriptor: Descriptor, parts: tuple[Part, ...]) -> FieldDescriptor | None:
    """Return the field at a path; ``None`` if the path does not end with a field."""
    owner = _owner_of(descriptor, parts)
    field = fields_of(owner).get(str(parts[-1])) if owner is not None and parts else None
    return field.descriptor if field is not None else None


def _owner_of(descriptor: Descriptor, parts: tuple[Part, ...]) -> Descriptor | None:
    """Return the type of the message that has the field at the end of a path."""
    owner: Descriptor | None = descriptor
    for part in parts[:-1]:
        if owner is not None and isinstance(part, str) and not isinstance(part, MapKey):
            field = fields_of(owner).get(part)
            owner = field.message if field is not None else None
    return owner


def _shown(value: Any) -> object:
    """Return the text that a violation shows instead of a mutable value."""
    if isinstance(value, Message):
        return " ".join(str(value).split())
    return f"{len(value)} items" if len(value) else None
