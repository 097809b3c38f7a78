"""`ir.requires` agrees with the released schemas, which read what this version writes.

The truth is google's parser of JSON and protovalidate, with the descriptors of the release.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from compat.released import RELEASES, messages, number_of, released, released_class
from google.protobuf import json_format
from google.protobuf.message import Message
from protovalidate import collect_violations
from validation.message_cases import MESSAGE_CLASSES

import crucible_ir as ir
from crucible_ir import v1
from crucible_ir.schema.fields import fields_of, message_since, value_since
from crucible_ir.schema.releases import NewerPart, is_before, newer_parts, release_number
from crucible_ir.schema.types import descriptor_of

CASES = [
    pytest.param(image, type_name, id=f"{image.stem} {type_name}")
    for image in RELEASES
    for type_name in MESSAGE_CLASSES
]


def reads_binary(image: Path, message: Message) -> bool:
    class_ = released_class(image, type(message).__name__)
    if class_ is None:
        return False
    return not released(image).broken_rules(class_.FromString(message.SerializeToString()))


def reads_json(image: Path, message: Message, text: str) -> bool:
    class_ = released_class(image, type(message).__name__)
    if class_ is None:
        return False
    try:
        read = json_format.Parse(text, class_())
    except json_format.ParseError:
        return False
    return not released(image).broken_rules(read)


@pytest.mark.parametrize(("image", "type_name"), CASES)
def test_a_release_reads_what_requires_it_or_an_older_one(image: Path, type_name: str) -> None:
    release = number_of(image)
    seen: Counter[bool] = Counter()
    for message in messages(type_name):
        if collect_violations(message):
            continue
        expected = release_number(ir.requires(message, binary=True)) <= release_number(release)
        assert reads_binary(image, message) == expected, message
        assert expected != any(newer_parts(message, release, binary=True))
        try:
            text = json_format.MessageToJson(message)
        except (ValueError, json_format.Error):
            continue
        expected = release_number(ir.requires(message)) <= release_number(release)
        assert reads_json(image, message, text) == expected, message
        assert expected != any(newer_parts(message, release))
        seen[expected] += 1
    assert seen


@pytest.mark.parametrize("image", RELEASES, ids=lambda image: image.stem)
def test_the_schema_declares_the_age_of_exactly_what_is_newer(image: Path) -> None:
    version = released(image)

    def check(is_released: bool, since: str | None, name: str) -> None:
        is_newer = since is not None and is_before(number_of(image), since)
        assert is_newer != is_released, f"{name}: declare the release in which it appeared"

    for cls in MESSAGE_CLASSES.values():
        type_ = descriptor_of(cls)
        old = version.message(type_.full_name) if type_.full_name in version.messages else None
        check(old is not None, message_since(type_), type_.full_name)
        for field in fields_of(type_).values():
            was = old is not None and field.name in old.fields_by_name
            check(was, field.since, field.descriptor.full_name)
    declared = [descriptor_of(cls).file for cls in MESSAGE_CLASSES.values()]
    files = {file.name: file for file in declared}
    for enum in (each for file in files.values() for each in file.enum_types_by_name.values()):
        if enum.full_name in version.enums:
            numbers = {value.number for value in version.enums[enum.full_name].proto.value}
            for value in enum.values:
                check(value.number in numbers, value_since(value), value.name)


def test_both_verdicts_occur() -> None:
    for binary in (False, True):
        found = {ir.requires(message, binary=binary) for message in messages("Prompt")}
        assert found == {"0.2.0", "0.3.0"}


def test_a_part_has_path_release_and_name() -> None:
    part = v1.ContentPart(other={"type": "x"}, signature="s")
    turns = [
        v1.Message(role=v1.MessageRole.MESSAGE_ROLE_DEVELOPER, text="a"),
        v1.Message(role=v1.MessageRole.MESSAGE_ROLE_USER, parts=v1.ContentParts(parts=[part])),
        v1.Message(role=v1.MessageRole.MESSAGE_ROLE_ASSISTANT),
    ]
    prompt = v1.Prompt(messages=turns)
    signature = NewerPart("messages[1].parts.parts[0].signature", "0.3.0", "the field signature")
    rejected = [
        NewerPart("messages[0].role", "0.3.0", "the name MESSAGE_ROLE_DEVELOPER"),
        NewerPart("messages[1].parts.parts[0].other", "0.3.0", "the field other"),
        NewerPart("messages[2]", "0.3.0", "a message without content"),
    ]
    assert list(newer_parts(prompt, "0.2.0", binary=True)) == rejected
    assert list(newer_parts(prompt, "0.2.0")) == [rejected[0], signature, *rejected[1:]]
    assert list(newer_parts(prompt, "0.3.0")) == []
    assert str(rejected[0]) == "messages[0].role: the name MESSAGE_ROLE_DEVELOPER is new in 0.3.0"


def test_the_content_of_a_new_field_is_not_searched() -> None:
    result = v1.EvaluationResult(id="e", task="mmlu", metrics=[v1.MetricResult(name="acc")])
    whole = [NewerPart("", "0.3.0", "the message type EvaluationResult")]
    assert list(newer_parts(result, "0.2.0")) == whole
    inside = list(newer_parts(v1.Document(evaluation_result=result), "0.2.0"))
    assert [part.path for part in inside] == ["evaluation_result"]


def test_unknown_fields_and_numbers_do_not_count() -> None:
    newer = v1.ModelRef.FromString(b"\x0a\x01m\x20\x63")
    newer.MergeFromString(b"\xf8\xff\x07\x05")
    assert ir.requires(newer) == "0.2.0"


@pytest.mark.parametrize("release", ["0.2", "v0.2.0", "0.2.0-rc.1", "", "00.2.0", "0.1.0"])
def test_what_is_no_release_is_an_error(release: str) -> None:
    with pytest.raises(ir.ReleaseError, match=r"0\.2\.0"):
        list(newer_parts(v1.ModelRef(id="m"), release))


def test_only_messages_of_the_ir_have_a_release() -> None:
    with pytest.raises(ir.FieldError, match="expected a message of the IR"):
        ir.requires("0.2.0")  # type: ignore[arg-type]
