"""Lints of open vocabularies: custom names that are empty, already known or misspelled."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from crucible_ir import v1
from crucible_ir.linting.findings import Problem, Severity
from crucible_ir.linting.registry import lint_for_all
from crucible_ir.schema.spelling import custom_names, misspelled, open_vocabularies, respelled
from crucible_ir.schema.vocabulary import numbers

if TYPE_CHECKING:
    from google.protobuf.descriptor import EnumDescriptor
    from google.protobuf.message import Message


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
    "A custom name of an open vocabulary is a name of the schema in another spelling, or one edit "
    "away from one.",
    applies=open_vocabularies,
    example_type=v1.Stats,
    bad={"custom_tests": ["mann_whitney"]},
    good={"tests": ["STATISTICAL_TEST_MANNWHITNEY"], "custom_tests": ["permutation"]},
)
def near_known(message: Message) -> Iterator[Problem]:
    """Report each custom name that differs from a known one by case, separators or one edit."""
    for field, path, name in custom_names(message):
        if field.enum is None or value_named(field.enum, name):
            continue
        known = respelled(field.enum, name) or misspelled(field.enum, name)
        value = value_named(field.enum, known) if known is not None else None
        if value is not None:
            yield Problem(
                path,
                f'"{name}" is close to "{known}"',
                f"use {value} in {field.name} if you mean that",
            )


def value_named(enum: EnumDescriptor | None, name: str) -> str | None:
    """Return the full name of the enum value with a short or full name."""
    if enum is None:
        return None
    number = numbers(enum).get(name)
    value = enum.values_by_name.get(name) if number is None else enum.values_by_number[number]
    return value.name if value is not None and value.number else None
