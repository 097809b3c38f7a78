"""`crucible-ir convert`: between all formats, complete files only, and no silent loss."""

from __future__ import annotations

import json
import os
import stat
from itertools import permutations
from pathlib import Path

import pytest
from cli.command_line import EXAMPLES, run
from google.protobuf import json_format, text_format

import crucible_ir as ir
from crucible_ir import v1

EXTENSIONS = (".json", ".crucible.json", ".yaml", ".txtpb", ".binpb")


def experiment() -> v1.Experiment:
    return ir.from_yaml((EXAMPLES / "experiment.yaml").read_bytes(), v1.Experiment)


@pytest.mark.parametrize(("origin", "target"), list(permutations(EXTENSIONS, 2)))
def test_every_format_is_converted_to_every_other_and_back(
    folder: Path, origin: str, target: str
) -> None:
    first = run("convert", EXAMPLES / "experiment.yaml", f"a{origin}")
    there = run("convert", "--type", "Experiment", f"a{origin}", f"b{target}")
    back = run("convert", "--type", "Experiment", f"b{target}", "c.binpb")
    assert [first.status, there.status, back.status] == [0, 0, 0]
    assert [first.err, there.err, back.err] == ["", "", ""]
    assert v1.Experiment.FromString((folder / "c.binpb").read_bytes()) == experiment()


def test_google_reads_the_output(folder: Path) -> None:
    for name in ("e.json", "e.txtpb"):
        assert run("convert", EXAMPLES / "experiment.yaml", name).status == 0
    text = (folder / "e.txtpb").read_text(encoding="utf-8")
    assert text_format.Parse(text, v1.Experiment()) == experiment()
    text = (folder / "e.json").read_text(encoding="utf-8")
    assert json_format.Parse(text, v1.Experiment()) == experiment()


def test_to_sets_the_format_of_standard_output_which_ends_with_a_line_break() -> None:
    result = run("convert", "--to", "json", "--indent", 0, EXAMPLES / "model_version.json")
    assert result.status == 0
    assert result.out.count("\n") == 1
    assert json.loads(result.out)["modelId"] == "meta-llama/Llama-3.1-8B"


def test_binary_is_unchanged_from_standard_input_to_standard_output(folder: Path) -> None:
    written = run("convert", "--to", "binary", EXAMPLES / "prompt.yaml").data
    again = run(
        *("convert", "--from", "binary", "--to", "binary", "--type", "Prompt", "-"), stdin=written
    )
    assert again.data == written


def test_standard_output_without_a_format_is_an_error_that_lists_the_formats() -> None:
    result = run("convert", EXAMPLES / "prompt.yaml")
    assert result.status == 2
    assert "give --to json|crucible-json|yaml|text|binary" in result.err


def test_an_invalid_document_is_converted_only_with_no_validate(folder: Path) -> None:
    (folder / "out.json").write_text("before")
    write = ("--force", EXAMPLES / "broken_experiment.yaml", "out.json")
    result = run("convert", *write)
    assert result.status == 1
    assert "pipeline[1].name: must not be empty [required]" in result.err
    assert (folder / "out.json").read_text() == "before"
    assert run("convert", "--no-validate", *write).status == 0
    assert json.loads((folder / "out.json").read_text())["id"] == "broken"


def with_unknown_field() -> bytes:
    # Field 1000 with wire type 0 and value 5: the key is 1000 << 3, 8000, as the varint c0 3e.
    return v1.StageDef(name="embed").SerializeToString() + b"\xc0\x3e\x05"


def test_binary_keeps_the_fields_of_a_newer_schema_and_other_formats_warn(
    folder: Path,
) -> None:
    (folder / "s.binpb").write_bytes(with_unknown_field())
    kept = run("convert", "--type", "StageDef", "s.binpb", "copy.binpb")
    assert (kept.status, kept.err) == (0, "")
    assert (folder / "copy.binpb").read_bytes() == with_unknown_field()
    for format_name in ("json", "crucible-json", "yaml", "text"):
        result = run("convert", "--type", "StageDef", "--to", format_name, "s.binpb")
        assert result.status == 0
        assert result.err == (
            "crucible-ir: s.binpb: warning: StageDef: unknown field 1000 (a newer schema's)"
            " would be lost\n"
        )


def test_strict_writes_nothing_if_the_format_loses_fields(folder: Path) -> None:
    (folder / "s.binpb").write_bytes(with_unknown_field())
    result = run("convert", "--strict", "--type", "StageDef", "s.binpb", "s.json")
    assert result.status == 1
    assert "unknown field 1000" in result.err
    assert not (folder / "s.json").exists()


