"""The identity of messages, and the references between them."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.message import Message

import crucible_ir as ir
from crucible_ir import v1
from crucible_ir.exchange.store.statements.lineage import FEEDBACK_REFERENCES
from crucible_ir.exchange.store.statements.tables import document_references, feedback_events
from crucible_ir.schema.fields import Kind, Resolution, fields_of
from crucible_ir.schema.references import (
    CONTEXT_FIELDS,
    identity_fields,
    identity_of,
    reference_fields,
    references_of,
)
from crucible_ir.schema.types import descriptor_of, document_members

REFERENCES = [
    (cls, field)
    for cls in ir.MESSAGE_TYPES.values()
    for field in fields_of(cls.DESCRIPTOR).values()
    if field.reference is not None
]


@pytest.mark.parametrize(("cls", "name"), [(cls, field.name) for cls, field in REFERENCES], ids=str)
def test_a_reference_is_to_a_document_with_an_identity(cls: type[Message], name: str) -> None:
    field = fields_of(cls.DESCRIPTOR)[name]
    assert field.reference in document_members()
    assert identity_fields(ir.MESSAGE_TYPES[field.reference].DESCRIPTOR)
    if field.message is not None:
        assert field.message.name == field.reference
    else:
        assert field.kind is Kind.STRING
    first, *others = field.resolutions
    assert first is Resolution.BY_ID
    assert len(others) <= 1
    for way in others:
        assert field.reference == "ModelVersion"
        assert CONTEXT_FIELDS[way] in fields_of(cls.DESCRIPTOR)


#: What the names of fields with ids of documents begin with; a user_id is not the id of a document.
REFERRED = {
    "backend",
    "deployment",
    "experiment",
    "model",
    "model_version",
    "response",
    "training_run",
}


def test_every_field_with_the_id_of_another_document_is_a_reference() -> None:
    ids = {
        (name, field.name)
        for name, cls in ir.MESSAGE_TYPES.items()
        for field in fields_of(cls.DESCRIPTOR).values()
        if field.name.endswith("_id") and field.name.removesuffix("_id") in REFERRED
    }
    # It identifies the completion itself.
    ids.remove(("Completion", "response_id"))
    assert ids
    assert ids <= {(cls.DESCRIPTOR.name, field.name) for cls, field in REFERENCES}


def test_the_store_has_a_column_for_each_reference_of_an_event() -> None:
    declared = reference_fields(descriptor_of(v1.FeedbackEvent))
    assert [field.name for field in FEEDBACK_REFERENCES] == list(declared)
    # Names that many events share have the numbers of names instead.
    shared = {"deployment_id": "deployment", "model_version": "version"}
    columns = {column.name for column in feedback_events.columns}
    assert {shared.get(name, name) for name in declared} <= columns


def test_the_paths_of_references_fit_their_column() -> None:
    column: Any = document_references.c.field.type
    length = column.length
    assert length == 64
    for name in document_members():
        for path in reference_fields(descriptor_of(ir.MESSAGE_TYPES[name])):
            assert len(path) <= length


def test_references_include_those_of_embedded_messages() -> None:
    experiment = ir.new(
        "Experiment",
        id="x",
        backend={"id": "b1", "fallback": {"id": "b2", "deployment_id": "d"}},
        pipeline=[{"name": "s"}],
        training_config={"id": "c", "model_ref": {"id": "m"}, "dataset_ref": {"name": "data"}},
    )
    assert {
        (r.holder_type, r.holder_id, r.field, r.target_type, r.target_id, r.embedded)
        for r in references_of(experiment, "x")
    } == {
        ("Experiment", "x", "backend", "BackendRef", "b1", True),
        ("BackendRef", "b1", "fallback", "BackendRef", "b2", True),
        ("BackendRef", "b2", "deployment_id", "DeploymentConfig", "d", False),
        ("Experiment", "x", "training_config", "TrainingConfig", "c", True),
        ("TrainingConfig", "c", "model_ref", "ModelRef", "m", True),
        ("TrainingConfig", "c", "dataset_ref", "DatasetRef", "data", True),
    }


def test_an_empty_reference_is_skipped() -> None:
    assert list(references_of(v1.ModelVersion(parent_version=""), "m")) == []
    assert list(references_of(v1.TrainingRun(config=v1.TrainingConfig()), "r")) == []


@pytest.mark.parametrize(
    ("message", "identity"),
    [
        (v1.ModelRef(id="a", name="b"), "a"),
        (v1.DatasetRef(name="wikitext"), "wikitext"),
        (v1.Capabilities(backend_id="b"), "b"),
        (v1.Prompt(request_id="r"), "r"),
        (v1.Prompt(), None),
        (v1.Completion(request_id="r"), "r"),
        (v1.Completion(request_id="r", response_id=""), "r"),
        (v1.Completion(request_id="r", response_id="a"), "a"),
        (v1.Artifact(uri="s3://a", name="b"), "s3://a"),
        (v1.ReliabilityConfig(), None),
    ],
)
def test_a_message_is_identified_by_its_id_or_an_equivalent_field(
    message: Message, identity: str | None
) -> None:
    assert identity_of(message) == identity


def test_references_in_lists_maps_and_oneofs_have_paths() -> None:
    version = v1.ModelVersion(
        model_id="m", parent_version="0.9.0", sources=[{"model_version_id": "a"}]
    )
    assert {
        r.field: (r.target_id, r.resolution, r.context) for r in references_of(version, "v")
    } == {
        "model_id": ("m", None, ""),
        "parent_version": ("0.9.0", Resolution.BY_VERSION_OF_MODEL, "m"),
        "sources[].model_version_id": ("a", None, ""),
    }
    model = v1.ModelRef(aliases={"champion": "a", "challenger": "b"})
    assert [(r.field, r.target_id) for r in references_of(model, "m")] == [
        ("aliases[]", "b"),
        ("aliases[]", "a"),
    ]
    result = v1.EvaluationResult(model_ref=v1.ModelRef(id="api"))
    assert [r.field for r in references_of(result, "e")] == ["model_ref"]


def test_a_reference_to_a_version_has_the_deployment_beside_it() -> None:
    event = v1.FeedbackEvent(deployment_id="d", model_version="1.0.0")
    [_, version] = sorted(references_of(event, "e"), key=lambda each: each.field)
    assert version[-2:] == (Resolution.BY_VERSION_OF_DEPLOYMENT, "d")
