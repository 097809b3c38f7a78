"""A file that exists is replaced only with --force, by every command that writes files."""

from __future__ import annotations

import os
import shutil
import sys
import threading
from pathlib import Path

import pytest
from cli.command_line import EXAMPLES, run

from crucible_ir.cli.program import COMMANDS

EXECUTOR = ("--", sys.executable, "-m", "crucible_ir.conformance.executor")

#: Each command that writes a file: its arguments, and the file.
WRITERS: dict[str, tuple[tuple[str, ...], str]] = {
    "convert": (("convert", "run.json", "out.binpb"), "out.binpb"),
    "convert in place": (("convert", "run.json", "run.json"), "run.json"),
    "convert --output": (("convert", "run.json", "-o", "out.yaml"), "out.yaml"),
    "convert --out-dir": (("convert", "--out-dir", "d", "--to", "yaml", "run.json"), "d/run.yaml"),
    "convert a stream": (("convert", "events.jsonl", "out.binpbs"), "out.binpbs"),
    "convert a compressed stream": (("convert", "events.jsonl", "out.binpbs.gz"), "out.binpbs.gz"),
    "convert streams to a folder": (
        ("convert", "--out-dir", "d", "--to", "delimited", "events.jsonl"),
        "d/events.binpbs",
    ),
    "new": (("new", "StageDef", "-o", "out.yaml"), "out.yaml"),
    "diff": (
        ("diff", "--three-way", "run.json", "run.json", "run.json", "-o", "out.json"),
        "out.json",
    ),
    "schema": (("schema", "--export", "descriptor-set", "-o", "out.binpb"), "out.binpb"),
    "schema of a message": (
        ("schema", "StageDef", "--export", "json-schema", "-o", "out.json"),
        "out.json",
    ),
    "schema to a folder": (
        ("schema", "--export", "proto", "-o", "d"),
        "d/crucible_ir/v1/model.proto",
    ),
    "schemas to a folder": (
        ("schema", "--export", "json-schema", "-o", "d"),
        "d/StageDef.schema.json",
    ),
    "conformance --output": (
        ("conformance", "run", "--case", "wire/empty", "-o", "out.xml", *EXECUTOR),
        "out.xml",
    ),
    "conformance --save-binaries": (
        ("conformance", "run", "--case", "wire/empty", "--save-binaries", "out.binpbs", *EXECUTOR),
        "out.binpbs",
    ),
    "bundle create": (
        ("bundle", "create", "run.json", "-o", "out.crucible.zip"),
        "out.crucible.zip",
    ),
    "bundle open": (
        ("bundle", "open", "in.crucible.zip", "-o", "d"),
        "d/TrainingRun/run_001.json",
    ),
    "bundle open as a stream": (
        ("bundle", "open", "in.crucible.zip", "-o", "out.jsonl"),
        "out.jsonl",
    ),
    "plot": (("plot", "run.json", "-o", "out.html"), "out.html"),
    "plot to a folder": (("plot", "run.json", "-o", "d/"), "d/loss.svg"),
    # Nothing listens on port 1: only the check of the file comes before the call.
    "fetch": (("fetch", "StageDef", "s", "--server", "127.0.0.1:1", "-o", "out.yaml"), "out.yaml"),
    "export": (("export", "--server", "127.0.0.1:1", "-o", "out.jsonl"), "out.jsonl"),
}

CALLS = ("fetch", "export")


@pytest.fixture
def documents(folder: Path) -> Path:
    shutil.copy(EXAMPLES / "training_run.crucible.json", "run.crucible.json")
    run("convert", "run.crucible.json", "run.json")
    run("convert", EXAMPLES / "feedback_event.crucible.json", "events.jsonl")
    run("bundle", "create", "run.json", "-o", "in.crucible.zip")
    return folder