def test_a_field_that_crucible_json_changes_is_named(folder: Path) -> None:
    # Crucible JSON has one key for both members: "adam" is read back as the enum value.
    config = v1.TrainingConfig(
        id="t",
        model_ref=v1.ModelRef(id="m"),
        dataset_ref=v1.DatasetRef(name="d"),
        custom_optimizer="adam",
    )
    (folder / "t.json").write_text(ir.to_json(config))
    result = run("convert", "--strict", "t.json", "t.crucible.json")
    assert result.status == 1
    assert "optimizer changes" in result.err
    assert run("convert", "--strict", "t.json", "t.yaml").status == 0


def test_a_value_that_a_format_cannot_write_is_an_error_with_the_field(folder: Path) -> None:
    run_ = v1.Hedging(options={"x": float("nan")})
    (folder / "h.binpb").write_bytes(run_.SerializeToString())
    result = run("convert", "--type", "Hedging", "h.binpb", "h.json")
    assert result.status == 1
    assert result.err.startswith("crucible-ir: h.binpb: options")
    assert not (folder / "h.json").exists()


def test_many_documents_are_written_to_a_folder_with_their_own_names(folder: Path) -> None:
    result = run(
        *("convert", "--out-dir", "out", "--to", "crucible-json"),
        *(EXAMPLES / "model.yaml", EXAMPLES / "capabilities.json", EXAMPLES / "training_run.*"),
    )
    assert (result.status, result.err) == (0, "")
    assert sorted(path.name for path in (folder / "out").iterdir()) == [
        "capabilities.crucible.json",
        "model.crucible.json",
        "training_run.crucible.json",
    ]


def test_two_documents_with_the_same_output_file_are_rejected(folder: Path) -> None:
    for name in ("a.yaml", "b/a.json"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text('{"name": "d", "split": "DATASET_SPLIT_TEST"}')
    result = run("convert", "--out-dir", "out", "--to", "text", "a.yaml", "b/a.json")
    assert result.status == 2
    assert "a.yaml and b/a.json would both be written to out/a.txtpb" in result.err
    assert not (folder / "out").exists()


def test_one_bad_document_does_not_stop_the_others(folder: Path) -> None:
    (folder / "a.json").write_text("{")
    (folder / "b.json").write_text('{"name": "d", "split": "DATASET_SPLIT_TEST"}')
    result = run("convert", "--out-dir", "out", "--to", "text", "a.json", "b.json", "c.json")
    assert result.status == 2
    assert [path.name for path in (folder / "out").iterdir()] == ["b.txtpb"]
    assert [line.split(":")[1].strip() for line in result.err.splitlines()] == ["a.json", "c.json"]


def test_a_file_keeps_its_permissions_and_a_new_one_has_the_default(
    folder: Path,
) -> None:
    os.umask(mask := os.umask(0o077) or 0o022)
    run("convert", EXAMPLES / "model.yaml", "new.json")
    assert stat.S_IMODE((folder / "new.json").stat().st_mode) == 0o666 & ~mask
    (folder / "new.json").chmod(0o640)
    run("convert", "--force", EXAMPLES / "model.yaml", "new.json")
    assert stat.S_IMODE((folder / "new.json").stat().st_mode) == 0o640
    assert [path.name for path in folder.iterdir()] == ["new.json"]


def test_a_link_still_points_to_the_file_after_writing(folder: Path) -> None:
    (folder / "real.json").write_text("before")
    (folder / "link.json").symlink_to("real.json")
    assert run("convert", "--force", EXAMPLES / "model.yaml", "link.json").status == 0
    assert (folder / "link.json").is_symlink()
    assert json.loads((folder / "real.json").read_text())["name"] == "Llama 3.1 8B"


def test_an_output_that_cannot_be_written_is_named(folder: Path) -> None:
    result = run("convert", EXAMPLES / "model.yaml", "no/such/folder.json")
    assert result.status == 2
    assert result.err == (
        "crucible-ir: no/such/folder.json: cannot be written: no such file or directory\n"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("a.json", "b.json", "c.json"),
        ("a.json", "b.json", "-o", "c.json"),
        ("--out-dir", "x", "a.json"),
        ("--out-dir", "x", "--to", "json", "-o", "y", "a.json"),
        ("a.json", "b.unknown"),
        (".", "b.json"),
    ],
)
def test_arguments_that_exclude_each_other_are_rejected(
    folder: Path, arguments: tuple[str, ...]
) -> None:
    (folder / "a.json").write_text("{}")
    (folder / "b.json").write_text("{}")
    assert run("convert", *arguments).status == 2
    assert (folder / "b.json").read_text() == "{}"


