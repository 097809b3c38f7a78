"""This version decodes the documents of every release, with the same meaning."""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from compat.released import FOLDER, PACKAGE, RELEASES, released
from google.protobuf import json_format
from google.protobuf.message import Message

import crucible_ir as ir
import jcs
from crucible_ir.schema.fields import describe_field
from crucible_ir.schema_changes.sources import lints_file
from release_documents import ReleasedDocument, documents_file


@cache
def documents(image: Path) -> list[ReleasedDocument]:
    lines = documents_file(image).read_text(encoding="ascii").splitlines()
    return [ReleasedDocument(**json.loads(line)) for line in lines]


def cases() -> list[Any]:
    """Return every type of every release."""
    return [
        pytest.param(image, type_name, id=f"{image.stem} {type_name}")
        for image in RELEASES
        for type_name in dict.fromkeys(document.type for document in documents(image))
    ]


def of_type(image: Path, type_name: str) -> Iterator[ReleasedDocument]:
    return (each for each in documents(image) if each.type == type_name)


@pytest.mark.parametrize("image", RELEASES, ids=lambda image: image.stem)
def test_every_release_has_its_lints_and_documents(image: Path) -> None:
    assert lints_file(image).is_file()
    assert documents_file(image).is_file()


@pytest.mark.parametrize(("image", "type_name"), cases())
def test_binary_and_json_decode_to_valid_messages_with_the_same_digest(
    image: Path, type_name: str
) -> None:
    for document in of_type(image, type_name):
        from_binary = ir.from_binary(base64.b64decode(document.binary), type_name)
        from_json = ir.from_json(document.json, type_name)
        assert from_binary == from_json, document.name
        assert ir.digest(from_binary) == document.digest, document.name


#: The releases that read ``{}`` in Crucible JSON as set where Elixir writes it for unset fields.
READS_EMPTY_OBJECTS = {"crucible_ir-0.2.0"}


@pytest.mark.parametrize(("image", "type_name"), cases())
def test_crucible_json_decodes_to_a_message_with_the_same_digest(
    image: Path, type_name: str
) -> None:
    for document in of_type(image, type_name):
        if document.crucible_json is not None:
            read = ir.from_crucible_json(document.crucible_json, type_name)
            if image.stem in READS_EMPTY_OBJECTS:
                set_empty_objects(read, json.loads(document.crucible_json))
            assert ir.digest(read) == document.crucible_digest, document.name


def set_empty_objects(message: Message, document: object) -> None:
    """Set the opaque fields that are ``{}`` in a document.

    Crucible JSON is bound to the Elixir package, which writes some of them for unset fields.
    """
    for key, value in document.items() if isinstance(document, dict) else ():
        field = message.DESCRIPTOR.fields_by_name.get(key)
        if field is None or field.message_type is None or field.is_repeated:
            continue
        if value == {} and field.message_type.name == "Struct":
            getattr(message, key).SetInParent()
        elif value and field.message_type.file.package == PACKAGE:
            set_empty_objects(getattr(message, key), value)


@pytest.mark.parametrize(("image", "type_name"), cases())
def test_this_version_writes_the_same_documents(image: Path, type_name: str) -> None:
    for document in of_type(image, type_name):
        message = ir.from_json(document.json, type_name)
        assert json.loads(ir.to_json(message)) == json.loads(document.json), document.name
        if document.crucible_json is not None:
            read = ir.from_crucible_json(document.crucible_json, type_name)
            written = json.loads(ir.to_crucible_json(read))
            recorded = without_empty(json.loads(document.crucible_json))
            assert contains(written, recorded), document.name


def without_empty(value: object) -> object:
    """Return a JSON value without the keys of null, ``[]`` and ``{}``.

    How Crucible JSON writes what is unset or empty is bound to the Elixir package.
    """
    if isinstance(value, list):
        return [without_empty(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {key: without_empty(item) for key, item in value.items() if item not in (None, [], {})}


def contains(written: Any, recorded: Any) -> bool:
    """Return whether JSON equals the recorded one, except for keys that a later release added."""
    if isinstance(recorded, dict):
        return all(key in written and contains(written[key], recorded[key]) for key in recorded)
    if isinstance(recorded, list):
        return len(written) == len(recorded) and all(map(contains, written, recorded))
    return bool(written == recorded)


@pytest.mark.parametrize(("image", "type_name"), cases())
def test_the_schema_of_the_release_decodes_the_same_valid_message_from_both_formats(
    image: Path, type_name: str
) -> None:
    """Check the recorded documents themselves, without the code of this package."""
    version = released(image)
    class_ = version.message_class(f"{PACKAGE}.{type_name}")
    for document in of_type(image, type_name):
        from_binary = class_.FromString(base64.b64decode(document.binary))
        from_json = json_format.Parse(document.json, class_())
        assert from_binary == from_json, document.name
        assert version.broken_rules(from_binary) == [], document.name
        canonical = jcs.canonical(json_format.MessageToDict(from_binary))
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        assert document.digest == f"sha256:{digest}", document.name


@pytest.mark.parametrize("image", RELEASES, ids=lambda image: image.stem)
def test_the_documents_cover_every_type_field_and_name_of_the_release(image: Path) -> None:
    version = released(image)
    seen: Counter[str] = Counter()
    for document in documents(image):
        class_ = version.message_class(f"{PACKAGE}.{document.type}")
        count(class_.FromString(base64.b64decode(document.binary)), seen)
    names = [name for name, each in version.messages.items() if each.package == PACKAGE]
    for name in names:
        assert seen[name] >= 4, name
        for field in version.message(name).fields:
            assert seen[field.full_name], field.full_name
            for value in field.enum_type.values if field.enum_type is not None else ():
                counted = f"{field.full_name} = {value.number}"
                assert seen[counted] or value.number == 0, counted


def count(message: Message, seen: Counter[str]) -> None:
    """Count the types, the fields and the enum numbers of a message of the released schema."""
    seen[message.DESCRIPTOR.full_name] += 1
    for field, value in message.ListFields():
        seen[field.full_name] += 1
        if describe_field(field).is_map:
            continue
        for each in value if field.is_repeated else [value]:
            if field.enum_type is not None:
                seen[f"{field.full_name} = {each}"] += 1
            elif field.message_type is not None and field.message_type.file.package == PACKAGE:
                count(each, seen)


#: The YAML of the releases before YAML had names of its own: what they wrote, and what their tests
#: and examples contained.
YAML_FILES = sorted(FOLDER.glob("*.yaml.jsonl"))


def yaml_documents(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="ascii").splitlines()]


@pytest.mark.parametrize("file", YAML_FILES, ids=lambda file: file.name)
def test_yaml_decodes_to_the_same_message(file: Path) -> None:
    for each in yaml_documents(file):
        message = ir.from_yaml(each["yaml"], each["type"], validate=False)
        expected = ir.from_binary(base64.b64decode(each["binary"]), each["type"], validate=False)
        assert message == expected, each["yaml"]


@pytest.mark.parametrize("file", YAML_FILES, ids=lambda file: file.name)
def test_yaml_with_proto_names_is_the_text_of_the_release(file: Path) -> None:
    written = [each for each in yaml_documents(file) if each["written"]]
    assert written
    for each in written:
        message = ir.from_binary(base64.b64decode(each["binary"]), each["type"], validate=False)
        assert ir.to_yaml(message, names="proto") == each["yaml"]
