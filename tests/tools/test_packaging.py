"""The generated code, the tools that generate it, and the package."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

import check_native_wheels
import check_package
import fetch_third_party
import generate
import generate_go
import generated_files
import schema_image
from crucible_ir.version import VERSION

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "python" / "crucible_ir"
GENCODE = sorted(PACKAGE.glob("**/v[0-9]*/*_pb2.py"))

REGISTERED_BY_IMPORT = """
import json, sys
from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pb2 import FileDescriptorProto

class RecordingPool:
    names = []

    def __init__(self, pool):
        self.pool = pool

    def AddSerializedFile(self, content):
        self.names.append(FileDescriptorProto.FromString(content).name)
        return self.pool.AddSerializedFile(content)

    def __getattr__(self, name):
        return getattr(self.pool, name)

pool = RecordingPool(descriptor_pool.Default())
descriptor_pool.Default = lambda: pool
import crucible_ir
from crucible_ir import v1
json.dump({"files": pool.names, "modules": sorted(sys.modules)}, sys.stdout)
"""


def published() -> FileDescriptorSet:
    content = (PACKAGE / "schema" / "descriptors.binpb").read_bytes()
    return FileDescriptorSet.FromString(content)


def test_importing_the_package_registers_only_its_own_files_and_the_well_known_types() -> None:
    command = [sys.executable, "-c", REGISTERED_BY_IMPORT]
    result = json.loads(subprocess.check_output(command, text=True))
    own = {name for name in result["files"] if not name.startswith("google/protobuf/")}
    protos = (ROOT / "proto" / "crucible_ir" / "v1").glob("*.proto")
    assert own == {path.relative_to(ROOT / "proto").as_posix() for path in protos}
    assert not {"buf", "grpc", "crucible_ir.exchange"} & set(result["modules"])


@pytest.mark.parametrize("module", GENCODE, ids=lambda path: path.name)
def test_generated_code_loads_on_the_oldest_protobuf_that_the_package_allows(module: Path) -> None:
    header = re.search(r"^# Protobuf Python Version: (.*)$", module.read_text(), re.MULTILINE)
    assert header
    assert tuple(map(int, header[1].split("."))) <= (6, 33, 5)


def test_the_descriptor_set_is_complete_without_the_schema_of_the_rules() -> None:
    pool = descriptor_pool.DescriptorPool()
    for file in published().file:
        pool.Add(file)
    assert pool.FindMessageTypeByName("crucible_ir.v1.Experiment").fields_by_name["pipeline"]
    assert not [file.name for file in published().file if file.name.startswith("buf/")]


def test_the_descriptor_set_keeps_the_comment_of_every_message() -> None:
    for file in published().file:
        if file.name.startswith("crucible_ir/"):
            message_paths = [[4, index] for index in range(len(file.message_type))]
            commented = [
                list(location.path)
                for location in file.source_code_info.location
                if location.leading_comments.strip()
            ]
            assert [path for path in message_paths if path not in commented] == []


def test_removing_an_import_keeps_the_others_with_their_comments() -> None:
    file = FileDescriptorProto(name="a.proto", dependency=["x.proto", "rules.proto", "y.proto"])
    for index, comment in enumerate(["of x", "of rules", "of y"]):
        file.source_code_info.location.add(path=[3, index], leading_comments=comment)
    file.source_code_info.location.add(path=[4, 1], leading_comments="of a message")

    cut = schema_image.without_import(file, "rules.proto")

    assert list(cut.dependency) == ["x.proto", "y.proto"]
    found = [(list(at.path), at.leading_comments) for at in cut.source_code_info.location]
    assert found == [([3, 0], "of x"), ([3, 1], "of y"), ([4, 1], "of a message")]


def test_generated_files_that_differ_are_missing_or_are_stale_are_each_named(
    tmp_path: Path,
) -> None:
    folders = ["v1"]
    committed = tmp_path / "v1"
    committed.mkdir()
    (committed / "same.py").write_bytes(b"same")
    (committed / "old.py").write_bytes(b"old")
    (committed / "gone.py").write_bytes(b"gone")
    fresh = {"v1/same.py": b"same", "v1/old.py": b"new", "v1/added.py": b"added"}
    assert generated_files.compare(fresh, folders, tmp_path) == [
        "differs: v1/old.py",
        "missing: v1/added.py",
        "stale: v1/gone.py",
    ]

    changes = generated_files.update(fresh, folders, tmp_path)

    assert changes == ["removed v1/gone.py", "wrote v1/old.py", "wrote v1/added.py"]
    assert generated_files.compare(fresh, folders, tmp_path) == []


@pytest.mark.parametrize("folder", ["crucible_ir/v1", "crucible_ir/betterproto/generated/google"])
def test_a_file_that_is_no_longer_generated_is_stale(tmp_path: Path, folder: str) -> None:
    stale = tmp_path / "python" / folder / "rpc.py"
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"")
    assert generated_files.compare({}, generate.GENERATED_FOLDERS, tmp_path) == [
        f"stale: python/{folder}/rpc.py"
    ]


@pytest.mark.parametrize(("installed", "on_ci"), [(True, True), (False, False), (False, True)])
@pytest.mark.parametrize("check", [True, False])
def test_without_go_its_code_is_left_alone_with_one_line_and_on_ci_that_is_a_failure(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    installed: bool,
    on_ci: bool,
    check: bool,
) -> None:
    stale = tmp_path / "gen" / "go" / "crucible_ir" / "v1" / "rpc.pb.go"
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"")
    monkeypatch.setattr(generated_files.compare, "__defaults__", ((), tmp_path))
    monkeypatch.setattr(generated_files.update, "__defaults__", ((), tmp_path))
    monkeypatch.setattr(generate, "generate", lambda folder: {})
    monkeypatch.setattr(generate_go, "is_possible", lambda: installed)
    monkeypatch.setattr(sys, "argv", ["generate.py", *["--check"] * check])
    monkeypatch.setenv("CI", "true" if on_ci else "")

    status = generate.main()

    lines = capsys.readouterr().out.splitlines()
    absence = "Go is not installed: gen/go/crucible_ir is neither written nor checked."
    assert (absence in lines) is not installed
    assert stale.exists() is not (installed and not check)
    assert status == (1 if check and (installed or on_ci) else 0)


def test_removing_a_file_removes_the_imports_that_only_it_has() -> None:
    files = FileDescriptorSet(
        file=[
            FileDescriptorProto(name="google/protobuf/descriptor.proto"),
            FileDescriptorProto(name="google/protobuf/struct.proto"),
            FileDescriptorProto(
                name="crucible_ir/options.proto", dependency=["google/protobuf/descriptor.proto"]
            ),
            FileDescriptorProto(
                name="crucible_ir/message.proto",
                dependency=["crucible_ir/options.proto", "google/protobuf/struct.proto"],
            ),
        ]
    )

    cut = schema_image.without_file(files, "crucible_ir/options.proto")

    assert [file.name for file in cut.file] == [
        "google/protobuf/struct.proto",
        "crucible_ir/message.proto",
    ]
    assert list(cut.file[1].dependency) == ["google/protobuf/struct.proto"]


def test_a_fetched_file_with_another_checksum_is_rejected_and_not_written(tmp_path: Path) -> None:
    archive = tmp_path / "protovalidate.tar.gz"
    content = b'syntax = "proto3";\n'
    with tarfile.open(archive, "w:gz") as contents:
        entry = tarfile.TarInfo("protovalidate-1.2.0/upstream/proto/buf/validate/validate.proto")
        entry.size = len(content)
        contents.addfile(entry, io.BytesIO(content))
    target = tmp_path / "third_party" / "buf" / "validate" / "validate.proto"

    fetched = fetch_third_party.read_validate_proto(archive)
    assert fetched == content
    with pytest.raises(fetch_third_party.FetchError, match="wrong checksum"):
        fetch_third_party.install(fetched, target)
    assert not target.exists()


def test_the_wheel_is_tried_on_every_supported_python_that_is_found() -> None:
    versions = check_package.supported_versions()
    assert versions[0] == "3.11"
    assert f"{sys.version_info.major}.{sys.version_info.minor}" in versions
    assert check_package.find_python(".".join(map(str, sys.version_info[:2]))) == sys.executable
    assert check_package.find_python("3.99") is None


def test_the_crates_have_the_version_and_the_licence_of_the_package() -> None:
    workspace = tomllib.loads((ROOT / "native" / "Cargo.toml").read_text(encoding="utf-8"))
    lock = tomllib.loads((ROOT / "native" / "Cargo.lock").read_text(encoding="utf-8"))
    versions = {
        package["name"]: package["version"]
        for package in lock["package"]
        if package["name"].startswith("crucible-ir-")
    }
    assert workspace["workspace"]["package"]["version"] == VERSION
    assert versions == dict.fromkeys(
        ("crucible-ir-core", "crucible-ir-fuzz", "crucible-ir-native"), VERSION
    )
    for crate in ("core", "python"):
        licence = ROOT / "native" / crate / "LICENSE"
        assert licence.read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_the_crate_contains_the_tables_of_the_package() -> None:
    crate = tomllib.loads((ROOT / "native" / "core" / "Cargo.toml").read_text(encoding="utf-8"))
    assert "/tables.binpb" in crate["package"]["include"]
    tables = (ROOT / "native" / "core" / "tables.binpb").read_bytes()
    assert (ROOT / check_package.TABLES).read_bytes() == tables


@pytest.mark.parametrize(
    ("name", "file", "problem"),
    [
        ("cp311-abi3-linux_x86_64", check_native_wheels.CODE[1], "not for abi3 and manylinux2014"),
        ("cp311-abi3-manylinux2014_x86_64.manylinux_2_17_x86_64", "a.py", "contains .*a.py"),
        ("cp311-abi3-manylinux2014_x86_64.manylinux_2_17_x86_64", "", "the licence is missing"),
    ],
)
def test_a_wheel_of_the_native_core_that_is_not_as_expected_is_rejected(
    tmp_path: Path, name: str, file: str, problem: str
) -> None:
    wheel = tmp_path / f"crucible_ir_native-{VERSION}-{name}.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for each in {*check_native_wheels.CODE, file} - {""}:
            archive.writestr(each, "")
    with pytest.raises(check_package.PackageError, match=problem):
        check_native_wheels.check_wheel(wheel)


def test_a_compiled_file_in_the_sdist_is_rejected(tmp_path: Path) -> None:
    sdist = tmp_path / "crucible_ir.tar.gz"
    with tarfile.open(sdist, "w:gz") as archive:
        for name in (check_package.TABLES, "native/target/release/libcrucible_ir_native.so"):
            archive.addfile(tarfile.TarInfo(f"crucible_ir/{name}"))
    with pytest.raises(check_package.PackageError, match=r"native\.so is compiled"):
        check_package.check_sdist(sdist)
