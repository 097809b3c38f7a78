"""Protobuf's text format, with errors of this package."""

from __future__ import annotations

import pytest
from google.protobuf import text_format
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct, Value

import crucible_ir as ir
from crucible_ir import v1


def read(text: str | bytes, type_: str = "StageDef") -> Message:
    return ir.from_text(text, type_, validate=False)


def test_writes_the_same_text_as_google() -> None:
    stage = v1.StageDef(name="é\n", options=Struct(fields={"a": Value(number_value=1)}))
    assert ir.to_text(stage) == text_format.MessageToString(stage, as_utf8=True)
    assert read(ir.to_text(stage)) == stage


#: Texts and the StageDef that they describe.
READ: list[tuple[str, v1.StageDef]] = [
    ("", v1.StageDef()),
    ("# nothing\n", v1.StageDef()),
    ('name: "a" enabled: true', v1.StageDef(name="a", enabled=True)),
    ('\ufeffname: "a"\r\nenabled: false\r\n', v1.StageDef(name="a", enabled=False)),
    ("name: 'a' \"b\";", v1.StageDef(name="ab")),
    (r'name: "\303\251\x21\u00e9"', v1.StageDef(name="é!é")),
    ("options <>", v1.StageDef(options=Struct())),
    (
        'options { fields { key: "a" value { number_value: 1e3 } } }',
        v1.StageDef(options=Struct(fields={"a": Value(number_value=1000)})),
    ),
]


@pytest.mark.parametrize(("text", "message"), READ, ids=[text for text, _ in READ])
def test_reads_every_syntax_of_the_format(text: str, message: Message) -> None:
    assert read(text) == read(text.encode()) == message


#: Types, texts and errors; lines and columns were counted by hand.
REJECTED: list[tuple[str, str, str]] = [
    ("StageDef", 'nmae: "a"', '1:1: StageDef has no field "nmae"; did you mean "name"?'),
    (
        "StageDef",
        'name: "a"\nenabled: true\nnmae: "a"\n',
        '3:1: StageDef has no field "nmae"; did you mean "name"?',
    ),
    (
        "Experiment",
        'backend {\n  idd: "b"\n}',
        '2:3: BackendRef has no field "idd"; did you mean "id"?',
    ),
    ("StageDef", "name: 1", "1:7: Expected string but found: '1'"),
    ("StageDef", 'name: "a', "1:7: String missing ending quote: '\"a'"),
    (
        "StageDef",
        'name: "a" name: "b"',
        '1:17: Message type "crucible_ir.v1.StageDef" should not have multiple "name" fields',
    ),
    ("TrainingConfig", "epochs: 1.5", "1:9: Couldn't parse integer: 1.5"),
    ("TrainingConfig", "epochs: 3000000000", "1:9: Value out of range: 3000000000"),
    (
        "TrainingConfig",
        "optimizer: ADAM",
        '1:12: Enum type "crucible_ir.v1.Optimizer" has no value named ADAM',
    ),
]


@pytest.mark.parametrize(
    ("type_", "text", "error"), REJECTED, ids=[text for _, text, _ in REJECTED]
)
def test_errors_have_the_position_and_the_most_similar_name(
    type_: str, text: str, error: str
) -> None:
    with pytest.raises(ir.DecodeError) as caught:
        read(text, type_)
    assert str(caught.value) == error


@pytest.mark.parametrize(
    ("type_", "text"),
    [
        ("StageDef", "name"),
        ("StageDef", "name:"),
        ("StageDef", "{"),
        ("StageDef", "}"),
        ("StageDef", "options {"),
        ("StageDef", "enabled: maybe"),
        ("StageDef", 'name: "\\xff"'),
        ("StageDef", 'name: "\\ud800"'),
        ("StageDef", 'name: "a\nb"'),
        ("StageDef", '1: "a"'),
        ("StageDef", "[a.b]: 1"),
        ("StageDef", "[type.googleapis.com/crucible_ir.v1.StageDef] {}"),
        ("TrainingConfig", 'optimizer: OPTIMIZER_ADAM custom_optimizer: "a"'),
        ("FeedbackEvent", 'feedback_value { bool_value: true string_value: "a" }'),
    ],
)
def test_rejects_text_that_google_rejects_with_a_position(type_: str, text: str) -> None:
    with pytest.raises(text_format.ParseError):
        text_format.Parse(text, ir.MESSAGE_TYPES[type_]())
    with pytest.raises(ir.DecodeError) as caught:
        read(text, type_)
    assert caught.value.position is not None


def test_an_error_does_not_repeat_its_line() -> None:
    with pytest.raises(ir.DecodeError) as caught:
        read('name: "a" ' + " " * 10_000 + "}")
    assert len(str(caught.value)) < 100


def test_keeps_values_that_json_cannot_represent() -> None:
    not_finite = v1.StageDef(options=Struct(fields={"a": Value(number_value=float("inf"))}))
    newer = v1.OutputSpec(formats=[77])  # type: ignore[list-item]  # a newer peer's number
    assert read(ir.to_text(not_finite)) == not_finite
    assert read(ir.to_text(newer), "OutputSpec") == newer


def test_rules_are_checked_by_default() -> None:
    with pytest.raises(ir.ValidationError):
        ir.from_text("enabled: true", "StageDef")
    assert ir.from_text("enabled: true", v1.StageDef, validate=False).enabled


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (r'name: "a\?b"', "a?b"),
        (r"name: '\??\?'", "???"),
        (r'name: "\\?"', r"\?"),
        (r'name: "\\\?"', r"\?"),
        (r'name: "a\?" "\"\?"', 'a?"?'),
        ('# \\?"\nname: "?"', "?"),
    ],
)
def test_the_escape_of_a_question_mark_is_one_character(text: str, name: str) -> None:
    """https://protobuf.dev/reference/protobuf/textformat-spec/#string lists the escape."""
    assert ir.from_text(text, v1.StageDef) == v1.StageDef(name=name)


def test_escaped_question_marks_change_neither_positions_nor_keys() -> None:
    with pytest.raises(ir.DecodeError) as caught:
        ir.from_text(r'name: "\?\?" nmae: "x"', v1.StageDef)
    assert str(caught.value).startswith("1:14: ")
    twice = r'values { key: "a\?" value: 1 } values { key: "a?" value: 2 }'
    with pytest.raises(ir.DecodeError, match=r'1:46: .*duplicate key "a\?"'):
        ir.from_text(twice, v1.MetricsSnapshot)
