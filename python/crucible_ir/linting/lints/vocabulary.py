"""Lints of open vocabularies: custom names that are empty, already known or misspelled."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

from crucible_ir import v1
from crucible_ir.linting.findings import Problem, Severity
from crucible_ir.linting.registry import lint_for_all
from crucible_ir.schema.fields import Field, fields_of
from crucible_ir.schema.types import descriptor_of, message_types
from crucible_ir.schema.vocabulary import numbers

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, EnumDescriptor
    from google.protobuf.message import Message

    from crucible_ir.paths import Part

#: Names in common use that happen to be one edit away from a name of the schema.
_ESTABLISHED = re.compile(
    r"""
      [adghilnvx]pu                                   # devices
    | [bdgrs]nn | gcn | mlm                           # architectures and tasks
    | nadam | radam | adan | sgd[mpw]                 # optimizers
    | ce | rmse | msle | mape | mle | nce             # losses
    | ancova | manova | [fz]_?test | cohens_[fh]      # statistics
    | tsv | gcp                                       # formats and clouds
    """,
    re.VERBOSE,
)

#: Shorter names are one edit away from too many other names.
_SHORTEST_MISSPELLED = 3


@cache
def open_vocabularies(message: Descriptor) -> tuple[tuple[Field, str], ...]:
    """Return the enum field of each open vocabulary, and the name of its custom field."""
    fields = fields_of(message).values()
    return tuple((field, field.custom) for field in fields if field.custom is not None)


@lint_for_all(
    "vocabulary.empty_custom",
    Severity.WARNING,
    "A custom name of an open vocabulary is empty.",
    applies=open_vocabularies,
    example_type=v1.ModelRef,
    bad={"id": "gpt2", "custom_provider": ""},
    good={"id": "gpt2", "custom_provider": "in_house"},
)
def empty_custom(message: Message) -> Iterator[Problem]:
    """Report each custom name that is set to an empty string."""
    for field, path, name in custom_names(message):
        if not name:
            yield Problem(
                path,
                "the custom name is empty",
                f"remove it, or name the {field.name.replace('_', ' ')}",
            )


@lint_for_all(
    "vocabulary.known_value",
    Severity.WARNING,
    "A custom name of an open vocabulary is a name of the schema: readers that look for the enum "
    "value miss it.",
    applies=open_vocabularies,
    example_type=v1.ModelRef,
    bad={"id": "gpt2", "custom_provider": "huggingface"},
    good={"id": "gpt2", "provider": "MODEL_PROVIDER_HUGGINGFACE"},
)
def known_value(message: Message) -> Iterator[Problem]:
    """Report each custom name that is the short or full name of a value of the field's enum."""
    for field, path, name in custom_names(message):
        value = value_named(field.enum, name)
        if value is not None:
            yield Problem(
                path,
                f'"{name}" is a name of the schema',
                f"use {value} in {field.name}",
            )


@lint_for_all(
    "vocabulary.near_known",
    Severity.WARNING,
    "A custom name of an open vocabulary is one edit away from a name of the schema.",
    applies=open_vocabularies,
    example_type=v1.Stats,
    bad={"custom_tests": ["mann_whitney"]},
    good={"tests": ["STATISTICAL_TEST_MANNWHITNEY"], "custom_tests": ["permutation"]},
)
def near_known(message: Message) -> Iterator[Problem]:
    """Report each custom name that differs from a known one by case, separators or one edit.

    A name of another vocabulary of the schema is not a misspelling: ``jsonl`` is not reported as a
    misspelling of ``json``.
    """
    for field, path, name in custom_names(message):
        folded = fold(name)
        if value_named(field.enum, name) or _ESTABLISHED.fullmatch(folded):
            continue
        known = _nearest(folded, field.enum)
        if known is not None and (known == folded or folded not in _known_names()):
            yield Problem(
                path,
                f'"{name}" is close to "{known}"',
                f"use {value_named(field.enum, known)} in {field.name} if you mean that",
            )


def custom_names(message: Message) -> Iterator[tuple[Field, tuple[Part, ...], str]]:
    """Yield each custom name in a message, with the enum field of its vocabulary and its path."""
    for field, custom in open_vocabularies(message.DESCRIPTOR):
        if field.is_list:
            for index, name in enumerate(getattr(message, custom)):
                yield field, (custom, index), name
        elif message.HasField(custom):
            yield field, (custom,), getattr(message, custom)


def value_named(enum: EnumDescriptor | None, name: str) -> str | None:
    """Return the full name of the enum value with a short or full name."""
    if enum is None:
        return None
    number = numbers(enum).get(name)
    value = enum.values_by_name.get(name) if number is None else enum.values_by_number[number]
    return value.name if value is not None and value.number else None


@cache
def _known_names() -> frozenset[str]:
    """Return the short names of every vocabulary of the schema."""
    return frozenset(
        name
        for message in message_types().values()
        for field in fields_of(descriptor_of(message)).values()
        for name in field.short_names
    )


def fold(name: str) -> str:
    """Return a name without case, with underscores between its words.

    >>> fold("Blue-Green")
    'blue_green'
    """
    return name.strip().lower().replace("-", "_").replace(" ", "_")


def _nearest(folded: str, enum: EnumDescriptor | None) -> str | None:
    known = numbers(enum) if enum is not None else {}
    if folded in known:
        return folded
    return next(
        (
            name
            for name in known
            if len(name) >= _SHORTEST_MISSPELLED and within_one_edit(folded, name)
        ),
        None,
    )


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
