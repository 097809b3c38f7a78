"""CycloneDX ML-BOMs as documents of the registry."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from interchange.law import check_complete, check_law
from interchange.workloads_strategies import fields, odd, texts
from message_strategies import messages

import crucible_ir as ir
from crucible_ir import v1
from crucible_ir.interchange.cyclonedx import FORMAT
from crucible_ir.interchange.mapping.dialect import json_values
from crucible_ir.interchange.mapping.report import Outcome

DOCUMENTS = Path(__file__).parent / "documents" / "cyclonedx"


def bom(*components: Any, **more: Any) -> dict[str, Any]:
    return {"bomFormat": "CycloneDX", "specVersion": "1.6", "components": list(components), **more}


def model(**more: Any) -> dict[str, Any]:
    return {"type": "machine-learning-model", "name": "sentiment", "version": "2.1.0", **more}


def read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DOCUMENTS / name).read_text())
    return found


def test_the_documents() -> None:
    imported = check_law(FORMAT, read("sentiment.json"))
    ref, version, evaluation, dataset = map(json_values, imported.documents)
    assert (ref["id"], ref["task"]) == ("example/sentiment", "text_classification")
    assert (ref["architecture"], ref["framework"]) == ("transformer", "safetensors")
    assert (version["id"], version["version"]) == ("example/sentiment@3", "3.0.0")
    assert (version["stage"], version["created_by"]) == ("production", "Example Team")
    assert version["tags"] == ["text", "reviews"]
    assert version["artifacts"] == [
        {
            "uri": "https://models.example.org/sentiment/3/model.safetensors",
            "digest": "sha256:d7a8fbb307d7809469ca9abcb0082e4f8d5651e46d3cdb762d02d0bf37c9e592",
        },
        {
            "uri": "tokenizer.json",
            "digest": "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "media_type": "application/json",
        },
    ]
    assert version["sources"] == [
        {"model_version_id": "example/base@1.2.0", "relation": "fine_tuned"}
    ]
    kept = version["options"]["cyclonedx"]
    assert kept["component"]["licenses"] == [{"license": {"id": "Apache-2.0"}}]
    assert kept["bom"]["components"][1]["name"] == "inference-runtime"
    assert kept["bom"]["components"][2] == {
        "type": "data",
        "name": "reviews",
        "version": "2026-01",
        "bom-ref": "reviews",
    }
    assert evaluation["model_version_id"] == "example/sentiment@3"
    assert evaluation["task"] == "text-classification"
    assert evaluation["metrics"] == [
        {"name": "accuracy", "value": 0.91},
        {"name": "accuracy", "value": 0.87, "filter": "short reviews"},
        {"name": "latency"},
    ]
    assert dataset["name"] == "reviews"
    assert dataset["uri"] == "https://data.example.org/reviews.parquet"
    assert dataset["digest"].startswith("sha512:cf83e135")


def test_a_model_without_version_gives_no_version() -> None:
    imported = check_law(FORMAT, read("unversioned.json"))
    ref, evaluation = map(json_values, imported.documents)
    assert (ref["id"], ref["task"]) == ("example/chat-7b", "text_generation")
    assert ref["artifact_uri"] == "https://models.example.org/chat-7b"
    assert evaluation["model_ref"] == {"id": "example/chat-7b"}
    assert evaluation["metrics"] == [{"name": "unknown", "value": 12}]


@pytest.mark.parametrize(
    ("change", "path", "reason"),
    [
        ({"bomFormat": "SPDX"}, "bomFormat", 'expected "bomFormat": "CycloneDX"'),
        ({"specVersion": "1.4"}, "specVersion", "expected specVersion 1.6 or 1.7"),
        ({"specVersion": None}, "", "expected specVersion"),
        ({"components": [{"type": "library", "name": "x"}]}, "", "machine-learning-model or data"),
    ],
)
def test_bad_boms_are_located_errors(change: dict[str, Any], path: str, reason: str) -> None:
    imported = FORMAT.import_({**bom(model()), **change})
    assert not imported.documents
    [error] = imported.report.errors
    assert error.path == path
    assert reason in error.reason


def test_a_model_in_an_application() -> None:
    app = {"type": "application", "name": "app", "components": [model(), {"type": "file"}]}
    imported = check_law(FORMAT, bom(app))
    assert [type(each).__name__ for each in imported.documents] == ["ModelRef", "ModelVersion"]


def test_datasets_in_a_model_card() -> None:
    datasets = [
        {"type": "dataset", "name": "train", "contents": {"url": "s3://train"}, "description": "d"},
        {"type": "dataset", "name": "reviews"},
        {"type": "configuration", "name": "x"},
        {"ref": "reviews"},
    ]
    card = {"modelParameters": {"datasets": datasets}}
    data = {"type": "data", "name": "reviews"}
    imported = check_law(FORMAT, bom(data, model(modelCard=card)))
    found = [each for each in imported.documents if isinstance(each, v1.DatasetRef)]
    assert [(each.name, each.uri) for each in found] == [("reviews", ""), ("train", "s3://train")]
    kept = json_values(imported.documents[2])["options"]["cyclonedx"]["component"]
    assert kept["modelCard"]["modelParameters"]["datasets"] == datasets


def test_boms_are_joined() -> None:
    boms = [bom(model(), metadata={"timestamp": "t"}), bom(model(name="other"), version=2)]
    for each in boms:
        each["metadata"] = {"component": {"type": "application", "name": "app"}}
    exported = [
        FORMAT.export(message).obj for each in boms for message in FORMAT.import_(each).documents
    ]
    assert FORMAT.join is not None
    joined = FORMAT.join(exported)
    assert joined["version"] == 2
    assert sorted(each["name"] for each in joined["components"]) == ["other", "sentiment"]


def test_versions_of_one_model_and_repeated_components() -> None:
    components = (model(), model(version="3"), model(), model(version=""), {"type": "data"})
    imported = check_law(FORMAT, bom(*components))
    assert [json_values(each)["id"] for each in imported.documents] == [
        "sentiment",
        "sentiment@2.1.0",
        "sentiment@3",
    ]


def test_the_only_artifact_gets_the_hash_of_the_component() -> None:
    component = model(
        hashes=[{"alg": "BLAKE3", "content": "ab12"}, {"alg": "Whirlpool", "content": "cd"}],
        externalReferences=[{"type": "distribution", "url": "s3://models/sentiment"}],
    )
    imported = check_law(FORMAT, bom(component))
    [artifact] = json_values(imported.documents[1])["artifacts"]
    assert artifact == {"uri": "s3://models/sentiment", "digest": "blake3:ab12"}


def test_a_secret_is_dropped() -> None:
    url = "https://user:s3cret-enough@host/model"
    component = model(externalReferences=[{"type": "distribution", "url": url}])
    component["properties"] = [{"name": "api_key", "value": "not-a-real-key"}]
    imported = check_law(FORMAT, bom(component))
    assert "s3cret" not in str(imported.documents)
    assert "not-a-real-key" not in str(imported.documents)
    assert imported.report.counts["dropped"] == 2


def test_a_version_from_elsewhere() -> None:
    version = ir.from_yaml(
        """
        id: llama_mmlu_3
        model_id: org/llama
        version: 1.2.0
        stage: production
        training_run_id: run-7
        metrics: {accuracy: 0.5, loss: .nan}
        artifacts:
        - uri: "s3://m/model.bin"
          digest: "sha256:abababababababababababababababababababababababababababababababab"
          size_bytes: 7
        - {uri: "s3://m/other.bin", digest: "mlflow:12345678"}
        sources: [{model_version_id: org/base@1.0.0, relation: quantized}]
        parent_version: llama_mmlu_2
        created_at: 2026-01-02T03:04:05Z
        """,
        v1.ModelVersion,
    )
    exported = FORMAT.export(version)
    [component] = exported.obj["components"]
    assert component["group"] == "org"
    assert component["externalReferences"] == [
        {
            "type": "distribution",
            "url": "s3://m/model.bin",
            "hashes": [{"alg": "SHA-256", "content": "ab" * 32}],
        },
        {"type": "distribution", "url": "s3://m/other.bin"},
    ]
    dropped = {each.path for each in exported.report.entries if each.outcome is Outcome.DROPPED}
    assert dropped == {"artifacts[*].size_bytes", "artifacts[1].digest"}
    ref, again, evaluation = FORMAT.import_(exported.obj).documents
    values = json_values(again)
    for field in ("id", "stage", "training_run_id", "parent_version", "created_at", "sources"):
        assert values[field] == json_values(version)[field]
    assert json_values(evaluation)["metrics"][0] == {"name": "accuracy", "value": 0.5}
    assert json_values(ref)["id"] == "org/llama"


def test_an_evaluation_from_elsewhere() -> None:
    evaluation = ir.from_yaml(
        """
        id: e1
        task: mmlu
        model_ref: {id: org/llama}
        metrics: [{name: acc, value: 0.5, stderr: 0.01, filter: strict}, {name: n, value: 3}]
        """,
        v1.EvaluationResult,
    )
    exported = FORMAT.export(evaluation)
    [component] = exported.obj["components"]
    assert component["modelCard"] == {
        "modelParameters": {"task": "mmlu"},
        "quantitativeAnalysis": {
            "performanceMetrics": [
                {"type": "acc", "value": "0.5", "slice": "strict"},
                {"type": "n", "value": "3"},
            ]
        },
    }
    dropped = {each.path for each in exported.report.entries if each.outcome is Outcome.DROPPED}
    assert dropped == {"id", "metrics[*].stderr"}


def test_a_changed_metric_and_a_changed_version_are_exported() -> None:
    _, version, evaluation, _ = FORMAT.import_(read("sentiment.json")).documents
    assert isinstance(version, v1.ModelVersion) and isinstance(evaluation, v1.EvaluationResult)
    evaluation.metrics[0].value = 0.95
    version.version = "4.0.0"
    del version.artifacts[1]
    del version.sources[0]
    metrics = FORMAT.export(evaluation).obj["components"][0]["modelCard"]
    assert metrics["quantitativeAnalysis"]["performanceMetrics"][0]["value"] == "0.95"
    components = FORMAT.export(version).obj["components"]
    component = next(each for each in components if each.get("version") == "4.0.0")
    assert [each["url"] for each in component["externalReferences"]] == [
        "https://models.example.org/sentiment",
        "https://models.example.org/sentiment/3/model.safetensors",
    ]


_HASHES = st.lists(
    fields(alg=st.sampled_from(["SHA-256", "MD5", "X"]), content=st.sampled_from(["ab", "c d"])),
    max_size=2,
)
_REFERENCES = st.lists(
    fields(
        type=st.sampled_from(["distribution", "website"]),
        url=st.sampled_from(["s3://m", "https://u:secret9@h/m", ""]),
        hashes=_HASHES,
        comment=texts,
    ),
    max_size=3,
)
_PROPERTIES = st.lists(
    fields(
        name=st.sampled_from(
            [
                "crucible-ir:stage",
                "crucible-ir:id",
                "crucible-ir:provider",
                "crucible-ir:created_at",
            ]
        ),
        value=st.sampled_from(["production", "x", "2026-01-02T03:04:05Z"]),
    ),
    max_size=2,
    unique_by=lambda each: str(each.get("name")),
)
_CARD = fields(
    modelParameters=fields(
        task=st.sampled_from(["text-generation", "text_generation", "qa", "other-task"]) | texts,
        architectureFamily=st.sampled_from(["transformer", "llama"]),
        datasets=st.lists(
            fields(
                type=st.sampled_from(["dataset", "other"]),
                name=st.sampled_from(["d1", "d2", "m1"]),
                contents=fields(url=texts),
            ),
            max_size=2,
        ),
    ),
    quantitativeAnalysis=fields(
        performanceMetrics=st.lists(
            fields(
                type=st.sampled_from(["acc", "f1"]),
                value=st.sampled_from(["0.5", "0.50", "1e3", "x", "nan"]),
                slice=texts,
                confidenceInterval=fields(lowerBound=texts),
            ),
            max_size=3,
        )
    ),
    considerations=odd,
)
_FILES = st.lists(
    fields(type=st.just("file"), name=texts, hashes=_HASHES, **{"mime-type": texts}), max_size=2
)
_COMPONENTS = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["machine-learning-model", "data", "library"]),
        "name": st.sampled_from(["m", "n", "g/m", "a@b"]),
    },
    optional={
        "group": st.sampled_from(["g", "g/h", ""]),
        "version": st.sampled_from(["1.0.0", "3", "main", "!", ""]),
        "bom-ref": texts,
        "description": texts | odd,
        "publisher": texts | odd,
        "tags": st.lists(texts, max_size=2) | odd,
        "hashes": _HASHES,
        "externalReferences": _REFERENCES,
        "components": _FILES,
        "pedigree": fields(
            ancestors=st.lists(
                fields(
                    type=st.just("machine-learning-model"),
                    name=st.sampled_from(["m", "g/m", "a@b"]),
                    version=st.sampled_from(["1.0.0", "3", ""]),
                ),
                max_size=2,
            ),
            notes=texts,
        ),
        "properties": _PROPERTIES,
        "modelCard": _CARD,
        "data": st.lists(fields(contents=fields(url=texts), name=texts), max_size=2),
        "licenses": odd,
    },
)


def _with_names(components: tuple[dict[str, Any], ...]) -> list[dict[str, Any]]:
    """Give components names that differ, so that they can be merged by their names."""
    return [
        {**component, "name": f"{component.get('name', 'first')}{index}"}
        for index, component in enumerate(components)
    ]


_BOMS = st.fixed_dictionaries(
    {
        "bomFormat": st.just("CycloneDX"),
        "specVersion": st.sampled_from(["1.6", "1.7"]),
        "components": st.tuples(
            st.just({"type": "machine-learning-model"}), _COMPONENTS, _COMPONENTS
        ).map(_with_names),
    },
    optional={"metadata": fields(component=_COMPONENTS, timestamp=odd), "dependencies": odd},
)


@given(_BOMS)
def test_the_law_holds_for_any_bom(obj: dict[str, Any]) -> None:
    check_law(FORMAT, obj)


@given(
    st.one_of(
        *(
            messages(each)
            for each in (v1.ModelRef, v1.ModelVersion, v1.EvaluationResult, v1.DatasetRef)
        )
    )
)
def test_any_message_is_exported(message: Any) -> None:
    check_complete(json_values(message), FORMAT.export(message).report)


@given(
    st.one_of(*(messages(each) for each in (v1.ModelRef, v1.ModelVersion, v1.DatasetRef))),
    _COMPONENTS,
    odd,
)
def test_any_kept_component_is_exported(message: Any, component: Any, bom: Any) -> None:
    message.options.update({"cyclonedx": {"component": component, "bom": {"components": bom}}})
    check_complete(json_values(message), FORMAT.export(message).report)


def test_a_location_and_a_digest_that_a_bom_cannot_have() -> None:
    version = v1.ModelVersion(id="v", model_id="m", version="1.0.0")
    version.artifacts.add(uri="s3://models/my model", digest="sha256:short")
    exported = FORMAT.export(version)
    [reference] = exported.obj["components"][0]["externalReferences"]
    assert reference == {"type": "distribution", "url": "s3://models/my%20model"}
    assert exported.report.counts["dropped"] == 1
