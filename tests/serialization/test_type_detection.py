"""Type detection: the message type of a document, from the names of its fields."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import crucible_ir as ir
from crucible_ir import v1
from crucible_ir.errors import DecodeError
from crucible_ir.schema.required_fields import required_fields
from crucible_ir.schema.rules import rules_of
from crucible_ir.schema.types import descriptor_of, document_members
from crucible_ir.serialization.formats import FORMATS
from crucible_ir.serialization.type_detection import (
    AmbiguousTypeError,
    detect_type,
)

MEMBERS = list(document_members().items())
TEXT_FORMATS = [name for name, format_ in FORMATS.items() if format_.is_text]


def name_of(data: bytes | str, format_name: str) -> str:
    content = data.encode() if isinstance(data, str) else data
    name: str = detect_type(
        FORMATS[format_name].parse(content), FORMATS[format_name]
    ).DESCRIPTOR.name
    return name


def every_field_set(name: str) -> dict[str, object]:
    """Return an object with a value for each field of a type, by the name in the schema."""
    return {
        field.name: "x"
        for field in descriptor_of(ir.MESSAGE_TYPES[name]).fields
        if not field.name.startswith("custom_")
    }


@pytest.mark.parametrize("name", [name for name, _ in MEMBERS])
@pytest.mark.parametrize("format_name", ["json", "crucible-json", "yaml"])
def test_a_document_with_all_fields_of_a_type_has_that_type(name: str, format_name: str) -> None:
    assert name_of(json.dumps(every_field_set(name)), format_name) == name


@pytest.mark.parametrize("format_name", TEXT_FORMATS)
@pytest.mark.parametrize("member", [member for _, member in MEMBERS])
def test_a_document_message_is_detected_in_every_format(member: str, format_name: str) -> None:
    document = v1.Document(ir_version="0.2.0")
    getattr(document, member).SetInParent()
    assert name_of(FORMATS[format_name].write(document, None), format_name) == "Document"


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        # Required fields distinguish types with the same names.
        ('{"id": "x", "modelId": "m", "version": "1.0.0"}', "ModelVersion"),
        ('{"id": "x", "model_id": "m", "version": "1.0.0"}', "ModelVersion"),
        # A required field that is null is missing.
        ('{"id": "x", "version": "1", "modelId": null}', "ModelVersion"),
        # If no type has all required fields, the only type with all names.
        ('{"pipeline": []}', "Experiment"),
        ('{"samplingRate": 2}', "FeedbackConfig"),
        ('{"irVersion": "0.2.0", "prompt": {}}', "Document"),
        ('{"messages": []}', "Prompt"),
        ('{"choices": [], "model": "m"}', "Completion"),
    ],
)
def test_the_names_of_fields_determine_the_type(document: str, expected: str) -> None:
    assert name_of(document, "json") == expected
    assert name_of(document, "yaml") == expected


def test_crucible_json_has_one_key_for_an_open_vocabulary() -> None:
    assert name_of('{"name": "x", "formats": []}', "crucible-json") == "OutputSpec"
    with pytest.raises(DecodeError, match="OutputSpec"):
        name_of('{"name": "x", "custom_formats": [], "sink": "x"}', "crucible-json")
    assert name_of('{"name": "x", "custom_formats": []}', "json") == "OutputSpec"


def test_only_the_top_level_names_of_text_format_are_used() -> None:
    text = """
        # epochs: 3 in a comment
        id: "name: \\"x\\" {" deployment_id: 'it''s {'
        state: DEPLOYMENT_STATE_ACTIVE
        updated_at { seconds: 1 }
        last_health_check < nanos : 2 >
    """
    assert name_of(text, "text") == "DeploymentStatus"
    assert name_of('name: "s" options { fields { key: "a" value { } } } enabled: true', "text") == (
        "StageDef"
    )


@pytest.mark.parametrize("format_name", ["json", "crucible-json", "yaml", "text"])
def test_the_error_for_several_types_lists_them(format_name: str) -> None:
    document = 'id: "x"' if format_name == "text" else '{"id": "x"}'
    with pytest.raises(AmbiguousTypeError, match="it could be a BackendRef") as caught:
        name_of(document, format_name)
    assert set(caught.value.candidates) == {"BackendRef", "ModelRef", "FeedbackEvent"}


def test_an_empty_document_matches_every_type_without_required_fields() -> None:
    with pytest.raises(AmbiguousTypeError, match=r"or one of \d+ others") as caught:
        name_of("{}", "json")
    assert {"Hedging", "Stats", "Prompt"} <= set(caught.value.candidates)
    assert not {"Experiment", "Document"} & set(caught.value.candidates)


def test_the_error_for_no_type_names_the_most_similar_one() -> None:
    with pytest.raises(DecodeError) as caught:
        name_of("id: x\nmodelRef: {}\nepoch: 3\n", "yaml")
    assert str(caught.value) == (
        "3:1: no message type has all of its fields; the most similar type is TrainingConfig, which"
        ' has no field "epoch"; did you mean "epochs"?'
    )
    with pytest.raises(DecodeError, match=r"could be a Message, a part of other messages; name"):
        name_of('{"role": "MESSAGE_ROLE_USER", "text": "hi"}', "json")
    with pytest.raises(DecodeError, match='no message type has a field "zzz"'):
        name_of('{"zzz": 1}', "json")
    with pytest.raises(DecodeError, match=r"^2:3: "):
        name_of('id: "x"\n  zzz: 1', "text")


@pytest.mark.parametrize("name", ir.MESSAGE_TYPES)
def test_required_fields_are_those_of_the_rules(name: str) -> None:
    message = descriptor_of(ir.MESSAGE_TYPES[name])
    oneofs = message.oneofs_by_name
    expected = {
        frozenset(field.name for field in oneofs[rule.field_path].fields)
        if rule.field_path in oneofs
        else frozenset([rule.field_path])
        for rule in rules_of(message)
        if rule.parameters.get("required") or rule.parameters.get("min_items")
    }
    assert set(required_fields(message)) == expected


@pytest.mark.parametrize("document", ["[1]", '"x"', "3", "null"])
@pytest.mark.parametrize("format_name", ["json", "yaml"])
def test_a_document_that_is_not_an_object_is_rejected(document: str, format_name: str) -> None:
    with pytest.raises(DecodeError, match="expected an object"):
        name_of(document, format_name)


def test_only_a_binary_document_message_is_detected() -> None:
    stage = v1.StageDef(name="embed")
    document = v1.Document(ir_version="0.2.0", stage_def=stage)
    assert name_of(document.SerializeToString(), "binary") == "Document"
    for other in (
        stage.SerializeToString(),
        v1.Document(ir_version="0.2.0").SerializeToString(),
        v1.Document(ir_version="embed", stage_def=stage).SerializeToString(),
        document.SerializeToString() + b"\xc0\x3e\x05",
        b"",
        b"\xff",
    ):
        with pytest.raises(AmbiguousTypeError, match="field numbers and no names"):
            name_of(other, "binary")


def test_every_published_document_of_the_elixir_package_is_detected() -> None:
    vectors = Path(__file__).parents[1] / "vectors"
    lines = (vectors / "upstream_examples.jsonl").read_text(encoding="utf-8").splitlines()
    for line in lines:
        example = json.loads(line)
        document = json.dumps(example["document"])
        assert name_of(document, "crucible-json") == example["type"]
        message = ir.from_crucible_json(document, example["type"])
        for format_name in ("json", "yaml", "text"):
            assert (
                name_of(FORMATS[format_name].write(message, None), format_name) == example["type"]
            )
