"""Versions of the schema are found in their various locations; invalid ones are errors."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from effort import examples
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from hypothesis import given, settings
from hypothesis import strategies as st
from schema_changes.mutations import current, current_files

from crucible_ir.linting import LINTS
from crucible_ir.schema.comments import descriptor_set
from crucible_ir.schema.rules import rules_of
from crucible_ir.schema_changes import SchemaError, SchemaVersion, compare, find_schema
from crucible_ir.schema_changes.versions import RewrittenRule

WHEEL = "crucible_ir-0.9.0-py3-none-any.whl"
IN_WHEEL = "crucible_ir/schema/descriptors.binpb"


def wheel(path: Path, name: str = IN_WHEEL, content: bytes | None = None) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, descriptor_set() if content is None else content)
    return path


def test_installed_has_the_schema_and_the_lints_of_this_package() -> None:
    found = find_schema("installed")
    assert found.files == FileDescriptorSet.FromString(descriptor_set())
    assert found.lints is not None
    assert set(found.lints) == set(LINTS)


def test_a_descriptor_set_is_read_with_its_recorded_lints(tmp_path: Path) -> None:
    (tmp_path / "a.binpb").write_bytes(descriptor_set())
    alone = find_schema(str(tmp_path / "a.binpb"))
    assert alone.lints is None
    (tmp_path / "a.lints.json").write_text("[]")
    assert find_schema(str(tmp_path / "a.binpb")).lints == {}
    assert compare(alone, find_schema("installed")) == []


def test_a_descriptor_set_is_read_with_its_rewritten_rules(tmp_path: Path) -> None:
    (tmp_path / "a.binpb").write_bytes(descriptor_set())
    assert find_schema(str(tmp_path / "a.binpb")).rewritten_rules == ()
    rule = {"place": "a.B", "rule_id": "b.c", "expression": "true", "release": "1.2.0"}
    records = tmp_path / "a.rewritten_rules.json"
    records.write_text(json.dumps([rule]))
    assert find_schema(str(tmp_path / "a.binpb")).rewritten_rules == (RewrittenRule(**rule),)
    for text in ("[{}]", '[{"place": 1}]', "{", "1", "[" * 100_000):
        records.write_text(text)
        with pytest.raises(SchemaError, match="is not a list of rewritten rules"):
            find_schema(str(tmp_path / "a.binpb"))


def test_the_schema_is_read_from_a_wheel(tmp_path: Path) -> None:
    found = find_schema(str(wheel(tmp_path / WHEEL)))
    assert compare(found, find_schema("installed")) == []


@pytest.mark.parametrize("number", ["0.9.0", "v0.9.0"])
def test_a_version_number_is_found_among_releases(tmp_path: Path, number: str) -> None:
    with pytest.raises(SchemaError, match="pass the folder of releases with --releases FOLDER"):
        find_schema(number)
    with pytest.raises(SchemaError, match=r"no release 0\.9\.0; the folder has no releases"):
        find_schema(number, tmp_path)
    wheel(tmp_path / WHEEL)
    assert find_schema(number, tmp_path).name == str(tmp_path / WHEEL)
    (tmp_path / "crucible_ir-0.9.0.binpb").write_bytes(descriptor_set())
    assert find_schema(number, tmp_path).name.endswith("crucible_ir-0.9.0.binpb")
    with pytest.raises(SchemaError, match=r"no release 1\.0; available: 0\.9\.0"):
        find_schema("1.0", tmp_path)
    with pytest.raises(SchemaError, match="no such folder"):
        find_schema(number, tmp_path / WHEEL)


def test_a_file_named_like_a_version_number_takes_precedence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("0.9.0").write_bytes(descriptor_set())
    assert find_schema("0.9.0").name == "0.9.0"


def without_imports() -> bytes:
    files = FileDescriptorSet()
    files.file.extend(f for f in current_files().file if f.package == "crucible_ir.v1")
    return files.SerializeToString()


def with_a_duplicate() -> bytes:
    files = FileDescriptorSet()
    files.CopyFrom(current_files())
    files.file.add(name="crucible_ir/v1/twice.proto", package="crucible_ir.v1").message_type.add(
        name="Experiment"
    )
    return files.SerializeToString()


def with_a_map_without_values() -> bytes:
    files = FileDescriptorSet()
    files.CopyFrom(current_files())
    for file in files.file:
        for message in file.message_type:
            for nested in message.nested_type:
                if nested.options.map_entry:
                    nested.field[1].name = "other"
    return files.SerializeToString()


def with_an_import_cycle() -> bytes:
    files = FileDescriptorSet()
    files.file.add(name="a.proto", package="crucible_ir.v1", dependency=["b.proto"])
    files.file.add(name="b.proto", package="crucible_ir.v1", dependency=["a.proto"])
    return files.SerializeToString()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\xff\xff", "is not a binary FileDescriptorSet"),
        (b"", "contains no file of a package crucible_ir"),
        (b"\n\x03\n\x01x", "contains no file"),
        (b"\n\x06\n\x01\xff\x12\x01\xff", "is not UTF-8"),
        (without_imports(), "which is missing; create the descriptor set with `buf build`"),
        (with_a_duplicate(), "duplicate symbol"),
        (with_an_import_cycle(), "its files have an import cycle"),
        (with_a_map_without_values(), "has a map without a key or value"),
    ],
    ids=[
        "not protobuf",
        "empty",
        "another schema",
        "not UTF-8",
        "no imports",
        "a duplicate",
        "an import cycle",
        "a map without values",
    ],
)
def test_an_invalid_version_of_the_schema_is_an_error_with_the_reason(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    (tmp_path / "x.binpb").write_bytes(content)
    with pytest.raises(SchemaError, match=reason) as caught:
        find_schema(str(tmp_path / "x.binpb"))
    assert str(caught.value).startswith(str(tmp_path / "x.binpb"))


def test_folders_missing_files_and_damaged_wheels_are_errors(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="is a folder; create a descriptor set"):
        find_schema(str(tmp_path))
    with pytest.raises(SchemaError, match="cannot be read: no such file or directory"):
        find_schema(str(tmp_path / "missing.binpb"))
    with pytest.raises(SchemaError, match="cannot be read: no such file or directory"):
        find_schema(str(tmp_path / "missing.whl"))
    (tmp_path / "bad.whl").write_bytes(b"PK no zip")
    with pytest.raises(SchemaError, match="not a wheel: "):
        find_schema(str(tmp_path / "bad.whl"))
    other = wheel(tmp_path / "other.whl", "other/data.binpb")
    with pytest.raises(SchemaError, match="not a wheel of crucible-ir"):
        find_schema(str(other))


def test_a_descriptor_set_beyond_the_limit_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crucible_ir.schema_changes.sources.MAX_BYTES", 1000)
    (tmp_path / "x.binpb").write_bytes(descriptor_set())
    for path in (tmp_path / "x.binpb", wheel(tmp_path / WHEEL)):
        with pytest.raises(SchemaError, match="exceeds the limit of 1000 bytes"):
            find_schema(str(path))


def test_files_may_be_in_any_order() -> None:
    files = FileDescriptorSet(file=list(reversed(current_files().file)))
    shuffled = SchemaVersion.parse("shuffled", files.SerializeToString())
    assert compare(shuffled, find_schema("installed")) == []


def test_a_json_name_must_be_utf_8() -> None:
    content = current_files().SerializeToString().replace(b"modelVersion", b"\x80odelVersion")
    with pytest.raises(SchemaError, match=r"a JSON name in crucible_ir\.v1\.\w+ is not UTF-8"):
        SchemaVersion.parse("damaged", content)


@settings(max_examples=examples(60))
@given(st.data())
def test_a_damaged_descriptor_set_is_compared_or_a_schema_error(
    data: st.DataObject,
) -> None:
    damaged = bytearray(current_files().SerializeToString())
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        read = SchemaVersion.parse("damaged", bytes(damaged))
        compare(current(), read)
        compare(read, current())
    except SchemaError as error:
        assert "damaged" in str(error) or "cannot be read" in str(error)
    finally:
        rules_of.cache_clear()
