"""`crucible-ir digest`: a line for each document, and checks against a list of such lines."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from cli.command_line import EXAMPLES, run

import crucible_ir as ir


def sha256(canonical: bytes) -> str:
    return f"sha256:{hashlib.sha256(canonical).hexdigest()}"


DIGEST = sha256(b'{"id":"m","provider":"MODEL_PROVIDER_LOCAL"}')


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    message = ir.v1.ModelRef(id="m", provider=ir.v1.ModelProvider.MODEL_PROVIDER_LOCAL)
    (tmp_path / "m.yaml").write_text("provider: MODEL_PROVIDER_LOCAL\nid: m\n")
    (tmp_path / "m.json").write_text('{"provider": 1, "id": "m"}')
    (tmp_path / "m.binpb").write_bytes(message.SerializeToString())
    return tmp_path


def test_the_digest_of_a_document_does_not_depend_on_its_format(folder: Path) -> None:
    result = run("digest", "--type", "ModelRef", "m.yaml", "m.json", "m.binpb")
    assert result.status == 0
    assert result.lines == [f"{DIGEST}  m.yaml", f"{DIGEST}  m.json", f"{DIGEST}  m.binpb"]


def test_standard_input_has_a_digest_too() -> None:
    result = run("digest", "--type", "ModelRef", "--from", "json", "-", stdin=b'{"id": "m"}')
    assert result.out == sha256(b'{"id":"m"}') + "  -\n"


def test_every_example_passes_the_check_of_its_list(folder: Path) -> None:
    documents = [path for path in EXAMPLES.iterdir() if path.suffix in (".yaml", ".json")]
    listed = run("digest", *sorted(documents))
    assert listed.status == 0
    (folder / "list").write_text(listed.out)
    for checked in (
        run("digest", "--check", "list"),
        run("digest", "--check", "-", stdin=listed.data),
    ):
        assert checked.status == 0
        assert checked.lines == [f"{path}: ok" for path in sorted(documents)]


def test_a_changed_document_is_reported(folder: Path) -> None:
    (folder / "list").write_text(f"{DIGEST}  m.yaml\n{DIGEST}  m.json\r\n\n")
    (folder / "m.json").write_text('{"id": "other", "provider": 1}')
    result = run("digest", "--check", "list", "--type", "ModelRef")
    assert (result.status, result.lines) == (1, ["m.yaml: ok", "m.json: differs"])


def test_a_missing_or_broken_document_does_not_stop_the_others(folder: Path) -> None:
    names = ["gone.yaml", "broken.json", "m.yaml"]
    (folder / "list").write_text("".join(f"{DIGEST}  {name}\n" for name in names))
    (folder / "broken.json").write_text('{"id": ')
    result = run("digest", "--check", "list", "--type", "ModelRef")
    assert result.status == 2
    assert result.lines == ["gone.yaml: unreadable", "broken.json: has no digest", "m.yaml: ok"]
    assert result.err.splitlines() == [
        "crucible-ir: gone.yaml: cannot be read: no such file or directory",
        "crucible-ir: broken.json:1:8: not JSON: expecting value",
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "list: the list has no digests"),
        (f"{DIGEST} m.yaml\n", "list:1: expected a digest, two spaces and a name"),
        (f"{DIGEST}  m.yaml\nmd5:00  m.json\n", "list:2: expected a digest, two spaces and a name"),
    ],
)
def test_an_invalid_list_is_rejected(folder: Path, text: str, reason: str) -> None:
    (folder / "list").write_text(text)
    result = run("digest", "--check", "list")
    assert (result.status, result.out, result.err) == (2, "", f"crucible-ir: {reason}\n")


def test_a_missing_list_is_rejected() -> None:
    result = run("digest", "--check", "list")
    assert result.status == 2
    assert result.err == "crucible-ir: list: cannot be read: no such file or directory\n"


def test_a_document_without_a_digest_is_invalid_and_the_others_are_printed(folder: Path) -> None:
    newer = ir.v1.ModelRef.FromString(b"\xf8\x07\x01")
    (folder / "newer.binpb").write_bytes(newer.SerializeToString())
    result = run("digest", "--type", "ModelRef", "newer.binpb", "m.yaml", "none.yaml")
    assert (result.status, result.lines) == (2, [f"{DIGEST}  m.yaml"])
    assert result.err.splitlines() == [
        "crucible-ir: newer.binpb: unknown field 127, which a newer schema may have, would be left"
        " out of the digest; allow_unknown_fields permits that",
        "crucible-ir: none.yaml: cannot be read: no such file or directory",
    ]
    assert run("digest", "--type", "ModelRef", "newer.binpb").status == 1
    allowed = run("digest", "--type", "ModelRef", "--allow-unknown-fields", "newer.binpb")
    assert allowed.out == sha256(b"{}") + "  newer.binpb\n"


@pytest.mark.parametrize("arguments", [(), ("--check", "list", "m.yaml")])
def test_documents_or_a_list_are_required(arguments: tuple[str, ...]) -> None:
    result = run("digest", *arguments)
    assert result.status == 2
    assert "give documents, or --check and a list of digests" in result.err
