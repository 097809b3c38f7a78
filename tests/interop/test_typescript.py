"""TypeScript: its libraries agree with ours, its client calls our server, its guide runs."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from exchange.client.served import Served
from google.protobuf.json_format import ParseDict
from interop import executors
from interop.programs import ROOT, run
from interop.secured import Secured
from interop.typescript import project
from interop.typescript.project import PROJECT
from pages import blocks, fences, files

import crucible_ir as ir
from crucible_ir.exchange import ExchangeClient, Record, v1

pytestmark = pytest.mark.toolchain

GUIDE = (ROOT / "docs" / "typescript.md").read_text(encoding="utf-8")
MANIFEST: dict[str, Any] = json.loads((PROJECT / "package.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def programs() -> Path:
    """The folder of the project's programs."""
    return project.build()


def test_it_conforms_except_for_known_failures(programs: Path) -> None:
    implementation = executors.check_conformance("typescript").implementation
    for library in ("@bufbuild/protobuf", "@bufbuild/protovalidate", "canonicalize"):
        assert f"{library} {MANIFEST['dependencies'][library]}" in implementation


def test_every_known_failure_has_a_link_to_its_reason() -> None:
    entries = executors.known_failures("typescript")
    assert [entry for entry in entries if "https://" not in entry.reason] == []


def test_a_client_sends_documents_and_feedback_through_the_exchange(
    programs: Path, served: Served
) -> None:
    report = json.loads(run(f"node build/src/exchange_client.js {served.address}", PROJECT))

    version = ir.v1.ModelVersion(id="llama_mmlu_3", model_id="llama", version="1.0.0")
    staging = ir.v1.Document(ir_version="0.2.0", model_version=version)
    production = ir.v1.Document(ir_version="0.2.0", model_version=version)
    staging.model_version.stage = ir.v1.ModelStage.MODEL_STAGE_STAGING
    staging.model_version.metrics.update(accuracy=0.75, loss=float("nan"))
    staging.model_version.options.update({"notes": ["first", None], "limit": 3})
    production.model_version.stage = ir.v1.ModelStage.MODEL_STAGE_PRODUCTION
    rating = ir.v1.FeedbackType.FEEDBACK_TYPE_RATING
    e1 = ir.v1.FeedbackEvent(id="e1", deployment_id="d1", latency_ms=0, feedback_type=rating)
    e2 = ir.v1.FeedbackEvent(id="e2")
    e2.feedback_value.number_value = 4.5

    with ExchangeClient(served.address) as client:
        first, second = (
            client.get(ir.v1.ModelVersion, version.id, revision=number) for number in (1, 2)
        )
        assert [first.content, second.content] == [staging.model_version, production.model_version]
        assert list(client.export()) == [e1, e2]

    published = ParseDict(report["published"], v1.PublishResponse())
    assert (Record.of(published.record), published.created) == (first.record, True)
    repeated = ParseDict(report["repeated"], v1.PublishResponse())
    assert (Record.of(repeated.record), repeated.unchanged) == (first.record, True)
    got = ParseDict(report["got"], v1.GetResponse())
    assert (Record.of(got.record), got.document) == (first.record, staging)
    changes = [ParseDict(change, v1.Change()) for change in report["watched"]]
    assert [(Record.of(change.record), change.document) for change in changes] == [
        (first.record, staging),
        (second.record, production),
    ]

    one, two = (ParseDict(one, v1.IngestResponse()) for one in report["ingested"])
    assert one == v1.IngestResponse(batch_id=1, accepted=2)
    assert (two.batch_id, two.accepted, list(two.duplicates)) == (2, 0, [0])
    assert [
        (rejected.index, [(broken.path, broken.rule_id) for broken in rejected.error.violations])
        for rejected in two.rejected
    ] == [(1, [("id", "required")]), (2, [("latency_ms", "int32.gte")])]

    assert report["invalidDocument"] == {
        "code": "InvalidArgument",
        "violations": [
            {"field": "document.model_version.model_id", "reason": "required"},
            {"field": "document.model_version.version", "reason": "string.pattern"},
        ],
    }
    assert report["staleEtag"] == {
        "code": "FailedPrecondition",
        "violations": [{"type": "ETAG", "subject": "ModelVersion/llama_mmlu_3"}],
        "latest": [second.record.etag],
    }
    assert report["missingDocument"] == {
        "code": "NotFound",
        "resources": [{"resourceType": "ModelVersion", "resourceName": "never_published"}],
    }


STEPS = [step for text in blocks(GUIDE, "sh") for step in text.splitlines()]
FILES = files(GUIDE)
OUTPUTS = {
    name: output
    for (_, text), (_, output) in pairwise(fences(GUIDE))
    for name, program in FILES.items()
    if name.endswith(".ts") and program == text
}


@pytest.fixture(scope="module")
def guide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project of a user who follows the guide."""
    folder = tmp_path_factory.mktemp("guide")
    (folder / "node_modules").symlink_to(project.install() / "node_modules")
    (folder / "package.json").write_text("{}")
    for name, text in FILES.items():
        (folder / name).write_text(text)
    for step in STEPS:
        if not step.startswith("npm install "):
            run(step, folder)
    return folder


def test_the_guide_installs_the_versions_of_the_tests() -> None:
    installed = re.findall(r"(\S+)@([\d.]+)", "\n".join(STEPS))
    assert dict(installed) == MANIFEST["dependencies"] | MANIFEST["devDependencies"]


def test_every_program_of_the_guide_has_a_name_and_shows_its_output() -> None:
    names = [name for name in FILES if name.endswith(".ts")]
    assert len(names) == len(blocks(GUIDE, "ts"))
    assert all(OUTPUTS[name] for name in names)


@pytest.mark.parametrize("name", ["check.ts", "make.ts", "digest.ts", "surprises.ts"])
def test_the_programs_of_the_guide_print_the_output_shown(guide: Path, name: str) -> None:
    assert run(f"node {compiled(name)}", guide) == OUTPUTS[name]


def test_the_client_of_the_guide_calls_an_exchange(guide: Path, served: Served) -> None:
    redirect(guide / compiled("exchange.ts"), "127.0.0.1:7551", served.address)
    assert run(f"node {compiled('exchange.ts')}", guide) == OUTPUTS["exchange.ts"]


def test_the_client_of_the_guide_sends_its_token_over_tls(guide: Path, secured: Secured) -> None:
    (guide / "ca.pem").write_bytes(secured.roots)
    redirect(guide / compiled("secured.ts"), "exchange.example.com:7551", secured.address)
    command = f"node {compiled('secured.ts')}"
    assert run(command, guide, CRUCIBLE_IR_TOKEN=secured.token) == OUTPUTS["secured.ts"]
    with pytest.raises(AssertionError, match="unauthenticated"):
        run(command, guide, CRUCIBLE_IR_TOKEN="guessed")


def compiled(name: str) -> str:
    return f"build/{Path(name).stem}.js"


def redirect(program: Path, example: str, address: str) -> None:
    """Replace the address in a program of the guide."""
    text = program.read_text()
    assert text.count(example) == 1
    program.write_text(text.replace(example, address))
