"""The strict JSON parser, and the positions of values and errors."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from message_strategies import json_values

import crucible_ir as ir
from crucible_ir import v1
from crucible_ir.serialization.json import parsing
from crucible_ir.serialization.json.writing import write_text


def error_of(data: str | bytes) -> str:
    with pytest.raises(ir.DecodeError) as caught:
        parsing.parse(parsing.decode_utf8(data))
    return str(caught.value)


#: Texts and errors; lines and columns, in characters, were counted by hand.
REJECTED: list[tuple[str | bytes, str]] = [
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


@pytest.mark.parametrize(("data", "error"), REJECTED, ids=[error for _, error in REJECTED])
def test_errors_have_the_position_of_invalid_json(data: str | bytes, error: str) -> None:
    assert error_of(data) == error


@pytest.mark.parametrize("data", [3, None, ["a"], {"a": 1}], ids=repr)
def test_rejects_data_that_is_neither_text_nor_bytes(data: str) -> None:
    for read in (ir.from_json, ir.from_crucible_json, ir.from_yaml, ir.from_text):
        with pytest.raises(ir.DecodeError, match="expected text or its bytes"):
            read(data, "StageDef")


def test_says_how_to_read_a_file(tmp_path: Path) -> None:
    path = tmp_path / "stage.json"
    path.write_text('{"name": "a"}', encoding="utf-8")
    for read in (ir.from_json, ir.from_crucible_json, ir.from_yaml, ir.from_text):
        with pytest.raises(ir.DecodeError, match=r"read the file first, with Path.read_bytes\(\)"):
            read(path, "StageDef")  # type: ignore[call-overload]  # the mistake
        with open(path, "rb") as file, pytest.raises(ir.DecodeError, match=r"call its read\(\)"):
            read(file, "StageDef")  # type: ignore[call-overload]  # the mistake


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_reads_every_type_of_bytes(kind: type) -> None:
    assert ir.from_json(kind(b'{"name": "a"}'), v1.StageDef) == v1.StageDef(name="a")


@pytest.mark.parametrize(
    "text", ['\ufeff{"name": "a"}', '\r\n{\r\n\t"name":\r\n"a"\r\n}\r\n'], ids=["mark", "CRLF"]
)
def test_reads_byte_order_marks_and_windows_line_breaks(text: str) -> None:
    for read in (ir.from_json, ir.from_crucible_json):
        assert read(text, v1.StageDef).name == "a"
        assert read(text.encode(), v1.StageDef).name == "a"


def test_lines_end_at_line_feeds_only() -> None:
    text = '{"name": "\u2028\x85",\r\n "enabled": 1}'
    with pytest.raises(ir.DecodeError) as caught:
        ir.from_json(text, "StageDef")
    assert str(caught.value.position) == "2:13"


def test_violations_have_the_position_of_the_value_under_either_name() -> None:
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


@given(value=json_values)
def test_reads_and_writes_like_the_standard_library(value: object) -> None:
    assert parsing.parse(json.dumps(value)) == value
    for indent in (None, 2):
        assert json.loads(write_text(value, indent=indent)) == value


@given(document=json_values)
def test_finds_the_position_of_every_value(document: object) -> None:
    text = json.dumps(document, indent=1, ensure_ascii=False)
    root = parsing.locate(text)

    def check(value: object, path: list[list[str | int]]) -> None:
        position = root.find(path)
        # The first position is found by a scan along the path, the others in the tree.
        positions = parsing.JsonPositions(text)
        assert [positions.find(path), positions.find(path), positions.find(path)] == [position] * 3
        lines = text.split("\n")
        rest = "\n".join([lines[position.line - 1][position.column - 1 :], *lines[position.line :]])
        found, _ = json.JSONDecoder().raw_decode(rest)
        assert found == value
        if isinstance(value, dict):
            for key, item in value.items():
                check(item, [*path, [key]])
        if isinstance(value, list):
            for index, item in enumerate(value):
                check(item, [*path, [index]])

    check(document, [])


def test_scan_and_tree_find_the_position_of_a_key_or_of_the_nearest_value() -> None:
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


def test_errors_with_positions_can_be_pickled() -> None:
    for text in ('{"name": 1}', '{"name": ""}'):
        with pytest.raises(ValueError) as caught:
            ir.from_json(text, "StageDef")
        copy = pickle.loads(pickle.dumps(caught.value))
        assert (type(copy), str(copy)) == (type(caught.value), str(caught.value))
        assert str(copy).count("1:10") == 1
