"""Go: its libraries agree with this package, its programs call ours over gRPC, its guide runs."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from exchange import loopback
from exchange.client.served import Served
from google.protobuf.json_format import ParseDict
from interop import executors
from interop.go import project
from interop.go.project import MODULE, PROGRAMS, PROJECT, run
from interop.guides import follow
from interop.programs import ROOT, TIMEOUT
from interop.secured import Secured
from interop.toolchains import GO
from pages import blocks

import crucible_ir as ir
from crucible_ir.conformance.results import CaseVerdict
from crucible_ir.exchange import ExchangeClient, v1
from crucible_ir.exchange.v1.validation_service_pb2_grpc import ValidationServiceStub

pytestmark = pytest.mark.toolchain

EXAMPLES = ROOT / "examples"
GUIDE = (ROOT / "docs" / "go.md").read_text(encoding="utf-8")
README = (MODULE / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def build() -> Path:
    """The folder of the programs."""
    return project.build()


def test_the_oldest_supported_go_is_that_of_the_module() -> None:
    [needed] = re.findall(r"^go (.*)$", (PROJECT / "go.mod").read_text(), re.MULTILINE)
    assert f"{GO.programs[0].oldest}.0" == needed


def test_the_programs_are_formatted_and_vetted(build: Path) -> None:
    assert run(f"gofmt -l {PROGRAMS}") == ""
    run(f"go vet {PROGRAMS}")


def test_go_conforms_except_for_known_failures(build: Path) -> None:
    result = executors.check_conformance("go")
    assert "protovalidate v" in result.implementation
    for aspect in result.offered:
        assert set(result.aspects[aspect]) == {CaseVerdict.PASSED}


# A client in Go


def test_a_client_sends_documents_and_feedback_through_the_exchange(
    build: Path, served: Served
) -> None:
    report = json.loads(run(f"build/exchange_client {served.address}"))

    canary = ir.v1.Document(ir_version="0.3.0")
    canary.model_version.id = "go_1"
    canary.model_version.model_id = "llama"
    canary.model_version.version = "1.2.0"
    canary.model_version.custom_stage = "canary"
    canary.model_version.metrics["accuracy"] = 0.93
    promoted = ir.v1.Document.FromString(canary.SerializeToString())
    promoted.model_version.stage = ir.v1.ModelStage.MODEL_STAGE_PRODUCTION
    accepted = [
        ir.v1.FeedbackEvent(id="go_a", latency_ms=12),
        ir.v1.FeedbackEvent(id="go_b"),
        ir.v1.FeedbackEvent(id="go_d"),
    ]
    with ExchangeClient(served.address) as client:
        kept = [client.get(ir.v1.ModelVersion, "go_1", revision=number) for number in (1, 2)]
        assert [each.content for each in kept] == [canary.model_version, promoted.model_version]
        assert list(client.export()) == accepted
    etags = [each.record.etag for each in kept]

    first, second = (ParseDict(each, v1.PublishResponse()) for each in report["published"])
    assert (first.created, second.created) == (True, False)
    assert [first.record.etag, second.record.etag] == etags
    got = ParseDict(report["got"], v1.GetResponse())
    assert (got.record, got.document) == (second.record, promoted)
    changes = [ParseDict(each, v1.WatchResponse()).change for each in report["watched"]]
    assert [change.record for change in changes] == [first.record, second.record]
    assert [change.document for change in changes] == [canary, promoted]

    one, two = (ParseDict(each, v1.IngestResponse()) for each in report["ingested"])
    assert one == v1.IngestResponse(batch_id=0, accepted=2, duplicates=[2])
    assert (two.batch_id, two.accepted, list(two.duplicates)) == (1, 1, [])
    [rejected] = two.rejected
    [violation] = rejected.error.violations
    assert rejected.index == 0
    assert (violation.path, violation.rule_id) == ("latency_ms", "int32.gte")

    assert report["rejected"] == {
        "invalid": {
            "code": "InvalidArgument",
            "broken_rules": [
                {"field": "document.model_version.model_id", "rule_id": "required"},
                {"field": "document.model_version.version", "rule_id": "string.pattern"},
            ],
        },
        "stale": {
            "code": "FailedPrecondition",
            "preconditions": [{"type": "ETAG", "subject": "ModelVersion/go_1"}],
            "reason": "ETAG_MISMATCH",
        },
        "missing": {
            "code": "NotFound",
            "resource": {"type": "ModelVersion", "name": "go_2"},
        },
    }


# A server in Go


@pytest.fixture(scope="module")
def validator(build: Path) -> Iterator[str]:
    """The address of a ValidationService in Go."""
    server = subprocess.Popen(
        [build / "validator"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    yield server.stdout.readline().removeprefix("listening on ").strip()
    try:
        # It stops when its input ends.
        server.communicate(timeout=TIMEOUT)
    finally:
        server.kill()
    assert server.returncode == 0


@pytest.fixture
def go(validator: str) -> Iterator[ExchangeClient]:
    """Our client, connected to the server in Go."""
    with ExchangeClient(validator) as client:
        yield client


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeClient]:
    """Our client, connected to our server."""
    served = Served(tmp_path_factory.mktemp("python"))
    with ExchangeClient(served.address) as client:
        yield client
    served.stop()


BROKEN = ir.from_yaml(
    (EXAMPLES / "broken_experiment.yaml").read_text(), ir.v1.Experiment, validate=False
)

#: Valid, invalid and unreadable documents, with their types and formats.
DOCUMENTS: dict[str, tuple[bytes, str, str]] = {
    "example in binary": ((EXAMPLES / "finished_run.binpb").read_bytes(), "TrainingRun", "binary"),
    "example in JSON": ((EXAMPLES / "model_version.json").read_bytes(), "ModelVersion", "json"),
    "every rule broken, in binary": (BROKEN.SerializeToString(), "Experiment", "binary"),
    "every rule broken, in JSON": (
        ir.to_json(BROKEN).encode(),
        "Experiment",
        "json",
    ),
    "nothing": (b"", "Experiment", "binary"),
    "unknown field": (b"\n\x01m\xf8\x07\x01", "ModelRef", "binary"),
    "damaged": (b"\n\xff", "ModelRef", "binary"),
    "bad UTF-8": (b"\n\x01\xff", "ModelRef", "binary"),
    "bad UTF-8 in JSON": (b'{"id": "\xff"}', "ModelRef", "json"),
    "unknown key": (b'{"id": "m", "nmae": "x"}', "ModelRef", "json"),
    "unknown name": (b'{"id": "m", "provider": "MODEL_PROVIDER_MOON"}', "ModelRef", "json"),
}


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)
def test_a_server_in_go_agrees_on_the_verdict(
    go: ExchangeClient, python: ExchangeClient, document: tuple[bytes, str, str]
) -> None:
    theirs, ours = go.validate(*document), python.validate(*document)
    assert theirs.valid == ours.valid
    assert (theirs.failure is None) == (ours.failure is None)
    assert broken_rules(theirs.violations) == broken_rules(ours.violations)


def test_a_server_in_go_lists_every_broken_rule(go: ExchangeClient) -> None:
    verdict = go.validate(BROKEN)
    assert not verdict.valid
    assert broken_rules(verdict.violations) == [
        ("model_version.version", "string.pattern"),
        ("pipeline[1].name", "required"),
        ("reliability.hedging.percentile", "double.gte_lte"),
        ("training_config.dataset_ref", "required"),
        ("training_config.epochs", "int32.gt"),
        ("training_config.validation_split", "double.gte_lte"),
    ]


def test_a_server_in_go_converts_from_binary_to_json_and_back(go: ExchangeClient) -> None:
    version = ir.new_model_version(
        id="m", model_id="llama", version="1.0.0", metrics={"loss": float("inf")}, options={"a": 1}
    )
    text = go.convert(version, "json")
    assert ir.from_json(text, ir.v1.ModelVersion) == version
    binary = go.convert(text, "binary", type="ModelVersion", form="json")
    assert ir.from_binary(binary, ir.v1.ModelVersion) == version


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"content": b'{"version": "1.0.0", "id": "m"}'}, ("model_id", "required")),
        ({"content": b'{"id": '}, ("content", "content.readable")),
        ({"type": "Modelversion"}, ("type", "type.known")),
        ({"type": "model_version"}, ("type", "string.pattern")),
        ({"target_form": v1.Form.FORM_UNSPECIFIED}, ("target_form", "required")),
        ({"target_form": v1.Form.FORM_YAML}, ("target_form", "form.known")),
    ],
)
def test_a_server_in_go_rejects_with_typed_details(
    validator: str, changes: dict[str, Any], rule: tuple[str, str]
) -> None:
    request: dict[str, Any] = {
        "content": b'{"version": "1.0.0", "id": "m", "modelId": "llama"}',
        "type": "ModelVersion",
        "source_form": v1.Form.FORM_JSON,
        "target_form": v1.Form.FORM_BINARY,
        **changes,
    }
    with grpc.insecure_channel(validator) as channel:
        stub = ValidationServiceStub(channel)
        with pytest.raises(grpc.RpcError) as caught:
            stub.Convert(v1.ConvertRequest(**request), timeout=TIMEOUT)
    error: Any = caught.value
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert loopback.broken_rules(error) == {rule}


def broken_rules(violations: Iterable[ir.Violation]) -> list[tuple[str, str]]:
    return sorted((violation.path, violation.rule_id) for violation in violations)


# The module


def test_the_module_is_formatted_and_vetted(build: Path) -> None:
    assert run("gofmt -l .", MODULE) == ""
    run("go vet ./...", MODULE)


def test_the_module_and_its_generator_use_one_release_of_protobuf() -> None:
    releases = {
        version
        for folder in (MODULE, PROJECT, ROOT / "tools" / "go")
        for version in re.findall(
            r"^\s+google\.golang\.org/protobuf (v\S+)",
            (folder / "go.mod").read_text(),
            re.MULTILINE,
        )
    }
    assert len(releases) == 1


def test_the_readme_of_the_module_works_from_an_empty_folder(build: Path, tmp_path: Path) -> None:
    shutil.copy(project.package(), tmp_path)
    follow(README, tmp_path, lambda command: run(command, tmp_path), {})


def test_the_archive_has_the_module_and_its_license(build: Path) -> None:
    top = f"crucible-ir-go-{ir.__version__}"
    with tarfile.open(project.package()) as archive:
        contents = {
            entry.name.removeprefix(f"{top}/"): archive.extractfile(entry).read()  # type: ignore[union-attr]
            for entry in archive
        }
    assert contents.pop("LICENSE") == (ROOT / "LICENSE").read_bytes()
    module = (path for path in MODULE.rglob("*") if path.is_file())
    assert contents == {path.relative_to(MODULE).as_posix(): path.read_bytes() for path in module}
    required = re.findall(r"gen/go (v\S+)$", (PROJECT / "go.mod").read_text(), re.MULTILINE)
    assert required == [f"v{ir.__version__}"]


USER = """package {name}

