"""`crucible-ir new`: a template that is valid, and stays valid with every line enabled."""

from __future__ import annotations

import json
import re
from pathlib import Path

import protovalidate
import pytest
import yaml
from cli.command_line import run
from jsonschema import Draft202012Validator

import crucible_ir as ir
from crucible_ir import v1
from crucible_ir.cli.views.template import template
from crucible_ir.serialization.yaml import parse_yaml

#: A line of a template that is a field in a comment.
OPTIONAL = re.compile(r"# (\w+): ")


def is_valid_yaml(text: str, name: str) -> bool:
    message = ir.from_yaml(text, name, validate=False)
    return not protovalidate.collect_violations(message)


@pytest.mark.parametrize("name", ir.MESSAGE_TYPES)
def test_the_template_is_valid(name: str) -> None:
    result = run("new", name)
    assert result.status == 0
    assert is_valid_yaml(result.out, name)


def others_of_its_oneof(name: str, field: str) -> set[str]:
    oneof = ir.MESSAGE_TYPES[name].DESCRIPTOR.fields_by_name[field].containing_oneof
    return {other.name for other in oneof.fields} - {field} if oneof is not None else set()


@pytest.mark.parametrize("name", ir.MESSAGE_TYPES)
def test_each_optional_line_can_be_enabled(name: str) -> None:
    lines = template(ir.MESSAGE_TYPES[name]).removesuffix("{}\n").split("\n")
    used = set()
    for number, line in enumerate(lines):
        match = OPTIONAL.match(line)
        if match is None or match[1] not in ir.MESSAGE_TYPES[name].DESCRIPTOR.fields_by_name:
            continue
        used.add(match[1])
        text = "\n".join([*lines[:number], line.removeprefix("# "), *lines[number + 1 :]])
        document = yaml.safe_load(text)
        for other in others_of_its_oneof(name, match[1]):
            document.pop(other, None)
        message = ir.from_yaml(yaml.safe_dump(document), name, validate=False)
        assert not protovalidate.collect_violations(message), line
        assert (
            match[1] in {field.name for field, _ in message.ListFields()} or not document[match[1]]
        )
    assert used or name in ("ContentParts", "MetricsSnapshot")


def test_the_template_without_required_fields_says_to_remove_the_braces() -> None:
    text = template(v1.Hedging)
    [line] = [line for line in text.split("\n") if "{}" in line and line.startswith("#")]
    assert line == "# No field is required. To set one, remove its #, and the {} in the last line."
    assert text.endswith("\n\n{}\n")
    assert "{}" not in template(v1.StageDef)


@pytest.mark.parametrize("name", ir.MESSAGE_TYPES)
def test_the_template_has_every_field_except_the_custom_members(name: str) -> None:
    text = template(ir.MESSAGE_TYPES[name])
    for field in ir.MESSAGE_TYPES[name].DESCRIPTOR.fields:
        found = re.search(rf"^(# )?{field.name}:", text, re.M)
        assert bool(found) != field.name.startswith("custom_")


def test_a_field_has_its_comment_vocabulary_and_default() -> None:
    lines = template(v1.TrainingConfig).split("\n")
    at = lines.index("# optimizer: adam")
    words = " ".join(line.removeprefix("# ") for line in lines[at - 5 : at])
    assert "The optimizer. Open vocabulary" in words
    assert "Default: adam." in words
    assert "rmsprop, or any other name." in words


@pytest.mark.parametrize("name", ir.MESSAGE_TYPES)
def test_the_first_line_names_the_schema_that_the_comment_says_how_to_write(
    name: str, folder: Path
) -> None:
    lines = template(ir.MESSAGE_TYPES[name]).split("\n")
    schema = lines[0].removeprefix("# yaml-language-server: $schema=")
    [command] = [line for line in lines if line.startswith("# crucible-ir schema ")]
    assert run(*command.removeprefix("# crucible-ir ").split()).status == 0
    validator = Draft202012Validator(json.loads((folder / schema).read_text(encoding="utf-8")))
    document = parse_yaml("\n".join(lines)).value
    assert validator.is_valid(document)


def test_a_file_is_replaced_only_with_force(folder: Path) -> None:
    assert run("new", "ModelRef", "-o", "m.yaml").status == 0
    first = (folder / "m.yaml").read_text()
    result = run("new", "StageDef", "-o", "m.yaml")
    assert (result.status, result.err) == (
        2,
        "crucible-ir: m.yaml exists; replace it with --force\n",
    )
    assert (folder / "m.yaml").read_text() == first
    assert run("new", "StageDef", "--force", "-o", "m.yaml").status == 0
    assert (folder / "m.yaml").read_text() != first


def test_an_unknown_type_suggests_the_nearest() -> None:
    result = run("new", "Promt")
    assert result.status == 2
    assert 'did you mean "Prompt"?' in result.err
