"""Pipes, sockets, devices and loops of links: skipped in a folder, and read within limits."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from cli.command_line import Result, run

STAGE = "name: embed\nmodule: m\nenabled: true\n"


def run_within_a_minute(*arguments: str, stdin: bytes = b"") -> Result:
    """Run the program in a process of its own, which is ended if it hangs."""
    done = subprocess.run(
        [sys.executable, "-m", "crucible_ir", *arguments],
        input=stdin,
        capture_output=True,
        check=False,
        timeout=60,
    )
    return Result(done.returncode, done.stdout.decode(), done.stderr.decode(), done.stdout)


@pytest.fixture
def documents(folder: Path) -> Path:
    """A folder with one document, and what is not a regular file beside it."""
    (folder / "docs" / "inner").mkdir(parents=True)
    (folder / "docs" / "a.yaml").write_text(STAGE)
    os.mkfifo("docs/pipe.yaml")
    os.mkfifo("docs/inner/pipe.jsonl")
    os.mkfifo("docs/pipe.txt")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("docs/socket.json")
    os.symlink("/dev/zero", "docs/zero.binpb")
    os.symlink("loop.json", "docs/loop.json")
    os.symlink(".", "docs/inner/self")
    os.symlink("..", "docs/inner/up")
    return folder


SKIPPED = {
    "docs/inner/pipe.jsonl: skipped: a named pipe",
    "docs/loop.json: skipped: a loop of symbolic links",
    "docs/pipe.yaml: skipped: a named pipe",
    "docs/socket.json: skipped: a socket",
    "docs/zero.binpb: skipped: a device",
}


def skipped(result: Result) -> set[str]:
    return {line.removeprefix("crucible-ir: ") for line in result.err.splitlines()}


@pytest.mark.parametrize(
    "command",
    [
        ("validate",),
        ("validate", "--jobs", "2"),
        ("lint",),
        ("show",),
        ("digest",),
        ("convert", "--out-dir", "out", "--to", "json"),
    ],
    ids=" ".join,
)
def test_what_is_no_regular_file_is_skipped_in_a_folder_with_a_line(
    documents: Path, command: tuple[str, ...]
) -> None:
    result = run_within_a_minute(*command, "--type", "StageDef", "docs")
    assert result.status == 0, result
    assert skipped(result) == SKIPPED


def test_publish_skips_them_too(documents: Path) -> None:
    # Nothing listens there: the files are found before the call.
    result = run_within_a_minute("publish", "--server", "127.0.0.1:1", "--timeout", "1", "docs")
    assert skipped(result) >= SKIPPED


@pytest.mark.parametrize("pattern", ["docs/*", "docs/*.*", "./docs/*.[jyb]*"])
def test_a_pattern_skips_them_like_a_folder(documents: Path, pattern: str) -> None:
    (documents / "docs" / "pipe.txt").unlink()
    result = run_within_a_minute("validate", "--type", "StageDef", pattern)
    assert result.status == 0
    assert {line.removeprefix("./") for line in skipped(result)} <= SKIPPED
    assert result.out.count("valid StageDef") == 1


def test_a_pattern_of_folders_ends_where_links_form_loops(documents: Path) -> None:
    # Two links to a folder above make 2^40 paths before the system gives up.
    result = run_within_a_minute("validate", "--type", "StageDef", "docs/**/*.yaml", "**/a.yaml")
    assert result.status == 0
    assert result.out.count("valid StageDef") == 1
    assert skipped(result) == {"docs/pipe.yaml: skipped: a named pipe"}


def test_a_pattern_matches_folders_at_any_depth(folder: Path) -> None:
    for name in ("a.yaml", "x/a.yaml", "x/y/z/a.yaml", "x/.hidden/a.yaml", "w/y/a.yaml"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(STAGE)

    def found(*patterns: str) -> list[str]:
        result = run("validate", "--type", "StageDef", *patterns)
        return [line.partition(":")[0] for line in result.lines[:-1]]

    everything = ["a.yaml", "w/y/a.yaml", "x/a.yaml", "x/y/z/a.yaml"]
    assert found("**/*.yaml") == everything
    assert found("./**/a.yaml") == everything
    assert found("**") == everything
    assert found("x/**/a.yaml") == ["x/a.yaml", "x/y/z/a.yaml"]
    assert found("**/y/**/a.yaml") == ["w/y/a.yaml", "x/y/z/a.yaml"]
    assert found("?/**/*.yaml") == everything[1:]
    assert found(f"{folder}/**/z/*.yaml") == [f"{folder}/x/y/z/a.yaml"]


def test_a_link_without_a_target_is_an_error(folder: Path) -> None:
    (folder / "docs").mkdir()
    os.symlink("gone.json", "docs/a.json")
    result = run("validate", "docs")
    assert result.status == 2
    assert result.lines[0].startswith("docs/a.json: cannot be read: no such file or directory")


def test_a_pipe_that_is_named_is_read(folder: Path) -> None:
    os.mkfifo("pipe.yaml")
    reading = subprocess.Popen(
        [sys.executable, "-m", "crucible_ir", "validate", "pipe.yaml"],
        stdout=subprocess.PIPE,
        text=True,
    )
    (folder / "pipe.yaml").write_text(STAGE)
    out, _ = reading.communicate(timeout=60)
    assert out.startswith("pipe.yaml: valid StageDef")


@pytest.mark.parametrize("format_name", ["json", "crucible-json", "yaml", "text", "binary"])
def test_a_file_without_end_that_is_named_is_read_up_to_the_limit(format_name: str) -> None:
    arguments = ("validate", "--from", format_name, "--type", "StageDef", "--quiet", "/dev/zero")
    result = run_within_a_minute(*arguments, "--max-bytes", "1000")
    assert result.status == 2
    assert result.out == ("/dev/zero: has more than 1000 bytes; raise the limit with --max-bytes\n")


def test_a_stream_from_a_pipe_is_read_record_by_record(folder: Path) -> None:
    os.mkfifo("pipe.jsonl")
    reading = subprocess.Popen(
        [sys.executable, "-m", "crucible_ir", "digest", "--type", "StageDef", "pipe.jsonl"],
        stdout=subprocess.PIPE,
        text=True,
    )
    (folder / "pipe.jsonl").write_text('{"name": "a"}\n{"name": "b"}\n')
    out, _ = reading.communicate(timeout=60)
    assert [line.partition("  ")[2] for line in out.splitlines()] == [
        "pipe.jsonl:record 0",
        "pipe.jsonl:record 1",
    ]
