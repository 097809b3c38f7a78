"""YAML 1.2 where libyaml, a parser of YAML 1.1, differs: line breaks, and JSON texts."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from typing import Any

import pytest
from effort import examples
from google.protobuf import json_format
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st
from message_strategies import json_values, texts

import crucible_ir as ir
from crucible_ir import v1

NEL, LS, PS = "\x85", "\u2028", "\u2029"
#: The line breaks of YAML 1.1 that YAML 1.2 (section 5.4) counts among the other characters.
CHARACTERS = [pytest.param(NEL, id="NEL"), pytest.param(LS, id="LS"), pytest.param(PS, id="PS")]


def read(text: str | bytes, type_: str = "StageDef") -> Any:
    return ir.from_yaml(text, type_, validate=False)


@pytest.mark.parametrize("character", CHARACTERS)
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a%sb", "a%sb"),
        ("a%s", "a%s"),
        ("%sa", "%sa"),
        ("a%s# no comment", "a%s# no comment"),
        ("'a %s b'", "a %s b"),
        ('"a%sb"', "a%sb"),
        ('"%s%s"', "%s%s"),
        ('"\\N\\L\\P%s"', f"{NEL}{LS}{PS}%s"),
        ('"\\x85\\u2028\\U00002029%s"', f"{NEL}{LS}{PS}%s"),
        ("|-\n  a%sb\n  c", "a%sb\nc"),
        (">-\n  a%sb\n  c", "a%sb c"),
        # Private-use characters, as they are and as escapes.
        ("\ue000%s\ue001\U000f0000", "\ue000%s\ue001\U000f0000"),
        ('"\\uE000%s\\ue001\\U0000e002"', "\ue000%s\ue001\ue002"),
        ('"\\\\ue000%s"', "\\ue000%s"),
    ],
)
def test_they_are_characters_of_a_string(character: str, text: str, value: str) -> None:
    expected = value.replace("%s", character)
    document = f"name: {text.replace('%s', character)}\n"
    assert read(document).name == expected
    assert read(document.encode()).name == expected


@pytest.mark.parametrize("character", CHARACTERS)
def test_they_are_characters_of_a_key(character: str) -> None:
    text = f"values: {{'a{character}b': 1.0}}\n"
    assert dict(read(text, "MetricsSnapshot").values) == {f"a{character}b": 1.0}
    with pytest.raises(ir.DecodeError) as caught:
        read(f"na{character}me: 1\n")
    assert caught.value.path.replace("\\x85", NEL) == f"na{character}me"


@pytest.mark.parametrize("character", CHARACTERS)
def test_a_comment_does_not_end_there(character: str) -> None:
    text = f"name: a\n# note{character}enabled: true\nmodule: b # x{character}enabled: true\n"
    assert read(text) == v1.StageDef(name="a", module="b")


@pytest.mark.parametrize("character", CHARACTERS)
def test_a_document_does_not_end_there(character: str) -> None:
    text = f"name: a{character}---{character}module: b\n"
    with pytest.raises(ir.DecodeError, match="mapping values are not allowed"):
        read(text)


@pytest.mark.parametrize("character", CHARACTERS)
def test_positions_count_them_as_one_column(character: str) -> None:
    with pytest.raises(ir.DecodeError) as caught:
        read(f"module: 'a{character}{character}'\noptions: {{a: '{character}', b: *c}}\n")
    assert str(caught.value.position) == "2:22"


def test_a_text_with_all_private_use_characters_is_rejected_or_read() -> None:
    codes = [*range(0xE000, 0xF900), *range(0xF0000, 0xFFFFE), *range(0x100000, 0x10FFFE)]
    every = "".join(map(chr, codes))
    assert read(f"name: {every}\n").name == every
    assert read(f"name: {every[:-1]}{LS}\n").name == every[:-1] + LS
    with pytest.raises(ir.DecodeError, match=r"U\+2028"):
        read(f"name: {every}{LS}\n")


@pytest.mark.parametrize("character", CHARACTERS)
def test_they_are_written_as_escapes(character: str) -> None:
    escape = {NEL: "\\N", LS: "\\L", PS: "\\P"}[character]
    text = ir.to_yaml(v1.StageDef(name=f"a{character}b"))
    # Parsers of YAML 1.1 and of YAML 1.2 read this as the same string.
    assert text == f'name: "a{escape}b"\n'
    for value in (f"a{character}b\nc", f"{character}a", f"12{character}"):
        stage = v1.StageDef(name=value)
        assert character not in ir.to_yaml(stage)
        assert read(ir.to_yaml(stage)) == stage


broken_texts = st.text(
    st.sampled_from(["\x85", "\u2028", "\u2029", "\ue000", "a", " ", "\n", ":", "#", "'", '"']),
    max_size=12,
)


@settings(max_examples=examples(200))
@given(text=broken_texts)
def test_keeps_any_such_text_as_a_value_and_as_a_key(text: str) -> None:
    stage = v1.StageDef(name=text, options={text: text})
    assert read(ir.to_yaml(stage)) == stage


#: Documents of which YAML 1.1 or libyaml rejects or changes a part.
JSON_TEXTS = [
    r'{"name": "\ud83d\ude00"}',
    '{"name": "\\/"}',
    '{"name": "a\x7fb"}',
    f'{{"name": "a{NEL}b{LS}c{PS}"}}',
    '\r\n\t {"name"\n:\t"a"}',
    f'{{"{"k" * 2000}": 1}}',
    '{"n": [0, -0, -0.0, 1e3, 1E-2, 0.1, 12345678901234567890.5]}',
]


@pytest.mark.parametrize("text", JSON_TEXTS, ids=ascii)
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["", "byte order mark"])
def test_json_is_yaml(text: str, mark: str) -> None:
    document = f'{mark}{{"options": {text}}}'
    expected = v1.StageDef()
    json_format.Parse(document.removeprefix("\ufeff"), expected)
    assert read(document) == read(document.encode()) == expected
    assert ir.digest(read(document)) == ir.digest(
        ir.from_json(document, "StageDef", validate=False)
    )


@settings(max_examples=examples(200))
@given(
    name=texts,
    value=json_values,
    escaped=st.booleans(),
    indent=st.sampled_from([None, 0, 2]),
)
def test_a_document_has_one_digest_whether_it_is_read_as_json_or_as_yaml(
    name: str, value: Any, escaped: bool, indent: int | None
) -> None:
    values = {"name": name, "options": {name: value}}
    text = json.dumps(values, ensure_ascii=escaped, indent=indent)
    stage: Message = ir.from_json(text, "StageDef", validate=False)
    assert read(text) == stage
    assert ir.digest(read(text)) == ir.digest(stage) == ir.digest(read(ir.to_yaml(stage)))


def test_errors_in_json_have_their_positions() -> None:
    with pytest.raises(ir.DecodeError) as caught:
        read('{"name": "\\ud83d\\ude00",\n "options": {"a": 9007199254740993},\n "nmae": 1}')
    found = [(error.path, str(error.position)) for error in caught.value.errors]
    assert found == [('options["a"]', "2:19"), ("nmae", "3:2")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{name: a, enabled: true}", v1.StageDef(name="a", enabled=True)),
        ('{"name": "a"} # comment', v1.StageDef(name="a")),
        ('{"name": "a",}', v1.StageDef(name="a")),
        ('{"name": "a"}\n...\n', v1.StageDef(name="a")),
    ],
)
def test_flow_style_that_is_not_json_is_read_as_before(text: str, message: Message) -> None:
    assert read(text) == message


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('{"name": "a", "name": "b"}', '1:15: duplicate key "name", first given at 1:2'),
        ('{"name": "a"}\n---\n{"name": "b"}', "2:1: expected one YAML document, got a second"),
        ('["a"]', "1:1: expected an object, got a list"),
    ],
)
def test_errors_about_json_and_flow_style(text: str, error: str) -> None:
    with pytest.raises(ir.DecodeError) as caught:
        read(text)
    assert str(caught.value) == error


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('module: "a \\ud83d\\uDE00"', "1:14: * write \U0001f600 or \\U0001F600"),
        ('{"name": "\\uD83D\\ude00"} # a', "1:13: * write \U0001f600 or \\U0001F600"),
        (
            '# \U0001f600\u2028\r\nmodule: "\\ud83d\\ude00',
            "2:12: * write \U0001f600 or \\U0001F600",
        ),
        ('module: "\\ud83d"', "1:12: not YAML: found invalid Unicode character escape code"),
        ('module: "\\ud83dx\\ude00"', "1:12: *found invalid Unicode character escape code"),
    ],
)
def test_the_error_about_surrogates_in_yaml_gives_the_character(text: str, error: str) -> None:
    with pytest.raises(ir.DecodeError) as caught:
        read(text)
    assert fnmatchcase(str(caught.value), error), str(caught.value)


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("name: a\rmodule: 1\r", "2:9"),
        ("name: a\r\nmodule: 1\r\n", "2:9"),
        ("name: a\rmodule: \x07\r", "2:9"),
        ("name: a\r\r\toptions: b\r", "3:1"),
        ('{"name": "a",\r"module": 1}', "2:11"),
        ('{"name": "a",\r\n"module": 1, "enabled": 2}', "2:11"),
    ],
    ids=ascii,
)
def test_positions_count_carriage_returns_as_line_breaks(text: str, position: str) -> None:
    with pytest.raises(ir.DecodeError) as caught:
        read(text)
    assert str(caught.value.position) == position
