"""`crucible-ir schema diff`: the report, its formats and its exit status."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from cli.command_line import ROOT, run
from click.shell_completion import CompletionItem, ShellComplete
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from schema_changes.mutations import current_files, edit_rules, field_of, message_of

import crucible_ir as ir
from crucible_ir.cli.commands.schema.schema_diff import command
from crucible_ir.cli.program import program
from crucible_ir.v1 import options_pb2

RELEASES = ROOT / "tests" / "compat"


def written(name: str, *, epochs: int = 0, field: bool = False, default: str = "1") -> str:
    """Write a descriptor set with the given differences from the schema, and return its name."""
    files = FileDescriptorSet()
    files.CopyFrom(current_files())
    declared = field_of(files, "TrainingConfig.epochs")
    edit_rules(declared, lambda rules: setattr(rules.int32, "gt", epochs))
    declared.options.Extensions[options_pb2.default] = default  # type: ignore[index]
    if field:
        added = message_of(files, "StageDef").field.add(name="needs", number=90, json_name="needs")
        added.label, added.type = added.LABEL_OPTIONAL, added.TYPE_STRING
    Path(name).write_bytes(files.SerializeToString())
    return name


def test_equal_versions_have_no_changes() -> None:
    result = run("schema", "diff", "installed", "installed")
    assert (result.status, result.err) == (0, "")
    assert result.lines == ["--- installed", "+++ installed", "no changes"]


def test_a_breaking_change_comes_first_with_old_new_and_promise() -> None:
    old, new = written("old.binpb"), written("new.binpb", epochs=2, field=True, default="3")
    result = run("schema", "diff", old, new)
    assert result.status == 1
    assert result.lines == [
        "--- old.binpb",
        "+++ new.binpb",
        "! crucible_ir.v1.TrainingConfig.epochs: default changed: 1 → 3",
        "    breaking, only in v2: an existing field's default added, changed or removed",
        "! crucible_ir.v1.TrainingConfig.epochs: rule tightened: must be greater than 0 [int32.gt]"
        " → must be greater than 2 [int32.gt]",
        "    breaking, only in v2: a narrower range",
        "~ crucible_ir.v1.StageDef.needs: field added: string",
        "    allowed in a minor release: a new field that is not required",
        "lints: not compared; the first version has no record of its lints",
        "3 changes: 2 breaking, only in v2; 1 allowed in a minor release",
    ]


def test_changes_of_a_minor_release_are_listed_with_status_0() -> None:
    result = run("schema", "diff", written("old.binpb"), written("new.binpb", field=True))
    assert result.status == 0
    assert "field added" in result.out


def test_json_has_every_change_with_the_release_that_may_make_it() -> None:
    old, new = written("old.binpb"), written("new.binpb", epochs=2, field=True)
    result = run("schema", "diff", "--format", "json", old, new)
    assert result.status == 1
    report = json.loads(result.out)
    assert (report["old"], report["new"], report["breaking"]) == (old, new, 1)
    assert report["lints_compared"] is False
    assert report["changes"][0] == {
        "kind": "rule_tightened",
        "package": "crucible_ir.v1",
        "place": "crucible_ir.v1.TrainingConfig.epochs",
        "old": "must be greater than 0 [int32.gt]",
        "new": "must be greater than 2 [int32.gt]",
        "release": "v2",
        "breaking": True,
        "promise": "a narrower range",
    }
    assert [change["release"] for change in report["changes"]] == ["v2", "minor release"]
    assert report["changes"][1]["old"] is None


def test_github_gets_an_error_for_a_breaking_change_and_a_notice_for_others() -> None:
    old, new = written("old.binpb"), written("new.binpb", epochs=2, field=True)
    result = run("schema", "diff", "--format", "github", old, new)
    assert [line.split(" ")[0] for line in result.lines] == ["::error", "::notice"]
    assert "title=rule tightened%3A crucible_ir.v1.TrainingConfig.epochs::" in result.lines[0]
    assert run("schema", "diff", "--format", "github", old, old).out == ""


def test_colour_is_for_terminals_unless_configured_otherwise() -> None:
    old, new = written("old.binpb"), written("new.binpb", epochs=2)
    assert "\x1b[" not in run("schema", "diff", old, new).out
    assert "\x1b[" in run("schema", "diff", "--color", "always", old, new).out


@pytest.mark.parametrize("release", sorted(path.stem for path in RELEASES.glob("*.binpb")))
def test_a_release_in_a_folder_is_compared_by_its_number(release: str) -> None:
    number = release.removeprefix("crucible_ir-")
    result = run("schema", "diff", number, "installed", "--releases", RELEASES)
    assert result.status == 0
    assert "lints: not compared" not in result.out


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["installed"], "Missing argument 'NEW'"),
        (["installed", "missing.binpb"], "missing.binpb: cannot be read: no such file"),
        (["installed", "."], ".: is a folder; create a descriptor set"),
        (["9.9.9", "installed"], "pass the folder of releases with --releases FOLDER"),
        (["instaled", "installed"], "instaled: cannot be read: no such file or directory"),
        (["installed", "installed", "--format", "sarif"], "'sarif' is not one of"),
        (["-", "-"], "only one version can come from standard input"),
        (["installed", "-"], "standard input: contains no file of a package"),
        (["a", "b", "c"], "Got unexpected extra argument (c)"),
    ],
)
def test_versions_that_cannot_be_compared_give_one_line(arguments: list[str], reason: str) -> None:
    result = run("schema", "diff", *arguments)
    assert result.status == 2
    assert reason in result.err
    assert "Traceback" not in result.err


def test_a_schema_with_invalid_rules_is_rejected() -> None:
    files = FileDescriptorSet()
    files.CopyFrom(current_files())
    message = message_of(files, "StageDef")
    edit_rules(message, lambda rules: rules.cel.add(id="x", expression="this is no CEL"), "message")
    added = message.field.add(name="needs", number=90, json_name="needs")
    added.label, added.type = added.LABEL_OPTIONAL, added.TYPE_STRING
    Path("new.binpb").write_bytes(files.SerializeToString())
    result = run("schema", "diff", "installed", "new.binpb")
    assert result.status == 2
    assert "new.binpb: crucible_ir.v1.StageDef could not be validated" in result.err


def test_messages_are_still_described_and_none_is_named_diff() -> None:
    assert run("schema", "StageDef").lines[0].startswith("crucible_ir.v1.StageDef")
    assert "diff" not in {name.lower() for name in ir.MESSAGE_TYPES}


def test_the_help_has_examples_and_schema_points_to_it() -> None:
    text = run("schema", "diff", "--help").out
    assert text.startswith("Usage: crucible-ir schema diff [OPTIONS] OLD NEW")
    for word in ("Examples:", "installed", "--releases", "--format", "--color", "exit status"):
        assert word in text
    assert "schema diff --help" in " ".join(run("schema", "--help").out.split())


@pytest.mark.parametrize("line", [line for line, _ in command.examples])
def test_every_example_of_the_help_runs(folder: Path, line: str) -> None:
    (folder / "tests").symlink_to(ROOT / "tests")
    (folder / "old").mkdir()
    for name in ("ir.binpb", "a.binpb", "b.binpb"):
        written(name)
    with zipfile.ZipFile("old/crucible_ir-0.2.0-py3-none-any.whl", "w") as wheel:
        wheel.write("ir.binpb", "crucible_ir/schema/descriptors.binpb")
    arguments, _, read = line.partition(" < ")
    stdin = Path(read).read_bytes() if read else b""
    result = run(*shlex.split(arguments)[1:], stdin=stdin)
    assert (result.status, result.err) == (0, "")
    assert result.out


def completions(*words: str) -> list[CompletionItem]:
    completer = ShellComplete(program, {}, "crucible-ir", "_CRUCIBLE_IR_COMPLETE")
    return completer.get_completions(list(words[:-1]), words[-1])


def test_the_subcommand_its_versions_and_its_options_are_completed() -> None:
    assert "diff" in [item.value for item in completions("schema", "di")]
    versions = completions("schema", "diff", "inst")
    assert [(item.value, item.type) for item in versions] == [
        ("installed", "plain"),
        ("inst", "file"),
    ]
    assert "--releases" in [item.value for item in completions("schema", "diff", "--re")]


def test_a_closed_pipe_gives_no_message() -> None:
    read, write = os.pipe()
    os.close(read)
    arguments = ["schema", "diff", "installed", "installed"]
    program = [sys.executable, "-m", "crucible_ir"]
    process = subprocess.run(
        [*program, *arguments], stdout=write, stderr=subprocess.PIPE, check=False
    )
    os.close(write)
    assert (process.returncode, process.stderr) == (141, b"")
