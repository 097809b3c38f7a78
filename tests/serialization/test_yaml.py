"""YAML: the data of ProtoJSON in YAML 1.2."""

from __future__ import annotations

from typing import Any

import pytest
from effort import examples
from google.protobuf import json_format
from google.protobuf.message import Message
from hypothesis import given, settings
from message_strategies import json_values, texts

import crucible_ir as ir
from crucible_ir import v1
from crucible_ir.serialization.limits import MAX_ALIASED_VALUES, MAX_YAML_DEPTH


def read(text: str | bytes, type_: str = "StageDef") -> Message:
    return ir.from_yaml(text, type_, validate=False)


def error_of(text: str | bytes, type_: str = "StageDef") -> str:
    with pytest.raises(ir.DecodeError) as caught:
        read(text, type_)
    return str(caught.value)


def opaque(text: str) -> object:
    """Return the JSON value of YAML text in an opaque map."""
    message = read(f"options:\n  value: {text}\n")
    return json_format.MessageToDict(message)["options"]["value"]


#: Scalars of the core schema of YAML 1.2 (section 10.3.2), some of which differ in YAML 1.1.
SCALARS: list[tuple[str, object]] = [
    ("true", True),
    ("True", True),
    ("FALSE", False),
    ("tRUE", "tRUE"),
    *[(word, word) for word in ("yes", "no", "on", "off", "y", "N", "Yes", "OFF")],
    ("null", None),
    ("Null", None),
    ("~", None),
    ("", None),
    ("nULL", "nULL"),
    ("0", 0),
    ("-19", -19),
    ("+12", 12),
    ("017", 17),
    ("0o17", 15),
    ("0x1F", 31),
    ("0b11", "0b11"),
    ("1_000", "1_000"),
    ("12:30:45", "12:30:45"),
    ("0.", 0),
    (".5", 0.5),
    ("+12e03", 12000),
    ("-2E+05", -200000),
    ("1e3", 1000),
    ("1.5.2", "1.5.2"),
    ("2025-01-01", "2025-01-01"),
    ("2025-01-01T00:00:00Z", "2025-01-01T00:00:00Z"),
    ("=", "="),
    ("<<", "<<"),
    ("'true'", "true"),
    ('"12"', "12"),
    ('"\\u00e9\\0"', "é\0"),
    ("!!str 12", "12"),
    ("! 12", "12"),
    ("!!int 12", 12),
    ("!!float 12", 12),
    ("!!float 1.5", 1.5),
    ('!!bool "true"', True),
    ("!!null ''", None),
    ("!!seq [1]", [1]),
    ("!!map {a: 1}", {"a": 1}),
    ("|\n    two\n    lines\n", "two\nlines\n"),
    (">-\n    one\n    line\n", "one line"),
    ("a # comment", "a"),
    ("a#b", "a#b"),
    ("{1: a, true: b, null: c, 1.5: d}", {"1": "a", "true": "b", "null": "c", "1.5": "d"}),
    ("{<<: {a: 1}}", {"<<": {"a": 1}}),
    ("{? a : 1}", {"a": 1}),
    ("[1, [2, {}], []]", [1, [2, {}], []]),
]


@pytest.mark.parametrize(("text", "value"), SCALARS, ids=[repr(text) for text, _ in SCALARS])
def test_reads_the_core_schema_of_yaml_1_2(text: str, value: object) -> None:
    found = opaque(text)
    assert found == value
    assert isinstance(found, bool) is isinstance(value, bool)


def test_reads_protojson() -> None:
    text = """
%YAML 1.2
---
# A run
id: train_gpt2
modelRef: {id: gpt2}
dataset_ref:
  name: wikitext-103
learningRate: 5e-4
seed: "9007199254740993"
metrics:
- loss
- "null"
...
""".lstrip()
    assert read(text, "TrainingConfig") == v1.TrainingConfig(
        id="train_gpt2",
        model_ref=v1.ModelRef(id="gpt2"),
        dataset_ref=v1.DatasetRef(name="wikitext-103"),
        learning_rate=0.0005,
        seed=2**53 + 1,
        metrics=["loss", "null"],
    )


