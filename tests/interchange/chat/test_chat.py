"""What the formats of chat services share."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from interchange.law import check_complete, check_law

from crucible_ir import v1
from crucible_ir.interchange.chat import calls, media, parts, records, tools
from crucible_ir.interchange.mapping.dialect import json_values
from crucible_ir.interchange.mapping.exporting import Export
from crucible_ir.interchange.mapping.format import Format
from crucible_ir.interchange.mapping.importing import Import
from crucible_ir.interchange.mapping.source import Source
from crucible_ir.interchange.mapping.target import Target


def _read_request(conversion: Import, source: Source, prompt: Target) -> None:
    for item in source.items("turns"):
        message = prompt.append("messages")
        message.keep_rest(item)
        message.value["role"] = "assistant"
        for found in item.items("parts"):
            part = parts.append_part(message)
            if (text := found.get("text", str)) is not None:
                part.keep_rest(found)
                part.put("text", text.value, text)
            else:
                parts.put_other(part, found, "toy")
        for found in item.items("calls"):
            call = message.append("tool_calls")
            name = found.get("name", str)
            assert name is not None
            call.put("name", name.value, name)
            if (arguments := found.get("arguments")) is not None:
                calls.read_arguments(call, arguments)
            else:
                call.default("map", {}, "none are given")
    for item in source.items("tools"):
        tool = prompt.append("tools")
        tool.keep_rest(item)
        tools.read_function(tool, item)


def _read_response(conversion: Import, source: Source, completion: Target) -> None:
    answer = source.get("answer", str)
    if answer is not None:
        completion.put("model", answer.value, answer)


def _export_prompt(conversion: Export) -> None:
    target = records.body_target(conversion, "body")
    for message in conversion.source.items("messages"):
        turn = target.append("turns")
        role = message.get("role", str)
        assert role is not None
        role.implied_by(turn)
        for part in parts.part_sources(message):
            item = turn.append("parts")
            if (text := part.get("text", str)) is not None:
                item.put("text", text.value, text)
            elif not parts.is_foreign(part, conversion.format):
                parts.write_other(part, item, "toy")
            item.restore(part.rest())
        for call in message.items("tool_calls"):
            item = turn.append("calls")
            name = call.get("name", str)
            assert name is not None
            item.put("name", name.value, name)
            calls.write_arguments_text(call, item, "arguments")
        turn.restore(message.rest())
    for tool in conversion.source.items("tools"):
        item = target.append("tools")
        tools.write_function(tool, item)
        item.restore(tool.rest())
    target.restore(conversion.source.rest())


def _export_completion(conversion: Export) -> None:
    target = records.body_target(conversion, "response", "body")
    model = conversion.source.get("model", str)
    if model is not None:
        target.put("answer", model.value, model)
    target.restore(conversion.source.rest())


CHAT = records.Chat(
    is_request=lambda value: isinstance(value.get("turns"), list),
    is_response=lambda value: "answer" in value,
    read_request=_read_request,
    read_response=_read_response,
    expected="turns or an answer",
)
TOY = Format(
    "toy",
    "Toy",
    "A service of tests.",
    lambda conversion: records.read_record(conversion, CHAT),
    {"Prompt": _export_prompt, "Completion": _export_completion},
)


def _rejoin(objects: list[Any]) -> Any:
    return dict(zip(("request", "response"), objects, strict=True))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ('{"city": "Boston"}', {"map": {"city": "Boston"}}),
        ("{}", {"map": {}}),
        ('{"x": 0.1, "y": -0.0, "z": 1e3}', {"map": {"x": 0.1, "y": -0.0, "z": 1000}}),
        ("", {"raw": ""}),
        ("[1]", {"raw": "[1]"}),
        ('{"a": 1, "a": 2}', {"raw": '{"a": 1, "a": 2}'}),
        ('{"id": 9007199254740993}', {"raw": '{"id": 9007199254740993}'}),
        ('{"x": 0.12345678901234567890}', {"raw": '{"x": 0.12345678901234567890}'}),
        ('{"x": 1e400}', {"raw": '{"x": 1e400}'}),
        ('{"x": NaN}', {"raw": '{"x": NaN}'}),
        ('{"a": ' * 30 + "1" + "}" * 30, {"raw": '{"a": ' * 30 + "1" + "}" * 30}),
        ({"city": "Boston"}, {"map": {"city": "Boston"}}),
        ({"id": 2**60}, {"raw": f'{{"id": {2**60}}}'}),
        ([1, "a"], {"raw": '[1, "a"]'}),
    ],
)
def test_arguments_are_an_object_only_where_that_is_exact(
    arguments: object, expected: dict[str, object]
) -> None:
    record = {"turns": [{"calls": [{"name": "f", "arguments": arguments}]}]}
    # The toy format writes arguments as text, as OpenAI does.
    imported = check_law(TOY, record) if isinstance(arguments, str) else TOY.import_(record)
    [prompt] = imported.documents
    [call] = json_values(prompt)["messages"][0]["tool_calls"]
    assert call == {"name": "f", **expected}


def test_a_call_without_arguments_stays_one() -> None:
    [prompt] = check_law(TOY, {"turns": [{"calls": [{"name": "f"}]}]}).documents
    assert TOY.export(prompt).obj == {"turns": [{"calls": [{"name": "f"}]}]}
    other = v1.Prompt(
        messages=[v1.Message(tool_calls=[v1.ToolCall(name="f")], role="MESSAGE_ROLE_ASSISTANT")]
    )
    [call] = TOY.export(other).obj["turns"][0]["calls"]
    assert call == {"name": "f", "arguments": "{}"}


def test_the_rest_of_a_tool_is_under_its_options() -> None:
    deep: dict[str, Any] = {}
    for _ in range(30):
        deep = {"items": deep}
    given_tools = [
        {"name": "f", "strict": True, "parameters": {"type": "object"}, "cache": {"ttl": 5}},
        {"name": "g", "description": None, "parameters": deep},
    ]
    [prompt] = check_law(TOY, {"turns": [], "tools": given_tools}).documents
    first, second = json_values(prompt)["tools"]
    assert first == {
        "name": "f",
        "strict": True,
        "parameters": {"type": "object"},
        "options": {"toy": {"cache": {"ttl": 5}}},
    }
    assert json.loads(second["parameters_json"]) == deep
    assert TOY.export(prompt).obj["tools"] == given_tools


def test_parts_of_other_services_are_recognized() -> None:
    record = {"turns": [{"parts": [{"type": "video", "length": 3}, {"type": "file"}, {"a": 1}]}]}
    [prompt] = check_law(TOY, record).documents
    assert json_values(prompt)["messages"][0]["parts"]["parts"] == [
        {"other": {"type": "video", "length": 3}},
        {"other": {"type": "toy", "part": {"type": "file"}}},
        {"other": {"type": "toy", "part": {"a": 1}}},
    ]


def test_a_pair_refers_to_its_request() -> None:
    imported = check_law(
        TOY, {"request": {"turns": []}, "response": {"answer": "a"}}, rejoin=_rejoin
    )
    prompt, completion = imported.documents
    assert isinstance(prompt, v1.Prompt)
    assert isinstance(completion, v1.Completion)
    assert prompt.request_id.startswith("toy-")
    assert completion.request_id == prompt.request_id
    assert completion.response_id != prompt.request_id
    same = TOY.import_({"turns": []}).documents[0]
    assert isinstance(same, v1.Prompt)
    assert same.request_id == prompt.request_id


def test_a_pair_with_an_error_keeps_the_request() -> None:
    record = {"request": {"turns": []}, "response": {"error": {"code": "c", "message": "m"}}}
    imported = TOY.import_(record)
    assert [type(each) for each in imported.documents] == [v1.Prompt]
    [error] = imported.report.errors
    assert (error.path, error.reason) == ("response", "the service answered with an error: c: m")
    check_complete(record, imported.report)


@pytest.mark.parametrize(
    "record",
    [
        {"custom_id": "1", "method": "POST", "url": "/v1/x", "body": {"turns": [], "more": 1}},
        {"custom_id": "1", "id": "b", "response": {"status_code": 200, "body": {"answer": "a"}}},
        {"custom_id": "1", "response": {"body": {"answer": "a"}}},
    ],
)
def test_lines_of_batches_come_back(record: dict[str, Any]) -> None:
    [document] = check_law(TOY, record).documents
    assert isinstance(document, (v1.Prompt, v1.Completion))
    assert document.request_id == "1"
    assert TOY.export(document).obj == record


@pytest.mark.parametrize(
    ("record", "path", "reason"),
    [
        ({"error": {"message": "m", "type": "t"}}, "error", "t: m"),
        ({"error": "down"}, "error", "down"),
        ({"error": {"code": None}}, "error", "without code or message"),
        ({"custom_id": "1", "error": {"code": "expired"}}, "error", "expired"),
        (
            {"custom_id": "1", "response": {"body": {"error": {"code": 400, "message": "m"}}}},
            "response.body.error",
            "400: m",
        ),
        ({"custom_id": "1", "response": None}, "", "no body"),
        ({"custom_id": "1", "response": {"body": {"x": 1}}}, "response.body", "expected turns"),
        ({"custom_id": "1", "url": "/", "body": {"x": 1}}, "body", "expected turns"),
        ({"x": 1}, "", "expected turns"),
    ],
)
def test_an_error_of_the_service_is_located(record: object, path: str, reason: str) -> None:
    imported = TOY.import_([record, {"turns": []}])
    assert len(imported.documents) == 1
    [error] = imported.report.errors
    assert error.path == f"[0].{path}".rstrip(".")
    assert reason in error.reason


@given(st.text(), st.binary())
def test_a_data_url_comes_back(url: str, data: bytes) -> None:
    found = media.parse_data_url(url)
    assert found is None or media.data_url(*found) == url
    text = media.data_url("image/png", base64.b64encode(data).decode())
    assert media.parse_data_url(text) is not None


@given(st.text() | st.just('{"a":'))
def test_any_text_can_be_the_arguments_of_a_call(text: str) -> None:
    check_law(TOY, {"turns": [{"calls": [{"name": "f", "arguments": text}]}]})
