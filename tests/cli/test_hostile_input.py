"""Hostile input: one clear line, the right exit status, and no traceback."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cli.command_line import EXAMPLES, Result, run

from crucible_ir import v1

TYPE = "TrainingConfig"
VALID = '{"id": "t", "modelRef": {"id": "m"}, "datasetRef": {"name": "d"}%s}'


def with_member(member: str) -> bytes:
    return (VALID % f", {member}").encode()


def nested(depth: int) -> str:
    return '{"a": ' * depth + "1" + "}" * depth


NOISE = random.Random(7).randbytes(5000)
BINARY = v1.TrainingConfig(
    id="t", model_ref=v1.ModelRef(id="m"), dataset_ref=v1.DatasetRef(name="d"), epochs=3
).SerializeToString()

#: Name, extension, content, exit status, and the text that the line must contain.
TABLE: list[tuple[str, str, bytes, int, str]] = [
    ("empty", "json", b"", 1, "the file is empty"),
    ("empty", "yaml", b"", 1, "the file is empty"),
    ("empty", "txtpb", b"", 1, "id: must not be empty"),
    ("empty", "binpb", b"", 1, "id: must not be empty"),
    ("truncated", "json", with_member('"epochs": 3')[:-5], 1, "not JSON"),
    ("truncated", "yaml", b'{"id": "t", "modelRef": {"id"', 1, "not YAML"),
    ("truncated", "txtpb", b'id: "t" model_ref {', 1, "[decode]"),
    ("truncated", "binpb", BINARY[:-1], 1, "truncated at byte"),
    ("random", "json", NOISE, 1, "is not UTF-8"),
    ("random", "crucible.json", NOISE, 1, "is not UTF-8"),
    ("random", "yaml", NOISE, 1, "is not UTF-8"),
    ("random", "txtpb", NOISE, 1, "is not UTF-8"),
    ("random", "binpb", NOISE, 1, "not a crucible_ir.v1.TrainingConfig"),
    ("bad UTF-8", "json", b'{"id": "\xff"}', 1, "byte 0xff is not UTF-8"),
    ("bad UTF-8", "yaml", b"id: \xc3\x28", 1, "byte 0xc3 is not UTF-8"),
    ("bad UTF-8", "txtpb", b'id: "\xf0\x28"', 1, "byte 0xf0 is not UTF-8"),
    ("bad UTF-8", "binpb", b"\x0a\x01\xff", 1, "is not UTF-8"),
    ("1000 deep", "json", with_member(f'"options": {nested(1000)}'), 1, "nested"),
    ("1000 deep", "crucible.json", nested(1000).encode(), 1, "[decode]"),
    ("1000 deep", "yaml", ("options: " + nested(1000)).encode(), 1, "nested deeper"),
    ("1000 deep", "txtpb", b"model_ref {" * 1000 + b"}" * 1000, 1, "[decode]"),
    ("100000 deep", "json", b"[" * 100_000, 1, "nested"),
    ("100000 deep", "yaml", b"[" * 100_000, 1, "nested"),
    ("wrong type", "json", with_member('"epochs": "many"'), 1, "epochs: "),
    ("wrong type", "json", b'["a", "list"]', 1, "expected an object"),
    ("wrong type", "yaml", b"just text", 1, "expected an object"),
    ("duplicate key", "json", with_member('"id": "again"'), 1, 'duplicate key "id"'),
    ("duplicate key", "crucible.json", b'{"id": "a", "id": "b"}', 1, 'duplicate key "id"'),
    ("duplicate key", "yaml", b"id: a\nid: b\n", 1, 'duplicate key "id"'),
    ("unknown key", "json", with_member('"epoch": 3'), 1, 'did you mean "epochs"?'),
    ("unknown key", "txtpb", b'id: "t" epoch: 3', 1, 'did you mean "epochs"?'),
    ("wrong enum", "json", with_member('"device": "DEVICE_GPU"'), 1, 'no value "DEVICE_GPU"'),
    ("wrong enum", "txtpb", b"device: DEVICE_GPU", 1, "DEVICE_GPU"),
    ("bare NaN", "json", with_member('"learningRate": NaN'), 1, "NaN without quotes"),
    ("NaN", "json", with_member('"learningRate": "NaN"'), 1, "[double."),
    (
        "NaN in an opaque map",
        "yaml",
        with_member('"options": {"x": .nan}'),
        1,
        "a number in opaque JSON must be finite",
    ),
    ("NUL bytes", "json", b'{"id": "t"\x00}', 1, "not JSON"),
    ("NUL bytes", "yaml", b"id: \x00t", 1, "not YAML"),
    ("NUL bytes", "txtpb", b"id: \x00", 1, "[decode]"),
    ("long number", "json", with_member('"seed": ' + "9" * 5000), 1, "too many digits"),
    ("huge exponent", "json", with_member('"learningRate": 1e999999999'), 1, "learningRate: "),
    ("large integer", "json", with_member('"options": {"n": 9007199254740993}'), 1, "2^53"),
    ("alias bomb", "yaml", b"", 1, "aliases expand to more than"),
    ("10 MB", "json", with_member('"options": {"x": "%s"}' % ("y" * 10_000_000)), 0, "valid"),
    ("10 MB", "json", b'{"id": "' + b"y" * 10_000_000, 1, "not JSON"),
    ("10 MB", "yaml", b"x" * 10_000_000, 1, "expected an object"),
    ("10 MB", "binpb", b"\x0a\x80\xad\xe2\x04" + b"y" * 10_000_000, 1, "[string.max_bytes]"),
]


def alias_bomb() -> bytes:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    for level in range(1, 10):
        aliases = ", ".join([f"*a{level - 1}"] * 10)
        lines.append(f"a{level}: &a{level} [{aliases}]")
    return "\n".join(lines).encode()


def is_clear(result: Result) -> None:
    text = result.out + result.err
    assert "Traceback" not in text
    assert "this is a bug" not in text
    assert all(len(line) < 1000 for line in result.err.splitlines())


@pytest.mark.parametrize(
    ("kind", "extension", "content", "status", "words"),
    [pytest.param(*row, id=f"{row[0]} {row[1]} {number}") for number, row in enumerate(TABLE)],
)
def test_a_hostile_document_gives_a_clear_line_and_its_status(
    folder: Path, kind: str, extension: str, content: bytes, status: int, words: str
) -> None:
    name = f"hostile.{extension}"
    (folder / name).write_bytes(alias_bomb() if kind == "alias bomb" else content)
    result = run("validate", "--type", TYPE, name)
    is_clear(result)
    assert result.status == status
    first = result.lines[0] if status == 0 else result.lines[1]
    assert words in result.out
    assert first.startswith(name)


COMMANDS: dict[str, Callable[[str], Result]] = {
    "validate without a type": lambda name: run("validate", name),
    "lint": lambda name: run("lint", "--type", TYPE, name),
    "show": lambda name: run("show", "--type", TYPE, name),
    "convert": lambda name: run("convert", "--type", TYPE, "--to", "yaml", name),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_has_a_traceback_for_a_hostile_document(folder: Path, command: str) -> None:
    for number, (kind, extension, content, status, _) in enumerate(TABLE):
        name = f"{number}.{extension}"
        (folder / name).write_bytes(alias_bomb() if kind == "alias bomb" else content)
        result = COMMANDS[command](name)
        is_clear(result)
        if command in ("show", "convert"):
            assert result.status == status, (kind, extension)
        if command == "convert" and status == 1:
            assert (result.out, result.err.split(":")[1]) == ("", f" {name}")
        os.unlink(name)


def cuts(data: bytes) -> Iterator[bytes]:
    for part in range(1, 40):
        yield data[: len(data) * part // 40]


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.*[nbl]")), ids=lambda path: path.name)
def test_a_truncated_example_is_invalid_or_still_valid(folder: Path, path: Path) -> None:
    for content in cuts(path.read_bytes()):
        (folder / path.name).write_bytes(content)
        result = run("validate", path.name)
        is_clear(result)
        assert result.status in (0, 1, 2)
        assert result.status == 0 or len(result.lines) >= 2


def test_unreadable_files_are_named_with_the_reason(folder: Path) -> None:
    (folder / "folder.json").mkdir()
    os.symlink("loop.json", "loop.json")
    os.symlink("gone.json", "dangling.json")
    for name, reason in (
        ("missing.json", "no such file or directory"),
        ("loop.json", "too many levels of symbolic links"),
        ("dangling.json", "no such file or directory"),
        ("x" * 300 + ".json", "file name too long"),
    ):
        result = run("validate", name)
        is_clear(result)
        assert result.status == 2
        assert result.lines[0].startswith(f"{name}: cannot be read: {reason}")
        assert run("show", name).err.startswith(f"crucible-ir: {name}: cannot be read: {reason}")
    assert run("validate", "folder.json").lines == ["0 documents: nothing to do"]
    result = run("convert", "folder.json", "--to", "yaml")
    assert result.status == 2
    assert "matches 0 files" in result.err


@pytest.fixture
def unprivileged(folder: Path) -> Iterator[None]:
    """Run as a user who is subject to permissions, unlike the superuser."""
    # That user may not be able to read the modules, so import them first.
    run("validate", EXAMPLES / "model.yaml")
    folder.chmod(0o755)
    (folder / "secret.json").write_text("{}")
    user = os.geteuid()
    if user == 0:
        os.chown("secret.json", 65534, -1)
        os.seteuid(65534)
    yield
    os.seteuid(user)


def test_a_file_without_read_permission_is_named(unprivileged: None) -> None:
    os.chmod("secret.json", 0)
    result = run("validate", "secret.json")
    assert (result.status, result.err) == (2, "")
    assert result.lines[0] == "secret.json: cannot be read: permission denied"


def test_an_endless_file_stops_at_the_limit() -> None:
    result = run("validate", "--from", "json", "--max-bytes", 1000, "/dev/zero")
    assert result.status == 2
    assert (
        result.lines[0] == "/dev/zero: has more than 1000 bytes; raise the limit with --max-bytes"
    )
