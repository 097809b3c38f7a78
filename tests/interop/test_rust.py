"""Rust, with prost and its companions, agrees with this package and calls our server."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from exchange.client.served import Served
from interop import executors
from interop.guides import version_of_the_guides
from interop.rust import project
from interop.rust.project import GUIDE, PROGRAMS, PROJECT, SOURCES, run
from interop.toolchains import RUST
from pages import blocks, command_of, commands

import crucible_ir as ir
from crucible_ir.conformance.process import Executor
from crucible_ir.conformance.v1 import EvaluateRequest, Request
from crucible_ir.exchange import ExchangeClient

pytestmark = pytest.mark.toolchain


@pytest.fixture(scope="session")
def build() -> Path:
    """The executor and the programs of the guide."""
    return project.build()


def test_rust_conforms_except_for_known_failures(build: Path) -> None:
    implementation = executors.check_conformance("rust").implementation
    for library in ("prost", "prost-reflect", "prost-protovalidate", "serde_json_canonicalizer"):
        assert f"{library} " in implementation


def test_rust_reads_the_bytes_that_python_writes(build: Path, written_by_python: Path) -> None:
    executors.check_reading("rust", written_by_python, executors.known_failures("rust"))


def test_rust_builds_with_the_committed_versions(build: Path) -> None:
    lock = (PROJECT / "Cargo.lock").read_text(encoding="utf-8")
    assert (build / "Cargo.lock").read_text(encoding="utf-8") == lock


def test_the_oldest_supported_rust_is_that_of_the_manifest() -> None:
    manifest = tomllib.loads((PROJECT / "Cargo.toml").read_text(encoding="utf-8"))
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


def test_the_files_of_the_guide_are_those_of_the_build() -> None:
    settings = blocks(GUIDE, "toml")
    assert len(settings) == 4
    manifest = (PROJECT / "Cargo.toml").read_text(encoding="utf-8")
    for block in settings:
        assert block in manifest
    for path in ("build.rs", "src/lib.rs"):
        assert SOURCES[path] == (PROJECT / path).read_text(encoding="utf-8")


def test_every_program_of_the_guide_is_run_by_a_test() -> None:
    names = ["check_versions", "pass_on", "digest_version", "publish_version"]
    assert list(PROGRAMS) == [f"src/bin/{name}.rs" for name in names]
    assert len(blocks(GUIDE, "rust")) == len(names) + 2
    assert len(commands(GUIDE)) == len(names)


@pytest.mark.parametrize("program", ["check_versions", "pass_on"])
def test_the_programs_of_the_guide_print_the_output_shown(program: str, build: Path) -> None:
    command, shown = command_of(GUIDE, program)
    assert run(command) == shown


def test_the_json_and_digest_of_the_guide_are_ours(build: Path) -> None:
    command, shown = command_of(GUIDE, "digest_version")
    assert run(command) == shown
    version = version_of_the_guides()
    text, digest = shown.splitlines()
    assert ir.from_json(text, ir.v1.ModelVersion) == version
    assert digest == ir.digest(version)


def test_the_client_of_the_guide_publishes_and_reads_typed_errors(
    build: Path, served: Served
) -> None:
    command, shown = command_of(GUIDE, "publish_version")
    assert "127.0.0.1:7551" in command
    assert run(command.replace("127.0.0.1:7551", served.address)) == shown
    with ExchangeClient(served.address) as client:
        stored = client.get(ir.v1.ModelVersion, "llama_mmlu_3")
    assert stored.record.revision == 2
    assert isinstance(stored.content, ir.v1.ModelVersion)
    assert stored.content.stage == ir.v1.ModelStage.MODEL_STAGE_PRODUCTION
