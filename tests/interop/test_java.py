"""Java, with protobuf-java and protovalidate-java, agrees with us, and calls our server."""

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


def test_java_conforms_save_for_what_is_known_of_its_libraries(build: Path) -> None:
    implementation = executors.check_conformance("java").implementation
    for library in ("protobuf-java", "protovalidate", "java-json-canonicalization"):
        assert library in implementation


def test_java_makes_the_same_of_the_bytes_that_python_writes(
    build: Path, written_by_python: Path
) -> None:
    # What is known of reading JSON does not show where there is none to read.
    known = [
        entry
        for entry in executors.known_failures("java")
        if not (entry.matches_aspect("decode") or entry.matches_aspect("binary"))
    ]
    executors.check_reading("java", written_by_python, known)


#: A BackendRef that is no ProtoJSON, for each way in which the guide says that JsonFormat reads
#: more, and the id that Java reads in it.
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
    with Executor(executors.command("java"), timeout=executors.PATIENCE) as executor:
        for words, (text, id_) in LENIENCES.items():
            assert words in " ".join(GUIDE.split())
            asked = EvaluateRequest(message_type="crucible_ir.v1.BackendRef", json=text.encode())
            told = executor.ask(Request(evaluate=asked)).evaluate
            assert ir.v1.BackendRef.FromString(told.evaluation.binary).id == id_, words
            with pytest.raises(ir.DecodeError):
                ir.from_json(text, ir.v1.BackendRef, validate=False)


def test_what_the_guide_puts_into_a_pom_is_in_the_one_that_is_built() -> None:
    settings = blocks(GUIDE, "xml")
    assert len(settings) >= 5
    pom = unindented(POM.read_text(encoding="utf-8"))
    for block in settings:
        assert unindented(block) in pom


def test_every_program_of_the_guide_is_run_by_a_test() -> None:
    names = list(files(GUIDE))
    assert names == ["CheckVersions.java", "DigestVersion.java", "PublishVersion.java"]
    assert len(commands(GUIDE)) == len(blocks(GUIDE, "java")) == len(names)


def test_the_guide_s_check_tells_what_is_broken(programs: Path) -> None:
    command, shown = command_of(GUIDE, "CheckVersions.java")
    assert run(command, programs) == shown


def test_the_guide_s_digest_is_ours(programs: Path) -> None:
    command, shown = command_of(GUIDE, "DigestVersion.java")
    assert run(command, programs) == shown
    version = version_of_the_guides()
    assert shown == f"{ir.digest(version)}\n"


def test_the_guide_s_client_publishes_and_reads_typed_errors(
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
