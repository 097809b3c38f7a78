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


MESSAGES = {
    "bare version": ("ModelVersion", "{id: v, model_id: m, version: 1.0.0}"),
    "version": (
        "ModelVersion",
        """
        id: sentiment-1
        model_id: acme/sentiment
        version: 1.0.0+git.0a1b
        stage: production
        training_run_id: run-1
        metrics: {accuracy: 0.91, loss: 1.0e-7, nan: .nan, worst: .inf}
        artifact_uri: "s3://models/sentiment 1"
        parent_version: 0.9.0
        description: A classifier.
        created_at: 2026-11-30T12:00:00.5Z
        created_by: ada
        options: {odd: [1, null]}
        other_metrics: {confusion: [[1, 2], [3, 4]]}
        tags: [text, text, vision]
        artifacts:
          - uri: "s3://models/a.safetensors"
            name: a.safetensors
            digest: "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
            size_bytes: 12
            media_type: application/octet-stream
          - {uri: "b.bin", digest: "mlflow:12345678"}
          - {uri: "c.bin", digest: "sha1:da39a3ee5e6b4b0d3255bfef95601890afd80709"}
          - {uri: "d.bin", digest: "md5:d41d8cd98f00b204e9800998ecf8427e"}
          - {uri: "with space.bin", digest: "sha256:short"}
        sources:
          - {model_version_id: base-1, relation: fine_tuned}
          - {model_version_id: base-2, custom_relation: pruned}
        """,
    ),
    "evaluation": (
        "EvaluationResult",
        """
        id: e
        task: imdb
        task_version: "1"
        model_version_id: sentiment-1
        dataset_ref: {name: imdb, split: test}
        num_shots: 5
        sample_count: 100
        metrics:
          - {name: accuracy, value: 0.91, stderr: 0.01, higher_is_better: true, filter: none}
          - {name: loss, value: .nan}
          - {name: empty}
        completed_at: 2026-11-30T12:00:00Z
        tags: [a]
        """,
    ),
    "dataset": (
        "DatasetRef",
        """
        name: imdb
        version: "1"
        split: train
        """,
    ),
}


@pytest.mark.parametrize(("name", "text"), MESSAGES.values(), ids=MESSAGES)
def test_a_message_with_odd_values(name: str, text: str) -> None:
    exported = cyclonedx.export(ir.from_yaml(text, name))
    assert not exported.report.errors
    documents.cyclonedx(exported.obj, "1.6")
    documents.cyclonedx({**exported.obj, "specVersion": "1.7"}, "1.7")
