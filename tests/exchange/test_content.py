"""The identity, the indexed fields and the references of documents."""

from __future__ import annotations

import pytest

import crucible_ir as ir
from crucible_ir import v1
from crucible_ir.exchange.content import (
    REFERENCES,
    FieldValue,
    field_values,
    identity_field,
    identity_of,
    indexed_fields,
    references_of,
)
from crucible_ir.exchange.store.statements.lineage import FEEDBACK, FEEDBACK_REFERENCES
from crucible_ir.schema.types import document_members


@pytest.mark.parametrize("name", sorted(REFERENCES))
def test_the_table_of_references_matches_the_schema(name: str) -> None:
    fields = ir.MESSAGE_TYPES[name].DESCRIPTOR.fields_by_name
    for field_name, target in REFERENCES[name].items():
        field = fields[field_name]
        assert target in document_members()
        assert identity_field(ir.MESSAGE_TYPES[target].DESCRIPTOR)
        assert not field.is_repeated
        if field.message_type is not None:
            assert field.message_type.name == target
        else:
            assert field.cpp_type == field.CPPTYPE_STRING


def test_every_field_with_another_documents_id_is_in_the_table() -> None:
    ids = {
        (name, field.name)
        for name in document_members()
        for field in ir.MESSAGE_TYPES[name].DESCRIPTOR.fields
        if field.name.endswith("_id") and field.name.removesuffix("_id") in REFERRED
    }
    assert ids == {
        (name, field)
        for name, fields in REFERENCES.items()
        for field in fields
        if field.endswith("_id") and field.removesuffix("_id") in REFERRED
    }


#: The names of documents in id fields; other ids, such as user_id, are not those of documents.
REFERRED = {"deployment", "model", "model_version", "training_run", "backend"}


def test_the_store_and_the_table_have_the_same_references_of_feedback() -> None:
    assert REFERENCES[FEEDBACK] == FEEDBACK_REFERENCES


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
        (v1.ReliabilityConfig(), None),
    ],
)
def test_a_message_is_identified_by_its_id_or_an_equivalent_field(
    message: v1.ModelRef, identity: str | None
) -> None:
    assert identity_of(message) == identity


def test_indexed_values_are_in_the_syntax_of_filters() -> None:
    version = v1.ModelVersion(id="m", model_id="g", custom_stage="shadow", description="")
    assert list(field_values(version)) == [
        ("id", "m"),
        ("model_id", "g"),
        ("stage", "shadow"),
        ("description", ""),
    ]
    newer = v1.ModelVersion(stage=99)  # type: ignore[arg-type] # a number of a newer schema
    assert dict(field_values(newer)) == {"stage": "99"}
    unset = v1.ModelVersion(stage=v1.ModelStage.MODEL_STAGE_UNSPECIFIED)
    assert dict(field_values(unset)) == {}
    stage = v1.StageDef(name="s", enabled=False)
    assert dict(field_values(stage)) == {"name": "s", "enabled": "false"}
    tags = v1.Experiment(tags=["a", "b", "a"])
    assert list(field_values(tags)) == [("tags", "a"), ("tags", "b")]


def test_lists_of_an_open_vocabulary_are_one_field() -> None:
    output = v1.OutputSpec(name="o", formats=["OUTPUT_FORMAT_JSON"], custom_formats=["docx"])
    assert FieldValue("formats", "json") in field_values(output)
    assert FieldValue("formats", "docx") in field_values(output)
    assert "custom_formats" not in indexed_fields(v1.OutputSpec.DESCRIPTOR)


def test_a_value_is_indexed_up_to_512_bytes() -> None:
    assert dict(field_values(v1.ModelRef(name="é" * 256))) == {"name": "é" * 256}
    assert dict(field_values(v1.ModelRef(name="é" * 256 + "x"))) == {}
