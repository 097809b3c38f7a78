"""JSON Schema and the readers of ProtoJSON differ only as docs/json.md says."""

from __future__ import annotations

import json
import re
import warnings
from functools import cache
from random import Random
from typing import Any

import pytest
from effort import sample_size
from hypothesis import given
from hypothesis import strategies as st
from json_documents import base_documents, changed_documents, documents, findings
from jsonschema import Draft202012Validator
from pages import ROOT, table

import crucible_ir as ir
from crucible_ir.schema.json_schema import json_schema
from crucible_ir.serialization.yaml import parse_yaml

PAGE = (ROOT / "docs" / "json.md").read_text(encoding="utf-8")
ROWS = table(PAGE, "a reader also rejects")

#: The documents that the page abbreviates.
ABBREVIATIONS = {"[[…]]": "[" * 60 + "]" * 60, "é…": "é" * 257}

#: The one value that only the schema rejects.
ROUNDED_UP = "9223372036854775807.0"

#: What the reader says about which value, by the row of the page: `findings` has the format.
REASONS = {
    "a duplicate key": r"^duplicate key",
    "a bare `NaN` or `Infinity`": r"^not JSON: -?(NaN|Infinity) without quotes",
    "an unpaired surrogate": r"unpaired surrogate",
    "an integer field that is a fraction as a decimal": r"^expected an integer, .* at whole double",
    "a number in quotes that is out of range, no integer, longer than 64 characters or against a"
    " rule": r"^(.* out of range|expected an integer|(double|int32|int64)\.[a-z_]+).*"
    r' at "-?[0-9.eE+-]+"',
    "in opaque JSON, an integer beyond ±2^53 or a number beyond the range of doubles": (
        r"beyond 2\^53, the limit of exact integers in opaque JSON|in opaque JSON must be finite"
    ),
    "nesting beyond the limit": r"^nested deeper",
    "a day that the month does not have": r"day is out of range for month",
    "a timestamp outside the years 1 to 9999 in UTC": r"is outside the years 1 to 9999",
    "a line feed after a number, a timestamp or a version": r'at "[^"]*[^\\]\\n"',
    "a string of too many bytes": r"^string\.max_bytes at",
    "a rule in CEL": (r"^(generation_options\.json_schema_required|message\.content_required) at"),
}


#: What only the reader of YAML rejects, as the page says.
IN_YAML = (
    r"^\w+ has no value \".*; to keep it|^\w+ has no value .*\? To keep it"
    r"|^the number -?1e400 is out of range"
)


@cache
def validator(name: str, yaml: bool = False) -> Any:
    return Draft202012Validator(json_schema(ir.MESSAGE_TYPES[name], yaml=yaml))


def schema_accepts(name: str, text: str, *, yaml: bool = False) -> bool:
    try:
        document = json.loads(text)
    except json.JSONDecodeError:
        return False
    return bool(validator(name, yaml).is_valid(document))


def check(name: str, text: str) -> None:
    """Check that the verdicts on a document agree, or differ as a row of the page says."""
    found = findings(name, text)
    if not schema_accepts(name, text):
        assert found or ROUNDED_UP in text, text
        return
    for finding in found:
        assert any(re.search(pattern, finding) for pattern in REASONS.values()), (text, finding)


@pytest.mark.parametrize("name", ir.MESSAGE_TYPES)
def test_every_value_in_every_field_gets_the_same_verdict(name: str) -> None:
    every = list(documents(name))
    for text in Random(name).sample(every, sample_size(len(every))):
        check(name, text)


@pytest.mark.parametrize("name", ir.MESSAGE_TYPES)
@given(data=st.data())
def test_changed_documents_get_the_same_verdict(name: str, data: st.DataObject) -> None:
    check(name, data.draw(changed_documents(name)))


