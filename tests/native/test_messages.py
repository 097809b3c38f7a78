"""Certain answers about generated messages are true, whatever is in the messages."""

from __future__ import annotations

from random import Random

import pytest
from effort import examples, sample_size
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given, settings
from hypothesis import strategies as st
from json_documents import changed_documents, documents
from message_strategies import messages
from native.core import core
from native.text_variants import damaged as damaged_text
from native.text_variants import respelled
from native.truth import check_binary, check_text
from native.wire_variants import rewritten
from validation.message_cases import MAX_NANOS, MESSAGE_CLASSES, bases, damage, edited, edits

import crucible_ir as ir
from crucible_ir.schema.walk import walk

#: The writers of the formats of JSON, in pure Python.
WRITERS = {
    "json": (ir.to_json, lambda message: ir.to_json(message, original_names=True)),
    "crucible-json": (ir.to_crucible_json,),
}

every_type = pytest.mark.parametrize("name", MESSAGE_CLASSES)


def texts_of(message: Message) -> list[tuple[str, str]]:
    """Return a message in each format of JSON that can represent it."""
    texts = []
    for format, writers in WRITERS.items():
        for write in writers:
            try:
                texts.append((format, write(message)))
            except ir.EncodeError:
                continue
    return texts


@every_type
@settings(max_examples=examples(15))
@given(data=st.data(), seed=st.integers(0, 2**32))
def test_certain_answers_about_any_message_are_true(
    name: str, data: st.DataObject, seed: int
) -> None:
    message = data.draw(messages(MESSAGE_CLASSES[name]))
    random = Random(seed)
    encoded = message.SerializeToString(deterministic=True)
    check_binary(core(), name, encoded)
    check_binary(core(), name, rewritten(encoded, message.DESCRIPTOR, random))
    damaged = bytearray(encoded)
    damage(damaged, random)
    check_binary(core(), name, bytes(damaged))
    for format, text in texts_of(message):
        check_text(core(), format, name, text.encode())
        other = respelled(text, random)
        check_text(core(), format, name, other)
        check_text(core(), format, name, damaged_text(other, random))


@every_type
def test_the_core_is_certain_of_exactly_the_messages_without_violations(name: str) -> None:
    cases = [(base, edit) for base in bases(name) for edit in edits(name, base)]
    for base, edit in Random(name).sample(cases, min(len(cases), examples(80))):
        message = edited(name, base, [edit])
        unsure = check_binary(core(), name, message.SerializeToString(deterministic=True))
        assert not unsure & {"valid", "rules"} or has_odd_time(message), f"{unsure} of {message!r}"


def has_odd_time(root: Message) -> bool:
    """Return whether a message has a Timestamp that JSON cannot represent."""
    return any(
        isinstance(message, Timestamp) and not 0 <= message.nanos <= MAX_NANOS
        for _, message in walk(root)
    )


@every_type
def test_certain_answers_about_rewritten_bytes_are_true(name: str) -> None:
    random = Random(f"rewritten {name}")
    descriptor = MESSAGE_CLASSES[name].DESCRIPTOR
    for _ in range(examples(40)):
        data = rewritten(random.choice(bases(name)), descriptor, random)
        check_binary(core(), name, data)
        damaged = bytearray(data)
        for _ in range(random.choice((1, 1, 2, 4))):
            damage(damaged, random)
        check_binary(core(), name, bytes(damaged))


@every_type
def test_certain_answers_about_rewritten_texts_are_true(name: str) -> None:
    random = Random(f"texts {name}")
    texts = [
        each for base in bases(name) for each in texts_of(MESSAGE_CLASSES[name].FromString(base))
    ]
    for _ in range(examples(40)):
        format, text = random.choice(texts)
        other = respelled(text, random)
        check_text(core(), format, name, other)
        check_text(core(), format, name, damaged_text(other, random))


@every_type
def test_certain_answers_about_any_value_in_any_field_are_true(name: str) -> None:
    every = list(documents(name))
    for text in Random(name).sample(every, min(sample_size(len(every)), examples(200))):
        for format in WRITERS:
            check_text(core(), format, name, text.encode("utf-8", "surrogatepass"))


@every_type
@settings(max_examples=examples(10))
@given(data=st.data())
def test_certain_answers_about_changed_documents_are_true(name: str, data: st.DataObject) -> None:
    text = data.draw(changed_documents(name))
    check_text(core(), "json", name, text.encode("utf-8", "surrogatepass"))
