"""The table of forms: which file holds which, and that each reads what it writes."""

from __future__ import annotations

import json

import pytest
import yaml
from google.protobuf import json_format, text_format

from crucible_ir import v1
from crucible_ir.errors import Error
from crucible_ir.paths import parse_path
from crucible_ir.serialization.formats import (
    EXTENSIONS,
    FORMATS,
    Format,
    UnknownFormatError,
    document_format_of,
)
from crucible_ir.serialization.streams.formats import format_named

MESSAGE = v1.TrainingConfig(
    id="caf\u00e9",
    model_ref=v1.ModelRef(id="m"),
    dataset_ref=v1.DatasetRef(name="d"),
    seed=2**60 + 1,
    custom_device="gaudi",
)
TEXT_FORMS = [form for form in FORMATS.values() if form.is_text]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.json", "json"),
        ("a.crucible.json", "crucible-json"),
        ("runs.d/crucible.json", "json"),
        ("a.b.YAML", "yaml"),
        ("a.yml", "yaml"),
        ("a.txtpb", "text"),
        ("a.textproto", "text"),
        ("a.binpb", "binary"),
        ("a.pb", "binary"),
    ],
)
def test_a_files_form_is_told_from_its_longest_ending(name: str, expected: str) -> None:
    assert document_format_of(name).name == expected


@pytest.mark.parametrize("name", ["a", "a.txt", "json", "a.json/b", "", "a.json.bak"])
def test_another_ending_is_an_error_that_lists_the_endings(name: str) -> None:
    with pytest.raises(UnknownFormatError) as caught:
        document_format_of(name)
    assert isinstance(caught.value, Error)
    assert all(ending in str(caught.value) for ending in EXTENSIONS)


def test_a_misspelt_ending_or_name_has_its_near_miss() -> None:
    with pytest.raises(UnknownFormatError, match=r'did you mean "\.json"'):
        document_format_of("a.jsn")
    with pytest.raises(UnknownFormatError, match='did you mean "crucible-json"'):
        format_named("cruciblejson")


@pytest.mark.parametrize("form", FORMATS.values(), ids=lambda form: form.name)
@pytest.mark.parametrize("indent", [None, 2])
def test_each_form_reads_what_it_writes(form: Format, indent: int | None) -> None:
    assert form.read(form.write(MESSAGE, indent), v1.TrainingConfig, True) == MESSAGE


def test_others_read_what_is_written() -> None:
    text = FORMATS["json"].write(MESSAGE, 2).decode("utf-8")
    assert json_format.Parse(text, v1.TrainingConfig()) == MESSAGE
    document = yaml.safe_load(FORMATS["yaml"].write(MESSAGE, None))
    assert json_format.ParseDict(document, v1.TrainingConfig()) == MESSAGE
    text = FORMATS["text"].write(MESSAGE, None).decode("utf-8")
    assert text_format.Parse(text, v1.TrainingConfig()) == MESSAGE
    assert v1.TrainingConfig.FromString(FORMATS["binary"].write(MESSAGE, None)) == MESSAGE
    assert json.loads(FORMATS["crucible-json"].write(MESSAGE, None))["device"] == "gaudi"


@pytest.mark.parametrize("form", TEXT_FORMS, ids=lambda form: form.name)
def test_a_text_file_ends_in_one_line_break(form: Format) -> None:
    written = form.write(MESSAGE, None)
    assert written.endswith(b"\n")
    assert not written.endswith(b"\n\n")


@pytest.mark.parametrize("form", FORMATS.values(), ids=lambda form: form.name)
def test_validation_is_on_request(form: Format) -> None:
    invalid = form.write(v1.StageDef(module="m"), None)
    assert form.read(invalid, v1.StageDef, False) == v1.StageDef(module="m") or (
        # The one form in which a missing key takes its default.
        form.name == "crucible-json"
    )
    with pytest.raises(ValueError, match="name: must not be empty"):
        form.read(invalid, v1.StageDef, True)


@pytest.mark.parametrize("name", ["json", "crucible-json", "yaml"])
def test_a_form_that_keeps_places_tells_where_a_field_stands(name: str) -> None:
    key = "model_ref" if name == "crucible-json" else "modelRef"
    data = f'{{"id": "t",\n  "{key}": {{"id":\n    "m"}}}}'.encode()
    find = FORMATS[name].parse(data).field_finder(v1.TrainingConfig)
    assert find is not None
    assert str(find(parse_path("model_ref.id"))) == "3:5"
