"""Rust, with prost and its companions, agrees with this package and calls our server."""

from __future__ import annotations

import shutil
import tarfile
import tomllib
from pathlib import Path

import pytest
from exchange.client.served import Served
from interop import executors
from interop.guides import follow, version_of_the_guides
from interop.rust import project
from interop.rust.project import GENERATE_LOCK, GUIDE, LOCK, run
from interop.toolchains import RUST
from pages import blocks, command_of, commands, files

import crucible_ir as ir
from build_packages import PACKAGES
from crucible_ir.conformance.process import Executor
from crucible_ir.conformance.v1 import EvaluateRequest, Request
from crucible_ir.exchange import ExchangeClient

README = (PACKAGES / "crate" / "README.md").read_text(encoding="utf-8")

pytestmark = pytest.mark.toolchain


@pytest.fixture(scope="session")
def build() -> Path:
    """The executor, and what builds share."""
    return project.build()


def test_rust_conforms_except_for_known_failures(build: Path) -> None:
    implementation = executors.check_conformance("rust").implementation
    for library in ("crucible-ir-core", "prost", "prost-reflect", "prost-protovalidate"):
        assert f"{library} " in implementation


def test_rust_reads_the_bytes_that_python_writes(build: Path, written_by_python: Path) -> None:
    executors.check_reading("rust", written_by_python, executors.known_failures("rust"))


def test_rust_builds_with_the_committed_versions(build: Path) -> None:
    assert (build / "Cargo.lock").read_bytes() == LOCK.read_bytes()


def test_the_oldest_supported_rust_is_that_of_the_manifest() -> None:
    manifest = tomllib.loads(files(GUIDE)["Cargo.toml"])
    assert RUST.programs[0].oldest == manifest["package"]["rust-version"]


#: For each way in which prost-reflect reads more than ProtoJSON, in the words of the guide: a
#: message's type, such a text, and the ProtoJSON of the message that Rust reads.
LENIENCES = {
    "the last of two equal keys": ("BackendRef", '{"id": "a", "id": "b"}', '{"id": "b"}'),
    "`nan`": ("MetricsSnapshot", '{"values": {"a": "nan"}}', '{"values": {"a": "NaN"}}'),
    "`inf`": ("MetricsSnapshot", '{"values": {"a": "inf"}}', '{"values": {"a": "Infinity"}}'),
    "more than nine digits": (
        "ModelVersion",
        '{"createdAt": "2025-12-26T12:00:00.1234567891Z"}',
        '{"createdAt": "2025-12-26T12:00:00.123456789Z"}',
    ),
    "integers beyond 2^53": (
        "BackendRef",
        '{"id": "a", "options": {"a": 9007199254740993}}',
        '{"id": "a", "options": {"a": 9007199254740992}}',
    ),
}


def test_rust_reads_more_than_protojson_as_the_guide_says(build: Path) -> None:
    with Executor(executors.command("rust"), timeout=executors.TIMEOUT) as executor:
        for words, (name, text, meant) in LENIENCES.items():
            assert words in " ".join(GUIDE.split())
            asked = EvaluateRequest(message_type=f"crucible_ir.v1.{name}", json=text.encode())
            response = executor.ask(Request(evaluate=asked)).evaluate
            read = ir.from_binary(response.evaluation.binary, name, validate=False)
            assert read == ir.from_json(meant, name, validate=False), words
            with pytest.raises(ir.DecodeError):
                ir.from_json(text, name, validate=False)


def copy_crates(folder: Path, lock: Path = LOCK) -> None:
    """Copy the crates into a folder, and a lock file: other versions are not tested."""
    for path in project.crates():
        shutil.copy(path, folder)
    shutil.copy(lock, folder / "Cargo.lock")


def test_the_readme_of_the_crate_works_from_an_empty_folder(build: Path, tmp_path: Path) -> None:
    copy_crates(tmp_path)
    follow(README, tmp_path, lambda command: run(command, tmp_path), {})


