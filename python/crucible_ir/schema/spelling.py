"""Typing mistakes in the names of open vocabularies.

Constructors and YAML reject a custom name that is a documented name in another spelling, such as
``Production``, and warn about one that is one edit away from one, such as ``producton``.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

from crucible_ir.schema import vocabulary
from crucible_ir.schema.fields import Field, fields_of
from crucible_ir.schema.types import descriptor_of, message_types

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, EnumDescriptor
    from google.protobuf.message import Message

    from crucible_ir.paths import Part

#: Names with fewer letters are one edit away from too many other names.
_SHORTEST_MISSPELLED = 6

_SEPARATORS = str.maketrans("", "", "-_ ")


def fold(name: str) -> str:
    """Return a name in lower case, without separators.

    >>> fold("Blue-Green"), fold("blue_green")
    ('bluegreen', 'bluegreen')
    """
    return name.lower().translate(_SEPARATORS)


def respelled(enum: EnumDescriptor, name: str) -> str | None:
    """Return the short name of an enum value that a name is in another spelling, if any.

    Full names count too, and the short name of the value 0 is ``unspecified``.

    >>> from crucible_ir import v1
    >>> respelled(v1.ModelStage.DESCRIPTOR, "Production")
    'production'
    >>> respelled(v1.ModelStage.DESCRIPTOR, "producton")
    """
    return _folded_names(enum).get(fold(name))


def misspelled(enum: EnumDescriptor, name: str) -> str | None:
    """Return the short name of an enum value that a name is one edit away from, if any.

    A name of another vocabulary of the schema is not a misspelling: ``jsonl`` is not one of
    ``json``.

    >>> from crucible_ir import v1
    >>> misspelled(v1.ModelStage.DESCRIPTOR, "producton")
    'production'
    >>> misspelled(v1.ModelStage.DESCRIPTOR, "experiment")
    """
    folded = fold(name)
    if folded in _folded_names(enum) or folded in _all_folded_names():
        return None
    return next(
        (
            known
            for letters, known in _letters(enum)
            if abs(len(letters) - len(folded)) < 2 and within_one_edit(folded, letters)
        ),
        None,
    )


@cache
def open_vocabularies(message: Descriptor) -> tuple[tuple[Field, str], ...]:
    """Return the enum field of each open vocabulary, and the name of its custom field."""
    fields = fields_of(message).values()
    return tuple((field, field.custom) for field in fields if field.custom is not None)


def custom_names(message: Message) -> Iterator[tuple[Field, tuple[Part, ...], str]]:
    """Yield each custom name in a message, with the enum field of its vocabulary and its path."""
    for field, custom in open_vocabularies(message.DESCRIPTOR):
        if field.is_list:
            for index, name in enumerate(getattr(message, custom)):
                yield field, (custom, index), name
        elif message.HasField(custom):
            yield field, (custom,), getattr(message, custom)


def within_one_edit(left: str, right: str) -> bool:
    """Return whether two names differ by at most one edit.

    An edit is an insertion, a deletion, a replacement or a swap of two neighbours.

    >>> within_one_edit("adma", "adam"), within_one_edit("adamw", "adam")
    (True, True)
    >>> within_one_edit("lion", "adam")
    False
    """
    start = 0
    for ours, theirs in zip(left, right, strict=False):
        if ours != theirs:
            break
        start += 1
    ours, theirs = left[start:], right[start:]
    swapped = ours[1:2] + ours[:1] + ours[2:]
    return (
        ours[1:] == theirs[1:]
        or ours[1:] == theirs
        or ours == theirs[1:]
        or (len(ours) == len(theirs) and swapped == theirs)
    )


@cache
def _folded_names(enum: EnumDescriptor) -> dict[str, str]:
    """Return the short names of all values of an enum, by each name in its folded spelling."""
    skip = len(vocabulary.prefix(enum))
    shorts = {value.name: value.name[skip:].lower() for value in reversed(enum.values)}
    return {fold(name): short for full, short in shorts.items() for name in (full, short)}


@cache
def _letters(enum: EnumDescriptor) -> list[tuple[str, str]]:
    """Return the folded short names of an enum that can be misspelled, and the short names."""
    pairs = ((fold(name), name) for name in vocabulary.numbers(enum))
    return [(letters, name) for letters, name in pairs if len(letters) >= _SHORTEST_MISSPELLED]


@cache
def _all_folded_names() -> frozenset[str]:
    """Return the folded short names of every vocabulary of the schema."""
    return frozenset(
        fold(name)
        for message in message_types().values()
        for field in fields_of(descriptor_of(message)).values()
        for name in field.short_names
    )