@pytest.mark.parametrize(
    "text",
    ["\ufeffname: a\nenabled: true\n", "name: a\r\nenabled: true\r\n", "name: a\renabled: true"],
    ids=["byte order mark", "CRLF", "CR"],
)
def test_reads_byte_order_marks_and_other_line_breaks(text: str) -> None:
    assert read(text) == read(text.encode()) == v1.StageDef(name="a", enabled=True)


def test_reads_aliases_as_the_values_of_their_anchors() -> None:
    text = "options: {a: &x [1, &y two], b: *x, c: *y}"
    assert json_format.MessageToDict(read(text))["options"] == {
        "a": [1, "two"],
        "b": [1, "two"],
        "c": "two",
    }


#: Documents and errors; lines and columns were counted by hand.
REJECTED: list[tuple[str, str]] = [
    ("", "1:1: the document is empty"),
    ("- a", "1:1: expected an object, got a list"),
    ("name: 1", "1:7: name: expected a string, got the number 1; put it in quotes"),
    ("enabled: yes", "1:10: enabled: expected true or false, got the string 'yes'; write true"),
    ("name: a\nnmae: b\n", '2:1: nmae: StageDef has no field "nmae"; did you mean "name"?'),
    ("name: a\nname: b\n", '2:1: duplicate key "name", first given at 1:1'),
    ('{name: a, "name": b}', '1:11: duplicate key "name", first given at 1:2'),
    ("options:\n  1: a\n  '1': b\n", '3:3: options: duplicate key "1", first given at 2:3'),
    ("---\nname: a\n---\nname: b\n", "3:1: expected one YAML document, got a second"),
    ("? [a]\n: b\n", "1:3: a key must be a scalar"),
    ("name: &n a\n*n : b\n", "2:1: a key must be a scalar"),
    ("name: *n\n", "1:7: name: undefined alias *n"),
    ("options: &o {a: *o}", "1:17: options.a: undefined alias *o"),
    (
        "options:\n  when: !!timestamp 2025-01-01\n",
        "2:9: options.when: unsupported tag tag:yaml.org,2002:timestamp",
    ),
    (
        "name: !!python/object/apply:os.system [ls]",
        "1:7: name: unsupported tag tag:yaml.org,2002:python/object/apply:os.system",
    ),
    ("!!python/name:a name: b", "1:1: unsupported tag tag:yaml.org,2002:python/name:a"),
    ("options: {a: !x 1}", "1:14: options.a: unsupported tag !x"),
    ("options: {a: !!int 1.5}", "1:14: options.a: the string '1.5' is not a !!int"),
    ("options: {a: !!bool 1}", "1:14: options.a: the string '1' is not a !!bool"),
    (
        "options: {a: .inf}",
        '1:14: options["a"]: a number in opaque JSON must be finite',
    ),
    (
        "options:\n  list:\n  - 1\n  - 9007199254740993\n",
        '4:5: options["list"][1]: the integer 9007199254740993 is beyond 2^53, the limit of exact'
        " integers in opaque JSON; write it as a string",
    ),
    (
        "name: a\noptions: {a: 1e999}\n",
        '2:14: options["a"]: a number in opaque JSON must be finite',
    ),
    ("name: a\nmodule: \x07\n", "2:9: not YAML: the character U+0007 is not allowed"),
    ("name: \ud800", "1:7: not YAML: the character U+D800 is not allowed"),
]


@pytest.mark.parametrize(("text", "error"), REJECTED, ids=[ascii(text) for text, _ in REJECTED])
def test_rejects_text_that_is_not_one_document_of_json_values(text: str, error: str) -> None:
    assert error_of(text) == error


@pytest.mark.parametrize(
    "text", ["name: [", "name: }", "'a", "a: b: c", "%YAML 9\n---\na", "`", "\tname: a"]
)
def test_the_error_for_invalid_yaml_says_so(text: str) -> None:
    assert "not YAML" in error_of(text)


def test_violations_have_the_position_in_the_document() -> None:
    text = """\
id: e
backend:
  id: b
pipeline:
- name: one
- &empty
  options: {}
- *empty
"""
    with pytest.raises(ir.ValidationError) as caught:
        ir.from_yaml(text, "Experiment")
    found = [(violation.path, str(violation.position)) for violation in caught.value.violations]
    # A missing name has the position of its message.
    assert found == [("pipeline[1].name", "6:3"), ("pipeline[2].name", "6:3")]


