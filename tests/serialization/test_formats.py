"""The table of formats: the formats of file extensions, and their readers and writers."""

from __future__ import annotations

import json

import pytest
import yaml
from google.protobuf import json_format, text_format

import crucible_ir as ir
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
TEXT_FORMATS = [format_ for format_ in FORMATS.values() if format_.is_text]


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
def test_the_longest_extension_selects_the_format(name: str, expected: str) -> None:
    assert document_format_of(name).name == expected


@pytest.mark.parametrize("name", ["a", "a.txt", "json", "a.json/b", "", "a.json.bak"])
def test_the_error_for_another_extension_lists_the_known_ones(name: str) -> None:
    with pytest.raises(UnknownFormatError) as caught:
        document_format_of(name)
    assert isinstance(caught.value, Error)
    assert all(extension in str(caught.value) for extension in EXTENSIONS)


def test_the_error_for_an_unknown_name_suggests_the_most_similar_one() -> None:
    with pytest.raises(UnknownFormatError, match=r'did you mean "\.json"'):
        document_format_of("a.jsn")
    with pytest.raises(UnknownFormatError, match='did you mean "crucible-json"'):
        format_named("cruciblejson")


@pytest.mark.parametrize("format_", FORMATS.values(), ids=lambda format_: format_.name)
@pytest.mark.parametrize("indent", [None, 2])
def test_each_format_reads_its_own_text(format_: Format, indent: int | None) -> None:
    assert format_.read(format_.write(MESSAGE, indent), v1.TrainingConfig, True) == MESSAGE


def test_other_libraries_read_each_format() -> None:
    text = FORMATS["json"].write(MESSAGE, 2).decode("utf-8")
    assert json_format.Parse(text, v1.TrainingConfig()) == MESSAGE
    document = yaml.safe_load(ir.to_yaml(MESSAGE, names="proto"))
    assert json_format.ParseDict(document, v1.TrainingConfig()) == MESSAGE
    text = FORMATS["text"].write(MESSAGE, None).decode("utf-8")
    assert text_format.Parse(text, v1.TrainingConfig()) == MESSAGE
    assert v1.TrainingConfig.FromString(FORMATS["binary"].write(MESSAGE, None)) == MESSAGE
    assert yaml.safe_load(FORMATS["yaml"].write(MESSAGE, None))["device"] == "gaudi"
    assert json.loads(FORMATS["crucible-json"].write(MESSAGE, None))["device"] == "gaudi"


@pytest.mark.parametrize("format_", TEXT_FORMATS, ids=lambda format_: format_.name)
def test_a_text_file_ends_with_one_line_break(format_: Format) -> None:
    written = format_.write(MESSAGE, None)
    assert written.endswith(b"\n")
    assert not written.endswith(b"\n\n")


@pytest.mark.parametrize("format_", FORMATS.values(), ids=lambda format_: format_.name)
def test_validation_is_optional(format_: Format) -> None:
    invalid = format_.write(v1.StageDef(module="m"), None)
    assert format_.read(invalid, v1.StageDef, False) == v1.StageDef(module="m") or (
        # In Crucible JSON, a missing key takes its default.
        format_.name == "crucible-json"
    )
    with pytest.raises(ValueError, match="name: must not be empty"):
        format_.read(invalid, v1.StageDef, True)


@pytest.mark.parametrize("name", ["json", "crucible-json", "yaml"])
def test_formats_with_positions_find_the_position_of_a_field(name: str) -> None:
    key = "model_ref" if name == "crucible-json" else "modelRef"
    data = f'{{"id": "t",\n  "{key}": {{"id":\n    "m"}}}}'.encode()
    find = FORMATS[name].parse(data).field_finder(v1.TrainingConfig)
    assert find is not None
    assert str(find(parse_path("model_ref.id"))) == "3:5"
