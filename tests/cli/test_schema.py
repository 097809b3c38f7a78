"""`crucible-ir schema`: messages, fields and exports."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml
from cli.command_line import EXAMPLES, ROOT, run
from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pb2 import FileDescriptorSet

import crucible_ir as ir


def test_every_message_is_listed_below_its_file_with_its_first_sentence() -> None:
    lines = run("schema").lines
    listed = {line.split()[0] for line in lines if line.startswith("  ")}
    assert listed == set(ir.MESSAGE_TYPES)
    at = next(index for index, line in enumerate(lines) if line.startswith("  StageDef"))
    assert lines[at].split(maxsplit=1)[1] == "One stage of an experiment's pipeline."
    above = [line for line in lines[:at] if not line.startswith(" ")]
    assert above[-1] == "crucible_ir/v1/experiment.proto"


def test_a_field_has_its_type_comment_rules_vocabulary_and_default() -> None:
    text = run("schema", "TrainingConfig").out
    blocks = {block.split()[0]: block for block in text.split("\n\n")[1:]}
    first, *comment, rule, default = blocks["epochs"].splitlines()
    assert first == "epochs  optional int32"
    assert " ".join(line.strip() for line in comment) == (
        "The number of passes over the data. Range: greater than 0. Unset: the trainer"
        " chooses. Default: 1."
    )
    assert rule == "    rule: must be greater than 0 [int32.gt]"
    assert default == "    default: 1"
    assert blocks["optimizer"].startswith("optimizer  Optimizer or custom_optimizer string\n")
    assert "    names: adam, sgd, adamw, rmsprop\n    default: adam" in blocks["optimizer"]
    assert "    default: cpu" in blocks["device"]
    assert 'default: ["loss", "accuracy"]' in blocks["metrics"]


def test_a_reference_has_its_target_and_the_ways_to_find_it() -> None:
    lines = [line.strip() for line in run("schema", "ModelVersion").lines]
    assert "refers to: ModelVersion, by id, else by version of model" in lines
    assert "refers to: ModelRef, by id" in lines


def test_types_have_their_names_in_the_schema() -> None:
    assert "metrics  map<string, double>" in run("schema", "ModelVersion").lines
    assert "pipeline  list of StageDef" in run("schema", "Experiment").lines
    assert "options  Struct" in run("schema", "StageDef").lines


def test_a_rule_about_a_oneof_or_the_whole_message_is_listed() -> None:
    assert "[message.content_required]" in run("schema", "Message").out
    out = run("schema", "Document").out
    assert "\ncontent\n    rule: exactly one of experiment," in out


def test_an_enum_lists_its_values_with_their_short_names() -> None:
    lines = run("schema", "crucible_ir.v1.TrainingStatus").lines
    assert "TRAINING_STATUS_RUNNING  running" in lines
    assert "TRAINING_STATUS_UNSPECIFIED  unset" in lines


def test_an_unknown_name_suggests_the_nearest() -> None:
    result = run("schema", "TrainingConfg")
    assert result.status == 2
    assert 'did you mean "TrainingConfig"?' in result.err


def test_the_exported_proto_files_are_those_of_the_repository(folder: Path) -> None:
    assert run("schema", "--export", "proto", "-o", "out").status == 0
    written = {
        path.relative_to(folder / "out"): path.read_bytes()
        for path in (folder / "out").rglob("*.proto")
    }
    ours = {
        path.relative_to(ROOT / "proto"): path.read_bytes()
        for path in (ROOT / "proto").rglob("*.proto")
    }
    assert written == ours


def test_the_exported_descriptor_set_loads_and_has_every_message(folder: Path) -> None:
    assert run("schema", "--export", "descriptor-set", "-o", "ir.binpb").status == 0
    files = FileDescriptorSet.FromString((folder / "ir.binpb").read_bytes())
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    for name in ir.MESSAGE_TYPES:
        assert pool.FindMessageTypeByName(f"crucible_ir.v1.{name}")
    assert run("schema", "--export", "descriptor-set").data == (folder / "ir.binpb").read_bytes()


def test_the_exported_json_schema_validates_an_example(folder: Path) -> None:
    schema = json.loads(run("schema", "Capabilities", "--export", "json-schema").out)
    document = json.loads((EXAMPLES / "capabilities.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(document)
    assert run("schema", "--export", "json-schema", "-o", "all").status == 0
    written = {path.name for path in (folder / "all").iterdir()}
    assert written == {f"{name}.schema.json" for name in ir.MESSAGE_TYPES}
    assert json.loads((folder / "all" / "Capabilities.schema.json").read_text()) == schema


def test_the_exported_schemas_for_editors_validate_the_files_that_they_are_for(
    folder: Path,
) -> None:
    export = ("schema", "--export", "editor-schemas", "--output")
    assert run(*export, "for editors").status == 0
    settings = json.loads((folder / "for editors" / "vscode-settings.json").read_text())
    for path, [pattern, _] in settings["yaml.schemas"].items():
        validator = jsonschema.Draft202012Validator(json.loads((folder / path).read_text()))
        if pattern == "*.training_config.ir.yaml":
            validator.validate(yaml.safe_load((EXAMPLES / "training.yaml").read_text()))
            assert not validator.is_valid({"id": "a"})
    assert {each["fileMatch"][0] for each in settings["json.schemas"]} == {
        pattern.replace(".yaml", ".json") for pattern, _ in settings["yaml.schemas"].values()
    }
    # In a folder elsewhere, paths are absolute.
    assert run(*export, folder / "elsewhere").status == 0
    settings = json.loads((folder / "elsewhere" / "vscode-settings.json").read_text())
    assert all(each.startswith("file:///") for each in settings["yaml.schemas"])
    assert run(*export, "for editors").status == 2
    assert run(*export, "for editors", "--force").status == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("--export", "proto"),
        ("--export", "editor-schemas"),
        ("Experiment", "--export", "editor-schemas", "--output", "x"),
        ("--export", "json-schema"),
        ("--output", "x"),
        ("Experiment", "--export", "proto", "--output", "x"),
        ("Nothing", "--export", "json-schema"),
    ],
)
def test_arguments_that_exclude_each_other_are_rejected(
    folder: Path, arguments: tuple[str, ...]
) -> None:
    assert run("schema", *arguments).status == 2
    assert list(folder.iterdir()) == []