def test_aliases_expand_up_to_a_limit() -> None:
    def document(values: int) -> str:
        # The list is a value, too, so each alias expands to ten values.
        aliases = ", ".join(["*a"] * (values // 10))
        return f"options: {{a: &a [1, 2, 3, 4, 5, 6, 7, 8, 9], b: [{aliases}]}}"

    assert read(document(MAX_ALIASED_VALUES))
    assert f"more than {MAX_ALIASED_VALUES} values" in error_of(document(MAX_ALIASED_VALUES + 10))


def test_nesting_of_the_text_is_rejected_beyond_a_limit() -> None:
    error = error_of("[" * (MAX_YAML_DEPTH + 1))
    assert error.startswith(f"1:{MAX_YAML_DEPTH + 1}: ")
    assert error.endswith(f"nested deeper than {MAX_YAML_DEPTH} levels")


#: Messages and their documents.
WRITTEN: list[tuple[Message, str]] = [
    (v1.StageDef(), "{}\n"),
    (v1.StageDef(enabled=True, name="embed"), "name: embed\nenabled: true\n"),
    (
        v1.TrainingConfig(
            model_ref=v1.ModelRef(id="gpt2"), metrics=["loss"], seed=3, learning_rate=0.5
        ),
        "model_ref:\n  id: gpt2\nlearning_rate: 0.5\nmetrics:\n- loss\nseed: 3\n",
    ),
    (v1.StageDef(name="a b é 数据集"), "name: a b é 数据集\n"),
    (v1.StageDef(name="two\nlines"), "name: |-\n  two\n  lines\n"),
    *[
        (v1.StageDef(name=text), f"name: '{text}'\n")
        for text in ("true", "null", "~", "yes", "12", "1.5", "1e3", "0o17", "0x1F", "2025-01-01")
    ],
    (v1.TrainingRun(best_metrics={"loss": float("nan")}), "best_metrics:\n  loss: NaN\n"),
]


@pytest.mark.parametrize(("message", "text"), WRITTEN, ids=[text for _, text in WRITTEN])
def test_writes_blocks_in_the_order_of_the_schema_with_necessary_quotes(
    message: Message, text: str
) -> None:
    assert ir.to_yaml(message) == text
    assert read(text, message.DESCRIPTOR.name) == message


@pytest.mark.parametrize(
    "text",
    [
        *(
            "gpt2",
            "meta-llama/Llama-3.1-8B",
            "train[:10%]",
            "s3://bucket/key?x=1",
            "a b, c",
            "1.2.0",
        ),
        *("it's", 'say "hi"', "#1 is not first"[1:], "user@example.org", "ends with a dot.", "é"),
    ],
)
def test_writes_no_unnecessary_quotes(text: str) -> None:
    assert ir.to_yaml(v1.StageDef(name=text)) == f"name: {text}\n"
    assert opaque(text) == text


def test_writes_text_of_several_lines_as_a_block() -> None:
    stage = v1.StageDef(name="a", options={"prompt": "You are:\n  - kind\n\n# not a comment\n"})
    assert ir.to_yaml(stage) == (
        "name: a\noptions:\n  prompt: |\n    You are:\n      - kind\n\n    # not a comment\n"
    )


@settings(max_examples=examples(300))
@given(text=texts)
def test_keeps_any_text_as_a_value_and_as_a_key(text: str) -> None:
    stage = v1.StageDef(name=text)
    assert read(ir.to_yaml(stage)) == stage
    snapshot = v1.MetricsSnapshot(values={text: 1.0})
    assert read(ir.to_yaml(snapshot), "MetricsSnapshot") == snapshot


@settings(max_examples=examples(200))
@given(value=json_values)
def test_keeps_any_opaque_value(value: Any) -> None:
    stage = v1.StageDef()
    stage.options.update({"value": value})
    assert read(ir.to_yaml(stage)) == stage


def test_does_not_write_numbers_that_json_does_not_have() -> None:
    stage = v1.StageDef()
    stage.options["a"] = float("nan")
    with pytest.raises(ir.EncodeError) as caught:
        ir.to_yaml(stage)
    assert caught.value.path == 'options["a"]'
