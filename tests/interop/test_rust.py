"""Rust, with prost, prost-reflect and prost-protovalidate, agrees with us, and calls our server."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from exchange.client.served import Served
from interop.builds import kept_build
from interop.toolchains import RUST, require

import crucible_ir as ir
from crucible_ir.conformance.process import Executor
from crucible_ir.conformance.v1 import EvaluateRequest, Request
from crucible_ir.exchange import ExchangeClient

ROOT = Path(__file__).resolve().parents[2]
PROJECT = ROOT / "tests" / "interop" / "rust"
SCHEMA = ROOT / "python" / "crucible_ir" / "schema" / "descriptors.binpb"
BUILD = PROJECT / "build"
GUIDE = (ROOT / "docs" / "rust.md").read_text(encoding="utf-8")

#: Seconds that a build or a program has.
PATIENCE = 600

#: The harness, and the executors, as they are run in `BUILD`.
RUN = f"crucible-ir conformance run --timeout {PATIENCE}"
EXECUTOR = "target/debug/executor"
OURS = f"{sys.executable} -m crucible_ir.conformance.executor"

#: What is known to fail.
KNOWN = PROJECT / "expected_failures.txt"


def run(command: str) -> str:
    """Run a command line in `BUILD`, with crucible-ir and protoc on its path."""
    scripts = str(Path(sys.executable).parent)
    ran = subprocess.run(
        ["bash", "-c", command],
        cwd=BUILD,
        env={
            **os.environ,
            "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
            "CARGO_TARGET_DIR": str(BUILD / "target"),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert ran.returncode == 0, f"$ {command}\n{ran.stdout}"
    return ran.stdout


def fences(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", GUIDE, flags=re.DOTALL | re.MULTILINE)


def sources() -> dict[str, str]:
    """Return the Rust files of the guide by the names that it gives them."""
    named = [re.fullmatch(r"// (\S+\.rs)\n(.*)", code, flags=re.DOTALL) for code in fences("rust")]
    return {file[1]: file[2] for file in named if file is not None}


def programs() -> dict[str, str]:
    return {path: code for path, code in sources().items() if path.startswith("src/bin/")}


def session(program: str) -> tuple[str, str]:
    """Return the command that the guide runs a program with, and what it says that it prints."""
    [block] = [block for block in fences("console") if f"--bin {program}" in block]
    command, _, shown = block.removeprefix("$ ").partition("\n")
    return command, shown


@pytest.fixture(scope="session")
def build() -> Path:
    """The executor and the programs of the guide, built by the commands of the guide."""
    tools = require(RUST)
    files = [PROJECT / "Cargo.toml", PROJECT / "Cargo.lock", PROJECT / "build.rs"]
    [commands] = fences("sh")

    def make() -> None:
        for file in files:
            shutil.copy(file, BUILD)
        shutil.copytree(PROJECT / "src", BUILD / "src")
        for path, code in programs().items():
            (BUILD / path).write_text(code, encoding="utf-8")
        for command in commands.splitlines():
            run(command)

    kept_build(
        BUILD,
        [*files, *PROJECT.glob("src/**/*.rs"), SCHEMA],
        make,
        tools=[*tools.values(), commands, *programs().values()],
    )
    return BUILD


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    server = Served(tmp_path)
    yield server
    server.stop()


def test_rust_conforms_save_for_what_is_known_of_its_libraries(build: Path) -> None:
    report = run(f"{RUN} --expected-failures {KNOWN} -- {EXECUTOR}")
    for library in ("prost", "prost-reflect", "prost-protovalidate", "serde_json_canonicalizer"):
        assert f"{library} " in report
    assert "not offered" not in report


def test_python_makes_the_same_of_the_bytes_that_rust_writes(build: Path, tmp_path: Path) -> None:
    written = tmp_path / "rust.binpbs"
    run(f"{RUN} --expected-failures {KNOWN} --save-binaries {written} -- {EXECUTOR}")
    run(f"{RUN} --payloads {written} -- {OURS}")


def test_rust_makes_the_same_of_the_bytes_that_python_writes(build: Path, tmp_path: Path) -> None:
    written = tmp_path / "python.binpbs"
    run(f"{RUN} --save-binaries {written} -- {OURS}")
    run(f"{RUN} --expected-failures {KNOWN} --payloads {written} -- {EXECUTOR}")


def test_rust_builds_with_the_versions_that_are_committed(build: Path) -> None:
    lock = (PROJECT / "Cargo.lock").read_text(encoding="utf-8")
    assert (build / "Cargo.lock").read_text(encoding="utf-8") == lock


def test_the_oldest_rust_that_will_do_is_the_one_of_the_manifest() -> None:
    manifest = tomllib.loads((PROJECT / "Cargo.toml").read_text(encoding="utf-8"))
    assert RUST.programs[0].oldest == manifest["package"]["rust-version"]


#: For each way in which the guide says that prost-reflect reads more than ProtoJSON: a message's
#: type, such a text, and what Rust reads in it.
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
    with Executor([str(build / EXECUTOR)], timeout=PATIENCE) as executor:
        for words, (name, text, meant) in LENIENCES.items():
            assert words in " ".join(GUIDE.split())
            asked = EvaluateRequest(message_type=f"crucible_ir.v1.{name}", json=text.encode())
            told = executor.ask(Request(evaluate=asked)).evaluate
            read = ir.from_binary(told.evaluation.binary, name, validate=False)
            assert read == ir.from_json(meant, name, validate=False), words
            with pytest.raises(ir.DecodeError):
                ir.from_json(text, name, validate=False)


def test_what_the_guide_puts_into_files_is_what_is_built() -> None:
    blocks = fences("toml")
    assert len(blocks) == 4
    manifest = (PROJECT / "Cargo.toml").read_text(encoding="utf-8")
    for block in blocks:
        assert block in manifest
    for path in ("build.rs", "src/lib.rs"):
        assert sources()[path] == (PROJECT / path).read_text(encoding="utf-8")


def test_every_program_of_the_guide_is_run_by_a_test() -> None:
    names = ["check_versions", "pass_on", "digest_version", "publish_version"]
    assert list(programs()) == [f"src/bin/{name}.rs" for name in names]
    assert len(fences("rust")) == len(names) + 2
    assert len(fences("console")) == len(names)


@pytest.mark.parametrize("program", ["check_versions", "pass_on"])
def test_the_guide_s_programs_print_what_it_says(program: str, build: Path) -> None:
    command, shown = session(program)
    assert run(command) == shown


def test_the_guide_s_json_and_digest_are_ours(build: Path) -> None:
    command, shown = session("digest_version")
    assert run(command) == shown
    version = ir.v1.ModelVersion(
        id="llama_mmlu_3",
        model_id="llama",
        version="1.0.0",
        stage=ir.v1.ModelStage.MODEL_STAGE_STAGING,
        metrics={"accuracy": 0.684},
    )
    text, digest = shown.splitlines()
    assert ir.from_json(text, ir.v1.ModelVersion) == version
    assert digest == ir.digest(version)


def test_the_guide_s_client_publishes_and_reads_typed_errors(build: Path, served: Served) -> None:
    command, shown = session("publish_version")
    assert "127.0.0.1:50551" in command
    assert run(command.replace("127.0.0.1:50551", served.address)) == shown
    with ExchangeClient(served.address) as client:
        stored = client.get(ir.v1.ModelVersion, "llama_mmlu_3")
    assert stored.record.revision == 2
    assert isinstance(stored.content, ir.v1.ModelVersion)
    assert stored.content.stage == ir.v1.ModelStage.MODEL_STAGE_PRODUCTION
