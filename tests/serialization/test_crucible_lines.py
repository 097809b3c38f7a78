"""JSON lines in the dialect of the Elixir services."""

from __future__ import annotations

import io
from typing import Any

import pytest

import crucible_ir as ir
from crucible_ir import v1
from crucible_ir.serialization.streams.formats import format_named, format_of, stem_of

STAGES = [v1.StageDef(name="a", enabled=True), v1.StageDef(name="b")]
THUMBS = v1.FeedbackType.FEEDBACK_TYPE_THUMBS


def read(text: str, type_: str, **options: Any) -> list[Any]:
    return list(ir.read_jsonl(io.BytesIO(text.encode()), type_, dialect="crucible", **options))


def test_each_line_is_the_crucible_json_of_a_message() -> None:
    file = io.BytesIO()
    assert ir.write_jsonl(file, STAGES, dialect="crucible") == 2
    assert file.getvalue().decode() == "".join(ir.to_crucible_json(each) + "\n" for each in STAGES)
    assert read(file.getvalue().decode(), "StageDef") == STAGES


def test_defaults_and_short_names_are_those_of_crucible_json() -> None:
    assert read('{"id":"e1"}\n\n{"id":"e2","feedback_type":"stars"}\n', "FeedbackEvent") == [
        v1.FeedbackEvent(id="e1", feedback_type=THUMBS),
        v1.FeedbackEvent(id="e2", custom_feedback_type="stars"),
    ]


def test_bad_lines_have_their_line_column_and_path() -> None:
    text = '{"name":"a"}\n{"nmae":"b"}\n{"name":""}\nnull\n{"name":"c"}\n'
    bad: list[ir.StreamError] = []
    assert [stage.name for stage in read(text, "StageDef", on_bad=bad.append)] == ["a", "c"]
    assert [(str(each.position), each.path) for each in bad] == [
        ("2:2", "nmae"),
        ("3:1", ""),
        ("4:1", ""),
    ]
    assert bad[0].reason == 'StageDef has no field "nmae"; did you mean "name"?'
    assert isinstance(bad[1].error, ir.ValidationError)


def test_the_limits_hold() -> None:
    with pytest.raises(ir.StreamError, match="max_frame_bytes"):
        read('{"name":"abcdef"}\n', "StageDef", max_frame_bytes=5)
    with pytest.raises(ir.StreamError, match="max_string_bytes"):
        read('{"name":"abcdef"}\n', "StageDef", limits=ir.Limits(max_string_bytes=3))


def test_a_short_name_in_a_protojson_line_says_which_dialect_reads_it() -> None:
    with pytest.raises(ir.StreamError) as caught:
        list(ir.read_jsonl(io.BytesIO(b'{"feedback_type":"thumbs"}'), "FeedbackEvent"))
    assert caught.value.reason == (
        '"thumbs" is the short name of FEEDBACK_TYPE_THUMBS; short names are read with'
        ' dialect="crucible"'
    )


def test_an_unknown_dialect_is_an_error_before_the_file_is_opened() -> None:
    with pytest.raises(ValueError, match='unknown dialect "elixir"; expected "protojson" or'):
        ir.read_jsonl("missing.jsonl", "StageDef", dialect="elixir")  # type: ignore[call-overload]
    with pytest.raises(ValueError, match='unknown dialect "elixir"'):
        ir.write_jsonl("missing/a.jsonl", [], dialect="elixir")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "format_"),
    [
        ("a.crucible.jsonl", "crucible-jsonl"),
        ("A.CRUCIBLE.JSONL.GZ", "crucible-jsonl"),
        ("a.jsonl", "jsonl"),
        ("crucible.jsonl", "jsonl"),
        ("a.crucible.json", "crucible-json"),
    ],
)
def test_the_extension_selects_the_dialect(name: str, format_: str) -> None:
    assert format_of(name) is format_named(format_)


def test_the_extension_is_no_part_of_the_stem() -> None:
    assert stem_of("logs/a.crucible.jsonl.zst") == "a"