@pytest.mark.parametrize(("what", "example"), [row[:2] for row in ROWS], ids=[r[0] for r in ROWS])
def test_the_verdicts_differ_as_the_page_says(what: str, example: str) -> None:
    found = re.fullmatch(r"`(\w+)` `(.*)`", example)
    assert found is not None
    name, text = found.groups()
    for short, full in ABBREVIATIONS.items():
        text = text.replace(short, full)
    assert schema_accepts(name, text)
    [finding] = findings(name, text)
    assert re.search(REASONS[what], finding)


def test_the_page_lists_every_difference() -> None:
    assert [row[0] for row in ROWS] == list(REASONS)


def test_only_the_schema_rejects_a_number_that_parsers_round_up() -> None:
    text = f'{{"seed": {ROUNDED_UP}}}'
    assert not schema_accepts("GenerationOptions", text)
    assert findings("GenerationOptions", text) == []
    assert f"except `{ROUNDED_UP}`" in " ".join(PAGE.split())


def check_yaml(name: str, text: str) -> None:
    """Check the schema of YAML against its reader, and that YAML is all of ProtoJSON."""
    found = findings(name, text, read=read_yaml)
    if not findings(name, text):
        assert found == []
        assert read_yaml(text, name) == ir.from_json(text, name)
    if not schema_accepts(name, text, yaml=True):
        assert found or ROUNDED_UP in text, text
        return
    for finding in found:
        assert any(re.search(each, finding) for each in [*REASONS.values(), IN_YAML]), text


def read_yaml(text: str, name: str, *, validate: bool = True) -> object:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ir.SpellingWarning)
        return ir.from_yaml(text, name, validate=validate)


def is_json(text: str) -> bool:
    """Return whether a document has the same values in JSON and YAML, where NaN is a string."""
    return not re.search(r"[:\[] ?-?(NaN|Infinity)", text)


@pytest.mark.parametrize("name", ir.MESSAGE_TYPES)
def test_every_value_in_every_field_gets_the_same_verdict_in_yaml(name: str) -> None:
    every = [text for text in documents(name) if is_json(text)]
    for text in Random(name).sample(every, sample_size(len(every))):
        check_yaml(name, text)


@pytest.mark.parametrize("name", ir.MESSAGE_TYPES)
@given(data=st.data())
def test_changed_documents_get_the_same_verdict_in_yaml(name: str, data: st.DataObject) -> None:
    check_yaml(name, data.draw(changed_documents(name).filter(is_json)))


@pytest.mark.parametrize("name", ir.MESSAGE_TYPES)
def test_what_is_written_as_yaml_is_valid_for_its_schema(name: str) -> None:
    for document in base_documents(name):
        message = ir.from_dict(document, name)
        for names in ("short", "proto"):
            text = ir.to_yaml(message, names=names)
            assert validator(name, True).is_valid(parse_yaml(text).value)


def test_only_yaml_accepts_every_spelling_of_a_timestamp() -> None:
    [timestamp] = re.findall(r"timestamps such as\s+`(.*?)`", PAGE)
    text = f'{{"id": "e", "timestamp": "{timestamp}"}}'
    assert not schema_accepts("FeedbackEvent", text)
    assert schema_accepts("FeedbackEvent", text, yaml=True)
    assert findings("FeedbackEvent", text)
    assert not findings("FeedbackEvent", text, read=read_yaml)


def test_the_schema_of_yaml_accepts_infinities_where_the_reader_does() -> None:
    for value in (".inf", "-.inf", ".nan"):
        text = f"values: {{loss: {value}}}"
        assert ir.from_yaml(text, "MetricsSnapshot").HasField("step") is False
        assert validator("MetricsSnapshot", True).is_valid(parse_yaml(text).value)
    # Rules: learning_rate is greater than 0 and finite, a percentage at most 100.
    for field in ("learning_rate", "weight_decay"):
        assert not validator("TrainingConfig", True).is_valid(
            parse_yaml(
                f"{{id: t, model_ref: {{id: m}}, dataset_ref: {{name: d}}, {field}: .inf}}"
            ).value
        )
    assert not validator("TrafficShare", True).is_valid(
        parse_yaml("{model_version_id: v, percent: .inf}").value
    )