@pytest.mark.parametrize("name", WRITERS)
def test_a_file_that_exists_is_kept(documents: Path, name: str) -> None:
    arguments, output = WRITERS[name]
    target = documents / output
    target.parent.mkdir(parents=True, exist_ok=True)
    if output != "run.json":
        target.write_bytes(b"precious")
    before = target.read_bytes()
    files = sorted(documents.rglob("*"))
    result = run(*arguments)
    assert result.status == 2
    assert result.err == f"crucible-ir: {output} exists; replace it with --force\n"
    assert target.read_bytes() == before
    assert sorted(documents.rglob("*")) == files


@pytest.mark.parametrize("name", [name for name in WRITERS if name not in CALLS])
def test_force_replaces_it(documents: Path, name: str) -> None:
    arguments, output = WRITERS[name]
    target = documents / output
    target.parent.mkdir(parents=True, exist_ok=True)
    if output != "run.json":
        target.write_bytes(b"precious")
    # The options of conformance end at the executor.
    at = arguments.index("--") if "--" in arguments else len(arguments)
    result = run(*arguments[:at], "--force", *arguments[at:])
    assert result.status == 0, result.err
    assert target.read_bytes() != b"precious"


def test_every_command_with_an_output_has_force() -> None:
    for name in COMMANDS:
        for arguments in ([name], [name, "run"]) if name == "conformance" else ([name],):
            text = run(*arguments, "--help").out
            if "--output" in text or "--out-dir" in text:
                assert "--force" in text, arguments
                assert "Replace files that exist." in text


def test_several_files_that_exist_are_counted(documents: Path) -> None:
    command = ("convert", "--out-dir", "d", "--to", "yaml", "run.json", "b.json", "c.json")
    for name in ("b.json", "c.json"):
        shutil.copy("run.json", name)
    (documents / "d").mkdir()
    (documents / "d" / "c.yaml").write_text("precious")
    assert run(*command).err == "crucible-ir: d/c.yaml exists; replace it with --force\n"
    assert os.listdir("d") == ["c.yaml"]
    (documents / "d" / "b.yaml").write_text("precious")
    assert run(*command).err == (
        "crucible-ir: d/b.yaml and d/c.yaml exist; replace them with --force\n"
    )
    (documents / "d" / "run.yaml").write_text("precious")
    assert run(*command).err == (
        "crucible-ir: d/run.yaml and 2 other files exist; replace them with --force\n"
    )
    assert run(*command, "--force").status == 0


def test_a_link_to_a_file_counts_as_the_file(documents: Path) -> None:
    (documents / "kept.yaml").write_text("precious")
    os.symlink("kept.yaml", "link.yaml")
    assert run("convert", "run.json", "link.yaml").status == 2
    assert (documents / "kept.yaml").read_text() == "precious"
    assert run("convert", "--force", "run.json", "link.yaml").status == 0
    assert Path("link.yaml").is_symlink()
    assert "train" in (documents / "kept.yaml").read_text()


@pytest.mark.parametrize("target", ["-", "/dev/stdout", "/dev/null"])
def test_standard_output_and_devices_need_no_force(documents: Path, target: str) -> None:
    assert run("convert", "run.json", "--to", "yaml", "-o", target).status == 0


def test_a_pipe_needs_no_force(documents: Path) -> None:
    os.mkfifo("pipe.yaml")
    received: list[bytes] = []
    reader = threading.Thread(target=lambda: received.append(Path("pipe.yaml").read_bytes()))
    reader.start()
    assert run("convert", "run.json", "pipe.yaml").status == 0
    reader.join()
    assert b"train" in received[0]


def test_a_file_that_appears_during_the_conversion_is_kept(
    documents: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def appear(*_: object) -> int:
        (documents / "out.yaml").write_text("precious")
        return 0o644

    monkeypatch.setattr("crucible_ir.cli.files.outputs._umask", appear)
    result = run("convert", "run.json", "out.yaml")
    assert result.status == 2
    assert "out.yaml exists" in result.err
    assert (documents / "out.yaml").read_text() == "precious"
    assert [name for name in os.listdir() if name.endswith(".tmp")] == []
