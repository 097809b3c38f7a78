"""Keeping a release, and holding the schema to the releases that are kept."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from schema_changes.mutations import current_files, edit_rules, field_of

import check_breaking
import keep_release
from crucible_ir.schema.comments import descriptor_set
from crucible_ir.schema_changes import SchemaVersion, compare, find_schema
from crucible_ir.schema_changes.sources import installed_lints, lints_file
from release_documents import ReleasedDocument, documents, documents_file, write_documents

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
KEPT = sorted((ROOT / "tests" / "compat").glob("*.binpb"))


def with_a_narrower_range() -> bytes:
    files = FileDescriptorSet()
    files.CopyFrom(current_files())
    field = field_of(files, "TrainingConfig.epochs")
    edit_rules(field, lambda rules: setattr(rules.int32, "gt", -1))
    return files.SerializeToString()


def test_a_release_is_its_schema_its_lints_and_its_documents(tmp_path: Path) -> None:
    image = tmp_path / "compat" / "crucible_ir-1.0.0.binpb"
    assert keep_release.keep(image) == [image, lints_file(image), documents_file(image)]
    assert image.read_bytes() == descriptor_set()
    assert compare(find_schema(str(image)), find_schema("installed")) == []
    assert documents_file(image).read_text(encoding="ascii") == write_documents()


def test_a_release_never_changes(tmp_path: Path) -> None:
    image = tmp_path / "crucible_ir-1.0.0.binpb"
    keep_release.keep(image)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(keep_release.ReleaseError, match="a release does not change"):
        keep_release.keep(image)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_what_a_release_lacks_is_added_while_the_schema_is_still_its_own(tmp_path: Path) -> None:
    image = tmp_path / "crucible_ir-1.0.0.binpb"
    keep_release.keep(image)
    lints_file(image).unlink()
    assert keep_release.keep(image) == [lints_file(image)]
    lints_file(image).unlink()
    image.write_bytes(with_a_narrower_range())
    with pytest.raises(keep_release.ReleaseError, match=r"epochs.*so raise the version"):
        keep_release.keep(image)
    assert not lints_file(image).exists()


def test_the_documents_are_the_same_whenever_they_are_written() -> None:
    assert write_documents() == write_documents()


def test_no_two_documents_of_a_type_are_equal_and_each_has_a_name() -> None:
    written = list(documents())
    assert len({(each.type, each.binary) for each in written}) == len(written)
    assert len({(each.type, each.name) for each in written}) == len(written)
    assert all(isinstance(each, ReleasedDocument) for each in written)


def test_the_protos_keep_the_promises_to_every_release(capfd: pytest.CaptureFixture[str]) -> None:
    if not (ROOT / "third_party" / "buf" / "validate" / "validate.proto").is_file():
        # `make breaking` fetches it; here the generated descriptors stand in for the protos.
        for image in KEPT:
            changes = compare(find_schema(str(image)), find_schema("installed"))
            assert not any(change.is_breaking for change in changes)
        return
    assert check_breaking.main() == check_breaking.GOOD
    printed = capfd.readouterr().out
    for image in KEPT:
        assert f"$ buf breaking proto --against {image.relative_to(ROOT)}" in printed


def test_a_broken_promise_and_a_check_that_cannot_run_have_a_status_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(check_breaking, "ROOT", tmp_path)
    image = tmp_path / "crucible_ir-1.0.0.binpb"
    image.write_bytes(descriptor_set())
    current = SchemaVersion.parse("proto", descriptor_set(), installed_lints())
    assert check_breaking.by_us(image, current) == check_breaking.GOOD
    image.write_bytes(with_a_narrower_range())
    assert check_breaking.by_us(image, current) == check_breaking.BREAKING
    assert "rule tightened" in capsys.readouterr().out
    monkeypatch.setattr(check_breaking, "RELEASES", tmp_path / "none")
    assert check_breaking.main() == check_breaking.COULD_NOT_RUN
    assert "there is no release in" in capsys.readouterr().err


def test_no_compiled_protos_is_a_check_that_cannot_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(KEPT[0], tmp_path)
    monkeypatch.setattr(check_breaking, "ROOT", tmp_path)
    monkeypatch.setattr(check_breaking, "RELEASES", tmp_path)
    assert check_breaking.main() == check_breaking.COULD_NOT_RUN
