"""The type of a document, told from the names of its fields."""

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
TEXT_FORMS = [name for name, form in FORMATS.items() if form.is_text]


def name_of(data: bytes | str, form: str) -> str:
    content = data.encode() if isinstance(data, str) else data
    name: str = detect_type(FORMATS[form].parse(content), FORMATS[form]).DESCRIPTOR.name
    return name


def every_field_set(name: str) -> dict[str, object]:
    """Give each field of a type something that is not null, by the name that the schema has."""
    return {
        field.name: "x"
        for field in descriptor_of(ir.MESSAGE_TYPES[name]).fields
        if not field.name.startswith("custom_")
    }


@pytest.mark.parametrize("name", [name for name, _ in MEMBERS])
@pytest.mark.parametrize("form", ["json", "crucible-json", "yaml"])
def test_a_document_with_all_fields_of_a_type_is_of_that_type(name: str, form: str) -> None:
    assert name_of(json.dumps(every_field_set(name)), form) == name


@pytest.mark.parametrize("form", TEXT_FORMS)
@pytest.mark.parametrize("member", [member for _, member in MEMBERS])
def test_a_document_message_is_told_in_every_form(member: str, form: str) -> None:
    document = v1.Document(ir_version="0.2.0")
    getattr(document, member).SetInParent()
    assert name_of(FORMATS[form].write(document, None), form) == "Document"


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        # Required fields tell types with the same names apart.
        ('{"id": "x", "modelId": "m", "version": "1.0.0"}', "ModelVersion"),
        ('{"id": "x", "model_id": "m", "version": "1.0.0"}', "ModelVersion"),
        # A required field that is null is not there.
        ('{"id": "x", "version": "1", "modelId": null}', "ModelVersion"),
        # Where none is complete, the one type that knows every name.
        ('{"pipeline": []}', "Experiment"),
        ('{"samplingRate": 2}', "FeedbackConfig"),
        ('{"irVersion": "0.2.0", "prompt": {}}', "Document"),
        ('{"messages": []}', "Prompt"),
        ('{"choices": [], "model": "m"}', "Completion"),
    ],
)
def test_the_names_of_fields_decide(document: str, expected: str) -> None:
    assert name_of(document, "json") == expected
    assert name_of(document, "yaml") == expected


def test_crucible_json_knows_one_key_for_an_open_vocabulary() -> None:
    assert name_of('{"name": "x", "formats": []}', "crucible-json") == "OutputSpec"
    with pytest.raises(DecodeError, match="OutputSpec"):
        name_of('{"name": "x", "custom_formats": [], "sink": "x"}', "crucible-json")
    assert name_of('{"name": "x", "custom_formats": []}', "json") == "OutputSpec"


def test_text_format_is_read_for_its_outermost_names_only() -> None:
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


@pytest.mark.parametrize("form", ["json", "crucible-json", "yaml", "text"])
def test_a_document_that_several_types_fit_names_them(form: str) -> None:
    document = 'id: "x"' if form == "text" else '{"id": "x"}'
    with pytest.raises(AmbiguousTypeError, match="it could be a BackendRef") as caught:
        name_of(document, form)
    assert set(caught.value.candidates) == {"BackendRef", "ModelRef", "FeedbackEvent"}


def test_an_empty_document_could_be_any_type_that_requires_nothing() -> None:
    with pytest.raises(AmbiguousTypeError, match=r"or one of \d+ others") as caught:
        name_of("{}", "json")
    assert {"Hedging", "Stats", "Prompt"} <= set(caught.value.candidates)
    assert not {"Experiment", "Document"} & set(caught.value.candidates)


def test_no_fit_names_the_nearest_type_its_missing_field_and_the_place() -> None:
    with pytest.raises(DecodeError) as caught:
        name_of("id: x\nmodelRef: {}\nepoch: 3\n", "yaml")
    assert str(caught.value) == (
        "3:1: no message type has all of its fields; the most similar type is TrainingConfig, which"
        ' has no field "epoch"; did you mean "epochs"?'
    )
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
@pytest.mark.parametrize("form", ["json", "yaml"])
def test_what_is_no_object_is_refused(document: str, form: str) -> None:
    with pytest.raises(DecodeError, match="expected an object"):
        name_of(document, form)


def test_binary_says_its_type_only_as_a_document() -> None:
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


def test_every_published_document_of_the_elixir_package_is_told() -> None:
    vectors = Path(__file__).parents[1] / "vectors"
    lines = (vectors / "upstream_examples.jsonl").read_text(encoding="utf-8").splitlines()
    for line in lines:
        example = json.loads(line)
        document = json.dumps(example["document"])
        assert name_of(document, "crucible-json") == example["type"]
        message = ir.from_crucible_json(document, example["type"])
        for form in ("json", "yaml", "text"):
            assert name_of(FORMATS[form].write(message, None), form) == example["type"]
