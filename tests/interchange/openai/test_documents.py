"""Documents of Chat Completions, with the oddities of real ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from interchange.law import check_law

from crucible_ir import v1
from crucible_ir.interchange.mapping.dialect import json_values
from crucible_ir.interchange.mapping.reading import read_records
from crucible_ir.interchange.openai import FORMAT, export, import_

DOCUMENTS = Path(__file__).parents[1] / "documents" / "openai"


def _record(name: str) -> Any:
    [record] = read_records(str(DOCUMENTS / name), assemble=FORMAT.assemble)
    return record.value


def _only(record: Any) -> dict[str, Any]:
    [document] = check_law(FORMAT, record).documents
    return json_values(document)


@pytest.mark.parametrize("name", [path.name for path in sorted(DOCUMENTS.iterdir())])
def test_every_document_comes_back(name: str) -> None:
    imported = check_law(FORMAT, _record(name))
    assert imported.report.counts["dropped"] == 0


def test_the_fields_of_a_request() -> None:
    prompt = _only(_record("request.json"))
    assert prompt["options"] == {
        "model": "gpt-5-mini",
        "temperature": 0.2,
        "max_tokens": 200,
        "top_p": 1.0,
        "top_k": 40,
        "frequency_penalty": 0.0,
        "presence_penalty": -0.5,
        "stop": ["END", "STOP"],
        "response_format": "json_schema",
        "json_schema": {"type": "object", "properties": {"name": {"type": "string"}}},
        "stream": False,
        "seed": 7,
        "reasoning_effort": "low",
        "choice_count": 2,
    }
    assert prompt["tool_choice"] == {"name": "find"}
    assert [tool.get("kind") for tool in prompt["tools"]] == [
        "function",
        "custom",
        "web_search",
        "function",
    ]
    assert json.loads(prompt["tools"][3]["parameters_json"])["maximum"] == 2**64 - 1
    assert prompt["metadata"]["openai"]["metadata"] == {"team": "maps"}
    assert [message["role"] for message in prompt["messages"]] == [
        *("developer", "system", "user", "assistant", "tool", "tool", "tool"),
        *("assistant", "assistant", "assistant", "assistant", "assistant"),
        *("tool", "assistant", "user", "user"),
    ]


def test_the_parts_of_a_message() -> None:
    parts = _only(_record("request.json"))["messages"][2]["parts"]["parts"]
    for part in parts:
        part.pop("metadata", None)
    assert parts == [
        {"text": "What is on these?"},
        {"image": {"url": "https://example.org/map.png"}},
        {"image": {"base64": "iVBORw0KGgo=", "media_type": "image/png"}},
        {"image": {"url": "https://example.org/flat.png"}},
        {"file": {"base64": "UklGRg==", "media_type": "audio/wav"}},
        {"file": {"base64": "SUQz", "media_type": "audio/mpeg"}},
        {"file": {"file_id": "file-abc"}},
        {"file": {"base64": "JVBERi0=", "media_type": "application/pdf", "name": "plan.pdf"}},
        {"file": {"url": "https://example.org/plan.pdf", "name": "plan.pdf"}},
        {"file": {"base64": "JVBERi0="}},
        {"other": {"type": "video_url", "video_url": {"url": "https://example.org/clip.webm"}}},
    ]


def test_the_calls_of_a_message() -> None:
    messages = _only(_record("request.json"))["messages"]
    assert messages[3]["tool_calls"] == [
        {"id": "call_a", "name": "find", "map": {"place": "Oslo", "depth": 2}},
        {"id": "call_b", "name": "find", "raw": '{"id": 9007199254740993}'},
        {"id": "call_c", "name": "run", "raw": "print(1)"},
        {"id": "call_3_3", "name": "find", "raw": "", "signature": "c2ln"},
    ]
    assert messages[13]["tool_calls"] == [{"id": "call_13_0", "name": "legacy", "map": {}}]


def test_reasoning_is_a_part() -> None:
    messages = _only(_record("request.json"))["messages"]
    assert messages[7]["parts"]["parts"] == [
        {"reasoning": {"text": "The tool says so."}},
        {"text": "By the sea."},
    ]
    thinking = messages[9]["parts"]["parts"]
    assert [part.get("reasoning", {}).get("text") for part in thinking] == [
        "One.\n\nTwo.",
        "Three.",
        "Four.",
        None,
    ]
    assert thinking[2]["signature"] == "c2ln"
    details = _only(_record("response_openrouter.json"))["choices"][0]["message"]["parts"]["parts"]
    for part in details:
        part.pop("metadata", None)
    assert details == [
        {"reasoning": {"id": "r1", "text": "Think."}, "signature": "c2ln"},
        {"reasoning": {"text": "Again."}},
        {"reasoning": {"id": "r2", "encrypted": "gAAAA"}},
        {"text": "Here."},
        {"file": {"base64": "UklGRg=="}},
    ]


def test_the_fields_of_a_response() -> None:
    completion = _only(_record("response.json"))
    assert completion["response_id"] == "chatcmpl-1"
    assert completion["created_at"] == "2025-12-01T00:00:00Z"
    assert completion["usage"] == {
        "prompt_tokens": 20,
        "completion_tokens": 8,
        "total_tokens": 28,
        "thinking_tokens": 5,
        "cached_tokens": 16,
        "cache_write_tokens": 4,
    }
    first, second, third = completion["choices"]
    assert first["message"]["text"] == "Oslo."
    assert first["metadata"]["openai"]["logprobs"]["content"][0]["token"] == "Oslo"
    assert second["finish_reason"] == "tool_calls"
    assert third["message"]["refusal"] == "I cannot help."


def test_reasons_that_differ_are_kept() -> None:
    azure = _only(_record("response_azure.json"))["choices"]
    assert "message" not in azure[0]
    assert azure[1]["finish_reason"] == "tool_calls"
    assert azure[1]["metadata"]["openai"]["finish_reason"] == "function_call"
    [unknown] = _only(_record("response_bare.json"))["choices"]
    assert "finish_reason" not in unknown
    assert unknown["metadata"]["openai"]["finish_reason"] == "eos"


def test_values_that_break_rules_are_kept_as_they_are() -> None:
    prompt = _only(_record("request_legacy.json"))
    assert prompt["options"] == {
        "model": "gpt-4",
        "max_tokens": 16,
        "stop": ["END"],
        "response_format": "json",
    }
    assert prompt["metadata"]["openai"]["top_k"] == -1
    assert prompt["metadata"]["openai"]["n"] == 0
    assert prompt["tools"][0]["name"] == "add"
    assert prompt["tool_choice"] == {"name": "add"}


def test_a_stream_is_put_together() -> None:
    record = _record("stream.sse")
    assert record["object"] == "chat.completion"
    completion = _only(record)
    first, second = completion["choices"]
    assert first["message"]["tool_calls"] == [
        {"id": "call_x", "name": "find", "map": {"place": "Oslo"}},
        {"id": "call_y", "name": "add", "map": {}},
    ]
    assert second["message"]["parts"]["parts"] == [
        {"reasoning": {"text": "Greet"}},
        {"text": "Hello"},
    ]
    assert completion["usage"]["total_tokens"] == 13


def test_an_error_in_a_stream_is_located() -> None:
    assert FORMAT.assemble is not None
    chunk = {"choices": [{"index": 0, "delta": {"content": "a"}}]}
    error = {"error": {"code": 502, "message": "lost"}, "choices": []}
    imported = import_(FORMAT.assemble([("", chunk), ("", error), ("", 5)]))
    assert not imported.documents
    assert "502: lost" in imported.report.errors[0].reason


@pytest.mark.parametrize(
    ("record", "path"),
    [
        ({"messages": ["hello"]}, "messages[0]"),
        ({"choices": [7]}, "choices[0]"),
        ({"object": "chat.completion"}, ""),
    ],
)
def test_what_is_no_record_is_a_located_error(record: object, path: str) -> None:
    [error] = import_(record).report.errors
    assert error.path == path


def test_a_prompt_of_another_service_is_exported() -> None:
    prompt = v1.Prompt(system="Be brief.", options=v1.GenerationOptions(max_tokens=5))
    message = prompt.messages.add(role="MESSAGE_ROLE_USER")
    result = message.parts.parts.add().tool_result
    result.tool_call_id = "toolu_1"
    result.parts.add().text = "rain"
    result.is_error = True
    message.parts.parts.add().text = "And now?"
    message.parts.parts.add().audio.url = "https://example.org/a.wav"
    server = message.parts.parts.add()
    server.other.update({"type": "server_tool_use"})
    prompt.messages.add(role="MESSAGE_ROLE_ASSISTANT").tool_calls.add(name="f", part_index=0)
    prompt.tools.add().update({"name": "f", "input_schema": {"type": "object"}})
    prompt.tools.add().update({"type": "function", "function": {"name": "g", "parameters": {}}})
    exported = export(prompt)
    assert exported.obj == {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {
                "role": "tool",
                "content": [{"type": "text", "text": "rain"}],
                "tool_call_id": "toolu_1",
            },
            {
                "role": "user",
                "content": [{"type": "text", "text": "And now?"}, {"type": "server_tool_use"}],
            },
            {
                "role": "assistant",
                "tool_calls": [
                    {
                        "id": "call_0",
                        "type": "function",
                        "function": {"name": "f", "arguments": "{}"},
                    }
                ],
            },
        ],
        "tools": [
            {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}},
            {"type": "function", "function": {"name": "g", "parameters": {}}},
        ],
        "max_completion_tokens": 5,
    }
    dropped = [entry.path for entry in exported.report.entries if entry.outcome == "dropped"]
    assert dropped == [
        "messages[0].parts.parts[0].tool_result.is_error",
        "messages[0].parts.parts[2].**",
        "messages[*].tool_calls[*].part_index",
    ]


def test_a_completion_that_nobody_imported_has_what_the_service_gives() -> None:
    completion = v1.Completion(model="m", request_id="r", latency_ms=5)
    choice = completion.choices.add(finish_reason="FINISH_REASON_REFUSAL")
    choice.message.role = v1.MessageRole.MESSAGE_ROLE_ASSISTANT
    choice.message.text = "No."
    choice.thinking.content = "Hm."
    choice.thinking.tokens = 1
    exported = export(completion)
    assert exported.obj == {
        "id": "",
        "object": "chat.completion",
        "created": 0,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": "No."},
            }
        ],
    }
    assert exported.report.counts["dropped"] == 3
    assert exported.report.counts["defaulted"] == 3


def test_a_custom_call_without_its_content_is_kept_as_it_is() -> None:
    call = {"id": "c", "type": "custom", "custom": None, "function": {"name": "f"}}
    record = {"messages": [{"role": "assistant", "tool_calls": [call]}]}
    [document] = check_law(FORMAT, record).documents
    assert export(document).obj == record


def test_texts_that_were_cut_in_a_character_are_mended() -> None:
    cut = "Hi \ud83d"
    record = {
        "messages": [
            {"role": "user", "content": cut},
            {"role": "user", "content": [{"type": "text", "text": cut}]},
            {
                "role": "assistant",
                "tool_calls": [
                    {
                        "id": cut,
                        "type": "function",
                        "function": {"name": cut, "arguments": '{"a": "\\ud83d"}'},
                    }
                ],
            },
        ],
        "stop": [cut],
        "user": cut,
    }
    imported = check_law(FORMAT, record)
    prompt = json_values(imported.documents[0])
    assert prompt["messages"][0]["text"] == "Hi ?"
    assert prompt["messages"][2]["tool_calls"][0]["raw"] == '{"a": "\\ud83d"}'
    assert prompt["options"]["stop"] == ["Hi ?"]
    assert imported.report.counts["converted"] == 6


def test_the_report_of_cut_texts_can_be_written() -> None:
    cut = "\ud83d"
    imported = import_({"messages": [], "user": cut, cut: {"a": [cut]}, "b": {cut: cut}})
    json.dumps(imported.report.as_json(), ensure_ascii=False).encode()
    assert imported.report.counts["converted"] == 3
