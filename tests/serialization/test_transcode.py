"""`transcode` gives what the reader of one format and the writer of the other give."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format

import crucible_ir as ir
from crucible_ir import v1
from crucible_ir.serialization.formats import UnknownFormatError, document_format_of
from crucible_ir.serialization.type_detection import detect_type

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

READERS: dict[str, Callable[..., Any]] = {
    "binary": ir.from_binary,
    "json": ir.from_json,
    "crucible-json": ir.from_crucible_json,
}
WRITERS: dict[str, Callable[..., bytes]] = {
    "binary": ir.to_binary,
    "json": lambda message: ir.to_json(message).encode(),
    "crucible-json": lambda message: ir.to_crucible_json(message).encode(),
}
PAIRS = [(source, target) for source in READERS for target in WRITERS]


def examples() -> list[Any]:
    """Return the messages of the example documents."""
    found = []
    for path in sorted(EXAMPLES.iterdir()):
        if path.suffix in (".json", ".yaml") and "broken" not in path.name:
            format_ = document_format_of(path.name)
            document = format_.parse(path.read_bytes())
            found.append(document.read(detect_type(document, format_), validate=True))
    return found


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_the_result_is_that_of_reading_and_writing(source: str, target: str) -> None:
    options: Any = {"from_": source, "to": target}
    for message in examples():
        type_ = type(message)
        data = WRITERS[source](message)
        wanted = WRITERS[target](READERS[source](data, type_))
        assert ir.transcode(data, type_, **options) == wanted
        assert ir.transcoder(type_, **options)(data) == wanted
        assert ir.transcode(data, type_.DESCRIPTOR.name, validate=False, **options) == wanted
        if source != "binary":
            indented = json.dumps(json.loads(data), indent=1)
            assert ir.transcode(indented, type_, **options) == wanted


def test_the_bytes_and_the_json_are_those_of_google() -> None:
    for message in examples():
        data = message.SerializeToString(deterministic=True)
        text = ir.transcode(data, type(message), from_="binary", to="json")
        assert json_format.Parse(text, type(message)()) == message
        assert ir.transcode(text, type(message), from_="json", to="binary") == data


BAD: list[tuple[str, str | bytes, Any]] = [
    ("json", '{"id": 3}', {}),
    ("json", "{", {}),
    ("json", b"\xff", {}),
    ("json", '{"id": ""}', {}),
    ("crucible-json", '{"id": "", "feedback_type": "?"}', {}),
    ("binary", b"\x0a\x05a", {}),
    ("binary", b"", {}),
    ("binary", "text", {}),
    # The field number 0 in an unknown group.
    ("binary", b"\x0a\x01a\xfb\x07\x00\x01\xfc\x07", {}),
    ("binary", b"\x0a\x01a", {"limits": ir.Limits(max_bytes=2)}),
    ("json", '{"id": "abc"}', {"limits": ir.Limits(max_string_bytes=2)}),
    ("json", '{"id": "abc"}', {"limits": ir.Limits(max_bytes=5)}),
]


@pytest.mark.parametrize(("source", "data", "options"), BAD)
def test_bad_documents_have_the_errors_of_the_readers(
    source: Any, data: str | bytes, options: Any
) -> None:
    for validate in (True, False):
        try:
            READERS[source](data, v1.FeedbackEvent, validate=validate, **options)
        except ir.Error as error:
            wanted = error
        else:
            assert not validate
            continue
        every: Any = {"from_": source, "to": "json", "validate": validate, **options}
        with pytest.raises(type(wanted)) as caught:
            ir.transcode(data, v1.FeedbackEvent, **every)
        assert str(caught.value) == str(wanted)
        with pytest.raises(type(wanted)) as caught:
            ir.transcoder(v1.FeedbackEvent, **every)(data)
        assert str(caught.value) == str(wanted)


def test_an_invalid_document_is_converted_without_validation() -> None:
    options: Any = {"from_": "json", "to": "binary", "validate": False}
    assert ir.transcode('{"latencyMs": -1}', "FeedbackEvent", **options) == ir.to_binary(
        v1.FeedbackEvent(latency_ms=-1)
    )


def test_a_message_that_the_format_cannot_represent_is_an_encode_error() -> None:
    message = v1.FeedbackEvent(id="a")
    message.input["score"] = float("inf")
    with pytest.raises(ir.EncodeError) as caught:
        ir.transcode(ir.to_binary(message), "FeedbackEvent", from_="binary", to="json")
    assert caught.value.path == 'input["score"]'


def test_unknown_fields_are_kept_in_binary_and_left_out_in_json() -> None:
    data = b"\x0a\x01a\xf8\x07\x01"
    assert ir.transcode(data, "FeedbackEvent", from_="binary", to="binary") == data
    assert ir.transcode(data, "FeedbackEvent", from_="binary", to="json") == b'{"id":"a"}'


@pytest.mark.parametrize("name", ["yaml", "jsonl", "protojson", ""])
def test_an_unknown_format_is_an_error_that_names_the_formats(name: Any) -> None:
    for options in ({"from_": name, "to": "json"}, {"from_": "json", "to": name}):
        with pytest.raises(UnknownFormatError, match="expected one of binary, json, crucible-json"):
            ir.transcode("{}", "StageDef", **options)
        with pytest.raises(UnknownFormatError, match="expected one of binary, json, crucible-json"):
            ir.transcoder("StageDef", **options)
