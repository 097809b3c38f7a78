"""``--format json`` of show, digest and schema, and ``--quiet`` of convert."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cli.command_line import EXAMPLES, run
from google.protobuf import json_format

from crucible_ir import digest, from_yaml, v1
from crucible_ir.schema.types import message_types

STAGES = '{"name": "a"}\n{"name": "b", "enabled": true}\n'


def output(*arguments: object, status: int = 0) -> dict[str, Any]:
    result = run(*arguments, "--format", "json")
    assert result.status == status, result.err
    loaded: dict[str, Any] = json.loads(result.out)
    return loaded


def test_show_has_the_content_as_protojson() -> None:
    path = EXAMPLES / "experiment.yaml"
    expected = from_yaml(path.read_bytes(), v1.Experiment)
    shown = output("show", path)
    assert shown["command"] == "show"
    [document] = shown["documents"]
    content = document.pop("content")
    # google's own parser reads it.
    assert json_format.ParseDict(content, v1.Experiment()) == expected
    assert document == {"file": str(path), "record": None, "type": "Experiment", "violations": []}


def test_show_has_the_violations_of_each_record(folder: Path) -> None:
    (folder / "s.jsonl").write_text(STAGES + '{"name": ""}\n')
    shown = output("show", "--type", "StageDef", "s.jsonl", status=1)
    assert [(each["record"], each["content"]) for each in shown["documents"]] == [
        (0, {"name": "a"}),
        (1, {"name": "b", "enabled": True}),
        (2, {}),
    ]
    [violation] = shown["documents"][2]["violations"]
    assert (violation["rule"], violation["path"]) == ("required", "name")
    assert violation["message"] == "must not be empty"


def test_show_is_json_even_if_a_document_cannot_be_read(folder: Path) -> None:
    (folder / "bad.json").write_text("[")
    result = run("show", "bad.json", EXAMPLES / "model.yaml", "--format", "json")
    assert result.status == 1
    assert len(json.loads(result.out)["documents"]) == 1
    assert result.err.startswith("crucible-ir: bad.json:")


def test_digest_has_the_digest_of_each_record(folder: Path) -> None:
    (folder / "s.jsonl").write_text(STAGES)
    (folder / "bad.yaml").write_text("name: [")
    expected = [digest(v1.StageDef(name="a")), digest(v1.StageDef(name="b", enabled=True))]
    printed = output("digest", "--type", "StageDef", "s.jsonl", "bad.yaml", status=1)
    assert printed == {
        "command": "digest",
        "documents": [
            {"file": "s.jsonl", "record": 0, "digest": expected[0]},
            {"file": "s.jsonl", "record": 1, "digest": expected[1]},
            {"file": "bad.yaml", "record": None, "digest": None},
        ],
    }


def test_digest_check_has_a_verdict_for_each_document(folder: Path) -> None:
    (folder / "a.yaml").write_text("name: a\n")
    good, other = digest(v1.StageDef(name="a")), f"sha256:{'0' * 64}"
    (folder / "list").write_text(f"{good}  a.yaml\n{other}  a.yaml\n{good}  gone.yaml\n")
    printed = output("digest", "--type", "StageDef", "--check", "list", status=2)
    assert printed["documents"] == [
        {"file": "a.yaml", "verdict": "ok", "expected": good, "digest": good},
        {"file": "a.yaml", "verdict": "differs", "expected": other, "digest": good},
        {"file": "gone.yaml", "verdict": "unreadable", "expected": good, "digest": None},
    ]


def test_schema_has_every_message_and_enum() -> None:
    types = {each["name"]: each for each in output("schema")["types"]}
    messages = {name for name, each in types.items() if each["kind"] == "message"}
    assert messages == set(message_types())
    assert types["Optimizer"]["kind"] == "enum"
    assert types["StageDef"]["comment"] == "One stage of an experiment's pipeline."


def test_schema_has_the_fields_of_a_message_with_rules_and_defaults() -> None:
    described = output("schema", "TrainingConfig")
    fields = {each["name"]: each for each in described["fields"]}
    assert list(fields) == [field.name for field in v1.TrainingConfig.DESCRIPTOR.fields]
    epochs = fields["epochs"]
    assert epochs["comment"]
    assert {key: epochs[key] for key in ("type", "cardinality", "default", "rules")} == {
        "type": "int32",
        "cardinality": "singular",
        "default": 1,
        "rules": [{"id": "int32.gt", "path": "epochs", "requirement": "must be greater than 0"}],
    }
    assert fields["optimizer"]["short_names"][:2] == ["adam", "sgd"]
    assert fields["optimizer"]["custom_member"] == "custom_optimizer"
    assert fields["custom_optimizer"]["custom_member_of"] == "optimizer"
    assert fields["metrics"]["default"] == ["loss", "accuracy"]
    assert fields["early_stopping"]["type"] == "google.protobuf.Struct"
    [rule] = output("schema", "GenerationOptions")["rules"]
    assert rule["id"] == "generation_options.json_schema_required"


def test_schema_has_the_references_and_identities_of_a_message() -> None:
    fields = {each["name"]: each for each in output("schema", "ModelVersion")["fields"]}
    assert (fields["id"]["identity"], fields["id"]["immutable"]) == (True, False)
    assert fields["parent_version"]["reference"] == "ModelVersion"
    assert fields["parent_version"]["resolutions"] == ["by_id", "by_version_of_model"]
    assert fields["version"]["reference"] is None
    assert (fields["version"]["immutable"], fields["version"]["since"]) == (True, None)
    assert fields["sources"]["since"] == "0.3.0"


def test_schema_has_the_values_of_an_enum() -> None:
    values = output("schema", "DeploymentStrategy")["values"]
    assert values[0]["short_name"] is None
    assert [(each["name"], each["short_name"], each["number"]) for each in values[1:3]] == [
        ("DEPLOYMENT_STRATEGY_ROLLING", "rolling", 1),
        ("DEPLOYMENT_STRATEGY_BLUE_GREEN", "blue_green", 2),
    ]


def test_schema_export_excludes_json() -> None:
    result = run("schema", "--export", "descriptor-set", "--format", "json")
    assert result.status == 2
    assert "--format and --export exclude each other" in result.err


@pytest.mark.parametrize("source", ["s.binpb", "s.binpbs"])
def test_quiet_conversion_prints_no_warning(folder: Path, source: str) -> None:
    # Field 1000 with wire type 0 and value 5, which no text format has.
    message = v1.StageDef(name="embed").SerializeToString() + b"\xc0\x3e\x05"
    prefix = bytes([len(message)]) if source.endswith("s") else b""
    (folder / source).write_bytes(prefix + message)
    command = ("convert", "--type", "StageDef", source, "--to", "json")
    assert "unknown field 1000" in run(*command).err
    result = run(*command, "--quiet")
    assert (result.status, result.err) == (0, "")
    assert json.loads(result.out) == {"name": "embed"}
    strict = run(*command, "--quiet", "--strict")
    assert strict.status == 1
    assert "unknown field 1000" in strict.err


def test_quiet_conversion_still_prints_errors(folder: Path) -> None:
    (folder / "s.jsonl").write_text(STAGES + '{"name": ""}\n')
    command = ("convert", "--type", "StageDef", "--skip-bad", "s.jsonl", "--to", "jsonl")
    loud, quiet = run(*command), run(*command, "-q")
    assert loud.status == quiet.status == 1
    assert loud.err.splitlines()[-1] == "crucible-ir: s.jsonl: skipped 1 of 3 records"
    assert quiet.err.splitlines() == loud.err.splitlines()[:-1]
    assert quiet.out == loud.out