#: Reads an event, and writes it as JSON.
REFLECTING = """\
use crucible_ir::v1::FeedbackEvent;
use prost_reflect::{DynamicMessage, ReflectMessage};

fn main() {
    let mut json = serde_json::Deserializer::from_str(r#"{"timestamp": "2025-12-26T12:00:00Z"}"#);
    let descriptor = FeedbackEvent::default().descriptor();
    let read = DynamicMessage::deserialize(descriptor, &mut json).unwrap();
    let event: FeedbackEvent = read.transcode_to().unwrap();
    print!("{}", serde_json::to_string(&event.transcode_to_dynamic()).unwrap());
}
"""


def test_the_messages_have_descriptors_without_the_rules(build: Path, tmp_path: Path) -> None:
    manifest = files(GUIDE)["Cargo.toml"].replace('"validate", "client"', '"reflect"')
    copy_crates(tmp_path)
    needed = ("crucible-ir ", "prost-reflect ", "serde_json ")
    package, dependencies = manifest.split("[dependencies]\n")
    lines = [line for line in dependencies.splitlines(True) if line.startswith(needed)]
    (tmp_path / "Cargo.toml").write_text(f"{package}[dependencies]\n{''.join(lines)}")
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "main.rs").write_text(REFLECTING)
    run("tar -xzf crucible-ir-[0-9]*.crate", tmp_path)
    assert run("cargo run --quiet", tmp_path) == '{"timestamp":"2025-12-26T12:00:00Z"}'


def test_the_crate_has_no_build_script_and_the_tested_versions(build: Path) -> None:
    [crate, core] = project.crates()
    top = f"crucible-ir-{ir.__version__}"
    with tarfile.open(crate) as archive:
        names = set(archive.getnames())
        manifest = tomllib.loads(archive.extractfile(f"{top}/Cargo.toml.orig").read().decode())  # type: ignore[union-attr]
    assert {f"{top}/{name}" for name in ("LICENSE", "README.md", "src/lib.rs")} <= names
    assert f"{top}/build.rs" not in names
    assert manifest["package"]["rust-version"] == RUST.programs[0].oldest
    assert core.name == f"crucible-ir-core-{ir.__version__}.crate"
    tested = tomllib.loads(files(GUIDE)["Cargo.toml"])["dependencies"]
    for name, dependency in manifest["dependencies"].items():
        if name in tested:
            assert version_of(tested[name]) == f"={version_of(dependency)}"


def version_of(dependency: str | dict[str, str]) -> str:
    return dependency if isinstance(dependency, str) else dependency["version"]


def test_the_guide_works_from_an_empty_folder(build: Path, tmp_path: Path, served: Served) -> None:
    copy_crates(tmp_path)
    (tmp_path / "generate").mkdir()
    shutil.copy(GENERATE_LOCK, tmp_path / "generate" / "Cargo.lock")

    actual = {"127.0.0.1:7551": served.address}
    follow(GUIDE, tmp_path, lambda command: run(command, tmp_path), actual)

    for lock, copy in ((LOCK, tmp_path), (GENERATE_LOCK, tmp_path / "generate")):
        assert (copy / "Cargo.lock").read_bytes() == lock.read_bytes()
    programs = [path.stem for path in (tmp_path / "src" / "bin").iterdir()]
    assert len(files(GUIDE)) == len(blocks(GUIDE, "rust")) + len(blocks(GUIDE, "toml"))
    assert sorted(command.line.split()[4] for command in commands(GUIDE)) == sorted(programs)
    text, digest = command_of(GUIDE, "digest_version").shown.splitlines()
    version = version_of_the_guides()
    assert (ir.from_json(text, ir.v1.ModelVersion), digest) == (version, ir.digest(version))
    with ExchangeClient(served.address) as client:
        stored = client.get(ir.v1.ModelVersion, "llama_mmlu_3")
    assert stored.record.revision == 2
    assert isinstance(stored.content, ir.v1.ModelVersion)
    assert stored.content.stage == ir.v1.ModelStage.MODEL_STAGE_PRODUCTION
