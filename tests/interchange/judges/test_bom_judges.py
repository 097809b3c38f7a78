"""The schemas of CycloneDX accept the BOMs that we export."""

from __future__ import annotations

from pathlib import Path

import pytest
from interchange.judges import documents

import crucible_ir as ir
from crucible_ir import v1
from crucible_ir.interchange import cyclonedx
from crucible_ir.interchange.mapping.dialect import json_values

DOCUMENTS = Path(__file__).parents[1] / "documents" / "cyclonedx"


@pytest.mark.parametrize("path", sorted(DOCUMENTS.iterdir()), ids=lambda path: path.name)
@pytest.mark.parametrize("version", ["1.6", "1.7"])
def test_each_document_of_a_bom(path: Path, version: str) -> None:
    [record] = cyclonedx.FORMAT.records(str(path))
    source = {**record.value, "specVersion": version}
    documents.cyclonedx(source, version)
    for message in cyclonedx.import_(source).documents:
        documents.cyclonedx(cyclonedx.export(message).obj, version)


@pytest.mark.parametrize(
    "text",
    [
        "DatasetRef: {name: org/reviews, uri: 's3://reviews', version: v1, digest: 'sha256:%s'}",
        "ModelRef: {id: org/llama, task: qa, provider: s3, tags: [a], artifact_uri: 's3://m'}",
        "EvaluationResult: {id: e, task: mmlu, metrics: [{name: acc, value: .nan, filter: f}]}",
        "ModelVersion: {id: v, model_id: m, version: 1.0.0, metrics: {a: 1}, tags: [x], stage: "
        "staging, sources: [{model_version_id: b, relation: merged}], artifacts: [{uri: m.bin, "
        "digest: 'sha256:%s', media_type: application/zip}], description: d, created_by: me}",
    ],
    ids=lambda text: text.partition(":")[0],
)
def test_a_message_from_elsewhere(text: str) -> None:
    name, _, values = text.partition(": ")
    message = ir.from_yaml(values.replace("%s", "0" * 64), getattr(v1, name))
    exported = cyclonedx.export(message).obj
    documents.cyclonedx(exported, "1.6")
    documents.cyclonedx({**exported, "specVersion": "1.7"}, "1.7")
    assert json_values(cyclonedx.import_(exported).documents[0])