def test_yaml_is_written_with_short_names_or_with_those_of_protojson(folder: Path) -> None:
    (folder / "d.json").write_text('{"name": "d", "provider": "DATASET_PROVIDER_HUGGINGFACE"}')
    convert = ("convert", "--type", "DatasetRef", "--to", "yaml", "d.json")
    assert run(*convert).out == "name: d\nprovider: huggingface\n"
    assert run(*convert, "--names", "short").out == "name: d\nprovider: huggingface\n"
    full = "name: d\nprovider: DATASET_PROVIDER_HUGGINGFACE\n"
    assert run(*convert, "--names", "proto").out == full
    run(*convert, "--names", "proto", "--out-dir", "out")
    assert (folder / "out" / "d.yaml").read_text() == full
    result = run("convert", "--names", "proto", "d.json", "d.binpb")
    assert result.status == 2
    assert "--names is for YAML, not for binary" in result.err


def test_for_rejects_what_the_readers_of_a_release_reject(folder: Path) -> None:
    (folder / "e.json").write_text('{"id": "e", "comment": "good", "traceId": "t"}')
    convert = ("convert", "--type", "FeedbackEvent", "--for", "0.2.0", "e.json")
    for name in ("o.json", "o.yaml", "o.txtpb", "o.crucible.json", "o.jsonl"):
        result = run(*convert, name)
        assert result.status == 1
        reason = "the field comment is new in 0.3.0, and 0.2.0 does not read it, and 1 more"
        assert f"comment: {reason}" in result.err
        assert not (folder / name).exists()


def test_for_warns_about_fields_that_old_readers_of_binary_do_not_see(folder: Path) -> None:
    (folder / "e.json").write_text('{"id": "e", "comment": "good"}')
    convert = ("convert", "--type", "FeedbackEvent", "--for", "0.2.0", "e.json")
    for name in ("o.binpb", "o.binpbs"):
        result = run(*convert, name)
        assert result.status == 0
        reason = "the field comment is new in 0.3.0; 0.2.0 keeps it as an unknown field"
        assert f"comment: {reason}" in result.err.partition("warning: ")[2]
        assert (folder / name).exists()
        strict = run(*convert, name, "--force", "--strict")
        assert strict.status == 1
        # Nothing is lost: 0.2.0 keeps the field.
        assert strict.err.endswith("not written, since --strict is given\n")


def test_for_counts_the_records_of_a_binary_stream_with_new_fields(folder: Path) -> None:
    (folder / "e.jsonl").write_text('{"id": "e", "comment": "good"}\n' * 7 + '{"id": "e"}\n')
    result = run("convert", "--type", "FeedbackEvent", "--for", "0.2.0", "e.jsonl", "o.binpbs")
    assert result.err.count("warning: e.jsonl:record") == 5
    assert result.err.endswith("warning: e.jsonl: 7 records in total have new fields\n")


def test_for_rejects_binary_that_a_release_cannot_accept(folder: Path) -> None:
    (folder / "m.json").write_text('{"role": "MESSAGE_ROLE_ASSISTANT"}')
    result = run("convert", "--type", "Message", "--for", "0.2.0", "m.json", "m.binpb")
    assert result.status == 1
    assert "a message without content is new in 0.3.0" in result.err


def test_for_skips_records_that_a_release_does_not_read(folder: Path) -> None:
    (folder / "e.jsonl").write_text('{"id": "a", "comment": "x"}\n{"id": "b"}\n')
    convert = ("convert", "--type", "FeedbackEvent", "--for", "0.2.0", "--skip-bad", "e.jsonl")
    assert run(*convert, "old.jsonl").status == 1
    assert (folder / "old.jsonl").read_text() == '{"id":"b"}\n'


def test_the_offset_of_a_record_that_is_not_written_is_that_of_its_first_byte(folder: Path) -> None:
    lines = ['{"id": "a"}\n', '{"id": "b", "comment": "x"}\n', '{"id": ""}\n', '{"comment": "y"}\n']
    (folder / "e.jsonl").write_text("".join(lines))
    convert = ("convert", "--type", "FeedbackEvent", "--for", "0.2.0", "--no-validate", "e.jsonl")
    assert run(*convert, "o.jsonl").err.endswith(f"(record at byte {len(lines[0])})\n")
    (folder / "e.jsonl").write_text(lines[0] + lines[2] + lines[1])
    convert = ("convert", "--type", "FeedbackEvent", "--for", "0.2.0", "--skip-bad", "e.jsonl")
    assert f"the record at byte {len(lines[0] + lines[2])} " in run(*convert, "o.jsonl").err


def test_for_writes_yaml_that_the_release_reads(folder: Path) -> None:
    (folder / "d.json").write_text('{"name": "mmlu", "split": "DATASET_SPLIT_TEST"}')
    convert = ("convert", "--type", "DatasetRef", "d.json", "--to", "yaml")
    assert "split: test" in run(*convert).out
    assert "split: DATASET_SPLIT_TEST" in run(*convert, "--for", "0.2.0").out
    assert run(*convert, "--for", "0.2.0", "--names", "short").status == 2
