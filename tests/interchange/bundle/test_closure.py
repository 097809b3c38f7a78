"""The closure of references over files, as the lineage of an exchange is."""

from __future__ import annotations

import io

from google.protobuf.message import Message

from crucible_ir import v1
from crucible_ir.interchange.bundle import DocumentKey, DocumentSet, write_bundle


def set_of(*messages: Message) -> DocumentSet:
    documents = DocumentSet()
    for message in messages:
        documents.add(message)
    return documents


def closure(documents: DocumentSet, *starts: str) -> set[str]:
    keys = [DocumentKey(*start.split("/", 1)) for start in starts]
    return {str(key) for key in documents.closure(keys).keys}


def version(id_: str, number: str, parent: str | None = None) -> v1.ModelVersion:
    return v1.ModelVersion(id=id_, model_id="m", version=number, parent_version=parent)


def test_references_are_followed_upstream_only() -> None:
    documents = set_of(
        v1.ModelRef(id="m"),
        version("a", "1.0.0"),
        version("b", "2.0.0", "a"),
        version("c", "3.0.0", "b"),
    )
    assert closure(documents, "ModelVersion/b") == {
        "ModelVersion/b",
        "ModelVersion/a",
        "ModelRef/m",
    }
    assert closure(documents, "ModelRef/m") == {"ModelRef/m"}
    assert closure(documents, "ModelRef/m", "ModelVersion/a") == {"ModelRef/m", "ModelVersion/a"}


def test_versions_are_resolved_and_ambiguous_ones_are_not_followed() -> None:
    event = v1.FeedbackEvent(id="e", deployment_id="d", model_version="2.0.0")
    deployment = v1.DeploymentConfig(id="d", model_version_id="a")
    documents = set_of(event, deployment, version("a", "1.0.0"), version("b", "2.0.0"))
    assert closure(documents, "FeedbackEvent/e") == {
        "FeedbackEvent/e",
        "DeploymentConfig/d",
        "ModelVersion/a",
        "ModelVersion/b",
    }
    documents.add(version("c", "2.0.0"))
    assert closure(documents, "FeedbackEvent/e") == {
        "FeedbackEvent/e",
        "DeploymentConfig/d",
        "ModelVersion/a",
    }


def test_copies_are_followed_and_documents_preferred_to_them() -> None:
    experiment = v1.Experiment(
        id="x",
        backend=v1.BackendRef(id="b"),
        pipeline=[v1.StageDef(name="s")],
        model_version=v1.ModelVersion(id="a", model_id="m", version="1.0.0", training_run_id="old"),
    )
    runs = [v1.TrainingRun(id=id_) for id_ in ("old", "new")]
    copied = set_of(experiment, *runs)
    assert closure(copied, "Experiment/x") == {"Experiment/x", "TrainingRun/old"}
    stored = v1.ModelVersion(id="a", model_id="m", version="1.0.0", training_run_id="new")
    copied.add(stored)
    assert closure(copied, "Experiment/x") == {
        "Experiment/x",
        "ModelVersion/a",
        "TrainingRun/new",
    }


def test_cycles_end() -> None:
    documents = set_of(version("a", "1.0.0", "b"), version("b", "2.0.0", "a"))
    assert closure(documents, "ModelVersion/a") == {"ModelVersion/a", "ModelVersion/b"}


def test_the_order_of_the_starts_does_not_matter() -> None:
    documents = set_of(v1.ModelRef(id="m"), version("a", "1.0.0"), version("b", "2.0.0"))
    keys = [DocumentKey("ModelVersion", id_) for id_ in ("a", "b")]
    one, other = io.BytesIO(), io.BytesIO()
    write_bundle(one, documents.closure(keys))
    write_bundle(other, documents.closure(keys[::-1]))
    assert one.getvalue() == other.getvalue()
