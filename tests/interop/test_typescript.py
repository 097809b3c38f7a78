"""TypeScript: its libraries agree with ours, its client calls our server, its guide runs."""

from __future__ import annotations

import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest
from exchange.client.served import Served
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.json_format import ParseDict
from interop import executors
from interop.guides import follow
from interop.programs import ROOT
from interop.secured import Secured
from interop.typescript import project
from interop.typescript.project import PROJECT, run_npm
from pages import blocks, files
from web.http_servers import http_exchange

import crucible_ir as ir
from build_packages import PACKAGES
from crucible_ir.exchange import ExchangeClient, Record, v1
from crucible_ir.schema.comments import descriptor_set

pytestmark = pytest.mark.toolchain

GUIDE = (ROOT / "docs" / "typescript.md").read_text(encoding="utf-8")
README = (PACKAGES / "npm" / "README.md").read_text(encoding="utf-8")
PACKAGED: dict[str, Any] = json.loads((PACKAGES / "npm" / "package.json").read_text("utf-8"))
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


@pytest.mark.parametrize("protocol", ["grpc", "connect-json", "connect-proto"])
def test_a_client_sends_documents_and_feedback_through_the_exchange(
    programs: Path, tmp_path: Path, protocol: str
) -> None:
    with http_exchange(tmp_path) as running:
        address = str(running.server.address)
        url = f"http://{address}" if protocol == "grpc" else running.url
        command = f"node build/src/exchange_client.js {url} {protocol}"
        check_report(json.loads(run_npm(command, PROJECT)), address)


def check_report(report: dict[str, Any], address: str) -> None:
    """Check what a client reports, and what the exchange at an address has of it."""

    version = ir.v1.ModelVersion(id="llama_mmlu_3", model_id="llama", version="1.0.0")
    staging = ir.v1.Document(ir_version="0.3.0", model_version=version)
    production = ir.v1.Document(ir_version="0.3.0", model_version=version)
    staging.model_version.stage = ir.v1.ModelStage.MODEL_STAGE_STAGING
    staging.model_version.metrics.update(accuracy=0.75, loss=float("nan"))
    staging.model_version.options.update({"notes": ["first", None], "limit": 3})
    production.model_version.stage = ir.v1.ModelStage.MODEL_STAGE_PRODUCTION
    rating = ir.v1.FeedbackType.FEEDBACK_TYPE_RATING
    e1 = ir.v1.FeedbackEvent(id="e1", deployment_id="d1", latency_ms=0, feedback_type=rating)
    e2 = ir.v1.FeedbackEvent(id="e2")
    e2.feedback_value.number_value = 4.5

    with ExchangeClient(address) as client:
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


def test_the_guide_works_from_an_empty_folder(
    tmp_path: Path, served: Served, secured: Secured
) -> None:
    folder = tmp_path / "service"
    folder.mkdir()
    shutil.copy(project.package(), folder)
    (folder / "ca.pem").write_bytes(secured.roots)

    follow(
        GUIDE,
        folder,
        lambda command: run_npm(command, folder, CRUCIBLE_IR_TOKEN=secured.token),
        {"127.0.0.1:7551": served.address, "exchange.example.com:7551": secured.address},
    )

    programs = [name for name in files(GUIDE) if name.endswith(".ts")]
    assert len(programs) == len(blocks(GUIDE, "ts")) == len(blocks(GUIDE, "console"))
    with pytest.raises(AssertionError, match="unauthenticated"):
        run_npm("node build/secured.js", folder, CRUCIBLE_IR_TOKEN="guessed")
    installed = json.loads((folder / "package.json").read_text())
    versions = {
        name: version.lstrip("^")
        for kind in ("dependencies", "devDependencies")
        for name, version in installed[kind].items()
    }
    assert versions.pop("crucible-ir").startswith("file:")
    # The plugins that generate are those that generated the package.
    generating = {**PACKAGED["devDependencies"], "@bufbuild/buf": versions["@bufbuild/buf"]}
    assert versions == MANIFEST["dependencies"] | MANIFEST["devDependencies"] | generating


def test_the_readme_of_the_package_works_from_an_empty_folder(tmp_path: Path) -> None:
    shutil.copy(project.package(), tmp_path)
    follow(README, tmp_path, lambda command: run_npm(command, tmp_path), {})
    installed = json.loads((tmp_path / "node_modules/crucible-ir/package.json").read_text())
    assert installed["version"] == ir.__version__


def test_the_package_has_an_import_for_each_proto_package_and_its_peers_are_those_tested() -> None:
    with tarfile.open(project.package()) as archive:
        names = set(archive.getnames())
    for package in {file.package for file in FileDescriptorSet.FromString(descriptor_set()).file}:
        if package.startswith("crucible_ir."):
            folder = package.replace(".", "/")
            shown = package.removeprefix("crucible_ir.").replace(".", "/")
            assert PACKAGED["exports"][f"./{shown}"] == f"./{folder}/index.js"
            assert f"`crucible-ir/{shown}`" in README
    for target in PACKAGED["exports"].values():
        assert f"package/{target.removeprefix('./')}" in names
    assert "package/LICENSE" in names
    # The rules are in the options of fields. Their own schema comes with protovalidate.
    assert not [name for name in names if "validate" in name and "validation_service" not in name]
    assert PACKAGED["peerDependencies"]["@bufbuild/protovalidate"] == (
        f">={MANIFEST['dependencies']['@bufbuild/protovalidate']} <1.3.0"
    )


def test_npm_does_not_install_the_release_of_protovalidate_that_skips_rules(tmp_path: Path) -> None:
    command = f"npm install --dry-run --no-audit {project.package()} @bufbuild/protovalidate@1.3.0"
    with pytest.raises(AssertionError, match="ERESOLVE"):
        run_npm(command, tmp_path)
