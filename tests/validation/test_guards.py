"""Guards accept valid messages and no others."""

from __future__ import annotations

from pathlib import Path

import pytest
from effort import examples
from google.protobuf.message import Message
from validation.guard_soundness import Tally, compare
from validation.message_cases import MESSAGE_CLASSES, bases, count_single_edits, edited, edits

import generate_guards
from crucible_ir import v1
from crucible_ir.validation import guards

#: The random cases of each type, besides its single edits.
RANDOM_CASES = 5_000

#: The types without rules, which have no invalid messages.
WITHOUT_RULES = {"Fairness", "Guardrail", "Reasoning"}


@pytest.mark.parametrize("name", MESSAGE_CLASSES)
def test_a_guard_accepts_exactly_the_messages_without_violations(name: str) -> None:
    tally: Tally = compare(name, seed=0, count=examples(RANDOM_CASES))
    assert tally.valid > 0
    assert (tally.invalid > 0) == (name not in WITHOUT_RULES)


def test_the_guards_are_compared_on_more_than_200_000_messages() -> None:
    singles = sum(count_single_edits(name) for name in MESSAGE_CLASSES)
    assert singles + RANDOM_CASES * len(MESSAGE_CLASSES) > 200_000


def test_every_message_type_has_a_guard() -> None:
    names = [message_class.DESCRIPTOR.full_name for message_class in MESSAGE_CLASSES.values()]
    assert sorted(guards.GUARDS) == sorted(names)


def test_no_rule_of_the_schema_is_left_to_protovalidate() -> None:
    written = generate_guards.write(generate_guards.installed_files(), "crucible_ir.v1")
    assert written.fallbacks == []


def test_the_committed_guards_are_generated_from_the_rules_of_the_package() -> None:
    written = generate_guards.write(generate_guards.installed_files(), "crucible_ir.v1")
    assert written.source == Path(guards.__file__).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["Experiment", "DeploymentStatus", "Prompt", "Document"])
def test_a_guard_does_not_change_the_message(name: str) -> None:
    for base in bases(name):
        for edit in edits(name, base)[::7]:
            message = edited(name, base, [edit])
            before = MESSAGE_CLASSES[name]()
            before.CopyFrom(message)
            guards.GUARDS[message.DESCRIPTOR.full_name](message)
            written, unread = (
                each.SerializeToString(deterministic=True) for each in (message, before)
            )
            assert written == unread
            assert presence(message) == presence(before)


def presence(message: Message) -> list[str]:
    """Return the names of the fields that are set."""
    return [field.name for field, _ in message.ListFields()]


def test_reading_an_unset_timestamp_does_not_set_it() -> None:
    event = v1.FeedbackEvent(id="fb-1")
    assert guards.guard_feedback_event(event)
    assert not event.HasField("timestamp")


def test_a_message_nested_beyond_pythons_stack_is_not_certain() -> None:
    root = backend = v1.BackendRef(id="a")
    for _ in range(5_000):
        backend = backend.fallback
        backend.id = "a"
    with pytest.raises(RecursionError):
        guards.guard_backend_ref(root)


def test_no_message_can_contain_an_unpaired_surrogate_that_a_guard_would_have_to_check() -> None:
    with pytest.raises(ValueError, match=r"surrogate|unicode"):
        v1.StageDef(name="\ud800")
    with pytest.raises(Exception, match=r"(?i)utf-8|parsing"):
        v1.StageDef.FromString(b"\x0a\x03\xed\xa0\x80")
