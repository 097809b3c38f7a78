"""Snapshots of releases, and checks of the schema against them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from schema_changes.mutations import current_files, edit_rules, field_of

import check_breaking
import snapshot_release
from crucible_ir.conformance.suites import read_suites, suite_folder
from crucible_ir.schema.comments import descriptor_set
from crucible_ir.schema_changes import SchemaVersion, compare, find_schema
from crucible_ir.schema_changes.sources import installed_lints, lints_file
from release_documents import ReleasedDocument, documents, documents_file, write_documents

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
RELEASES = sorted((ROOT / "tests" / "compat").glob("*.binpb"))


def with_a_narrower_range() -> bytes:
    files = FileDescriptorSet()
    files.CopyFrom(current_files())
    field = field_of(files, "TrainingConfig.epochs")
    edit_rules(field, lambda rules: setattr(rules.int32, "gt", -1))
    return files.SerializeToString()


def test_a_snapshot_has_the_schema_the_lints_the_documents_and_the_cases(tmp_path: Path) -> None:
    image = tmp_path / "compat" / "crucible_ir-1.0.0.binpb"
    others = [lints_file(image), documents_file(image), snapshot_release.suites_file(image)]
    assert snapshot_release.snapshot(image) == [image, *others]
    assert image.read_bytes() == descriptor_set()
    assert compare(find_schema(str(image)), find_schema("installed")) == []
    assert documents_file(image).read_text(encoding="ascii") == write_documents()
    assert read_suites(snapshot_release.suites_file(image)) == read_suites(suite_folder())


def test_a_snapshot_never_changes(tmp_path: Path) -> None:
    image = tmp_path / "crucible_ir-1.0.0.binpb"
    snapshot_release.snapshot(image)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(snapshot_release.ReleaseError, match="a release does not change"):
        snapshot_release.snapshot(image)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_missing_files_are_added_only_if_the_schema_is_that_of_the_release(tmp_path: Path) -> None:
    image = tmp_path / "crucible_ir-1.0.0.binpb"
    snapshot_release.snapshot(image)
    lints_file(image).unlink()
    assert snapshot_release.snapshot(image) == [lints_file(image)]
    lints_file(image).unlink()
    image.write_bytes(with_a_narrower_range())
    with pytest.raises(snapshot_release.ReleaseError, match=r"epochs.*so increase the version"):
        snapshot_release.snapshot(image)
    assert not lints_file(image).exists()


def test_writing_the_documents_is_deterministic() -> None:
    assert write_documents() == write_documents()


def test_documents_of_a_type_and_their_names_are_unique() -> None:
    written = list(documents())
    assert len({(each.type, each.binary) for each in written}) == len(written)
    assert len({(each.type, each.name) for each in written}) == len(written)
    assert all(isinstance(each, ReleasedDocument) for each in written)


def test_the_protos_have_no_breaking_changes_since_any_release(
    capfd: pytest.CaptureFixture[str],
) -> None:
    if not (ROOT / "third_party" / "buf" / "validate" / "validate.proto").is_file():
        # `make breaking` fetches it; without it, check the generated descriptors.
        for image in RELEASES:
            changes = compare(find_schema(str(image)), find_schema("installed"))
            assert not any(change.is_breaking for change in changes)
        return
    assert check_breaking.main() == check_breaking.GOOD
    printed = capfd.readouterr().out
    for image in RELEASES:
        assert f"$ buf breaking proto --against {image.relative_to(ROOT)}" in printed


def test_a_breaking_change_and_a_check_that_cannot_run_have_different_statuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(check_breaking, "ROOT", tmp_path)
    image = tmp_path / "crucible_ir-1.0.0.binpb"
    image.write_bytes(descriptor_set())
    current = SchemaVersion.parse("proto", descriptor_set(), installed_lints())
    assert check_breaking.check_changes(image, current) == check_breaking.GOOD
    image.write_bytes(with_a_narrower_range())
    assert check_breaking.check_changes(image, current) == check_breaking.BREAKING
    assert "rule tightened" in capsys.readouterr().out
    monkeypatch.setattr(check_breaking, "RELEASES", tmp_path / "none")
    assert check_breaking.main() == check_breaking.COULD_NOT_RUN
    assert "no release in" in capsys.readouterr().err


def test_without_protos_the_check_cannot_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(RELEASES[0], tmp_path)
    monkeypatch.setattr(check_breaking, "ROOT", tmp_path)
    monkeypatch.setattr(check_breaking, "RELEASES", tmp_path)
    assert check_breaking.main() == check_breaking.COULD_NOT_RUN
