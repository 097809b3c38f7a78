"""Records and files with unknown fields that only protobuf's Python library accepts."""

from __future__ import annotations

from pathlib import Path

from cli.command_line import run

#: A ModelVersion, and the same with the field number 0 in an unknown group.
GOOD = bytes.fromhex("0a01611201621a05312e302e30")
BAD = GOOD + bytes.fromhex("eb030000ec03")


def test_convert_skips_the_record(folder: Path) -> None:
    (folder / "in.binpbs").write_bytes(bytes([len(BAD)]) + BAD + bytes([len(GOOD)]) + GOOD)
    command = ["convert", "in.binpbs", "out.jsonl", "--type", "ModelVersion"]
    result = run(*command)
    assert result.status == 1
    assert "in.binpbs:record 0: " in result.err
    assert "invalid field number 0 at byte 15" in result.err
    result = run(*command, "--skip-bad")
    assert result.status == 1
    assert "skipped 1 of 2 records" in result.err
    assert len((folder / "out.jsonl").read_text().splitlines()) == 1


def test_validate_reports_the_file(folder: Path) -> None:
    (folder / "bad.binpb").write_bytes(BAD)
    result = run("validate", "bad.binpb", "--type", "ModelVersion")
    assert result.status == 1
    assert "invalid field number 0 at byte 15" in result.out + result.err
