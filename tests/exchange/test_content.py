"""The indexed fields of documents."""

from __future__ import annotations

from crucible_ir import v1
from crucible_ir.exchange.content import FieldValue, field_values, indexed_fields


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


def test_a_model_version_is_indexed_by_its_model_and_version_together() -> None:
    version = v1.ModelVersion(id="m", model_id="g", version="1.0.0")
    assert FieldValue("model_id+version", "1.0.0\0g") in field_values(version)
    assert "model_id+version" not in indexed_fields(v1.ModelVersion.DESCRIPTOR)
