"""The first violations of a message that may have a great many.

protovalidate lists all violations and takes about 3 KB for each, and a message of 3 MB can have a
million of them. So a message with many invalid messages inside is validated in parts.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from typing import TYPE_CHECKING, Final

from crucible_ir.errors import Violation
from crucible_ir.paths import MapKey, format_path, parse_path
from crucible_ir.schema.fields import Cardinality, describe_field
from crucible_ir.schema.unknown_fields import reject_unreadable
from crucible_ir.validation.check import certainly_valid, violations
from crucible_ir.validation.guards import GUARDS

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.schema.walk import Path

#: Messages of up to this many bytes contain few others: each one takes at least two bytes.
_SMALL_BYTES: Final = 4096

#: The number of messages without a valid verdict up to which all are validated at once.
_MANY: Final = 2000

#: The most invalid messages that are counted beyond those whose violations are returned.
_MOST_COUNTED: Final = 100_000


def first_violations(message: Message, most: int) -> tuple[list[Violation], int]:
    """Return the first violations of a message, and how many more there are.

    If thousands of messages inside are invalid, the violations of the innermost ones come first,
    and there are at least so many more.

    Args:
        message: The message, nested no deeper than protobuf reads.
        most: The most violations to return.

    Raises:
        DecodeError: As `violations` raises.
    """
    if message.ByteSize() <= _SMALL_BYTES or certainly_valid(message):
        return _first(violations(message), most)
    parts = _uncertain((), message)
    some = list(islice(parts, _MANY))
    if len(some) < _MANY:
        return _first(violations(message), most)
    reject_unreadable(message)
    parts = chain(some, parts)
    found: list[Violation] = []
    for path, part in parts:
        found += [_inside(path, violation) for violation in violations(part)]
        if len(found) > most:
            return found[:most], len(found) - most + sum(1 for _ in islice(parts, _MOST_COUNTED))
    # The guards were too strict.
    return _first(violations(message), most)


def _first(found: list[Violation], most: int) -> tuple[list[Violation], int]:
    return found[:most], max(0, len(found) - most)


def _inside(path: Path, violation: Violation) -> Violation:
    """Return a violation of the message at a path with its path from the root."""
    return violation._replace(path=format_path((*path, *parse_path(violation.path))))


def _uncertain(path: Path, message: Message) -> Iterator[tuple[Path, Message]]:
    """Yield the innermost messages whose guards are not certain, in field order.

    Nothing is kept of the others, so that a great many take no memory.
    """
    is_innermost = True
    for steps, inner in _messages_in(message):
        if not certainly_valid(inner):
            is_innermost = False
            yield from _uncertain((*path, *steps), inner)
    if is_innermost:
        yield path, message


def _messages_in(message: Message) -> Iterator[tuple[Path, Message]]:
    """Yield the messages directly inside a message that have a guard."""
    for descriptor, value in message.ListFields():
        field = describe_field(descriptor)
        if field.message is None or field.message.full_name not in GUARDS:
            continue
        name = descriptor.name
        if field.cardinality is Cardinality.SINGULAR:
            yield (name,), value
        elif field.cardinality is Cardinality.LIST:
            for index, item in enumerate(value):
                yield (name, index), item
        else:
            for key in sorted(value):
                yield (name, MapKey(str(key))), value[key]
