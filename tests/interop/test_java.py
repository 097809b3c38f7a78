"""Java, with protobuf-java and protovalidate-java, agrees with ours and calls our server."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pytest
from exchange.client.served import Served
from interop import executors
from interop.guides import follow, version_of_the_guides
from interop.java import project
from interop.java.project import GUIDE
from interop.programs import ROOT, run
from pages import command_of, commands, files

import crucible_ir as ir
from build_packages import PACKAGES
from crucible_ir.conformance.process import Executor
from crucible_ir.conformance.v1 import EvaluateRequest, Request
from crucible_ir.exchange import ExchangeClient
from crucible_ir.schema.comments import descriptor_set

README = (PACKAGES / "maven" / "README.md").read_text(encoding="utf-8")

pytestmark = pytest.mark.toolchain


@pytest.fixture(scope="session")
def build() -> Path:
    """The executor."""
    return project.build()


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


def copy_package(folder: Path) -> None:
    for path in project.package():
        shutil.copy(path, folder)


def test_the_readme_of_the_artifact_works_from_an_empty_folder(tmp_path: Path) -> None:
    copy_package(tmp_path)
    follow(README, tmp_path, lambda command: run(command, tmp_path), {})
    dependencies = {path.name for path in (tmp_path / "target" / "dependency").iterdir()}
    assert f"crucible-ir-{ir.__version__}.jar" in dependencies
    # Those who do not call the exchange do not get its libraries.
    assert not [name for name in dependencies if name.startswith("grpc-")]


def test_the_artifact_has_the_descriptors_the_protos_and_the_license_and_no_rules_of_its_own() -> (
    None
):
    jar, sources, pom = project.package()
    with zipfile.ZipFile(jar) as archive:
        names = set(archive.namelist())
        assert archive.read("org/crucibleir/crucible_ir.binpb") == descriptor_set()
        assert archive.read("META-INF/LICENSE") == (ROOT / "LICENSE").read_bytes()
        for proto in (ROOT / "proto").glob("crucible_ir/**/*.proto"):
            name = proto.relative_to(ROOT / "proto").as_posix()
            assert archive.read(name) == proto.read_bytes()
    assert not [name for name in names if name.startswith(("buf/", "build/"))]
    with zipfile.ZipFile(sources) as archive:
        written = {name.removesuffix(".java") for name in archive.namelist()}
    compiled = {name.removesuffix(".class") for name in names if name.endswith(".class")}
    assert {name for name in compiled if "$" not in name} <= written
    assert pom.read_text(encoding="utf-8") == (PACKAGES / "maven" / "pom.xml").read_text("utf-8")


def test_the_guide_works_from_an_empty_folder(tmp_path: Path, served: Served) -> None:
    copy_package(tmp_path)

    follow(
        GUIDE, tmp_path, lambda command: run(command, tmp_path), {"127.0.0.1:7551": served.address}
    )

    names = list(files(GUIDE))
    assert names == ["pom.xml", "CheckVersions.java", "DigestVersion.java", "PublishVersion.java"]
    assert [command.line.split()[3] for command in commands(GUIDE)] == names[1:]
    assert (
        command_of(GUIDE, "DigestVersion.java").shown == f"{ir.digest(version_of_the_guides())}\n"
    )
    with ExchangeClient(served.address) as client:
        stored = client.get(ir.v1.ModelVersion, "llama_mmlu_3")
    assert stored.record.revision == 2
    assert isinstance(stored.content, ir.v1.ModelVersion)
    assert stored.content.stage == ir.v1.ModelStage.MODEL_STAGE_PRODUCTION
