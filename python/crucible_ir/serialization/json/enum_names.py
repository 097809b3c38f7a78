"""The errors for unknown names of enum values, with the name that was probably meant."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING

from crucible_ir.errors import SpellingWarning, near_miss, shorten_name
from crucible_ir.schema import vocabulary
from crucible_ir.schema.fields import Field, fields_of
from crucible_ir.schema.spelling import respelled

if TYPE_CHECKING:
    from google.protobuf.descriptor import EnumDescriptor

    from crucible_ir.errors import Position

#: The words before the name that was probably meant.
_GUESS = "; did you mean"

#: The end of the error for a short name.
SHORT_NAMES_ADVICE = "; short names are read with from_crucible_json"


def unknown_name(name: str, enum: EnumDescriptor, known: Mapping[str, int]) -> str:
    """Return the error text for a name that an enum does not have."""
    guess = near_miss(name, known) or f"; expected one of {', '.join(known)}"
    return f'{enum.name} has no value "{shorten_name(name)}"{guess}'


def unknown_full_name(
    name: str,
    field: Field,
    enum: EnumDescriptor,
    *,
    key_of: Callable[[Field], str],
) -> str:
    """Return the error text for a value of a field in a format that has full names.

    Args:
        name: The value.
        field: The field.
        enum: The enum of the field.
        key_of: Returns the key of a field in the format.
    """
    full_names = _full_names(enum)
    if name in full_names:
        return f'"{name}" is the short name of {full_names[name]}{SHORT_NAMES_ADVICE}'
    text = unknown_name(name, enum, {value.name: value.number for value in enum.values})
    if _GUESS not in text:
        from difflib import get_close_matches  # Imported here because most runs have no error.

        folded = name[:128].lower().replace("-", "_").replace(" ", "_")
        close = [known for known in full_names if len(folded) > 2 and known.startswith(folded)]
        close = close or get_close_matches(folded, full_names, n=1)
        if close:
            guess = full_names[close[0]]
            text = f'{enum.name} has no value "{shorten_name(name)}"{_GUESS} "{guess}"?'
    if field.custom is None:
        return text
    custom = fields_of(field.descriptor.containing_type)[field.custom]
    glue = " Any" if text.endswith("?") else "; any"
    return f'{text}{glue} other name is written as "{key_of(custom)}"'


def unknown_short_name(name: str, enum: EnumDescriptor) -> str:
    """Return the error text for a value in a format that has short names."""
    short_names = {full: short for short, full in _full_names(enum).items()}
    if name in short_names:
        short = short_names[name]
        return f'"{name}" is the full name of "{short}"; write "{short}"'
    return unknown_name(name, enum, vocabulary.numbers(enum))


def respelled_name(name: str, field: Field, *, glue: str) -> str:
    """Return the error text for a custom name that looks like a mistake.

    Args:
        name: The name, which is a documented name in another spelling or has the enum's prefix.
        field: The enum field of the open vocabulary.
        glue: The text between a key and its value in the format.
    """
    enum = field.enum
    assert enum is not None
    known = respelled(enum, name)
    if known is None:
        guess = near_miss(name, enum.values_by_name)
    elif vocabulary.numbers(enum).get(known):
        guess = f'{_GUESS} "{known}"?'
    else:
        guess = "; leave the field out"
    shown = f'"{shorten_name(name)}"'
    custom = f"{field.custom}{glue}{f'[{shown}]' if field.is_list else shown}"
    glued = " To" if guess.endswith("?") else "; to"
    return (
        f"{enum.name} has no value {shown}{guess}{glued} keep it as a custom name, write {custom}"
    )


def misspelling(
    name: str, known: str, path: str, position: Position | None = None
) -> SpellingWarning:
    """Return the warning about a custom name that is one edit away from a documented name."""
    reason = f'the custom name "{shorten_name(name)}" is one edit away from "{known}"'
    return SpellingWarning(reason, path, position)


@cache
def _full_names(enum: EnumDescriptor) -> Mapping[str, str]:
    """Return the names of an enum's values by short name, without ``UNSPECIFIED``."""
    prefix = vocabulary.prefix(enum)
    return {
        value.name.removeprefix(prefix).lower(): value.name
        for value in enum.values
        if value.number and value.name.startswith(prefix)
    }
