"""The readers and writers of JSON differ from google's json_format only as docs/json.md says."""

from __future__ import annotations

import ast
import inspect
import json
import re
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from effort import sample_size
from google.protobuf import json_format, text_format
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st
from json_documents import changed_documents, documents, findings
from message_strategies import messages
from pages import ROOT, table

import crucible_ir as ir

PAGE = (ROOT / "docs" / "json.md").read_text(encoding="utf-8")
OPTIONS = table(PAGE, "`json_format`")
WRITTEN = table(PAGE, "what is written")
READ = table(PAGE, "what is read")

#: The documents that the page abbreviates.
ABBREVIATIONS = {
    "1.0…": "1." + "0" * 70,
    '{"a": …}': '{"a":' * 40 + "1" + "}" * 40,
    '{"fallback": …}': '{"fallback":' * 100 + "{}" + "}" * 100,
}

#: What `from_json` says about which value, by the row of the page, for what only google accepts.
REASONS = {
    "a fraction that a double rounds to an integer": (
        r"^expected an integer, .* at (whole double|\"[0-9.e-]+\")"
    ),
    "a number in quotes that is not a number of JSON": (
        r"^expected (an integer|a number, \"NaN\").* at \""
    ),
    "an integer in quotes of more than 64 characters": r"^expected an integer, .* at \"[0-9.]{65,}",
    "a number in quotes beyond the range of doubles": r"is out of range; for infinity, .* at \"",
    "another spelling of infinity or NaN": r"^expected a number, .* at \"[+-]?(inf|nan|infinity)\"",
    "a boolean as a number": r"^expected (a number|an integer), got (true|false) at",
    "a boolean as an enum value": r"^expected a name or number of .* got (true|false) at",
    "an enum number in quotes": r"^\w+ has no value .* at \"[ +-]*([0-9_]|\\u0663)+ ?(\\n)?\"",
    "an enum number with a fraction": r"^expected an integer, got the number .* at [0-9.e-]+",
    "an enum number beyond 32 bits": r"out of range; expected -2147483648 to 2147483647 at",
    "a list or a string as a message": r"^expected an object, got (a list|the string '') at",
    "both names of a field without presence": r"^duplicate field",
    "base64 with other characters or too much padding": r"^invalid base64",
    "a timestamp with an offset that is not a time, or a point without digits": (
        r"^(invalid UTC offset|expected an RFC 3339 timestamp)"
    ),
    "in opaque JSON, an integer beyond ±2^53": r"beyond 2\^53, the limit of exact integers",
    "in opaque JSON, `NaN`, `Infinity` or `1e400`": (
        r"^a number in opaque JSON must be finite|^not JSON: -?(NaN|Infinity) without quotes"
    ),
    "opaque JSON too deep for binary readers": r"^nested deeper",
}

every_type = pytest.mark.parametrize("name", ir.MESSAGE_TYPES)


def google_reads(name: str, data: Any) -> Message | None:
    # Not all of its errors are a ParseError.
    try:
        return json_format.Parse(data, ir.MESSAGE_TYPES[name]())
    except Exception:
        return None


def check(name: str, text: str) -> None:
    """Check that both readers agree on a document, or differ as a row of the page says."""
    expected = google_reads(name, text)
    found = findings(name, text, validate=False)
    if expected is None and not found:
        assert "9223372036854775807.0" in text
    elif expected is not None and found:
        for finding in found:
            assert any(re.search(reason, finding) for reason in REASONS.values()), (text, finding)
    elif expected is not None and expected != ir.from_json(text, name, validate=False):
        assert "9007199254740993.0" in text


@every_type
def test_every_value_in_every_field_is_read_alike(name: str) -> None:
    every = list(documents(name))
    for text in Random(name).sample(every, sample_size(len(every))):
        check(name, text)


@every_type
@given(data=st.data())
def test_changed_documents_are_read_alike(name: str, data: st.DataObject) -> None:
    check(name, data.draw(changed_documents(name)))


@every_type
@given(data=st.data())
def test_every_message_is_written_as_the_same_json_values(name: str, data: st.DataObject) -> None:
    message = data.draw(messages(ir.MESSAGE_TYPES[name]))
    assert ir.to_dict(message) == json_format.MessageToDict(message)


def split(cell: str) -> tuple[str, str]:
    """Return the type and the content of a cell."""
    found = re.fullmatch(r"`(\w+)` `(.*)`", cell)
    assert found is not None, cell
    return found[1], found[2]


def result_of(function: Callable[[], object]) -> object:
    try:
        return function()
    except Exception:
        return "error"


@pytest.mark.parametrize(("what", "example", "google", "here"), READ, ids=[row[0] for row in READ])
def test_documents_are_read_as_the_page_says(
    what: str, example: str, google: str, here: str
) -> None:
    name, document = split(example)
    for short, full in ABBREVIATIONS.items():
        document = document.replace(short, full)
    data: Any = document
    if document.startswith("memoryview("):
        data = memoryview(ast.literal_eval(document[len("memoryview(") : -1]))
    elif not document.startswith("{"):
        data = ast.literal_eval(document)
    theirs = google_reads(name, data)
    ours = result_of(lambda: ir.from_json(data, name, validate=False))
    for message, cell in ((theirs, google), (ours, here)):
        if cell == "error":
            assert message in (None, "error")
        else:
            assert isinstance(message, Message)
            if cell != "accepted":
                assert json_format.MessageToDict(message) == json.loads(cell.strip("`"))
    if google != "error" and here == "error":
        [finding] = findings(name, document, validate=False)
        assert re.search(REASONS[what], finding)


def test_the_page_lists_every_document_that_only_google_accepts() -> None:
    assert [what for what, _, google, here in READ if here == "error"] == list(REASONS)


@pytest.mark.parametrize(
    ("example", "google", "here"), [row[1:] for row in WRITTEN], ids=[row[0] for row in WRITTEN]
)
def test_messages_are_written_as_the_page_says(example: str, google: str, here: str) -> None:
    name, content = split(example)
    message = ir.MESSAGE_TYPES[name]()
    if content.startswith("0x"):
        message.MergeFromString(bytes.fromhex(content[2:]))
    else:
        text_format.Parse(content, message)
    # Except in the row about it, the layout that the page shows is one line.
    indent = 2 if r"\n" in google else None
    theirs = json_format.MessageToJson(message, indent=indent).replace("\n", r"\n")
    ours = result_of(lambda: ir.to_json(message))
    if google == "any order":
        assert json.loads(theirs) == json.loads(here.strip("`"))
    else:
        assert theirs == google.strip("`")
    assert ours == here.strip("`")


def test_the_page_lists_every_option_of_json_format() -> None:
    parameters = {
        name
        for function in (json_format.Parse, json_format.MessageToJson, json_format.MessageToDict)
        for name in inspect.signature(function).parameters
    }
    listed = {word for google, _ in OPTIONS for word in re.findall(r"`(\w+)`", google)}
    assert parameters - {"text", "message"} <= listed
    for here in re.findall(r"`ir\.(\w+)", " ".join(cell for _, cell in OPTIONS)):
        assert hasattr(ir, here)


def test_neither_writes_a_number_that_is_not_finite_in_opaque_json() -> None:
    event = ir.v1.FeedbackEvent()
    event.feedback_value.number_value = float("nan")
    with pytest.raises(json_format.SerializeToJsonError):
        json_format.MessageToJson(event)
    with pytest.raises(ir.EncodeError):
        ir.to_json(event)
