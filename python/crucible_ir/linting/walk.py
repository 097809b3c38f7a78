"""The linter: it visits every message inside a message and applies the lints of its type."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

from google.protobuf.message import Message

from crucible_ir.errors import FieldError, shorten
from crucible_ir.linting.advice import Advice
from crucible_ir.linting.suppression import ignored_in, is_ignored
from crucible_ir.linting.table import LINTS, Lint
from crucible_ir.paths import MapKey, format_path
from crucible_ir.schema.types import is_map, message_of

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor

    from crucible_ir.paths import Part

#: The packages whose messages are visited; a well-known type has no lints inside.
_OWN = "crucible_ir."


def lint(message: Message) -> list[Advice]:
    """Return advice on a message and on every message inside it, in the order of their fields.

    Lints that the list ``crucible_ir_lint_ignore`` in a message's metadata names are left out for
    this message and those inside it. Whether the message is valid makes no difference.

    Args:
        message: A message of the IR, which is not changed.

    Raises:
        FieldError: This is not a message of the IR.

    >>> from crucible_ir import v1
    >>> hedging = v1.Hedging(percentile=0.95)
    >>> [advice.id for advice in lint(v1.ReliabilityConfig(hedging=hedging))]
    ['hedging.fractional_percentile']
    """
    if not isinstance(message, Message) or not _is_own(message.DESCRIPTOR):
        raise FieldError(f"expected a message of the IR, got {shorten(message)}")
    return [
        Advice(
            entry.id, entry.severity, format_path((*path, *found.path)), found.message, found.fix
        )
        for path, visited, ignored in _visit(message)
        for entry in _lints_of(visited.DESCRIPTOR)
        if not is_ignored(entry.id, ignored)
        for found in entry.check(visited)
    ]


def _visit(
    root: Message,
) -> Iterator[tuple[tuple[Part, ...], Message, tuple[str, ...]]]:
    """Yield each message with its path and what is ignored in it, without recursion.

    Messages that were built in memory may be nested deeper than Python's stack.
    """
    waiting: list[tuple[tuple[Part, ...], Message, tuple[str, ...]]] = [((), root, ())]
    while waiting:
        path, message, ignored = waiting.pop()
        ignored += ignored_in(message)
        yield path, message, ignored
        inside = [
            ((*path, *step), held, ignored)
            for field in _fields_with_messages(message.DESCRIPTOR)
            for step, held in _held(message, field)
        ]
        waiting += reversed(inside)


def _held(message: Message, field: FieldDescriptor) -> Iterator[tuple[tuple[Part, ...], Message]]:
    """Yield each message that a field holds, with the steps to it."""
    value: Any = getattr(message, field.name)
    if is_map(field):
        yield from (((field.name, MapKey(key)), value[key]) for key in sorted(value))
    elif field.is_repeated:
        yield from (((field.name, index), item) for index, item in enumerate(value))
    elif message.HasField(field.name):
        yield (field.name,), value


@cache
def _fields_with_messages(message: Descriptor) -> tuple[FieldDescriptor, ...]:
    found = ((field, message_of(field)) for field in message.fields)
    return tuple(field for field, held in found if held is not None and _is_own(held))


@cache
def _lints_of(message: Descriptor) -> tuple[Lint, ...]:
    """Return the lints of one message type, its own before those of every type."""
    own, every = [], []
    for _, entry in sorted(LINTS.items()):
        if entry.message_type is None:
            every.append(entry)
        elif entry.message_type.DESCRIPTOR.full_name == message.full_name:
            own.append(entry)
    return (*own, *every)


@cache
def _is_own(message: Descriptor) -> bool:
    return message.full_name.startswith(_OWN)
