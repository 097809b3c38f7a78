"""Java, with protobuf-java and protovalidate-java, agrees with us, and calls our server."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from exchange.client.served import Served
from interop.builds import kept_build
from interop.toolchains import JAVA, require

import crucible_ir as ir
from crucible_ir.conformance.process import Executor
from crucible_ir.conformance.v1 import EvaluateRequest, Request
from crucible_ir.exchange import ExchangeClient

ROOT = Path(__file__).resolve().parents[2]
PROJECT = ROOT / "tests" / "interop" / "java"
BUILD = PROJECT / "build"
POM = PROJECT / "pom.xml"
GUIDE = (ROOT / "docs" / "java.md").read_text(encoding="utf-8")

#: Seconds that a build or a program has.
PATIENCE = 300

#: The harness, and the executors, as they are run in `BUILD`.
RUN = f"crucible-ir conformance run --timeout {PATIENCE}"
EXECUTOR = "java -cp 'target/classes:target/dependency/*' org.crucibleir.interop.Executor"
OURS = f"{sys.executable} -m crucible_ir.conformance.executor"

#: What is known to fail.
KNOWN = PROJECT / "expected_failures.txt"


def run(command: str, folder: Path) -> str:
    """Run a command line with crucible-ir on its path, and return what it printed."""
    scripts = str(Path(sys.executable).parent)
    ran = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env={**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"},
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


def session(program: str) -> tuple[str, str]:
    """Return the command that the guide runs a program with, and what it says that it prints."""
    [block] = [block for block in fences("console") if f"{program}.java" in block]
    command, _, shown = block.removeprefix("$ ").partition("\n")
    return command, shown


def unindented(text: str) -> str:
    return "".join(f"{line.strip()}\n" for line in text.splitlines())


@pytest.fixture(scope="session")
def build() -> Path:
    """The executor and the generated code, built by the commands of the guide."""
    tools = require(JAVA)
    [commands] = fences("sh")

    def make() -> None:
        shutil.copy(POM, BUILD)
        shutil.copytree(PROJECT / "src", BUILD / "src")
        for command in commands.splitlines():
            run(command, BUILD)

    sources = [POM, *PROJECT.glob("src/**/*.java"), *ROOT.glob("proto/**/*.proto")]
    kept_build(BUILD, sources, make, tools=[*tools.values(), commands])
    return BUILD


@pytest.fixture
def programs(build: Path, tmp_path: Path) -> Path:
    """A folder with the programs of the guide, beside the generated code."""
    (tmp_path / "target").symlink_to(build / "target")
    for code in fences("java"):
        first = re.match(r"// (\w+\.java)\n", code)
        assert first is not None, code
        (tmp_path / first[1]).write_text(code, encoding="utf-8")
    return tmp_path


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    server = Served(tmp_path)
    yield server
    server.stop()


def test_java_conforms_save_for_what_is_known_of_its_libraries(build: Path) -> None:
    report = run(f"{RUN} --expected-failures {KNOWN} -- {EXECUTOR}", build)
    for library in ("protobuf-java", "protovalidate", "java-json-canonicalization"):
        assert library in report
    assert "not offered" not in report


def test_python_makes_the_same_of_the_bytes_that_java_writes(build: Path, tmp_path: Path) -> None:
    written = tmp_path / "java.binpbs"
    run(f"{RUN} --expected-failures {KNOWN} --save-binaries {written} -- {EXECUTOR}", build)
    run(f"{RUN} --payloads {written} -- {OURS}", build)


def test_java_makes_the_same_of_the_bytes_that_python_writes(build: Path, tmp_path: Path) -> None:
    written = tmp_path / "python.binpbs"
    run(f"{RUN} --save-binaries {written} -- {OURS}", build)
    # What is known of reading JSON does not show where there is none to read.
    known = tmp_path / "expected_failures.txt"
    lines = KNOWN.read_text(encoding="utf-8").splitlines(keepends=True)
    known.write_text("".join(line for line in lines if not re.match(r"\S+ (decode|binary) ", line)))
    run(f"{RUN} --expected-failures {known} --payloads {written} -- {EXECUTOR}", build)


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
    classes = f"{build}/target/classes:{build}/target/dependency/*"
    command = ["java", "-cp", classes, "org.crucibleir.interop.Executor"]
    with Executor(command, timeout=PATIENCE) as executor:
        for words, (text, id_) in LENIENCES.items():
            assert words in " ".join(GUIDE.split())
            asked = EvaluateRequest(message_type="crucible_ir.v1.BackendRef", json=text.encode())
            told = executor.ask(Request(evaluate=asked)).evaluate
            assert ir.v1.BackendRef.FromString(told.evaluation.binary).id == id_, words
            with pytest.raises(ir.DecodeError):
                ir.from_json(text, ir.v1.BackendRef, validate=False)


def test_what_the_guide_puts_into_a_pom_is_in_the_one_that_is_built() -> None:
    blocks = fences("xml")
    assert len(blocks) >= 5
    pom = unindented(POM.read_text(encoding="utf-8"))
    for block in blocks:
        assert unindented(block) in pom


def test_every_program_of_the_guide_is_run_by_a_test() -> None:
    named = re.findall(r"^// (\w+)\.java$", GUIDE, flags=re.MULTILINE)
    assert named == ["CheckVersions", "DigestVersion", "PublishVersion"]
    assert len(fences("console")) == len(fences("java")) == len(named)


def test_the_guide_s_check_tells_what_is_broken(programs: Path) -> None:
    command, shown = session("CheckVersions")
    assert run(command, programs) == shown


def test_the_guide_s_digest_is_ours(programs: Path) -> None:
    command, shown = session("DigestVersion")
    assert run(command, programs) == shown
    version = ir.v1.ModelVersion(
        id="llama_mmlu_3",
        model_id="llama",
        version="1.0.0",
        stage=ir.v1.ModelStage.MODEL_STAGE_STAGING,
        metrics={"accuracy": 0.684},
    )
    assert shown == f"{ir.digest(version)}\n"


def test_the_guide_s_client_publishes_and_reads_typed_errors(
    programs: Path, served: Served
) -> None:
    command, shown = session("PublishVersion")
    assert "127.0.0.1:50551" in command
    assert run(command.replace("127.0.0.1:50551", served.address), programs) == shown
    with ExchangeClient(served.address) as client:
        stored = client.get(ir.v1.ModelVersion, "llama_mmlu_3")
    assert stored.record.revision == 2
    assert isinstance(stored.content, ir.v1.ModelVersion)
    assert stored.content.stage == ir.v1.ModelStage.MODEL_STAGE_PRODUCTION
