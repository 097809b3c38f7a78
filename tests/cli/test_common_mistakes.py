"""Mistakes that people make in documents, with the option of the command that mends each."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli.command_line import run

PRODUCTION = '"production" is the short name of DEPLOYMENT_ENVIRONMENT_PRODUCTION'


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("a.json", "", "a.json: the file is empty [decode]"),
        ("a.yaml", "\n\n", "a.yaml: the file is empty [decode]"),
        ("a.txtpb", "\n", "a.txtpb: the file is empty [decode]"),
        ("a.binpb", "", "a.binpb: the file is empty [decode]"),
        ("a.yaml", "# to do\n", "a.yaml:1:1: the document is empty [decode]"),
        (
            "a.json",
            '{"environment": "production", "modelVersionId": "m"}',
            f"a.json:1:17: environment: {PRODUCTION}; short names are read with --from"
            " crucible-json [decode]",
        ),
        (
            "a.yaml",
            "environment: Production\nmodel_version_id: m\n",
            'a.yaml:1:14: environment: DeploymentEnvironment has no value "Production"; did you'
            ' mean "production"? To keep it as a custom name, write custom_environment:'
            ' "Production" [decode]',
        ),
        (
            "a.jsonl",
            '{"environment": "production", "modelVersionId": "m"}\n',
            f"a.jsonl:1:17: environment: {PRODUCTION} [decode]",
        ),
        (
            "a.json",
            "id: a\n",
            "a.json:1:1: not JSON: this looks like YAML, which is read with --from yaml [decode]",
        ),
        (
            "a.json",
            '{"id": "a"}\n{"id": "b"}\n',
            "a.json:2:1: not JSON: extra data; this looks like JSON lines, which are read with"
            " --from jsonl [decode]",
        ),
        (
            "a.yaml",
            "model_id: m\nstage: 1\nversion: v1.2.0\nid: v\n",
            "a.yaml:3:10: version: must be a semantic version such as 1.2.0; write 1.2.0,"
            " got 'v1.2.0' [string.pattern]",
        ),
    ],
)
def test_the_report_has_the_fix(folder: Path, name: str, content: str, error: str) -> None:
    (folder / name).write_text(content)
    result = run("validate", name)
    assert result.status == 1
    assert error in result.lines


def test_other_commands_say_so_too(folder: Path) -> None:
    text = '{"environment": "production", "id": "d", "model_version_id": "m"}'
    (folder / "a.json").write_text(text)
    (folder / "empty.json").write_text("")
    expected = f"crucible-ir: a.json:1:17: environment: {PRODUCTION}; short names are read with"
    for command in (("show",), ("convert", "--to", "yaml"), ("digest",)):
        result = run(*command, "a.json")
        assert result.status == 1
        assert result.err == f"{expected} --from crucible-json\n"
        assert run(*command, "empty.json").err == "crucible-ir: empty.json: the file is empty\n"
    assert run("diff", "a.json", "a.json").err == f"{expected} --from crucible-json\n"
    assert run("convert", "--from", "crucible-json", "a.json", "--to", "yaml").status == 0


def test_empty_standard_input_is_named(folder: Path) -> None:
    result = run("show", "--from", "json", "-")
    assert result.err == "crucible-ir: -: standard input is empty\n"


def test_diff_has_a_line_for_each_mistake(folder: Path) -> None:
    (folder / "a.yaml").write_text("name: 1\nenabled: 2\n")
    (folder / "b.yaml").write_text("name: b\n")
    result = run("diff", "--type", "StageDef", "a.yaml", "b.yaml")
    assert result.status == 2
    assert [line.rpartition(": ")[0] for line in result.err.splitlines()] == [
        "crucible-ir: a.yaml:1:7: name",
        "crucible-ir: a.yaml:2:10: enabled",
    ]


@pytest.mark.parametrize("extension", ["txtpb", "binpb"])
def test_an_empty_file_can_be_a_message_without_fields(folder: Path, extension: str) -> None:
    (folder / f"a.{extension}").write_bytes(b"")
    assert run("validate", "--type", "GenerationOptions", f"a.{extension}").status == 0
