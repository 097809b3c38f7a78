"""What was valid in a release stays valid.

The rules of the release run beside those of this version, each with a validator of its own, on
generated messages. `crucible-ir schema diff` cannot decide this for rewritten expressions: it
accepts those that are recorded beside the image of the release, which these tests check.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
from compat.released import PACKAGE, RELEASES, messages, number_of, released, released_class
from google.protobuf.message import Message
from schema_changes.mutations import current, edit_rules, message_of, version

from crucible_ir.schema.releases import is_before
from crucible_ir.schema.rules import rules_of
from crucible_ir.schema_changes import SchemaVersion

CASES = [
    pytest.param(image, name.rpartition(".")[2], id=f"{image.stem} {name.rpartition('.')[2]}")
    for image in RELEASES
    for name, each in released(image).messages.items()
    if each.package == PACKAGE
]


def rejected(image: Path, type_name: str, newer: SchemaVersion) -> list[tuple[Message, Any]]:
    """Return the generated messages that a release accepts and a newer version rejects."""
    old = released(image)
    old_class = released_class(image, type_name)
    assert old_class is not None
    new_class = newer.message_class(f"{PACKAGE}.{type_name}")
    found = []
    accepted = 0
    for message in messages(type_name):
        # What remains is a message that a program with the release could have written.
        written = old_class.FromString(message.SerializeToString())
        written.DiscardUnknownFields()
        if old.broken_rules(written):
            continue
        accepted += 1
        broken = newer.broken_rules(new_class.FromString(written.SerializeToString()))
        if broken:
            found.append((written, broken))
    assert accepted
    return found


@pytest.mark.parametrize(("image", "type_name"), CASES)
def test_no_message_that_was_valid_becomes_invalid(image: Path, type_name: str) -> None:
    assert rejected(image, type_name, current()) == []


@cache
def tightened() -> SchemaVersion:
    """Return this version with `message.content_required` as it was, and without tool calls."""

    def tighten(rules: Any) -> None:
        rules.cel[0].expression = "has(this.text) || has(this.parts)"

    return version(
        "tightened", lambda files: edit_rules(message_of(files, "Message"), tighten, "message")
    )


def test_a_tightened_rule_is_found() -> None:
    for type_name in ("Message", "Prompt", "Completion"):
        found = rejected(RELEASES[0], type_name, tightened())
        assert found, type_name
        assert {rule for _, broken in found for _, rule in broken} == {"message.content_required"}


@pytest.mark.parametrize("image", RELEASES, ids=lambda image: image.stem)
def test_a_recorded_rule_is_one_of_this_version_and_accepts_more(image: Path) -> None:
    version = released(image)
    for recorded in version.rewritten_rules:
        assert is_before(number_of(image), recorded.release)
        rules = {rule.rule_id: rule for rule in rules_of(current().message(recorded.place))}
        expression = rules[recorded.rule_id].parameters["expression"]
        assert expression == recorded.expression
        old_rules = {rule.rule_id: rule for rule in rules_of(version.message(recorded.place))}
        assert old_rules[recorded.rule_id].parameters["expression"] != expression
        assert recorded.rule_id in newly_accepted(version, recorded.place)


def newly_accepted(old: SchemaVersion, place: str) -> set[str]:
    """Return the rules of a release that valid messages of this version break."""
    old_class = old.message_class(place)
    return {
        rule
        for message in messages(place.rpartition(".")[2])
        if not current().broken_rules(as_current(message))
        for _, rule in old.broken_rules(old_class.FromString(message.SerializeToString()))
    }


def as_current(message: Message) -> Message:
    """Return a message as one of the class of the current version, in its descriptor pool."""
    name: Any = message.DESCRIPTOR
    return current().message_class(name.full_name).FromString(message.SerializeToString())
