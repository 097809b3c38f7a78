"""The pages of messages and rules: complete, with examples that other parsers read alike."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import click
import protovalidate
import pytest
import yaml
from google.protobuf import json_format
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from pages import check_links, fences

import crucible_ir as ir
from build_docs import site_files
from build_docs import write as write_files
from crucible_ir import exchange
from crucible_ir.cli.program import program
from crucible_ir.linting import LINTS
from crucible_ir.schema.comments import descriptor_set
from crucible_ir.validation.explain import explain, rule_ids
from crucible_ir.validation.other_ids import OTHER_IDS
from docs_site.examples import SAMPLES

MESSAGES: dict[str, Any] = dict(ir.MESSAGE_TYPES)


@pytest.fixture(scope="module")
def site() -> dict[str, str]:
    """Return the pages of the site, by their paths."""
    return {name: text for name, text in site_files().items() if isinstance(text, str)}


def anchors(page: str) -> set[str]:
    """Return the ids that docutils gives the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", page, flags=re.MULTILINE)
    return {re.sub("[^a-z0-9]+", "-", title.replace("`", "").lower()) for title in headings}


def test_every_field_has_a_section_or_is_named_in_that_of_its_vocabulary(
    site: dict[str, str],
) -> None:
    for name, cls in MESSAGES.items():
        page = site[f"messages/{name}.md"]
        for field in cls.DESCRIPTOR.fields:
            custom = f"Any other name goes into `{field.name}`."
            assert f"\n### `{field.name}`\n" in page or custom in page, field.full_name


def test_a_page_has_the_rules_defaults_references_and_lints_of_the_schema(
    site: dict[str, str],
) -> None:
    page = site["messages/TrainingConfig.md"]
    epochs = page.partition("### `epochs`\n")[2].partition("\n### ")[0]
    assert "int32 · default `1` · number 4" in epochs
    assert "Must be greater than 0" in epochs
    assert "[`int32.gt`](../rules.md#int32gt)" in epochs
    assert "- Refers to a [ModelRef](../messages/ModelRef.md)." in page
    assert "(../lints.md#training_confignothing_to_train_on)" in page
    assert "- Part of [`Document.training_config`](Document.md#training_config)" in page
    version = site["messages/DeploymentConfig.md"].partition("### `model_version_id`")[2]
    assert "Refers to a [ModelVersion](../messages/ModelVersion.md), found by its id." in version
    assert "| `blue_green` |" in site["messages/DeploymentConfig.md"]


@pytest.mark.parametrize("name", MESSAGES)
def test_the_examples_are_one_valid_message(site: dict[str, str], name: str) -> None:
    cls = MESSAGES[name]
    examples = site[f"messages/{name}.md"].partition("\n## Example\n")[2]
    python, as_yaml, as_protojson, as_crucible_json = [
        text for language, text in fences(examples) if language in ("python", "yaml", "json")
    ]
    names: dict[str, Any] = {}
    exec(python, names)
    message = names["message"]
    assert type(message) is cls
    assert protovalidate.collect_violations(message) == []
    assert json_format.Parse(as_protojson, cls()) == message
    assert ir.from_yaml(as_yaml, cls) == message
    assert ir.from_crucible_json(as_crucible_json, cls) == message
    # A parser of YAML finds the fields of the ProtoJSON.
    original = json.loads(json_format.MessageToJson(message, preserving_proto_field_name=True))
    assert yaml.safe_load(as_yaml).keys() == original.keys()


def test_every_sample_is_for_a_field_of_the_schema() -> None:
    fields = {
        (name, field.name) for name, cls in MESSAGES.items() for field in cls.DESCRIPTOR.fields
    }
    known = {field for _, field in fields} | {".".join(pair) for pair in fields}
    assert SAMPLES.keys() <= known


def test_every_page_that_an_explanation_names_has_its_section(site: dict[str, str]) -> None:
    for known in (*rule_ids(), *LINTS, *OTHER_IDS, "bytes.max_len", "string.email"):
        page, _, anchor = explain(known).page.partition("#")
        assert anchor in anchors(site[page.replace(".html", ".md")]), known


def test_every_command_and_option_of_the_help_has_an_entry(site: dict[str, str]) -> None:
    context = click.Context(program, info_name="crucible-ir")
    for name in program.list_commands(context):
        page = site[f"commands/{name}.md"]
        command = program.get_command(context, name)
        assert command is not None
        own = click.Context(command, info_name=name, parent=context)
        commands = {"": command}
        if isinstance(command, click.Group):
            commands |= command.commands
        for subname, each in commands.items():
            assert f"## `crucible-ir {name} {subname}`\n" in page or not subname
            section = page.partition(f"## `crucible-ir {name} {subname}`\n")[2] or page
            options = click.Context(each, info_name=subname, parent=own).command.get_help(own)
            for option in re.findall(r"^  (?:-\w, )?(--[a-z-]+)", options, flags=re.MULTILINE):
                is_listed = re.search(
                    rf"^```\{{option\}} (.*, )?{option}\b", section, flags=re.MULTILINE
                )
                assert is_listed or option == "--help", (name, subname, option)


def test_every_public_name_has_an_entry(site: dict[str, str]) -> None:
    listed = set()
    for page in site.values():
        listed |= set(re.findall(r"(?:\.\. |\{)(?:auto|py:)\w+(?:::|\}) ([\w.]+)", page))
    special = {"crucible_ir.__version__", "crucible_ir.native", "crucible_ir.v1"}
    assert {f"crucible_ir.{name}" for name in dir(ir)} - special <= listed
    assert {f"crucible_ir.exchange.{name}" for name in dir(exchange) if name != "v1"} <= listed
    assert {f"crucible_ir.v1.{name}" for name in MESSAGES} <= listed
    assert {"crucible_ir.tracking.Tracker", "crucible_ir.native.status"} <= listed


def test_every_method_message_and_field_of_the_services_has_an_entry(site: dict[str, str]) -> None:
    pages = "\n".join(text for name, text in site.items() if name.startswith("services/"))
    files: Any = FileDescriptorSet.FromString(descriptor_set()).file
    for file in files:
        if file.package not in ("crucible_ir.exchange.v1", "crucible_ir.conformance.v1"):
            continue
        for declared in (*file.message_type, *file.enum_type):
            assert f"\n### `{declared.name}`\n" in pages
        for message in file.message_type:
            section = pages.partition(f"\n### `{message.name}`\n")[2].partition("\n### ")[0]
            for field in message.field:
                assert f"- `{field.name}`, " in section, (message.name, field.name)
        for service in file.service:
            for method in service.method:
                assert f"\n### `{method.name}`\n" in pages


def test_every_link_has_a_target(site: dict[str, str], tmp_path: Path) -> None:
    write_files(site_files(), tmp_path)
    for name, page in site.items():
        if name.endswith(".md"):
            check_links(page, (tmp_path / name).parent)


def test_the_start_page_leads_to_every_page(site: dict[str, str]) -> None:
    listed = set()
    for page in site.values():
        for block in re.findall(r"```\{toctree\}\n(.*?)```", page, flags=re.DOTALL):
            lines = [line for line in block.splitlines() if line and not line.startswith(":")]
            listed |= {line.rpartition("<")[2].removesuffix(">") for line in lines}
    pages = {name.rpartition(".")[0] for name in site if name.endswith((".md", ".rst"))}
    assert pages == listed | {"index"}
