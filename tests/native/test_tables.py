"""Mutation tests of the tables: a change of any entry of the tables changes an answer."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from effort import examples
from native import table_mutants
from native.core import Core
from native.questions import answers, class_of
from native.table_mutants import Mutant, enums, messages, mutants

MESSAGES, ENUMS = list(messages()), list(enums())

#: The types that the core knows by their names; nothing else in their tables is read.
WELL_KNOWN = {"google.protobuf.Duration", "google.protobuf.Struct", "google.protobuf.Timestamp"}

#: How many mutants of a table are tried on CI, and from which factor of the examples on all are.
MUTANTS, ALL_FROM = 12, 10


@pytest.mark.parametrize("name", [name for name in MESSAGES if "google" not in name])
def test_a_change_of_any_entry_of_the_table_of_a_message_changes_an_answer(name: str) -> None:
    survivors = undetected("messages", MESSAGES.index(name), messages()[name], users(name))
    assert survivors == []


@pytest.mark.parametrize("name", [name for name in ENUMS if "google" not in name])
def test_a_change_of_any_entry_of_the_table_of_an_enum_changes_an_answer(name: str) -> None:
    survivors = undetected("enums", ENUMS.index(name), enums()[name], enum_users(name))
    assert survivors == []


@pytest.mark.parametrize("name", sorted(WELL_KNOWN))
def test_a_change_of_the_name_of_a_well_known_type_changes_an_answer(name: str) -> None:
    renamed = Mutant("renamed", lambda table: setattr(table, "name", f"{name}x"))
    assert is_detected("messages", MESSAGES.index(name), renamed, users(name))


def undetected(kind: str, index: int, table: Any, roots: list[str]) -> list[str]:
    """Return the mutants of a table that change no answer about messages of some types."""
    every = list(mutants(table))
    count = len(every) if examples(1) >= ALL_FROM else min(len(every), examples(MUTANTS))
    chosen = Random(table.name).sample(every, count)
    return [mutant.description for mutant in chosen if not is_detected(kind, index, mutant, roots)]


def is_detected(kind: str, index: int, mutant: Mutant, roots: list[str]) -> bool:
    """Return whether the core cannot load a mutant, or answers a question differently."""
    try:
        other = Core(table_mutants.mutated(kind, index, mutant))
    except ValueError:
        return True
    for root in roots:
        try:
            of_type = other.type(root)
        except LookupError:
            return True
        if any(ask(of_type, data) != expected for ask, data, expected in answers(root)):
            return True
    return False


def users(name: str) -> list[str]:
    """Return a type of the schema; for another type, such as a map entry, types that contain it."""
    reached, waiting = {name}, [name]
    found: list[str] = []
    while waiting:
        current = waiting.pop(0)
        if is_generated(current):
            found.append(current)
            continue
        index = MESSAGES.index(current)
        for table in messages().values():
            contains = any(field.type == 11 and field.message == index for field in table.fields)
            if contains and table.name not in reached:
                reached.add(table.name)
                waiting.append(table.name)
    return found[:3]


def is_generated(name: str) -> bool:
    """Return whether messages of a type are generated for the tests."""
    return name.startswith("crucible_ir.") and not class_of(name).DESCRIPTOR.GetOptions().map_entry


def enum_users(name: str) -> list[str]:
    """Return types that have fields of an enum."""
    index = ENUMS.index(name)
    owners = [
        table.name
        for table in messages().values()
        if any(field.type == 14 and field.enum == index for field in table.fields)
    ]
    return [user for owner in owners[:3] for user in users(owner)]
