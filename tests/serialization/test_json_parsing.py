"""JSON text: read strictly, from text or bytes, with the place of whatever is wrong."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from message_strategies import json_values

import crucible_ir as ir
from crucible_ir import v1
from crucible_ir.serialization.json import parsing
from crucible_ir.serialization.json.writing import write_text


def refusal(data: str | bytes) -> str:
    with pytest.raises(ir.DecodeError) as caught:
        parsing.parse(parsing.decode_utf8(data))
    return str(caught.value)


#: Texts and errors; lines and columns counted by hand, in characters.
REFUSED: list[tuple[str | bytes, str]] = [
    ("", "1:1: the document is empty"),
    ('{"a": tru}', "1:7: not JSON: expecting value"),
    ('{"é": 1,\n "a" 2}', "2:6: not JSON: expecting ':' delimiter"),
    ("[1]\n[2]", "2:1: not JSON: extra data"),
    ('["a\nb"]', "1:4: not JSON: invalid control character at"),
    ('{"a": 1, "b": 2, "a": 3}', '1:18: duplicate key "a", first given at 1:2'),
    (
        '{"x": [{"y": 1},\n  {"y": 1, "\\u0079": 2}]}',
        '2:12: x[1]: duplicate key "y", first given at 2:4',
    ),
    ('[{"a": 1, "a": 2}]]', '1:11: [0]: duplicate key "a", first given at 1:3'),
    ("[1, NaN]", '1:5: not JSON: NaN without quotes; write "NaN"'),
    (
        '["NaN",\n-Infinity]',
        '2:1: not JSON: -Infinity without quotes; write "-Infinity"',
    ),
    (f"[1,\n {'9' * 5000}]", "2:2: a number has too many digits"),
    ("[" * 100_000, "1:101: nested deeper than 100 levels below the root"),
    (b'{"a": "\xff"}', "1:8: byte 0xff is not UTF-8"),
    ('{\n "é": "'.encode() + b'\xc3"}', "2:8: byte 0xc3 is not UTF-8"),
    ("{}".encode("utf-16"), "1:1: UTF-16 byte order mark: save as UTF-8"),
]


@pytest.mark.parametrize(("data", "error"), REFUSED, ids=[error for _, error in REFUSED])
def test_says_where_text_is_not_strict_json(data: str | bytes, error: str) -> None:
    assert refusal(data) == error


@pytest.mark.parametrize("data", [3, None, ["a"], {"a": 1}], ids=repr)
def test_refuses_what_is_neither_text_nor_bytes(data: str) -> None:
    for read in (ir.from_json, ir.from_crucible_json, ir.from_yaml, ir.from_text):
        with pytest.raises(ir.DecodeError, match="expected text or its bytes"):
            read(data, "StageDef")


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_reads_anything_that_holds_bytes(kind: type) -> None:
    assert ir.from_json(kind(b'{"name": "a"}'), v1.StageDef) == v1.StageDef(name="a")


@pytest.mark.parametrize(
    "text", ['\ufeff{"name": "a"}', '\r\n{\r\n\t"name":\r\n"a"\r\n}\r\n'], ids=["mark", "CRLF"]
)
def test_reads_what_editors_do_to_files(text: str) -> None:
    for read in (ir.from_json, ir.from_crucible_json):
        assert read(text, v1.StageDef).name == "a"
        assert read(text.encode(), v1.StageDef).name == "a"


def test_a_line_ends_at_a_line_feed_only() -> None:
    text = '{"name": "\u2028\x85",\r\n "enabled": 1}'
    with pytest.raises(ir.DecodeError) as caught:
        ir.from_json(text, "StageDef")
    assert str(caught.value.position) == "2:13"


def test_violations_have_the_place_of_the_value_in_either_spelling() -> None:
    text = """{
  "id": "", "model_ref": {"id": "m"},
  "datasetRef": {},
  "epochs": 0, "learningRate": "NaN",
  "batch_size": -1
}"""
    with pytest.raises(ir.ValidationError) as caught:
        ir.from_json(text, "TrainingConfig")
    assert [(v.path, v.rule_id, str(v.position)) for v in caught.value.violations] == [
        ("id", "required", "2:9"),
        ("dataset_ref.name", "required", "3:17"),
        ("epochs", "int32.gt", "4:13"),
        ("batch_size", "int32.gt", "5:17"),
        ("learning_rate", "double.gt", "4:32"),
        ("learning_rate", "double.finite", "4:32"),
    ]


@given(plain=json_values)
def test_reads_and_writes_what_the_standard_library_does(plain: object) -> None:
    assert parsing.parse(json.dumps(plain)) == plain
    for indent in (None, 2):
        assert json.loads(write_text(plain, indent=indent)) == plain


@given(plain=json_values)
def test_finds_the_place_of_every_value(plain: object) -> None:
    text = json.dumps(plain, indent=1, ensure_ascii=False)
    root = parsing.locate(text)

    def check(value: object, path: list[list[str | int]]) -> None:
        place = root.find(path)
        # The first position comes from a scan along the path, later ones from the tree.
        positions = parsing.JsonPositions(text)
        assert [positions.find(path), positions.find(path), positions.find(path)] == [place] * 3
        lines = text.split("\n")
        rest = "\n".join([lines[place.line - 1][place.column - 1 :], *lines[place.line :]])
        found, _ = json.JSONDecoder().raw_decode(rest)
        assert found == value
        if isinstance(value, dict):
            for key, item in value.items():
                check(item, [*path, [key]])
        if isinstance(value, list):
            for index, item in enumerate(value):
                check(item, [*path, [index]])

    check(plain, [])


def test_the_position_of_a_key_or_of_the_nearest_value_is_found_by_scan_and_by_tree() -> None:
    text = '{"a": [1, {"b":\n 2}]}'
    cases: list[tuple[list[list[str | int]], bool, str]] = [
        ([["a"], [1], ["b"]], True, "1:12"),
        ([["x", "a"], [1], ["b"]], False, "2:2"),
        ([["a"], [7], ["b"]], False, "1:7"),
        ([["a"], [0], ["b"]], False, "1:8"),
        ([["missing"]], True, "1:1"),
        ([], False, "1:1"),
    ]
    for path, key, expected in cases:
        scanned = parsing.JsonPositions(text).find(path, key=key)
        assert str(scanned) == str(parsing.locate(text).find(path, key=key)) == expected


def test_positions_are_found_when_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[object] = []
    find = parsing.JsonPositions.find

    def count(self: parsing.JsonPositions, *arguments: Any, **options: Any) -> ir.Position:
        found.append(arguments)
        return find(self, *arguments, **options)

    monkeypatch.setattr(parsing.JsonPositions, "find", count)
    with pytest.raises(ir.DecodeError) as undecodable:
        ir.from_json('{"name": "a",\n "enabled": 1}', "StageDef")
    with pytest.raises(ir.ValidationError) as invalid:
        ir.from_json('{\n "name": ""}', "StageDef")
    assert not found
    assert str(undecodable.value.position) == "2:13"
    assert str(invalid.value.violations[0].position) == "2:10"
    assert len(found) == 2
    assert str(undecodable.value.position) == "2:13"
    assert len(found) == 2


def test_errors_with_positions_survive_pickling() -> None:
    for text in ('{"name": 1}', '{"name": ""}'):
        with pytest.raises(ValueError) as caught:
            ir.from_json(text, "StageDef")
        copy = pickle.loads(pickle.dumps(caught.value))
        assert (type(copy), str(copy)) == (type(caught.value), str(caught.value))
        assert str(copy).count("1:10") == 1
