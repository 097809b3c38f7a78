"""Java, with protobuf-java and protovalidate-java, agrees with ours and calls our server."""

from __future__ import annotations

from pathlib import Path

import pytest
from exchange.client.served import Served
from interop import executors
from interop.guides import version_of_the_guides
from interop.java import project
from interop.java.project import GUIDE, POM
from interop.programs import run
from pages import blocks, command_of, commands, files

import crucible_ir as ir
from crucible_ir.conformance.process import Executor
from crucible_ir.conformance.v1 import EvaluateRequest, Request
from crucible_ir.exchange import ExchangeClient

pytestmark = pytest.mark.toolchain


def unindented(text: str) -> str:
    return "".join(f"{line.strip()}\n" for line in text.splitlines())


@pytest.fixture(scope="session")
def build() -> Path:
    """The executor and the generated code."""
    return project.build()


@pytest.fixture
def programs(build: Path, tmp_path: Path) -> Path:
    """A folder with the programs of the guide, beside the generated code."""
    (tmp_path / "target").symlink_to(build / "target")
    for name, code in files(GUIDE).items():
        (tmp_path / name).write_text(code, encoding="utf-8")
    return tmp_path


def test_java_conforms_except_for_known_failures(build: Path) -> None:
    implementation = executors.check_conformance("java").implementation
    for library in ("protobuf-java", "protovalidate", "java-json-canonicalization"):
        assert library in implementation


def test_java_reads_the_bytes_that_python_writes(build: Path, written_by_python: Path) -> None:
    # Failures to read JSON do not occur, since the payloads are binary.
    known = [
        entry
        for entry in executors.known_failures("java")
        if not (entry.matches_aspect("decode") or entry.matches_aspect("binary"))
    ]
    executors.check_reading("java", written_by_python, known)


#: For each way in which JsonFormat reads more than ProtoJSON, in the words of the guide: a text for
#: a BackendRef, and the id that Java reads.
LENIENCES = {
    "the last of two equal keys": ('{"id": "a", "id": "b"}', "b"),
    "keys without quotes": ('{id: "a"}', "a"),
    "a bare `NaN`": ('{"id": "a", "options": {"a": NaN}}', "a"),
    "text after the document": ('{"id": "a"} b', "a"),
    "a number or a list of one where a string belongs": ('{"id": [5]}', "5"),
    "integers beyond 2^53": ('{"id": "a", "options": {"a": 9007199254740993}}', "a"),
    "half a surrogate pair": (r'{"id": "a\ud800"}', "a?"),
}


def test_java_reads_more_than_protojson_as_the_guide_says(build: Path) -> None:
    with Executor(executors.command("java"), timeout=executors.TIMEOUT) as executor:
        for words, (text, id_) in LENIENCES.items():
            assert words in " ".join(GUIDE.split())
            asked = EvaluateRequest(message_type="crucible_ir.v1.BackendRef", json=text.encode())
            response = executor.ask(Request(evaluate=asked)).evaluate
            assert ir.v1.BackendRef.FromString(response.evaluation.binary).id == id_, words
            with pytest.raises(ir.DecodeError):
                ir.from_json(text, ir.v1.BackendRef, validate=False)


def test_the_settings_of_the_guide_are_in_the_pom_of_the_build() -> None:
    settings = blocks(GUIDE, "xml")
    assert len(settings) >= 5
    pom = unindented(POM.read_text(encoding="utf-8"))
    for block in settings:
        assert unindented(block) in pom


def test_every_program_of_the_guide_is_run_by_a_test() -> None:
    names = list(files(GUIDE))
    assert names == ["CheckVersions.java", "DigestVersion.java", "PublishVersion.java"]
    assert len(commands(GUIDE)) == len(blocks(GUIDE, "java")) == len(names)


def test_the_check_of_the_guide_reports_broken_rules(programs: Path) -> None:
    command, shown = command_of(GUIDE, "CheckVersions.java")
    assert run(command, programs) == shown


def test_the_digest_of_the_guide_is_ours(programs: Path) -> None:
    command, shown = command_of(GUIDE, "DigestVersion.java")
    assert run(command, programs) == shown
    version = version_of_the_guides()
    assert shown == f"{ir.digest(version)}\n"


def test_the_client_of_the_guide_publishes_and_reads_typed_errors(
    programs: Path, served: Served
) -> None:
    command, shown = command_of(GUIDE, "PublishVersion.java")
    assert "127.0.0.1:7551" in command
    assert run(command.replace("127.0.0.1:7551", served.address), programs) == shown
    with ExchangeClient(served.address) as client:
        stored = client.get(ir.v1.ModelVersion, "llama_mmlu_3")
    assert stored.record.revision == 2
    assert isinstance(stored.content, ir.v1.ModelVersion)
    assert stored.content.stage == ir.v1.ModelStage.MODEL_STAGE_PRODUCTION