import crucibleirv1 "github.com/north-shore-ai/crucible-ir/gen/go/crucible_ir/v1"

func Describe() string {{
	return "{name} has " + (&crucibleirv1.ModelRef{{Id: "{name}"}}).String()
}}
"""

LINKER = """package main

import (
	"fmt"

	"example.com/first"
	"example.com/second"
)

func main() {
	fmt.Println(first.Describe())
	fmt.Println(second.Describe())
}
"""


def test_two_modules_that_follow_the_guide_are_linked_into_one_program(
    build: Path, tmp_path: Path
) -> None:
    installing = blocks(GUIDE, "sh")[0]
    for name in ("first", "second", "program"):
        (tmp_path / name).mkdir()
        shutil.copy(project.package(), tmp_path / name)
    for name in ("first", "second"):
        run(installing.replace("example.com/service", f"example.com/{name}"), tmp_path / name)
        (tmp_path / name / f"{name}.go").write_text(USER.format(name=name))
    program = tmp_path / "program"
    (program / "main.go").write_text(LINKER)
    run(installing.replace("example.com/service", "example.com/program"), program)
    for name in ("first", "second"):
        run(f"go mod edit -replace example.com/{name}=../{name}", program)
    run("go get example.com/first@v0.0.0 example.com/second@v0.0.0", program)

    lines = run("go run .", program).splitlines()

    # The spaces in the text of a message differ from build to build.
    assert [line.split()[:2] for line in lines] == [["first", "has"], ["second", "has"]]


# The guide


def test_the_guide_works_from_an_empty_folder(
    build: Path, tmp_path: Path, served: Served, secured: Secured
) -> None:
    folder = tmp_path / "service"
    folder.mkdir()
    shutil.copy(project.package(), folder)
    (folder / "ca.pem").write_bytes(secured.roots)

    follow(
        GUIDE,
        folder,
        lambda command: run(command, folder, CRUCIBLE_IR_TOKEN=secured.token),
        {"127.0.0.1:7551": served.address, "exchange.example.com:7551": secured.address},
    )

    programs = sorted(path.parent.name for path in folder.glob("*/main.go"))
    assert len(programs) == len(blocks(GUIDE, "go")) == len(blocks(GUIDE, "console"))
    assert run(f"gofmt -l {' '.join(programs)}", folder) == ""
    run("go vet ./...", folder)
    with pytest.raises(AssertionError, match="Unauthenticated"):
        run("go run ./secured", folder, CRUCIBLE_IR_TOKEN="guessed")
    installed, tested = (
        set(re.findall(r"^\s(\S+ v\S+)", (each / "go.mod").read_text(), re.MULTILINE))
        for each in (folder, PROJECT)
    )
    assert installed == tested
