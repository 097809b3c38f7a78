"""Rust, with prost and its companions, agrees with this package and calls our server."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path

import pytest
from exchange.client.served import Served
from interop import executors
from interop.guides import follow, version_of_the_guides
from interop.programs import ROOT
from interop.rust import project
from interop.rust.project import GUIDE, LOCK, run
from interop.toolchains import RUST
from pages import blocks, command_of, commands, files

import crucible_ir as ir
from crucible_ir.conformance.process import Executor
from crucible_ir.conformance.v1 import EvaluateRequest, Request
from crucible_ir.exchange import ExchangeClient

pytestmark = pytest.mark.toolchain


@pytest.fixture(scope="session")
def build() -> Path:
    """The executor."""
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


def test_the_guide_works_from_an_empty_folder(build: Path, tmp_path: Path, served: Served) -> None:
    # The only file that the reader does not have: other versions are not tested.
    shutil.copy(LOCK, tmp_path)

    actual = {"127.0.0.1:7551": served.address, project.CLONE: str(ROOT)}
    follow(GUIDE, tmp_path, lambda command: run(command, tmp_path), actual)

    programs = [path.stem for path in (tmp_path / "src" / "bin").iterdir()]
    assert len(files(GUIDE)) == len(blocks(GUIDE, "rust")) + 1
    assert sorted(command.line.split()[4] for command in commands(GUIDE)) == sorted(programs)
    text, digest = command_of(GUIDE, "digest_version").shown.splitlines()
    version = version_of_the_guides()
    assert (ir.from_json(text, ir.v1.ModelVersion), digest) == (version, ir.digest(version))
    with ExchangeClient(served.address) as client:
        stored = client.get(ir.v1.ModelVersion, "llama_mmlu_3")
    assert stored.record.revision == 2
    assert isinstance(stored.content, ir.v1.ModelVersion)
    assert stored.content.stage == ir.v1.ModelStage.MODEL_STAGE_PRODUCTION
